// SPDX-License-Identifier: BSD-2-Clause
/*
 * See nodes.h.
 */
#include <errno.h>
#include <string.h>

#include "addr.h"
#include "clients.h"
#include "nodes.h"

int nodes_join(struct varpd *varpd, const struct datapath_join *join,
	       const struct varp_addr *server, struct datapath_node *node, const char **warning,
	       struct varpd_error *error)
{
	char snid[VARP_SNID_TEXT];
	int err;

	*warning = NULL;
	if (server && !varpd->config.insecure)
		return varpd_fail(error, -EACCES,
				  "no credentials for supernet %s: varpd must have some to ask its "
				  "server, or be started with --insecure",
				  varp_snid_format(&join->snid, snid));
	err = datapath_join(varpd->datapath, join, node, error);
	if (err)
		return err;
	if (server) {
		err = clients_set(varpd, &join->snid, server, CLIENTS_BY_JOIN);
		if (err) {
			datapath_leave(varpd->datapath, &join->snid, &join->vaddr, NULL);
			return varpd_fail(error, err, "cannot use the server for supernet %s: %s",
					  varp_snid_format(&join->snid, snid), strerror(-err));
		}
	} else if (!varpd->config.insecure) {
		*warning = "varpd has no credentials for this supernet: lookups will be answered "
			   "as not known";
	} else if (!varp_engine_client_get(varpd->engine, &join->snid, NULL) &&
		   !varp_table_serves(varp_engine_table(varpd->engine), &join->snid, NULL)) {
		*warning = "no VARP server is known for this supernet: lookups will be answered as "
			   "not known until one is named";
	}
	varpd_schedule(varpd);
	return 0;
}

int nodes_leave(struct varpd *varpd, const struct varp_snid *snid, const struct varp_addr *vaddr,
		struct varpd_error *error)
{
	int err = datapath_leave(varpd->datapath, snid, vaddr, error);

	if (err || datapath_has_supernet(varpd->datapath, snid))
		return err;
	clients_left(varpd, snid);
	varp_engine_flush(varpd->engine, varpd_now_ns(), snid, NULL);
	varpd_schedule(varpd);
	return 0;
}
