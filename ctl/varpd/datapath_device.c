// SPDX-License-Identifier: BSD-2-Clause
/*
 * Node devices: veth pairs whose far end stays with the daemon, with the records by which BPF knows
 * them, and the nodes (addresses) on them. Called by datapath_node.c, by adoption and by the watch.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dp_device *dp_device_find(struct datapath *dp, uint32_t ifindex)
{
	struct dp_device *device;

	HASH_FIND(hh_peer, dp->by_peer, &ifindex, sizeof(ifindex), device);
	if (!device)
		HASH_FIND(hh_dev, dp->by_dev, &ifindex, sizeof(ifindex), device);
	return device;
}

struct dp_device *dp_device_by_name(struct datapath *dp, const char *name, int netns_fd)
{
	bool here = netns_is_own(netns_fd);
	struct dp_device *device, *next;

	HASH_ITER(hh_peer, dp->by_peer, device, next) {
		if (strcmp(device->record.name, name) || !device->record.here != !here)
			continue;
		/* A namespace has as many names as there are paths to it. */
		if (here || netns_is(netns_fd, device->record.netns))
			return device;
	}
	return NULL;
}

struct dp_device *dp_device_new(struct datapath *dp, const struct varp_dev *record)
{
	struct dp_device *device = calloc(1, sizeof(*device));

	if (!device)
		return NULL;
	device->record = *record;
	HASH_ADD(hh_peer, dp->by_peer, record.peer, sizeof(device->record.peer), device);
	if (!device->hh_peer.tbl) {
		free(device);
		return NULL;
	}
	if (record->here)
		HASH_ADD(hh_dev, dp->by_dev, record.dev, sizeof(device->record.dev), device);
	if (record->here && !device->hh_dev.tbl) {
		HASH_DELETE(hh_peer, dp->by_peer, device);
		free(device);
		return NULL;
	}
	return device;
}

/* --- Underlay --- */

static bool usable(const struct dp_underlay *underlay)
{
	return dp_underlay_present(underlay) && (!varp_addr_is_zero(&underlay->record.raddr4) ||
						 !varp_addr_is_zero(&underlay->record.raddr6));
}

/*
 * A pinned raddr decides. Else a device stays with the underlay it has for as long as that is
 * attached, also while the interface is away; when it was detached, the first attached one with an
 * address takes over.
 */
struct dp_underlay *dp_device_choose(struct datapath *dp, const struct varp_dev *record)
{
	bool pinned = !varp_addr_is_zero(&record->raddr);
	struct dp_underlay *underlay;

	if (!pinned && record->underlay_name[0]) {
		underlay = dp_underlay_find(dp, record->underlay_name);
		if (underlay)
			return dp_underlay_present(underlay) ? underlay : NULL;
	}
	DL_FOREACH(dp->underlays, underlay) {
		if (pinned ? dp_underlay_has(dp, underlay, &record->raddr) : usable(underlay))
			return underlay;
	}
	return NULL;
}

/* By what it is known to be reached at; without any address, what was last assumed does. */
static uint32_t overhead_of(const struct varp_dev *record)
{
	uint32_t keyed = record->mode ? VARP_OVERHEAD_KEYED : 0;
	bool pinned = !varp_addr_is_zero(&record->raddr);

	if (pinned ? varp_addr_is_v4(&record->raddr)
		   : !varp_addr_is_zero(&record->raddr4) || varp_addr_is_zero(&record->raddr6))
		return VARP_OVERHEAD_V4 + keyed;
	return VARP_OVERHEAD_V6 + keyed;
}

/* One whose interface is down is kept but not used, so that what is sent is counted as such. */
uint32_t dp_device_bind(struct varp_dev *record, const struct dp_underlay *underlay, uint32_t mtu)
{
	const struct varp_underlay *u;
	uint32_t overhead;

	memset(&record->raddr4, 0, sizeof(record->raddr4));
	memset(&record->raddr6, 0, sizeof(record->raddr6));
	record->underlay = 0;
	record->underlay_mtu = 0;
	if (!underlay)
		return mtu;
	u = &underlay->record;
	record->underlay = u->up ? underlay->key : 0;
	record->underlay_mtu = u->mtu;
	memcpy(record->underlay_name, u->name, sizeof(record->underlay_name));
	record->raddr4 = u->raddr4;
	record->raddr6 = u->raddr6;
	if (varp_addr_is_v4(&record->raddr))
		record->raddr4 = record->raddr;
	else if (!varp_addr_is_zero(&record->raddr))
		record->raddr6 = record->raddr;

	overhead = overhead_of(record);
	mtu = u->mtu > overhead + 68 ? u->mtu - overhead : 68;	/* RFC 791's least MTU */
	return record->mode && mtu > VARP_KEYED_MAX ? VARP_KEYED_MAX : mtu;
}

bool dp_device_too_narrow(const struct varp_dev *record)
{
	return record->underlay_mtu && record->underlay_mtu < DP_IPV6_MTU + overhead_of(record);
}

/* The kernel takes IPv6 off a device with a lower MTU, addresses and all. */
static uint32_t least_mtu(const struct dp_device *device)
{
	const struct dp_node *node;

	DL_FOREACH(device->nodes, node) {
		if (!varp_addr_is_v4(&node->key.vaddr))
			return DP_IPV6_MTU;
	}
	return 0;
}

/* --- Records --- */

int dp_device_store(struct datapath *dp, const struct dp_device *device)
{
	struct varp_dev record = device->record;

	record.is_peer = 1;
	if (bpf_map_update_elem(dp->maps.devs, &record.peer, &record, BPF_ANY))
		return -errno;
	record.is_peer = 0;
	if (record.here && bpf_map_update_elem(dp->maps.devs, &record.dev, &record, BPF_ANY))
		return -errno;
	return 0;
}

int dp_node_store(struct datapath *dp, const struct dp_device *device, const struct dp_node *node)
{
	const struct varp_dev *record = &device->record;
	struct varp_local local = {
		.chid = record->chid,
		.peer = record->peer,
		.dev = record->here ? record->dev : 0,
		.raddr4 = record->raddr4,
		.raddr6 = record->raddr6,
		.plen = node->plen,
		.mode = record->mode,
	};

	memcpy(local.mac, record->mac, sizeof(local.mac));
	return bpf_map_update_elem(dp->maps.local, &node->key, &local, BPF_ANY) ? -errno : 0;
}

struct dp_node *dp_node_find(struct datapath *dp, const struct varp_key *key,
			     struct dp_device **device)
{
	struct dp_node *node;

	HASH_FIND(hh, dp->nodes, key, sizeof(*key), node);
	if (node && device)
		*device = node->device;
	return node;
}

struct dp_node *dp_node_add(struct datapath *dp, struct dp_device *device,
			    const struct varp_key *key, unsigned int plen)
{
	struct dp_node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->key = *key;
	node->plen = (uint8_t)plen;
	node->device = device;
	HASH_ADD(hh, dp->nodes, key, sizeof(node->key), node);
	if (!node->hh.tbl) {
		free(node);
		return NULL;
	}
	DL_APPEND(device->nodes, node);
	return node;
}

void dp_node_remove(struct datapath *dp, struct dp_device *device, struct dp_node *node)
{
	bpf_map_delete_elem(dp->maps.local, &node->key);
	HASH_DEL(dp->nodes, node);
	DL_DELETE(device->nodes, node);
	free(node);
}

/* --- Programs --- */

struct device_hook {
	enum dp_hook hook;
	bool on_dev;	/* on the node device, if it is here; else on the peer */
};

static const struct device_hook device_hooks[] = {
	{ DP_HOOK_ENCAP,	false },
	{ DP_HOOK_REINJECT,	false },
	{ DP_HOOK_ENCAP_HERE,	true },
};
#define DEVICE_HOOKS (sizeof(device_hooks) / sizeof(device_hooks[0]))

/* The index a hook belongs to; zero: this device has none. */
static uint32_t hook_index(const struct dp_device *device, const struct device_hook *hook)
{
	if (!hook->on_dev)
		return device->record.peer;
	return device->record.here ? device->record.dev : 0;
}

int dp_device_attach(struct datapath *dp, const struct dp_device *device)
{
	struct dp_attachment attachment;
	int err = 0;

	for (size_t i = 0; !err && i < DEVICE_HOOKS; i++) {
		uint32_t ifindex = hook_index(device, &device_hooks[i]);

		if (ifindex)
			err = dp_hook_attach(dp, device_hooks[i].hook, ifindex, &attachment);
	}
	return err;
}

int dp_device_replace(struct datapath *dp, const struct dp_device *device)
{
	int err = 0;

	for (size_t i = 0; !err && i < DEVICE_HOOKS; i++) {
		uint32_t ifindex = hook_index(device, &device_hooks[i]);
		struct dp_attachment attachment = { .how = VARP_ATTACH_NONE };

		if (ifindex)
			err = dp_hook_replace(dp, device_hooks[i].hook, ifindex, &attachment);
	}
	return err;
}

/* The link goes before the programs, so that nothing on it is ever seen without them. */
void dp_device_free(struct datapath *dp, struct dp_device *device)
{
	const struct dp_attachment any = { .how = VARP_ATTACH_NONE };
	struct varp_snid snid = device->record.snid;
	struct dp_node *node, *next;
	struct netlink_link link;

	if (!device->stranger && !netlink_link_get(dp->nl, NULL, device->record.peer, &link) &&
	    link.peer == device->record.dev)
		netlink_link_delete(dp->nl, device->record.peer);
	for (size_t i = 0; i < DEVICE_HOOKS; i++) {
		uint32_t ifindex = hook_index(device, &device_hooks[i]);

		if (ifindex)
			dp_hook_detach(dp, device_hooks[i].hook, ifindex, &any);
	}
	DL_FOREACH_SAFE(device->nodes, node, next)
		dp_node_remove(dp, device, node);
	bpf_map_delete_elem(dp->maps.devs, &device->record.peer);
	if (device->record.here)
		bpf_map_delete_elem(dp->maps.devs, &device->record.dev);
	dp_count(dp, VARP_DROP_HELD_GONE,
		 held_drop_device(dp->held, device->record.peer,
				  device->record.here ? device->record.dev : device->record.peer));
	HASH_DELETE(hh_peer, dp->by_peer, device);
	if (device->record.here)
		HASH_DELETE(hh_dev, dp->by_dev, device);
	free(device);
	dp_supernet_update(dp, &snid);
}

/* --- MTU --- */

/*
 * The namespace is opened by name each time: holding it open would keep it alive after its owner
 * let it go.
 */
static int set_far_mtu(struct datapath *dp, const struct dp_device *device, uint32_t mtu)
{
	const struct varp_dev *record = &device->record;
	bool widened = device->mtu < DP_IPV6_MTU && mtu >= DP_IPV6_MTU;
	struct netlink_link link;
	struct netlink *nl;
	int fd, err;

	if (record->here) {
		err = netlink_link_mtu(dp->nl, record->dev, mtu);
		if (!err && widened)
			dp_dev_quiet_again(dp->nl, record->dev);
		return err;
	}
	fd = netns_open(record->netns);
	if (fd < 0)
		return fd;
	err = netlink_open(&nl, fd);
	close(fd);
	if (err)
		return err;
	err = netlink_link_get(nl, NULL, record->dev, &link);
	if (!err && link.peer != record->peer)
		err = -ENODEV;	/* another namespace of the same name */
	if (!err)
		err = netlink_link_mtu(nl, record->dev, mtu);
	if (!err && widened)
		dp_dev_quiet_again(nl, record->dev);
	netlink_close(nl);
	return err;
}

int dp_device_set_mtu(struct datapath *dp, struct dp_device *device, uint32_t mtu)
{
	int err = netlink_link_mtu(dp->nl, device->record.peer, mtu);
	struct netlink_link peer;

	if (!err && device->mtu < DP_IPV6_MTU && mtu >= DP_IPV6_MTU &&
	    !netlink_link_get(dp->nl, NULL, device->record.peer, &peer))
		dp_peer_quiet(dp, &peer);
	if (!err)
		err = set_far_mtu(dp, device, mtu);
	if (err)
		varpd_log(VARPD_LOG_WARNING,
			  "cannot set the MTU of %s to %u: %s; larger packets are "
			  "answered with ICMP",
			  device->record.name, mtu, strerror(-err));
	/* Also on failure: it would not go better a moment later. */
	device->mtu = mtu;
	return err;
}

static void rebind(struct datapath *dp, struct dp_device *device)
{
	struct varp_dev record = device->record;
	struct dp_node *node;
	uint32_t mtu, least = least_mtu(device);
	int err;

	mtu = dp_device_bind(&record, dp_device_choose(dp, &record), device->mtu);
	mtu = mtu < least ? least : mtu;
	if (memcmp(&record, &device->record, sizeof(record))) {
		if (!record.underlay_mtu && device->record.underlay_mtu)
			varpd_log(VARPD_LOG_WARNING,
				  "%s has no underlay: nothing is sent until one with "
				  "a fitting address is attached",
				  record.name);
		device->record = record;
		err = dp_device_store(dp, device);
		DL_FOREACH(device->nodes, node)
			err = err ? err : dp_node_store(dp, device, node);
		if (err)
			varpd_log(VARPD_LOG_ERROR, "cannot write the records of %s: %s",
				  record.name, strerror(-err));
	}
	if (mtu != device->mtu && !dp_device_set_mtu(dp, device, mtu))
		varpd_log(VARPD_LOG_INFO, "MTU of %s is now %u", record.name, mtu);
}

void dp_devices_rebind(struct datapath *dp)
{
	struct dp_device *device, *next;

	HASH_ITER(hh_peer, dp->by_peer, device, next)
		rebind(dp, device);
}
