// SPDX-License-Identifier: BSD-2-Clause
/*
 * Introductions: whom a server tells of whom, and what a client makes of it. The whole of it between hosts is in
 * tests/scenario, the nonces are in test_auth.c.
 */
#include "rec_engine.h"

#define SUPERNET	7
#define TTL_S		60

/* --- As a server: 10.0.0.1 at 192.0.2.10 asks for 10.0.0.2 at 192.0.2.20, which has session 6 --- */

static void serve(struct rec_engine *f, bool insecure)
{
	struct varp_engine_config config = rec_config(f);
	const struct varp_table_entry entries[] = {
		{ rec_key(SUPERNET, "10.0.0.1"), rec_addr("192.0.2.10"), VARPDB_TTL_ALWAYS },
		{ rec_key(SUPERNET, "10.0.0.2"), rec_addr("192.0.2.20"), VARPDB_TTL_ALWAYS },
	};
	const struct varp_session asking = rec_session(SUPERNET, 5);
	struct varp_session asked = rec_session(SUPERNET, 6);

	config.insecure = insecure;
	config.varp_port = 2600;
	f->credentials = true;
	rec_replace(f, &config);
	asked.client = rec_addr("192.0.2.20");
	assert_int_equal(varp_engine_server_set(f->engine, NOW, &asked.snid, TTL_S), 0);
	for (size_t i = 0; i < ROWS(entries); i++)
		assert_int_equal(varp_engine_add(f->engine, NOW, &entries[i]), 0);
	assert_int_equal(varp_engine_session_add(f->engine, &asking), 0);
	assert_int_equal(varp_engine_session_add(f->engine, &asked), 0);
	rec_forget(f);
}

static struct varp_msg request_of(const char *asker, uint64_t session)
{
	const struct varp_key key = rec_key(SUPERNET, "10.0.0.2");

	return (struct varp_msg){
		.type = VARP_MSG_REQUEST, .session = session, .nonce = 42, .snid = key.snid,
		.vaddr = key.vaddr, .prefix_len = 128, .raddr_count = 1, .raddrs[0].addr = rec_addr(asker),
	};
}

static void test_server_introduces_before_it_answers(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_session session = rec_session(SUPERNET, 5);
	const struct varp_msg request = request_of("10.0.0.1", 5);
	const struct varp_addr host = rec_addr("192.0.2.20"), asker = rec_addr("192.0.2.10");
	const struct rec_action *told = &f->recorded[0];

	serve(f, false);
	rec_receive_in(f, NOW, "192.0.2.10", 40000, &request, &session);
	assert_int_equal(rec_actions(f, VARP_ACTION_SEND), 2);
	assert_int_equal(told->msg.type, VARP_MSG_NOTIFY);
	assert_true(varp_addr_equal(&told->action.raddr, &host));
	assert_true(varp_addr_equal(&told->action.source, &session.server));
	assert_int_equal(told->action.port, 2600);	/* its VARP port, wherever the request came from */
	assert_int_equal(told->msg.session, 6);
	assert_memory_equal(&told->msg.vaddr, &request.raddrs[0].addr, sizeof(request.vaddr));
	assert_int_equal(told->msg.raddr_count, 1);
	assert_true(varp_addr_equal(&told->msg.raddrs[0].addr, &asker));
	assert_int_equal(told->msg.ttl_s, TTL_S);
	assert_int_equal(f->recorded[1].msg.type, VARP_MSG_REPLY);
	assert_int_equal(f->recorded[1].action.port, 40000);
	assert_int_equal(varp_engine_stats(f->engine)->notifies_sent, 1);
}

/* Outside of a session anybody could have sent it, for anybody. */
static void test_insecure_server_introduces_in_sessions_only(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_session session = rec_session(SUPERNET, 5);
	const struct varp_msg inside = request_of("10.0.0.1", 5), outside = request_of("10.0.0.1", 0);

	serve(f, true);
	rec_receive(f, NOW, "192.0.2.10", 2600, &outside);
	assert_int_equal(rec_only(f, VARP_ACTION_SEND)->msg.type, VARP_MSG_REPLY);
	rec_forget(f);
	rec_receive_in(f, NOW, "192.0.2.10", 2600, &inside, &session);
	assert_int_equal(rec_actions(f, VARP_ACTION_SEND), 2);
}

/* Who repeats a request that was overheard cannot keep a third host busy. */
static void test_introductions_are_bounded_per_second(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_session session = rec_session(SUPERNET, 5);
	const struct varp_msg request = request_of("10.0.0.1", 5);
	const struct varp_engine_stats *stats;

	serve(f, false);
	stats = varp_engine_stats(f->engine);
	f->quiet = true;
	for (unsigned int i = 0; i < 2 * VARP_AUTH_TELL_MAX; i++)
		rec_receive_in(f, NOW + i, "192.0.2.10", 2600, &request, &session);
	assert_int_equal(stats->notifies_sent, VARP_AUTH_TELL_MAX);
	assert_int_equal(stats->replies_sent, 2 * VARP_AUTH_TELL_MAX);
	rec_receive_in(f, NOW + S, "192.0.2.10", 2600, &request, &session);
	assert_int_equal(stats->notifies_sent, VARP_AUTH_TELL_MAX + 1);
}

/* --- As a client, of server 192.0.2.1 in session 5 --- */

static void ask_in_session(struct rec_engine *f, unsigned int lookups_max)
{
	struct varp_engine_config config = rec_config(f);
	const struct varp_session session = rec_session(SUPERNET, 5);

	config.insecure = false;
	config.lookups_max = lookups_max;
	f->credentials = true;
	rec_replace(f, &config);
	rec_client_set(f, SUPERNET, "192.0.2.1");
	assert_int_equal(varp_engine_session_set(f->engine, NOW, &session), 0);
	rec_forget(f);
}

static void tell(struct rec_engine *f, uint64_t now_ns, const char *vaddr)
{
	const struct varp_session session = rec_session(SUPERNET, 5);
	const struct varp_key key = rec_key(SUPERNET, vaddr);
	const struct varp_msg msg = {
		.type = VARP_MSG_NOTIFY, .session = 5, .snid = key.snid, .vaddr = key.vaddr, .prefix_len = 128,
		.nonce = ((1ull << 47) - (session.granted_ns - now_ns) / MS) << 16,
		.ttl_s = TTL_S, .raddr_count = 2,
		.raddrs = { { rec_addr("192.0.2.66"), 9, 0 }, { rec_addr("192.0.2.20"), 1, 0 } },
	};

	rec_receive_in(f, now_ns, "192.0.2.1", 2500, &msg, &session);
}

static void test_asker_rows_are_named_if_they_can_be(void **state)
{
	static const struct {
		const char *asker;
		unsigned int named;
	} rows[] = {
		{ "10.0.0.1", 1 }, { "fd00::1", 1 }, { "224.0.0.1", 0 }, { "127.0.0.1", 0 }, { "::", 0 },
		{ "0.0.0.0", 0 },
	};
	struct rec_engine *f = *state;
	const struct varp_key key = rec_key(SUPERNET, "10.0.0.2");

	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct varp_addr asker = rec_addr(rows[i].asker);
		const struct varp_msg *msg;

		ask_in_session(f, 8);
		assert_int_equal(varp_engine_lookup(f->engine, NOW, &key, &asker), 0);
		msg = &rec_only(f, VARP_ACTION_SEND)->msg;
		if (msg->raddr_count != rows[i].named ||
		    (rows[i].named && !varp_addr_equal(&msg->raddrs[0].addr, &asker)))
			fail_msg("%s: %u", rows[i].asker, msg->raddr_count);
	}
}

static void test_asker_is_not_named_outside_of_a_session(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key key = rec_key(SUPERNET, "10.0.0.2");
	const struct varp_addr asker = rec_addr("10.0.0.1");

	rec_client_set(f, SUPERNET, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &key, &asker);
	assert_int_equal(rec_only(f, VARP_ACTION_SEND)->msg.raddr_count, 0);
}

static void test_told_of_the_best_raddr(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_addr best = rec_addr("192.0.2.20");

	ask_in_session(f, 8);
	tell(f, NOW, "10.0.0.2");
	assert_true(varp_addr_equal(&rec_only(f, VARP_ACTION_RESOLVED)->action.raddr, &best));
	assert_int_equal(rec_only(f, VARP_ACTION_NOTIFY)->action.notice, VARP_NOTICE_INSERT);
}

static void test_told_during_a_refresh_leaves_it_open(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_session session = rec_session(SUPERNET, 5);
	const struct varp_key key = rec_key(SUPERNET, "10.0.0.2");
	const struct varp_mapping mapping = { .raddr = rec_addr("192.0.2.20"), .ttl_s = TTL_S,
					      .deadline_ns = NOW + 2 * S, .used_ns = NOW };
	struct varp_msg answer;

	ask_in_session(f, 8);
	varp_engine_age(f->engine, NOW, &key, &mapping);
	answer = rec_only(f, VARP_ACTION_SEND)->msg;
	rec_forget(f);
	tell(f, NOW, "10.0.0.2");
	rec_only(f, VARP_ACTION_RESOLVED);
	assert_int_equal(varp_engine_lookup_state(f->engine, &key), VARP_LOOKUP_REFRESH);
	rec_forget(f);
	answer.type = VARP_MSG_NAK_NOTKNOWN;
	rec_receive_in(f, NOW + MS, "192.0.2.1", 2500, &answer, &session);
	rec_only(f, VARP_ACTION_NOTKNOWN);
}

/* Where there is no room for another refresh, what waits is sent and told all the same. */
static void test_told_without_room_for_a_refresh(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key key = rec_key(SUPERNET, "10.0.0.2"), other = rec_key(SUPERNET, "10.0.0.3");
	const struct varp_mapping mapping = { .raddr = rec_addr("192.0.2.30"), .ttl_s = TTL_S,
					      .deadline_ns = NOW + 2 * S, .used_ns = NOW };

	ask_in_session(f, 1);
	varp_engine_age(f->engine, NOW, &other, &mapping);
	varp_engine_lookup(f->engine, NOW, &key, NULL);
	rec_forget(f);
	tell(f, NOW, "10.0.0.2");
	rec_only(f, VARP_ACTION_RESOLVED);
	assert_int_equal(rec_actions(f, VARP_ACTION_NOTIFY), 2);	/* insert and hit */
	assert_int_equal(varp_engine_lookup_state(f->engine, &key), VARP_LOOKUP_NONE);
	assert_int_equal(varp_engine_lookup_state(f->engine, &other), VARP_LOOKUP_REFRESH);
}

static void test_told_shows_that_the_server_is_well(void **state)
{
	struct rec_engine *f = *state;
	const struct varp_key key = rec_key(SUPERNET, "10.0.0.9");
	uint64_t since_ns;

	ask_in_session(f, 8);
	varp_engine_lookup(f->engine, NOW, &key, NULL);
	f->quiet = true;
	for (uint64_t now_ns = NOW; now_ns <= NOW + 6 * S; now_ns += 50 * MS)
		varp_engine_tick(f->engine, now_ns);
	assert_int_equal(varp_engine_client_health(f->engine, &key.snid, &since_ns), VARP_SERVER_SILENT);
	tell(f, NOW + 6 * S, "10.0.0.2");
	assert_int_equal(varp_engine_client_health(f->engine, &key.snid, &since_ns), VARP_SERVER_WELL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REC_TEST(test_server_introduces_before_it_answers),
		REC_TEST(test_insecure_server_introduces_in_sessions_only),
		REC_TEST(test_introductions_are_bounded_per_second),
		REC_TEST(test_asker_rows_are_named_if_they_can_be),
		REC_TEST(test_asker_is_not_named_outside_of_a_session),
		REC_TEST(test_told_of_the_best_raddr),
		REC_TEST(test_told_during_a_refresh_leaves_it_open),
		REC_TEST(test_told_without_room_for_a_refresh),
		REC_TEST(test_told_shows_that_the_server_is_well),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
