// SPDX-License-Identifier: BSD-2-Clause
/*
 * As which of its nodes a client asks for a session. This host's certificate may bind it to some
 * nodes of the supernet; a session serves all of its nodes there, so none may be beside them. The
 * server cannot see that: it is told of one node, and believes the certificate. A join is refused
 * for the same reason (nodes.c); here it is about nodes that were there before the certificate.
 */
#include <errno.h>

#include "keyx_internal.h"

struct choice {
	struct keyx *keyx;
	const struct varp_snid *snid;
	bool bound;
	struct varp_addr vaddr;		/* the first one; zero: there is none */
	struct varp_addr excluded;	/* zero: none is */
};

static void look(const struct datapath_node *node, void *ctx)
{
	struct choice *choice = ctx;

	if (!varp_snid_equal(&node->key.snid, choice->snid))
		return;
	if (varp_addr_is_zero(&choice->vaddr))
		choice->vaddr = node->key.vaddr;
	if (choice->bound && varp_addr_is_zero(&choice->excluded) &&
	    credentials_exclude(choice->keyx->credentials, choice->snid, &node->key.vaddr))
		choice->excluded = node->key.vaddr;
}

int keyx_node_choose(struct keyx *keyx, const struct varp_snid *snid, struct varp_addr *vaddr,
		     struct varpd_error *error)
{
	struct choice choice = {
		.keyx = keyx,
		.snid = snid,
		.bound = credentials_exclude(keyx->credentials, snid, NULL),
	};
	char name[VARP_SNID_TEXT], text[VARP_ADDR_TEXT];

	if (keyx->varpd->datapath)
		datapath_each_node(keyx->varpd->datapath, look, &choice);
	*vaddr = choice.vaddr;
	if (varp_addr_is_zero(&choice.excluded))
		return 0;
	varp_snid_format(snid, name);
	varp_addr_format(&choice.excluded, text);
	return varpd_fail(error, -EACCES, VARPD_OTHER_NODE ", or `varpctl leave` that node",
			  keyx->varpd->config.credentials, name, text, name, text);
}
