// SPDX-License-Identifier: BSD-2-Clause
/*
 * Warns of a node whose prefix is also that of another link in its namespace: an underlay's, or one
 * of another supernet. Routes of one hide the other then. Called by datapath_node.c after a join.
 */
#include "datapath_internal.h"

#include <linux/rtnetlink.h>

struct comparison {
	const struct dp_device *device;
	const struct varp_addr *vaddr;
	unsigned int plen;
	struct datapath *dp;
	bool found;
	struct netlink_address other;
};

static bool is_of_same_supernet(const struct comparison *c, uint32_t ifindex)
{
	const struct varp_dev *record = &c->device->record;
	struct dp_device *other;

	if (ifindex == record->dev)
		return true;
	other = record->here ? dp_device_find(c->dp, ifindex) : NULL;
	return other && varp_snid_equal(&other->record.snid, &record->snid);
}

static int compare(const struct netlink_address *address, void *ctx)
{
	struct comparison *c = ctx;

	if (c->found || address->scope >= RT_SCOPE_LINK ||
	    is_of_same_supernet(c, address->ifindex))
		return 0;
	if (varp_prefixes_overlap(c->vaddr, c->plen, &address->addr, address->plen)) {
		c->found = true;
		c->other = *address;
	}
	return 0;
}

void dp_warn_of_overlap(struct datapath *dp, struct netlink *far, const struct dp_device *device,
			const struct varp_addr *vaddr, unsigned int plen,
			struct varpd_error *warning)
{
	struct comparison c = { .device = device, .vaddr = vaddr, .plen = plen, .dp = dp };
	char ours[VARP_ADDR_TEXT], theirs[VARP_ADDR_TEXT];
	struct netlink_link link;

	if (netlink_each_address(far, compare, &c) || !c.found ||
	    netlink_link_get(far, NULL, c.other.ifindex, &link))
		return;
	varpd_fail(warning, 0,
		   "%s/%u overlaps %s/%u of %s, and one hides the other: choose another prefix, or "
		   "put the node into a namespace of its own with netns",
		   varp_addr_format(vaddr, ours), plen, varp_addr_format(&c.other.addr, theirs),
		   c.other.plen, link.name);
}
