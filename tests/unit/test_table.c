// SPDX-License-Identifier: BSD-2-Clause
/* table: supernets served and mappings registered, apart from each other. */
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
#include <table.h>

#define MANY	100000

static struct varp_snid snid(unsigned int number)
{
	return (struct varp_snid){ .b = { [8] = number >> 8, [9] = number } };
}

static struct varp_table_entry entry(unsigned int supernet, unsigned int vaddr, unsigned int raddr)
{
	struct varp_table_entry entry = { .ttl_s = VARPDB_TTL_ALWAYS };

	entry.key.snid = snid(supernet);
	entry.key.vaddr =
		(struct varp_addr){.b = {[10] = 0xff, 0xff, 10, vaddr >> 16, vaddr >> 8, vaddr}};
	entry.raddr =
		(struct varp_addr){.b = {[10] = 0xff, 0xff, 192, raddr >> 16, raddr >> 8, raddr}};
	return entry;
}

static int setup(void **state)
{
	*state = varp_table_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	varp_table_free(*state);
	return 0;
}

static void add(struct varp_table *table, unsigned int supernet, unsigned int vaddr,
		unsigned int raddr)
{
	const struct varp_table_entry new = entry(supernet, vaddr, raddr);

	assert_int_equal(varp_table_add(table, &new), 0);
}

static void test_table_empty_knows_nothing(void **state)
{
	const struct varp_table_entry any = entry(1, 1, 1);
	const struct varp_snid one = snid(1);

	assert_null(varp_table_find(*state, &any.key));
	assert_false(varp_table_serves(*state, &one, NULL));
	assert_int_equal(varp_table_count(*state, NULL), 0);
	assert_int_equal(varp_table_count(*state, &one), 0);
	assert_int_equal(varp_table_remove(*state, &any.key), -ENOENT);
	assert_int_equal(varp_table_server_clear(*state, &one), -ENOENT);
}

static void test_table_add_twice_overwrites(void **state)
{
	struct varp_table_entry e = entry(1, 1, 1);
	const struct varp_table_entry *found;

	assert_int_equal(varp_table_add(*state, &e), 0);
	e = entry(1, 1, 2);
	e.ttl_s = 77;
	assert_int_equal(varp_table_add(*state, &e), 0);
	assert_int_equal(varp_table_count(*state, NULL), 1);
	found = varp_table_find(*state, &e.key);
	assert_non_null(found);
	assert_true(varp_addr_equal(&found->raddr, &e.raddr));
	assert_int_equal(found->ttl_s, 77);
}

static void test_table_same_vaddr_in_two_supernets_is_two_mappings(void **state)
{
	const struct varp_table_entry one = entry(1, 1, 1), two = entry(2, 1, 2),
				      three = entry(3, 1, 3);
	const struct varp_snid first = snid(1);

	add(*state, 1, 1, 1);
	add(*state, 2, 1, 2);
	assert_true(varp_addr_equal(&varp_table_find(*state, &one.key)->raddr, &one.raddr));
	assert_true(varp_addr_equal(&varp_table_find(*state, &two.key)->raddr, &two.raddr));
	assert_null(varp_table_find(*state, &three.key));
	assert_int_equal(varp_table_remove(*state, &one.key), 0);
	assert_null(varp_table_find(*state, &one.key));
	assert_non_null(varp_table_find(*state, &two.key));
	assert_int_equal(varp_table_count(*state, &first), 0);
	assert_int_equal(varp_table_count(*state, NULL), 1);
}

static void test_table_serving_and_mappings_are_independent(void **state)
{
	const struct varp_snid one = snid(1);
	const struct varp_table_entry e = entry(1, 1, 1);
	int32_t ttl_s = 0;

	add(*state, 1, 1, 1);
	assert_false(varp_table_serves(*state, &one, &ttl_s));
	assert_int_equal(varp_table_server_set(*state, &one, 60), 0);
	assert_true(varp_table_serves(*state, &one, &ttl_s));
	assert_int_equal(ttl_s, 60);
	assert_int_equal(varp_table_server_set(*state, &one, 90), 0);
	assert_true(varp_table_serves(*state, &one, &ttl_s));
	assert_int_equal(ttl_s, 90);
	assert_int_equal(varp_table_server_clear(*state, &one), 0);
	assert_int_equal(varp_table_server_clear(*state, &one), -ENOENT);
	assert_non_null(varp_table_find(*state, &e.key));
	assert_int_equal(varp_table_remove(*state, &e.key), 0);
}

static bool count_entries(const struct varp_table_entry *e, void *ctx)
{
	size_t *left = ctx;

	assert_int_equal(e->ttl_s, VARPDB_TTL_ALWAYS);
	return --*left;
}

static void test_table_each_visits_all_or_one_supernet_and_stops(void **state)
{
	const struct varp_snid one = snid(1), none = snid(9);
	size_t left;

	add(*state, 1, 1, 1);
	add(*state, 1, 2, 1);
	add(*state, 2, 1, 1);
	left = 100;
	varp_table_each(*state, NULL, count_entries, &left);
	assert_int_equal(left, 97);
	left = 100;
	varp_table_each(*state, &one, count_entries, &left);
	assert_int_equal(left, 98);
	left = 100;
	varp_table_each(*state, &none, count_entries, &left);
	assert_int_equal(left, 100);
	left = 1;
	varp_table_each(*state, NULL, count_entries, &left);
	assert_int_equal(left, 0);
}

struct served {
	size_t count, mappings, stop_at;
	int32_t ttl_sum;
};

static bool sum_servers(const struct varp_snid *id, int32_t ttl_s, size_t mappings, void *ctx)
{
	struct served *served = ctx;

	(void)id;
	served->mappings += mappings;
	served->ttl_sum += ttl_s;
	return ++served->count != served->stop_at;
}

static void test_table_each_server_visits_served_only(void **state)
{
	const struct varp_snid one = snid(1), two = snid(2);
	struct served served = { 0 }, first = { .stop_at = 1 };

	add(*state, 1, 1, 1);
	add(*state, 1, 2, 1);
	add(*state, 3, 1, 1);
	assert_int_equal(varp_table_server_set(*state, &one, 60), 0);
	assert_int_equal(varp_table_server_set(*state, &two, 5), 0);
	varp_table_each_server(*state, sum_servers, &served);
	assert_int_equal(served.count, 2);
	assert_int_equal(served.mappings, 2);
	assert_int_equal(served.ttl_sum, 65);
	varp_table_each_server(*state, sum_servers, &first);
	assert_int_equal(first.count, 1);
}

static void test_table_many_are_all_found_and_cleared(void **state)
{
	const struct varp_snid seven = snid(7);
	unsigned int i;

	for (i = 0; i < MANY; i++)
		add(*state, i % 10, i, i);
	assert_int_equal(varp_table_count(*state, NULL), MANY);
	assert_int_equal(varp_table_count(*state, &seven), MANY / 10);
	for (i = 0; i < MANY; i++) {
		const struct varp_table_entry e = entry(i % 10, i, i);
		const struct varp_table_entry *found = varp_table_find(*state, &e.key);

		assert_true(found && varp_addr_equal(&found->raddr, &e.raddr));
	}
	varp_table_clear(*state);
	assert_int_equal(varp_table_count(*state, NULL), 0);
	assert_int_equal(varp_table_count(*state, &seven), 0);
	add(*state, 7, 1, 1);
	assert_int_equal(varp_table_count(*state, &seven), 1);
}

static void test_table_appended_in_order_are_all_found(void **state)
{
	const struct varp_snid empty = snid(9);
	unsigned int i;

	assert_int_equal(varp_table_server_set(*state, &empty, 60), 0);
	for (i = 0; i < 3000; i++) {
		const struct varp_table_entry e = entry(i / 1000 + 1, i % 1000 + 1, i);

		assert_int_equal(varp_table_append(*state, &e), 0);
	}
	assert_int_equal(varp_table_append_end(*state), 0);
	assert_int_equal(varp_table_count(*state, NULL), 3000);
	for (i = 0; i < 3000; i++) {
		const struct varp_table_entry e = entry(i / 1000 + 1, i % 1000 + 1, i);
		const struct varp_table_entry *found = varp_table_find(*state, &e.key);

		assert_true(found && varp_addr_equal(&found->raddr, &e.raddr));
	}
	add(*state, 2, 500, 7);		/* is there already */
	add(*state, 2, 5000, 7);
	assert_int_equal(varp_table_count(*state, NULL), 3001);
	assert_true(varp_table_serves(*state, &empty, NULL));
}

static void test_table_append_end_of_nothing_does_nothing(void **state)
{
	assert_int_equal(varp_table_append_end(*state), 0);
	assert_int_equal(varp_table_count(*state, NULL), 0);
}

/* What follows what: a row that is not behind the one before is refused. */
static void test_table_append_out_of_order_is_refused(void **state)
{
	static const struct {
		const char *name;
		unsigned int supernet, vaddr;
		int result;
	} rows[] = {
		{ "same vaddr", 2, 5, -EINVAL },
		{ "lower vaddr", 2, 4, -EINVAL },
		{ "lower supernet", 1, 9, -EINVAL },
		{ "higher vaddr", 2, 6, 0 },
		{ "higher supernet", 3, 1, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct varp_table_entry first = entry(2, 5, 1);
		const struct varp_table_entry next = entry(rows[i].supernet, rows[i].vaddr, 1);
		int result;

		assert_int_equal(varp_table_append(*state, &first), 0);
		result = varp_table_append(*state, &next);
		if (result != rows[i].result)
			fail_msg("%s: %d", rows[i].name, result);
		varp_table_clear(*state);
	}
}

static bool sum_vaddrs(const struct varp_table_entry *e, void *ctx)
{
	*(unsigned int *)ctx += e->key.vaddr.b[15];
	return true;
}

static void test_table_each_after_removals_visits_what_is_left(void **state)
{
	unsigned int i, sum = 0;

	for (i = 1; i <= 20; i++)
		add(*state, i % 2, i, 1);
	for (i = 1; i <= 20; i += 3) {
		const struct varp_table_entry e = entry(i % 2, i, 1);

		assert_int_equal(varp_table_remove(*state, &e.key), 0);
	}
	varp_table_each(*state, NULL, sum_vaddrs, &sum);
	assert_int_equal(sum, 210 - (1 + 4 + 7 + 10 + 13 + 16 + 19));
}

/* Where something was added last is remembered, and must be forgotten when it goes. */
static void test_table_supernet_that_went_comes_back_empty(void **state)
{
	const struct varp_snid one = snid(1);
	const struct varp_table_entry e = entry(1, 1, 1);

	for (int round = 0; round < 3; round++) {
		add(*state, 1, 1, 1);
		assert_int_equal(varp_table_remove(*state, &e.key), 0);
		assert_null(varp_table_find(*state, &e.key));
		assert_int_equal(varp_table_server_set(*state, &one, 5), 0);
		assert_int_equal(varp_table_count(*state, &one), 0);
		assert_int_equal(varp_table_server_clear(*state, &one), 0);
		assert_false(varp_table_serves(*state, &one, NULL));
	}
}

static void test_table_free_null_does_nothing(void **state)
{
	(void)state;
	varp_table_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_table_empty_knows_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table_add_twice_overwrites, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_table_same_vaddr_in_two_supernets_is_two_mappings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table_serving_and_mappings_are_independent,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_table_each_visits_all_or_one_supernet_and_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table_each_server_visits_served_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_table_many_are_all_found_and_cleared, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_table_appended_in_order_are_all_found, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_table_append_end_of_nothing_does_nothing,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_table_append_out_of_order_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_table_each_after_removals_visits_what_is_left,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_table_supernet_that_went_comes_back_empty,
						setup, teardown),
		cmocka_unit_test(test_table_free_null_does_nothing),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
