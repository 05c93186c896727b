// SPDX-License-Identifier: BSD-2-Clause
/* addr: text forms of identifiers, addresses, prefixes and ttls, and the classes of addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <addr.h>

#define ROWS(rows)	(sizeof(rows) / sizeof((rows)[0]))

/* out NULL: refused */
struct text_row {
	const char *name, *in, *out;
};

static void test_snid_parse_rows_give_canonical_form(void **state)
{
	static const struct text_row rows[] = {
		{ "twenty digits", "0x0123456789abcdef0123", "0x0123456789abcdef0123" },
		{ "short", "0xcafeface", "0x000000000000cafeface" },
		{ "one digit", "0x1", "0x00000000000000000001" },
		{ "odd number of digits", "0x123", "0x00000000000000000123" },
		{ "upper case digits", "0xABC", "0x00000000000000000abc" },
		{ "zero", "0x0", "0x00000000000000000000" },
		{ "all ones", "0xffffffffffffffffffff", "0xffffffffffffffffffff" },
		{ "twenty-one digits", "0x123456789012345678901", NULL },
		{ "no digits", "0x", NULL },
		{ "empty", "", NULL },
		{ "no prefix", "1234", NULL },
		{ "upper case prefix", "0X12", NULL },
		{ "not hex", "0x12g4", NULL },
		{ "trailing blank", "0x12 ", NULL },
		{ "leading blank", " 0x12", NULL },
		{ "sign", "-0x12", NULL },
		{ "only a zero", "0", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct varp_snid snid;
		char text[VARP_SNID_TEXT];
		int err = varp_snid_parse(rows[i].in, &snid);

		if (err != (rows[i].out ? 0 : -EINVAL))
			fail_msg("%s: %d", rows[i].name, err);
		if (rows[i].out)
			assert_string_equal(varp_snid_format(&snid, text), rows[i].out);
	}
}

static void test_snid_parse_is_network_order(void **state)
{
	static const uint8_t expected[VARP_SNID_LEN] = { 0, 0, 0, 0, 0, 0, 0, 0x01, 0x23, 0x45 };
	struct varp_snid snid;

	(void)state;
	assert_int_equal(varp_snid_parse("0x12345", &snid), 0);
	assert_memory_equal(snid.b, expected, sizeof(expected));
}

static void test_snid_parse_refused_leaves_the_value(void **state)
{
	struct varp_snid snid = { .b = { 7 } };
	struct varp_addr addr = { .b = { 7 } };
	int32_t ttl_s = 7;

	(void)state;
	assert_int_equal(varp_snid_parse("0x1z", &snid), -EINVAL);
	assert_int_equal(snid.b[0], 7);
	assert_int_equal(varp_addr_parse("1.2.3", &addr), -EINVAL);
	assert_int_equal(addr.b[0], 7);
	assert_int_equal(varp_ttl_parse("0", &ttl_s), -EINVAL);
	assert_int_equal(ttl_s, 7);
}

static void test_chid_parse_rows_give_canonical_form(void **state)
{
	static const struct text_row rows[] = {
		{ "twelve digits", "0x0123456789ab", "0x0123456789ab" },
		{ "short", "0x4711", "0x000000004711" },
		{ "thirteen digits", "0x0123456789abc", NULL },
		{ "no digits", "0x", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct varp_chid chid;
		char text[VARP_CHID_TEXT];
		int err = varp_chid_parse(rows[i].in, &chid);

		if (err != (rows[i].out ? 0 : -EINVAL))
			fail_msg("%s: %d", rows[i].name, err);
		if (rows[i].out)
			assert_string_equal(varp_chid_format(&chid, text), rows[i].out);
	}
}

static void test_addr_parse_rows_give_canonical_form(void **state)
{
	static const struct text_row rows[] = {
		{ "IPv4", "192.0.2.1", "192.0.2.1" },
		{ "IPv6", "2001:DB8:0:0::1", "2001:db8::1" },
		{ "IPv4 mapped is IPv4", "::ffff:10.0.0.1", "10.0.0.1" },
		{ "unspecified", "::", "::" },
		{ "unspecified IPv4", "0.0.0.0", "0.0.0.0" },
		{ "three parts", "10.0.1", NULL },
		{ "five parts", "1.2.3.4.5", NULL },
		{ "part too large", "1.2.3.256", NULL },
		{ "hexadecimal part", "0x7f.0.0.1", NULL },
		{ "plain number", "2130706433", NULL },
		{ "leading zero", "010.0.0.1", NULL },
		{ "trailing blank", "1.2.3.4 ", NULL },
		{ "prefix", "1.2.3.4/24", NULL },
		{ "zone", "fe80::1%eth0", NULL },
		{ "brackets", "[::1]", NULL },
		{ "two gaps", "1::2::3", NULL },
		{ "name", "localhost", NULL },
		{ "empty", "", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct varp_addr addr;
		char text[VARP_ADDR_TEXT];
		int err = varp_addr_parse(rows[i].in, &addr);

		if (err != (rows[i].out ? 0 : -EINVAL))
			fail_msg("%s: %d", rows[i].name, err);
		if (rows[i].out)
			assert_string_equal(varp_addr_format(&addr, text), rows[i].out);
	}
}

static void test_prefix_parse_rows_give_length(void **state)
{
	static const struct {
		const char *in;
		int err;
		unsigned int plen;
	} rows[] = {
		{ "10.1.0.1/24", 0, 24 }, { "10.1.0.1", 0, 32 }, { "10.1.0.1/0", 0, 0 },
		{ "10.1.0.1/32", 0, 32 },
		{ "10.1.0.1/33", -EINVAL, 0 }, { "10.1.0.1/", -EINVAL, 0 },
		{ "10.1.0.1/-1", -EINVAL, 0 },
		{ "10.1.0.1/2x", -EINVAL, 0 }, { "10.1.0.1/24/24", -EINVAL, 0 },
		{ "/24", -EINVAL, 0 },
		{ "10.1.0.1/99999999999", -EINVAL, 0 }, { "fd00::1/64", 0, 64 },
		{ "fd00::1", 0, 128 },
		{ "fd00::1/129", -EINVAL, 0 }, { "nonsense/8", -EINVAL, 0 },
		{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001/64", -EINVAL, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct varp_addr addr;
		unsigned int plen = 0;

		if (varp_prefix_parse(rows[i].in, &addr, &plen) != rows[i].err ||
		    plen != rows[i].plen)
			fail_msg("%s: length %u", rows[i].in, plen);
	}
}

static void test_ttl_parse_rows_keep_the_limits(void **state)
{
	static const struct {
		const char *in;
		int err;
		int32_t ttl_s;
	} rows[] = {
		{ "1", 0, 1 }, { "900", 0, 900 }, { "65536", 0, 65536 }, { "0900", 0, 900 },
		{ "0", -EINVAL, 0 }, { "-1", -EINVAL, 0 }, { "65537", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "+5", -EINVAL, 0 }, { " 5", -EINVAL, 0 }, { "5 ", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 }, { "1.5", -EINVAL, 0 }, { "4294967297", -EINVAL, 0 },
		{ "18446744073709551617", -EINVAL, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		int32_t ttl_s = 0;

		if (varp_ttl_parse(rows[i].in, &ttl_s) != rows[i].err || ttl_s != rows[i].ttl_s)
			fail_msg("'%s': %d", rows[i].in, ttl_s);
	}
}

static void test_addr_class_rows(void **state)
{
	static const struct {
		const char *addr;
		bool v4, unicast, loopback;
	} rows[] = {
		{ "10.0.0.1", true, true, false },	 { "0.0.0.0", true, false, false },
		{ "127.0.0.1", true, false, true },	 { "127.255.255.255", true, false, true },
		{ "224.0.0.1", true, false, false },	 { "239.255.255.255", true, false, false },
		{ "223.255.255.255", true, true, false },{ "255.255.255.255", true, false, false },
		{ "169.254.0.1", true, true, false },	 { "2001:db8::1", false, true, false },
		{ "::", false, false, false },		 { "::1", false, false, true },
		{ "ff02::1", false, false, false },	 { "fe80::1", false, true, false },
		{ "fd00::1", false, true, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct varp_addr addr;

		assert_int_equal(varp_addr_parse(rows[i].addr, &addr), 0);
		if (varp_addr_is_v4(&addr) != rows[i].v4 ||
		    varp_addr_is_unicast(&addr) != rows[i].unicast ||
		    varp_addr_is_loopback(&addr) != rows[i].loopback)
			fail_msg("%s", rows[i].addr);
		assert_int_equal(varp_addr_is_zero(&addr), !strcmp(rows[i].addr, "::"));
	}
}

static void test_key_make_has_no_stray_octets(void **state)
{
	struct varp_snid snid;
	struct varp_addr vaddr;
	struct varp_key key;

	(void)state;
	memset(&key, 0xff, sizeof(key));
	assert_int_equal(varp_snid_parse("0x1", &snid), 0);
	assert_int_equal(varp_addr_parse("10.0.0.1", &vaddr), 0);
	key = varp_key_make(&snid, &vaddr);
	assert_true(varp_snid_equal(&key.snid, &snid));
	assert_true(varp_addr_equal(&key.vaddr, &vaddr));
	assert_int_equal(key.pad[0] | key.pad[1], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_snid_parse_rows_give_canonical_form),
		cmocka_unit_test(test_snid_parse_is_network_order),
		cmocka_unit_test(test_snid_parse_refused_leaves_the_value),
		cmocka_unit_test(test_chid_parse_rows_give_canonical_form),
		cmocka_unit_test(test_addr_parse_rows_give_canonical_form),
		cmocka_unit_test(test_prefix_parse_rows_give_length),
		cmocka_unit_test(test_ttl_parse_rows_keep_the_limits),
		cmocka_unit_test(test_addr_class_rows),
		cmocka_unit_test(test_key_make_has_no_stray_octets),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
