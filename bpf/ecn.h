/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Explicit congestion notification across the tunnel, RFC 6040. Encapsulation copies the inner field (normal mode,
 * section 4.1); decapsulation combines both (section 4.2).
 */
#ifndef VARP_BPF_ECN_H
#define VARP_BPF_ECN_H

#include "parse.h"

#define ECN_MASK	0x03
#define ECN_NOT_ECT	0
#define ECN_ECT1	1
#define ECN_ECT0	2
#define ECN_CE		3

/* The field that leaves the tunnel, or -1: RFC 6040 wants the packet dropped. */
static __always_inline int ecn_combine(__u8 outer, __u8 inner)
{
	outer &= ECN_MASK;
	inner &= ECN_MASK;
	if (inner == ECN_NOT_ECT)
		return outer == ECN_CE ? -1 : ECN_NOT_ECT;
	if (outer == ECN_CE)
		return ECN_CE;
	if (outer == ECN_ECT1 && inner == ECN_ECT0)
		return ECN_ECT1;
	return inner;
}

/* Write the field into the inner packet, which by now follows the Ethernet header. */
static __always_inline int ecn_store(struct __sk_buff *skb, const struct inner *in, __u8 ecn)
{
	__u8 tos = (in->tos & ~ECN_MASK) | ecn;
	__u8 octet;

	if (in->v6) {
		/* Traffic class is the low nibble of the first octet and the high one of the second. */
		if (bpf_skb_load_bytes(skb, ETH_HLEN + 1, &octet, 1))
			return -1;
		octet = (octet & 0x0f) | (tos << 4);
		return bpf_skb_store_bytes(skb, ETH_HLEN + 1, &octet, 1, BPF_F_RECOMPUTE_CSUM);
	}
	/* The header checksum makes up for the change, so that a sum over the packet stays as it is. */
	if (bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check),
				bpf_htons(in->tos), bpf_htons(tos), 2))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, tos), &tos, 1, 0);
}

#endif
