// SPDX-License-Identifier: BSD-2-Clause
/*
 * engine: what its actions carry, and rows about single decisions. How it behaves over time, with a
 * network in between, is told by tests/scenario.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <malloc.h>

#include <addr.h>
#include <engine.h>

#define ROWS(rows)	(sizeof(rows) / sizeof((rows)[0]))
#define MS		1000000ull
#define S		1000000000ull
#define NOW		(5000 * S)
#define RECORDED_MAX	64

struct recorded {
	struct varp_action action;
	struct varp_msg msg;		/* SEND */
	char text[400];			/* LOG */
};

struct fixture {
	struct varp_engine *engine;
	struct recorded recorded[RECORDED_MAX];
	size_t count;
	bool quiet;			/* record nothing */
	uint64_t random;
};

static void record(void *ctx, const struct varp_action *action)
{
	struct fixture *f = ctx;
	struct recorded *r = &f->recorded[f->count];
	enum varp_drop reason;

	if (f->quiet)
		return;
	assert_in_range(f->count, 0, RECORDED_MAX - 1);
	f->count++;
	r->action = *action;
	if (action->type == VARP_ACTION_SEND) {
		assert_int_equal(action->data_len, VARP_MSG_LEN);
		assert_int_equal(varp_msg_decode(action->data, action->data_len, &r->msg, &reason),
				 0);
	}
	if (action->type == VARP_ACTION_LOG)
		snprintf(r->text, sizeof(r->text), "%s", action->text);
}

static uint64_t next_random(void *ctx)
{
	return ++((struct fixture *)ctx)->random;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct varp_engine_config config = {
		.insecure = true,
		.varp_port = 2500,
		.window_ms = 5000,
		.negative_ttl_ms = 5000,
		.retry_ms = 250,
		.lookups_max = 8,
		.emit = record,
		.random = next_random,
		.ctx = f,
	};

	if (!f)
		return -1;
	f->random = 100;
	f->engine = varp_engine_new(&config);
	*state = f;
	return f->engine ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	varp_engine_free(f->engine);
	free(f);
	return 0;
}

static struct varp_addr addr(const char *text)
{
	struct varp_addr value;

	assert_int_equal(varp_addr_parse(text, &value), 0);
	return value;
}

static struct varp_key key(unsigned int supernet, const char *vaddr)
{
	const struct varp_snid snid = { .b = { [9] = supernet } };
	const struct varp_addr a = addr(vaddr);

	return varp_key_make(&snid, &a);
}

static void client_set(struct fixture *f, unsigned int supernet, const char *server)
{
	const struct varp_key k = key(supernet, "10.0.0.1");
	const struct varp_addr a = addr(server);

	assert_int_equal(varp_engine_client_set(f->engine, NOW, &k.snid, &a), 0);
}

/* The one recorded action of this type since the last forget(). */
static struct recorded *only(struct fixture *f, enum varp_action_type type)
{
	struct recorded *found = NULL;
	size_t i;

	for (i = 0; i < f->count; i++) {
		if (f->recorded[i].action.type != type)
			continue;
		assert_null(found);
		found = &f->recorded[i];
	}
	assert_non_null(found);
	return found;
}

static void forget(struct fixture *f)
{
	f->count = 0;
}

static void answer(struct fixture *f, uint64_t now_ns, const struct varp_msg *request,
		   enum varp_msg_type type, uint32_t ttl_s)
{
	struct varp_msg msg = *request;
	const struct varp_addr from = addr("192.0.2.1");
	uint8_t data[VARP_MSG_LEN];

	msg.type = type;
	msg.ttl_s = ttl_s;
	if (type == VARP_MSG_REPLY) {
		msg.raddr_count = 1;
		msg.raddrs[0].addr = addr("192.0.2.20");
	}
	varp_msg_encode(&msg, data);
	varp_engine_receive(f->engine, now_ns, &from, 2500, data, sizeof(data));
}

/* --- Client --- */

static void test_lookup_request_carries_what_it_should(void **state)
{
	struct fixture *f = *state;
	const struct varp_key k = key(7, "10.0.0.2");
	const struct varp_addr server = addr("192.0.2.1"), vaddr = addr("10.0.0.2");
	struct recorded *sent;

	client_set(f, 7, "192.0.2.1");
	assert_int_equal(varp_engine_lookup(f->engine, NOW, &k), 0);
	sent = only(f, VARP_ACTION_SEND);
	assert_true(varp_addr_equal(&sent->action.raddr, &server));
	assert_int_equal(sent->action.port, 2500);
	assert_true(varp_snid_equal(&sent->action.key.snid, &k.snid));
	assert_int_equal(sent->msg.type, VARP_MSG_REQUEST);
	assert_int_equal(sent->msg.nonce, 101);
	assert_int_equal(sent->msg.session, 0);
	assert_true(varp_snid_equal(&sent->msg.snid, &k.snid));
	assert_true(varp_addr_equal(&sent->msg.vaddr, &vaddr));
	assert_int_equal(only(f, VARP_ACTION_NOTIFY)->action.notice, VARP_NOTICE_MISS);
}

static void test_lookup_nonce_stays_over_repetitions_and_changes_after(void **state)
{
	struct fixture *f = *state;
	const struct varp_key k = key(7, "10.0.0.2"), other = key(7, "10.0.0.3");

	client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k);
	forget(f);
	varp_engine_tick(f->engine, NOW + 250 * MS);
	assert_int_equal(only(f, VARP_ACTION_SEND)->msg.nonce, 101);
	forget(f);
	varp_engine_lookup(f->engine, NOW + 250 * MS, &other);
	assert_int_equal(only(f, VARP_ACTION_SEND)->msg.nonce, 102);
	varp_engine_tick(f->engine, NOW + 6 * S);
	forget(f);
	varp_engine_lookup(f->engine, NOW + 6 * S, &k);
	assert_int_equal(only(f, VARP_ACTION_SEND)->msg.nonce, 103);
}

static void test_reply_resolved_carries_deadline_and_ttl(void **state)
{
	struct fixture *f = *state;
	const struct varp_key k = key(7, "10.0.0.2");
	const struct varp_addr raddr = addr("192.0.2.20");
	struct varp_msg request;
	struct recorded *r;

	client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k);
	request = only(f, VARP_ACTION_SEND)->msg;
	forget(f);
	answer(f, NOW + 3 * MS, &request, VARP_MSG_REPLY, 65536);
	r = only(f, VARP_ACTION_RESOLVED);
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
	struct fixture *f = *state;
	const struct varp_key k = key(7, "10.0.0.2");
	struct varp_msg request;

	client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k);
	request = only(f, VARP_ACTION_SEND)->msg;
	forget(f);
	answer(f, NOW + MS, &request, VARP_MSG_NAK_NOTKNOWN, 0);
	assert_true(only(f, VARP_ACTION_NOTKNOWN)->action.deadline_ns == NOW + MS + 5 * S);
	assert_true(varp_engine_next_ns(f->engine) == NOW + MS + 5 * S);
	assert_int_equal(varp_engine_lookup_state(f->engine, &k), VARP_LOOKUP_NOTKNOWN);
}

/*
 * Time that stood still (a suspended machine): what is over is over, and nothing is sent after its
 * window.
 */
static void test_tick_late_ends_the_window_without_a_request(void **state)
{
	struct fixture *f = *state;
	const struct varp_key k = key(7, "10.0.0.2");

	client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k);
	forget(f);
	varp_engine_tick(f->engine, NOW + 3600 * S);
	only(f, VARP_ACTION_UNANSWERED);
	assert_int_equal(varp_engine_stats(f->engine)->requests_sent, 1);
	assert_true(varp_engine_next_ns(f->engine) == UINT64_MAX);
}

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
	struct fixture *f = *state;
	size_t i;

	client_set(f, 7, "192.0.2.1");
	for (i = 0; i < ROWS(rows); i++) {
		const struct varp_key k = key(7, "10.0.0.2");
		struct varp_mapping mapping = {.ttl_s = rows[i].ttl_s,
					       .deadline_ns = NOW + rows[i].left_ms * MS};
		char is = '-';

		if (rows[i].used_ms >= 0)
			mapping.used_ns = mapping.deadline_ns - rows[i].used_ms * MS;
		forget(f);
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
	struct fixture *f = *state;
	size_t i;

	client_set(f, 7, "192.0.2.1");
	for (i = 0; i < ROWS(vaddrs); i++) {
		const struct varp_key k = key(7, vaddrs[i]);

		forget(f);
		varp_engine_age(f->engine, NOW, &k, &mapping);
		assert_int_equal(f->count, 0);
		assert_int_equal(varp_engine_lookup(f->engine, NOW, &k), 0);
		only(f, VARP_ACTION_NOTKNOWN);
		assert_int_equal(varp_engine_lookup_state(f->engine, &k), VARP_LOOKUP_NOTKNOWN);
	}
	assert_int_equal(varp_engine_stats(f->engine)->requests_sent, 0);
	assert_int_equal(varp_engine_stats(f->engine)->refreshes, 0);
}

/* used_ns zero means never, also while the clock itself is near zero. */
static void test_age_never_used_soon_after_boot_is_not_refreshed(void **state)
{
	const struct varp_mapping mapping = { .ttl_s = 2, .deadline_ns = 2 * S };
	struct fixture *f = *state;
	const struct varp_key k = key(7, "10.0.0.2");

	client_set(f, 7, "192.0.2.1");
	varp_engine_age(f->engine, 1500 * MS, &k, &mapping);
	assert_int_equal(f->count, 0);
}

static void test_age_twice_refreshes_once(void **state)
{
	struct fixture *f = *state;
	const struct varp_key k = key(7, "10.0.0.2");
	const struct varp_mapping mapping = {
		.ttl_s = 60, .deadline_ns = NOW + 5 * S, .used_ns = NOW};

	client_set(f, 7, "192.0.2.1");
	varp_engine_age(f->engine, NOW, &k, &mapping);
	assert_int_equal(varp_engine_lookup_state(f->engine, &k), VARP_LOOKUP_REFRESH);
	varp_engine_age(f->engine, NOW + MS, &k, &mapping);
	assert_int_equal(varp_engine_stats(f->engine)->refreshes, 1);
	only(f, VARP_ACTION_SEND);
}

static void test_age_refresh_removed_here_becomes_notknown(void **state)
{
	struct fixture *f = *state;
	const struct varp_key k = key(7, "10.0.0.2");
	const struct varp_mapping mapping = {
		.ttl_s = 60, .deadline_ns = NOW + 5 * S, .used_ns = NOW};

	assert_int_equal(varp_engine_server_set(f->engine, NOW, &k.snid, 60), 0);
	varp_engine_age(f->engine, NOW, &k, &mapping);
	only(f, VARP_ACTION_NOTKNOWN);
	assert_int_equal(varp_engine_lookup_state(f->engine, &k), VARP_LOOKUP_NOTKNOWN);
}

static void test_refreshes_have_a_bound_of_their_own(void **state)
{
	const struct varp_mapping mapping = {
		.ttl_s = 60, .deadline_ns = NOW + 5 * S, .used_ns = NOW};
	struct fixture *f = *state;
	char vaddr[16];
	unsigned int i;

	client_set(f, 7, "192.0.2.1");
	for (i = 1; i <= 10; i++) {	/* lookups_max is 8 */
		struct varp_key k;

		snprintf(vaddr, sizeof(vaddr), "10.0.0.%u", i);
		k = key(7, vaddr);
		varp_engine_age(f->engine, NOW, &k, &mapping);
	}
	assert_int_equal(varp_engine_stats(f->engine)->refreshes, 8);
	assert_int_equal(varp_engine_stats(f->engine)->requests_sent, 8);
}

static bool count_clients(const struct varp_snid *snid, const struct varp_addr *server, void *ctx)
{
	size_t *left = ctx;

	assert_int_equal(snid->b[9], server->b[15]);
	return --*left;
}

static void test_each_client_visits_configured_ones_and_stops(void **state)
{
	struct fixture *f = *state;
	const struct varp_key k = key(9, "10.0.0.2");
	struct varp_addr server;
	size_t left = 10;

	client_set(f, 1, "192.0.2.1");
	client_set(f, 2, "192.0.2.2");
	varp_engine_lookup(f->engine, NOW, &k);	/* a supernet without a server */
	varp_engine_each_client(f->engine, count_clients, &left);
	assert_int_equal(left, 8);
	left = 1;
	varp_engine_each_client(f->engine, count_clients, &left);
	assert_int_equal(left, 0);
	assert_false(varp_engine_client_get(f->engine, &k.snid, &server));
}

static void test_watches_have_a_bound_of_their_own(void **state)
{
	struct fixture *f = *state;
	char vaddr[16];
	unsigned int i, checks = 0;

	f->quiet = true;
	for (i = 1; i <= 12; i++) {	/* lookups_max is 8 */
		struct varp_table_entry entry = { .ttl_s = 4 };

		snprintf(vaddr, sizeof(vaddr), "10.0.0.%u", i);
		entry.key = key(7, vaddr);
		entry.raddr = addr("192.0.2.20");
		assert_int_equal(varp_engine_server_set(f->engine, NOW, &entry.key.snid, 60), 0);
		assert_int_equal(varp_engine_add(f->engine, NOW, &entry), 0);
		assert_int_equal(varp_engine_lookup(f->engine, NOW, &entry.key), 0);
		assert_int_equal(varp_engine_lookup_state(f->engine, &entry.key), VARP_LOOKUP_NONE);
	}
	f->quiet = false;
	varp_engine_tick(f->engine, NOW + 3 * S);
	for (i = 0; i < f->count; i++)
		checks += f->recorded[i].action.type == VARP_ACTION_CHECK;
	assert_int_equal(checks, 8);
	assert_true(varp_engine_next_ns(f->engine) == UINT64_MAX);
}

/* --- Server --- */

static void ask(struct fixture *f, const struct varp_key *k, const char *from, uint16_t port)
{
	const struct varp_msg msg = {.type = VARP_MSG_REQUEST,
				     .nonce = 42,
				     .snid = k->snid,
				     .vaddr = k->vaddr,
				     .prefix_len = 128,
				     .chid = {.b = {1, 2, 3, 4, 5, 6}}};
	const struct varp_addr a = addr(from);
	uint8_t data[VARP_MSG_LEN];

	varp_msg_encode(&msg, data);
	varp_engine_receive(f->engine, NOW, &a, port, data, sizeof(data));
}

static void test_server_answer_goes_where_the_request_came_from(void **state)
{
	struct fixture *f = *state;
	const struct varp_key k = key(7, "fd00::2");
	const struct varp_table_entry entry = {
		.key = k, .raddr = addr("2001:db8::20"), .ttl_s = VARPDB_TTL_ALWAYS};
	const struct varp_addr client = addr("2001:db8::10");
	struct recorded *sent;

	varp_engine_server_set(f->engine, NOW, &k.snid, 77);
	varp_engine_add(f->engine, NOW, &entry);
	forget(f);
	ask(f, &k, "2001:db8::10", 40000);
	sent = only(f, VARP_ACTION_SEND);
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
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < ROWS(rows); i++) {
		const struct varp_key k = key(7, "10.0.0.2");
		const struct varp_table_entry entry = {
			.key = k, .raddr = addr("192.0.2.20"), .ttl_s = rows[i].entry_s};

		varp_engine_server_set(f->engine, NOW, &k.snid, rows[i].default_s);
		varp_engine_add(f->engine, NOW, &entry);
		forget(f);
		ask(f, &k, "192.0.2.10", 2500);
		if (only(f, VARP_ACTION_SEND)->msg.ttl_s != rows[i].told_s)
			fail_msg("row %zu: told %u", i, only(f, VARP_ACTION_SEND)->msg.ttl_s);
	}
}

static void test_server_naks_have_ttl_zero(void **state)
{
	struct fixture *f = *state;
	const struct varp_key k = key(7, "10.0.0.2"), foreign = key(8, "10.0.0.2");
	struct recorded *log;

	varp_engine_server_set(f->engine, NOW, &k.snid, 60);
	ask(f, &k, "192.0.2.10", 2500);
	assert_int_equal(only(f, VARP_ACTION_SEND)->msg.type, VARP_MSG_NAK_NOTKNOWN);
	assert_int_equal(only(f, VARP_ACTION_SEND)->msg.ttl_s, 0);
	forget(f);
	ask(f, &foreign, "192.0.2.10", 2500);
	assert_int_equal(only(f, VARP_ACTION_SEND)->msg.type, VARP_MSG_NAK_NOAUTHORITY);
	assert_int_equal(only(f, VARP_ACTION_SEND)->msg.ttl_s, 0);
	log = only(f, VARP_ACTION_LOG);
	assert_true(log->action.error);
	assert_non_null(strstr(log->text, "192.0.2.10"));
	assert_null(strchr(log->text, '\n'));
}

static void test_server_is_stateless_towards_clients(void **state)
{
	struct fixture *f = *state;
	const struct varp_key k = key(7, "10.0.0.2");
	char from[32];
	unsigned int i;
	size_t before;

	varp_engine_server_set(f->engine, NOW, &k.snid, 60);
	f->quiet = true;
	ask(f, &k, "192.0.2.10", 2500);
	before = mallinfo2().uordblks;
	for (i = 0; i < 10000; i++) {
		snprintf(from, sizeof(from), "10.9.%u.%u", i >> 8, i & 0xff);
		ask(f, &k, from, 1024 + i);
	}
	assert_int_equal(mallinfo2().uordblks, before);
	assert_int_equal(varp_engine_stats(f->engine)->nak_notknown_sent, 10001);
	assert_true(varp_engine_next_ns(f->engine) == UINT64_MAX);
}

static void test_garbage_allocates_nothing(void **state)
{
	struct fixture *f = *state;
	const struct varp_addr from = addr("192.0.2.66");
	uint8_t data[2 * VARP_MSG_LEN];
	uint32_t random = 1;
	size_t before, i, j;

	client_set(f, 7, "192.0.2.1");
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

static void test_add_not_served_leaves_the_cache_alone(void **state)
{
	struct fixture *f = *state;
	const struct varp_table_entry entry = {
		.key = key(7, "10.0.0.2"), .raddr = addr("192.0.2.20"), .ttl_s = 5};

	assert_int_equal(varp_engine_add(f->engine, NOW, &entry), 0);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->recorded[0].action.notice, VARP_NOTICE_INSERT);
	assert_true(f->recorded[0].action.authoritative);
	forget(f);
	assert_int_equal(varp_engine_remove(f->engine, NOW, &entry.key), 0);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->recorded[0].action.notice, VARP_NOTICE_REMOVE);
	assert_int_equal(varp_table_count(varp_engine_table(f->engine), NULL), 0);
}

/* --- Both --- */

static void test_log_bucket_refills_to_its_size(void **state)
{
	struct fixture *f = *state;
	unsigned int i, logged = 0;
	const struct varp_key foreign = key(8, "10.0.0.2");

	for (i = 0; i < 12; i++) {
		forget(f);
		ask(f, &foreign, "192.0.2.10", 2500);
		logged += f->count == 2;
	}
	assert_int_equal(logged, 10);
	/* NOW is long after the bucket's beginning, yet there were ten and no more. */
}

static void test_load_takes_the_table_and_tells_nobody(void **state)
{
	struct fixture *f = *state;
	struct varp_table *table = varp_table_new();
	const struct varp_table_entry first = {
		.key = key(7, "10.0.0.2"), .raddr = addr("192.0.2.20"), .ttl_s = 50};
	const struct varp_table_entry former = {
		.key = key(9, "10.0.0.2"), .raddr = addr("192.0.2.20"), .ttl_s = 50};

	assert_non_null(table);
	varp_engine_add(f->engine, NOW, &former);
	forget(f);
	assert_int_equal(varp_table_server_set(table, &first.key.snid, 60), 0);
	assert_int_equal(varp_table_add(table, &first), 0);
	varp_engine_load(f->engine, NOW, table);
	assert_int_equal(f->count, 0);
	assert_ptr_equal(varp_engine_table(f->engine), table);
	assert_int_equal(varp_table_count(varp_engine_table(f->engine), NULL), 1);
	ask(f, &first.key, "192.0.2.10", 2500);
	assert_int_equal(only(f, VARP_ACTION_SEND)->msg.type, VARP_MSG_REPLY);
}

static void test_load_settles_what_is_open(void **state)
{
	struct fixture *f = *state;
	struct varp_table *table = varp_table_new();
	const struct varp_table_entry known = {
		.key = key(7, "10.0.0.2"), .raddr = addr("192.0.2.20"), .ttl_s = 50};
	const struct varp_key unknown = key(7, "10.0.0.3"), other = key(8, "10.0.0.2");

	client_set(f, 7, "192.0.2.1");
	client_set(f, 8, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &known.key);
	varp_engine_lookup(f->engine, NOW, &unknown);
	varp_engine_lookup(f->engine, NOW, &other);
	forget(f);
	assert_int_equal(varp_table_server_set(table, &known.key.snid, 60), 0);
	assert_int_equal(varp_table_add(table, &known), 0);
	varp_engine_load(f->engine, NOW + S, table);
	assert_memory_equal(&only(f, VARP_ACTION_RESOLVED)->action.key, &known.key,
			    sizeof(known.key));
	assert_memory_equal(&only(f, VARP_ACTION_NOTKNOWN)->action.key, &unknown, sizeof(unknown));
	assert_int_equal(varp_engine_lookup_state(f->engine, &other), VARP_LOOKUP_OPEN);
}

static void test_negative_ttl_set_holds_for_answers_from_then_on(void **state)
{
	struct fixture *f = *state;
	const struct varp_key before = key(8, "10.0.0.2"), after = key(8, "10.0.0.3");

	varp_engine_lookup(f->engine, NOW, &before);
	assert_int_equal(only(f, VARP_ACTION_NOTKNOWN)->action.deadline_ns, NOW + 5 * S);
	forget(f);
	varp_engine_negative_ttl_set(f->engine, 1500);
	varp_engine_lookup(f->engine, NOW, &after);
	assert_int_equal(only(f, VARP_ACTION_NOTKNOWN)->action.deadline_ns, NOW + 1500 * MS);
	varp_engine_tick(f->engine, NOW + 1500 * MS);
	assert_int_equal(varp_engine_lookup_state(f->engine, &after), VARP_LOOKUP_NONE);
	assert_int_equal(varp_engine_lookup_state(f->engine, &before), VARP_LOOKUP_NOTKNOWN);
}

static void test_free_with_work_open_leaks_nothing(void **state)
{
	struct fixture *f = *state;
	const struct varp_key open = key(7, "10.0.0.2"), negative = key(8, "10.0.0.2");
	const struct varp_table_entry entry = {
		.key = open, .raddr = addr("192.0.2.20"), .ttl_s = 5};

	client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &open);
	varp_engine_lookup(f->engine, NOW, &negative);
	varp_engine_add(f->engine, NOW, &entry);
	forget(f);
	varp_engine_free(f->engine);
	f->engine = NULL;
	varp_engine_free(NULL);
	assert_int_equal(f->count, 0);	/* the end of an engine is silent */
}

static void test_new_retry_zero_still_ends(void **state)
{
	struct fixture *f = *state;
	const struct varp_engine_config config = {
		.insecure = true,
		.varp_port = 2500,
		.window_ms = 5000,
		.negative_ttl_ms = 0,
		.retry_ms = 0,
		.lookups_max = 8,
		.emit = record,
		.random = next_random,
		.ctx = f,
	};
	const struct varp_key k = key(7, "10.0.0.2"), negative = key(8, "10.0.0.2");

	varp_engine_free(f->engine);
	f->engine = varp_engine_new(&config);
	assert_non_null(f->engine);
	client_set(f, 7, "192.0.2.1");
	varp_engine_lookup(f->engine, NOW, &k);
	varp_engine_lookup(f->engine, NOW, &negative);
	varp_engine_tick(f->engine, NOW);
	assert_true(varp_engine_next_ns(f->engine) > NOW);
	assert_int_equal(varp_engine_lookup_state(f->engine, &negative), VARP_LOOKUP_NONE);
}

int main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_lookup_request_carries_what_it_should),
		TEST(test_lookup_nonce_stays_over_repetitions_and_changes_after),
		TEST(test_reply_resolved_carries_deadline_and_ttl),
		TEST(test_nak_notknown_carries_deadline),
		TEST(test_tick_late_ends_the_window_without_a_request),
		TEST(test_age_rows_expire_refresh_or_nothing),
		TEST(test_vaddr_not_unicast_is_notknown_unasked),
		TEST(test_age_never_used_soon_after_boot_is_not_refreshed),
		TEST(test_age_twice_refreshes_once),
		TEST(test_refreshes_have_a_bound_of_their_own),
		TEST(test_age_refresh_removed_here_becomes_notknown),
		TEST(test_each_client_visits_configured_ones_and_stops),
		TEST(test_watches_have_a_bound_of_their_own),
		TEST(test_server_answer_goes_where_the_request_came_from),
		TEST(test_server_told_ttl_rows_are_within_limits),
		TEST(test_server_naks_have_ttl_zero),
		TEST(test_server_is_stateless_towards_clients),
		TEST(test_garbage_allocates_nothing),
		TEST(test_add_not_served_leaves_the_cache_alone),
		TEST(test_log_bucket_refills_to_its_size),
		TEST(test_load_takes_the_table_and_tells_nobody),
		TEST(test_load_settles_what_is_open),
		TEST(test_negative_ttl_set_holds_for_answers_from_then_on),
		TEST(test_free_with_work_open_leaks_nothing),
		TEST(test_new_retry_zero_still_ends),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
