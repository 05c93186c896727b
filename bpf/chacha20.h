/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * ChaCha20 (RFC 8439, section 2.3 and 2.4) over a struct crypt, and HChaCha20, which turns a key and 16 octets of nonce
 * into the key of XChaCha20. Called by aead.h and by the tests.
 */
#ifndef VARP_BPF_CHACHA20_H
#define VARP_BPF_CHACHA20_H

#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include "crypt.h"

/* An offset that the verifier believes to lie in b. */
static __always_inline __u64 crypt_bound(__u64 off)
{
	asm volatile("%0 &= %1" : "+r"(off) : "i"(CRYPT_MASK));
	return off;
}

/* One step of a quarter round: x += y; z ^= x; z rotated left by n. */
#define CHACHA_STEP(x, y, z, n, rest)				\
	x " += " y "; " z " ^= " x "; %[t] = " z "; "		\
	z " <<= " #n "; %[t] >>= " #rest "; " z " |= %[t]; "

/* The same step of two quarter rounds, whose words are a, b, c, d and e, f, g, h. */
#define CHACHA_STEP_AB(n, rest)					\
	CHACHA_STEP("%[a]", "%[b]", "%[d]", n, rest) CHACHA_STEP("%[e]", "%[f]", "%[h]", n, rest)
#define CHACHA_STEP_CD(n, rest)					\
	CHACHA_STEP("%[c]", "%[d]", "%[b]", n, rest) CHACHA_STEP("%[g]", "%[h]", "%[f]", n, rest)

#define CHACHA_LOAD(x, n)	"%[" #x "] = *(u32 *)(%[work] + %[" #n "]); "
#define CHACHA_STORE(x, n)	"*(u32 *)(%[work] + %[" #n "]) = %[" #x "]; "

/*
 * Quarter rounds of words i to l and i2 to l2 of block n of c->work. In assembly: left to itself the compiler mixes
 * more of them, for which ten registers are too few, and spills and copies take longer than the arithmetic. These two
 * take all ten.
 */
#define CHACHA_QUARTERS(n, i, j, k, l, i2, j2, k2, l2) do {				\
	__u32 ra, rb, rc, rd, re, rf, rg, rh, rt;					\
	asm volatile(CHACHA_LOAD(a, o0) CHACHA_LOAD(b, o1) CHACHA_LOAD(d, o3) CHACHA_LOAD(c, o2)	\
		     CHACHA_LOAD(e, o4) CHACHA_LOAD(f, o5) CHACHA_LOAD(h, o7) CHACHA_LOAD(g, o6)	\
		     CHACHA_STEP_AB(16, 16) CHACHA_STEP_CD(12, 20) CHACHA_STEP_AB(8, 24)	\
		     CHACHA_STORE(a, o0) CHACHA_STORE(d, o3) CHACHA_STORE(e, o4) CHACHA_STORE(h, o7)	\
		     CHACHA_STEP_CD(7, 25)						\
		     CHACHA_STORE(c, o2) CHACHA_STORE(b, o1) CHACHA_STORE(g, o6) CHACHA_STORE(f, o5)	\
		     : [a] "=&w"(ra), [b] "=&w"(rb), [c] "=&w"(rc), [d] "=&w"(rd), [e] "=&w"(re),	\
		       [f] "=&w"(rf), [g] "=&w"(rg), [h] "=&w"(rh), [t] "=&w"(rt)		\
		     : [work] "r"(work), [o0] "i"(64 * (n) + 4 * (i)), [o1] "i"(64 * (n) + 4 * (j)),	\
		       [o2] "i"(64 * (n) + 4 * (k)), [o3] "i"(64 * (n) + 4 * (l)),		\
		       [o4] "i"(64 * (n) + 4 * (i2)), [o5] "i"(64 * (n) + 4 * (j2)),		\
		       [o6] "i"(64 * (n) + 4 * (k2)), [o7] "i"(64 * (n) + 4 * (l2))		\
		     : "memory");							\
} while (0)

#define CHACHA_DOUBLE_ROUNDS	10

/* Of each of the two blocks: the processor finds out by itself that they do not depend on each other. */
#define CHACHA_BOTH(i, j, k, l, i2, j2, k2, l2)	do {		\
	CHACHA_QUARTERS(0, i, j, k, l, i2, j2, k2, l2);		\
	CHACHA_QUARTERS(1, i, j, k, l, i2, j2, k2, l2);		\
} while (0)

/*
 * Two blocks of key stream for c->state, exclusive-ored to the 64 octets at b[at] and at b[then]; the counter goes up
 * by two. Two at a time, for one alone spends its time waiting for its own results.
 */
__noinline int chacha20_blocks(struct crypt *c, __u32 at, __u32 then)
{
	crypt_u32 *first, *second;
	__u32 *work;
	int i;

	if (!c)
		return -1;
	work = c->work;
	for (i = 0; i < 16; i++)
		work[i] = work[16 + i] = c->state[i];
	work[16 + 12]++;
	for (i = 0; i < CHACHA_DOUBLE_ROUNDS; i++) {
		CHACHA_BOTH(0, 4, 8, 12, 1, 5, 9, 13);
		CHACHA_BOTH(2, 6, 10, 14, 3, 7, 11, 15);
		CHACHA_BOTH(0, 5, 10, 15, 1, 6, 11, 12);
		CHACHA_BOTH(2, 7, 8, 13, 3, 4, 9, 14);
	}

	first = (crypt_u32 *)(c->b + crypt_bound(at));
	second = (crypt_u32 *)(c->b + crypt_bound(then));
	for (i = 0; i < 16; i++) {
		first[i] ^= crypt_le32(work[i] + c->state[i]);
		if (i == 12)
			c->state[12]++;
		second[i] ^= crypt_le32(work[16 + i] + c->state[i]);
	}
	c->state[12]++;
	return 0;
}

/* key: 32 octets as they lie. nonce: four words as they lie; of ChaCha20's nonce the first is the counter. */
static __always_inline void chacha20_init(struct crypt *c, const crypt_u32 key[8],
					  const crypt_u32 nonce[4])
{
	int i;

	c->state[0] = 0x61707865;	/* "expand 32-byte k" */
	c->state[1] = 0x3320646e;
	c->state[2] = 0x79622d32;
	c->state[3] = 0x6b206574;
	for (i = 0; i < 8; i++)
		c->state[4 + i] = crypt_le32(key[i]);
	for (i = 0; i < 4; i++)
		c->state[12 + i] = crypt_le32(nonce[i]);
}

static __always_inline void crypt_clear_stream(struct crypt *c)
{
	crypt_u64 *w = (crypt_u64 *)(c->b + CRYPT_STREAM);
	int i;

	for (i = 0; i < CRYPT_BLOCK / 8; i++)
		w[i] = 0;
}

/* Exclusive-ors key stream from the present counter on to the text from off on; at most 127 octets behind its end too. */
__noinline int chacha20_text(struct crypt *c, __u32 off, __u32 len)
{
	__u32 i, at;

	if (!c || off > CRYPT_BLOCK)
		return -1;
	for (i = 0; i < CRYPT_TEXT_MAX / CRYPT_BLOCK / 2; i++) {
		at = off + i * 2 * CRYPT_BLOCK;
		if (at >= len)
			break;
		chacha20_blocks(c, CRYPT_TEXT + at, CRYPT_TEXT + at + CRYPT_BLOCK);
	}
	return 0;
}

/*
 * HChaCha20 of c->key and the 16 octets of nonce in tag: replaces c->key. A block of ChaCha20 is its rounds' result
 * plus its input, and HChaCha20 is eight words of that result.
 */
__noinline int hchacha20(struct crypt *c)
{
	crypt_u32 *out, *stream;
	int i;

	if (!c)
		return -1;
	out = (crypt_u32 *)c->key;
	stream = (crypt_u32 *)(c->b + CRYPT_STREAM);
	chacha20_init(c, out, (crypt_u32 *)c->tag);
	crypt_clear_stream(c);
	chacha20_blocks(c, CRYPT_STREAM, CRYPT_SCRAP);
	c->state[12] -= 2;	/* as it was for the first block */
	for (i = 0; i < 4; i++) {
		out[i] = crypt_le32(crypt_le32(stream[i]) - c->state[i]);
		out[4 + i] = crypt_le32(crypt_le32(stream[12 + i]) - c->state[12 + i]);
	}
	return 0;
}

#endif
