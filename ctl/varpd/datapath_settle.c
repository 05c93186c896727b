// SPDX-License-Identifier: BSD-2-Clause
/*
 * Carries positive answers out: packets that wait are sent, then the mapping is written. Called by
 * the engine's actions and by datapath_ring.c. Knows nothing of lookups in the engine, nor of how
 * a packet is sent.
 *
 * Answers to what a single packet waits for, as most do, are put together until the end of the turn
 * of the event loop; everything else has them carried out first.
 *
 * Order: what waits is sent first, then what queued meanwhile, then the mapping lets new packets
 * pass by, then the few that had been on their way to the queue. For each mapping the last look
 * into the ring buffer stands next to its writing, so those are no more than with one answer.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TOGETHER	32
#define DRAIN_NS	NSEC_PER_SEC	/* far more than sending what is held takes */
#define LOG_MS		5000
#define WRITTEN		32768		/* a power of two: few collisions within a miss's way here */

struct dp_settle {
	struct datapath *dp;
	struct event *end_of_turn;
	unsigned int count;
	struct varp_key keys[TOGETHER];
	struct varp_mapping mappings[TOGETHER];
	struct varp_pending draining[TOGETHER];
	/* When a mapping of a key with this hash was last written. */
	uint64_t written_ns[WRITTEN];
};

static uint64_t *written_at(struct dp_settle *settle, const struct varp_key *key)
{
	unsigned int hash;

	HASH_VALUE(key, sizeof(*key), hash);
	return &settle->written_ns[hash % WRITTEN];
}

/* Where an answered lookup's key lives: its mapping says so, or its entry while the former is yet to come. */
static bool answered_raddr(struct datapath *dp, const struct varp_key *key, struct varp_addr *raddr)
{
	struct varp_mapping mapping;
	struct varp_pending pending;

	if (!bpf_map_lookup_elem(dp->maps.pending, key, &pending) &&
	    pending.state == VARP_PENDING_DRAINING) {
		*raddr = pending.raddr;
		return true;
	}
	if (!dp_cached(dp, key, &mapping))
		return false;
	*raddr = mapping.raddr;
	return true;
}

/* The source check of what has arrived and waited: keeps what came from where its source lives. */
static void judge_sources(struct datapath *dp, const struct varp_key *key,
			  struct held_packet **packets)
{
	struct varp_addr raddr;
	bool asked = false, known = false;

	while (*packets) {
		struct held_packet *p = *packets;

		if (!p->arrived) {
			packets = &p->next;
			continue;
		}
		if (!asked)
			known = answered_raddr(dp, key, &raddr);
		asked = true;
		if (known && varp_addr_equal(&p->from, &raddr)) {
			dp->stats.counters[VARP_COUNTER_REINJECTED_PACKETS]++;
			packets = &p->next;
			continue;
		}
		dp_count(dp, VARP_DROP_SOURCE_MISMATCH, 1);
		*packets = p->next;
		p->next = NULL;
		held_packets_free(p);
	}
}

static void held_send(struct datapath *dp, const struct varp_key *keys, unsigned int count)
{
	struct held_packet *all = NULL, **end = &all;

	for (unsigned int i = 0; i < count; i++) {
		*end = held_take(dp->held, &keys[i]);
		judge_sources(dp, &keys[i], end);
		while (*end)
			end = &(*end)->next;
	}
	if (all)
		dp_send_held(dp, all);
}

bool dp_settled_since(struct datapath *dp, const struct varp_key *key, uint64_t since_ns)
{
	struct varp_mapping mapping;

	if (*written_at(dp->settle, key) + DP_CPUS_APART_NS < since_ns ||
	    !dp_cached(dp, key, &mapping))
		return false;
	held_send(dp, key, 1);
	dp_pending_close(dp, key);
	return true;
}

/* --- Where packets go until the mapping is there --- */

static struct varp_pending make_draining(int supernet, const struct varp_addr *raddr)
{
	return (struct varp_pending){
		.deadline_ns = dp_now_ns() + DRAIN_NS,
		.state = VARP_PENDING_DRAINING,
		.supernet = (uint32_t)supernet,
		.raddr = *raddr,
	};
}

/*
 * Says where the held packets are to go when their lookup's entry is not there: it was flushed, or
 * their window had ended, when they came to be held.
 */
static int create_draining(struct datapath *dp, const struct varp_key *key,
			   const struct varp_addr *raddr)
{
	int supernet = dp_supernet_find(dp, &key->snid), err;
	struct varp_pending pending = make_draining(supernet, raddr);

	if (supernet < 0)
		return supernet;
	dp_pending_add(dp, pending.supernet);
	err = dp_update(dp->maps.pending, key, &pending, BPF_NOEXIST);
	if (err)
		dp_pending_subtract(dp, pending.supernet, 1);
	return err;
}

static int renew_draining(struct datapath *dp, const struct varp_key *key,
			  const struct varp_addr *raddr)
{
	uint64_t least_ns = dp_now_ns() + DRAIN_NS;
	struct varp_pending pending;

	if (bpf_map_lookup_elem(dp->maps.pending, key, &pending))
		return -ENOENT;
	pending.state = VARP_PENDING_DRAINING;
	pending.raddr = *raddr;
	pending.held = 0;
	if (pending.deadline_ns < least_ns)
		pending.deadline_ns = least_ns;
	return dp_update(dp->maps.pending, key, &pending, BPF_EXIST);
}

/*
 * Tells BPF where the held packets are to go while new ones still queue behind them. False: no
 * lookup is open and nothing waits.
 */
static bool start_draining(struct datapath *dp, const struct varp_key *key,
			   const struct varp_addr *raddr)
{
	int err = renew_draining(dp, key, raddr);

	if (err == -ENOENT) {
		if (!held_any(dp->held, key))
			return false;
		/* BPF may be opening one just now. */
		if (create_draining(dp, key, raddr) == -EEXIST)
			renew_draining(dp, key, raddr);
	}
	return true;
}

/* The same for entries that are known to be there. */
static void start_draining_all(struct datapath *dp, const struct dp_settle *settle)
{
	unsigned int done = 0;

	while (done < settle->count) {
		uint32_t n = settle->count - done;

		if (!bpf_map_update_batch(dp->maps.pending, settle->keys + done,
					  settle->draining + done, &n, NULL))
			return;
		if (errno != EBUSY)
			n = 0;	/* an older kernel has not said how far it came */
		done += n;
		start_draining(dp, &settle->keys[done], &settle->mappings[done].raddr);
		done++;
	}
}

/* --- Answers --- */

/*
 * A mapping to ourselves of a vaddr that is not here: packets would go round in circles. Treated
 * as not known for a while, since it may be one that has not been corrected yet after a move.
 */
static int refuse_loop(struct datapath *dp, const struct varp_key *key,
		       const struct varp_addr *raddr)
{
	char snid[VARP_SNID_TEXT], vaddr[VARP_ADDR_TEXT], text[VARP_ADDR_TEXT];
	static struct varpd_log_limit limit;

	varpd_log_limited(&limit, LOG_MS, VARPD_LOG_WARNING,
			  "%s of supernet %s is said to be at %s, which is this host, but is no "
			  "node here: not used",
			  varp_addr_format(&key->vaddr, vaddr), varp_snid_format(&key->snid, snid),
			  varp_addr_format(raddr, text));
	return dp_end_negative(dp, key, dp_now_ns() + dp_window_ns(dp), VARP_DROP_LOOP);
}

/*
 * A refresh of a mapping that is there writes over it. In a full cache that evicts some others,
 * least recently used ones, since the kernel takes a free element first.
 */
static int write_mapping(struct datapath *dp, const struct varp_key *key,
			 const struct varp_mapping *mapping)
{
	int err;

	if (datapath_is_local(dp, key, NULL))	/* a local node wins and is never in the cache */
		return 0;
	err = dp_update(dp->maps.cache, key, mapping, BPF_ANY);
	*written_at(dp->settle, key) = dp_now_ns();
	return err;
}

/* After what waits has been told where to go. The first error. */
static int drain(struct datapath *dp, const struct varp_key *keys,
		 const struct varp_mapping *mappings, unsigned int count)
{
	bool came = false;
	int err = 0, one;

	held_send(dp, keys, count);
	for (unsigned int i = 0; i < count; i++) {
		came |= dp_ring_consume(dp);
		if (came)
			held_send(dp, &keys[i], 1);
		one = write_mapping(dp, &keys[i], &mappings[i]);
		err = err ? err : one;
	}
	/* Those whose mapping is there are sent on their way into the queue, the others here. */
	came |= dp_ring_consume(dp);
	if (came)
		held_send(dp, keys, count);
	dp_pending_close_all(dp, keys, count);
	return err;
}

static void log_failure(int err)
{
	static struct varpd_log_limit limit;

	varpd_log_limited(&limit, LOG_MS, VARPD_LOG_ERROR,
			  "cannot write a mapping to the cache: %s", strerror(-err));
}

void dp_settle_now(struct datapath *dp)
{
	struct dp_settle *settle = dp->settle;
	int err;

	if (!settle || !settle->count)
		return;
	start_draining_all(dp, settle);
	err = drain(dp, settle->keys, settle->mappings, settle->count);
	settle->count = 0;
	if (err)
		log_failure(err);
}

static struct varp_mapping make_mapping(struct datapath *dp, const struct varp_addr *raddr,
					uint32_t ttl_s, uint64_t deadline_ns)
{
	return (struct varp_mapping){
		.raddr = *raddr,
		.deadline_ns = deadline_ns,
		.ttl_s = ttl_s,
		.mtu = dp_pmtu_get(dp, raddr),
	};
}

int datapath_resolved(struct datapath *dp, const struct varp_key *key,
		      const struct varp_addr *raddr, uint32_t ttl_s, uint64_t deadline_ns)
{
	const struct varp_mapping mapping = make_mapping(dp, raddr, ttl_s, deadline_ns);

	dp_settle_now(dp);
	if (dp_raddr_is_own(dp, raddr) && !datapath_is_local(dp, key, NULL))
		return refuse_loop(dp, key, raddr);
	if (start_draining(dp, key, raddr))
		return drain(dp, key, &mapping, 1);
	return write_mapping(dp, key, &mapping);
}

void datapath_answered(struct datapath *dp, const struct varp_key *key,
		       const struct varp_addr *raddr, uint32_t ttl_s, uint64_t deadline_ns)
{
	struct dp_settle *settle = dp->settle;
	bool together = held_single(dp->held, key) && !dp_raddr_is_own(dp, raddr);
	int supernet = together ? dp_supernet_find(dp, &key->snid) : -ENOENT, err;

	if (supernet < 0) {
		err = datapath_resolved(dp, key, raddr, ttl_s, deadline_ns);
		if (err)
			log_failure(err);
		return;
	}
	settle->keys[settle->count] = *key;
	settle->mappings[settle->count] = make_mapping(dp, raddr, ttl_s, deadline_ns);
	settle->draining[settle->count] = make_draining(supernet, raddr);
	if (++settle->count == TOGETHER)
		dp_settle_now(dp);
	else if (settle->count == 1)
		event_active(settle->end_of_turn, 0, 0);
}

static void on_end_of_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct dp_settle *settle = ctx;

	(void)fd;
	(void)what;
	dp_settle_now(settle->dp);
}

int dp_settle_open(struct datapath *dp, struct varpd_error *error)
{
	struct dp_settle *settle = calloc(1, sizeof(*settle));
	uint64_t now_ns = dp_now_ns();

	dp->settle = settle;
	if (!settle)
		goto fail;
	settle->dp = dp;
	settle->end_of_turn = event_new(dp->base, -1, 0, on_end_of_turn, settle);
	if (!settle->end_of_turn)
		goto fail;
	/* An earlier varpd may have written anything until now. */
	for (int i = 0; i < WRITTEN; i++)
		settle->written_ns[i] = now_ns;
	return 0;

fail:
	dp_settle_close(dp);
	return varpd_fail(error, -ENOMEM, "out of memory");
}

void dp_settle_close(struct datapath *dp)
{
	if (!dp->settle)
		return;
	if (dp->settle->end_of_turn)
		event_free(dp->settle->end_of_turn);
	free(dp->settle);
	dp->settle = NULL;
}
