// SPDX-License-Identifier: BSD-2-Clause
/*
 * attach, detach, join, leave.
 */
#include "addr.h"
#include "channels.h"
#include "control_internal.h"
#include "nodes.h"

int control_do_attach(struct control_conn *conn, struct control_args *args, json_t **result,
		      struct varpd_error *error)
{
	const char *dev = control_arg_dev(args, CONTROL_REQUIRED);

	(void)result;
	if (args->bad)
		return CONTROL_FAILED;
	return control_status_of(datapath_attach(conn->varpd->datapath, dev, error));
}

int control_do_detach(struct control_conn *conn, struct control_args *args, json_t **result,
		      struct varpd_error *error)
{
	const char *dev = control_arg_dev(args, CONTROL_REQUIRED);

	(void)result;
	if (args->bad)
		return CONTROL_FAILED;
	return control_status_of(datapath_detach(conn->varpd->datapath, dev, error));
}

json_t *control_json_node(const struct datapath_node *node)
{
	return json_pack("{s:o, s:o, s:s, s:o, s:i, s:s, s:s?, s:s?, s:o, s:o, s:i}",
			 "snid", control_json_snid(&node->key.snid),
			 "chid", control_json_chid(&node->chid),
			 "mode", channels_mode_name(node->mode),
			 "vaddr", control_json_addr(&node->key.vaddr),
			 "prefix_len", (int)node->plen,
			 "dev", node->dev,
			 "netns", *node->netns ? node->netns : NULL,
			 "underlay", *node->underlay ? node->underlay : NULL,
			 "raddr4", control_json_addr(&node->raddr4),
			 "raddr6", control_json_addr(&node->raddr6),
			 "mtu", (int)node->mtu);
}

int control_do_join(struct control_conn *conn, struct control_args *args, json_t **result,
		    struct varpd_error *error)
{
	struct datapath_join join = { .plen = 0 };
	struct datapath_node node;
	struct varp_addr server;
	struct varpd_error warning;
	json_int_t plen = 0;
	bool has_server;
	int err;

	control_arg_snid(args, CONTROL_REQUIRED, &join.snid);
	if (control_arg_vaddr(args, CONTROL_REQUIRED, &join.vaddr))
		control_arg_int(args, "plen", CONTROL_REQUIRED, 0,
				varp_addr_is_v4(&join.vaddr) ? 32 : 128, &plen);
	has_server = control_arg_addr(args, "server", CONTROL_OPTIONAL, &server);
	control_arg_chid(args, "channel", &join.chid);
	join.dev = control_arg_dev(args, CONTROL_OPTIONAL);
	join.netns = control_arg_text(args, "netns", CONTROL_OPTIONAL, VARP_NETNS_LEN - 1);
	control_arg_addr(args, "raddr", CONTROL_OPTIONAL, &join.raddr);
	if (args->bad)
		return CONTROL_FAILED;
	if (has_server && !varp_addr_is_unicast(&server)) {
		varpd_fail(error, 0, "the server's address has to be one host's");
		return CONTROL_FAILED;
	}
	join.plen = plen;
	err = nodes_join(conn->varpd, &join, has_server ? &server : NULL, &node, &warning, error);
	if (err)
		return control_status_of(err);
	*result = control_json_node(&node);
	if (!*warning.text)
		warning = node.warning;
	if (*warning.text)
		json_object_set_new(*result, "warning", json_string(warning.text));
	return CONTROL_OK;
}

int control_do_leave(struct control_conn *conn, struct control_args *args, json_t **result,
		     struct varpd_error *error)
{
	struct varp_snid snid;
	struct varp_addr vaddr;
	bool one;

	(void)result;
	control_arg_snid(args, CONTROL_REQUIRED, &snid);
	one = control_arg_vaddr(args, CONTROL_OPTIONAL, &vaddr);
	if (args->bad)
		return CONTROL_FAILED;
	return control_status_of(nodes_leave(conn->varpd, &snid, one ? &vaddr : NULL, error));
}
