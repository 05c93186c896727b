// SPDX-License-Identifier: BSD-2-Clause
/*
 * The public text forms of identifiers and addresses.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <varp/varp.h>

#define ROWS(rows)	(sizeof(rows) / sizeof((rows)[0]))

static void test_addr_rows_print_as_people_write_them(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "10.1.0.1", "10.1.0.1" },
		{ "::ffff:10.1.0.1", "10.1.0.1" },
		{ "2001:DB8::1", "2001:db8::1" },
		{ "2001:0db8:0:0:0:0:0:1", "2001:db8::1" },
		{ "::", "::" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	char text[VARP_ADDR_STRLEN];
	struct in6_addr addr;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		assert_int_equal(varp_addr_from_text(rows[i].in, &addr), 0);
		assert_ptr_equal(varp_addr_to_text(&addr, text), text);
		assert_string_equal(text, rows[i].out);
	}
	assert_int_equal(varp_addr_from_text("10.1.0.1", &addr), 0);
	assert_memory_equal(&addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x00\x01", 16);
}

static void test_addr_rows_that_are_none_are_refused(void **state)
{
	static const char *const rows[] = {
		"", "10.1.0", "10.1.0.256", "10.1.0.1/24", " 10.1.0.1", "10.1.0.1 ", "010.1.0.1",
		"fe80::1%eth0", "2001:db8:::1", "localhost", "0x0a010001",
	};
	struct in6_addr addr, before;

	(void)state;
	memset(&addr, 0xa5, sizeof(addr));
	before = addr;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (varp_addr_from_text(rows[i], &addr) != -EINVAL)
			fail_msg("'%s' was taken", rows[i]);
	assert_memory_equal(&addr, &before, sizeof(addr));
}

static void test_snid_rows(void **state)
{
	static const struct {
		const char *in, *out;	/* out NULL: refused */
	} rows[] = {
		{ "0x2A", "0x0000000000000000002a" },
		{ "0x0", "0x00000000000000000000" },
		{ "0xffffffffffffffffffff", "0xffffffffffffffffffff" },
		{ "0x0123456789abcdef0123", "0x0123456789abcdef0123" },
		{ "0x000000000000000000001", NULL },
		{ "2a", NULL },
		{ "0x", NULL },
		{ "", NULL },
		{ "0x2g", NULL },
		{ "0x2a ", NULL },
		{ "-0x2a", NULL },
	};
	char text[VARP_SNID_STRLEN];
	vid_t vid;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		int err = varp_snid_from_text(rows[i].in, &vid);

		if (err != (rows[i].out ? 0 : -EINVAL))
			fail_msg("'%s': %d", rows[i].in, err);
		if (err)
			continue;
		assert_ptr_equal(varp_snid_to_text(&vid, text), text);
		assert_string_equal(text, rows[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr_rows_print_as_people_write_them),
		cmocka_unit_test(test_addr_rows_that_are_none_are_refused),
		cmocka_unit_test(test_snid_rows),
	};

	return cmocka_run_group_tests_name("varpdb_text", tests, NULL, NULL);
}
