/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Joining and leaving supernets as people mean it: the datapath's node and the server to ask, both
 * or none. Called by the control socket and the configuration.
 */
#ifndef VARPD_NODES_H
#define VARPD_NODES_H

#include "varpd.h"

/*
 * server NULL: the one that is known already. 0, or -errno with nothing changed (-EEXIST: the host
 * is that node already; -EBUSY, among others: the supernet's nodes here have another server).
 * warning: the node will not be able to look anybody up (without a server, or with one that it
 * hides), or its server takes the place of one that was set while there was no node; empty: nothing
 * is to be said.
 */
int nodes_join(struct varpd *varpd, const struct datapath_join *join,
	       const struct varp_addr *server,
	       struct datapath_node *node, struct varpd_error *warning, struct varpd_error *error);
/* Do requests to the server go to the node's device? Not if this host answers them itself. */
bool nodes_hide(const struct varpd *varpd, const struct datapath_node *node,
		const struct varp_addr *server);
#define NODES_HIDDEN	"server %s is an address within the node's own network %s/%u, so requests to it " \
			"go into the supernet: name the server's address in the underlay"
/*
 * vaddr NULL: every node of the supernet. With the last one its server is forgotten as well, if a
 * join had named it; also if there is no node any more, its device having been deleted.
 */
int nodes_leave(struct varpd *varpd, const struct varp_snid *snid, const struct varp_addr *vaddr,
		struct varpd_error *error);

#endif
