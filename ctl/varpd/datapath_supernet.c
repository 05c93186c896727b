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

static bool is_at(const struct datapath *dp, unsigned int slot, const struct varp_snid *snid)
{
	return dp->supernets[slot].used && varp_snid_equal(&dp->supernets[slot].snid, snid);
}

/* Once per answer: what was found before is looked at first. */
int dp_supernet_find(struct datapath *dp, const struct varp_snid *snid)
{
	uint16_t *found = &dp->found[(snid->b[8] ^ snid->b[9]) % DP_FOUND];
	unsigned int end = 0;

	if (is_at(dp, *found, snid))
		return *found;
	for (unsigned int i = 0; i < dp->supernets_end; i++) {
		if (is_at(dp, i, snid)) {
			*found = (uint16_t)i;
			return (int)i;
		}
		if (dp->supernets[i].used)
			end = i + 1;
	}
	/* A server asks for each mapping that it is told of, most of them of supernets elsewhere. */
	dp->supernets_end = end;
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
		if ((unsigned int)i >= dp->supernets_end)
			dp->supernets_end = i + 1;
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

/*
 * Supernets share the room for open lookups, so that scans in all the others leave each one its
 * part. Only those with devices here have misses.
 */
static void share_pending(struct datapath *dp)
{
	uint32_t limit = dp->config.pending_per_supernet, in_use = 0;
	bool seen[VARP_MAX_SUPERNETS] = { false };
	struct dp_device *device, *next;

	HASH_ITER(hh_peer, dp->by_peer, device, next) {
		uint32_t supernet = device->record.supernet;

		in_use += supernet < VARP_MAX_SUPERNETS && !seen[supernet];
		if (supernet < VARP_MAX_SUPERNETS)
			seen[supernet] = true;
	}
	if (in_use && dp->pending_room / in_use < limit)
		limit = dp->pending_room / in_use;
	for (int i = 0; i < VARP_MAX_SUPERNETS; i++) {
		if (dp->supernets[i].used)
			dp->supernets[i].pending_max = limit ? limit : 1;
	}
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
	int index = dp_supernet_find(dp, snid);

	share_pending(dp);
	if (index >= 0)
		dp->joined[index] = value.peer > 0;
	if (value.peer) {
		if (bpf_map_update_elem(dp->maps.local, &mark, &value, BPF_ANY))
			return -errno;
		dp_shared_join(dp, snid);
		return 0;
	}
	bpf_map_delete_elem(dp->maps.local, &mark);
	dp_shared_leave(dp, snid);
	datapath_flush(dp, snid, NULL);
	release_slot(dp, snid);
	return 0;
}

void dp_pending_add(struct datapath *dp, uint32_t supernet)
{
	if (supernet < VARP_MAX_SUPERNETS)
		__atomic_fetch_add(&dp->supernets[supernet].pending, 1, __ATOMIC_RELAXED);
}

/* Never below zero: that would be an immense number, and no room for any lookup. */
void dp_pending_subtract(struct datapath *dp, uint32_t supernet, uint32_t n)
{
	uint32_t *pending, now, then;

	if (supernet >= VARP_MAX_SUPERNETS)
		return;
	pending = &dp->supernets[supernet].pending;
	now = __atomic_load_n(pending, __ATOMIC_RELAXED);
	do {
		then = now > n ? now - n : 0;
	} while (!__atomic_compare_exchange_n(pending, &now, then, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

static void count_entries(struct datapath *dp, struct dp_entry *entries, uint32_t *counted)
{
	struct datapath_cursor cursor = { 0 };
	unsigned int n;

	memset(counted, 0, VARP_MAX_SUPERNETS * sizeof(*counted));
	for (dp_walk(dp, DP_TABLE_PENDING, &cursor, entries, DP_BATCH, &n); n;
	     dp_walk(dp, DP_TABLE_PENDING, &cursor, entries, DP_BATCH, &n)) {
		for (unsigned int i = 0; i < n; i++) {
			if (entries[i].pending.supernet < VARP_MAX_SUPERNETS)
				counted[entries[i].pending.supernet]++;
		}
	}
}

static void read_counts(struct datapath *dp, uint32_t *counts)
{
	for (int i = 0; i < VARP_MAX_SUPERNETS; i++)
		counts[i] = __atomic_load_n(&dp->supernets[i].pending, __ATOMIC_RELAXED);
}

/*
 * A daemon that was killed between deleting an entry and subtracting it left a count too high for
 * ever. BPF goes on adding meanwhile: only a count that was the same before and after the walk is
 * comparable with what the walk found. True: all were.
 */
bool dp_pending_recount(struct datapath *dp)
{
	uint32_t *counts = calloc(3 * VARP_MAX_SUPERNETS, sizeof(*counts));
	struct dp_entry *entries = calloc(DP_BATCH, sizeof(*entries));
	uint32_t *before = counts, *after = counts + VARP_MAX_SUPERNETS;
	uint32_t *counted = after + VARP_MAX_SUPERNETS;
	bool all = counts && entries;

	if (!all)
		goto free_all;
	read_counts(dp, before);
	count_entries(dp, entries, counted);
	read_counts(dp, after);
	for (uint32_t i = 0; i < VARP_MAX_SUPERNETS; i++) {
		if (before[i] != after[i])
			all = false;
		else if (after[i] > counted[i])
			dp_pending_subtract(dp, i, after[i] - counted[i]);
	}
free_all:
	free(counts);
	free(entries);
	return all;
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

bool datapath_has_nodes(const struct datapath *dp)
{
	return dp->by_peer;
}

bool datapath_has_supernet(struct datapath *dp, const struct varp_snid *snid)
{
	int index = dp_supernet_find(dp, snid);

	return index >= 0 && dp->joined[index];
}
