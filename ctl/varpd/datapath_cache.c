// SPDX-License-Identifier: BSD-2-Clause
/*
 * Entries of the cache and of open lookups, one at a time, and the ends of lookups other than a
 * positive answer, which is datapath_settle.c's. Called by the engine's actions.
 *
 * Only varpd inserts into varp_cache. BPF opens entries in varp_pending; they are closed here, and
 * the supernet's count of them with them.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#define BUSY_TRIES	8
#define COARSE_NS	(10 * NSEC_PER_MSEC)	/* a tick of the slowest kernels */

/* Kernels before 6.15 answer EBUSY when BPF is at the same bucket on this CPU. */
int dp_update(int fd, const struct varp_key *key, const void *value, uint64_t flags)
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

	held_removed(dp->held, key);
	for (int try = 0; try < BUSY_TRIES; try++) {
		if (!bpf_map_lookup_and_delete_elem(dp->maps.pending, key, &pending)) {
			dp_pending_subtract(dp, pending.supernet, 1);
			return;
		}
		if (errno != EBUSY)
			return;
	}
}

static void subtract_all(struct datapath *dp, const struct varp_key *keys, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		int supernet = dp_supernet_find(dp, &keys[i].snid);

		if (supernet >= 0)
			dp_pending_subtract(dp, (uint32_t)supernet, 1);
	}
}

void dp_pending_close_all(struct datapath *dp, const struct varp_key *keys, unsigned int count)
{
	unsigned int done = 0;

	if (count == 1) {
		dp_pending_close(dp, keys);
		return;
	}
	while (done < count) {
		uint32_t n = count - done;
		int err = bpf_map_delete_batch(dp->maps.pending, keys + done, &n, NULL) ? errno : 0;

		if (err && err != ENOENT && err != EBUSY)
			n = 0;	/* an older kernel has not said how far it came */
		subtract_all(dp, keys + done, n);
		done += n;
		if (err && done < count)
			dp_pending_close(dp, &keys[done++]);
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

void dp_held_drop(struct datapath *dp, const struct varp_key *key, enum varp_drop reason)
{
	struct held_packet *packets = held_take(dp->held, key);

	for (struct held_packet *p = packets; p; p = p->next)
		dp_count(dp, reason, 1);
	held_packets_free(packets);
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
		return dp_update(dp->maps.pending, key, &pending, BPF_EXIST);
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
	err = dp_update(dp->maps.pending, key, &pending, BPF_NOEXIST);
	if (err)
		dp_pending_subtract(dp, pending.supernet, 1);
	return err;
}

/* The senders of what is held hear of it by ICMP. */
int dp_end_negative(struct datapath *dp, const struct varp_key *key, uint64_t deadline_ns,
		    enum varp_drop reason)
{
	struct held_packet *packets;
	int err;

	bpf_map_delete_elem(dp->maps.cache, key);
	err = mark_notknown(dp, key, deadline_ns);
	packets = held_take(dp->held, key);
	for (struct held_packet *p = packets; p; p = p->next) {
		if (p->arrived) {
			dp_count(dp, VARP_DROP_SOURCE_NOTKNOWN, 1);
			continue;
		}
		dp_send_icmp(dp, false, 0, p->ifindex, p->frame, p->frame_len);
		dp_count(dp, reason, 1);
	}
	held_packets_free(packets);
	return err;
}

int datapath_notknown(struct datapath *dp, const struct varp_key *key, uint64_t deadline_ns)
{
	dp_settle_now(dp);
	return dp_end_negative(dp, key, deadline_ns, VARP_DROP_HELD_NOTKNOWN);
}

/*
 * The engine's window ends a moment after BPF's, since the miss took time to get here. A packet in
 * between has begun another window, which the engine, still at the old one, did not notice.
 */
static bool window_renewed(struct datapath *dp, const struct varp_key *key)
{
	struct varp_pending pending;
	uint64_t began_ns;

	if (!read_open(dp, key, &pending))
		return false;
	/* By BPF's coarse clock: the event of the packet that began it may seem to be older. */
	began_ns = pending.deadline_ns - dp_window_ns(dp) - COARSE_NS;
	dp_count(dp, VARP_DROP_HELD_EXPIRED,
		 held_drop_before(dp->held, key, began_ns, dp_now_ns()));
	dp_ring_miss_again(dp, key);
	return true;
}

void datapath_unanswered(struct datapath *dp, const struct varp_key *key, enum varp_drop reason)
{
	dp_settle_now(dp);
	if (reason == VARP_DROP_HELD_EXPIRED && window_renewed(dp, key))
		return;
	dp_pending_close(dp, key);
	dp_held_drop(dp, key, reason);
}

void datapath_forget(struct datapath *dp, const struct varp_key *key)
{
	struct varp_pending pending;

	dp_settle_now(dp);
	if (bpf_map_lookup_elem(dp->maps.pending, key, &pending))
		return;
	if (pending.state == VARP_PENDING_NOTKNOWN || pending.deadline_ns <= dp_now_ns())
		dp_pending_close(dp, key);
}

void datapath_remove(struct datapath *dp, const struct varp_key *key)
{
	dp_settle_now(dp);
	bpf_map_delete_elem(dp->maps.cache, key);
}

void datapath_check(struct datapath *dp, const struct varp_key *key)
{
	struct varp_mapping mapping;

	dp_settle_now(dp);
	if (!bpf_map_lookup_elem(dp->maps.cache, key, &mapping))
		dp->ops.age(dp->ops.ctx, key, &mapping);
}
