// SPDX-License-Identifier: BSD-2-Clause
/*
 * Keys that a server hands out: when they are made, begin and end, and which records a member refuses.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/varpd/channel_keys.h"

#define L	100		/* seconds of an epoch: 25 s of lead */
#define NOW	1700000000000ll
#define S	1000ll

static struct store_channel begun(void)
{
	struct store_channel channel = { .mode = VARP_CHANNEL_AEAD };

	assert_int_equal(channel_keys_begin(&channel, 6, NOW), 0);
	return channel;
}

static void test_begin_one_key_from_now(void **state)
{
	struct store_channel channel = begun();
	static const uint8_t zeros[VARP_CHANNEL_KEY_LEN];

	(void)state;
	assert_int_equal(channel.count, 1);
	assert_int_equal(channel.epochs[0].number, 7);
	assert_int_equal(channel.epochs[0].begins_ms, NOW);
	assert_memory_not_equal(channel.epochs[0].key, zeros, sizeof(zeros));
	assert_int_equal(channel_keys_ends_ms(&channel, 0, L), NOW + 3 * L * S);
}

static void test_step_makes_the_next_key_ahead_of_its_time(void **state)
{
	struct store_channel channel = begun();

	(void)state;
	assert_int_equal(channel_keys_step(&channel, L, NOW + 74 * S), 0);
	assert_int_equal(channel_keys_step(&channel, L, NOW + 75 * S), 1);
	assert_int_equal(channel.count, 2);
	assert_int_equal(channel.epochs[1].number, 8);
	assert_int_equal(channel.epochs[1].begins_ms, NOW + 100 * S);
	assert_memory_not_equal(channel.epochs[0].key, channel.epochs[1].key, VARP_CHANNEL_KEY_LEN);
	assert_int_equal(channel_keys_ends_ms(&channel, 0, L), NOW + 125 * S);
	assert_int_equal(channel_keys_step(&channel, L, NOW + 124 * S), 0);
	assert_int_equal(channel_keys_step(&channel, L, NOW + 125 * S), 1);	/* the first is over */
	assert_int_equal(channel.count, 1);
	assert_int_equal(channel.epochs[0].number, 8);
}

static void test_step_late_still_gives_members_time(void **state)
{
	struct store_channel channel = begun();

	(void)state;
	assert_int_equal(channel_keys_step(&channel, L, NOW + 200 * S), 1);
	assert_int_equal(channel.epochs[1].begins_ms, NOW + 225 * S);
	channel = begun();
	assert_int_equal(channel_keys_step(&channel, L, NOW + 300 * S), 1);
	assert_int_equal(channel.epochs[1].begins_ms, NOW + 300 * S);	/* nobody had any */
}

static void test_rotate_puts_a_key_behind_those_handed_out(void **state)
{
	struct store_channel channel = begun();
	uint8_t second[VARP_CHANNEL_KEY_LEN];

	(void)state;
	channel.wanted = true;
	assert_int_equal(channel_keys_step(&channel, L, NOW + 10 * S), 1);
	assert_false(channel.wanted);
	assert_int_equal(channel.epochs[1].begins_ms, NOW + 35 * S);
	memcpy(second, channel.epochs[1].key, sizeof(second));
	channel.wanted = true;
	assert_int_equal(channel_keys_step(&channel, L, NOW + 10 * S), 1);
	assert_int_equal(channel.epochs[2].begins_ms, NOW + 36 * S);
	assert_memory_equal(channel.epochs[1].key, second, sizeof(second));
	channel.wanted = true;
	assert_int_equal(channel_keys_step(&channel, L, NOW + 20 * S), 1);
	assert_int_equal(channel.count, VARP_EPOCHS);
	channel.wanted = true;
	assert_int_equal(channel_keys_step(&channel, L, NOW + 30 * S), 0);	/* no room */
	assert_true(channel.wanted);
	assert_int_equal(channel_keys_step(&channel, L, NOW + 60 * S), 1);	/* the first is over */
	assert_false(channel.wanted);
	assert_int_equal(channel.count, VARP_EPOCHS);
	assert_int_equal(channel.epochs[3].number, 11);
	assert_int_equal(channel.epochs[3].begins_ms, NOW + 85 * S);
}

/* For 2,000 epochs: there is always a key to send with, and what is sent is accepted. */
static void test_step_for_long_no_gap(void **state)
{
	struct store_channel channel = begun();

	(void)state;
	for (int64_t now = NOW; now < NOW + 200000 * S; now += 7 * S) {
		bool holds = false;

		channel.wanted |= now / 7000 % 97 == 0;
		assert_true(channel_keys_step(&channel, L, now) >= 0);
		for (unsigned int i = 0; i < channel.count; i++) {
			const struct store_epoch *e = &channel.epochs[i];

			holds |= e->begins_ms <= now && channel_keys_ends_ms(&channel, i, L) > now;
			if (i) {
				assert_int_equal(e->number, e[-1].number + 1);
				assert_true(e->begins_ms > e[-1].begins_ms);
			}
		}
		assert_true(holds);
	}
}

static void test_step_clock_set_back_dates_anew(void **state)
{
	struct store_channel channel = begun();
	int64_t now = NOW - 86400 * S;

	(void)state;
	channel.wanted = true;
	assert_int_equal(channel_keys_step(&channel, L, NOW), 1);
	assert_int_equal(channel_keys_step(&channel, L, now), 1);
	assert_int_equal(channel.epochs[0].begins_ms, now);
	assert_int_equal(channel.epochs[1].begins_ms, now + 25 * S);
}

static void test_again_twice_within_the_lead(void **state)
{
	(void)state;
	assert_int_equal(channel_keys_lead_ms(3600), 900 * S);
	assert_int_equal(channel_keys_again_ms(3600), 450 * S);
	assert_int_equal(CHANNEL_KEYS_PER_SUPERNET, 59);
}

/* Records of a channel each: "chid mode epoch again", which are refused together. */
struct told {
	uint8_t chid, mode;
	uint32_t epoch, again_ms;
};

static size_t put(const struct told *told, size_t count, uint8_t *out, size_t room)
{
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		struct keyx_channel channel = {
			.chid = { .b = { [5] = told[i].chid } }, .mode = told[i].mode,
			.epoch = told[i].epoch, .again_ms = told[i].again_ms, .ends_ms = 1000,
		};
		uint8_t value[KEYX_CHANNEL_LEN];

		keyx_channel_encode(&channel, value);
		len += keyx_record_put(out + len, room - len, KEYX_CHANNEL, value, sizeof(value));
	}
	return len;
}

static void test_take_refuses_all_of_a_damaged_answer(void **state)
{
	static const struct {
		const char *name;
		struct told told[2];
	} rows[] = {
		{ "another mode", { { 1, VARP_CHANNEL_AUTH, 5, 9 }, { 1, VARP_CHANNEL_AEAD, 6, 9 } } },
		{ "the same epoch", { { 1, VARP_CHANNEL_AUTH, 5, 9 }, { 1, VARP_CHANNEL_AUTH, 5, 9 } } },
		{ "one left out", { { 1, VARP_CHANNEL_AUTH, 5, 9 }, { 1, VARP_CHANNEL_AUTH, 7, 9 } } },
		{ "plain twice", { { 1, VARP_CHANNEL_PLAIN, 0, 9 }, { 1, VARP_CHANNEL_PLAIN, 0, 9 } } },
		{ "channels in disorder", { { 2, VARP_CHANNEL_AUTH, 5, 9 }, { 1, VARP_CHANNEL_AUTH, 5, 9 } } },
		{ "unknown mode", { { 1, VARP_CHANNEL_AUTH, 5, 9 }, { 2, VARP_CHANNEL_MODES, 5, 9 } } },
		{ "never again", { { 1, VARP_CHANNEL_AUTH, 5, 9 }, { 2, VARP_CHANNEL_AUTH, 5, 0 } } },
	};
	struct varp_snid snid = { .b = { [9] = 0x10 } };
	uint8_t octets[2 * (KEYX_RECORD_HEAD + KEYX_CHANNEL_LEN)];
	struct varpd_error error;
	uint32_t again_ms;

	(void)state;
	/* No varpd: what is refused touches nothing. */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = put(rows[i].told, 2, octets, sizeof(octets));

		if (channel_keys_take(NULL, &snid, octets, len, &again_ms, &error) != -EINVAL)
			fail_msg("%s", rows[i].name);
	}
	octets[3]--;	/* a record that is too short; what follows it is of an unknown type */
	assert_int_equal(channel_keys_take(NULL, &snid, octets, sizeof(octets), &again_ms, &error), -EINVAL);
	assert_int_equal(channel_keys_take(NULL, &snid, octets, 0, &again_ms, &error), 0);
	assert_int_equal(again_ms, 0);
	memcpy(octets, "\x7f\xff\0\3abc", 7);
	assert_int_equal(channel_keys_take(NULL, &snid, octets, 7, &again_ms, &error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begin_one_key_from_now),
		cmocka_unit_test(test_step_makes_the_next_key_ahead_of_its_time),
		cmocka_unit_test(test_step_late_still_gives_members_time),
		cmocka_unit_test(test_rotate_puts_a_key_behind_those_handed_out),
		cmocka_unit_test(test_step_for_long_no_gap),
		cmocka_unit_test(test_step_clock_set_back_dates_anew),
		cmocka_unit_test(test_again_twice_within_the_lead),
		cmocka_unit_test(test_take_refuses_all_of_a_damaged_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
