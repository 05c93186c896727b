/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Reading Geneve (RFC 8926): the base header, and the options in search of ours. Serves decapsulation, and
 * encapsulation where it looks out for a supernet that is routed into itself.
 */
#ifndef VARP_BPF_GENEVE_H
#define VARP_BPF_GENEVE_H

#include "parse.h"

#define GENEVE_OPT_HEAD_LEN	4
#define GENEVE_WORDS_MAX	63	/* of options, hence at most as many options */

struct geneve {
	__u32 off;		/* in: of the Geneve header in the frame */
	__u32 end;		/* in: of the UDP payload */
	__u32 inner_off;	/* of the inner packet */
	__u32 opt_off;		/* of our option */
	__be16 proto;
	__u8 flags;
	__u8 critical;		/* there is a critical option that we do not know */
	__u8 keyed;		/* our option is a keyed channel's */
};

struct geneve_opt_head {
	__be16 opt_class;
	__u8 type;
	__u8 words;
};

static __always_inline bool geneve_opt_is_ours(__be16 opt_class, __u8 type)
{
	return opt_class == bpf_htons(VARP_GENEVE_OPT_CLASS) &&
	       (type == VARP_GENEVE_OPT_TYPE || type == VARP_GENEVE_KEYED_TYPE);
}

static __always_inline __u32 geneve_opt_len(__u8 type)
{
	return type == VARP_GENEVE_KEYED_TYPE ? sizeof(struct varp_geneve_keyed)
					      : sizeof(struct varp_geneve_opt);
}

/* Goes through all options: ours must be there once and of its proper length. */
static __noinline int geneve_walk(struct __sk_buff *skb, struct geneve *g)
{
	__u32 off = g->off + sizeof(struct varp_geneve), len, i;
	struct geneve_opt_head head;

	for (i = 0; i < GENEVE_WORDS_MAX && off < g->inner_off; i++) {
		if (bpf_skb_load_bytes(skb, off, &head, sizeof(head)))
			return VARP_DROP_GENEVE_HEADER;
		len = GENEVE_OPT_HEAD_LEN + (head.words & 0x1f) * 4;
		if (off + len > g->inner_off)
			return VARP_DROP_GENEVE_HEADER;
		if (geneve_opt_is_ours(head.opt_class, head.type)) {
			if (g->opt_off || len != geneve_opt_len(head.type))
				return VARP_DROP_GENEVE_HEADER;
			g->opt_off = off;
			g->keyed = head.type == VARP_GENEVE_KEYED_TYPE;
		} else if (head.type & VARP_GENEVE_OPT_CRITICAL) {
			g->critical = 1;
		}
		off += len;
	}
	return g->opt_off ? VERDICT_OK : VERDICT_FOREIGN;
}

/* VERDICT_OK: our option is there. */
static __always_inline int geneve_parse(struct __sk_buff *skb, struct geneve *g)
{
	struct varp_geneve *head = linear(skb, g->off, sizeof(*head));
	struct varp_geneve_opt *opt;
	__u32 opt_len;

	if (!head || g->off + sizeof(*head) > g->end)
		return VARP_DROP_RUNT;
	if (head->ver_optlen >> 6)
		return VARP_DROP_GENEVE_VERSION;
	opt_len = (head->ver_optlen & 0x3f) * 4;
	g->flags = head->flags;
	g->proto = head->proto;
	g->inner_off = g->off + sizeof(*head) + opt_len;
	if (g->inner_off > g->end)
		return VARP_DROP_GENEVE_HEADER;

	/* What every VARP host sends: our option and nothing else. */
	opt = linear(skb, g->off + sizeof(*head), sizeof(*opt));
	if (opt && geneve_opt_is_ours(opt->opt_class, opt->type) &&
	    opt_len == geneve_opt_len(opt->type) &&
	    GENEVE_OPT_HEAD_LEN + (opt->rsvd_words & 0x1f) * 4 == opt_len) {
		g->opt_off = g->off + sizeof(*head);
		g->keyed = opt->type == VARP_GENEVE_KEYED_TYPE;
		return VERDICT_OK;
	}
	return geneve_walk(skb, g);
}

/* What is wrong with a packet that carries our option, as far as the Geneve header tells. */
static __always_inline int geneve_check(const struct geneve *g)
{
	if (g->flags & VARP_GENEVE_F_CONTROL)
		return VARP_DROP_GENEVE_CONTROL;
	if (g->critical)
		return VARP_DROP_GENEVE_CRITICAL;
	if (g->proto != bpf_htons(ETH_P_IP) && g->proto != bpf_htons(ETH_P_IPV6))
		return VARP_DROP_GENEVE_PROTO;
	return VERDICT_OK;
}

#endif
