// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * The primitives of keyed channels, each as a program of its own that works on one global struct crypt. Only for
 * test_crypto.c, which fills it in, runs a program and looks at what has become of it.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include "aead.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct crypt crypt;
__u64 nonce;
__u32 text_len;

SEC("tc")
int run_chacha20(struct __sk_buff *skb)
{
	(void)skb;
	chacha20_init(&crypt, (crypt_u32 *)crypt.key, (crypt_u32 *)crypt.tag);
	return chacha20_text(&crypt, 0, text_len);
}

SEC("tc")
int run_hchacha20(struct __sk_buff *skb)
{
	(void)skb;
	return hchacha20(&crypt);
}

/* The one-time key is where a seal would have it: in the stream. */
SEC("tc")
int run_poly1305(struct __sk_buff *skb)
{
	crypt_u32 *key = (crypt_u32 *)(crypt.b + CRYPT_STREAM);

	(void)skb;
	poly1305_init(&crypt, key);
	poly1305_blocks(&crypt, text_len / POLY_BLOCK);
	poly1305_final(&crypt, key + 4);
	return 0;
}

SEC("tc")
int run_seal(struct __sk_buff *skb)
{
	(void)skb;
	return aead_seal(&crypt, nonce, text_len);
}

SEC("tc")
int run_open(struct __sk_buff *skb)
{
	(void)skb;
	return aead_open(&crypt, nonce, text_len);
}

SEC("tc")
int run_siphash(struct __sk_buff *skb)
{
	(void)skb;
	return auth_mac(&crypt, text_len);
}
