/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Reading headers: the bounds check, the inner IP header (which both directions judge by the same rules), and the way
 * through IPv6 extension headers.
 *
 * Packets are never written through pointers: that would make the kernel copy every cloned skb (all of TCP's) up front.
 */
#ifndef VARP_BPF_PARSE_H
#define VARP_BPF_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include "addr.h"
#include "stats.h"

#define IP4_FRAG_MASK	0x3fff	/* more fragments, and the offset */
#define IP4_OFFSET_MASK	0x1fff
#define IP4_DF		0x4000
#define IP6_EXT_MAX	4	/* extension headers that we are willing to walk */
#define LINEAR_REACH	0x7ff	/* octets into the frame at which a header of ours may start; a mask */

/* What parsing an inner packet yields. */
struct inner {
	struct varp_key key;	/* vaddr is the destination; the supernet is for the caller to fill in */
	struct varp_addr src;
	__u32 off;	/* of the IP header in the frame */
	__u32 len;	/* octets from there to the end of what was sent, padding included */
	__u32 l4_off;	/* of what follows the first IP header */
	__u32 ports;	/* both of UDP's as they lie in the packet, where admit() has read them; else zero */
	__u8 l4_proto;	/* its protocol; an extension header's with IPv6 */
	__u8 tos;	/* traffic class */
	__u8 v6;
	__u8 fragment;	/* IPv4 */
};

/* The context's fields are 32 bits wide, what is loaded from them is a pointer: keep the compiler from cutting it. */
#define SKB_POINTER(skb, field) ({							\
	void *pointer;									\
	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(pointer)				\
		     : "r"(skb), "i"(offsetof(struct __sk_buff, field)));		\
	pointer; })

/*
 * len octets at off, made linear where they are not; NULL: the frame is shorter, or headers reach further than any of
 * ours would. Other packet pointers die.
 */
static __always_inline void *linear(struct __sk_buff *skb, __u32 off, __u32 len)
{
	__u64 bounded = off;
	void *at;

	if (!__builtin_constant_p(off)) {
		if (off > LINEAR_REACH)
			return NULL;
		/* Says the same again, on the very register that is added to the pointer. */
		asm volatile("%0 &= %1" : "+r"(bounded) : "i"(LINEAR_REACH));
	}
	at = SKB_POINTER(skb, data) + bounded;
	if (at + len <= SKB_POINTER(skb, data_end))
		return at;
	if (bpf_skb_pull_data(skb, bounded + len))
		return NULL;
	at = SKB_POINTER(skb, data) + bounded;
	if (at + len <= SKB_POINTER(skb, data_end))
		return at;
	return NULL;
}

static __always_inline __u8 ip6_tos(const struct ipv6hdr *ip)
{
	return bpf_ntohs(*(const __be16 *)ip) >> 4;
}

/* A super-packet's length field spans all of it; one that does not is something else that GRO has piled up. */
static __always_inline bool length_fits(const struct __sk_buff *skb, __u32 len, __u32 available)
{
	return skb->gso_size ? len == available : len <= available;
}

static __always_inline int inner_parse_v4(struct __sk_buff *skb, struct inner *in)
{
	struct iphdr *ip = linear(skb, in->off, sizeof(*ip));
	__u32 hlen, total;

	if (!ip)
		return VARP_DROP_RUNT;
	hlen = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || hlen < sizeof(*ip) || total < hlen ||
	    !length_fits(skb, total, in->len))
		return VARP_DROP_INNER_HEADER;

	addr_from_v4(&in->key.vaddr, ip->daddr);
	addr_from_v4(&in->src, ip->saddr);
	in->l4_off = in->off + hlen;
	in->l4_proto = ip->protocol;
	in->tos = ip->tos;
	in->v6 = 0;
	in->fragment = !!(ip->frag_off & bpf_htons(IP4_FRAG_MASK));
	return VERDICT_OK;
}

static __always_inline int inner_parse_v6(struct __sk_buff *skb, struct inner *in)
{
	struct ipv6hdr *ip = linear(skb, in->off, sizeof(*ip));

	if (!ip)
		return VARP_DROP_RUNT;
	if (ip->version != 6 ||
	    !length_fits(skb, sizeof(*ip) + bpf_ntohs(ip->payload_len), in->len))
		return VARP_DROP_INNER_HEADER;

	addr_from_v6(&in->key.vaddr, &ip->daddr);
	addr_from_v6(&in->src, &ip->saddr);
	/* Would name an IPv4 node. Such addresses have no business on a wire. */
	if (addr_is_mapped(&in->key.vaddr))
		return VARP_DROP_INNER_HEADER;
	in->l4_off = in->off + sizeof(*ip);
	in->l4_proto = ip->nexthdr;
	in->tos = ip6_tos(ip);
	in->v6 = 1;
	in->fragment = 0;
	return VERDICT_OK;
}

/* in->off and in->len are set by the caller; proto is what the header in front of the packet calls it. */
static __always_inline int inner_parse(struct __sk_buff *skb, __be16 proto, struct inner *in)
{
	if (proto == bpf_htons(ETH_P_IP))
		return inner_parse_v4(skb, in);
	return inner_parse_v6(skb, in);
}

struct ip6_walk {
	__u32 off;	/* in: behind the IPv6 header; out: behind the extension headers */
	__u8 proto;	/* likewise */
	__u8 fragment;	/* there was a fragment header */
};

static __always_inline bool ip6_is_extension(__u8 proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING ||
	       proto == IPPROTO_DSTOPTS || proto == IPPROTO_FRAGMENT;
}

/* False: more headers than we care to walk, truncated, or a fragment without the start of the packet. */
static __noinline bool ip6_walk(struct __sk_buff *skb, struct ip6_walk *w)
{
	struct {
		__u8 next;
		__u8 len;
		__be16 frag_off;
	} ext;
	__u32 off = w->off;
	__u8 proto = w->proto;
	int i;

	for (i = 0; i < IP6_EXT_MAX && ip6_is_extension(proto); i++) {
		if (off > LINEAR_REACH || bpf_skb_load_bytes(skb, off, &ext, sizeof(ext)))
			return false;
		if (proto == IPPROTO_FRAGMENT) {
			if (ext.frag_off & bpf_htons(0xfff8))
				return false;
			w->fragment = 1;
			off += 8;
		} else {
			off += 8 + ext.len * 8;
		}
		proto = ext.next;
	}
	w->off = off;
	w->proto = proto;
	return off <= LINEAR_REACH && !ip6_is_extension(proto);
}

#endif
