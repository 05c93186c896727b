// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * The server role's answers, as an XDP program at each underlay: a well-formed request for a node of a supernet that is
 * served here is turned into its answer and sent back by the way it came. Attached by ctl/varpd/answer*.c.
 *
 * It decides only what it is sure of; everything else goes up to varpd, which judges and counts it (and answers requests
 * for supernets that are not served here). The one thing that ends here is a message whose tag is not its session's.
 */
#include "answer_reply.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum trust {
	TRUST_ASK_VARPD,
	TRUST_BAD_TAG,
	TRUST_YES,
};

static __always_inline int count_bad_tag(void)
{
	__u32 zero = 0;
	struct varp_stats *stats = bpf_map_lookup_elem(&varp_stats, &zero);

	if (stats)
		stats->drops[VARP_DROP_VARP_TAG]++;
	return XDP_DROP;
}

/* Is it in a session of this client with this server about this supernet, and not over? */
static __always_inline bool session_fits(const struct varp_session_keys *session,
					 const struct request *r, const struct varp_key *key)
{
	const word32 *x = (const word32 *)&session->snid, *y = (const word32 *)&key->snid;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) |
		 (*(const word16 *)&x[2] ^ *(const word16 *)&y[2])) &&
	       addr_equal(&session->client, &r->from) && addr_equal(&session->server, &r->to) &&
	       session->ends_ns > bpf_ktime_get_boot_ns();
}

/* *session is NULL for a request that needs none. */
static __always_inline enum trust judge(const struct request *r, const struct varp_key *key,
					struct varp_session_keys **session)
{
	__u64 id = r->msg[MSG_SESSION], tag[2];

	*session = NULL;
	if (!id)
		return insecure && !(r->msg[MSG_TAG] | r->msg[MSG_TAG + 1]) ? TRUST_YES
									    : TRUST_ASK_VARPD;
	*session = bpf_map_lookup_elem(&varp_sessions, &id);
	if (!*session || !session_fits(*session, r, key))
		return TRUST_ASK_VARPD;
	tag_make(r, (*session)->key_request, tag);
	return (tag[0] ^ r->msg[MSG_TAG]) | (tag[1] ^ r->msg[MSG_TAG + 1]) ? TRUST_BAD_TAG
									    : TRUST_YES;
}

static __always_inline void addrs_turn(struct request *r)
{
	struct varp_addr from = r->from;

	r->from = r->to;
	r->to = from;
}

/* False: it was changing just now. */
static __always_inline bool read_entry(const struct varp_key *key, const struct varp_answer *entry,
				       struct varp_answer *copy)
{
	const volatile word32 *from = (const volatile word32 *)entry;
	word32 *to = (word32 *)copy;
	int i;

#pragma unroll
	for (i = 0; i < (int)sizeof(*copy) / 4; i++)
		to[i] = from[i];
	return copy->check == varp_answer_check(key, copy);
}

static __always_inline bool compose(struct request *r, const struct varp_key *key,
				    const struct varp_session_keys *session)
{
	const struct varp_served *served;
	const struct varp_answer *entry;
	struct varp_answer_stats *stats;
	struct varp_answer copy;
	__u32 zero = 0;

	served = bpf_map_lookup_elem(&varp_served, &key->snid);
	if (!served || !served->complete)
		return false;
	stats = bpf_map_lookup_elem(&varp_answer_stats, &zero);
	if (!stats)
		return false;
	entry = bpf_map_lookup_elem(&varp_answers, key);
	if (entry && !read_entry(key, entry, &copy))
		return false;
	msg_answer(r, entry ? &copy : NULL, served->ttl_s);
	if (entry)
		stats->replies++;
	else
		stats->nak_notknown++;
	addrs_turn(r);
	if (session)
		tag_make(r, session->key_answer, &r->msg[MSG_TAG]);
	return true;
}

static __always_inline int answer(struct xdp_md *ctx, __u32 len)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 ifindex = ctx->ingress_ifindex;
	struct varp_session_keys *session;
	struct varp_answer_dev *dev;
	struct varp_key key;
	struct request r;

	if (data + ETH_HLEN + len + UDP_LEN > end)
		return XDP_PASS;
	dev = bpf_map_lookup_elem(&varp_answer_devs, &ifindex);
	if (!dev || !request_read(ctx, &r, data, len, dev))
		return XDP_PASS;
	request_key(&r, &key);
	switch (judge(&r, &key, &session)) {
	case TRUST_BAD_TAG:
		return count_bad_tag();
	case TRUST_YES:
		return compose(&r, &key, session) ? reply_write(&r, data, len, dev->generic)
						  : XDP_PASS;
	default:
		return XDP_PASS;
	}
}

/* UDP to our port in a frame of just the length that a request has? Most frames are not, and cost no more than this. */
static __always_inline bool may_be(void *data, void *end, __u32 len, __u8 proto)
{
	const struct udphdr *udp = data + ETH_HLEN + len;

	return proto == IPPROTO_UDP && (void *)(udp + 1) <= end &&
	       udp->dest == bpf_htons(varp_port) && end - data == ETH_HLEN + len + UDP_LEN;
}

SEC("xdp.frags")
int varp_answer(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = data + ETH_HLEN;
	struct iphdr *ip4 = data + ETH_HLEN;

	if (data + ETH_HLEN + sizeof(*ip4) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return may_be(data, end, sizeof(*ip4), ip4->protocol)
			       ? answer(ctx, sizeof(*ip4)) : XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return may_be(data, end, sizeof(*ip6), ip6->nexthdr)
			       ? answer(ctx, sizeof(*ip6)) : XDP_PASS;
	return XDP_PASS;
}
