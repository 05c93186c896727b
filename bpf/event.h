/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Telling varpd: records of the ring buffer, most of them with the whole frame, and the bound on how often the kinds
 * that make it send ICMP errors are told.
 */
#ifndef VARP_BPF_EVENT_H
#define VARP_BPF_EVENT_H

#include <linux/errno.h>
#include <linux/if_ether.h>
#include "addr.h"

#define LIMITER_SLOTS	1024

/* When each slot last let something through. Not pinned: nothing is lost when a new program starts from zero. */
__u64 limiter[LIMITER_SLOTS];

/*
 * True at most once per icmp_interval_ns and slot. Destinations that share a slot share its rate, which delays an ICMP
 * error until the sender's next try.
 */
static __always_inline bool limiter_pass(const struct varp_addr *addr, __u32 salt, __u64 now)
{
	__u32 h = (addr->w[0] ^ addr->w[1] ^ addr->w[2] ^ addr->w[3] ^ salt) * 0x9e3779b1;
	__u64 *slot = &limiter[(h >> 16) % LIMITER_SLOTS];
	__u64 last = *slot;

	if (last && now < last + icmp_interval_ns)
		return false;
	return __sync_val_compare_and_swap(slot, last, now) == last;
}

/* Of a packet that has arrived, and waits for its source to be resolved. */
struct event_origin {
	struct varp_addr from;	/* outer source */
	__u32 peer;		/* of the node that it is for */
};

/*
 * 0, -E2BIG: the frame is longer than VARP_PACKET_MAX, or -ENOSPC: the ring buffer is full. A PMTU event has no frame,
 * and its ifindex is the underlay's. origin NULL: the packet is a node's own.
 */
static __noinline int event_send(struct __sk_buff *skb, const struct varp_key *key, __u32 type,
				 __u32 mtu, const struct event_origin *origin)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct varp_scratch *s = bpf_map_lookup_elem(&varp_scratch, &cpu);
	__u32 len = type != VARP_EVENT_PMTU ? skb->len : 0;

	if (!s)
		return -ENOSPC;
	s->event.time_ns = bpf_ktime_get_boot_ns();
	s->event.type = type;
	s->event.ifindex = skb->ifindex;
	s->event.key = *key;
	s->event.frame_len = len;
	s->event.mtu = mtu;
	s->event.gso_size = skb->gso_size;
	s->event.gso_segs = skb->gso_segs;
	s->event.arrived = !!origin;
	if (origin) {
		s->event.ifindex = origin->peer;
		s->event.from = origin->from;
	} else {
		__builtin_memset(&s->event.from, 0, sizeof(s->event.from));
	}

	if (len > VARP_PACKET_MAX)
		return -E2BIG;
	asm volatile("" : "+r"(len));	/* two comparisons: the verifier must see both bounds */
	/* Nothing or a whole frame. Comparing with 0 would give the verifier of 6.1 no lower bound. */
	if (len >= ETH_HLEN && bpf_skb_load_bytes(skb, 0, s->frame, len))
		return -E2BIG;
	return bpf_ringbuf_output(&varp_events, s, sizeof(s->event) + len, 0) ? -ENOSPC : 0;
}

#endif
