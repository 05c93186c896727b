// SPDX-License-Identifier: BSD-2-Clause
/*
 * server: what a request is answered with, and what a change of the table means for this host.
 */
#include "rec_engine.h"

#include <malloc.h>

static void test_server_answer_goes_where_the_request_came_from(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "fd00::2");
	const struct varp_table_entry entry = {
		.key = k, .raddr = rec_addr("2001:db8::20"), .ttl_s = VARPDB_TTL_ALWAYS};
	const struct varp_addr client = rec_addr("2001:db8::10");
	struct rec_action *sent;

	varp_engine_server_set(f->engine, NOW, &k.snid, 77);
	varp_engine_add(f->engine, NOW, &entry);
	rec_forget(f);
	rec_ask(f, &k, "2001:db8::10", 40000);
	sent = rec_only(f, VARP_ACTION_SEND);
	assert_true(varp_addr_equal(&sent->action.raddr, &client));
	assert_int_equal(sent->action.port, 40000);
	assert_int_equal(sent->msg.type, VARP_MSG_REPLY);
	assert_int_equal(sent->msg.nonce, 42);
	assert_int_equal(sent->msg.chid.b[5], 6);
	assert_memory_equal(&sent->msg.vaddr, &k.vaddr, sizeof(k.vaddr));
	assert_int_equal(sent->msg.ttl_s, 77);
	assert_int_equal(sent->msg.raddr_count, 1);
	assert_true(varp_addr_equal(&sent->msg.raddrs[0].addr, &entry.raddr));
	assert_int_equal(f->count, 1);	/* nothing else happens on a request */
}

static void test_server_told_ttl_rows_are_within_limits(void **state)
{
	static const struct {
		int32_t entry_s, default_s;
		uint32_t told_s;
	} rows[] = {
		{ VARPDB_TTL_ALWAYS, 60, 60 }, { 5, 60, 5 }, { 65536, 60, 65536 }, { 1, 60, 1 },
		/* what a damaged store could bring */
		{ 0, 60, 900 }, { -7, 60, 900 }, { 70000, 60, 65536 },
		{ VARPDB_TTL_ALWAYS, VARPDB_TTL_ALWAYS, 900 },
	};
	struct rec_engine *f = *state;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const struct varp_key k = rec_key(7, "10.0.0.2");
		const struct varp_table_entry entry = {
			.key = k, .raddr = rec_addr("192.0.2.20"), .ttl_s = rows[i].entry_s};

		varp_engine_server_set(f->engine, NOW, &k.snid, rows[i].default_s);
		varp_engine_add(f->engine, NOW, &entry);
		rec_forget(f);
		rec_ask(f, &k, "192.0.2.10", 2500);
		if (rec_only(f, VARP_ACTION_SEND)->msg.ttl_s != rows[i].told_s)
			fail_msg("row %zu: told %u", i, rec_only(f, VARP_ACTION_SEND)->msg.ttl_s);
	}
}

static void test_server_naks_have_ttl_zero(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2"), foreign = rec_key(8, "10.0.0.2");
	struct rec_action *log;

	varp_engine_server_set(f->engine, NOW, &k.snid, 60);
	rec_ask(f, &k, "192.0.2.10", 2500);
	assert_int_equal(rec_only(f, VARP_ACTION_SEND)->msg.type, VARP_MSG_NAK_NOTKNOWN);
	assert_int_equal(rec_only(f, VARP_ACTION_SEND)->msg.ttl_s, 0);
	rec_forget(f);
	rec_ask(f, &foreign, "192.0.2.10", 2500);
	assert_int_equal(rec_only(f, VARP_ACTION_SEND)->msg.type, VARP_MSG_NAK_NOAUTHORITY);
	assert_int_equal(rec_only(f, VARP_ACTION_SEND)->msg.ttl_s, 0);
	log = rec_only(f, VARP_ACTION_LOG);
	assert_true(log->action.error);
	assert_non_null(strstr(log->text, "192.0.2.10"));
	assert_null(strchr(log->text, '\n'));
}

static void test_server_is_stateless_towards_clients(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	char from[32];
	unsigned int i;
	size_t before;

	varp_engine_server_set(f->engine, NOW, &k.snid, 60);
	f->quiet = true;
	rec_ask(f, &k, "192.0.2.10", 2500);
	before = mallinfo2().uordblks;
	for (i = 0; i < 10000; i++) {
		snprintf(from, sizeof(from), "10.9.%u.%u", i >> 8, i & 0xff);
		rec_ask(f, &k, from, 1024 + i);
	}
	assert_int_equal(mallinfo2().uordblks, before);
	assert_int_equal(varp_engine_stats(f->engine)->nak_notknown_sent, 10001);
	assert_true(varp_engine_next_ns(f->engine) == UINT64_MAX);
}

static void test_add_not_served_leaves_the_cache_alone(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_table_entry entry = {
		.key = rec_key(7, "10.0.0.2"), .raddr = rec_addr("192.0.2.20"), .ttl_s = 5};

	assert_int_equal(varp_engine_add(f->engine, NOW, &entry), 0);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->recorded[0].action.notice, VARP_NOTICE_INSERT);
	assert_true(f->recorded[0].action.authoritative);
	rec_forget(f);
	assert_int_equal(varp_engine_remove(f->engine, NOW, &entry.key), 0);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->recorded[0].action.notice, VARP_NOTICE_REMOVE);
	assert_int_equal(varp_table_count(varp_engine_table(f->engine), NULL), 0);
}

static void test_request_rows_become_answers(void **state)
{
	static const struct {
		const char *name;
		unsigned int supernet;
		const char *vaddr;
		uint16_t port;
		int type;		/* -1: no answer */
	} rows[] = {
		{ "registered and served", 7, "10.0.0.2", 2500, VARP_MSG_REPLY },
		{ "not registered", 7, "10.0.0.3", 2500, VARP_MSG_NAK_NOTKNOWN },
		{ "the other family", 7, "fd00::2", 2500, VARP_MSG_NAK_NOTKNOWN },
		{ "registered, not served", 8, "10.0.0.2", 2500, VARP_MSG_NAK_NOAUTHORITY },
		{ "nothing of it known", 9, "10.0.0.2", 2500, VARP_MSG_NAK_NOAUTHORITY },
		{ "no port to answer to", 7, "10.0.0.2", 0, -1 },
	};
	struct rec_engine *f = *state;
	struct varp_table_entry entry = {
		.key = rec_key(7, "10.0.0.2"), .raddr = rec_addr("192.0.2.20"), .ttl_s = 5};
	size_t i;

	varp_engine_server_set(f->engine, NOW, &entry.key.snid, 60);
	varp_engine_add(f->engine, NOW, &entry);
	entry.key = rec_key(8, "10.0.0.2");
	varp_engine_add(f->engine, NOW, &entry);
	for (i = 0; i < ROWS(rows); i++) {
		const struct varp_key k = rec_key(rows[i].supernet, rows[i].vaddr);
		int type = -1;

		rec_forget(f);
		rec_ask(f, &k, "192.0.2.10", rows[i].port);
		if (rec_actions(f, VARP_ACTION_SEND))
			type = rec_only(f, VARP_ACTION_SEND)->msg.type;
		if (type != rows[i].type)
			fail_msg("%s: answered by %d", rows[i].name, type);
		assert_int_equal(rec_actions(f, VARP_ACTION_LOG),
				 type == VARP_MSG_NAK_NOAUTHORITY);
	}
	assert_int_equal(varp_engine_stats(f->engine)->requests_received, ROWS(rows) - 1);
	assert_int_equal(varp_engine_stats(f->engine)->drops[VARP_DROP_VARP_FIELD], 1);
}

static void test_server_set_without_credentials_is_refused(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	struct varp_engine_config config = rec_config(f);

	config.insecure = false;
	rec_replace(f, &config);
	assert_int_equal(varp_engine_server_set(f->engine, NOW, &k.snid, 60), -EACCES);
	assert_false(varp_table_serves(varp_engine_table(f->engine), &k.snid, NULL));
	assert_int_equal(varp_engine_server_clear(f->engine, NOW, &k.snid), -ENOENT);
}

static void test_change_rows_void_this_hosts_cache(void **state)
{
	static const struct {
		const char *name;
		const char *raddr;	/* NULL: remove */
		int32_t ttl_s;
		size_t removes;
	} rows[] = {
		{ "new", "192.0.2.20", 5, 1 },
		{ "the same again", "192.0.2.20", 5, 0 },
		{ "another ttl", "192.0.2.20", 6, 1 },
		{ "another raddr", "192.0.2.21", 6, 1 },
		{ "removed", NULL, 0, 1 },
	};
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	size_t i;

	varp_engine_server_set(f->engine, NOW, &k.snid, 60);
	for (i = 0; i < ROWS(rows); i++) {
		struct varp_table_entry entry = { .key = k, .ttl_s = rows[i].ttl_s };

		rec_forget(f);
		if (rows[i].raddr) {
			entry.raddr = rec_addr(rows[i].raddr);
			assert_int_equal(varp_engine_add(f->engine, NOW, &entry), 0);
		} else {
			assert_int_equal(varp_engine_remove(f->engine, NOW, &k), 0);
		}
		if (rec_actions(f, VARP_ACTION_REMOVE) != rows[i].removes)
			fail_msg("%s: cache entry", rows[i].name);
		assert_true(rec_only(f, VARP_ACTION_NOTIFY)->action.authoritative);
	}
	assert_int_equal(varp_engine_remove(f->engine, NOW, &k), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REC_TEST(test_server_answer_goes_where_the_request_came_from),
		REC_TEST(test_server_told_ttl_rows_are_within_limits),
		REC_TEST(test_server_naks_have_ttl_zero),
		REC_TEST(test_server_is_stateless_towards_clients),
		REC_TEST(test_add_not_served_leaves_the_cache_alone),
		REC_TEST(test_request_rows_become_answers),
		REC_TEST(test_server_set_without_credentials_is_refused),
		REC_TEST(test_change_rows_void_this_hosts_cache),
	};

	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
