/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The source check: an inner packet is only from where its source lives. What the cache knows decides at once. A source
 * that nobody has asked for yet is resolved like a destination: the packet, out of its tunnel by then, waits at varpd,
 * which judges it by the answer. That answer is what the reply to the packet will need.
 */
#ifndef VARP_BPF_SOURCE_H
#define VARP_BPF_SOURCE_H

#include "lookup.h"
#include "outer.h"

/* VERDICT_OK, VERDICT_UNKNOWN, or the reason to drop. source: (SnId, inner source). */
static __always_inline int source_judge(const struct varp_key *source, const struct varp_addr *outer_src,
					__u64 now)
{
	struct varp_mapping *m;
	struct varp_pending *p;

	m = bpf_map_lookup_elem(&varp_cache, source);
	if (m && m->deadline_ns > now) {
		if (!addr_equal(&m->raddr, outer_src))
			return VARP_DROP_SOURCE_MISMATCH;
		/* Else a stream that nobody answers would be looked up anew at each end of its source's mapping. */
		mapping_used(m, now);
		return VERDICT_OK;
	}
	/* A node of this host sends nothing that arrives at an underlay. */
	if (!addr_is_unicast(&source->vaddr) || bpf_map_lookup_elem(&varp_local, source))
		return VARP_DROP_SOURCE_MISMATCH;
	p = bpf_map_lookup_elem(&varp_pending, source);
	if (p && p->deadline_ns > now && p->state == VARP_PENDING_NOTKNOWN)
		return VARP_DROP_SOURCE_NOTKNOWN;
	return VERDICT_UNKNOWN;
}

/* Strangers may open lookups with it, so half of the supernet's bound is kept for what its own nodes ask for. */
static __always_inline bool source_bound_reached(const struct varp_dev *dev)
{
	__u32 slot = dev->supernet;
	struct varp_supernet *sn = bpf_map_lookup_elem(&varp_supernets, &slot);

	return !sn || sn->pending >= sn->pending_max / 2;
}

/* The frame is as the node is to get it. Returns what the program is to return. */
static __noinline int source_ask(struct __sk_buff *skb, struct varp_stats *stats, const struct varp_key *source,
				 const struct event_origin *origin)
{
	struct job job = { .stats = stats, .in.key = *source, .origin = origin };

	job.dev = bpf_map_lookup_elem(&varp_devs, &origin->peer);
	if (!job.dev)
		return drop(stats, VARP_DROP_NO_NODE);
	if (source_bound_reached(job.dev))
		return drop(stats, VARP_DROP_PENDING_FULL);
	job.now = clock_now(stats);
	return miss(skb, &job);
}

#endif
