/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes true what the configuration's [underlay], [node], [client] and [server] sections say. Adds,
 * never takes away: what is there already, adopted or by hand, is left alone. Called at start and
 * after a reload.
 */
#ifndef VARPD_APPLY_H
#define VARPD_APPLY_H

#include "varpd.h"

/*
 * Failures are logged; what failed is tried again every few seconds (an interface may appear late
 * at boot).
 */
void apply_config(struct varpd *varpd);
/* One line for each section that is not in effect, for `status`. */
void apply_each_problem(const struct varpd *varpd, void (*visit)(const char *text, void *ctx),
			void *ctx);
void apply_stop(struct varpd *varpd);

#endif
