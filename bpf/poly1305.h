/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Poly1305 (RFC 8439, section 2.5) over the additional data, the text and the lengths of a struct crypt. Called by
 * aead.h and by the tests.
 *
 * BPF multiplies 64 bits to 64 bits. Numbers are five limbs of 32 bits in registers of 64. Since the low two bits of
 * r's upper words are zero, what passes 2^130 comes back multiplied by 5/4, which is exact.
 *
 * Carries go one limb up, all at once, and not through all limbs one after the other, for which each block would have
 * to wait. So limbs are longer than 32 bits; with a block added they are below 3.6 * 2^32 (the lowest, which takes what
 * comes back) and 3 * 2^32. r's words are below 2^28 (its clamping sees to that) and 5/4 of them below 1.25 * 2^28. The
 * largest of the four sums is then below (3.6 + 3 * 3 * 1.25) * 2^60, which is below 2^64.
 */
#ifndef VARP_BPF_POLY1305_H
#define VARP_BPF_POLY1305_H

#include <bpf/bpf_helpers.h>
#include "crypt.h"

#define POLY_BLOCK	16
#define POLY_BLOCKS_MAX	((CRYPT_AAD_LEN + CRYPT_TEXT_MAX + POLY_BLOCK) / POLY_BLOCK)
#define POLY_LOW	0xffffffffULL

/* By a move of half a register, where the compiler would shift twice. */
static __always_inline __u64 poly1305_low(__u64 x)
{
	__u32 low = x;

	asm volatile("" : "+w"(low));
	return low;
}

/* key: r, as it lies. */
static __always_inline void poly1305_init(struct crypt *c, const crypt_u32 key[4])
{
	int i;

	for (i = 0; i < 4; i++) {
		c->r[i] = crypt_le32(key[i]) & (i ? 0x0ffffffc : 0x0fffffff);
		c->s[i] = c->r[i] + (c->r[i] >> 2);
		c->h[i] = 0;
	}
	c->h[4] = 0;
}

/* Blocks of 16 octets from the additional data on. */
__noinline int poly1305_blocks(struct crypt *c, __u32 blocks)
{
	__u64 h0, h1, h2, h3, h4, d0, d1, d2, d3;
	const crypt_u32 *m;
	__u32 i;

	if (!c)
		return -1;
	h0 = c->h[0], h1 = c->h[1], h2 = c->h[2], h3 = c->h[3], h4 = c->h[4];
	for (i = 0; i < POLY_BLOCKS_MAX && i < blocks; i++) {
		m = (const crypt_u32 *)(c->b + CRYPT_AAD + i * POLY_BLOCK);
		h0 += crypt_le32(m[0]);
		h1 += crypt_le32(m[1]);
		h2 += crypt_le32(m[2]);
		h3 += crypt_le32(m[3]);
		h4 += 1;

		d0 = h0 * c->r[0] + h1 * c->s[3] + h2 * c->s[2] + h3 * c->s[1];
		d1 = h0 * c->r[1] + h1 * c->r[0] + h2 * c->s[3] + h3 * c->s[2] + h4 * c->s[1];
		d2 = h0 * c->r[2] + h1 * c->r[1] + h2 * c->r[0] + h3 * c->s[3] + h4 * c->s[2];
		d3 = h0 * c->r[3] + h1 * c->r[2] + h2 * c->r[1] + h3 * c->r[0] + h4 * c->s[3];
		h4 = h4 * c->r[0];

		h4 += d3 >> 32;
		h3 = poly1305_low(d3) + (d2 >> 32);
		h2 = poly1305_low(d2) + (d1 >> 32);
		h1 = poly1305_low(d1) + (d0 >> 32);
		h0 = poly1305_low(d0) + (h4 >> 2) * 5;
		h4 &= 3;
	}
	c->h[0] = h0, c->h[1] = h1, c->h[2] = h2, c->h[3] = h3, c->h[4] = h4;
	return 0;
}

/* pad: the key's second half, as it lies. Into c->tag. */
static __always_inline void poly1305_final(struct crypt *c, const crypt_u32 pad[4])
{
	__u64 h0 = c->h[0], h1 = c->h[1], h2 = c->h[2], h3 = c->h[3], h4 = c->h[4], g0, g1, g2, g3, use;
	crypt_u32 *tag = (crypt_u32 *)c->tag;

	h1 += h0 >> 32;
	h2 += h1 >> 32;
	h3 += h2 >> 32;
	h4 += h3 >> 32;
	h0 = (h0 & POLY_LOW) + (h4 >> 2) * 5;
	h1 = (h1 & POLY_LOW) + (h0 >> 32);
	h2 = (h2 & POLY_LOW) + (h1 >> 32);
	h3 = (h3 & POLY_LOW) + (h2 >> 32);
	h4 = (h4 & 3) + (h3 >> 32);

	/* Less 2^130 - 5, if it is not below that; by masks, not by a branch. */
	g0 = (h0 & POLY_LOW) + 5;
	g1 = (h1 & POLY_LOW) + (g0 >> 32);
	g2 = (h2 & POLY_LOW) + (g1 >> 32);
	g3 = (h3 & POLY_LOW) + (g2 >> 32);
	use = -((h4 + (g3 >> 32)) >> 2 & 1);
	h0 = (h0 & ~use) | (g0 & use);
	h1 = (h1 & ~use) | (g1 & use);
	h2 = (h2 & ~use) | (g2 & use);
	h3 = (h3 & ~use) | (g3 & use);

	h0 = (h0 & POLY_LOW) + crypt_le32(pad[0]);
	h1 = (h1 & POLY_LOW) + crypt_le32(pad[1]) + (h0 >> 32);
	h2 = (h2 & POLY_LOW) + crypt_le32(pad[2]) + (h1 >> 32);
	h3 = (h3 & POLY_LOW) + crypt_le32(pad[3]) + (h2 >> 32);
	tag[0] = crypt_le32((__u32)h0);
	tag[1] = crypt_le32((__u32)h1);
	tag[2] = crypt_le32((__u32)h2);
	tag[3] = crypt_le32((__u32)h3);
}

#endif
