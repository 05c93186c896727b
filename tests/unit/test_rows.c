// SPDX-License-Identifier: BSD-2-Clause
/* rows: one supernet's mappings, held against a plain array that knows what should be there. */
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
#include <rows.h>

#define UNIVERSE_MAX	5000

/* What should be there: the ttl of each vaddr's mapping, 0 if it has none. */
struct model {
	struct varp_rows rows;
	int32_t ttl[UNIVERSE_MAX];
	uint32_t universe, count;
	uint32_t random;
};

static struct varp_addr vaddr_of(uint32_t number)
{
	return (struct varp_addr){ .b = { [10] = 0xff, 0xff, 10, number >> 16, number >> 8,
					  number } };
}

static struct varp_table_entry entry_of(uint32_t number, int32_t ttl_s)
{
	struct varp_table_entry entry = { .ttl_s = ttl_s };

	entry.key.vaddr = vaddr_of(number);
	return entry;
}

/* The same sequence each time: a failure can be repeated. */
static uint32_t next_random(struct model *model)
{
	model->random = model->random * 1664525 + 1013904223;
	return model->random >> 8;
}

static void put(struct model *model, uint32_t number, int32_t ttl_s)
{
	const struct varp_table_entry entry = entry_of(number, ttl_s);
	bool added;

	assert_int_equal(varp_rows_put(&model->rows, &entry, &added), 0);
	assert_int_equal(added, !model->ttl[number]);
	model->count += added;
	model->ttl[number] = ttl_s;
}

static void take_out(struct model *model, uint32_t number)
{
	const struct varp_addr vaddr = vaddr_of(number);

	assert_int_equal(varp_rows_remove(&model->rows, &vaddr),
			 model->ttl[number] ? 0 : -ENOENT);
	model->count -= !!model->ttl[number];
	model->ttl[number] = 0;
}

static void check(const struct model *model)
{
	assert_int_equal(model->rows.count, model->count);
	for (uint32_t i = 0; i < model->universe; i++) {
		const struct varp_addr vaddr = vaddr_of(i);
		const struct varp_table_entry *found = varp_rows_find(&model->rows, &vaddr);

		assert_int_equal(found ? found->ttl_s : 0, model->ttl[i]);
		if (found)
			assert_true(varp_addr_equal(&found->key.vaddr, &vaddr));
	}
}

/* grow: of ten changes, so many put something in. */
static void change_at_random(struct model *model, unsigned int changes, unsigned int grow)
{
	while (changes--) {
		uint32_t number = next_random(model) % model->universe;

		if (next_random(model) % 10 < grow)
			put(model, number, changes + 1);
		else
			take_out(model, number);
	}
	check(model);
}

static void run_model(uint32_t universe)
{
	struct model *model = calloc(1, sizeof(*model));

	assert_non_null(model);
	model->universe = universe;
	model->random = universe;
	for (int round = 0; round < 5; round++) {
		change_at_random(model, universe * 4, 9);
		change_at_random(model, universe * 4, 5);
		change_at_random(model, universe * 4, 1);
	}
	varp_rows_fini(&model->rows);
	free(model);
}

/* Twelve fill the smallest index to its limit: runs are long and go over its end. */
static void test_rows_changed_at_random_hold_what_they_should(void **state)
{
	static const uint32_t universes[] = { 1, 2, 12, 13, 25, 300, UNIVERSE_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(universes) / sizeof(universes[0]); i++)
		run_model(universes[i]);
}

static void test_rows_empty_finds_and_removes_nothing(void **state)
{
	const struct varp_addr vaddr = vaddr_of(1);
	struct varp_rows rows = { 0 };

	(void)state;
	assert_null(varp_rows_find(&rows, &vaddr));
	assert_int_equal(varp_rows_remove(&rows, &vaddr), -ENOENT);
	varp_rows_fini(&rows);
}

static void test_rows_removed_give_memory_back(void **state)
{
	struct model *model = calloc(1, sizeof(*model));
	uint32_t room, places;

	(void)state;
	assert_non_null(model);
	model->universe = UNIVERSE_MAX;
	for (uint32_t i = 0; i < UNIVERSE_MAX; i++)
		put(model, i, 1);
	room = model->rows.room;
	places = model->rows.places;
	assert_true(places >= UNIVERSE_MAX && places <= 4 * UNIVERSE_MAX);
	for (uint32_t i = 0; i < UNIVERSE_MAX - 10; i++)
		take_out(model, i);
	assert_true(model->rows.room < room / 64);
	assert_true(model->rows.places < places / 32);
	check(model);
	varp_rows_fini(&model->rows);
	free(model);
}

static void test_rows_removing_by_the_entrys_own_address_removes_it(void **state)
{
	struct model *model = calloc(1, sizeof(*model));
	const struct varp_addr first = vaddr_of(0);
	const struct varp_table_entry *entry;

	(void)state;
	assert_non_null(model);
	model->universe = 10;
	for (uint32_t i = 0; i < 10; i++)
		put(model, i, i + 1);
	entry = varp_rows_find(&model->rows, &first);
	assert_non_null(entry);
	assert_int_equal(varp_rows_remove(&model->rows, &entry->key.vaddr), 0);
	model->ttl[0] = 0;
	model->count--;
	check(model);
	varp_rows_fini(&model->rows);
	free(model);
}

/* Up to, at and beyond the numbers at which the index has to be larger. */
static void test_rows_appended_are_found_once_indexed(void **state)
{
	static const uint32_t counts[] = { 1, 11, 12, 13, 15, 16, 17, 24, 25, 96, 97,
					   UNIVERSE_MAX };
	struct model *model = calloc(1, sizeof(*model));

	(void)state;
	assert_non_null(model);
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		memset(model, 0, sizeof(*model));
		model->universe = UNIVERSE_MAX;
		for (uint32_t i = 0; i < counts[c]; i++) {
			const struct varp_table_entry entry = entry_of(i, i + 1);

			assert_int_equal(varp_rows_append(&model->rows, &entry), 0);
			model->ttl[i] = i + 1;
			model->count++;
		}
		assert_int_equal(varp_rows_index(&model->rows), 0);
		check(model);
		change_at_random(model, 3000, 5);
		varp_rows_fini(&model->rows);
	}
	free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_empty_finds_and_removes_nothing),
		cmocka_unit_test(test_rows_changed_at_random_hold_what_they_should),
		cmocka_unit_test(test_rows_removed_give_memory_back),
		cmocka_unit_test(test_rows_removing_by_the_entrys_own_address_removes_it),
		cmocka_unit_test(test_rows_appended_are_found_once_indexed),
	};

	return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
