// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writes answers into the maps and lets go of the packets that waited for them. Called by the
 * engine's actions.
 *
 * Only varpd inserts into varp_cache. BPF opens entries in varp_pending; they are closed here, and
 * the supernet's count of them with them.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#define BUSY_TRIES	8
#define DRAIN_NS	NSEC_PER_SEC	/* far more than sending what is held takes */
#define LOOP_LOG_MS	5000

/* Kernels before 6.15 answer EBUSY when BPF is at the same bucket on this CPU. */
static int update(int fd, const struct varp_key *key, const void *value, uint64_t flags)
{
	for (int try = 0; try < BUSY_TRIES; try++) {
		if (!bpf_map_update_elem(fd, key, value, flags))
			return 0;
		if (errno != EBUSY)
			break;
	}
	return -errno;
}

void dp_pending_close(struct datapath *dp, const struct varp_key *key)
{
	struct varp_pending pending;

	for (int try = 0; try < BUSY_TRIES; try++) {
		if (!bpf_map_lookup_and_delete_elem(dp->maps.pending, key, &pending)) {
			dp_pending_subtract(dp, pending.supernet, 1);
			return;
		}
		if (errno != EBUSY)
			return;
	}
}

static bool read_open(struct datapath *dp, const struct varp_key *key, struct varp_pending *pending)
{
	return !bpf_map_lookup_elem(dp->maps.pending, key, pending) &&
	       pending->state == VARP_PENDING_LOOKUP && pending->deadline_ns > dp_now_ns();
}

bool dp_pending_open(struct datapath *dp, const struct varp_key *key)
{
	struct varp_pending pending;

	return read_open(dp, key, &pending);
}

bool dp_cached(struct datapath *dp, const struct varp_key *key, struct varp_mapping *mapping)
{
	return !bpf_map_lookup_elem(dp->maps.cache, key, mapping) &&
	       mapping->deadline_ns > dp_now_ns();
}

void dp_held_send(struct datapath *dp, const struct varp_key *key)
{
	struct held_packet *packets = held_take(dp->held, key);

	if (packets)
		dp_send_held(dp, packets);
}

void dp_held_drop(struct datapath *dp, const struct varp_key *key, enum varp_drop reason)
{
	struct held_packet *packets = held_take(dp->held, key);

	for (struct held_packet *p = packets; p; p = p->next)
		dp_count(dp, reason, 1);
	held_packets_free(packets);
}

/*
 * Says where the held packets are to go when their lookup's entry is not there: it was flushed, or
 * their window had ended, when they came to be held.
 */
static int create_draining(struct datapath *dp, const struct varp_key *key,
			   const struct varp_addr *raddr)
{
	int supernet = dp_supernet_find(dp, &key->snid), err;
	struct varp_pending pending = {
		.deadline_ns = dp_now_ns() + DRAIN_NS,
		.state = VARP_PENDING_DRAINING,
		.supernet = (uint32_t)supernet,
		.raddr = *raddr,
	};

	if (supernet < 0)
		return supernet;
	dp_pending_add(dp, pending.supernet);
	err = update(dp->maps.pending, key, &pending, BPF_NOEXIST);
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
	return update(dp->maps.pending, key, &pending, BPF_EXIST);
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

/*
 * The pending entry of a negative answer. Without one, as after `resolve`, one is made within the
 * supernet's bound.
 */
static int mark_notknown(struct datapath *dp, const struct varp_key *key, uint64_t deadline_ns)
{
	struct varp_pending pending = { 0 };
	int supernet, err;

	if (!bpf_map_lookup_elem(dp->maps.pending, key, &pending)) {
		pending.state = VARP_PENDING_NOTKNOWN;
		pending.deadline_ns = deadline_ns;
		pending.icmp_ns = 0;
		return update(dp->maps.pending, key, &pending, BPF_EXIST);
	}
	supernet = dp_supernet_find(dp, &key->snid);
	if (supernet < 0)
		return 0;	/* no node here whose packets it could concern */
	if (dp->supernets[supernet].pending >= dp->supernets[supernet].pending_max)
		return -ENOSPC;
	pending.state = VARP_PENDING_NOTKNOWN;
	pending.deadline_ns = deadline_ns;
	pending.supernet = (uint32_t)supernet;
	dp_pending_add(dp, pending.supernet);
	err = update(dp->maps.pending, key, &pending, BPF_NOEXIST);
	if (err)
		dp_pending_subtract(dp, pending.supernet, 1);
	return err;
}

/* Also why what is held is dropped; its senders hear of it by ICMP. */
static int end_negative(struct datapath *dp, const struct varp_key *key, uint64_t deadline_ns,
			enum varp_drop reason)
{
	struct held_packet *packets;
	int err;

	bpf_map_delete_elem(dp->maps.cache, key);
	err = mark_notknown(dp, key, deadline_ns);
	packets = held_take(dp->held, key);
	for (struct held_packet *p = packets; p; p = p->next) {
		dp_send_icmp(dp, false, 0, p->ifindex, p->frame, p->frame_len);
		dp_count(dp, reason, 1);
	}
	held_packets_free(packets);
	return err;
}

int datapath_notknown(struct datapath *dp, const struct varp_key *key, uint64_t deadline_ns)
{
	return end_negative(dp, key, deadline_ns, VARP_DROP_HELD_NOTKNOWN);
}

/*
 * A mapping to ourselves of a vaddr that is not here: packets would go round in circles. Treated
 * as not known for a while, since it may be one that has not been corrected yet after a move.
 */
static int refuse_loop(struct datapath *dp, const struct varp_key *key,
		       const struct varp_addr *raddr)
{
	char snid[VARP_SNID_TEXT], vaddr[VARP_ADDR_TEXT], text[VARP_ADDR_TEXT];
	static struct varpd_log_limit limit;
	uint64_t suppressed;

	if (varpd_log_allowed(&limit, LOOP_LOG_MS, &suppressed))
		varpd_log(VARPD_LOG_WARNING,
			  "%s of supernet %s is said to be at %s, which is this host, but is no "
			  "node here: not used%s",
			  varp_addr_format(&key->vaddr, vaddr), varp_snid_format(&key->snid, snid),
			  varp_addr_format(raddr, text), suppressed ? " (and others)" : "");
	return end_negative(dp, key, dp_now_ns() + dp_window_ns(dp), VARP_DROP_LOOP);
}

/*
 * Order: what waits is sent first, then what queued meanwhile, then the mapping lets new packets
 * pass by, then the few that had been on their way to the queue.
 *
 * A refresh of a mapping that is there writes over it. In a full cache that evicts some others,
 * least recently used ones, since the kernel takes a free element first.
 */
int datapath_resolved(struct datapath *dp, const struct varp_key *key,
		      const struct varp_addr *raddr, uint32_t ttl_s, uint64_t deadline_ns)
{
	struct varp_mapping mapping = {
		.raddr = *raddr,
		.deadline_ns = deadline_ns,
		.ttl_s = ttl_s,
		.mtu = dp_pmtu_get(dp, raddr),
	};
	bool waiting;
	int err;

	if (dp_raddr_is_own(dp, raddr) && !datapath_is_local(dp, key, NULL))
		return refuse_loop(dp, key, raddr);
	waiting = start_draining(dp, key, raddr);
	if (waiting) {
		dp_held_send(dp, key);
		dp_ring_consume(dp);
		dp_held_send(dp, key);
	}
	if (datapath_is_local(dp, key, NULL)) {	/* a local node wins and is never in the cache */
		dp_pending_close(dp, key);
		return 0;
	}
	err = update(dp->maps.cache, key, &mapping, BPF_ANY);
	if (waiting) {
		dp_ring_consume(dp);
		dp_held_send(dp, key);
		dp_pending_close(dp, key);
	}
	return err;
}

/*
 * The engine's window ends a moment after BPF's, since the miss took time to get here. A packet in
 * between has begun another window, which the engine, still at the old one, did not notice.
 */
static bool window_renewed(struct datapath *dp, const struct varp_key *key)
{
	struct varp_pending pending;

	if (!read_open(dp, key, &pending))
		return false;
	dp_count(dp, VARP_DROP_HELD_EXPIRED,
		 held_drop_before(dp->held, key, pending.deadline_ns - dp_window_ns(dp),
				  dp_now_ns()));
	dp_ring_miss_again(dp, key);
	return true;
}

void datapath_unanswered(struct datapath *dp, const struct varp_key *key, enum varp_drop reason)
{
	if (reason == VARP_DROP_HELD_EXPIRED && window_renewed(dp, key))
		return;
	dp_pending_close(dp, key);
	dp_held_drop(dp, key, reason);
}

void datapath_forget(struct datapath *dp, const struct varp_key *key)
{
	struct varp_pending pending;

	if (bpf_map_lookup_elem(dp->maps.pending, key, &pending))
		return;
	if (pending.state == VARP_PENDING_NOTKNOWN || pending.deadline_ns <= dp_now_ns())
		dp_pending_close(dp, key);
}

void datapath_remove(struct datapath *dp, const struct varp_key *key)
{
	bpf_map_delete_elem(dp->maps.cache, key);
}

void datapath_check(struct datapath *dp, const struct varp_key *key)
{
	struct varp_mapping mapping;

	if (!bpf_map_lookup_elem(dp->maps.cache, key, &mapping))
		dp->ops.age(dp->ops.ctx, key, &mapping);
}
