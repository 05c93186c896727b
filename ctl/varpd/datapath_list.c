// SPDX-License-Identifier: BSD-2-Clause
/*
 * Nodes as others are shown them: what the records say, and whether the device is as it should be,
 * which people can change. Called by the control half of varpd and after a join.
 */
#include "datapath_internal.h"

#include <errno.h>
#include <linux/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void dp_node_describe(const struct dp_device *device, const struct dp_node *node,
		      struct datapath_node *out)
{
	const struct varp_dev *record = &device->record;

	memset(out, 0, sizeof(*out));
	out->key = node->key;
	out->chid = record->chid;
	out->plen = node->plen;
	out->mode = device->record.mode;
	/*
	 * A pinned raddr is where the node says it lives; the other family's serves only to send
	 * from.
	 */
	if (varp_addr_is_zero(&record->raddr) || varp_addr_is_v4(&record->raddr))
		out->raddr4 = record->raddr4;
	if (varp_addr_is_zero(&record->raddr) || !varp_addr_is_v4(&record->raddr))
		out->raddr6 = record->raddr6;
	out->mtu = device->mtu;
	memcpy(out->dev, record->name, sizeof(out->dev));
	memcpy(out->netns, record->netns, sizeof(out->netns));
	out->too_narrow = !varp_addr_is_v4(&node->key.vaddr) && dp_device_too_narrow(record);
	if (record->underlay_mtu)
		memcpy(out->underlay, record->underlay_name, sizeof(out->underlay));
}

/* --- What is in a namespace --- */

struct there {
	uint32_t ifindex;
	struct varp_addr addr;		/* zero: the link itself */
	bool up;
};

/* The namespace that was looked at last; devices of one namespace mostly come one after another. */
struct sight {
	struct datapath *dp;
	bool valid;
	char netns[VARP_NETNS_LEN];
	struct there *things;
	size_t count, room;
};

static int note(struct sight *sight, const struct there *thing)
{
	if (sight->count == sight->room) {
		size_t room = sight->room ? 2 * sight->room : 64;
		struct there *more = realloc(sight->things, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		sight->things = more;
		sight->room = room;
	}
	sight->things[sight->count++] = *thing;
	return 0;
}

static int note_link(const struct netlink_link *link, void *ctx)
{
	const struct there thing = { .ifindex = link->ifindex, .up = link->flags & IFF_UP };

	return note(ctx, &thing);
}

static int note_address(const struct netlink_address *address, void *ctx)
{
	const struct there thing = { .ifindex = address->ifindex, .addr = address->addr };

	return note(ctx, &thing);
}

static int compare(const void *a, const void *b)
{
	const struct there *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return memcmp(&x->addr, &y->addr, sizeof(x->addr));
}

static int open_far(const char *netns, struct netlink **nl)
{
	int fd = netns_open(netns), err;

	if (fd < 0)
		return fd;
	err = netlink_open(nl, fd);
	close(fd);
	return err;
}

/* A namespace that cannot be looked into has nothing. */
static void look(struct sight *sight, const struct varp_dev *record)
{
	struct netlink *nl = sight->dp->nl;

	if (sight->valid && !strcmp(sight->netns, record->netns))
		return;
	sight->valid = true;
	memcpy(sight->netns, record->netns, sizeof(sight->netns));
	sight->count = 0;
	if (!record->here && open_far(record->netns, &nl))
		return;
	if (netlink_each_link(nl, note_link, sight) || netlink_each_address(nl, note_address, sight))
		sight->count = 0;
	if (!record->here)
		netlink_close(nl);
	if (sight->count)
		qsort(sight->things, sight->count, sizeof(*sight->things), compare);
}

static const struct there *find(const struct sight *sight, uint32_t ifindex,
				const struct varp_addr *addr)
{
	struct there wanted = { .ifindex = ifindex };

	if (addr)
		wanted.addr = *addr;
	if (!sight->count)
		return NULL;
	return bsearch(&wanted, sight->things, sight->count, sizeof(wanted), compare);
}

void datapath_each_node(struct datapath *dp,
			void (*visit)(const struct datapath_node *n, void *ctx), void *ctx)
{
	struct sight sight = { .dp = dp };
	struct dp_device *device, *next;
	struct datapath_node out;
	const struct there *link;
	struct dp_node *node;

	HASH_ITER(hh_peer, dp->by_peer, device, next) {
		look(&sight, &device->record);
		link = find(&sight, device->record.dev, NULL);
		DL_FOREACH(device->nodes, node) {
			dp_node_describe(device, node, &out);
			out.up = link && link->up;
			out.has_address = find(&sight, device->record.dev, &node->key.vaddr);
			visit(&out, ctx);
		}
	}
	free(sight.things);
}
