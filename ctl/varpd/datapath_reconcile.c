// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reads links and addresses and makes underlays, nodes and records agree with them. One way for all
 * cases, so that a change that was missed, or came while no varpd ran, ends as if it had been seen.
 * Called by datapath_watch.c on news, and when underlays are attached or adopted.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define RADDRS_MAX	1024	/* size of varp_raddrs */

/* What is there. */
struct raddr {
	struct varp_addr addr;
	uint32_t ifindex;
};

struct reality {
	struct datapath *dp;
	struct netlink_link *links;
	size_t link_count, link_room;
	struct raddr *raddrs;
	size_t raddr_count;
	bool raddrs_left_out;
};

/* --- Reading --- */

static int note_link(const struct netlink_link *link, void *ctx)
{
	struct reality *r = ctx;

	if (r->link_count == r->link_room) {
		size_t room = r->link_room ? 2 * r->link_room : 64;
		struct netlink_link *more = realloc(r->links, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		r->links = more;
		r->link_room = room;
	}
	r->links[r->link_count++] = *link;
	return 0;
}

/*
 * Only what an outer packet can be sent from: not link-local (it would need an interface beside
 * it), not still being probed.
 */
static bool can_be_raddr(const struct netlink_address *address)
{
	if (address->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED))
		return false;
	if (address->scope >= RT_SCOPE_HOST || !varp_addr_is_unicast(&address->addr))
		return false;
	return varp_addr_is_v4(&address->addr) || address->scope == RT_SCOPE_UNIVERSE;
}

/*
 * The kernel lists addresses in its own order of preference; IPv6 temporary and deprecated ones are
 * on their way out and count as ours, but are no source for new packets.
 */
static int note_address(const struct netlink_address *address, void *ctx)
{
	struct reality *r = ctx;
	struct dp_underlay *underlay = dp_underlay_by_index(r->dp, address->ifindex);
	bool v4 = varp_addr_is_v4(&address->addr);
	struct varp_addr *first;

	if (!underlay || !can_be_raddr(address))
		return 0;
	if (r->raddr_count == RADDRS_MAX) {
		r->raddrs_left_out = true;
		return 0;
	}
	r->raddrs[r->raddr_count].addr = address->addr;
	r->raddrs[r->raddr_count++].ifindex = address->ifindex;
	first = v4 ? &underlay->record.raddr4 : &underlay->record.raddr6;
	if (varp_addr_is_zero(first) &&
	    (v4 || !(address->flags & (IFA_F_TEMPORARY | IFA_F_DEPRECATED))))
		*first = address->addr;
	return 0;
}

static const struct netlink_link *link_by_index(const struct reality *r, uint32_t ifindex)
{
	for (size_t i = 0; i < r->link_count; i++) {
		if (r->links[i].ifindex == ifindex)
			return &r->links[i];
	}
	return NULL;
}

static const struct netlink_link *link_by_name(const struct reality *r, const char *name)
{
	for (size_t i = 0; i < r->link_count; i++) {
		if (!strcmp(r->links[i].name, name))
			return &r->links[i];
	}
	return NULL;
}

/* --- Underlays --- */

static void underlay_back(struct datapath *dp, struct dp_underlay *underlay,
			  const struct netlink_link *link)
{
	int err = dp_underlay_bring(dp, underlay, link);

	if (err) {
		varpd_log(VARPD_LOG_ERROR, "underlay %s is back but cannot be attached: %s",
			  link->name, strerror(-err));
		return;
	}
	varpd_log(VARPD_LOG_INFO, "underlay %s is back and attached again", link->name);
	dp_changed(dp, "attach", underlay->record.name, NULL);
}

static void underlay_gone(struct datapath *dp, struct dp_underlay *underlay)
{
	varpd_log(VARPD_LOG_WARNING,
		  "underlay %s has gone; it will be attached again when it comes back",
		  underlay->record.name);
	dp_underlay_lose(dp, underlay);
	dp_changed(dp, "detach", underlay->record.name, NULL);
}

static void underlay_follow(struct datapath *dp, struct dp_underlay *underlay,
			    const struct netlink_link *link)
{
	struct varp_underlay *record = &underlay->record;
	bool up = (link->flags & IFF_UP) && (link->flags & IFF_RUNNING);

	if (record->mtu != link->mtu) {
		varpd_log(VARPD_LOG_INFO, "MTU of underlay %s: %u, was %u", link->name, link->mtu,
			  record->mtu);
		dp_pmtu_cap(dp, link->mtu);
	}
	if (record->up != up)
		varpd_log(up ? VARPD_LOG_INFO : VARPD_LOG_WARNING, "underlay %s is %s", link->name,
			  up ? "up" : "down");
	if (strcmp(record->name, link->name))
		varpd_log(VARPD_LOG_INFO, "underlay %s is now called %s", record->name, link->name);
	record->mtu = link->mtu;
	record->up = up;
	memcpy(record->name, link->name, sizeof(record->name));
}

/* A device that stays with its underlay by name must learn a new name. */
static void rename_in_devices(struct datapath *dp, const char *from, const char *to)
{
	struct dp_device *device, *next;

	HASH_ITER(hh_peer, dp->by_peer, device, next) {
		if (!strcmp(device->record.underlay_name, from))
			memcpy(device->record.underlay_name, to, VARP_IFNAME_LEN);
	}
}

static void reconcile_links(struct datapath *dp, const struct reality *r)
{
	struct dp_underlay *underlay, *next;
	const struct netlink_link *link;
	char name[VARP_IFNAME_LEN];

	DL_FOREACH_SAFE(dp->underlays, underlay, next) {
		if (dp_underlay_present(underlay)) {
			link = link_by_index(r, underlay->key);
			if (link) {
				memcpy(name, underlay->record.name, sizeof(name));
				underlay_follow(dp, underlay, link);
				if (strcmp(name, link->name))
					rename_in_devices(dp, name, underlay->record.name);
				continue;
			}
			underlay_gone(dp, underlay);
		}
		link = link_by_name(r, underlay->record.name);
		if (link && !dp_device_find(dp, link->ifindex))
			underlay_back(dp, underlay, link);
	}
}

/* --- Addresses --- */

static int compare_raddrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct varp_addr));
}

static int write_raddrs(struct datapath *dp, struct reality *r)
{
	struct varp_addr addr, next;
	int end, err = 0;

	qsort(r->raddrs, r->raddr_count, sizeof(*r->raddrs), compare_raddrs);
	end = bpf_map_get_next_key(dp->maps.raddrs, NULL, &next);
	while (!end) {
		addr = next;
		end = bpf_map_get_next_key(dp->maps.raddrs, &addr, &next);
		if (!bsearch(&addr, r->raddrs, r->raddr_count, sizeof(*r->raddrs), compare_raddrs))
			bpf_map_delete_elem(dp->maps.raddrs, &addr);
	}
	for (size_t i = 0; !err && i < r->raddr_count; i++) {
		if (bpf_map_update_elem(dp->maps.raddrs, &r->raddrs[i].addr, &r->raddrs[i].ifindex,
					BPF_ANY))
			err = -errno;
	}
	dp_raddrs_read(dp);
	return err;
}

static void log_address_change(const struct varp_underlay *before, const struct varp_underlay *now)
{
	char four[VARP_ADDR_TEXT] = "none", six[VARP_ADDR_TEXT] = "none";

	if (varp_addr_equal(&before->raddr4, &now->raddr4) &&
	    varp_addr_equal(&before->raddr6, &now->raddr6))
		return;
	if (!varp_addr_is_zero(&now->raddr4))
		varp_addr_format(&now->raddr4, four);
	if (!varp_addr_is_zero(&now->raddr6))
		varp_addr_format(&now->raddr6, six);
	varpd_log(VARPD_LOG_INFO, "addresses of underlay %s: IPv4 %s, IPv6 %s", now->name, four,
		  six);
}

static int reconcile_addresses(struct datapath *dp, struct reality *r)
{
	struct varp_underlay *before;
	struct dp_underlay *underlay;
	size_t i = 0;
	int err;

	before = calloc(VARP_MAX_UNDERLAYS, sizeof(*before));
	if (!before)
		return -ENOMEM;
	DL_FOREACH(dp->underlays, underlay) {
		before[i++] = underlay->record;
		memset(&underlay->record.raddr4, 0, sizeof(underlay->record.raddr4));
		memset(&underlay->record.raddr6, 0, sizeof(underlay->record.raddr6));
	}
	err = netlink_each_address(dp->nl, note_address, r);
	i = 0;
	DL_FOREACH(dp->underlays, underlay) {
		if (err) {	/* half a list is worse than the old one */
			underlay->record.raddr4 = before[i].raddr4;
			underlay->record.raddr6 = before[i++].raddr6;
			continue;
		}
		log_address_change(&before[i++], &underlay->record);
		err = dp_underlay_store(dp, underlay);
	}
	free(before);
	if (r->raddrs_left_out)
		varpd_log(VARPD_LOG_WARNING,
			  "underlays have more than %d addresses; the rest is not used",
			  RADDRS_MAX);
	return err ? err : write_raddrs(dp, r);
}

/* --- Nodes --- */

static void device_gone(struct datapath *dp, struct dp_device *device)
{
	char name[VARP_IFNAME_LEN];

	memcpy(name, device->record.name, sizeof(name));
	varpd_log(VARPD_LOG_WARNING, "node device %s has gone: its nodes have left", name);
	while (device->nodes) {
		struct varp_key key = device->nodes->key;

		dp_node_remove(dp, device, device->nodes);
		dp_changed(dp, "detach", name, &key);
	}
	dp_device_free(dp, device);
}

/*
 * Is the pair still as it was made? A node device moved to another namespace by hand is as good as
 * gone: see `join ... netns`.
 */
static bool intact(const struct reality *r, const struct dp_device *device)
{
	const struct netlink_link *peer = link_by_index(r, device->record.peer);

	return peer && peer->peer == device->record.dev &&
	       (!device->record.here || link_by_index(r, device->record.dev));
}

/*
 * A node device in the daemon's namespace that got another name or MAC address. The latter is
 * written on what it is given.
 */
static void device_follow(struct datapath *dp, struct dp_device *device,
			  const struct netlink_link *dev)
{
	struct varp_dev *record = &device->record;
	struct dp_node *node;
	int err;

	if (!strcmp(dev->name, record->name) && !memcmp(dev->mac, record->mac, sizeof(record->mac)))
		return;
	memcpy(record->name, dev->name, sizeof(record->name));
	memcpy(record->mac, dev->mac, sizeof(record->mac));
	err = dp_device_store(dp, device);
	DL_FOREACH(device->nodes, node)
		err = err ? err : dp_node_store(dp, device, node);
	if (err)
		varpd_log(VARPD_LOG_ERROR, "cannot write the records of %s: %s", record->name,
			  strerror(-err));
}

static void reconcile_devices(struct datapath *dp, const struct reality *r)
{
	struct dp_device *device, *next;

	HASH_ITER(hh_peer, dp->by_peer, device, next) {
		if (!intact(r, device))
			device_gone(dp, device);
		else if (device->record.here)
			device_follow(dp, device, link_by_index(r, device->record.dev));
	}
}

int dp_reconcile(struct datapath *dp)
{
	struct reality r = { .dp = dp };
	int err = -ENOMEM;

	r.raddrs = calloc(RADDRS_MAX, sizeof(*r.raddrs));
	if (!r.raddrs)
		goto free_all;
	err = netlink_each_link(dp->nl, note_link, &r);
	if (err)
		goto free_all;
	reconcile_links(dp, &r);
	err = reconcile_addresses(dp, &r);
	reconcile_devices(dp, &r);
	dp_devices_rebind(dp);
	dp_merge_update(dp);
free_all:
	free(r.links);
	free(r.raddrs);
	return err;
}
