/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Questions about struct varp_addr, and copying identifiers in words: their types have no alignment of their own, and
 * a plain assignment would go octet by octet.
 */
#ifndef VARP_BPF_ADDR_H
#define VARP_BPF_ADDR_H

#include "maps.h"

#define ADDR_MAPPED_WORD	bpf_htonl(0xffff)

typedef __u32 __attribute__((may_alias)) word32;
typedef __u16 __attribute__((may_alias)) word16;

static __always_inline bool addr_is_mapped(const struct varp_addr *a)
{
	return !a->w[0] && !a->w[1] && a->w[2] == ADDR_MAPPED_WORD;
}

static __always_inline bool addr_is_zero(const struct varp_addr *a)
{
	return !(a->w[0] | a->w[1] | a->w[2] | a->w[3]);
}

static __always_inline bool addr_equal(const struct varp_addr *a, const struct varp_addr *b)
{
	return !((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) | (a->w[2] ^ b->w[2]) |
		 (a->w[3] ^ b->w[3]));
}

static __always_inline void addr_from_v4(struct varp_addr *a, __be32 v4)
{
	a->w[0] = 0;
	a->w[1] = 0;
	a->w[2] = ADDR_MAPPED_WORD;
	a->w[3] = v4;
}

/* from: 16 octets in the packet */
static __always_inline void addr_from_v6(struct varp_addr *a, const void *from)
{
	const word32 *w = from;

	a->w[0] = w[0];
	a->w[1] = w[1];
	a->w[2] = w[2];
	a->w[3] = w[3];
}

/* One host, that is: not multicast, not the limited broadcast, not unspecified. */
static __always_inline bool addr_is_unicast(const struct varp_addr *a)
{
	__u32 v4;

	if (!addr_is_mapped(a))
		return a->b[0] != 0xff && !addr_is_zero(a);
	v4 = bpf_ntohl(a->w[3]);
	return v4 && v4 != 0xffffffff && (v4 & 0xf0000000) != 0xe0000000;
}

static __always_inline void snid_copy(struct varp_snid *to, const struct varp_snid *from)
{
	((word32 *)to)[0] = ((const word32 *)from)[0];
	((word32 *)to)[1] = ((const word32 *)from)[1];
	((word16 *)to)[4] = ((const word16 *)from)[4];
}

static __always_inline void chid_copy(struct varp_chid *to, const struct varp_chid *from)
{
	((word16 *)to)[0] = ((const word16 *)from)[0];
	((word16 *)to)[1] = ((const word16 *)from)[1];
	((word16 *)to)[2] = ((const word16 *)from)[2];
}

static __always_inline bool chid_equal(const struct varp_chid *a, const struct varp_chid *b)
{
	const word16 *x = (const word16 *)a, *y = (const word16 *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

static __always_inline void key_set_snid(struct varp_key *key, const struct varp_snid *snid)
{
	snid_copy(&key->snid, snid);
	*(word16 *)key->pad = 0;
}

#endif
