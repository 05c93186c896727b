/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What OpenSSL makes of the same packets: the other side of the tests of keyed channels. HChaCha20, which OpenSSL has
 * not, is written anew from its definition. Every function asserts that OpenSSL did its work.
 */
#ifndef VARP_TESTS_BPF_REFERENCE_H
#define VARP_TESTS_BPF_REFERENCE_H

#include <stddef.h>
#include <linux/types.h>

void reference_hchacha20(const __u8 key[32], const __u8 nonce[16], __u8 out[32]);
/* Seals in place by XChaCha20-Poly1305. */
void reference_aead(const __u8 key[32], const __u8 nonce[24], const void *aad, size_t aad_len, __u8 *text,
		    size_t len, __u8 tag[16]);
/* SipHash-2-4-128 */
void reference_siphash(const __u8 key[16], const void *data, size_t len, __u8 tag[16]);

#endif
