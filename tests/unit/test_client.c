// SPDX-License-Identifier: BSD-2-Clause
/*
 * client: which server is asked, which answers are believed, and when an entry is asked for again.
 */
#include "rec_engine.h"

static void test_age_rows_expire_refresh_or_nothing(void **state)
{
	static const struct {
		const char *name;
		uint32_t ttl_s;
		uint64_t left_ms;	/* until the deadline */
		int64_t used_ms;	/* before the deadline; -1: never */
		char expected;		/* 'r'efresh, 'e'xpire, '-' */
	} rows[] = {
		{ "fresh", 900, 900000, -1, '-' },
		{ "used just now, much left", 900, 500000, 500000, '-' },
		{ "used just now, past half", 900, 449000, 449000, '-' },
		{ "just before the last eighth", 900, 112501, 113000, '-' },
		{ "the last eighth begins", 900, 112500, 113000, 'r' },
		{ "used long ago", 900, 10000, 460000, '-' },
		{ "used when the second half began", 900, 10000, 450000, 'r' },
		{ "never used", 900, 10000, -1, '-' },
		{ "last moment", 900, 1, 2000, 'r' },
		{ "over", 900, 0, 1000, 'e' },
		{ "short: two sweeps and a window", 60, 11000, 12000, 'r' },
		{ "short: a little more", 60, 11001, 12000, '-' },
		{ "very short: half of its life", 12, 6000, 6000, 'r' },
		{ "very short: more than half left", 12, 6001, 6001, '-' },
		{ "watched: a quarter left", 4, 1000, 1500, 'r' },
		{ "one second, noted once when it began", 1, 250, 990, 'r' },
		{ "longest, just before its last eighth", 65536, 8192001, 8192001, '-' },
		{ "longest, in its last eighth", 65536, 8192000, 8192000, 'r' },
	};
	struct rec_engine *f = *state;
	size_t i;

	rec_client_set(f, 7, "192.0.2.1");
	for (i = 0; i < ROWS(rows); i++) {
		const struct varp_key k = rec_key(7, "10.0.0.2");
		struct varp_mapping mapping = {.ttl_s = rows[i].ttl_s,
					       .deadline_ns = NOW + rows[i].left_ms * MS};
		char is = '-';

		if (rows[i].used_ms >= 0)
			mapping.used_ns = mapping.deadline_ns - rows[i].used_ms * MS;
		rec_forget(f);
		varp_engine_age(f->engine, NOW, &k, &mapping);
		if (f->count)
			is = f->recorded[0].action.type == VARP_ACTION_REMOVE ? 'e' : 'r';
		if (is != rows[i].expected)
			fail_msg("%s: %c", rows[i].name, is);
		varp_engine_flush(f->engine, NOW, NULL, NULL);
	}
}

/* A local user can send to what no message may ask for: nothing is sent, and nothing breaks. */
static void test_vaddr_not_unicast_is_notknown_unasked(void **state)
{
	static const char *const vaddrs[] = {
		"127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1",
	};
	const struct varp_mapping mapping = {
		.ttl_s = 60, .deadline_ns = NOW + 5 * S, .used_ns = NOW};
	struct rec_engine *f = *state;
	size_t i;

	rec_client_set(f, 7, "192.0.2.1");
	for (i = 0; i < ROWS(vaddrs); i++) {
		const struct varp_key k = rec_key(7, vaddrs[i]);

		rec_forget(f);
		varp_engine_age(f->engine, NOW, &k, &mapping);
		assert_int_equal(f->count, 0);
		assert_int_equal(varp_engine_lookup(f->engine, NOW, &k, NULL), 0);
		rec_only(f, VARP_ACTION_NOTKNOWN);
		assert_int_equal(varp_engine_lookup_state(f->engine, &k), VARP_LOOKUP_NOTKNOWN);
	}
	assert_int_equal(varp_engine_stats(f->engine)->requests_sent, 0);
	assert_int_equal(varp_engine_stats(f->engine)->refreshes, 0);
}

/* used_ns zero means never, also while the clock itself is near zero. */
static void test_age_never_used_soon_after_boot_is_not_refreshed(void **state)
{
	const struct varp_mapping mapping = { .ttl_s = 2, .deadline_ns = 2 * S };
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");

	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_age(f->engine, 1500 * MS, &k, &mapping);
	assert_int_equal(f->count, 0);
}

static void test_age_twice_refreshes_once(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	const struct varp_mapping mapping = {
		.ttl_s = 60, .deadline_ns = NOW + 5 * S, .used_ns = NOW};

	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_age(f->engine, NOW, &k, &mapping);
	assert_int_equal(varp_engine_lookup_state(f->engine, &k), VARP_LOOKUP_REFRESH);
	varp_engine_age(f->engine, NOW + MS, &k, &mapping);
	assert_int_equal(varp_engine_stats(f->engine)->refreshes, 1);
	rec_only(f, VARP_ACTION_SEND);
}

static void test_refreshes_have_a_bound_of_their_own(void **state)
{
	const struct varp_mapping mapping = {
		.ttl_s = 60, .deadline_ns = NOW + 5 * S, .used_ns = NOW};
	struct rec_engine *f = *state;
	char vaddr[16];
	unsigned int i;

	rec_client_set(f, 7, "192.0.2.1");
	for (i = 1; i <= 10; i++) {	/* lookups_max is 8 */
		struct varp_key k;

		snprintf(vaddr, sizeof(vaddr), "10.0.0.%u", i);
		k = rec_key(7, vaddr);
		varp_engine_age(f->engine, NOW, &k, &mapping);
	}
	assert_int_equal(varp_engine_stats(f->engine)->refreshes, 8);
	assert_int_equal(varp_engine_stats(f->engine)->requests_sent, 8);
}

static void test_age_refresh_removed_here_becomes_notknown(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	const struct varp_mapping mapping = {
		.ttl_s = 60, .deadline_ns = NOW + 5 * S, .used_ns = NOW};

	assert_int_equal(varp_engine_server_set(f->engine, NOW, &k.snid, 60), 0);
	varp_engine_age(f->engine, NOW, &k, &mapping);
	rec_only(f, VARP_ACTION_NOTKNOWN);
	assert_int_equal(varp_engine_lookup_state(f->engine, &k), VARP_LOOKUP_NOTKNOWN);
}

static bool count_clients(const struct varp_snid *snid, const struct varp_addr *server, void *ctx)
{
	size_t *left = ctx;

	assert_int_equal(snid->b[9], server->b[15]);
	return --*left;
}

static void test_each_client_visits_configured_ones_and_stops(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(9, "10.0.0.2");
	struct varp_addr server;
	size_t left = 10;

	rec_client_set(f, 1, "192.0.2.1");
	rec_client_set(f, 2, "192.0.2.2");
	varp_engine_lookup(f->engine, NOW, &k, NULL);	/* a supernet without a server */
	varp_engine_each_client(f->engine, count_clients, &left);
	assert_int_equal(left, 8);
	left = 1;
	varp_engine_each_client(f->engine, count_clients, &left);
	assert_int_equal(left, 0);
	assert_false(varp_engine_client_get(f->engine, &k.snid, &server));
}

static void test_client_set_rows_need_credentials(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	const struct varp_addr server = rec_addr("192.0.2.1");
	struct varp_engine_config config = rec_config(f);

	config.insecure = false;
	rec_replace(f, &config);
	assert_int_equal(varp_engine_client_set(f->engine, NOW, &k.snid, &server), -EACCES);
	assert_false(varp_engine_client_get(f->engine, &k.snid, NULL));
	assert_int_equal(varp_engine_lookup(f->engine, NOW, &k, NULL), 0);
	rec_only(f, VARP_ACTION_NOTKNOWN);
	assert_non_null(strstr(rec_only(f, VARP_ACTION_LOG)->text, "no credentials"));
	assert_int_equal(rec_actions(f, VARP_ACTION_SEND), 0);
}

static void test_client_clear_rows_name_the_right_server(void **state)
{
	static const struct {
		const char *name;
		unsigned int supernet;
		const char *server;	/* NULL: whichever */
		int err;
	} rows[] = {
		{ "another supernet", 8, NULL, -ENOENT },
		{ "another server", 7, "192.0.2.2", -ENOENT },
		{ "the server", 7, "192.0.2.1", 0 },
		{ "a second time", 7, "192.0.2.1", -ENOENT },
	};
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	struct varp_addr server;
	size_t i;
	int err;

	rec_client_set(f, 7, "192.0.2.1");
	for (i = 0; i < ROWS(rows); i++) {
		const struct varp_key of = rec_key(rows[i].supernet, "10.0.0.2");

		if (rows[i].server)
			server = rec_addr(rows[i].server);
		err = varp_engine_client_clear(f->engine, NOW, &of.snid,
					       rows[i].server ? &server : NULL);
		if (err != rows[i].err)
			fail_msg("%s: %d", rows[i].name, err);
	}
	rec_client_set(f, 7, "192.0.2.1");
	assert_int_equal(varp_engine_client_clear(f->engine, NOW, &k.snid, NULL), 0);
	assert_false(varp_engine_client_get(f->engine, &k.snid, &server));
}

static void test_answer_rows_are_believed_from_who_was_asked(void **state)
{
	static const struct {
		const char *name;
		const char *from;
		unsigned int supernet;
		const char *vaddr;
		int nonce;		/* more than the request's */
		uint16_t port;
		int drop;		/* -1: believed */
	} rows[] = {
		{ "another server", "192.0.2.2", 7, "10.0.0.2", 0, 2500, VARP_DROP_VARP_SERVER },
		{ "another port", "192.0.2.1", 7, "10.0.0.2", 0, 2501, VARP_DROP_VARP_SERVER },
		{ "another nonce", "192.0.2.1", 7, "10.0.0.2", 1, 2500, VARP_DROP_VARP_NONCE },
		{ "another vaddr", "192.0.2.1", 7, "10.0.0.3", 0, 2500, VARP_DROP_VARP_UNASKED },
		{ "another supernet", "192.0.2.1", 8, "10.0.0.2", 0, 2500, VARP_DROP_VARP_UNASKED },
		{ "the answer", "192.0.2.1", 7, "10.0.0.2", 0, 2500, -1 },
		{ "a second time", "192.0.2.1", 7, "10.0.0.2", 0, 2500, VARP_DROP_VARP_UNASKED },
	};
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	const struct varp_engine_stats *stats = varp_engine_stats(f->engine);
	struct varp_msg request;
	size_t i;

	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k, NULL);
	request = rec_only(f, VARP_ACTION_SEND)->msg;
	for (i = 0; i < ROWS(rows); i++) {
		const struct varp_key about = rec_key(rows[i].supernet, rows[i].vaddr);
		uint64_t dropped = rows[i].drop >= 0 ? stats->drops[rows[i].drop] : 0;
		struct varp_msg msg = request;

		msg.type = VARP_MSG_NAK_NOTKNOWN;
		msg.snid = about.snid;
		msg.vaddr = about.vaddr;
		msg.nonce += rows[i].nonce;
		rec_forget(f);
		rec_receive(f, NOW + MS, rows[i].from, rows[i].port, &msg);
		if (rec_actions(f, VARP_ACTION_NOTKNOWN) != (rows[i].drop < 0))
			fail_msg("%s: is %s", rows[i].name, f->count ? "believed" : "not believed");
		if (rows[i].drop >= 0 && stats->drops[rows[i].drop] != dropped + 1)
			fail_msg("%s: not counted", rows[i].name);
	}
	assert_int_equal(stats->nak_notknown_received, 1);
}

static void test_reply_rows_best_raddr_is_taken(void **state)
{
	static const struct {
		const char *name;
		struct {
			const char *addr;
			uint8_t priority, weight;
		} raddrs[3];
		const char *best;
	} rows[] = {
		{ "only one", { { "192.0.2.20", 254, 0 } }, "192.0.2.20" },
		{ "lowest priority", { { "192.0.2.20", 2, 9 }, { "192.0.2.21", 1, 0 } },
		  "192.0.2.21" },
		{ "greatest weight", { { "192.0.2.20", 1, 1 }, { "192.0.2.21", 1, 2 } },
		  "192.0.2.21" },
		{ "the first of equals", { { "192.0.2.20", 1, 1 }, { "192.0.2.21", 1, 1 } },
		  "192.0.2.20" },
		{ "255 is never used", { { "192.0.2.20", 255, 9 }, { "2001:db8::1", 254, 0 } },
		  "2001:db8::1" },
	};
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	size_t i, n;

	rec_client_set(f, 7, "192.0.2.1");
	for (i = 0; i < ROWS(rows); i++) {
		const struct varp_addr best = rec_addr(rows[i].best);
		struct varp_msg msg;

		rec_forget(f);
		varp_engine_lookup(f->engine, NOW, &k, NULL);
		msg = rec_only(f, VARP_ACTION_SEND)->msg;
		msg.type = VARP_MSG_REPLY;
		msg.ttl_s = 900;
		for (n = 0; n < 3 && rows[i].raddrs[n].addr; n++)
			msg.raddrs[n] = (struct varp_raddr){
				.addr = rec_addr(rows[i].raddrs[n].addr),
				.priority = rows[i].raddrs[n].priority,
				.weight = rows[i].raddrs[n].weight,
			};
		msg.raddr_count = n;
		rec_receive(f, NOW, "192.0.2.1", 2500, &msg);
		if (!varp_addr_equal(&rec_only(f, VARP_ACTION_RESOLVED)->action.raddr, &best))
			fail_msg("%s: another was taken", rows[i].name);
	}
}

static void test_nak_noauthority_names_server_and_supernet(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key k = rec_key(7, "10.0.0.2");
	struct varp_msg request;
	const char *text;

	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k, NULL);
	request = rec_only(f, VARP_ACTION_SEND)->msg;
	rec_forget(f);
	rec_answer(f, NOW, &request, VARP_MSG_NAK_NOAUTHORITY, 0);
	rec_only(f, VARP_ACTION_NOTKNOWN);
	text = rec_only(f, VARP_ACTION_LOG)->text;
	assert_non_null(strstr(text, "192.0.2.1"));
	assert_non_null(strstr(text, "0x00000000000000000007"));
	assert_int_equal(varp_engine_stats(f->engine)->nak_noauthority_received, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REC_TEST(test_age_rows_expire_refresh_or_nothing),
		REC_TEST(test_vaddr_not_unicast_is_notknown_unasked),
		REC_TEST(test_age_never_used_soon_after_boot_is_not_refreshed),
		REC_TEST(test_age_twice_refreshes_once),
		REC_TEST(test_refreshes_have_a_bound_of_their_own),
		REC_TEST(test_age_refresh_removed_here_becomes_notknown),
		REC_TEST(test_each_client_visits_configured_ones_and_stops),
		REC_TEST(test_client_set_rows_need_credentials),
		REC_TEST(test_client_clear_rows_name_the_right_server),
		REC_TEST(test_answer_rows_are_believed_from_who_was_asked),
		REC_TEST(test_reply_rows_best_raddr_is_taken),
		REC_TEST(test_nak_noauthority_names_server_and_supernet),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
