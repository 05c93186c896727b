// SPDX-License-Identifier: BSD-2-Clause
/*
 * Takes over what an earlier varpd of this instance left: underlays and node devices from their
 * records, with this varpd's programs put in the place of the old ones while traffic goes on.
 * Called by datapath.c once at start.
 *
 * The records may be out of date in any way: devices gone or made anew, addresses changed. What is
 * not there any more is removed, except underlays, which are remembered by name.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if.h>
#include <stdlib.h>
#include <string.h>

/* --- Underlays --- */

static struct dp_underlay *underlay_from_record(struct datapath *dp, uint32_t key,
						const struct varp_underlay *record)
{
	struct dp_underlay *underlay = calloc(1, sizeof(*underlay));

	if (!underlay)
		return NULL;
	underlay->key = key;
	underlay->record = *record;
	DL_APPEND(dp->underlays, underlay);
	return underlay;
}

static int list_underlays(struct datapath *dp)
{
	struct varp_underlay record;
	uint32_t key, *previous = NULL;

	while (!bpf_map_get_next_key(dp->maps.underlays, previous, &key)) {
		previous = &key;
		if (!bpf_map_lookup_elem(dp->maps.underlays, &key, &record) &&
		    !underlay_from_record(dp, key, &record))
			return -ENOMEM;
	}
	return 0;
}

/* 0; -ENOLINK: the interface was made anew or the program was taken off it. */
static int replace_decap(struct datapath *dp, struct dp_underlay *underlay)
{
	struct dp_attachment attachment = {
		.how = underlay->record.attach,
		.handle = underlay->record.tc_handle,
		.priority = underlay->record.tc_priority,
		.made_clsact = underlay->record.made_clsact,
	};
	struct netlink_link link;
	int err;

	err = netlink_link_get(dp->nl, NULL, underlay->key, &link);
	if (err == -ENODEV || (!err && strcmp(link.name, underlay->record.name) &&
			       underlay->record.attach != VARP_ATTACH_TCX))
		return -ENOLINK;
	return err ? err : dp_hook_replace(dp, DP_HOOK_DECAP, underlay->key, &attachment);
}

static int adopt_underlay(struct datapath *dp, struct dp_underlay *underlay,
			  struct varpd_error *error)
{
	int err;

	if (!dp_underlay_present(underlay))
		return 0;
	err = replace_decap(dp, underlay);
	if (err == -ENOLINK || err == -ENODEV) {
		varpd_log(VARPD_LOG_WARNING, "underlay %s has gone since the last run",
			  underlay->record.name);
		dp_underlay_lose(dp, underlay);
		return 0;
	}
	if (err)
		return varpd_fail(error, err, "cannot take over the program on %s: %s",
				  underlay->record.name, strerror(-err));
	return 0;
}

/* --- Devices --- */

static int list_devices(struct datapath *dp)
{
	uint32_t key, *previous = NULL;
	struct varp_dev record;

	while (!bpf_map_get_next_key(dp->maps.devs, previous, &key)) {
		previous = &key;
		if (!bpf_map_lookup_elem(dp->maps.devs, &key, &record) && record.is_peer &&
		    !dp_device_new(dp, &record))
			return -ENOMEM;
	}
	return 0;
}

/* Records of a node device whose peer's record was never written or is gone. */
static void drop_orphans(struct datapath *dp)
{
	uint32_t key, next;
	int end = bpf_map_get_next_key(dp->maps.devs, NULL, &next);

	while (!end) {
		key = next;
		end = bpf_map_get_next_key(dp->maps.devs, &key, &next);
		if (!dp_device_find(dp, key))
			bpf_map_delete_elem(dp->maps.devs, &key);
	}
}

static int list_nodes(struct datapath *dp)
{
	struct varp_local local;
	struct varp_key key, next;
	int end = bpf_map_get_next_key(dp->maps.local, NULL, &next);

	while (!end) {
		struct dp_device *device;

		key = next;
		end = bpf_map_get_next_key(dp->maps.local, &key, &next);
		if (bpf_map_lookup_elem(dp->maps.local, &key, &local) ||
		    varp_addr_is_zero(&key.vaddr))
			continue;
		device = dp_device_find(dp, local.peer);
		if (!device)
			bpf_map_delete_elem(dp->maps.local, &key);
		else if (!dp_node_add(dp, device, &key, local.plen))
			return -ENOMEM;
	}
	return 0;
}

static bool device_there(struct datapath *dp, struct dp_device *device)
{
	struct netlink_link link;

	if (netlink_link_get(dp->nl, NULL, device->record.peer, &link) ||
	    link.peer != device->record.dev)
		return false;
	device->mtu = link.mtu;
	/* Killed in the middle of a join, near whose end the peer comes up: it never carried anything. */
	return device->nodes != NULL && (link.flags & IFF_UP);
}

static int adopt_device(struct datapath *dp, struct dp_device *device, struct varpd_error *error)
{
	char name[VARP_IFNAME_LEN];
	int err = -ENOLINK;

	memcpy(name, device->record.name, sizeof(name));
	if (device_there(dp, device)) {
		err = dp_device_replace(dp, device);
		device->stranger = err == -ENOLINK;
	}
	if (err == -ENOLINK) {
		varpd_log(VARPD_LOG_WARNING,
			  "node device %s has gone since the last run: its nodes have left", name);
		dp_device_free(dp, device);
		return 0;
	}
	if (err)
		return varpd_fail(error, err, "cannot take over the programs on %s: %s", name,
				  strerror(-err));
	/* An earlier version may have set less. */
	if (!device->stranger)
		dp_device_seal(dp, device);
	return 0;
}

/* --- All --- */

/*
 * What waited for these lookups was with the earlier varpd and is lost. Packets that are in the
 * ring buffer now and those still to come begin anew, with as many to be held.
 */
static void forget_lookups(struct datapath *dp)
{
	struct dp_entry *entries = calloc(DP_BATCH, sizeof(*entries));
	struct datapath_cursor cursor = { 0 };
	unsigned int n;

	if (!entries)
		return;		/* they end with their window */
	for (dp_walk(dp, DP_TABLE_PENDING, &cursor, entries, DP_BATCH, &n); n;
	     dp_walk(dp, DP_TABLE_PENDING, &cursor, entries, DP_BATCH, &n)) {
		for (unsigned int i = 0; i < n; i++) {
			if (entries[i].pending.state != VARP_PENDING_NOTKNOWN)
				dp_pending_close(dp, &entries[i].key);
		}
	}
	free(entries);
}

static void update_supernets(struct datapath *dp)
{
	for (int i = 0; i < VARP_MAX_SUPERNETS; i++) {
		struct varp_supernet *slot = &dp->supernets[i];
		struct varp_snid snid = slot->snid;

		if (!slot->used)
			continue;
		dp_supernet_update(dp, &snid);
	}
}

int dp_adopt(struct datapath *dp, struct varpd_error *error)
{
	struct dp_underlay *underlay, *next_underlay;
	struct dp_device *device, *next_device;
	int err;

	dp_raddrs_read(dp);
	err = list_underlays(dp);
	if (!err)
		err = list_devices(dp);
	if (!err)
		err = list_nodes(dp);
	if (err)
		return varpd_fail(error, err, "out of memory");
	drop_orphans(dp);
	DL_FOREACH_SAFE(dp->underlays, underlay, next_underlay) {
		err = adopt_underlay(dp, underlay, error);
		if (err)
			return err;
	}
	HASH_ITER(hh_peer, dp->by_peer, device, next_device) {
		err = adopt_device(dp, device, error);
		if (err)
			return err;
	}
	dp_peers_reclaim(dp);
	forget_lookups(dp);
	dp->recount = !dp_pending_recount(dp);
	dp_shared_correct(dp);
	update_supernets(dp);
	err = dp_reconcile(dp);
	if (err == -EINTR) {	/* interfaces come and go too fast to be read just now */
		dp_watch_again(dp);
		return 0;
	}
	if (err)
		return varpd_fail(error, err, "cannot read interfaces and addresses: %s",
				  strerror(-err));
	return 0;
}
