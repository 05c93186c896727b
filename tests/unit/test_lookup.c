// SPDX-License-Identifier: BSD-2-Clause
/*
 * lookup: the life of one lookup, in what its actions carry and in the records that lookup.c keeps.
 */
#include "rec_engine.h"

#include <state.h>

static void test_lookup_request_carries_what_it_should(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	const struct varp_addr server = rec_addr("192.0.2.1"), vaddr = rec_addr("10.0.0.2");
	struct rec_action *sent;

	rec_client_set(f, 7, "192.0.2.1");
	assert_int_equal(varp_engine_lookup(f->engine, NOW, &k, NULL), 0);
	sent = rec_only(f, VARP_ACTION_SEND);
	assert_true(varp_addr_equal(&sent->action.raddr, &server));
	assert_int_equal(sent->action.port, 2500);
	assert_true(varp_snid_equal(&sent->action.key.snid, &k.snid));
	assert_int_equal(sent->msg.type, VARP_MSG_REQUEST);
	assert_int_equal(sent->msg.nonce, 101);
	assert_int_equal(sent->msg.session, 0);
	assert_true(varp_snid_equal(&sent->msg.snid, &k.snid));
	assert_true(varp_addr_equal(&sent->msg.vaddr, &vaddr));
	assert_int_equal(rec_only(f, VARP_ACTION_NOTIFY)->action.notice, VARP_NOTICE_MISS);
}

static void test_lookup_nonce_stays_over_repetitions_and_changes_after(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2"), other = rec_key(7, "10.0.0.3");

	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k, NULL);
	rec_forget(f);
	varp_engine_tick(f->engine, NOW + 250 * MS);
	assert_int_equal(rec_only(f, VARP_ACTION_SEND)->msg.nonce, 101);
	rec_forget(f);
	varp_engine_lookup(f->engine, NOW + 250 * MS, &other, NULL);
	assert_int_equal(rec_only(f, VARP_ACTION_SEND)->msg.nonce, 102);
	varp_engine_tick(f->engine, NOW + 6 * S);
	rec_forget(f);
	varp_engine_lookup(f->engine, NOW + 6 * S, &k, NULL);
	assert_int_equal(rec_only(f, VARP_ACTION_SEND)->msg.nonce, 103);
}

static void test_reply_resolved_carries_deadline_and_ttl(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	const struct varp_addr raddr = rec_addr("192.0.2.20");
	struct varp_msg request;
	struct rec_action *r;

	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k, NULL);
	request = rec_only(f, VARP_ACTION_SEND)->msg;
	rec_forget(f);
	rec_answer(f, NOW + 3 * MS, &request, VARP_MSG_REPLY, 65536);
	r = rec_only(f, VARP_ACTION_RESOLVED);
	assert_memory_equal(&r->action.key, &k, sizeof(k));
	assert_true(varp_addr_equal(&r->action.raddr, &raddr));
	assert_int_equal(r->action.ttl_s, 65536);
	assert_true(r->action.deadline_ns == NOW + 3 * MS + 65536 * S);
	assert_int_equal(f->count, 3);
	assert_int_equal(f->recorded[0].action.type, VARP_ACTION_RESOLVED);
	assert_int_equal(f->recorded[1].action.notice, VARP_NOTICE_INSERT);
	assert_int_equal(f->recorded[2].action.notice, VARP_NOTICE_HIT);
	assert_true(varp_addr_equal(&f->recorded[2].action.raddr, &raddr));
	assert_false(f->recorded[1].action.authoritative);
	assert_int_equal(varp_engine_lookup_state(f->engine, &k), VARP_LOOKUP_NONE);
}

static void test_nak_notknown_carries_deadline(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	struct varp_msg request;

	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k, NULL);
	request = rec_only(f, VARP_ACTION_SEND)->msg;
	rec_forget(f);
	rec_answer(f, NOW + MS, &request, VARP_MSG_NAK_NOTKNOWN, 0);
	assert_true(rec_only(f, VARP_ACTION_NOTKNOWN)->action.deadline_ns == NOW + MS + 5 * S);
	assert_true(varp_engine_next_ns(f->engine) == NOW + MS + 5 * S);
	assert_int_equal(varp_engine_lookup_state(f->engine, &k), VARP_LOOKUP_NOTKNOWN);
}

/*
 * Time that stood still (a suspended machine): what is over is over, and nothing is sent after its
 * window.
 */
static void test_tick_late_ends_the_window_without_a_request(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");

	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k, NULL);
	rec_forget(f);
	varp_engine_tick(f->engine, NOW + 3600 * S);
	rec_only(f, VARP_ACTION_UNANSWERED);
	assert_int_equal(varp_engine_stats(f->engine)->requests_sent, 1);
	assert_true(varp_engine_next_ns(f->engine) == UINT64_MAX);
}

static void test_watches_have_a_bound_of_their_own(void **state)
{
	struct rec_engine *f = *state;
	char vaddr[16];
	unsigned int i, checks = 0;

	f->quiet = true;
	for (i = 1; i <= 12; i++) {	/* lookups_max is 8 */
		struct varp_table_entry entry = { .ttl_s = 4 };

		snprintf(vaddr, sizeof(vaddr), "10.0.0.%u", i);
		entry.key = rec_key(7, vaddr);
		entry.raddr = rec_addr("192.0.2.20");
		assert_int_equal(varp_engine_server_set(f->engine, NOW, &entry.key.snid, 60), 0);
		assert_int_equal(varp_engine_add(f->engine, NOW, &entry), 0);
		assert_int_equal(varp_engine_lookup(f->engine, NOW, &entry.key, NULL), 0);
		assert_int_equal(varp_engine_lookup_state(f->engine, &entry.key), VARP_LOOKUP_NONE);
	}
	f->quiet = false;
	varp_engine_tick(f->engine, NOW + 3 * S);
	for (i = 0; i < f->count; i++)
		checks += f->recorded[i].action.type == VARP_ACTION_CHECK;
	assert_int_equal(checks, 8);
	assert_true(varp_engine_next_ns(f->engine) == UINT64_MAX);
}

static void test_negative_ttl_set_holds_for_answers_from_then_on(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key before = rec_key(8, "10.0.0.2"), after = rec_key(8, "10.0.0.3");

	varp_engine_lookup(f->engine, NOW, &before, NULL);
	assert_int_equal(rec_only(f, VARP_ACTION_NOTKNOWN)->action.deadline_ns, NOW + 5 * S);
	rec_forget(f);
	varp_engine_negative_ttl_set(f->engine, 1500);
	varp_engine_lookup(f->engine, NOW, &after, NULL);
	assert_int_equal(rec_only(f, VARP_ACTION_NOTKNOWN)->action.deadline_ns, NOW + 1500 * MS);
	varp_engine_tick(f->engine, NOW + 1500 * MS);
	assert_int_equal(varp_engine_lookup_state(f->engine, &after), VARP_LOOKUP_NONE);
	assert_int_equal(varp_engine_lookup_state(f->engine, &before), VARP_LOOKUP_NOTKNOWN);
}

static void test_new_retry_zero_still_ends(void **state)
{
	struct rec_engine *f = *state;
	struct varp_engine_config config = rec_config(f);
	const struct varp_key k = rec_key(7, "10.0.0.2"), negative = rec_key(8, "10.0.0.2");

	config.negative_ttl_ms = 0;
	config.retry_ms = 0;
	rec_replace(f, &config);
	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k, NULL);
	varp_engine_lookup(f->engine, NOW, &negative, NULL);
	varp_engine_tick(f->engine, NOW);
	assert_true(varp_engine_next_ns(f->engine) > NOW);
	assert_int_equal(varp_engine_lookup_state(f->engine, &negative), VARP_LOOKUP_NONE);
}

static void test_requests_go_out_at_growing_gaps(void **state)
{
	static const uint64_t at_ms[] = { 0, 250, 750, 1750, 3750 };
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	size_t i;

	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k, NULL);
	for (i = 1; i < ROWS(at_ms); i++) {
		assert_true(varp_engine_next_ns(f->engine) == NOW + at_ms[i] * MS);
		varp_engine_tick(f->engine, NOW + at_ms[i] * MS - 1);
		assert_int_equal(varp_engine_stats(f->engine)->requests_sent, i);
		varp_engine_tick(f->engine, NOW + at_ms[i] * MS);
		assert_int_equal(varp_engine_stats(f->engine)->requests_sent, i + 1);
	}
	assert_true(varp_engine_next_ns(f->engine) == NOW + 5 * S);
	rec_forget(f);
	varp_engine_tick(f->engine, NOW + 5 * S);
	rec_only(f, VARP_ACTION_UNANSWERED);
	assert_int_equal(rec_only(f, VARP_ACTION_NOTIFY)->action.notice, VARP_NOTICE_EXPIRE);
	assert_int_equal(varp_engine_stats(f->engine)->requests_repeated, 4);
}

static void test_take_rows_keep_bounds_by_state(void **state)
{
	static const struct {
		const char *name;
		int first, then;
		int err;	/* of the ninth; lookups_max is 8 */
	} rows[] = {
		{ "open", VARP_LOOKUP_OPEN, VARP_LOOKUP_OPEN, -ENOBUFS },
		{ "open and not known share", VARP_LOOKUP_OPEN, VARP_LOOKUP_NOTKNOWN, -ENOBUFS },
		{ "the other way round", VARP_LOOKUP_NOTKNOWN, VARP_LOOKUP_OPEN, -ENOBUFS },
		{ "refresh", VARP_LOOKUP_REFRESH, VARP_LOOKUP_REFRESH, -ENOBUFS },
		{ "watch", VARP_LOOKUP_WATCH, VARP_LOOKUP_WATCH, -ENOBUFS },
		{ "open beside refreshes", VARP_LOOKUP_REFRESH, VARP_LOOKUP_OPEN, 0 },
		{ "refresh beside open", VARP_LOOKUP_OPEN, VARP_LOOKUP_REFRESH, 0 },
		{ "watch beside open", VARP_LOOKUP_OPEN, VARP_LOOKUP_WATCH, 0 },
	};
	struct rec_engine *f = *state;
	struct varp_lookup *lookup;
	char vaddr[16];
	size_t row, i;
	int err;

	for (row = 0; row < ROWS(rows); row++) {
		struct varp_key k = rec_key(row + 1, "10.0.0.9");

		for (i = 1; i <= 8; i++) {
			struct varp_key one;

			snprintf(vaddr, sizeof(vaddr), "10.0.0.%zu", i);
			one = rec_key(row + 1, vaddr);
			assert_int_equal(varp_lookup_take(f->engine, &one, rows[row].first,
							  &lookup), 0);
			assert_int_equal(lookup->state, rows[row].first);
		}
		err = varp_lookup_take(f->engine, &k, rows[row].then, &lookup);
		if (err != rows[row].err)
			fail_msg("%s: %d", rows[row].name, err);
		assert_true(!!varp_lookup_find(f->engine, &k) == !err);
	}
}

static void test_take_without_room_leaves_the_lookup_as_it_is(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key refresh = rec_key(7, "10.0.1.1");
	struct varp_lookup *lookup;
	char vaddr[16];
	size_t i;

	assert_int_equal(varp_lookup_take(f->engine, &refresh, VARP_LOOKUP_REFRESH, &lookup), 0);
	for (i = 1; i <= 8; i++) {
		struct varp_key one;

		snprintf(vaddr, sizeof(vaddr), "10.0.0.%zu", i);
		one = rec_key(7, vaddr);
		assert_int_equal(varp_lookup_take(f->engine, &one, VARP_LOOKUP_OPEN, &lookup), 0);
	}
	assert_int_equal(varp_lookup_take(f->engine, &refresh, VARP_LOOKUP_OPEN, &lookup),
			 -ENOBUFS);
	assert_ptr_equal(lookup, varp_lookup_find(f->engine, &refresh));
	assert_int_equal(lookup->state, VARP_LOOKUP_REFRESH);
	assert_int_equal(lookup->client->counts[VARP_LOOKUP_OPEN], 8);
	assert_int_equal(lookup->client->counts[VARP_LOOKUP_REFRESH], 1);
	/* Answered negatively it finds no room either: then the entry just goes. */
	varp_lookup_notknown(f->engine, NOW, lookup);
	assert_int_equal(rec_actions(f, VARP_ACTION_NOTKNOWN), 0);
	assert_memory_equal(&rec_only(f, VARP_ACTION_REMOVE)->action.key, &refresh,
			    sizeof(refresh));
	assert_int_equal(rec_only(f, VARP_ACTION_NOTIFY)->action.notice, VARP_NOTICE_REMOVE);
	assert_null(varp_lookup_find(f->engine, &refresh));
}

static void test_free_takes_an_unused_client_along(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2"), kept = rec_key(8, "10.0.0.2");
	struct varp_lookup *lookup;

	rec_client_set(f, 8, "192.0.2.1");
	assert_int_equal(varp_lookup_take(f->engine, &k, VARP_LOOKUP_OPEN, &lookup), 0);
	assert_non_null(varp_client_find(f->engine, &k.snid));
	varp_lookup_free(f->engine, lookup);
	assert_null(varp_client_find(f->engine, &k.snid));
	assert_int_equal(varp_lookup_take(f->engine, &kept, VARP_LOOKUP_OPEN, &lookup), 0);
	varp_lookup_free(f->engine, lookup);
	assert_non_null(varp_client_find(f->engine, &kept.snid));
	assert_int_equal(f->count, 0);
}

static void test_forget_rows_tell_what_others_know(void **state)
{
	static const struct {
		const char *name;
		int state, action;	/* -1: none */
		size_t notices;
	} rows[] = {
		{ "open", VARP_LOOKUP_OPEN, VARP_ACTION_UNANSWERED, 1 },
		{ "not known", VARP_LOOKUP_NOTKNOWN, VARP_ACTION_FORGET, 0 },
		{ "refresh", VARP_LOOKUP_REFRESH, -1, 0 },
		{ "watch", VARP_LOOKUP_WATCH, -1, 0 },
	};
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	struct varp_lookup *lookup;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		rec_forget(f);
		assert_int_equal(varp_lookup_take(f->engine, &k, rows[i].state, &lookup), 0);
		varp_lookup_forget(f->engine, lookup);
		if (rec_actions(f, VARP_ACTION_NOTIFY) != rows[i].notices)
			fail_msg("%s: notices", rows[i].name);
		assert_int_equal(f->count, rows[i].notices + (rows[i].action >= 0));
		if (rows[i].action >= 0)
			rec_only(f, rows[i].action);
		assert_null(varp_lookup_find(f->engine, &k));
	}
}

static void test_resolved_rows_watch_short_ttls(void **state)
{
	static const struct {
		uint32_t ttl_s;
		uint64_t check_ms;	/* zero: left to the sweep */
	} rows[] = { { 1, 750 }, { 11, 8250 }, { 12, 0 }, { 65536, 0 } };
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	const struct varp_addr raddr = rec_addr("192.0.2.20");
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		varp_engine_flush(f->engine, NOW, NULL, NULL);
		rec_forget(f);
		varp_lookup_resolved(f->engine, NOW, &k, &raddr, rows[i].ttl_s, false);
		assert_true(rec_only(f, VARP_ACTION_RESOLVED)->action.deadline_ns ==
			    NOW + rows[i].ttl_s * S);
		assert_int_equal(varp_engine_lookup_state(f->engine, &k), VARP_LOOKUP_NONE);
		assert_true(varp_engine_next_ns(f->engine) ==
			    (rows[i].check_ms ? NOW + rows[i].check_ms * MS : UINT64_MAX));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REC_TEST(test_lookup_request_carries_what_it_should),
		REC_TEST(test_lookup_nonce_stays_over_repetitions_and_changes_after),
		REC_TEST(test_reply_resolved_carries_deadline_and_ttl),
		REC_TEST(test_nak_notknown_carries_deadline),
		REC_TEST(test_tick_late_ends_the_window_without_a_request),
		REC_TEST(test_watches_have_a_bound_of_their_own),
		REC_TEST(test_negative_ttl_set_holds_for_answers_from_then_on),
		REC_TEST(test_new_retry_zero_still_ends),
		REC_TEST(test_requests_go_out_at_growing_gaps),
		REC_TEST(test_take_rows_keep_bounds_by_state),
		REC_TEST(test_take_without_room_leaves_the_lookup_as_it_is),
		REC_TEST(test_free_takes_an_unused_client_along),
		REC_TEST(test_forget_rows_tell_what_others_know),
		REC_TEST(test_resolved_rows_watch_short_ttls),
	};

	return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
