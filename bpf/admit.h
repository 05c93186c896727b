/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The first step of encapsulation: which node sent this frame, and is it one that a supernet carries. Whatever does
 * not get past here is dropped, so that no inner packet leaves in the clear.
 */
#ifndef VARP_BPF_ADMIT_H
#define VARP_BPF_ADMIT_H

#include "event.h"
#include "geneve.h"

/* All that the steps of encapsulation know about the packet in hand. */
struct job {
	struct varp_stats *stats;
	struct varp_dev *dev;
	struct inner in;
	__u64 now;
	bool again;	/* varpd held it and sends it again */
	const struct event_origin *origin;	/* of what has arrived; else NULL */
};

/* A packet of a supernet inside a supernet: its route leads back to where it came from. */
static __noinline bool carries_varp(struct __sk_buff *skb, const struct inner *in)
{
	struct ip6_walk w = { .off = in->l4_off, .proto = in->l4_proto };
	struct geneve g = { .end = in->off + in->len };
	__be16 dport;

	if (in->fragment || (in->v6 && !ip6_walk(skb, &w)))
		return false;
	if (w.proto != IPPROTO_UDP ||
	    bpf_skb_load_bytes(skb, w.off + offsetof(struct udphdr, dest), &dport, sizeof(dport)))
		return false;
	if (dport != bpf_htons(geneve_port))
		return false;
	g.off = w.off + sizeof(struct udphdr);
	return geneve_parse(skb, &g) == VERDICT_OK;
}

/* Ethernet and inner IP header. */
static __always_inline int frame_parse(struct __sk_buff *skb, struct inner *in)
{
	struct ethhdr *eth = linear(skb, 0, sizeof(*eth));
	__be16 proto;
	bool group;

	if (!eth)
		return VARP_DROP_RUNT;
	proto = eth->h_proto;
	group = eth->h_dest[0] & 1;
	/* The kernel goes by skb->protocol when it makes room, the receiver by what the frame says. */
	if (proto != skb->protocol || skb->vlan_present ||
	    (proto != bpf_htons(ETH_P_IP) && proto != bpf_htons(ETH_P_IPV6)))
		return VARP_DROP_INNER_PROTO;
	/* Every neighbour of a NOARP device has the device's own address: this is a group of the sender's making. */
	if (group)
		return VARP_DROP_MULTICAST;

	in->off = ETH_HLEN;
	in->len = skb->len - ETH_HLEN;
	return inner_parse(skb, proto, in);
}

/* UDP to Geneve's port, or what may turn out to be that, has to be looked at closely. */
static __always_inline bool is_suspect(struct __sk_buff *skb, struct inner *in)
{
	struct udphdr *udp;

	if (in->v6 && ip6_is_extension(in->l4_proto))
		return true;
	if (in->l4_proto != IPPROTO_UDP || in->fragment)
		return false;
	udp = linear(skb, in->l4_off, sizeof(*udp));
	if (!udp)
		return false;
	in->ports = *(word32 *)udp;
	return udp->dest == bpf_htons(geneve_port);
}

static __always_inline int admit(struct __sk_buff *skb, struct job *job)
{
	__u32 ifindex = skb->ifindex;
	int verdict;

	job->dev = bpf_map_lookup_elem(&varp_devs, &ifindex);
	if (!job->dev)
		return VARP_DROP_NO_NODE;
	if (skb->mark == VARP_SKIN_MARK)
		return VARP_DROP_LOOP;
	verdict = frame_parse(skb, &job->in);
	if (verdict != VERDICT_OK)
		return verdict;
	if (!addr_is_unicast(&job->in.key.vaddr))
		return VARP_DROP_MULTICAST;
	if (is_suspect(skb, &job->in) && carries_varp(skb, &job->in))
		return VARP_DROP_LOOP;
	key_set_snid(&job->in.key, &job->dev->snid);
	job->now = clock_now(job->stats);
	return VERDICT_OK;
}

#endif
