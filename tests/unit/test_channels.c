// SPDX-License-Identifier: BSD-2-Clause
/*
 * channels: keys of epochs and when they hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/varpd/channels.h"

#define NS	1000000000ull

static const struct varp_combo combo = { .snid = { .b = { [9] = 0x10 } }, .chid = { .b = { [5] = 7 } } };

static void fill_secret(uint8_t secret[VARP_CHANNEL_KEY_LEN])
{
	for (int i = 0; i < VARP_CHANNEL_KEY_LEN; i++)
		secret[i] = (uint8_t)i;
}

/* From an implementation of RFC 5869 in another language. */
static void test_epoch_key_vectors_as_hkdf(void **state)
{
	static const struct {
		uint32_t mode, epoch;
		const char *hex;
	} rows[] = {
		{ VARP_CHANNEL_AUTH, 5, "8accbf83154510d8067ccf0607ede3e47a4cd9dd6c50f5bb9429516a36a4a7ea" },
		{ VARP_CHANNEL_AEAD, 5, "9eeb164f65125aec3c1987e034b06ca38e80e0e12b77dc6381f2c9319c16a015" },
		{ VARP_CHANNEL_AEAD, 0x12345678,
		  "935432a14f1b4b7db80883c6ee9b692f910236971920c6f5d7f5cf01d75210ce" },
	};
	uint8_t secret[VARP_CHANNEL_KEY_LEN], key[VARP_CHANNEL_KEY_LEN];
	char text[2 * VARP_CHANNEL_KEY_LEN + 1];

	(void)state;
	fill_secret(secret);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(channels_epoch_key(secret, &combo, rows[i].mode, rows[i].epoch, key), 0);
		for (size_t k = 0; k < sizeof(key); k++)
			sprintf(text + 2 * k, "%02x", key[k]);
		assert_string_equal(text, rows[i].hex);
	}
}

static void test_fill_last_this_and_two_to_come(void **state)
{
	struct varp_channel channel = { .mode = VARP_CHANNEL_AEAD, .rotate_s = 100 };
	const uint64_t boot = 5000 * NS, wall = 1234567 * NS;	/* epoch 12345 is 67 s old */
	uint8_t key[VARP_CHANNEL_KEY_LEN];

	(void)state;
	fill_secret(channel.secret);
	assert_int_equal(channels_fill(&channel, &combo, wall, boot), 0);
	for (uint32_t n = 12344; n <= 12347; n++) {
		const struct varp_epoch *e = &channel.epochs[n % VARP_EPOCHS];
		int64_t begins_s = (int64_t)(n - 12345) * 100 - 67;

		if (n == 12344)
			begins_s = -167;
		assert_int_equal(e->epoch, n);
		assert_int_equal(e->send_ns, boot + begins_s * (int64_t)NS);
		assert_int_equal(e->ends_ns, e->send_ns + 200 * NS);
		channels_epoch_key(channel.secret, &combo, channel.mode, n, key);
		assert_memory_equal(e->key, key, sizeof(key));
	}
}

/* A machine that was started within the last epoch has no time on its clock for when that began. */
static void test_fill_soon_after_boot_no_time_wraps(void **state)
{
	struct varp_channel channel = { .mode = VARP_CHANNEL_AUTH, .rotate_s = 3600 };
	const uint64_t boot = 2 * NS, wall = (3600ull * 1000 + 1800) * NS;

	(void)state;
	assert_int_equal(channels_fill(&channel, &combo, wall, boot), 0);
	assert_int_equal(channel.epochs[999 % VARP_EPOCHS].send_ns, 1);
	assert_int_equal(channel.epochs[1000 % VARP_EPOCHS].send_ns, 1);
	assert_true(channel.epochs[999 % VARP_EPOCHS].ends_ns == boot + 1800 * NS);
	assert_true(channel.epochs[1000 % VARP_EPOCHS].ends_ns > channel.epochs[999 % VARP_EPOCHS].ends_ns);
}

static void test_mode_names(void **state)
{
	(void)state;
	assert_string_equal(channels_mode_name(VARP_CHANNEL_PLAIN), "plain");
	assert_string_equal(channels_mode_name(VARP_CHANNEL_AEAD), "aead");
	assert_string_equal(channels_mode_name(VARP_CHANNEL_MODES), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_epoch_key_vectors_as_hkdf),
		cmocka_unit_test(test_fill_last_this_and_two_to_come),
		cmocka_unit_test(test_fill_soon_after_boot_no_time_wraps),
		cmocka_unit_test(test_mode_names),
	};

	return cmocka_run_group_tests_name("channels", tests, NULL, NULL);
}
