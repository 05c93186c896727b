/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Turning a request into its answer, in place: the message and its tag, then the headers, which go back to where they
 * came from. Nothing is longer than it was.
 */
#ifndef VARP_BPF_ANSWER_REPLY_H
#define VARP_BPF_ANSWER_REPLY_H

#include <varp/siphash.h>
#include "answer_request.h"

#define ANSWER_HOPS	64
#define IP4_DF		0x4000
#define IP6_START	0x60	/* version 6, first octet */

#define TAGGED_OCTETS	(VARP_MSG_TAGGED_LEN + 2 * sizeof(struct varp_addr))

/* Of the message as it stands, from r->from to r->to. One copy of the code for both directions. */
static __noinline int tag_make(const struct request *r, const __u64 *key, __u64 *tag)
{
	const __u64 *addrs = (const __u64 *)&r->from;
	struct varp_siphash s;
	int i;

	varp_siphash_init(&s, key);
	for (i = 0; i < MSG_TAGGED_WORDS; i++)
		varp_siphash_word(&s, r->msg[i]);
	for (i = 0; i < 4; i++)
		varp_siphash_word(&s, addrs[i]);
	varp_siphash_final(&s, TAGGED_OCTETS, tag);
	return 0;
}

/* entry NULL: there is no such mapping. */
static __always_inline void msg_answer(struct request *r, const struct varp_answer *entry,
				       __u32 default_ttl_s)
{
	const word32 *raddr;
	word32 *to;

	if (!entry) {
		r->msg[MSG_START] = MSG_START_OF(VARP_MSG_NAK_NOTKNOWN, 0);
		r->msg[MSG_RADDR] = r->msg[MSG_RADDR + 1] = 0;
		return;
	}
	raddr = (const word32 *)&entry->raddr;
	to = (word32 *)&r->msg[MSG_RADDR];
	to[0] = raddr[0];
	to[1] = raddr[1];
	to[2] = raddr[2];
	to[3] = raddr[3];
	*(word32 *)&r->msg[MSG_TTL] = bpf_htonl(entry->ttl_s ? entry->ttl_s : default_ttl_s);
	r->msg[MSG_START] = MSG_START_OF(VARP_MSG_REPLY, 1);
}

static __always_inline void eth_turn(struct ethhdr *eth)
{
	word16 *dst = (word16 *)eth->h_dest, *src = (word16 *)eth->h_source, w;
	int i;

#pragma unroll
	for (i = 0; i < ETH_ALEN / 2; i++) {
		w = dst[i];
		dst[i] = src[i];
		src[i] = w;
	}
}

static __always_inline void ip4_turn(struct iphdr *ip)
{
	const word16 *w = (const word16 *)ip;
	__be32 from = ip->saddr;
	__u64 sum = 0;
	int i;

	ip->tos = 0;
	ip->id = 0;
	ip->frag_off = bpf_htons(IP4_DF);
	ip->ttl = ANSWER_HOPS;
	ip->check = 0;
	ip->saddr = ip->daddr;
	ip->daddr = from;
#pragma unroll
	for (i = 0; i < (int)sizeof(*ip) / 2; i++)
		sum += w[i];
	ip->check = ~fold(sum);
}

static __always_inline void ip6_turn(struct ipv6hdr *ip, const struct request *r)
{
	word32 *w = (word32 *)&ip->saddr;
	int i;

	*(word32 *)ip = bpf_htonl((__u32)IP6_START << 24);
	ip->hop_limit = ANSWER_HOPS;
#pragma unroll
	for (i = 0; i < 4; i++) {
		w[i] = r->from.w[i];
		w[4 + i] = r->to.w[i];
	}
}

/*
 * A finished checksum, also where the request had none. But on an skb whose checksum the kernel is still to finish, the
 * sum over the pseudo header has to stay, and that is the same in both directions.
 */
static __always_inline void udp_turn(struct udphdr *udp, const struct request *r, bool generic)
{
	__be16 from = udp->source;
	__u16 check;

	udp->source = udp->dest;
	udp->dest = from;
	if (generic && r->check && r->check == fold(r->sum))
		return;
	check = ~fold(udp_sum(r, udp));
	udp->check = check ? check : 0xffff;
}

/* r is the answer by now, with its addresses turned. len: of the IP header, a constant. */
static __always_inline int reply_write(const struct request *r, void *data, __u32 len, bool generic)
{
	struct udphdr *udp = data + ETH_HLEN + len;
	word64 *words = (void *)(udp + 1);

	eth_turn(data);
	if (len == sizeof(struct iphdr))
		ip4_turn(data + ETH_HLEN);
	else
		ip6_turn(data + ETH_HLEN, r);
	words[MSG_START] = r->msg[MSG_START];
	words[MSG_TTL] = r->msg[MSG_TTL];
	words[MSG_RADDR] = r->msg[MSG_RADDR];
	words[MSG_RADDR + 1] = r->msg[MSG_RADDR + 1];
	words[MSG_TAG] = r->msg[MSG_TAG];
	words[MSG_TAG + 1] = r->msg[MSG_TAG + 1];
	udp_turn(udp, r, generic);
	return XDP_TX;
}

#endif
