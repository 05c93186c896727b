/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Encapsulation: from an admitted inner packet and the RAddr it goes to, to the underlay. Outer IP, UDP and Geneve are
 * put together on the stack and stored at once; super-packets stay whole (the kernel or the card cuts them up, and
 * finishes lengths and checksums then).
 */
#ifndef VARP_BPF_ENCAP_H
#define VARP_BPF_ENCAP_H

#include "admit.h"
#include "ecn.h"
#include "event.h"
#include "nexthop.h"
#include "seal.h"

#define OUTER_TTL		64
#define OUTER_PORT_BASE		0xc000	/* source ports: the dynamic range, RFC 8926 section 3.3 */
#define IP_LEN_MAX		65535

#define ENCAP_FLAGS	(BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_FIXED_GSO | \
			 BPF_F_ADJ_ROOM_NO_CSUM_RESET)

/* UDP and what follows; the same for both outer families. */
struct tunnel_headers {
	struct udphdr udp;
	struct varp_geneve gnv;
	struct varp_geneve_opt opt;
};

/* eth_proto is the last field of the Ethernet header, stored along with the rest; pad keeps the words aligned. */
struct headers_v4 {
	__u16 pad;
	__be16 eth_proto;
	struct iphdr ip;
	struct tunnel_headers t;
};
_Static_assert(sizeof(struct headers_v4) == 4 + VARP_OVERHEAD_V4, "no holes");

struct headers_v6 {
	__u16 pad;
	__be16 eth_proto;
	struct ipv6hdr ip;
	struct tunnel_headers t;
};
_Static_assert(sizeof(struct headers_v6) == 4 + VARP_OVERHEAD_V6, "no holes");

static __always_inline void tunnel_fill(struct tunnel_headers *t, const struct job *job,
					__u32 udp_len, __u32 hash, bool keyed)
{
	t->udp.source = bpf_htons(OUTER_PORT_BASE | ((hash ^ (hash >> 16)) & 0x3fff));
	t->udp.dest = bpf_htons(geneve_port);
	t->udp.len = bpf_htons(udp_len);
	t->gnv.ver_optlen = (keyed ? sizeof(struct varp_geneve_keyed) : sizeof(t->opt)) / 4;
	t->gnv.flags = VARP_GENEVE_F_CRITICAL;
	t->gnv.proto = job->in.v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	t->opt.opt_class = bpf_htons(VARP_GENEVE_OPT_CLASS);
	t->opt.type = VARP_GENEVE_OPT_TYPE;
	t->opt.rsvd_words = VARP_GENEVE_OPT_WORDS;
	chid_copy(&t->opt.chid, &job->dev->chid);
	t->opt.bridge = bpf_htons(VARP_GENEVE_OPT_BRIDGE);
	snid_copy(&t->opt.snid, &job->dev->snid);
	t->opt.proto = t->gnv.proto;
}

static __always_inline __u16 ip4_checksum(const struct iphdr *ip)
{
	const word32 *w = (const word32 *)ip;
	__u64 sum = (__u64)w[0] + w[1] + w[2] + w[3] + w[4];

	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* A length field of a super-packet may not hold its length; the segments' lengths are right. */
static __always_inline __u32 length_cap(__u32 len)
{
	return len < IP_LEN_MAX ? len : IP_LEN_MAX;
}

static __always_inline int push_v4(struct __sk_buff *skb, const struct job *job, __be32 saddr,
				   __be32 daddr, __u32 hash, bool keyed)
{
	__u32 overhead = VARP_OVERHEAD_V4 + (keyed ? VARP_OVERHEAD_KEYED : 0);
	__u32 total = length_cap(job->in.len + overhead);
	struct headers_v4 h = { .eth_proto = bpf_htons(ETH_P_IP) };

	h.ip.version = 4;
	h.ip.ihl = sizeof(h.ip) / 4;
	h.ip.tos = job->in.tos;
	h.ip.tot_len = bpf_htons(total);
	h.ip.frag_off = bpf_htons(IP4_DF);
	h.ip.ttl = OUTER_TTL;
	h.ip.protocol = IPPROTO_UDP;
	h.ip.saddr = saddr;
	h.ip.daddr = daddr;
	h.ip.check = ip4_checksum(&h.ip);
	tunnel_fill(&h.t, job, total - sizeof(h.ip), hash, keyed);

	if (bpf_skb_adjust_room(skb, overhead, BPF_ADJ_ROOM_MAC,
				ENCAP_FLAGS | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4))
		return -1;
	return bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &h.eth_proto,
				   sizeof(h) - sizeof(h.pad) - (keyed ? sizeof(h.t.opt) : 0), 0);
}

static __always_inline int push_v6(struct __sk_buff *skb, const struct job *job,
				   const struct varp_addr *saddr, const struct varp_addr *daddr,
				   __u32 hash, bool keyed)
{
	__u32 overhead = VARP_OVERHEAD_V6 + (keyed ? VARP_OVERHEAD_KEYED : 0);
	__u32 payload = length_cap(job->in.len + overhead - sizeof(struct ipv6hdr));
	struct headers_v6 h = { .eth_proto = bpf_htons(ETH_P_IPV6) };

	*(word32 *)&h.ip = bpf_htonl(6 << 28 | job->in.tos << 20 | (hash & 0xfffff));
	h.ip.payload_len = bpf_htons(payload);
	h.ip.nexthdr = IPPROTO_UDP;
	h.ip.hop_limit = OUTER_TTL;
	*(struct varp_addr *)&h.ip.saddr = *saddr;
	*(struct varp_addr *)&h.ip.daddr = *daddr;
	tunnel_fill(&h.t, job, payload, hash, keyed);

	if (bpf_skb_adjust_room(skb, overhead, BPF_ADJ_ROOM_MAC,
				ENCAP_FLAGS | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6))
		return -1;
	return bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &h.eth_proto,
				   sizeof(h) - sizeof(h.pad) - (keyed ? sizeof(h.t.opt) : 0), 0);
}

/* Headers for a keyed channel's packet; its option and text come from the workbench. */
static __noinline int push_keyed(struct __sk_buff *skb, const struct job *job,
				 const struct varp_addr *saddr, const struct varp_addr *daddr,
				 __u32 hash)
{
	if (addr_is_mapped(daddr))
		return push_v4(skb, job, saddr->w[3], daddr->w[3], hash, true);
	return push_v6(skb, job, saddr, daddr, hash, true);
}

/* VERDICT_OK, or the reason why the packet must be dropped. */
static __always_inline int encap_keyed(struct __sk_buff *skb, const struct job *job,
				       const struct varp_addr *saddr,
				       const struct varp_addr *daddr, __u32 hash)
{
	__u32 opt_off = ETH_HLEN + (addr_is_mapped(daddr) ? VARP_OVERHEAD_V4 : VARP_OVERHEAD_V6) -
			sizeof(struct varp_geneve_opt);
	int verdict = seal_begin(skb, job, saddr, daddr);

	if (verdict != VERDICT_OK)
		return verdict;
	if (seal_finish())
		return VARP_DROP_SEAL_FAILED;
	if (push_keyed(skb, job, saddr, daddr, hash) || sealed_store(skb, opt_off, job->in.len))
		return VARP_DROP_ENCAP_FAILED;
	return VERDICT_OK;
}

/* Octets of the longest IP packet that will be on the wire: of a super-packet, one segment. */
static __always_inline __u32 segment_len(struct __sk_buff *skb, const struct inner *in)
{
	struct ip6_walk w = { .off = in->l4_off, .proto = in->l4_proto };
	__u32 l4_len = sizeof(struct udphdr);
	__u8 doff;

	if (!skb->gso_size)
		return in->len;
	if (in->v6 && ip6_is_extension(w.proto))
		ip6_walk(skb, &w);
	if (w.proto == IPPROTO_TCP && !bpf_skb_load_bytes(skb, w.off + 12, &doff, 1))
		l4_len = (doff >> 4) * 4;
	return w.off - in->off + l4_len + skb->gso_size;
}

/* DF is taken for granted: the sender knows the device's MTU and is told of a narrower path, whatever the inner DF. */
static __noinline int too_big(struct __sk_buff *skb, struct job *job, __u32 mtu)
{
	if (limiter_pass(&job->in.key.vaddr, job->dev->supernet, job->now))
		event_send(skb, &job->in.key, VARP_EVENT_TOO_BIG, mtu, NULL);
	return drop_quietly(job->stats, VARP_DROP_TOO_BIG);
}

static __always_inline __u32 addr_fold(const struct varp_addr *a)
{
	return a->w[0] ^ a->w[1] ^ a->w[2] ^ a->w[3];
}

/* Of UDP admit() has read them. */
static __always_inline __u32 flow_ports(struct __sk_buff *skb, const struct inner *in)
{
	__u32 ports;

	if (in->fragment || (in->l4_proto != IPPROTO_TCP && in->l4_proto != IPPROTO_SCTP) ||
	    bpf_skb_load_bytes(skb, in->l4_off, &ports, sizeof(ports)))
		return in->ports;
	return ports;
}

/*
 * The flow's entropy for the outer source port. TCP's sockets have given their packets a hash; what has none gets one
 * from addresses and ports, for a tenth of what the kernel's own flow dissection costs. It is left in the skb, or the
 * choice of a queue would dissect the tunnel.
 */
static __always_inline __u32 flow_hash(struct __sk_buff *skb, const struct inner *in)
{
	__u32 hash = skb->hash;

	if (hash)
		return hash;
	hash = (addr_fold(&in->key.vaddr) ^ in->l4_proto) * 0x9e3779b1;
	hash = (hash ^ (hash >> 15) ^ addr_fold(&in->src) ^ flow_ports(skb, in)) * 0x85ebca6b;
	hash ^= hash >> 13;
	bpf_set_hash(skb, hash);
	return hash;
}

/* mtu: of the path to raddr, zero: the underlay's. Returns what the program is to return. */
static __always_inline int encap(struct __sk_buff *skb, struct job *job,
				 const struct varp_addr *raddr_ptr, __u32 mtu)
{
	struct varp_addr raddr = *raddr_ptr;	/* of one writing, as far as the checks below go */
	struct varp_dev *dev = job->dev;
	bool v4 = addr_is_mapped(&raddr);
	struct varp_addr *saddr = v4 ? &dev->raddr4 : &dev->raddr6;
	__u32 overhead = v4 ? VARP_OVERHEAD_V4 : VARP_OVERHEAD_V6;
	__u32 underlay = dev->underlay, hash;
	int verdict;

	if (dev->mode)
		overhead += VARP_OVERHEAD_KEYED;
	if (!underlay || addr_is_zero(saddr))
		return drop(job->stats, VARP_DROP_NO_UNDERLAY);
	if (addr_equal(&raddr, saddr))
		return drop(job->stats, VARP_DROP_LOOP);
	if (!mtu || mtu > dev->underlay_mtu)
		mtu = dev->underlay_mtu;
	if (segment_len(skb, &job->in) + overhead > mtu)
		return too_big(skb, job, mtu > overhead ? mtu - overhead : 0);

	hash = flow_hash(skb, &job->in);
	if (dev->mode) {
		verdict = encap_keyed(skb, job, saddr, &raddr, hash);
		if (verdict != VERDICT_OK)
			return drop(job->stats, verdict);
	} else if (v4 ? push_v4(skb, job, saddr->w[3], raddr.w[3], hash, false)
		      : push_v6(skb, job, saddr, &raddr, hash, false)) {
		return drop(job->stats, VARP_DROP_ENCAP_FAILED);
	}
	job->stats->counters[VARP_COUNTER_ENCAP_PACKETS]++;
	job->stats->counters[VARP_COUNTER_ENCAP_BYTES] += job->in.len;
	if (job->again)
		job->stats->counters[VARP_COUNTER_REINJECTED_PACKETS]++;
	return send_out(skb, job, saddr, &raddr, underlay);
}

#endif
