// SPDX-License-Identifier: BSD-2-Clause
/*
 * session: what the engine makes of the key exchange's outcomes, and what it puts on the wire in a
 * session. How sessions come and go over time is told by tests/scenario.
 */
#include "rec_engine.h"

static void set(struct rec_engine *f, const struct varp_session *session)
{
	assert_int_equal(varp_engine_session_set(f->engine, NOW, session), 0);
}

static void test_set_rows_want_the_client_its_server_and_time(void **state)
{
	static const struct {
		const char *name;
		unsigned int supernet;
		uint64_t id;
		const char *server;
		uint64_t ends_ns;
		int err;
	} rows[] = {
		{ "no id", 7, 0, "192.0.2.1", NOW + S, -EINVAL },
		{ "has ended", 7, 5, "192.0.2.1", NOW, -EINVAL },
		{ "no such client", 8, 5, "192.0.2.1", NOW + S, -ENOENT },
		{ "another server", 7, 5, "192.0.2.2", NOW + S, -ENOENT },
		{ "right", 7, 5, "192.0.2.1", NOW + S, 0 },
		{ "the shortest", 7, 6, "192.0.2.1", NOW + 1, 0 },
	};
	struct rec_engine *f = *state;
	const struct varp_key nobodys = rec_key(9, "10.0.0.2");
	size_t i;

	rec_secure(f);
	rec_client_set(f, 7, "192.0.2.1");
	for (i = 0; i < ROWS(rows); i++) {
		struct varp_session session = rec_session(rows[i].supernet, rows[i].id);
		const struct varp_session *got;

		session.server = rec_addr(rows[i].server);
		session.ends_ns = session.granted_ns = rows[i].ends_ns;
		if (varp_engine_session_set(f->engine, NOW, &session) != rows[i].err)
			fail_msg("%s", rows[i].name);
		got = varp_engine_session_get(f->engine, NOW, &session.snid);
		if (!got != !!rows[i].err)
			fail_msg("%s: %s", rows[i].name, got ? "kept" : "not kept");
	}
	assert_null(varp_engine_session_get(f->engine, NOW, &nobodys.snid));
}

static void test_request_is_sent_in_its_session(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_session session = rec_session(7, 0x1122334455667788);
	const struct varp_key k = rec_key(7, "10.0.0.2");
	struct rec_action *sent;
	struct varp_msg answer;

	rec_secure(f);
	rec_client_set(f, 7, "192.0.2.1");
	assert_true(varp_addr_equal(&rec_only(f, VARP_ACTION_SESSION)->action.raddr,
				    &session.server));
	assert_true(varp_snid_equal(&rec_only(f, VARP_ACTION_SESSION)->action.key.snid, &k.snid));
	varp_engine_lookup(f->engine, NOW, &k, NULL);
	assert_int_equal(rec_actions(f, VARP_ACTION_SEND), 0);
	set(f, &session);
	sent = rec_only(f, VARP_ACTION_SEND);
	assert_true(sent->msg.session == session.id);
	assert_true(varp_addr_equal(&sent->action.source, &session.client));
	assert_true(varp_addr_equal(&sent->action.raddr, &session.server));
	answer = sent->msg;
	answer.type = VARP_MSG_NAK_NOTKNOWN;
	rec_receive_in(f, NOW + MS, "192.0.2.1", 2500, &answer, &session);
	rec_only(f, VARP_ACTION_NOTKNOWN);
}

static void test_renewal_does_not_ask_again(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_session first = rec_session(7, 5), second = rec_session(7, 6);
	const struct varp_key k = rec_key(7, "10.0.0.2");

	rec_secure(f);
	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k, NULL);
	set(f, &first);
	rec_only(f, VARP_ACTION_SEND);
	set(f, &second);
	rec_only(f, VARP_ACTION_SEND);
	rec_forget(f);
	varp_engine_tick(f->engine, NOW + 250 * MS);
	assert_int_equal(rec_only(f, VARP_ACTION_SEND)->msg.session, 6);
}

/* What nothing was answered to is asked again in the next session, once. */
static void test_session_after_a_doubt_asks_again(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_session first = rec_session(7, 5), second = rec_session(7, 6);
	const struct varp_session third = rec_session(7, 7);
	const struct varp_key k = rec_key(7, "10.0.0.2");
	uint64_t nonce;

	rec_secure(f);
	rec_client_set(f, 7, "192.0.2.1");
	set(f, &first);
	varp_engine_lookup(f->engine, NOW + S, &k, NULL);
	nonce = rec_only(f, VARP_ACTION_SEND)->msg.nonce;
	rec_forget(f);
	varp_engine_tick(f->engine, NOW + 1250 * MS);
	rec_only(f, VARP_ACTION_SESSION);
	rec_forget(f);
	set(f, &second);
	assert_int_equal(rec_only(f, VARP_ACTION_SEND)->msg.session, 6);
	assert_true(rec_only(f, VARP_ACTION_SEND)->msg.nonce == nonce);
	rec_forget(f);
	set(f, &third);
	assert_int_equal(f->count, 0);
}

/* Who has not been asked is not silent. */
static void test_server_is_not_silent_for_want_of_a_session(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_session session = rec_session(7, 5);
	const struct varp_key k = rec_key(7, "10.0.0.2");
	uint64_t since_ns;

	rec_secure(f);
	f->quiet = true;
	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k, NULL);
	varp_engine_tick(f->engine, NOW + 5 * S);
	assert_int_equal(varp_engine_lookup_state(f->engine, &k), VARP_LOOKUP_NONE);
	assert_int_equal(varp_engine_client_health(f->engine, &k.snid, &since_ns),
			VARP_SERVER_WELL);
	set(f, &session);
	varp_engine_lookup(f->engine, NOW + 6 * S, &k, NULL);
	varp_engine_tick(f->engine, NOW + 20 * S);
	assert_int_equal(varp_engine_client_health(f->engine, &k.snid, &since_ns),
			 VARP_SERVER_SILENT);
}

/* Also what is insecure is asked in a session where there is one, and then not answered outside. */
static void test_insecure_uses_a_session_and_asks_for_none(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_session session = rec_session(7, 5);
	const struct varp_key k = rec_key(7, "10.0.0.2"), other = rec_key(7, "10.0.0.3");
	const uint64_t *drops = varp_engine_stats(f->engine)->drops;
	struct varp_msg answer;

	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &other, NULL);
	set(f, &session);
	answer = rec_only(f, VARP_ACTION_SEND)->msg;
	answer.type = VARP_MSG_NAK_NOTKNOWN;
	answer.session = session.id;
	rec_receive_in(f, NOW + MS, "192.0.2.1", 2500, &answer, &session);
	assert_int_equal(drops[VARP_DROP_VARP_SESSION], 1);
	rec_forget(f);
	varp_engine_lookup(f->engine, NOW, &k, NULL);
	answer = rec_only(f, VARP_ACTION_SEND)->msg;
	assert_int_equal(answer.session, 5);
	answer.type = VARP_MSG_NAK_NOTKNOWN;
	answer.session = 0;
	rec_receive(f, NOW + MS, "192.0.2.1", 2500, &answer);
	assert_int_equal(drops[VARP_DROP_VARP_SESSION], 2);
	assert_int_equal(varp_engine_lookup_state(f->engine, &k), VARP_LOOKUP_OPEN);
	f->quiet = false;
	varp_engine_tick(f->engine, NOW + 4000 * S);
	assert_null(varp_engine_session_get(f->engine, NOW + 4000 * S, &k.snid));
	assert_int_equal(rec_actions(f, VARP_ACTION_SESSION), 0);
}

/* Whatever is asked, the answer is no longer, goes where the request came from, and leaves from the
 * session's address in the session's other key. */
static void test_answers_in_a_session_are_no_larger_than_requests(void **state)
{
	static const struct {
		const char *vaddr;
		enum varp_msg_type type;
		uint16_t port;
	} rows[] = {
		{ "10.0.0.2", VARP_MSG_REPLY, 2500 },
		{ "10.0.0.3", VARP_MSG_NAK_NOTKNOWN, 40000 },
	};
	struct rec_engine *f = *state;
	const struct varp_session session = rec_session(7, 5), unserved = rec_session(8, 6);
	const struct varp_table_entry entry = {
		.key = rec_key(7, "10.0.0.2"), .raddr = rec_addr("192.0.2.20"), .ttl_s = 50};
	const struct varp_msg lost = { .type = VARP_MSG_REQUEST, .session = 6,
			.snid = unserved.snid,
				       .vaddr = entry.key.vaddr, .prefix_len = 128 };
	size_t i;

	rec_secure(f);
	assert_int_equal(varp_engine_server_set(f->engine, NOW, &session.snid, 60), 0);
	assert_int_equal(varp_engine_add(f->engine, NOW, &entry), 0);
	assert_int_equal(varp_engine_session_add(f->engine, &session), 0);
	assert_int_equal(varp_engine_session_add(f->engine, &session), -EEXIST);
	assert_int_equal(varp_engine_session_add(f->engine, &unserved), 0);
	for (i = 0; i < ROWS(rows); i++) {
		const struct varp_msg request = {
			.type = VARP_MSG_REQUEST, .session = 5, .nonce = 42, .prefix_len = 128,
			.snid = session.snid, .vaddr = rec_key(7, rows[i].vaddr).vaddr,
		};
		struct rec_action *sent;

		rec_forget(f);
		rec_receive_in(f, NOW, "192.0.2.10", rows[i].port, &request, &session);
		sent = rec_only(f, VARP_ACTION_SEND);
		assert_int_equal(f->count, 1);
		assert_int_equal(sent->msg.type, rows[i].type);
		assert_int_equal(sent->msg.session, 5);
		assert_true(sent->action.data_len <= VARP_MSG_LEN);
		assert_int_equal(sent->action.port, rows[i].port);
		assert_true(varp_addr_equal(&sent->action.raddr, &session.client));
		assert_true(varp_addr_equal(&sent->action.source, &session.server));
	}
	rec_forget(f);
	rec_receive_in(f, NOW, "192.0.2.10", 2500, &lost, &unserved);
	assert_int_equal(rec_only(f, VARP_ACTION_SEND)->msg.type, VARP_MSG_NAK_NOAUTHORITY);
	assert_int_equal(varp_engine_session_remove(f->engine, 6), 0);
	assert_int_equal(varp_engine_session_remove(f->engine, 6), -ENOENT);
	rec_forget(f);
	rec_receive_in(f, NOW, "192.0.2.10", 2500, &lost, &unserved);
	assert_int_equal(f->count, 0);
	assert_int_equal(varp_engine_session_count(f->engine), 1);
}

static void test_ended_sessions_are_told_and_forgotten(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_session first = rec_session(7, 5);
	struct varp_session second = rec_session(7, 6);

	rec_secure(f);
	second.ends_ns += S;
	assert_int_equal(varp_engine_session_add(f->engine, &second), 0);
	assert_int_equal(varp_engine_session_add(f->engine, &first), 0);
	assert_true(varp_engine_next_ns(f->engine) == first.ends_ns);
	varp_engine_tick(f->engine, first.ends_ns);
	assert_int_equal(rec_only(f, VARP_ACTION_SESSION_GONE)->action.session, 5);
	assert_true(varp_snid_equal(&rec_only(f, VARP_ACTION_SESSION_GONE)->action.key.snid,
				    &first.snid));
	assert_int_equal(varp_engine_session_count(f->engine), 1);
	assert_true(varp_engine_next_ns(f->engine) == second.ends_ns);
}

/* Each client at another time, and all between three quarters and seven eighths. */
static void test_renewal_rows_are_spread_over_an_eighth(void **state)
{
	struct rec_engine *f = *state;
	struct varp_session session = rec_session(7, 5);
	uint64_t first_ns = UINT64_MAX, last_ns = 0;
	unsigned int i;

	rec_secure(f);
	rec_client_set(f, 7, "192.0.2.1");
	f->quiet = true;
	for (i = 0; i < 1000; i++) {
		uint64_t next_ns;

		session.id++;
		f->random = i * 0x9e3779b97f4a7c15ull;
		set(f, &session);
		next_ns = varp_engine_next_ns(f->engine);
		first_ns = next_ns < first_ns ? next_ns : first_ns;
		last_ns = next_ns > last_ns ? next_ns : last_ns;
	}
	assert_in_range(first_ns, NOW + 2700 * S, NOW + 2710 * S);
	assert_in_range(last_ns, NOW + 3140 * S, NOW + 3150 * S);
}

static void test_failure_of_what_is_not_asked_changes_nothing(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_addr other = rec_addr("192.0.2.2"), server = rec_addr("192.0.2.1");
	const struct varp_key k = rec_key(7, "10.0.0.2"), nobodys = rec_key(8, "10.0.0.2");

	rec_secure(f);
	varp_engine_session_failed(f->engine, NOW, &k.snid, &server);
	rec_client_set(f, 7, "192.0.2.1");
	varp_engine_session_failed(f->engine, NOW, &k.snid, &other);
	varp_engine_session_failed(f->engine, NOW, &nobodys.snid, &server);
	varp_engine_session_clear(f->engine, NOW, &nobodys.snid);
	assert_true(varp_engine_next_ns(f->engine) == NOW + S);
	rec_forget(f);
	varp_engine_tick(f->engine, NOW + S);
	assert_int_equal(f->count, 0);	/* nobody waits */
	assert_true(varp_engine_next_ns(f->engine) == UINT64_MAX);
}

/* Freed with sessions of both kinds, and a client's timer armed. */
static void test_free_with_sessions_leaks_nothing(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_session session = rec_session(7, 5);
	const struct varp_key k = rec_key(7, "10.0.0.2");

	rec_secure(f);
	rec_client_set(f, 7, "192.0.2.1");
	set(f, &session);
	assert_int_equal(varp_engine_session_add(f->engine, &session), 0);
	varp_engine_lookup(f->engine, NOW, &k, NULL);
	rec_forget(f);
	varp_engine_free(f->engine);
	f->engine = NULL;
	assert_int_equal(f->count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REC_TEST(test_set_rows_want_the_client_its_server_and_time),
		REC_TEST(test_request_is_sent_in_its_session),
		REC_TEST(test_renewal_does_not_ask_again),
		REC_TEST(test_session_after_a_doubt_asks_again),
		REC_TEST(test_server_is_not_silent_for_want_of_a_session),
		REC_TEST(test_insecure_uses_a_session_and_asks_for_none),
		REC_TEST(test_answers_in_a_session_are_no_larger_than_requests),
		REC_TEST(test_ended_sessions_are_told_and_forgotten),
		REC_TEST(test_renewal_rows_are_spread_over_an_eighth),
		REC_TEST(test_failure_of_what_is_not_asked_changes_nothing),
		REC_TEST(test_free_with_sessions_leaks_nothing),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
