/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The next hop to a raddr. To look a route up for each packet costs as much as all of encapsulation, so each CPU
 * remembers what it was told for a few milliseconds: a route that moves is followed within them, whether varpd lives or
 * not. The packet that asks goes the kernel's way itself, which keeps the neighbour's entry in use and verified.
 */
#ifndef VARP_BPF_NEXTHOP_H
#define VARP_BPF_NEXTHOP_H

#include "admit.h"

#ifndef AF_INET
#define AF_INET		2
#endif

#define NEXTHOP_NS	(10 * NSEC_PER_MSEC)
#define NEXTHOP_SLOTS	256

/*
 * bpf_fib_lookup answers for packets that came in at a device that forwards. This one does (varpd sees to it), and
 * nothing ever comes in there. Zero: there is none, and the kernel looks up each packet's route, as it does for all outer
 * IPv6 (ctl/varpd/datapath_nexthop.c says why).
 */
__u32 route_dev;

struct nexthop {
	__u64 until_ns;
	__be32 src, dst;		/* outer addresses: routes may depend on both */
	__u32 underlay;
	__u32 known;			/* zero: there is none that could be remembered */
	__u8 macs[2 * ETH_ALEN];	/* as a frame begins: destination, source */
	__u8 pad[4];
};
_Static_assert(sizeof(struct nexthop) == 40, "no holes");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct nexthop);
	__uint(max_entries, NEXTHOP_SLOTS);
} varp_nexthops SEC(".maps");

static __always_inline __u32 nexthop_slot(__be32 dst)
{
	return dst * 0x9e3779b1 >> 24;
}
_Static_assert(NEXTHOP_SLOTS == 256, "nexthop_slot() gives eight bits");

/* What routes and neighbours are for n's addresses and underlay. What is not plainly good is left to the kernel. */
static __noinline void nexthop_ask(struct __sk_buff *skb, struct nexthop *n)
{
	struct bpf_fib_lookup fib = {
		.family = AF_INET,
		.l4_protocol = IPPROTO_UDP,
		.ifindex = route_dev,
		.ipv4_src = n->src,
		.ipv4_dst = n->dst,
	};

	n->known = 0;
	if (bpf_fib_lookup(skb, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS ||
	    fib.ifindex != n->underlay)
		return;
	__builtin_memcpy(n->macs, fib.dmac, ETH_ALEN);
	__builtin_memcpy(n->macs + ETH_ALEN, fib.smac, ETH_ALEN);
	n->known = 1;
}

/* NULL: the kernel shall find route and neighbour. */
static __always_inline struct nexthop *nexthop_get(struct __sk_buff *skb, const struct job *job,
						   const struct varp_addr *src_addr,
						   const struct varp_addr *dst_addr, __u32 underlay)
{
	__be32 src = src_addr->w[3], dst = dst_addr->w[3];
	__u32 slot = nexthop_slot(dst);
	struct nexthop *n;

	/* Rules may send marked packets, or those of a traffic class, another way. */
	if (!route_dev || skb->mark || job->in.tos >> 2 || !addr_is_mapped(dst_addr))
		return NULL;
	n = bpf_map_lookup_elem(&varp_nexthops, &slot);
	if (!n)
		return NULL;
	if (n->until_ns > job->now && n->dst == dst && n->src == src && n->underlay == underlay)
		return n->known ? n : NULL;
	n->src = src;
	n->dst = dst;
	n->underlay = underlay;
	n->until_ns = job->now + NEXTHOP_NS;
	nexthop_ask(skb, n);
	return NULL;
}

/* The packet is encapsulated. Returns what the program is to return. */
static __always_inline int send_out(struct __sk_buff *skb, const struct job *job,
				    const struct varp_addr *src, const struct varp_addr *dst,
				    __u32 underlay)
{
	struct nexthop *n = nexthop_get(skb, job, src, dst, underlay);

	if (n && !bpf_skb_store_bytes(skb, 0, n->macs, sizeof(n->macs), 0))
		return bpf_redirect(underlay, 0);
	return bpf_redirect_neigh(underlay, NULL, 0, 0);
}

#endif
