// SPDX-License-Identifier: BSD-2-Clause
/*
 * Slots of varp_supernets: who serves a supernet, how many lookups are open in it, and the mark in
 * varp_local that says it is joined here. Called by the parts that make nodes, close lookups and
 * configure servers.
 *
 * The array is mapped into the daemon. BPF adds to the counts in it at any time, so a slot in use
 * is changed field by field, and counts only by atomic additions.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int dp_supernet_find(const struct datapath *dp, const struct varp_snid *snid)
{
	for (int i = 0; i < VARP_MAX_SUPERNETS; i++) {
		if (dp->supernets[i].used && varp_snid_equal(&dp->supernets[i].snid, snid))
			return i;
	}
	return -ENOENT;
}

int dp_supernet_get(struct datapath *dp, const struct varp_snid *snid)
{
	int found = dp_supernet_find(dp, snid);

	for (int i = 0; found < 0 && i < VARP_MAX_SUPERNETS; i++) {
		struct varp_supernet *slot = &dp->supernets[i];

		if (slot->used)
			continue;
		memset(slot, 0, sizeof(*slot));
		slot->snid = *snid;
		slot->pending_max = dp->config.pending_per_supernet;
		slot->used = 1;
		found = i;
	}
	return found < 0 ? -ENOSPC : found;
}

unsigned int dp_supernet_nodes(struct datapath *dp, const struct varp_snid *snid)
{
	struct dp_device *device, *next;
	unsigned int nodes = 0;
	struct dp_node *node;

	HASH_ITER(hh_peer, dp->by_peer, device, next) {
		if (!varp_snid_equal(&device->record.snid, snid))
			continue;
		DL_FOREACH(device->nodes, node)
			nodes++;
	}
	return nodes;
}

/* Frees the slot when nobody needs it: no node is here and no server is set. */
static void release_slot(struct datapath *dp, const struct varp_snid *snid)
{
	int index = dp_supernet_find(dp, snid);

	if (index >= 0 && !dp->supernets[index].has_server)
		memset(&dp->supernets[index], 0, sizeof(dp->supernets[index]));
}

int dp_supernet_update(struct datapath *dp, const struct varp_snid *snid)
{
	struct varp_key mark = { .snid = *snid };
	struct varp_local value = { .peer = dp_supernet_nodes(dp, snid) };

	if (value.peer)
		return bpf_map_update_elem(dp->maps.local, &mark, &value, BPF_ANY) ? -errno : 0;
	bpf_map_delete_elem(dp->maps.local, &mark);
	datapath_flush(dp, snid, NULL);
	release_slot(dp, snid);
	return 0;
}

void dp_pending_add(struct datapath *dp, uint32_t supernet)
{
	if (supernet < VARP_MAX_SUPERNETS)
		__atomic_fetch_add(&dp->supernets[supernet].pending, 1, __ATOMIC_RELAXED);
}

void dp_pending_subtract(struct datapath *dp, uint32_t supernet, uint32_t n)
{
	if (supernet < VARP_MAX_SUPERNETS)
		__atomic_fetch_sub(&dp->supernets[supernet].pending, n, __ATOMIC_RELAXED);
}

/*
 * A daemon that was killed between deleting an entry and subtracting it left a count too high for
 * ever. BPF goes on adding meanwhile: what it adds during the walk is kept, by correcting with the
 * difference found.
 */
void dp_pending_recount(struct datapath *dp)
{
	struct datapath_cursor cursor = { 0 };
	uint32_t *before, *counted;
	struct dp_entry *entries;
	unsigned int n;

	before = calloc(VARP_MAX_SUPERNETS, sizeof(*before));
	counted = calloc(VARP_MAX_SUPERNETS, sizeof(*counted));
	entries = calloc(DP_BATCH, sizeof(*entries));
	if (!before || !counted || !entries)
		goto free_all;
	for (int i = 0; i < VARP_MAX_SUPERNETS; i++)
		before[i] = __atomic_load_n(&dp->supernets[i].pending, __ATOMIC_RELAXED);
	for (dp_walk(dp, DP_TABLE_PENDING, &cursor, entries, DP_BATCH, &n); n;
	     dp_walk(dp, DP_TABLE_PENDING, &cursor, entries, DP_BATCH, &n)) {
		for (unsigned int i = 0; i < n; i++) {
			if (entries[i].pending.supernet < VARP_MAX_SUPERNETS)
				counted[entries[i].pending.supernet]++;
		}
	}
	for (uint32_t i = 0; i < VARP_MAX_SUPERNETS; i++)
		dp_pending_subtract(dp, i, before[i] - counted[i]);

free_all:
	free(before);
	free(counted);
	free(entries);
}

int datapath_server_set(struct datapath *dp, const struct varp_snid *snid,
			const struct varp_addr *server)
{
	int index = server ? dp_supernet_get(dp, snid) : dp_supernet_find(dp, snid);

	if (index < 0)
		return server ? index : 0;
	if (server)
		dp->supernets[index].server = *server;
	dp->supernets[index].has_server = server != NULL;
	if (!server && !dp_supernet_nodes(dp, snid))
		release_slot(dp, snid);
	return 0;
}

void datapath_each_supernet(struct datapath *dp,
			    void (*visit)(const struct varp_supernet *s, void *ctx), void *ctx)
{
	for (int i = 0; i < VARP_MAX_SUPERNETS; i++) {
		if (dp->supernets[i].used) {
			struct varp_supernet copy = dp->supernets[i];

			visit(&copy, ctx);
		}
	}
}

bool datapath_has_supernet(const struct datapath *dp, const struct varp_snid *snid)
{
	struct varp_key mark = { .snid = *snid };
	struct varp_local value;

	return !bpf_map_lookup_elem(dp->maps.local, &mark, &value);
}
