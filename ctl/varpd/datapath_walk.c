// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reads the cache and the pending entries in batches: for the sweep, for people who list entries,
 * and to flush. Called by the control half of varpd and by datapath_sweep.c, datapath_supernet.c.
 *
 * The kernel walks a hash bucket by bucket, so entries may be added and deleted during a walk; what
 * was there all the time is seen exactly once.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX	48	/* of either table */

_Static_assert(sizeof(struct varp_mapping) <= VALUE_MAX, "a mapping fits");
_Static_assert(sizeof(struct varp_pending) <= VALUE_MAX, "a pending entry fits");

struct dp_batch {
	struct varp_key keys[DP_BATCH];
	uint8_t values[DP_BATCH * VALUE_MAX] __attribute__((aligned(8)));
	struct dp_entry entries[DP_BATCH];
};

/* What stands in datapath_cursor.position. */
struct position {
	uint32_t token;		/* the kernel's */
	bool finished;
};
_Static_assert(sizeof(struct position) <= sizeof(((struct datapath_cursor *)0)->position), "fits");

int dp_walk_open(struct datapath *dp)
{
	dp->batch = malloc(sizeof(*dp->batch));
	return dp->batch ? 0 : -ENOMEM;
}

void dp_walk_close(struct datapath *dp)
{
	free(dp->batch);
	dp->batch = NULL;
}

void dp_walk(struct datapath *dp, enum dp_table table, struct datapath_cursor *cursor,
	     struct dp_entry *entries, unsigned int max, unsigned int *count)
{
	bool cache = table == DP_TABLE_CACHE;
	size_t size = cache ? sizeof(struct varp_mapping) : sizeof(struct varp_pending);
	uint32_t next = 0, n = max < DP_BATCH ? max : DP_BATCH;
	struct position at;

	*count = 0;
	dp_settle_now(dp);
	memcpy(&at, cursor->position, sizeof(at));
	if (at.finished)
		return;
	if (bpf_map_lookup_batch(cache ? dp->maps.cache : dp->maps.pending,
				 cursor->started ? &at.token : NULL, &next, dp->batch->keys,
				 dp->batch->values, &n, NULL)) {
		at.finished = true;
		/* ENOENT comes with the last entries; anything else comes with none. */
		if (errno != ENOENT)
			n = 0;
	}
	at.token = next;
	cursor->started = true;
	memcpy(cursor->position, &at, sizeof(at));
	for (unsigned int i = 0; i < n; i++) {
		entries[i].key = dp->batch->keys[i];
		memcpy(&entries[i].mapping, dp->batch->values + i * size, size);
	}
	*count = n;
}

/* --- Listing --- */

static bool describe(const struct dp_entry *from, enum dp_table table, uint64_t now_ns,
		     struct datapath_entry *entry)
{
	memset(entry, 0, sizeof(*entry));
	entry->key = from->key;
	if (table == DP_TABLE_CACHE) {
		entry->state = DATAPATH_RESOLVED;
		entry->raddr = from->mapping.raddr;
		entry->deadline_ns = from->mapping.deadline_ns;
	} else {
		entry->state = from->pending.state == VARP_PENDING_NOTKNOWN ? DATAPATH_NOTKNOWN :
									      DATAPATH_PENDING;
		entry->deadline_ns = from->pending.deadline_ns;
	}
	return entry->deadline_ns > now_ns;
}

int datapath_get(struct datapath *dp, const struct varp_key *key, struct datapath_entry *entry)
{
	struct dp_entry found = { .key = *key };
	uint64_t now_ns = dp_now_ns();

	dp_settle_now(dp);
	if (!bpf_map_lookup_elem(dp->maps.cache, key, &found.mapping) &&
	    describe(&found, DP_TABLE_CACHE, now_ns, entry))
		return 0;
	if (!bpf_map_lookup_elem(dp->maps.pending, key, &found.pending) &&
	    describe(&found, DP_TABLE_PENDING, now_ns, entry))
		return 0;
	return -ENOENT;
}

/*
 * An open lookup of a vaddr that is cached (it is refreshed, or was just answered) is not shown
 * beside it.
 */
static bool hidden(struct datapath *dp, const struct datapath_entry *entry)
{
	struct varp_mapping mapping;

	return entry->state == DATAPATH_PENDING && dp_cached(dp, &entry->key, &mapping);
}

int datapath_next(struct datapath *dp, struct datapath_cursor *cursor, const struct varp_snid *snid,
		  struct datapath_entry *entries, unsigned int max, unsigned int *count)
{
	struct dp_entry *found = dp->batch->entries;
	uint64_t now_ns = dp_now_ns();
	unsigned int n;

	*count = 0;
	while (!*count && cursor->stage < DP_TABLE_COUNT) {
		dp_walk(dp, cursor->stage, cursor, found, max, &n);
		for (unsigned int i = 0; i < n; i++) {
			if (snid && !varp_snid_equal(snid, &found[i].key.snid))
				continue;
			if (describe(&found[i], cursor->stage, now_ns, &entries[*count]) &&
			    !hidden(dp, &entries[*count]))
				++*count;
		}
		if (!n) {
			unsigned int stage = cursor->stage + 1;

			memset(cursor, 0, sizeof(*cursor));
			cursor->stage = stage;
		}
	}
	return 0;
}

/* --- Flushing --- */

static bool matches(const struct varp_key *key, const struct varp_snid *snid)
{
	return !snid || varp_snid_equal(snid, &key->snid);
}

static int flush_one(struct datapath *dp, const struct varp_key *key)
{
	struct datapath_entry entry;
	int found = !datapath_get(dp, key, &entry);

	bpf_map_delete_elem(dp->maps.cache, key);
	dp_pending_close(dp, key);
	return found;
}

int datapath_flush(struct datapath *dp, const struct varp_snid *snid, const struct varp_addr *vaddr)
{
	struct dp_entry *found = dp->batch->entries;
	uint64_t now_ns = dp_now_ns();
	struct datapath_entry entry;
	int flushed = 0;

	if (snid && vaddr) {
		struct varp_key key = varp_key_make(snid, vaddr);

		return flush_one(dp, &key);
	}
	for (enum dp_table table = 0; table < DP_TABLE_COUNT; table++) {
		struct datapath_cursor cursor = { 0 };
		unsigned int n;

		for (dp_walk(dp, table, &cursor, found, DP_BATCH, &n); n;
		     dp_walk(dp, table, &cursor, found, DP_BATCH, &n)) {
			for (unsigned int i = 0; i < n; i++) {
				if (!matches(&found[i].key, snid))
					continue;
				flushed += describe(&found[i], table, now_ns, &entry);
				if (table == DP_TABLE_CACHE)
					bpf_map_delete_elem(dp->maps.cache, &found[i].key);
				else
					dp_pending_close(dp, &found[i].key);
			}
		}
	}
	return flushed;
}
