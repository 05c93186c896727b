// SPDX-License-Identifier: BSD-2-Clause
/*
 * icmp: the errors an application gets, octet by octet against frames that another implementation (scapy) built, and the
 * packets that no error may be sent about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/varpd/checksum.h"
#include "ctl/varpd/icmp.h"

#define ROWS(rows)	(sizeof(rows) / sizeof((rows)[0]))

static const uint8_t mac[6] = { 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++)
		assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &out[i]), 1);
	return len;
}

static void test_icmp_build_rows_give_octets(void **state)
{
	static const struct {
		const char *name;
		enum icmp_error error;
		uint32_t mtu;
		const char *in, *out;
	} rows[] = {
		{ "IPv4 host unreachable", ICMP_ERROR_UNREACHABLE, 0,
		  "aabbccddeeffaabbccddeeff08004500002000070000401166c20a0100010a01000203e80035000c22ee61626364",
		  "aabbccddeeff025641525001080045c0003c00004000400125fd0a0100020a0100010301112100000000450000200007"
		  "0000401166c20a0100010a01000203e80035000c22ee61626364" },
		{ "IPv4 fragmentation needed, header with options", ICMP_ERROR_TOO_BIG, 1400,
		  "aabbccddeeffaabbccddeeff08004600002c00084000400623bf0a0100010a010002010101009c400050000000010000"
		  "000050022000df4c0000",
		  "aabbccddeeff025641525001080045c0004800004000400125f10a0100020a01000103040ba3000005784600002c0008"
		  "4000400623bf0a0100010a010002010101009c400050000000010000000050022000df4c0000" },
		{ "IPv6 address unreachable", ICMP_ERROR_UNREACHABLE, 0,
		  "aabbccddeeffaabbccddeeff86dd60000000000d1140fd000000000000000000000000000001fd000000000000000000"
		  "00000000000203e80035000dd7eb6162636465",
		  "aabbccddeeff02564152500186dd60000000003d3a40fd000000000000000000000000000002fd000000000000000000"
		  "000000000001010393510000000060000000000d1140fd000000000000000000000000000001fd000000000000000000"
		  "00000000000203e80035000dd7eb6162636465" },
		{ "IPv6 packet too big", ICMP_ERROR_TOO_BIG, 1380,
		  "aabbccddeeffaabbccddeeff86dd6000000000150640fd000000000000000000000000000001fd000000000000000000"
		  "0000000000029c400050000000010000000050102000813d000078",
		  "aabbccddeeff02564152500186dd6000000000453a40fd000000000000000000000000000002fd000000000000000000"
		  "000000000001020097dd000005646000000000150640fd000000000000000000000000000001fd000000000000000000"
		  "0000000000029c400050000000010000000050102000813d000078" },
	};
	uint8_t in[256], want[256], got[ICMP_FRAME_MAX];

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		size_t in_len = from_hex(rows[i].in, in), want_len = from_hex(rows[i].out, want);
		size_t len = icmp_build(rows[i].error, rows[i].mtu, in, in_len, mac, got);

		if (len != want_len || memcmp(got, want, len))
			fail_msg("%s: %zu octets, wanted %zu, or other ones", rows[i].name, len, want_len);
	}
}

/* An IPv4 UDP packet of ip_len octets, with room for changes. */
static size_t make4(uint8_t *frame, size_t ip_len)
{
	static const uint8_t head[] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00,
		0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 1, 0, 2,
		0, 1, 0, 2, 0, 0, 0, 0,
	};

	memset(frame, 0x5a, 14 + ip_len);
	memcpy(frame, head, sizeof(head));
	frame[16] = (uint8_t)(ip_len >> 8);
	frame[17] = (uint8_t)ip_len;
	return 14 + ip_len;
}

static size_t make6(uint8_t *frame, size_t payload_len)
{
	static const uint8_t head[] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd,
		0x60, 0, 0, 0, 0, 0, 17, 64,
		0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
	};

	memset(frame, 0x5a, 54 + payload_len);
	memcpy(frame, head, sizeof(head));
	frame[18] = (uint8_t)(payload_len >> 8);
	frame[19] = (uint8_t)payload_len;
	return 54 + payload_len;
}

struct change {
	const char *name;
	bool v6;
	size_t at;		/* offset in the frame */
	size_t len;
	uint8_t octets[16];
	bool answered;
};

static const struct change changes[] = {
	{ "IPv4 as it is", false, 0, 0, { 0 }, true },
	{ "IPv4 first fragment", false, 20, 2, { 0x20, 0x00 }, true },
	{ "IPv4 later fragment", false, 20, 2, { 0x00, 0x01 }, false },
	{ "IPv4 later and last fragment", false, 20, 2, { 0x1f, 0xff }, false },
	{ "IPv4 from nobody", false, 26, 4, { 0, 0, 0, 0 }, false },
	{ "IPv4 from multicast", false, 26, 4, { 224, 0, 0, 1 }, false },
	{ "IPv4 from loopback", false, 26, 4, { 127, 0, 0, 1 }, false },
	{ "IPv4 from broadcast", false, 26, 4, { 255, 255, 255, 255 }, false },
	{ "IPv4 to multicast", false, 30, 4, { 239, 1, 1, 1 }, false },
	{ "IPv4 to broadcast", false, 30, 4, { 255, 255, 255, 255 }, false },
	{ "IPv4 of another version", false, 14, 1, { 0x65 }, false },
	{ "IPv4 header too short", false, 14, 1, { 0x44 }, false },
	{ "IPv4 total length beyond the frame", false, 16, 2, { 0x40, 0 }, false },
	{ "IPv4 total length below the header", false, 16, 2, { 0, 19 }, false },
	{ "ARP", false, 12, 2, { 0x08, 0x06 }, false },
	{ "IPv6 as it is", true, 0, 0, { 0 }, true },
	{ "IPv6 from nobody", true, 22, 16, { 0 }, false },
	{ "IPv6 from loopback", true, 22, 16, { [15] = 1 }, false },
	{ "IPv6 from multicast", true, 22, 1, { 0xff }, false },
	{ "IPv6 to multicast", true, 38, 1, { 0xff }, false },
	{ "IPv6 payload beyond the frame", true, 18, 2, { 0x40, 0 }, false },
	{ "IPv6 of another version", true, 14, 1, { 0x40 }, false },
	{ "IPv6 first fragment", true, 20, 1, { 44 }, true },
};

static void test_icmp_build_malformed_or_forbidden_is_not_answered(void **state)
{
	uint8_t frame[256], out[ICMP_FRAME_MAX];

	(void)state;
	for (size_t i = 0; i < ROWS(changes); i++) {
		const struct change *c = &changes[i];
		size_t len = c->v6 ? make6(frame, 64) : make4(frame, 64);

		if (c->v6)	/* should it be taken for a fragment header: of UDP, at offset zero */
			memcpy(frame + 54, (uint8_t[]){ 17, 0, 0, 1, 0, 0, 0, 1 }, 8);
		memcpy(frame + c->at, c->octets, c->len);
		if ((icmp_build(ICMP_ERROR_UNREACHABLE, 0, frame, len, mac, out) != 0) != c->answered)
			fail_msg("%s: %s", c->name, c->answered ? "not answered" : "answered");
	}
}

static void test_icmp_build_about_icmp_answers_queries_only(void **state)
{
	static const struct {
		uint8_t type;
		bool v6, answered;
	} rows[] = {
		{ 0, false, true }, { 8, false, true }, { 13, false, true }, { 3, false, false },
		{ 4, false, false }, { 5, false, false }, { 11, false, false }, { 12, false, false },
		{ 128, true, true }, { 129, true, true }, { 135, true, true }, { 1, true, false },
		{ 2, true, false }, { 3, true, false }, { 4, true, false }, { 127, true, false },
		{ 137, true, false },
	};
	uint8_t frame[256], out[ICMP_FRAME_MAX];

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		size_t len = rows[i].v6 ? make6(frame, 64) : make4(frame, 64);

		frame[rows[i].v6 ? 20 : 23] = rows[i].v6 ? 58 : 1;
		frame[rows[i].v6 ? 54 : 34] = rows[i].type;
		if ((icmp_build(ICMP_ERROR_UNREACHABLE, 0, frame, len, mac, out) != 0) != rows[i].answered)
			fail_msg("type %u of IPv%d", rows[i].type, rows[i].v6 ? 6 : 4);
	}
}

static void test_icmp_build_icmpv6_error_behind_extensions_is_not_answered(void **state)
{
	uint8_t frame[256], out[ICMP_FRAME_MAX];
	size_t len = make6(frame, 64);

	(void)state;
	frame[20] = 0;					/* hop-by-hop */
	memcpy(frame + 54, (uint8_t[]){ 60, 0 }, 2);	/* then destination options */
	memcpy(frame + 62, (uint8_t[]){ 58, 1 }, 2);	/* 16 octets of them, then ICMPv6 */
	frame[78] = 1;
	assert_int_equal(icmp_build(ICMP_ERROR_UNREACHABLE, 0, frame, len, mac, out), 0);
	frame[78] = 128;
	assert_int_not_equal(icmp_build(ICMP_ERROR_UNREACHABLE, 0, frame, len, mac, out), 0);
}

static void test_icmp_build_long_packet_is_quoted_up_to_the_limit(void **state)
{
	static uint8_t frame[70000];
	uint8_t out[ICMP_FRAME_MAX];
	size_t len;

	(void)state;
	len = make4(frame, 65535);
	assert_int_equal(icmp_build(ICMP_ERROR_TOO_BIG, 1444, frame, len, mac, out), 14 + 576);
	assert_memory_equal(out + 42, frame + 14, 576 - 28);
	assert_int_equal(checksum_finish(checksum_add(0, out + 14, 20)), 0);
	assert_int_equal(checksum_finish(checksum_add(0, out + 34, 576 - 20)), 0);

	len = make6(frame, 65000);
	assert_int_equal(icmp_build(ICMP_ERROR_TOO_BIG, 1444, frame, len, mac, out), 14 + 1280);
	assert_memory_equal(out + 62, frame + 14, 1280 - 48);
	assert_int_equal(checksum_finish(checksum_add(checksum_pseudo(out + 22, out + 38, 16, 58, 1240),
						      out + 54, 1240)), 0);
}

static void test_icmp_build_any_truncation_is_safe(void **state)
{
	uint8_t frame[256], out[ICMP_FRAME_MAX];
	size_t full;

	(void)state;
	for (int v6 = 0; v6 <= 1; v6++) {
		full = v6 ? make6(frame, 64) : make4(frame, 64);
		for (size_t len = 0; len < full; len++) {
			uint8_t *exact = malloc(len ? len : 1);	/* so that a read beyond it is seen */

			assert_non_null(exact);
			memcpy(exact, frame, len);
			assert_int_equal(icmp_build(ICMP_ERROR_UNREACHABLE, 0, exact, len, mac, out), 0);
			free(exact);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_icmp_build_rows_give_octets),
		cmocka_unit_test(test_icmp_build_malformed_or_forbidden_is_not_answered),
		cmocka_unit_test(test_icmp_build_about_icmp_answers_queries_only),
		cmocka_unit_test(test_icmp_build_icmpv6_error_behind_extensions_is_not_answered),
		cmocka_unit_test(test_icmp_build_long_packet_is_quoted_up_to_the_limit),
		cmocka_unit_test(test_icmp_build_any_truncation_is_safe),
	};

	return cmocka_run_group_tests_name("icmp", tests, NULL, NULL);
}
