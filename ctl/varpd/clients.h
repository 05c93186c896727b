/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client role's configuration: which server each supernet is asked at. Kept in the engine and,
 * so that a restarted varpd still knows, in the pinned maps. Called by the text sockets, the
 * control socket and the configuration.
 *
 * A server that a join named goes with the supernet's last node here. One that was set by itself
 * (varpd_client_set, [client]) stays until it is cleared by itself. The maps do not tell which is
 * which: after a restart a server counts as named by a join if its supernet has a node here.
 */
#ifndef VARPD_CLIENTS_H
#define VARPD_CLIENTS_H

#include "varpd.h"

enum clients_source {
	CLIENTS_BY_JOIN,
	CLIENTS_BY_ITSELF,
};

/* 0, -EACCES (no credentials), -ENOMEM, or the datapath's error. On error nothing has changed. */
int clients_set(struct varpd *varpd, const struct varp_snid *snid, const struct varp_addr *server,
		enum clients_source source);
/* server NULL: whichever. 0, -ENOENT. */
int clients_clear(struct varpd *varpd, const struct varp_snid *snid,
		  const struct varp_addr *server);
/* Has it a server that goes with its last node? */
bool clients_by_join(struct varpd *varpd, const struct varp_snid *snid);
/* The supernet's last node has gone. */
void clients_left(struct varpd *varpd, const struct varp_snid *snid);
/* Takes over what the pinned maps remember. */
void clients_adopt(struct varpd *varpd);
/* Memo, varpd_init: no supernet has a server any more. The engine has been reset by the caller. */
void clients_forget(struct varpd *varpd);
void clients_stop(struct varpd *varpd);		/* frees what is kept here; changes nothing */

#endif
