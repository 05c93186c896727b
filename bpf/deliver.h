/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Handing an inner packet to a node of this host: after decapsulation, and straight from another node of the host.
 */
#ifndef VARP_BPF_DELIVER_H
#define VARP_BPF_DELIVER_H

#include "admit.h"

/* Source address of the frames that nodes receive: not the node's own, which a bridge behind it would not like. */
#define DELIVER_SOURCE_MAC	{ 0x02, 'V', 'A', 'R', 'P', 0x02 }

/* The Ethernet header as the node device expects it: anything else is for another host and dropped. */
static __always_inline int deliver_address(struct __sk_buff *skb, const struct varp_local *local,
					   __be16 proto)
{
	struct ethhdr eth = { .h_source = DELIVER_SOURCE_MAC, .h_proto = proto };

	__builtin_memcpy(eth.h_dest, local->mac, sizeof(eth.h_dest));
	return bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0);
}

/*
 * From the underlay: the peer's other end takes the packet without another turn through a queue. What was opened comes
 * one by one, though, for nobody could merge it before; sent out of the peer, it is merged at the node device.
 */
static __always_inline int deliver_arrived(const struct varp_local *local)
{
	if (local->mode)
		return bpf_redirect(local->peer, 0);
	if (local->dev)
		return bpf_redirect(local->dev, BPF_F_INGRESS);
	return bpf_redirect_peer(local->peer, 0);
}

/*
 * A node speaks for itself to its neighbours on this host as it does to all others, which look where its source lives.
 * Nobody is told the destination any more: its place in the job serves the source.
 */
static __always_inline bool source_is_senders(struct job *job)
{
	struct varp_local *source;

	/* The key with a zero vaddr is a mark, see maps.h. */
	if (addr_is_zero(&job->in.src))
		return false;
	job->in.key.vaddr = job->in.src;
	source = bpf_map_lookup_elem(&varp_local, &job->in.key);
	return source && source->peer == job->dev->peer;
}

/*
 * From another node: bpf_redirect_peer will not do, since it works at ingress only and leaves the frame "for another
 * host", as the peer it came in on saw it.
 */
static __always_inline int deliver_local(struct __sk_buff *skb, struct job *job,
					 const struct varp_local *local)
{
	__be16 proto = job->in.v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);

	if (!chid_equal(&local->chid, &job->dev->chid))
		return drop(job->stats, VARP_DROP_WRONG_CHANNEL);
	if (source_check && !source_is_senders(job))
		return drop(job->stats, VARP_DROP_SOURCE_MISMATCH);
	if (deliver_address(skb, local, proto))
		return drop(job->stats, VARP_DROP_ENCAP_FAILED);
	job->stats->counters[VARP_COUNTER_LOCAL_PACKETS]++;
	if (local->dev)
		return bpf_redirect(local->dev, BPF_F_INGRESS);
	return bpf_redirect(local->peer, 0);
}

#endif
