// SPDX-License-Identifier: BSD-2-Clause
/*
 * The key exchange's messages: the octets of docs/PROTOCOL.md, and what is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/varpd/keyx_msg.h"

static const char request_hex[] =
	"564b455901010040" "00000000000000000010" "000000000000"
	"00000000000000000000ffff0a010001"
	"000000000000000000000000000000000000000000000000";
static const char answer_hex[] =
	"564b455901020057" "0000" "0000" "00000e10" "1122334455667788"
	"000000000000000000000000000000000000000000000000"
	"00000000000000000000ffffc0000201"
	"00000000000000000000ffffc0000209"
	"7fff0003616263";

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t len = strlen(hex) / 2;
	unsigned int octet;

	for (size_t i = 0; i < len; i++) {
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &octet), 1);
		out[i] = octet;
	}
	return len;
}

static struct keyx_request make_request(void)
{
	struct keyx_request request;

	assert_int_equal(varp_snid_parse("0x10", &request.snid), 0);
	assert_int_equal(varp_addr_parse("10.1.0.1", &request.vaddr), 0);
	return request;
}

static void test_request_has_the_documented_octets(void **state)
{
	struct keyx_request request = make_request(), again;
	uint8_t octets[KEYX_REQUEST_LEN], wanted[256];

	(void)state;
	assert_int_equal(from_hex(request_hex, wanted), KEYX_REQUEST_LEN);
	keyx_request_encode(&request, octets);
	assert_memory_equal(octets, wanted, sizeof(octets));
	assert_int_equal(keyx_request_decode(octets, sizeof(octets), &again), 0);
	assert_memory_equal(&again.snid, &request.snid, sizeof(request.snid));
	assert_memory_equal(&again.vaddr, &request.vaddr, sizeof(request.vaddr));
}

static void test_answer_has_the_documented_octets(void **state)
{
	static const uint8_t value[] = { 'a', 'b', 'c' };
	uint8_t records[16], octets[256], wanted[256];
	struct keyx_answer answer = {
		.status = KEYX_OK,
		.lifetime_s = 3600,
		.session = 0x1122334455667788,
		.records = records,
	}, again;
	struct keyx_record record;
	const uint8_t *at;
	int len = keyx_record_put(records, sizeof(records), 0x7fff, value, sizeof(value));
	size_t left;

	(void)state;
	assert_int_equal(len, 7);
	answer.records_len = len;
	varp_addr_parse("192.0.2.1", &answer.client);
	varp_addr_parse("192.0.2.9", &answer.server);
	len = keyx_answer_encode(&answer, octets, sizeof(octets));
	assert_int_equal(len, from_hex(answer_hex, wanted));
	assert_memory_equal(octets, wanted, len);
	assert_int_equal(keyx_answer_length(octets, KEYX_HEAD_LEN), len);
	assert_int_equal(keyx_answer_decode(octets, len, &again), 0);
	assert_int_equal(again.session, answer.session);
	assert_int_equal(again.lifetime_s, 3600);
	assert_memory_equal(&again.client, &answer.client, sizeof(again.client));
	assert_memory_equal(&again.server, &answer.server, sizeof(again.server));
	at = again.records;
	left = again.records_len;
	assert_true(keyx_record_next(&at, &left, &record));
	assert_int_equal(record.type, 0x7fff);
	assert_int_equal(record.len, 3);
	assert_memory_equal(record.value, value, 3);
	assert_false(keyx_record_next(&at, &left, &record));
	assert_int_equal(keyx_answer_encode(&answer, octets, len - 1), -EMSGSIZE);
}

/* An octet is changed and the message must be refused, or not. */
static const struct {
	const char *name;
	size_t at;
	uint8_t octet;
	bool good;
} request_rows[] = {
	{ "magic", 0, 'X', false },
	{ "version", 4, 2, false },
	{ "type", 5, 2, false },
	{ "length", 7, 0x41, false },
	{ "snid may be any", 8, 0xff, true },
	{ "reserved", 18, 1, false },
	{ "vaddr multicast", 36, 224, false },
	{ "vaddr another", 39, 2, true },
	{ "room for later", 40, 1, true },
	{ "room for later, end", 63, 1, true },
};

static void test_request_damaged_is_refused(void **state)
{
	struct keyx_request request;
	uint8_t octets[KEYX_REQUEST_LEN + 1] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(request_rows) / sizeof(request_rows[0]); i++) {
		from_hex(request_hex, octets);
		octets[request_rows[i].at] = request_rows[i].octet;
		if (!keyx_request_decode(octets, KEYX_REQUEST_LEN, &request) !=
		    request_rows[i].good)
			fail_msg("%s", request_rows[i].name);
	}
	from_hex(request_hex, octets);
	for (size_t len = 0; len <= sizeof(octets); len++)
		assert_int_equal(keyx_request_decode(octets, len, &request),
				 len == KEYX_REQUEST_LEN ? 0 : -EINVAL);
	memset(octets + 24, 0, 16);	/* no node */
	assert_int_equal(keyx_request_decode(octets, KEYX_REQUEST_LEN, &request), 0);
}

static const struct {
	const char *name;
	size_t at;
	uint8_t octet;
	bool good;
} answer_rows[] = {
	{ "magic", 3, 'X', false },
	{ "version", 4, 0, false },
	{ "type", 5, 1, false },
	{ "length more than there is", 7, 0x58, false },
	{ "length less than there is", 7, 0x56, false },
	{ "length less than the least", 7, 0x4f, false },
	{ "length too long", 6, 0xff, false },
	{ "status of the future", 8, 1, true },
	{ "reserved", 10, 1, true },
	{ "session zero", 16, 0, true },
	{ "record too long", 83, 4, false },
	{ "record too short: leaves octets", 83, 2, false },
	{ "record of another type", 81, 1, true },
};

static void test_answer_damaged_is_refused(void **state)
{
	uint8_t octets[256];
	struct keyx_answer answer;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(answer_rows) / sizeof(answer_rows[0]); i++) {
		len = from_hex(answer_hex, octets);
		octets[answer_rows[i].at] = answer_rows[i].octet;
		if (!keyx_answer_decode(octets, len, &answer) != answer_rows[i].good)
			fail_msg("%s", answer_rows[i].name);
	}
	len = from_hex(answer_hex, octets);
	for (size_t i = 0; i < KEYX_HEAD_LEN; i++)
		assert_int_equal(keyx_answer_length(octets, i), 0);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(keyx_answer_decode(octets, i, &answer), -EINVAL);
	memset(octets + 16, 0, 8);	/* a session without an id */
	assert_int_equal(keyx_answer_decode(octets, len, &answer), -EINVAL);
	from_hex(answer_hex, octets);
	memset(octets + 12, 0, 4);	/* or without a life */
	assert_int_equal(keyx_answer_decode(octets, len, &answer), -EINVAL);
	octets[9] = KEYX_NOT_PERMITTED;	/* needs neither */
	assert_int_equal(keyx_answer_decode(octets, len, &answer), 0);
}

static const char channel_hex[] =
	"000000000007" "02" "00" "01020304" "0006ddd0" "fffffffffffffc18" "0000000000001388"
	"000102030405060708090a0b0c0d0e0f" "101112131415161718191a1b1c1d1e1f";

static void test_channel_has_the_documented_octets(void **state)
{
	struct keyx_channel channel = {
		.chid = { .b = { [5] = 7 } }, .mode = VARP_CHANNEL_AEAD, .epoch = 0x01020304,
		.again_ms = 450000, .begins_ms = -1000, .ends_ms = 5000,
	}, again;
	uint8_t octets[KEYX_CHANNEL_LEN], wanted[KEYX_CHANNEL_LEN];

	(void)state;
	for (int i = 0; i < VARP_CHANNEL_KEY_LEN; i++)
		channel.key[i] = i;
	assert_int_equal(from_hex(channel_hex, wanted), KEYX_CHANNEL_LEN);
	keyx_channel_encode(&channel, octets);
	assert_memory_equal(octets, wanted, sizeof(octets));
	assert_int_equal(keyx_channel_decode(octets, sizeof(octets), &again), 0);
	assert_memory_equal(&again.chid, &channel.chid, sizeof(channel.chid));
	assert_int_equal(again.mode, channel.mode);
	assert_int_equal(again.epoch, channel.epoch);
	assert_int_equal(again.again_ms, channel.again_ms);
	assert_int_equal(again.begins_ms, channel.begins_ms);
	assert_int_equal(again.ends_ms, channel.ends_ms);
	assert_memory_equal(again.key, channel.key, sizeof(channel.key));
}

static void test_channel_damaged_is_refused(void **state)
{
	static const struct {
		const char *name;
		size_t at;
		uint8_t octet;
		bool good;
	} rows[] = {
		{ "another channel", 0, 0xff, true },
		{ "mode of the future", 6, 3, false },
		{ "plain", 6, 0, true },
		{ "reserved", 7, 1, true },
		{ "epoch may be any", 8, 0xff, true },
		{ "begins years ago", 17, 0, false },
		{ "begins in years", 16, 0x7f, false },
		{ "ends in years", 24, 1, false },
		{ "ended before it began", 24, 0xff, false },
		{ "key may be any", 32, 0xff, true },
	};
	uint8_t octets[KEYX_CHANNEL_LEN + 1] = { 0 };
	struct keyx_channel channel;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		from_hex(channel_hex, octets);
		octets[rows[i].at] = rows[i].octet;
		if (!keyx_channel_decode(octets, KEYX_CHANNEL_LEN, &channel) != rows[i].good)
			fail_msg("%s", rows[i].name);
	}
	from_hex(channel_hex, octets);
	for (size_t len = 0; len <= sizeof(octets); len++)
		assert_int_equal(keyx_channel_decode(octets, len, &channel),
				 len == KEYX_CHANNEL_LEN ? 0 : -EINVAL);
	memset(octets + 12, 0, 4);	/* never again */
	assert_int_equal(keyx_channel_decode(octets, KEYX_CHANNEL_LEN, &channel), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_has_the_documented_octets),
		cmocka_unit_test(test_answer_has_the_documented_octets),
		cmocka_unit_test(test_request_damaged_is_refused),
		cmocka_unit_test(test_answer_damaged_is_refused),
		cmocka_unit_test(test_channel_has_the_documented_octets),
		cmocka_unit_test(test_channel_damaged_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
