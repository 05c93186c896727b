/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The workbench of keyed channels: one packet with all that its tag covers, laid out so that each primitive runs over
 * one contiguous piece. Lives in a map value; the primitives are global functions, which the verifier looks at once,
 * whoever calls them. They know nothing of packets and channels.
 * The tests include this one too.
 *
 *	b[CRYPT_STREAM]	64 octets: where a block of key stream goes that is no text's
 *	b[CRYPT_AAD]	80 octets: what is authenticated and not encrypted
 *	b[CRYPT_TEXT]	the packet, and room for padding and Poly1305's last block
 */
#ifndef VARP_BPF_CRYPT_H
#define VARP_BPF_CRYPT_H

#include <linux/types.h>

#define CRYPT_KEY_LEN	32
#define CRYPT_TAG_LEN	16
#define CRYPT_AAD_LEN	80
#define CRYPT_TEXT_MAX	9216	/* octets of an inner packet: jumbo frames, not super-packets */
#define CRYPT_BLOCK	64	/* of ChaCha20 */

#define CRYPT_STREAM	0
#define CRYPT_AAD	(CRYPT_STREAM + CRYPT_BLOCK)
#define CRYPT_TEXT	(CRYPT_AAD + CRYPT_AAD_LEN)
/* Behind the text: padding, the lengths at the end of what Poly1305 sees, key stream that nobody needs. */
#define CRYPT_SCRAP	(CRYPT_TEXT + CRYPT_TEXT_MAX + 2 * CRYPT_BLOCK)
#define CRYPT_ROOM	(CRYPT_SCRAP + CRYPT_BLOCK)

/* Offsets into b are masked by this for the verifier's sake; b is longer by what is read at once. */
#define CRYPT_MASK	0x3fff
#define CRYPT_OCTETS	(CRYPT_MASK + 1 + CRYPT_BLOCK)

_Static_assert(CRYPT_ROOM <= CRYPT_MASK, "offsets fit the mask");
_Static_assert(CRYPT_AAD_LEN % 16 == 0, "the text begins a block of Poly1305");

struct crypt {
	__u32 state[16];	/* ChaCha20: constants, key, counter, nonce */
	__u32 work[32];		/* two blocks in the making */
	__u64 r[4];		/* Poly1305: multiplier, and 5/4 of it */
	__u64 s[4];
	__u64 h[5];		/* Poly1305: accumulator */
	__u64 key[4];		/* of the primitive that is asked for; octets as they lie */
	__u64 tag[2];		/* its result, likewise */
	__u8 b[CRYPT_OCTETS];
} __attribute__((aligned(8)));

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define crypt_le32(x)	(x)
#define crypt_le64(x)	(x)
#else
#define crypt_le32(x)	__builtin_bswap32(x)
#define crypt_le64(x)	__builtin_bswap64(x)
#endif

typedef __u32 __attribute__((may_alias)) crypt_u32;
typedef __u64 __attribute__((may_alias)) crypt_u64;

#endif
