// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every VARPDB_TTL_UPDATE seconds: shows each mapping to the engine, which ages or refreshes it,
 * and drops lookups that the engine knows no more. Also keeps what ICMP errors said about paths,
 * and writes it into mappings on the same walk.
 *
 * A pass takes one batch per turn of the event loop, so that a million entries hold nobody up.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PMTU_MAX	1024
#define PMTU_LIFE_NS	(600 * NSEC_PER_SEC)	/* RFC 1191, 6.3: then try larger ones again */
#define PMTU_LEAST	576
#define GRACE_NS	NSEC_PER_SEC		/* the engine ends its lookups by itself */

struct pmtu {
	struct varp_addr raddr;
	uint32_t mtu;
	uint64_t until_ns;
	UT_hash_handle hh;
};

struct dp_sweep {
	struct datapath *dp;
	struct event *tick;		/* starts passes */
	struct event *turn;		/* next batch of the running pass */
	bool enabled;			/* aging; packets' time limits hold regardless */
	bool running;
	bool again;			/* something was learned while a pass ran */
	bool write_pmtu;		/* mappings may differ from the table of path MTUs */
	enum dp_table table;
	struct datapath_cursor cursor;
	struct pmtu *pmtus;		/* oldest first */
	struct dp_entry entries[DP_BATCH];
};

/* --- Path MTUs --- */

static void pmtu_free(struct dp_sweep *sweep, struct pmtu *pmtu)
{
	HASH_DEL(sweep->pmtus, pmtu);
	free(pmtu);
}

static void pmtu_expire(struct dp_sweep *sweep, uint64_t now_ns)
{
	while (sweep->pmtus && sweep->pmtus->until_ns <= now_ns) {
		pmtu_free(sweep, sweep->pmtus);
		sweep->write_pmtu = true;
	}
}

uint16_t dp_pmtu_get(struct datapath *dp, const struct varp_addr *raddr)
{
	struct pmtu *pmtu;

	if (!dp->sweep || !dp->sweep->pmtus)
		return 0;
	HASH_FIND(hh, dp->sweep->pmtus, raddr, sizeof(*raddr), pmtu);
	return pmtu ? (uint16_t)pmtu->mtu : 0;
}

static void start_pass(struct dp_sweep *sweep)
{
	const struct timeval now = { 0 };

	if (sweep->running) {
		sweep->again = true;
		return;
	}
	sweep->running = true;
	sweep->again = false;
	sweep->table = DP_TABLE_CACHE;
	memset(&sweep->cursor, 0, sizeof(sweep->cursor));
	event_add(sweep->turn, &now);
}

void dp_pmtu_learn(struct datapath *dp, const struct varp_addr *raddr, uint32_t mtu)
{
	uint32_t least = varp_addr_is_v4(raddr) ? PMTU_LEAST : 1280;
	struct dp_sweep *sweep = dp->sweep;
	struct pmtu *pmtu;

	if (mtu < least || mtu > UINT16_MAX || dp_pmtu_get(dp, raddr) == mtu)
		return;
	/* Made anew even if known, so that the oldest stays first. */
	HASH_FIND(hh, sweep->pmtus, raddr, sizeof(*raddr), pmtu);
	if (pmtu)
		pmtu_free(sweep, pmtu);
	else if (HASH_COUNT(sweep->pmtus) >= PMTU_MAX)
		pmtu_free(sweep, sweep->pmtus);
	pmtu = calloc(1, sizeof(*pmtu));
	if (!pmtu)
		return;
	pmtu->raddr = *raddr;
	pmtu->mtu = mtu;
	pmtu->until_ns = dp_now_ns() + PMTU_LIFE_NS;
	HASH_ADD(hh, sweep->pmtus, raddr, sizeof(pmtu->raddr), pmtu);
	if (!pmtu->hh.tbl) {
		free(pmtu);
		return;
	}
	sweep->write_pmtu = true;
	start_pass(sweep);
}

void dp_pmtu_cap(struct datapath *dp, uint32_t mtu)
{
	struct pmtu *pmtu, *next;

	if (!dp->sweep)
		return;
	HASH_ITER(hh, dp->sweep->pmtus, pmtu, next) {
		if (pmtu->mtu < mtu)
			continue;
		pmtu_free(dp->sweep, pmtu);
		dp->sweep->write_pmtu = true;
	}
	if (dp->sweep->write_pmtu)
		start_pass(dp->sweep);
}

static void write_pmtu(struct datapath *dp, struct dp_entry *entry)
{
	uint16_t mtu = dp_pmtu_get(dp, &entry->mapping.raddr);

	if (entry->mapping.mtu == mtu)
		return;
	entry->mapping.mtu = mtu;
	bpf_map_update_elem(dp->maps.cache, &entry->key, &entry->mapping, BPF_EXIST);
}

/* --- Passes --- */

/*
 * A lookup that nobody ended: its miss was read by a daemon that is gone. Read again before it is
 * deleted, since BPF may have opened it anew.
 */
static void drop_pending(struct datapath *dp, const struct dp_entry *entry, uint64_t now_ns)
{
	struct varp_pending pending;

	if (entry->pending.deadline_ns + GRACE_NS > now_ns)
		return;
	if (bpf_map_lookup_elem(dp->maps.pending, &entry->key, &pending) ||
	    pending.deadline_ns + GRACE_NS > now_ns)
		return;
	dp_pending_close(dp, &entry->key);
}

static void visit(struct dp_sweep *sweep, struct dp_entry *entry, uint64_t now_ns)
{
	struct datapath *dp = sweep->dp;

	if (sweep->table == DP_TABLE_PENDING) {
		drop_pending(dp, entry, now_ns);
		return;
	}
	if (sweep->write_pmtu)
		write_pmtu(dp, entry);
	if (sweep->enabled)
		dp->ops.age(dp->ops.ctx, &entry->key, &entry->mapping);
}

static void end_pass(struct dp_sweep *sweep)
{
	sweep->running = false;
	if (sweep->again)
		start_pass(sweep);
	else
		sweep->write_pmtu = false;
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	const struct timeval now = { 0 };
	struct dp_sweep *sweep = ctx;
	uint64_t now_ns = dp_now_ns();
	unsigned int count;

	(void)fd;
	(void)what;
	dp_walk(sweep->dp, sweep->table, &sweep->cursor, sweep->entries, DP_BATCH, &count);
	for (unsigned int i = 0; i < count; i++)
		visit(sweep, &sweep->entries[i], now_ns);
	if (!count) {
		if (++sweep->table == DP_TABLE_COUNT) {
			end_pass(sweep);
			return;
		}
		memset(&sweep->cursor, 0, sizeof(sweep->cursor));
	}
	event_add(sweep->turn, &now);
}

/* Packets wait no longer than the window, whatever the engine does. */
static void expire_held(struct datapath *dp, uint64_t now_ns)
{
	uint64_t life_ns = dp_window_ns(dp) + GRACE_NS;
	struct varp_key key;

	while (now_ns > life_ns && held_oldest(dp->held, now_ns - life_ns, &key))
		dp_held_drop(dp, &key, VARP_DROP_HELD_EXPIRED);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct dp_sweep *sweep = ctx;
	uint64_t now_ns = dp_now_ns();

	(void)fd;
	(void)what;
	expire_held(sweep->dp, now_ns);
	pmtu_expire(sweep, now_ns);
	if (sweep->dp->recount)
		sweep->dp->recount = !dp_pending_recount(sweep->dp);
	/* One that is still running after three seconds is not started once more. */
	if (!sweep->running && (sweep->enabled || sweep->write_pmtu))
		start_pass(sweep);
}

void datapath_sweep_enable(struct datapath *dp, bool on)
{
	dp->sweep->enabled = on;
}

int dp_sweep_open(struct datapath *dp, struct varpd_error *error)
{
	const struct timeval period = { .tv_sec = VARPDB_TTL_UPDATE };
	struct dp_sweep *sweep = calloc(1, sizeof(*sweep));

	if (!sweep)
		goto fail;
	dp->sweep = sweep;
	sweep->dp = dp;
	sweep->enabled = true;
	/* An earlier varpd may have written what this one does not know. */
	sweep->write_pmtu = true;
	sweep->tick = event_new(dp->base, -1, EV_PERSIST, on_tick, sweep);
	sweep->turn = evtimer_new(dp->base, on_turn, sweep);
	if (!sweep->tick || !sweep->turn || event_add(sweep->tick, &period))
		goto fail;
	return 0;

fail:
	dp_sweep_close(dp);
	return varpd_fail(error, -ENOMEM, "out of memory");
}

void dp_sweep_close(struct datapath *dp)
{
	struct dp_sweep *sweep = dp->sweep;
	struct pmtu *pmtu, *next;

	if (!sweep)
		return;
	if (sweep->tick)
		event_free(sweep->tick);
	if (sweep->turn)
		event_free(sweep->turn);
	HASH_ITER(hh, sweep->pmtus, pmtu, next)
		pmtu_free(sweep, pmtu);
	free(sweep);
	dp->sweep = NULL;
}
