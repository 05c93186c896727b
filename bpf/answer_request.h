/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Is this frame a request as it should be? Headers first, then the message by the rules of docs/PROTOCOL.md, section 4.
 *
 * Whatever is not exactly as expected goes up the stack, which judges it, and varpd after it: options, fragments,
 * extension headers, tags, wrong lengths and checksums are never judged here.
 */
#ifndef VARP_BPF_ANSWER_REQUEST_H
#define VARP_BPF_ANSWER_REQUEST_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include "answer_maps.h"

#define ADDR_MAPPED_WORD	bpf_htonl(0xffff)
#define UDP_LEN			(sizeof(struct udphdr) + VARP_MSG_LEN)
#define IP4_FRAG_MASK		0x3fff	/* more fragments, and the offset */
#define IP4_START		0x45	/* version 4, no options */

/* The message's words by their octets. */
#define MSG_WORDS		(VARP_MSG_LEN / 8)
#define MSG_TAGGED_WORDS	(VARP_MSG_TAGGED_LEN / 8)
#define MSG_START		0
#define MSG_SESSION		(offsetof(struct varp_wire_msg, session) / 8)
#define MSG_VADDR		(offsetof(struct varp_wire_msg, vaddr) / 8)
#define MSG_TTL			(offsetof(struct varp_wire_msg, ttl) / 8)
#define MSG_RADDR		(offsetof(struct varp_wire_msg, raddr) / 8)
#define MSG_RADDR_END		(MSG_RADDR + (int)sizeof(struct varp_addr) / 8)
#define MSG_TAG			MSG_TAGGED_WORDS

/* Version, type, length, raddr count, prefix length, reserved: the first word of a message that we read or write. */
#define MSG_START_OF(type, raddrs)							\
	bpf_cpu_to_be64((__u64)VARP_VERSION << 56 | (__u64)(type) << 48 |		\
			(__u64)VARP_MSG_LEN << 32 | (__u64)(raddrs) << 24 | 128 << 16)

typedef __u32 __attribute__((may_alias)) word32;
typedef __u16 __attribute__((may_alias)) word16;
typedef __u64 __attribute__((may_alias)) word64;

/* What of a request is needed once it is known to be one. */
struct request {
	__u64 msg[MSG_WORDS];	/* becomes the answer */
	struct varp_addr from;	/* behind the message, as the tag has it */
	struct varp_addr to;
	__u64 sum;		/* of the addresses, protocol and length that are in UDP's checksum */
	__u16 check;		/* UDP's checksum as it came */
};

static __always_inline bool addr_is_mapped(const struct varp_addr *a)
{
	return !a->w[0] && !a->w[1] && a->w[2] == ADDR_MAPPED_WORD;
}

/* By the rules for vaddrs and raddrs: docs/PROTOCOL.md, section 3.3. */
static __always_inline bool addr_is_unicast(const struct varp_addr *a)
{
	__u32 v4 = bpf_ntohl(a->w[3]);

	if (addr_is_mapped(a))
		return v4 && v4 != 0xffffffff && v4 >> 24 != 127 && v4 >> 28 != 0xe;
	return a->b[0] != 0xff && (a->w[0] | a->w[1] | a->w[2] | (a->w[3] & ~bpf_htonl(1)));
}

static __always_inline bool addr_equal(const struct varp_addr *a, const struct varp_addr *b)
{
	return !((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) | (a->w[2] ^ b->w[2]) |
		 (a->w[3] ^ b->w[3]));
}

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The sum over UDP's pseudo header, ports, length and the message; all but the checksum. */
static __always_inline __u64 udp_sum(const struct request *r, const struct udphdr *udp)
{
	const word32 *w = (const word32 *)r->msg;
	__u64 sum = r->sum + udp->source + udp->dest + udp->len;
	int i;

#pragma unroll
	for (i = 0; i < VARP_MSG_LEN / 4; i++)
		sum += w[i];
	return sum;
}

/*
 * As it should be, or left unfinished by a sender on this host, for its network card to fill in: then it is the sum
 * over the pseudo header. IPv4 may do without.
 */
static __always_inline bool udp_check_right(const struct request *r, const struct udphdr *udp, bool v6)
{
	if (!udp->check)
		return !v6;
	return fold(udp_sum(r, udp) + udp->check) == 0xffff || udp->check == fold(r->sum);
}

static __always_inline bool parse_v4(const struct iphdr *ip, struct request *r)
{
	const word16 *w = (const word16 *)ip;
	__u64 sum = 0;
	int i;

	if (*(const __u8 *)ip != IP4_START || ip->tot_len != bpf_htons(sizeof(*ip) + UDP_LEN) ||
	    (ip->frag_off & bpf_htons(IP4_FRAG_MASK)))
		return false;
#pragma unroll
	for (i = 0; i < (int)sizeof(*ip) / 2; i++)
		sum += w[i];
	r->from.w[0] = r->from.w[1] = r->to.w[0] = r->to.w[1] = 0;
	r->from.w[2] = r->to.w[2] = ADDR_MAPPED_WORD;
	r->from.w[3] = ip->saddr;
	r->to.w[3] = ip->daddr;
	r->sum = (__u64)ip->saddr + ip->daddr + bpf_htons(IPPROTO_UDP) + bpf_htons(UDP_LEN);
	return fold(sum) == 0xffff;
}

static __always_inline bool parse_v6(const struct ipv6hdr *ip, struct request *r)
{
	const word32 *w = (const word32 *)&ip->saddr;
	int i;

	if (*(const __u8 *)ip >> 4 != 6 || ip->payload_len != bpf_htons(UDP_LEN))
		return false;
	r->sum = bpf_htons(IPPROTO_UDP) + bpf_htons(UDP_LEN);
#pragma unroll
	for (i = 0; i < 4; i++) {
		r->from.w[i] = w[i];
		r->to.w[i] = w[4 + i];
		r->sum += (__u64)w[i] + w[4 + i];
	}
	/* Such addresses mean IPv4 in here, and have no business on a wire. */
	return !addr_is_mapped(&r->from) && !addr_is_mapped(&r->to);
}

/* From one host to an address of this interface, at its MAC address. */
static __always_inline bool is_to_us(const struct xdp_md *ctx, const struct ethhdr *eth,
				     const struct request *r, const struct varp_answer_dev *dev)
{
	const word16 *dst = (const word16 *)eth->h_dest, *mac = (const word16 *)dev->mac;
	__u32 *ifindex;

	if ((dst[0] ^ mac[0]) | (dst[1] ^ mac[1]) | (dst[2] ^ mac[2]) || (eth->h_source[0] & 1) ||
	    !addr_is_unicast(&r->from) || addr_equal(&r->from, &r->to))
		return false;
	ifindex = bpf_map_lookup_elem(&varp_raddrs, &r->to);
	return ifindex && *ifindex == ctx->ingress_ifindex;
}

/* One locator, the asker, or none. */
static __always_inline bool msg_starts_request(const __u64 *m)
{
	if (m[MSG_START] == MSG_START_OF(VARP_MSG_REQUEST, 1))
		return addr_is_unicast((const struct varp_addr *)&m[MSG_RADDR]);
	return m[MSG_START] == MSG_START_OF(VARP_MSG_REQUEST, 0) &&
	       !(m[MSG_RADDR] | m[MSG_RADDR + 1]);
}

/* All that can be said of a request without knowing who may send it. */
static __always_inline bool msg_is_request(const struct request *r)
{
	const __u64 *m = r->msg;
	__u64 unused = m[MSG_TTL];
	int i;

#pragma unroll
	for (i = MSG_RADDR_END; i < MSG_TAG; i++)
		unused |= m[i];
	return msg_starts_request(m) && !unused &&
	       addr_is_unicast((const struct varp_addr *)&m[MSG_VADDR]);
}

/* The node that is asked about. */
static __always_inline void request_key(const struct request *r, struct varp_key *key)
{
	const __u8 *m = (const __u8 *)r->msg;
	const word32 *snid = (const word32 *)(m + offsetof(struct varp_wire_msg, snid));
	const word32 *vaddr = (const word32 *)(m + offsetof(struct varp_wire_msg, vaddr));
	word32 *w = (word32 *)key;

	w[0] = snid[0];
	w[1] = snid[1];
	*(word16 *)&w[2] = *(const word16 *)&snid[2];
	*(word16 *)key->pad = 0;
	w[3] = vaddr[0];
	w[4] = vaddr[1];
	w[5] = vaddr[2];
	w[6] = vaddr[3];
}

/* len: of the IP header, a constant. The frame has exactly len + UDP_LEN octets behind the Ethernet header. */
static __always_inline bool request_read(const struct xdp_md *ctx, struct request *r, void *data,
					 __u32 len, const struct varp_answer_dev *dev)
{
	const struct udphdr *udp = data + ETH_HLEN + len;
	const word64 *words = (const void *)(udp + 1);
	int i;

	if (!udp->source || udp->len != bpf_htons(UDP_LEN))
		return false;
	if (!(len == sizeof(struct iphdr) ? parse_v4(data + ETH_HLEN, r)
					  : parse_v6(data + ETH_HLEN, r)))
		return false;
#pragma unroll
	for (i = 0; i < MSG_WORDS; i++)
		r->msg[i] = words[i];
	r->check = udp->check;
	return msg_is_request(r) && is_to_us(ctx, data, r, dev) &&
	       udp_check_right(r, udp, len != sizeof(struct iphdr));
}

#endif
