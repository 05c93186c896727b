/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Decapsulation: whose packet is it, may it have it, and off with the outer headers.
 */
#ifndef VARP_BPF_DECAP_H
#define VARP_BPF_DECAP_H

#include "deliver.h"
#include "ecn.h"
#include "open.h"
#include "outer.h"
#include "source.h"

/* In <linux/bpf.h> from Linux 6.3. */
#define ADJ_ROOM_DECAP_L3_IPV4	(1ULL << 7)
#define ADJ_ROOM_DECAP_L3_IPV6	(1ULL << 8)

#define DECAP_FLAGS	(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET)

/* All that the steps of decapsulation know about the packet in hand. */
struct arrival {
	struct outer outer;
	struct geneve gnv;
	struct inner in;
	struct varp_chid chid;
	struct varp_local *local;
	int ecn;		/* the inner field from now on */
	__u8 mode;		/* how the packet was protected */
	bool wait;		/* until it is known where its source lives */
	struct varp_key source;
};

/*
 * Another instance's node may be meant, whose program comes after this one on the same interface. Where both are in
 * the supernet and neither has the node, the packet ends at the UDP port where nobody listens.
 */
static __always_inline bool joined_by_another(const struct varp_snid *snid)
{
	struct varp_joined_key key = { .netns = netns_inode };
	struct varp_joined *joined;
	bool found = false;
	int i;

	snid_copy(&key.snid, snid);
	joined = bpf_map_lookup_elem(&varp_joined, &key);
	if (!joined)
		return false;
	for (i = 0; i < VARP_JOINED_MAX; i++)
		found |= joined->instances[i] && joined->instances[i] != instance_id;
	return found;
}

/* Why there is no such node: its supernet is not ours at all, or lives elsewhere. */
static __noinline int node_absent(const struct varp_key *key)
{
	struct varp_key joined = {};

	if (joined_by_another(&key->snid))
		return VERDICT_FOREIGN;
	key_set_snid(&joined, &key->snid);
	if (bpf_map_lookup_elem(&varp_local, &joined))
		return VARP_DROP_NOT_LOCAL;
	return VARP_DROP_NOT_JOINED;
}

/*
 * A packet of a keyed channel becomes as readable as any other. In one that was encrypted a node of ours must be found
 * before it is changed: it may be another instance's, which has to open it itself.
 */
static __noinline int arrival_open(struct __sk_buff *skb, struct arrival *a)
{
	struct bench *b = bench_get();
	int verdict;

	if (!b || !raddr_is_ours(&a->outer.dst))
		return VERDICT_PASS;
	b->src = a->outer.origin.from;
	b->dst = a->outer.dst;
	b->opt_off = a->gnv.opt_off;
	b->inner_off = a->gnv.inner_off;
	b->len = a->gnv.end - a->gnv.inner_off;
	verdict = open_begin(skb, b);
	key_set_snid(&b->node, &b->sender.snid);
	if (verdict == VERDICT_PASS) {
		verdict = node_absent(&b->node);
		return verdict == VARP_DROP_NOT_LOCAL ? VARP_DROP_CHANNEL_KEY : verdict;
	}
	if (verdict != VERDICT_OK)
		return verdict;
	if (!open_text_with_tag(b))
		return VARP_DROP_CHANNEL_TAG;
	verdict = open_take(b);
	if (verdict != VERDICT_OK)
		return verdict;
	a->mode = b->mode;
	key_set_snid(&a->in.key, &b->sender.snid);
	chid_copy(&a->chid, &b->sender.chid);
	if (b->mode != VARP_CHANNEL_AEAD)
		return VERDICT_OK;
	if (!opened_for(b, &b->node.vaddr))
		return VARP_DROP_INNER_HEADER;
	if (!bpf_map_lookup_elem(&varp_local, &b->node))
		return node_absent(&b->node);
	return opened_store(skb, b);
}

/* Whose packet it is, as it says; of a keyed channel's only once it was proved. */
static __always_inline int arrival_identify(struct __sk_buff *skb, struct arrival *a)
{
	struct varp_geneve_opt *opt;

	if (a->gnv.keyed)
		return arrival_open(skb, a);
	opt = linear(skb, a->gnv.opt_off, sizeof(*opt));
	if (!opt)
		return VARP_DROP_RUNT;
	key_set_snid(&a->in.key, &opt->snid);
	chid_copy(&a->chid, &opt->chid);
	return VERDICT_OK;
}

/* Our option and the inner IP header. */
static __always_inline int arrival_parse(struct __sk_buff *skb, struct arrival *a)
{
	int verdict;

	a->gnv.off = a->outer.udp_off + sizeof(struct udphdr);
	a->gnv.end = a->outer.end;
	verdict = geneve_parse(skb, &a->gnv);
	if (verdict == VERDICT_OK)
		verdict = geneve_check(&a->gnv);
	if (verdict != VERDICT_OK)
		return verdict;

	verdict = arrival_identify(skb, a);
	if (verdict != VERDICT_OK)
		return verdict;
	a->in.off = a->gnv.inner_off;
	a->in.len = a->gnv.end - a->gnv.inner_off;
	verdict = inner_parse(skb, a->gnv.proto, &a->in);
	return verdict == VARP_DROP_RUNT ? VARP_DROP_INNER_HEADER : verdict;
}

static __always_inline int arrival_find_node(struct arrival *a)
{
	struct varp_local *local;

	/* The key with a zero vaddr is a mark, see maps.h. */
	if (addr_is_zero(&a->in.key.vaddr))
		return node_absent(&a->in.key);
	local = bpf_map_lookup_elem(&varp_local, &a->in.key);
	if (!local)
		return node_absent(&a->in.key);
	if (!addr_equal(&a->outer.dst, a->outer.v6 ? &local->raddr6 : &local->raddr4) &&
	    !raddr_is_ours(&a->outer.dst))
		return VERDICT_PASS;
	if (!chid_equal(&a->chid, &local->chid))
		return VARP_DROP_WRONG_CHANNEL;
	if (a->mode != local->mode)
		return VARP_DROP_CHANNEL_MODE;
	a->local = local;
	a->ecn = ecn_combine(a->outer.tos, a->in.tos);
	return a->ecn < 0 ? VARP_DROP_ECN : VERDICT_OK;
}

/* May the source be believed. VERDICT_OK also if that is yet to be found out. */
static __always_inline int arrival_judge(struct arrival *a, struct varp_stats *stats)
{
	int verdict;

	if (!source_check)
		return VERDICT_OK;
	key_set_snid(&a->source, &a->in.key.snid);
	a->source.vaddr = a->in.src;
	verdict = source_judge(&a->source, &a->outer.origin.from, clock_now(stats));
	a->wait = verdict == VERDICT_UNKNOWN;
	return a->wait ? VERDICT_OK : verdict;
}

/*
 * Take away all between the Ethernet header and the inner packet. Where the families differ, skb->protocol has to
 * change too: by a flag, or on kernels without it by a change of the outer header's family beforehand, which costs a
 * second move of the headers and is otherwise the same.
 */
static __always_inline int strip(struct __sk_buff *skb, const struct arrival *a)
{
	__s32 len = a->gnv.inner_off - ETH_HLEN;
	__u64 flags = DECAP_FLAGS;

	if (a->outer.v6 != a->in.v6) {
		if (decap_l3_flags) {
			flags |= a->in.v6 ? ADJ_ROOM_DECAP_L3_IPV6 : ADJ_ROOM_DECAP_L3_IPV4;
		} else {
			if (bpf_skb_change_proto(skb, a->gnv.proto, 0))
				return -1;
			len += a->in.v6 ? 20 : -20;
		}
	}
	if (bpf_skb_adjust_room(skb, -len, BPF_ADJ_ROOM_MAC, flags))
		return -1;
	/* One checksum less for the card to have verified: the outer UDP's. */
	bpf_csum_level(skb, BPF_CSUM_LEVEL_DEC);
	return 0;
}

static __always_inline int decap(struct __sk_buff *skb, struct arrival *a, struct varp_stats *stats)
{
	if (strip(skb, a))
		return drop(stats, VARP_DROP_DECAP_FAILED);
	if (a->ecn != (a->in.tos & ECN_MASK) && ecn_store(skb, &a->in, a->ecn))
		return drop(stats, VARP_DROP_DECAP_FAILED);
	if (deliver_address(skb, a->local, a->gnv.proto))
		return drop(stats, VARP_DROP_DECAP_FAILED);
	stats->counters[VARP_COUNTER_DECAP_PACKETS]++;
	stats->counters[VARP_COUNTER_DECAP_BYTES] += a->in.len;
	if (a->wait) {
		a->outer.origin.peer = a->local->peer;
		return source_ask(skb, stats, &a->source, &a->outer.origin);
	}
	return deliver_arrived(a->local);
}

/* A packet in transit is none of our business, however broken or foreign to our supernets it is. */
static __noinline int reject(struct outer *o, struct varp_stats *stats, int verdict)
{
	if (!raddr_is_ours(&o->dst) || verdict == VERDICT_PASS)
		return TC_ACT_UNSPEC;
	if (verdict == VERDICT_FOREIGN) {
		stats->counters[VARP_COUNTER_FOREIGN_PACKETS]++;
		return TC_ACT_UNSPEC;
	}
	return drop(stats, verdict);
}

#endif
