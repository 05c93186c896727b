/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, 2012), word by word; the caller bounds
 * the length. One source for the BPF programs and for user space, since both tag the same datagrams;
 * held against OpenSSL's in the tests.
 *
 * Words are read little-endian, as the algorithm has it. The key is 16 octets.
 */
#ifndef VARP_SIPHASH_H
#define VARP_SIPHASH_H

#include <linux/types.h>

#define VARP_SIPHASH_KEY_LEN	16
#define VARP_SIPHASH_TAG_LEN	16

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define VARP_SIPHASH_LE64(x)	(x)
#else
#define VARP_SIPHASH_LE64(x)	__builtin_bswap64(x)
#endif

struct varp_siphash {
	__u64 v0, v1, v2, v3;
};

#define VARP_SIPHASH_ROTL(x, b)	(((x) << (b)) | ((x) >> (64 - (b))))

static inline __attribute__((always_inline)) void varp_siphash_round(struct varp_siphash *s)
{
	s->v0 += s->v1;
	s->v1 = VARP_SIPHASH_ROTL(s->v1, 13) ^ s->v0;
	s->v0 = VARP_SIPHASH_ROTL(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = VARP_SIPHASH_ROTL(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = VARP_SIPHASH_ROTL(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = VARP_SIPHASH_ROTL(s->v1, 17) ^ s->v2;
	s->v2 = VARP_SIPHASH_ROTL(s->v2, 32);
}

/* key: two words as they lie in memory. */
static inline __attribute__((always_inline)) void varp_siphash_init(struct varp_siphash *s,
								    const __u64 key[2])
{
	__u64 k0 = VARP_SIPHASH_LE64(key[0]), k1 = VARP_SIPHASH_LE64(key[1]);

	s->v0 = 0x736f6d6570736575ULL ^ k0;
	s->v1 = 0x646f72616e646f6dULL ^ k1 ^ 0xee;
	s->v2 = 0x6c7967656e657261ULL ^ k0;
	s->v3 = 0x7465646279746573ULL ^ k1;
}

/* word: eight octets of the message as they lie in memory. */
static inline __attribute__((always_inline)) void varp_siphash_word(struct varp_siphash *s, __u64 word)
{
	__u64 m = VARP_SIPHASH_LE64(word);

	s->v3 ^= m;
	varp_siphash_round(s);
	varp_siphash_round(s);
	s->v0 ^= m;
}

/* last: the octets after the last whole word as a number, and the message's length in the topmost octet. */
static inline __attribute__((always_inline)) void varp_siphash_end(struct varp_siphash *s, __u64 last,
								   __u64 tag[2])
{
	int i;

	s->v3 ^= last;
	varp_siphash_round(s);
	varp_siphash_round(s);
	s->v0 ^= last;
	s->v2 ^= 0xee;
	for (i = 0; i < 4; i++)
		varp_siphash_round(s);
	tag[0] = VARP_SIPHASH_LE64(s->v0 ^ s->v1 ^ s->v2 ^ s->v3);
	s->v1 ^= 0xdd;
	for (i = 0; i < 4; i++)
		varp_siphash_round(s);
	tag[1] = VARP_SIPHASH_LE64(s->v0 ^ s->v1 ^ s->v2 ^ s->v3);
}

/* len: octets of the whole message, all of them in words. tag: two words to be stored as they are. */
static inline __attribute__((always_inline)) void varp_siphash_final(struct varp_siphash *s, __u64 len,
								     __u64 tag[2])
{
	varp_siphash_end(s, len << 56, tag);
}

#endif
