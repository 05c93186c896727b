// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * The datapath, as three TC programs. This file tells each one's story; the headers hold the steps.
 *
 *	varp_encap	what an application sent: egress of a node device, ingress of its peer
 *	varp_reinject	what varpd held and sends again: egress of a node device's peer
 *	varp_decap	what arrives at an underlay: ingress
 *
 * Nothing here knows devices, sockets or servers: varpd fills the maps (maps.h), the programs obey them, and go on
 * obeying while varpd is away. A packet that a program rejects is counted by reason (<varp/abi.h>).
 *
 * Counters of packets count what the kernel hands over at once: a super-packet is one. Octets are those of the inner
 * packets, from their IP header on.
 */
#include "decap.h"
#include "lookup.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * A UDP super-packet that crossed a virtual underlay whole would be lost: after decapsulation the
 * kernel still takes it for a tunnel's and cuts it up wrongly. At the node device it is let
 * through to the peer, and cut up on the way, for varpd has switched that offload off there.
 */
static __always_inline bool is_udp_super_packet(const struct __sk_buff *skb, const struct job *job)
{
	return skb->gso_size && job->in.l4_proto == IPPROTO_UDP && !job->dev->is_peer;
}

/* A tag is over what will be on the wire: segments and checksums are made on the way to the peer. */
static __always_inline bool is_unfinished(const struct job *job)
{
	return job->dev->mode && !job->dev->is_peer;
}

SEC("tc")
int varp_encap(struct __sk_buff *skb)
{
	struct job job = { .stats = stats_get() };
	struct varp_mapping *mapping;
	struct varp_local *local;
	int verdict;

	if (!job.stats)
		return TC_ACT_SHOT;
	verdict = admit(skb, &job);
	if (verdict >= 0)
		return drop(job.stats, verdict);

	if (is_udp_super_packet(skb, &job) || is_unfinished(&job))
		return TC_ACT_UNSPEC;

	mapping = cache_lookup(&job);
	if (mapping) {
		job.stats->counters[VARP_COUNTER_HITS]++;
		return encap(skb, &job, &mapping->raddr, mapping->mtu);
	}
	/* Local nodes win, but varpd keeps them out of the cache: a hit need not look here first. */
	local = bpf_map_lookup_elem(&varp_local, &job.in.key);
	if (local)
		return deliver_local(skb, &job, local);
	return miss(skb, &job);
}

/* Frames without the address that varpd writes on them are on their way to the application: pass. */
static __always_inline bool is_reinjected(struct __sk_buff *skb)
{
	const __u8 mac[ETH_ALEN] = VARP_REINJECT_MAC;
	struct ethhdr *eth = linear(skb, 0, sizeof(*eth));
	__u8 differs = 0;
	int i;

	if (!eth)
		return false;
	for (i = 0; i < ETH_ALEN; i++)
		differs |= eth->h_dest[i] ^ mac[i];
	return !differs;
}

static __always_inline int reinject(struct __sk_buff *skb, struct job *job)
{
	struct varp_local *local;
	struct varp_addr raddr;
	__u32 mtu;
	int verdict;

	verdict = admit(skb, job);
	if (verdict >= 0)
		return drop(job->stats, verdict);
	local = bpf_map_lookup_elem(&varp_local, &job->in.key);
	if (local)
		return deliver_local(skb, job, local);
	if (!lookup_again(job, &raddr, &mtu))
		return drop(job->stats, VARP_DROP_REINJECT_STALE);
	return encap(skb, job, &raddr, mtu);
}

SEC("tc")
int varp_reinject(struct __sk_buff *skb)
{
	struct job job = { .stats = stats_get(), .again = true };
	int act;

	if (!is_reinjected(skb))
		return TC_ACT_UNSPEC;
	if (!job.stats)
		return TC_ACT_SHOT;
	act = reinject(skb, &job);
	/* What is dropped here is counted here: varpd's send must not fail and be counted once more. */
	return act == TC_ACT_SHOT ? swallow() : act;
}

SEC("tc")
int varp_decap(struct __sk_buff *skb)
{
	struct varp_stats *stats;
	struct arrival a = {};
	int verdict;

	verdict = outer_parse(skb, &a.outer);
	if (verdict == VERDICT_PASS)
		return TC_ACT_UNSPEC;
	stats = stats_get();
	if (!stats)
		return TC_ACT_SHOT;
	if (verdict == VERDICT_OK)
		verdict = arrival_parse(skb, &a);
	if (verdict == VERDICT_OK)
		verdict = arrival_find_node(&a);
	if (verdict == VERDICT_OK)
		verdict = arrival_judge(&a, stats);
	if (verdict != VERDICT_OK)
		return reject(&a.outer, stats, verdict);
	return decap(skb, &a, stats);
}
