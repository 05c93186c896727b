/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Where a vaddr lives: the cache, and the miss. A miss opens a lookup in varp_pending or finds one open, and travels
 * with its packet through the ring buffer to varpd. Nothing here inserts into varp_cache, so that no scan can push a
 * live mapping out.
 *
 * Accounts: every miss is exactly one of requests, suppressed and dropped of its supernet.
 */
#ifndef VARP_BPF_LOOKUP_H
#define VARP_BPF_LOOKUP_H

#include "encap.h"

#define ACCOUNT(field)	__sync_fetch_and_add(&(field), 1)

static __always_inline void mapping_used(struct varp_mapping *m, __u64 now)
{
	if (now - m->used_ns > used_granularity_ns)
		m->used_ns = now;
}

static __always_inline struct varp_mapping *cache_lookup(struct job *job)
{
	struct varp_mapping *m = bpf_map_lookup_elem(&varp_cache, &job->in.key);

	if (!m || m->deadline_ns <= job->now)
		return NULL;
	mapping_used(m, job->now);
	return m;
}

/* Give the packet to varpd to be held. */
static __always_inline int hold(struct __sk_buff *skb, struct job *job, __u32 type)
{
	int err = event_send(skb, &job->in.key, type, 0, job->origin);

	if (!err)
		job->stats->counters[VARP_COUNTER_HELD_PACKETS]++;
	return err;
}

static __always_inline int hold_failed(struct job *job, struct varp_supernet *sn, int err)
{
	ACCOUNT(sn->dropped);
	return drop(job->stats, err == -E2BIG ? VARP_DROP_TOO_LONG : VARP_DROP_RING_FULL);
}

static __always_inline int held(__u64 *account)
{
	ACCOUNT(*account);
	return swallow();
}

/* A lookup is open, or was answered in the negative not long ago. */
static __always_inline int miss_open(struct __sk_buff *skb, struct job *job,
				     struct varp_supernet *sn, struct varp_pending *p)
{
	__u64 last;
	int err;

	if (p->state == VARP_PENDING_NOTKNOWN) {
		ACCOUNT(sn->suppressed);
		last = p->icmp_ns;
		if ((!last || job->now >= last + icmp_interval_ns) &&
		    __sync_val_compare_and_swap(&p->icmp_ns, last, job->now) == last)
			event_send(skb, &job->in.key, VARP_EVENT_NOTKNOWN, 0, NULL);
		return drop_quietly(job->stats, VARP_DROP_NOTKNOWN);
	}
	if (__sync_fetch_and_add(&p->held, 1) >= VARP_HELD_MAX) {
		ACCOUNT(sn->dropped);
		return drop(job->stats, VARP_DROP_HELD_FULL);
	}
	err = hold(skb, job, VARP_EVENT_HOLD);
	if (err)
		return hold_failed(job, sn, err);
	return held(&sn->suppressed);
}

/*
 * The entry's time is over and this CPU may be the one to open the next window. Should varpd not hear of it, the
 * entry becomes as old as it was, and the next packet tries again.
 */
static __always_inline int miss_renew(struct __sk_buff *skb, struct job *job,
				      struct varp_supernet *sn, struct varp_pending *p,
				      __u64 deadline)
{
	__u64 next = job->now + window_ns;
	int err;

	if (__sync_val_compare_and_swap(&p->deadline_ns, deadline, next) != deadline)
		return miss_open(skb, job, sn, p);
	p->state = VARP_PENDING_LOOKUP;
	p->held = 1;
	p->icmp_ns = 0;
	err = hold(skb, job, VARP_EVENT_MISS);
	if (err) {
		p->deadline_ns = deadline;
		return hold_failed(job, sn, err);
	}
	return held(&sn->requests);
}

static __always_inline int miss_create(struct __sk_buff *skb, struct job *job,
				       struct varp_supernet *sn)
{
	struct varp_pending new = {
		.deadline_ns = job->now + window_ns,
		.state = VARP_PENDING_LOOKUP,
		.held = 1,
		.supernet = job->dev->supernet,
	}, *p;
	int err;

	if (__sync_fetch_and_add(&sn->pending, 1) >= sn->pending_max)
		goto err_full;
	err = bpf_map_update_elem(&varp_pending, &job->in.key, &new, BPF_NOEXIST);
	if (err == -EEXIST) {
		/* Another CPU was first. */
		__sync_fetch_and_add(&sn->pending, -1);
		p = bpf_map_lookup_elem(&varp_pending, &job->in.key);
		if (p)
			return miss_open(skb, job, sn, p);
		goto err_dropped;
	}
	if (err)
		goto err_full;
	err = hold(skb, job, VARP_EVENT_MISS);
	if (err) {
		/* The next packet tries again. */
		bpf_map_delete_elem(&varp_pending, &job->in.key);
		__sync_fetch_and_add(&sn->pending, -1);
		return hold_failed(job, sn, err);
	}
	return held(&sn->requests);

err_full:
	__sync_fetch_and_add(&sn->pending, -1);
err_dropped:
	ACCOUNT(sn->dropped);
	return drop(job->stats, VARP_DROP_PENDING_FULL);
}

static __noinline int miss(struct __sk_buff *skb, struct job *job)
{
	__u32 slot = job->dev->supernet;
	struct varp_supernet *sn = bpf_map_lookup_elem(&varp_supernets, &slot);
	struct varp_pending *p;
	__u64 deadline;

	if (!sn || !sn->used)
		return drop(job->stats, VARP_DROP_NO_NODE);
	ACCOUNT(sn->misses);
	job->stats->counters[VARP_COUNTER_MISSES]++;

	p = bpf_map_lookup_elem(&varp_pending, &job->in.key);
	if (!p)
		return miss_create(skb, job, sn);
	deadline = p->deadline_ns;
	if (deadline <= job->now)
		return miss_renew(skb, job, sn, p, deadline);
	return miss_open(skb, job, sn, p);
}

/* Where a packet goes that varpd held and sends again: the mapping, or what the answered lookup says meanwhile. */
static __always_inline bool lookup_again(struct job *job, struct varp_addr *raddr, __u32 *mtu)
{
	struct varp_mapping *m = cache_lookup(job);
	struct varp_pending *p;

	if (m) {
		*raddr = m->raddr;
		*mtu = m->mtu;
		return true;
	}
	p = bpf_map_lookup_elem(&varp_pending, &job->in.key);
	if (!p || p->state != VARP_PENDING_DRAINING || p->deadline_ns <= job->now)
		return false;
	*raddr = p->raddr;
	*mtu = 0;
	return true;
}

#endif
