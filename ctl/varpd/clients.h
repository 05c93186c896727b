/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client role's configuration: which server each supernet is asked at. Kept in the engine and, so that a restarted varpd still
 * knows, in the pinned maps. Called by the text sockets, the control socket and the configuration.
 */
#ifndef VARPD_CLIENTS_H
#define VARPD_CLIENTS_H

#include "varpd.h"

/* 0, -EACCES (no credentials), -ENOMEM, or the datapath's error. On error nothing has changed. */
int clients_set(struct varpd *varpd, const struct varp_snid *snid, const struct varp_addr *server);
/* server NULL: whichever. 0, -ENOENT. */
int clients_clear(struct varpd *varpd, const struct varp_snid *snid, const struct varp_addr *server);
/* Takes over what the pinned maps remember. */
void clients_adopt(struct varpd *varpd);
/* Memo, varpd_init: no supernet has a server any more. The engine has been reset by the caller. */
void clients_forget(struct varpd *varpd);

#endif
