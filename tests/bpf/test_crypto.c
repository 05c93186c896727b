// SPDX-License-Identifier: BSD-2-Clause
/*
 * The primitives of keyed channels as they run in the kernel: published vectors, and random packets against OpenSSL's
 * results. VARP_CRYPTO_PACKETS says how many of those (20,000), VARP_CRYPTO_BENCH=1 prints what the primitives cost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <openssl/evp.h>
#include "bpf/crypt.h"
#include "harness.h"
#include "reference.h"
#include "crypto.skel.h"

#define STREAM	CRYPT_STREAM
#define AAD	CRYPT_AAD
#define AAD_LEN	CRYPT_AAD_LEN
#define TEXT	CRYPT_TEXT
#define TEXT_MAX CRYPT_TEXT_MAX
#define TAG_LEN	16

static struct crypto_bpf *obj;

static int run(const struct bpf_program *prog, unsigned int repeat, __u32 *ns)
{
	__u8 frame[64] = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = repeat);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
	if (ns)
		*ns = opts.duration;
	return (int)opts.retval;
}

static size_t hex(const char *text, __u8 *to)
{
	size_t len = 0;
	unsigned int v;

	for (; *text; text++) {
		if (*text == ' ')
			continue;
		assert_int_equal(sscanf(text, "%2x", &v), 1);
		to[len++] = v;
		text++;
	}
	return len;
}

static void expect_octets(const char *what, const void *got, const char *want_hex)
{
	__u8 want[512];
	size_t len = hex(want_hex, want), i;

	for (i = 0; i < len; i++)
		if (((const __u8 *)got)[i] != want[i])
			fail_msg("%s: octet %zu is %02x, not %02x", what, i, ((const __u8 *)got)[i], want[i]);
}

static __u8 *octets(void)
{
	return obj->bss->crypt.b;
}

/* --- Vectors ------------------------------------------------------------------------------------------------------- */

static const char sunscreen[] =
	"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would "
	"be it.";

#define COUNTING_KEY	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/* RFC 8439, section 2.4.2; the counter is the nonce's first word here. */
static void test_chacha20_rfc8439_encrypts(void **state)
{
	size_t len = strlen(sunscreen);

	(void)state;
	hex(COUNTING_KEY, (__u8 *)obj->bss->crypt.key);
	hex("01000000 000000000000004a00000000", (__u8 *)obj->bss->crypt.tag);
	memcpy(octets() + TEXT, sunscreen, len);
	obj->bss->text_len = len;
	assert_int_equal(run(obj->progs.run_chacha20, 1, NULL), 0);
	expect_octets("RFC 8439, 2.4.2", octets() + TEXT,
		      "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b"
		      "f91b65c5524733ab8f593dabcd62b3571639d624e65152ab8f530c359f0861d8"
		      "07ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736"
		      "5af90bbf74a35be6b40b8eedf2785e42874d");
}

/* The carry of the counter's word stays in it. */
static void test_chacha20_counter_wraps_as_openssls(void **state)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	__u8 key[32], iv[16], want[256] = {};
	int len;

	(void)state;
	hex(COUNTING_KEY, key);
	hex("fffffffe 000000000000004a00000000", iv);
	iv[0] = 0xfe, iv[1] = iv[2] = iv[3] = 0xff;
	memcpy(obj->bss->crypt.key, key, sizeof(key));
	memcpy(obj->bss->crypt.tag, iv, sizeof(iv));
	memset(octets() + TEXT, 0, 128);
	obj->bss->text_len = 128;
	assert_int_equal(run(obj->progs.run_chacha20, 1, NULL), 0);
	assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_chacha20(), NULL, key, iv), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, want, &len, want, 128), 1);
	assert_memory_equal(octets() + TEXT, want, 128);
	EVP_CIPHER_CTX_free(ctx);
}

/* draft-irtf-cfrg-xchacha-03, section 2.2.1 */
static void test_hchacha20_draft_derives(void **state)
{
	(void)state;
	hex(COUNTING_KEY, (__u8 *)obj->bss->crypt.key);
	hex("000000090000004a0000000031415927", (__u8 *)obj->bss->crypt.tag);
	assert_int_equal(run(obj->progs.run_hchacha20, 1, NULL), 0);
	expect_octets("xchacha draft, 2.2.1", obj->bss->crypt.key,
		      "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc");
}

/* Messages of whole blocks. RFC 8439, section 2.5.2 (its first two blocks have no tag of their own) and A.3. */
static void test_poly1305_rfc8439_tags(void **state)
{
	static const struct {
		const char *name, *key, *message, *tag;
	} rows[] = {
		{ "A.3 1: nothing but zero", "00000000000000000000000000000000 00000000000000000000000000000000",
		  "00000000000000000000000000000000 00000000000000000000000000000000"
		  "00000000000000000000000000000000 00000000000000000000000000000000",
		  "00000000000000000000000000000000" },
		{ "A.3 7: 2^130-5 and more", "02000000000000000000000000000000 00000000000000000000000000000000",
		  "ffffffffffffffffffffffffffffffff", "03000000000000000000000000000000" },
		{ "A.3 8: carry out of the pad", "02000000000000000000000000000000 ffffffffffffffffffffffffffffffff",
		  "02000000000000000000000000000000", "03000000000000000000000000000000" },
		{ "A.3 9: all carries", "01000000000000000000000000000000 00000000000000000000000000000000",
		  "ffffffffffffffffffffffffffffffff f0ffffffffffffffffffffffffffffff"
		  "11000000000000000000000000000000", "05000000000000000000000000000000" },
		{ "A.3 10: sums to 2^130-5", "01000000000000000000000000000000 00000000000000000000000000000000",
		  "ffffffffffffffffffffffffffffffff fbfefefefefefefefefefefefefefefe"
		  "01010101010101010101010101010101", "00000000000000000000000000000000" },
		{ "A.3 11: 2^130-6", "02000000000000000000000000000000 00000000000000000000000000000000",
		  "fdffffffffffffffffffffffffffffff", "faffffffffffffffffffffffffffffff" },
		{ "A.3 12: past 2^128 by a product", "01000000000000000400000000000000"
		  "00000000000000000000000000000000",
		  "e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000"
		  "0000000000000000 01000000000000000000000000000000", "14000000000000005500000000000000" },
		{ "A.3 13", "0100000000000000040000000000000000000000000000000000000000000000",
		  "e33594d7505e43b900000000000000003394d7505e4379cd010000000000000000000000000000000000000000000000",
		  "13000000000000000000000000000000" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		hex(rows[i].key, octets() + STREAM);
		obj->bss->text_len = hex(rows[i].message, octets() + AAD);
		assert_int_equal(run(obj->progs.run_poly1305, 1, NULL), 0);
		expect_octets(rows[i].name, obj->bss->crypt.tag, rows[i].tag);
	}
}

/* --- Against OpenSSL ----------------------------------------------------------------------------------------------- */

/* splitmix64: the tests' own numbers, the same in every run. */
static __u64 seed = 42;

static __u64 number(void)
{
	__u64 z = (seed += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static void fill_random(void *to, size_t len)
{
	__u8 *b = to;
	__u64 n = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (i % 8 == 0)
			n = number();
		b[i] = n >> i % 8 * 8;
	}
}

/* Mostly what frames are; all short ones; now and then up to the longest. Some octets are all ones or zero. */
static size_t random_text(__u8 *to, unsigned int n)
{
	size_t len = n < 300 ? n : number() % (n % 100 ? 1500 : TEXT_MAX + 1);

	fill_random(to, len);
	if (n % 16 == 1)
		memset(to, 0xff, len);
	if (n % 16 == 2)
		memset(to, 0, len);
	return len;
}

static unsigned int packets(void)
{
	const char *text = getenv("VARP_CRYPTO_PACKETS");

	return text ? strtoul(text, NULL, 10) : 20000;
}

/* The largest multiplier, and blocks of ones: no sum may run over. */
static void test_poly1305_largest_numbers_as_openssls(void **state)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	__u8 key[32], want[TAG_LEN];
	size_t len, out;
	int ones;

	(void)state;
	for (ones = 0; ones < 2; ones++)
		for (len = 16; len <= 4096; len += 16) {
			fill_random(key, sizeof(key));
			memset(key, 0xff, 16);
			fill_random(octets() + AAD, len);
			if (ones)
				memset(octets() + AAD, 0xff, len);
			memcpy(octets() + STREAM, key, sizeof(key));
			assert_int_equal(EVP_MAC_init(ctx, key, sizeof(key), NULL), 1);
			assert_int_equal(EVP_MAC_update(ctx, octets() + AAD, len), 1);
			assert_int_equal(EVP_MAC_final(ctx, want, &out, sizeof(want)), 1);
			obj->bss->text_len = len;
			assert_int_equal(run(obj->progs.run_poly1305, 1, NULL), 0);
			assert_memory_equal(obj->bss->crypt.tag, want, TAG_LEN);
		}
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

/* draft-irtf-cfrg-xchacha-03, A.3.1: its additional data are shorter than ours, so the reference is held to it. */
static void test_reference_draft_agrees(void **state)
{
	__u8 key[32], nonce[24], aad[12], text[256], tag[TAG_LEN];
	size_t len = strlen(sunscreen);

	(void)state;
	hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", key);
	hex("404142434445464748494a4b4c4d4e4f5051525354555657", nonce);
	hex("50515253c0c1c2c3c4c5c6c7", aad);
	memcpy(text, sunscreen, len);
	reference_aead(key, nonce, aad, sizeof(aad), text, len, tag);
	expect_octets("tag", tag, "c0875924c1c7987947deafd8780acf49");
	expect_octets("ciphertext", text, "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
		      "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e"
		      "3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52e");
}

static void put_key(const __u8 key[32], const __u8 nonce[24])
{
	memcpy(obj->bss->crypt.key, key, 32);
	memcpy(obj->bss->crypt.tag, nonce, 16);
	memcpy(&obj->bss->nonce, nonce + 16, 8);
	assert_int_equal(run(obj->progs.run_hchacha20, 1, NULL), 0);
}

static void test_aead_random_packets_as_openssls(void **state)
{
	static __u8 text[TEXT_MAX + TAG_LEN], sealed[TEXT_MAX + TAG_LEN];
	__u8 key[32], nonce[24], tag[TAG_LEN];
	unsigned int n, count = packets();
	size_t len;

	(void)state;
	for (n = 0; n < count; n++) {
		fill_random(key, sizeof(key));
		fill_random(nonce, sizeof(nonce));
		fill_random(octets() + AAD, AAD_LEN);
		len = random_text(text, n);
		memcpy(octets() + TEXT, text, len);
		memcpy(sealed, text, len);
		reference_aead(key, nonce, octets() + AAD, AAD_LEN, sealed, len, tag);

		put_key(key, nonce);
		obj->bss->text_len = len;
		assert_int_equal(run(obj->progs.run_seal, 1, NULL), 0);
		if (memcmp(obj->bss->crypt.tag, tag, TAG_LEN) || memcmp(octets() + TEXT, sealed, len))
			fail_msg("packet %u of %zu octets is sealed otherwise than by OpenSSL", n, len);
		if (run(obj->progs.run_open, 1, NULL) || memcmp(octets() + TEXT, text, len))
			fail_msg("packet %u of %zu octets does not open", n, len);
	}
}

static void test_aead_any_bit_changed_refused_and_left_alone(void **state)
{
	static const size_t at[] = { AAD, AAD + AAD_LEN - 1, TEXT, TEXT + 15, TEXT + 16, TEXT + 99 };
	static const __u8 key[32] = { 1 }, nonce[24] = { 2 };
	__u8 before[TEXT + 100], tag[TAG_LEN];
	size_t i;

	(void)state;
	put_key(key, nonce);
	memset(octets() + AAD, 7, AAD_LEN + 100);
	obj->bss->text_len = 100;
	assert_int_equal(run(obj->progs.run_seal, 1, NULL), 0);
	memcpy(tag, obj->bss->crypt.tag, TAG_LEN);
	for (i = 0; i < ARRAY_SIZE(at) + TAG_LEN; i++) {
		memcpy(obj->bss->crypt.tag, tag, TAG_LEN);
		if (i < ARRAY_SIZE(at))
			octets()[at[i]] ^= 0x10;
		else
			((__u8 *)obj->bss->crypt.tag)[i - ARRAY_SIZE(at)] ^= 1;
		memcpy(before, octets(), sizeof(before));
		assert_int_equal(run(obj->progs.run_open, 1, NULL), -1);
		assert_memory_equal(before + AAD, octets() + AAD, AAD_LEN + 100);
		if (i < ARRAY_SIZE(at))
			octets()[at[i]] ^= 0x10;
	}
	memcpy(obj->bss->crypt.tag, tag, TAG_LEN);
	obj->bss->text_len = 99;
	assert_int_equal(run(obj->progs.run_open, 1, NULL), -1);
	obj->bss->nonce ^= 1;
	obj->bss->text_len = 100;
	assert_int_equal(run(obj->progs.run_open, 1, NULL), -1);
}

static void test_length_beyond_the_longest_refused(void **state)
{
	(void)state;
	obj->bss->text_len = TEXT_MAX + 1;
	assert_int_equal(run(obj->progs.run_seal, 1, NULL), -1);
	assert_int_equal(run(obj->progs.run_open, 1, NULL), -1);
	assert_int_equal(run(obj->progs.run_siphash, 1, NULL), -1);
}

/* The reference implementation's vectors (key and message count upwards), at lengths that are not below ours. */
static void test_siphash_reference_vector_for_openssls(void **state)
{
	__u8 b[64], tag[TAG_LEN];
	int i;

	(void)state;
	for (i = 0; i < 64; i++)
		b[i] = i;
	reference_siphash(b, b, 0, tag);
	expect_octets("0 octets", tag, "a3817f04ba25a8e66df67214c7550293");
	reference_siphash(b, b, 1, tag);
	expect_octets("1 octet", tag, "da87c1d86b99af44347659119b22fc45");
	reference_siphash(b, b, 63, tag);
	expect_octets("63 octets", tag, "5150d1772f50834a503e069a973fbd7c");
}

static void test_siphash_random_packets_as_openssls(void **state)
{
	unsigned int n, count = packets();
	__u8 tag[TAG_LEN];
	size_t len;

	(void)state;
	for (n = 0; n < count; n++) {
		fill_random(obj->bss->crypt.key, 16);
		fill_random(octets() + AAD, AAD_LEN);
		len = random_text(octets() + TEXT, n);
		fill_random(octets() + TEXT + len, 16);	/* what an earlier packet left */
		obj->bss->text_len = len;
		reference_siphash((__u8 *)obj->bss->crypt.key, octets() + AAD, AAD_LEN + len, tag);
		assert_int_equal(run(obj->progs.run_siphash, 1, NULL), 0);
		if (memcmp(obj->bss->crypt.tag, tag, TAG_LEN))
			fail_msg("packet %u of %zu octets is tagged otherwise than by OpenSSL", n, len);
	}
}

/* --- What it costs ------------------------------------------------------------------------------------------------- */

static void test_cost_printed(void **state)
{
	static const __u32 lens[] = { 64, 1400 };
	const struct { const char *name; const struct bpf_program *prog; } rows[] = {
		{ "SipHash-2-4-128", obj->progs.run_siphash },
		{ "HChaCha20", obj->progs.run_hchacha20 },
		{ "ChaCha20", obj->progs.run_chacha20 },
		{ "ChaCha20-Poly1305 seal", obj->progs.run_seal },
	};
	__u32 ns, best;
	size_t i, j;
	int k;

	(void)state;
	if (!getenv("VARP_CRYPTO_BENCH"))
		return;
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (j = 0; j < ARRAY_SIZE(lens); j++) {
			obj->bss->text_len = lens[j];
			for (k = 0, best = ~0u; k < 100; k++) {
				run(rows[i].prog, 1000, &ns);
				best = ns < best ? ns : best;
			}
			print_message("%-24s %5u octets: %5u ns\n", rows[i].name, lens[j], best);
		}
}

static int open_programs(void **state)
{
	(void)state;
	obj = crypto_bpf__open_and_load();
	return obj ? 0 : -1;
}

static int close_programs(void **state)
{
	(void)state;
	crypto_bpf__destroy(obj);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chacha20_rfc8439_encrypts),
		cmocka_unit_test(test_chacha20_counter_wraps_as_openssls),
		cmocka_unit_test(test_hchacha20_draft_derives),
		cmocka_unit_test(test_poly1305_rfc8439_tags),
		cmocka_unit_test(test_poly1305_largest_numbers_as_openssls),
		cmocka_unit_test(test_reference_draft_agrees),
		cmocka_unit_test(test_aead_random_packets_as_openssls),
		cmocka_unit_test(test_aead_any_bit_changed_refused_and_left_alone),
		cmocka_unit_test(test_length_beyond_the_longest_refused),
		cmocka_unit_test(test_siphash_reference_vector_for_openssls),
		cmocka_unit_test(test_siphash_random_packets_as_openssls),
		cmocka_unit_test(test_cost_printed),
	};

	if (geteuid()) {
		printf("1..1\nok 1 - crypto # SKIP loading BPF programs needs root\n");
		return 0;
	}
	return cmocka_run_group_tests_name("crypto", tests, open_programs, close_programs);
}
