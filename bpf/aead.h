/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What protects a packet in a struct crypt: XChaCha20-Poly1305 (the construction of RFC 8439, section 2.8, under a key
 * made by HChaCha20), and SipHash-2-4 of 128 bits where nothing is encrypted. Called by seal.h and open.h and by the
 * tests. The additional data are always CRYPT_AAD_LEN octets.
 */
#ifndef VARP_BPF_AEAD_H
#define VARP_BPF_AEAD_H

#include <varp/siphash.h>
#include "chacha20.h"
#include "poly1305.h"

#define CRYPT_WORDS_MAX	((CRYPT_AAD_LEN + CRYPT_TEXT_MAX) / 8)

/*
 * c->key is the subkey, nonce the eight octets behind the salt. Leaves Poly1305's key in the stream; first is where
 * block 1 goes.
 */
static __always_inline void aead_init(struct crypt *c, __u64 nonce, __u32 first)
{
	crypt_u32 words[4] = { 0, 0, nonce, nonce >> 32 };

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	words[2] = nonce >> 32;
	words[3] = nonce;
#endif
	chacha20_init(c, (crypt_u32 *)c->key, words);
	crypt_clear_stream(c);
	chacha20_blocks(c, CRYPT_STREAM, first);
}

/* Poly1305 over additional data and ciphertext, both padded, and their lengths. Into c->tag. */
static __always_inline void aead_mac(struct crypt *c, __u32 len)
{
	crypt_u32 *key = (crypt_u32 *)(c->b + CRYPT_STREAM);
	__u64 padded, *w;

	poly1305_init(c, key);
	w = (__u64 *)(c->b + crypt_bound(CRYPT_TEXT + len));
	w[0] = 0;
	w[1] = 0;
	padded = (len + POLY_BLOCK - 1) / POLY_BLOCK * POLY_BLOCK;
	w = (__u64 *)(c->b + crypt_bound(CRYPT_TEXT + padded));
	w[0] = crypt_le64((__u64)CRYPT_AAD_LEN);
	w[1] = crypt_le64((__u64)len);
	poly1305_blocks(c, (CRYPT_AAD_LEN + padded + POLY_BLOCK) / POLY_BLOCK);
	poly1305_final(c, key + 4);
}

/* Text becomes ciphertext, c->tag its tag. */
__noinline int aead_seal(struct crypt *c, __u64 nonce, __u32 len)
{
	if (!c || len > CRYPT_TEXT_MAX)
		return -1;
	aead_init(c, nonce, CRYPT_TEXT);
	chacha20_text(c, CRYPT_BLOCK, len);
	aead_mac(c, len);
	return 0;
}

static __always_inline bool tag_equal(const __u64 a[2], const __u64 b[2])
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]));
}

/* Zero, and ciphertext has become text; else c->tag is not its tag and it stays as it is. */
__noinline int aead_open(struct crypt *c, __u64 nonce, __u32 len)
{
	crypt_u64 *text, *stream;
	__u64 tag[2];
	int i;

	if (!c || len > CRYPT_TEXT_MAX)
		return -1;
	tag[0] = c->tag[0];
	tag[1] = c->tag[1];
	/* Not yet to the text, which is still to be judged. */
	stream = (crypt_u64 *)(c->b + CRYPT_SCRAP);
	for (i = 0; i < CRYPT_BLOCK / 8; i++)
		stream[i] = 0;
	aead_init(c, nonce, CRYPT_SCRAP);
	aead_mac(c, len);
	if (!tag_equal(tag, c->tag))
		return -1;
	text = (crypt_u64 *)(c->b + CRYPT_TEXT);
	for (i = 0; i < CRYPT_BLOCK / 8; i++)
		text[i] ^= stream[i];
	return chacha20_text(c, CRYPT_BLOCK, len);
}

/* SipHash-2-4-128 over additional data and text, under the first half of c->key. Into c->tag. */
__noinline int auth_mac(struct crypt *c, __u32 len)
{
	struct varp_siphash s;
	__u32 i, words, rest;
	__u64 *w, last;

	if (!c || len > CRYPT_TEXT_MAX)
		return -1;
	varp_siphash_init(&s, c->key);
	words = (CRYPT_AAD_LEN + len) / 8;
	for (i = 0; i < CRYPT_WORDS_MAX && i < words; i++) {
		w = (__u64 *)(c->b + CRYPT_AAD + i * 8);
		varp_siphash_word(&s, *w);
	}
	rest = len % 8;
	w = (__u64 *)(c->b + crypt_bound(CRYPT_AAD + words * 8));
	last = rest ? crypt_le64(*w) << (64 - 8 * rest) >> (64 - 8 * rest) : 0;
	varp_siphash_end(&s, last | (__u64)(CRYPT_AAD_LEN + len) << 56, c->tag);
	return 0;
}

#endif
