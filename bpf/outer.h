/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The outer headers of what arrives at an underlay: is it UDP to Geneve's port, where does its payload lie. And the
 * ICMP errors among the rest that tell of a path too narrow for what we sent.
 *
 * The kernel has looked at nothing yet. What is not ours goes on to the stack, faults and all, which judges it itself.
 */
#ifndef VARP_BPF_OUTER_H
#define VARP_BPF_OUTER_H

#include <linux/if_packet.h>
#include "encap.h"

#define PMTU_MIN_V4	576
#define PMTU_MIN_V6	1280

/* <linux/icmp.h> cannot be had without the C library's headers of the wrong architecture. */
#define ICMP_DEST_UNREACH	3
#define ICMP_FRAG_NEEDED	4
#define ICMPV6_PKT_TOOBIG	2

struct icmp_error {
	__u8 type;
	__u8 code;
	__sum16 check;
	union {
		struct {
			__be16 unused;
			__be16 mtu4;
		};
		__be32 mtu6;
	};
};

struct outer {
	struct event_origin origin;	/* from: the source; peer: for the caller to fill in */
	struct varp_addr dst;
	__u32 udp_off;
	__u32 l3_end;	/* where the IP packet ends in the frame */
	__u32 end;	/* where the UDP datagram does */
	__u8 tos;
	__u8 v6;
	__u8 fragment;
};

static __always_inline bool raddr_is_ours(const struct varp_addr *addr)
{
	return bpf_map_lookup_elem(&varp_raddrs, addr);
}

static __always_inline void pmtu_tell(struct __sk_buff *skb, const struct varp_addr *src,
				      struct varp_key *key, __be16 dport, __u32 mtu)
{
	if (dport == bpf_htons(geneve_port) && raddr_is_ours(src) &&
	    limiter_pass(&key->vaddr, ~mtu, bpf_ktime_get_boot_ns()))
		event_send(skb, key, VARP_EVENT_PMTU, mtu, NULL);
}

/* "Fragmentation needed" about one of our own packets, which it quotes. */
static __noinline int pmtu_v4(struct __sk_buff *skb)
{
	struct {
		struct icmp_error icmp;
		struct iphdr ip;
		struct udphdr udp;
	} m;
	struct varp_key key = {};
	struct varp_addr src;
	__u32 mtu;

	if (bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct iphdr), &m, sizeof(m)))
		return VERDICT_PASS;
	mtu = bpf_ntohs(m.icmp.mtu4);
	if (m.icmp.type != ICMP_DEST_UNREACH || m.icmp.code != ICMP_FRAG_NEEDED ||
	    m.ip.ihl != sizeof(m.ip) / 4 || m.ip.protocol != IPPROTO_UDP || mtu < PMTU_MIN_V4)
		return VERDICT_PASS;
	addr_from_v4(&src, m.ip.saddr);
	addr_from_v4(&key.vaddr, m.ip.daddr);
	pmtu_tell(skb, &src, &key, m.udp.dest, mtu);
	return VERDICT_PASS;
}

static __noinline int pmtu_v6(struct __sk_buff *skb)
{
	struct {
		struct icmp_error icmp;
		struct ipv6hdr ip;
		struct udphdr udp;
	} m;
	struct varp_key key = {};
	struct varp_addr src;
	__u32 mtu;

	if (bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct ipv6hdr), &m, sizeof(m)))
		return VERDICT_PASS;
	mtu = bpf_ntohl(m.icmp.mtu6);
	if (m.icmp.type != ICMPV6_PKT_TOOBIG || m.ip.nexthdr != IPPROTO_UDP ||
	    mtu < PMTU_MIN_V6 || mtu > IP_LEN_MAX)
		return VERDICT_PASS;
	addr_from_v6(&src, &m.ip.saddr);
	addr_from_v6(&key.vaddr, &m.ip.daddr);
	if (addr_is_mapped(&src) || addr_is_mapped(&key.vaddr))
		return VERDICT_PASS;
	pmtu_tell(skb, &src, &key, m.udp.dest, mtu);
	return VERDICT_PASS;
}

static __always_inline int outer_parse_v4(struct __sk_buff *skb, struct outer *o)
{
	struct iphdr *ip = linear(skb, ETH_HLEN, sizeof(*ip));
	__u32 hlen;

	if (!ip || ip->version != 4)
		return VERDICT_PASS;
	hlen = ip->ihl * 4;
	if (ip->protocol == IPPROTO_ICMP && hlen == sizeof(*ip))
		return pmtu_v4(skb);
	if (ip->protocol != IPPROTO_UDP || hlen < sizeof(*ip) ||
	    (ip->frag_off & bpf_htons(IP4_OFFSET_MASK)))
		return VERDICT_PASS;

	addr_from_v4(&o->origin.from, ip->saddr);
	addr_from_v4(&o->dst, ip->daddr);
	o->udp_off = ETH_HLEN + hlen;
	o->l3_end = ETH_HLEN + bpf_ntohs(ip->tot_len);
	o->tos = ip->tos;
	o->v6 = 0;
	o->fragment = !!(ip->frag_off & bpf_htons(IP4_FRAG_MASK));
	/* Nobody has seen to the header's checksum yet; where there are options the inner header's has to do. */
	if (hlen == sizeof(*ip) && ip4_checksum(ip))
		return VERDICT_PASS;
	return VERDICT_OK;
}

static __always_inline int outer_parse_v6(struct __sk_buff *skb, struct outer *o)
{
	struct ipv6hdr *ip = linear(skb, ETH_HLEN, sizeof(*ip));
	struct ip6_walk w = { .off = ETH_HLEN + sizeof(*ip) };

	if (!ip || ip->version != 6)
		return VERDICT_PASS;
	w.proto = ip->nexthdr;
	if (w.proto == IPPROTO_ICMPV6)
		return pmtu_v6(skb);
	addr_from_v6(&o->origin.from, &ip->saddr);
	addr_from_v6(&o->dst, &ip->daddr);
	/* Would be taken for an IPv4 address of ours, which nobody has in IPv6. */
	if (addr_is_mapped(&o->dst))
		return VERDICT_PASS;
	o->l3_end = ETH_HLEN + sizeof(*ip) + bpf_ntohs(ip->payload_len);
	o->tos = ip6_tos(ip);
	o->v6 = 1;
	if (ip6_is_extension(w.proto) && !ip6_walk(skb, &w))
		return VERDICT_PASS;
	if (w.proto != IPPROTO_UDP)
		return VERDICT_PASS;
	o->udp_off = w.off;
	o->fragment = w.fragment;
	return VERDICT_OK;
}

/* What everything that judges a source relies on: it is one host's address, and of the family that it came in. */
static __always_inline bool source_is_host(const struct outer *o)
{
	return addr_is_unicast(&o->origin.from) && !(o->v6 && addr_is_mapped(&o->origin.from));
}

static __always_inline int outer_parse_udp(struct __sk_buff *skb, struct outer *o)
{
	struct udphdr *udp;
	__u32 len;

	udp = linear(skb, o->udp_off, sizeof(*udp));
	if (!udp || udp->dest != bpf_htons(geneve_port))
		return VERDICT_PASS;
	if (!source_is_host(o))
		return VARP_DROP_OUTER_SOURCE;
	if (o->fragment)
		return VERDICT_FOREIGN;
	if (skb->gso_size) {
		/* The lengths are for whoever cuts the super-packet up to fill in. */
		o->end = skb->len;
		return VERDICT_OK;
	}
	len = bpf_ntohs(udp->len);
	o->end = o->udp_off + len;
	if (o->l3_end > skb->len || len < sizeof(*udp) || o->end > o->l3_end)
		return VARP_DROP_RUNT;
	return VERDICT_OK;
}

/* VERDICT_OK: a whole datagram to Geneve's port, at whatever address. */
static __always_inline int outer_parse(struct __sk_buff *skb, struct outer *o)
{
	int verdict = VERDICT_PASS;

	/* A frame with a tag still on it comes by again at its VLAN device; one for another host is only overheard. */
	if (skb->vlan_present || skb->pkt_type == PACKET_OTHERHOST)
		return VERDICT_PASS;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		verdict = outer_parse_v4(skb, o);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		verdict = outer_parse_v6(skb, o);
	return verdict == VERDICT_OK ? outer_parse_udp(skb, o) : verdict;
}

#endif
