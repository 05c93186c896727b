// SPDX-License-Identifier: BSD-2-Clause
/*
 * See reference.h. Only for the BPF tests.
 */
#include <string.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include "harness.h"
#include "reference.h"

#define TAG_LEN		16
#define LE32(p)		((__u32)(p)[0] | (__u32)(p)[1] << 8 | (__u32)(p)[2] << 16 | (__u32)(p)[3] << 24)
#define ROTL(x, n)	((x) << (n) | (x) >> (32 - (n)))

static void quarter(__u32 *x, int a, int b, int c, int d)
{
	x[a] += x[b], x[d] = ROTL(x[d] ^ x[a], 16);
	x[c] += x[d], x[b] = ROTL(x[b] ^ x[c], 12);
	x[a] += x[b], x[d] = ROTL(x[d] ^ x[a], 8);
	x[c] += x[d], x[b] = ROTL(x[b] ^ x[c], 7);
}

/* OpenSSL has none of it; another writing of the same definition. */
void reference_hchacha20(const __u8 key[32], const __u8 nonce[16], __u8 out[32])
{
	__u32 x[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
	int i;

	for (i = 0; i < 8; i++)
		x[4 + i] = LE32(key + 4 * i);
	for (i = 0; i < 4; i++)
		x[12 + i] = LE32(nonce + 4 * i);
	for (i = 0; i < 80; i++) {
		int q = i % 8, turn = q > 3;

		q &= 3;
		quarter(x, q, 4 + (q + turn) % 4, 8 + (q + 2 * turn) % 4, 12 + (q + 3 * turn) % 4);
	}
	for (i = 0; i < 32; i++)
		out[i] = x[i < 16 ? i / 4 : 8 + i / 4] >> i % 4 * 8;
}

void reference_aead(const __u8 key[32], const __u8 nonce[24], const void *aad, size_t aad_len, __u8 *text,
		    size_t len, __u8 tag[TAG_LEN])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	__u8 subkey[32], iv[12] = {};
	int n;

	reference_hchacha20(key, nonce, subkey);
	memcpy(iv + 4, nonce + 16, 8);
	assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_chacha20_poly1305(), NULL, subkey, iv), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, aad, aad_len), 1);
	if (len)
		assert_int_equal(EVP_EncryptUpdate(ctx, text, &n, text, len), 1);
	assert_int_equal(EVP_EncryptFinal_ex(ctx, text + len, &n), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, tag), 1);
	EVP_CIPHER_CTX_free(ctx);
}

void reference_siphash(const __u8 key[16], const void *data, size_t len, __u8 tag[TAG_LEN])
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	size_t size = TAG_LEN, n;
	OSSL_PARAM params[] = { OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_END };

	assert_int_equal(EVP_MAC_init(ctx, key, 16, params), 1);
	assert_int_equal(EVP_MAC_update(ctx, data, len), 1);
	assert_int_equal(EVP_MAC_final(ctx, tag, &n, TAG_LEN), 1);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}
