// SPDX-License-Identifier: BSD-2-Clause
/*
 * See nodes.h.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "clients.h"
#include "credentials.h"
#include "helper.h"
#include "net.h"
#include "nodes.h"

static void warn_of_no_server(struct varpd *varpd, const struct varp_snid *snid,
			      struct varpd_error *warning)
{
	if (!varpd_may_speak(varpd, snid))
		varpd_fail(warning, 0,
			   "varpd has no credentials for this supernet, lookups will be answered "
			   "as not known: " VARPD_HOW_CREDENTIALS);
	else if (!varp_engine_client_get(varpd->engine, snid, NULL) &&
		 !varp_table_serves(varp_engine_table(varpd->engine), snid, NULL))
		varpd_fail(warning, 0,
			   "no VARP server is known for this supernet: lookups will be answered as "
			   "not known until one is named");
}

/* Its nodes are asked about at one server; the one that joins does not take the others along. */
static int check_server(struct varpd *varpd, const struct datapath_join *join,
			const struct varp_addr *server, struct varpd_error *error)
{
	char snid[VARP_SNID_TEXT], now[VARP_ADDR_TEXT], other[VARP_ADDR_TEXT];
	struct varp_key key = varp_key_make(&join->snid, &join->vaddr);
	struct varp_addr former;
	struct varp_local local;

	if (!varp_engine_client_get(varpd->engine, &join->snid, &former) ||
	    varp_addr_equal(&former, server) || datapath_is_local(varpd->datapath, &key, &local) ||
	    !datapath_has_supernet(varpd->datapath, &join->snid))
		return 0;
	varp_snid_format(&join->snid, snid);
	varp_addr_format(server, other);
	return varpd_fail(error, -EBUSY,
			  "supernet %s's other nodes here ask server %s: join without server; or, to change "
			  "it for all, say `varpd_client_set %s %s` on the group client's socket first",
			  snid, varp_addr_format(&former, now), snid, other);
}

/* Would the kernel send to it from this vaddr? A longer route may lead elsewhere. */
static bool is_sent_from(const struct varp_addr *to, const struct varp_addr *vaddr)
{
	int family = varp_addr_is_v4(to) ? AF_INET : AF_INET6;
	struct sockaddr_storage name, own, source = { 0 };
	socklen_t len, own_len = sizeof(source);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found;

	if (fd < 0)
		return false;
	found = !net_name(family, to, VARPDB_VARP_PORT, &name, &len) &&
		!connect(fd, (struct sockaddr *)&name, len) &&
		!getsockname(fd, (struct sockaddr *)&source, &own_len) &&
		!net_name(family, vaddr, 0, &own, &len);
	close(fd);
	if (family == AF_INET)
		return found && ((struct sockaddr_in *)&source)->sin_addr.s_addr ==
					((struct sockaddr_in *)&own)->sin_addr.s_addr;
	return found && !memcmp(&((struct sockaddr_in6 *)&source)->sin6_addr,
				&((struct sockaddr_in6 *)&own)->sin6_addr, sizeof(*vaddr));
}

bool nodes_hide(const struct varpd *varpd, const struct datapath_node *node,
		const struct varp_addr *server)
{
	return !*node->netns && varp_prefixes_overlap(&node->key.vaddr, node->plen, server,
						  varp_addr_is_v4(server) ? 32 : 128) &&
	       !varp_table_serves(varp_engine_table(varpd->engine), &node->key.snid, NULL) &&
	       is_sent_from(server, &node->key.vaddr);
}

int nodes_join(struct varpd *varpd, const struct datapath_join *join,
	       const struct varp_addr *server, struct datapath_node *node, struct varpd_error *warning,
	       struct varpd_error *error)
{
	char snid[VARP_SNID_TEXT], from[VARP_ADDR_TEXT], to[VARP_ADDR_TEXT];
	struct varp_addr former;
	bool had = varp_engine_client_get(varpd->engine, &join->snid, &former);
	int err;

	*warning = (struct varpd_error){ "" };
	varp_snid_format(&join->snid, snid);
	if (!varp_addr_is_host(&join->vaddr, join->plen))
		return varpd_fail(error, -EINVAL,
				  "%s/%u is not a host's address: LEN is 0, or it is its network's "
				  "own or broadcast address",
				  varp_addr_format(&join->vaddr, from), join->plen);
	if (server && !varpd_may_speak(varpd, &join->snid))
		return varpd_fail(error, -EACCES, "no credentials for supernet %s: "
				  VARPD_HOW_CREDENTIALS, snid);
	if (!varpd->config.insecure &&
	    credentials_exclude(varpd->credentials, &join->snid, &join->vaddr))
		return varpd_fail(error, -EACCES, VARPD_OTHER_NODE,
				  varpd->config.credentials, snid,
				  varp_addr_format(&join->vaddr, from), snid, from);
	err = server ? check_server(varpd, join, server, error) : 0;
	if (!err)
		err = datapath_join(varpd->datapath, join, node, error);
	if (err == -EPIPE && helper_ended())
		return varpd_fail(error, err, HELPER_ENDED);
	if (err)
		return err;
	if (server) {
		err = clients_set(varpd, &join->snid, server, CLIENTS_BY_JOIN);
		if (err) {
			datapath_leave(varpd->datapath, &join->snid, &join->vaddr, NULL);
			return varpd_fail(error, err, "cannot use the server for supernet %s: %s",
					  snid, strerror(-err));
		}
		if (nodes_hide(varpd, node, server))
			varpd_fail(warning, 0, NODES_HIDDEN, varp_addr_format(server, to),
				   varp_addr_format(&join->vaddr, from), join->plen);
		else if (had && !varp_addr_equal(&former, server))
			varpd_fail(warning, 0,
				   "supernet %s's server changes from %s to %s",
				   snid, varp_addr_format(&former, from),
				   varp_addr_format(server, to));
	} else {
		warn_of_no_server(varpd, &join->snid, warning);
	}
	varpd_schedule(varpd);
	return 0;
}

int nodes_leave(struct varpd *varpd, const struct varp_snid *snid, const struct varp_addr *vaddr,
		struct varpd_error *error)
{
	int err = datapath_leave(varpd->datapath, snid, vaddr, error);

	/* Somebody may have deleted its device; what is left then is the server that join named. */
	if (err == -ENOENT && !vaddr && clients_by_join(varpd, snid))
		err = 0;
	if (err || datapath_has_supernet(varpd->datapath, snid))
		return err;
	clients_left(varpd, snid);
	varp_engine_flush(varpd->engine, varpd_now_ns(), snid, NULL);
	varpd_schedule(varpd);
	return 0;
}
