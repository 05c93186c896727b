// SPDX-License-Identifier: BSD-2-Clause
/* buf: cursors never pass the end, and remember that they would have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <buf.h>

static void test_writer_values_come_out_in_network_order(void **state)
{
	static const uint8_t expected[] = {0x12, 0x12, 0x34, 0x12, 0x34, 0x56, 0x78, 1,	 2,
					   3,	 4,    5,    6,	   7,	 8,    'a',  'b'};
	uint8_t data[sizeof(expected)];
	struct varp_writer w = varp_writer_init(data, sizeof(data));

	(void)state;
	varp_put_u8(&w, 0x12);
	varp_put_u16(&w, 0x1234);
	varp_put_u32(&w, 0x12345678);
	varp_put_u64(&w, 0x0102030405060708);
	varp_put(&w, "ab", 2);
	assert_false(w.error);
	assert_int_equal(w.left, 0);
	assert_memory_equal(data, expected, sizeof(expected));
}

static void test_reader_values_come_back(void **state)
{
	static const uint8_t data[] = {0xff, 0x12, 0x34, 0xff, 0xfe, 0xfd, 0xfc, 1,  2,
				       3,    4,	   5,	 6,    7,    8,	   'a',	 'b'};
	struct varp_reader r = varp_reader_init(data, sizeof(data));
	char text[3] = "";

	(void)state;
	assert_int_equal(varp_get_u8(&r), 0xff);
	assert_int_equal(varp_get_u16(&r), 0x1234);
	assert_int_equal(varp_get_u32(&r), 0xfffefdfc);
	assert_true(varp_get_u64(&r) == 0x0102030405060708);
	varp_get(&r, text, 2);
	assert_string_equal(text, "ab");
	assert_false(r.error);
	assert_int_equal(r.left, 0);
}

static void test_reader_past_the_end_yields_zero_and_sticks(void **state)
{
	static const uint8_t data[] = { 1, 2, 3 };
	struct varp_reader r = varp_reader_init(data, sizeof(data));

	(void)state;
	assert_int_equal(varp_get_u16(&r), 0x0102);
	assert_int_equal(varp_get_u16(&r), 0);
	assert_true(r.error);
	/* This one would fit, but what it means is not known any more. */
	assert_int_equal(varp_get_u8(&r), 0);
	assert_true(r.error);
}

static void test_reader_nothing_to_read(void **state)
{
	struct varp_reader r = varp_reader_init(NULL, 0);

	(void)state;
	assert_int_equal(varp_get_u64(&r), 0);
	assert_true(r.error);
}

static void test_writer_past_the_end_writes_nothing_and_sticks(void **state)
{
	uint8_t data[4] = { 0xee, 0xee, 0xee, 0xee };
	struct varp_writer w = varp_writer_init(data, 3);

	(void)state;
	varp_put_u16(&w, 0x0102);
	varp_put_u16(&w, 0x0304);
	assert_true(w.error);
	varp_put_u8(&w, 5);
	assert_true(w.error);
	assert_int_equal(data[0], 1);
	assert_int_equal(data[1], 2);
	assert_int_equal(data[2], 0xee);
	assert_int_equal(data[3], 0xee);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writer_values_come_out_in_network_order),
		cmocka_unit_test(test_reader_values_come_back),
		cmocka_unit_test(test_reader_past_the_end_yields_zero_and_sticks),
		cmocka_unit_test(test_reader_nothing_to_read),
		cmocka_unit_test(test_writer_past_the_end_writes_nothing_and_sticks),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
