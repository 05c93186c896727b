// SPDX-License-Identifier: BSD-2-Clause
/*
 * engine: its frame (what arrives, the log, loading, the end). Its roles have tests of their own
 * (test_lookup, test_client, test_server); how it behaves over time, with a network in between, is
 * told by tests/scenario.
 */
#include "rec_engine.h"

#include <malloc.h>

static void test_garbage_allocates_nothing(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_addr from = rec_addr("192.0.2.66");
	uint8_t data[2 * VARP_MSG_LEN];
	uint32_t random = 1;
	size_t before, i, j;

	rec_client_set(f, 7, "192.0.2.1");
	f->quiet = true;
	before = mallinfo2().uordblks;
	for (i = 0; i < 50000; i++) {
		size_t len = i % 3 ? VARP_MSG_LEN : i % sizeof(data);

		for (j = 0; j < len; j++) {
			random = random * 1664525 + 1013904223;
			data[j] = random >> 24;
		}
		if (i % 3 ==
		    1) { /* as far as the types, so that more than the first check is met */
			memcpy(data,
			       (uint8_t[]){VARP_VERSION, i % 6, 0, VARP_MSG_LEN, 0, 128, 0, 0}, 8);
			memset(data + 56, 0, VARP_MSG_LEN - 56);
			memset(data + 8, 0, 8);
		}
		varp_engine_receive(f->engine, NOW, &from, 2500, data, len);
	}
	assert_int_equal(mallinfo2().uordblks, before);
	assert_true(varp_engine_next_ns(f->engine) == UINT64_MAX);
	assert_true(varp_engine_stats(f->engine)->drops[VARP_DROP_VARP_UNASKED] > 0);
	assert_true(varp_engine_stats(f->engine)->drops[VARP_DROP_VARP_TRUNCATED] > 0);
}

static void test_log_bucket_refills_to_its_size(void **state)
{
	struct rec_engine *f = *state;
	unsigned int i, logged = 0;
	const struct varp_key foreign = rec_key(8, "10.0.0.2");

	for (i = 0; i < 12; i++) {
		rec_forget(f);
		rec_ask(f, &foreign, "192.0.2.10", 2500);
		logged += f->count == 2;
	}
	assert_int_equal(logged, 10);
	/* NOW is long after the bucket's beginning, yet there were ten and no more. */
}

static void test_load_takes_the_table_and_tells_nobody(void **state)
{
	struct rec_engine *f = *state;
	struct varp_table *table = varp_table_new();
	const struct varp_table_entry first = {
		.key = rec_key(7, "10.0.0.2"), .raddr = rec_addr("192.0.2.20"), .ttl_s = 50};
	const struct varp_table_entry former = {
		.key = rec_key(9, "10.0.0.2"), .raddr = rec_addr("192.0.2.20"), .ttl_s = 50};

	assert_non_null(table);
	varp_engine_add(f->engine, NOW, &former);
	rec_forget(f);
	assert_int_equal(varp_table_server_set(table, &first.key.snid, 60), 0);
	assert_int_equal(varp_table_add(table, &first), 0);
	varp_engine_load(f->engine, NOW, table);
	assert_int_equal(f->count, 0);
	assert_ptr_equal(varp_engine_table(f->engine), table);
	assert_int_equal(varp_table_count(varp_engine_table(f->engine), NULL), 1);
	rec_ask(f, &first.key, "192.0.2.10", 2500);
	assert_int_equal(rec_only(f, VARP_ACTION_SEND)->msg.type, VARP_MSG_REPLY);
}

static void test_load_settles_what_is_open(void **state)
{
	struct rec_engine *f = *state;
	struct varp_table *table = varp_table_new();
	const struct varp_table_entry known = {
		.key = rec_key(7, "10.0.0.2"), .raddr = rec_addr("192.0.2.20"), .ttl_s = 50};
	const struct varp_key unknown = rec_key(7, "10.0.0.3"), other = rec_key(8, "10.0.0.2");

	rec_client_set(f, 7, "192.0.2.1");
	rec_client_set(f, 8, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &known.key, NULL);
	varp_engine_lookup(f->engine, NOW, &unknown, NULL);
	varp_engine_lookup(f->engine, NOW, &other, NULL);
	rec_forget(f);
	assert_int_equal(varp_table_server_set(table, &known.key.snid, 60), 0);
	assert_int_equal(varp_table_add(table, &known), 0);
	varp_engine_load(f->engine, NOW + S, table);
	assert_memory_equal(&rec_only(f, VARP_ACTION_RESOLVED)->action.key, &known.key,
			    sizeof(known.key));
	assert_memory_equal(&rec_only(f, VARP_ACTION_NOTKNOWN)->action.key, &unknown, sizeof(unknown));
	assert_int_equal(varp_engine_lookup_state(f->engine, &other), VARP_LOOKUP_OPEN);
}

static void test_free_with_work_open_leaks_nothing(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key open = rec_key(7, "10.0.0.2"), negative = rec_key(8, "10.0.0.2");
	const struct varp_table_entry entry = {
		.key = open, .raddr = rec_addr("192.0.2.20"), .ttl_s = 5};

	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &open, NULL);
	varp_engine_lookup(f->engine, NOW, &negative, NULL);
	varp_engine_add(f->engine, NOW, &entry);
	rec_forget(f);
	varp_engine_free(f->engine);
	f->engine = NULL;
	varp_engine_free(NULL);
	assert_int_equal(f->count, 0);	/* the end of an engine is silent */
}

static void test_log_kinds_have_buckets_of_their_own(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key foreign = rec_key(8, "10.0.0.2");
	unsigned int i;

	f->quiet = true;
	for (i = 0; i < 100; i++)
		rec_ask(f, &foreign, "192.0.2.10", 2500);
	f->quiet = false;
	varp_engine_lookup(f->engine, NOW, &foreign, NULL);
	assert_non_null(strstr(rec_only(f, VARP_ACTION_LOG)->text, "no server configured"));
	assert_null(strstr(rec_only(f, VARP_ACTION_LOG)->text, "suppressed"));
	rec_forget(f);
	rec_ask(f, &foreign, "192.0.2.10", 2500);
	assert_int_equal(rec_actions(f, VARP_ACTION_LOG), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REC_TEST(test_garbage_allocates_nothing),
		REC_TEST(test_log_bucket_refills_to_its_size),
		REC_TEST(test_load_takes_the_table_and_tells_nobody),
		REC_TEST(test_load_settles_what_is_open),
		REC_TEST(test_free_with_work_open_leaks_nothing),
		REC_TEST(test_log_kinds_have_buckets_of_their_own),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
