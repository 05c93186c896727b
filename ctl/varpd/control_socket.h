/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's end of the control socket. What is said over it is in ctl/common/control.h and
 * docs/CONTROL.md.
 */
#ifndef VARPD_CONTROL_SOCKET_H
#define VARPD_CONTROL_SOCKET_H

#include "varpd.h"

int control_open(struct control **out, struct varpd *varpd, struct varpd_error *error);
void control_close(struct control *control);
unsigned int control_count(const struct control *control);	/* connections open now */

#endif
