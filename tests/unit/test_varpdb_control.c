// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpdb_control(): requests asserted as sent to a stand-in for varpd, and what becomes of its
 * answers.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <varp/varp.h>

#include "fake_varpd.h"

#define SN	"0x0000000000000000002a"
#define OK_EMPTY "{\"ok\":true,\"result\":{}}\n"
#define NAME	"test"

static bool isolated;

#define NEEDS_RUN() do {								\
	if (!isolated) {								\
		print_message("SKIP: no mount namespace of its own is permitted\n");	\
		skip();									\
	}										\
} while (0)

static int teardown(void **state)
{
	(void)state;
	varpdb_close();
	return 0;
}

static void assert_addr(const struct in6_addr *addr, const char *text)
{
	char out[VARP_ADDR_STRLEN];

	assert_string_equal(varp_addr_to_text(addr, out), text);
}

static addrset_t make_set(int op_code, const char *raddr, int ttl)
{
	addrset_t set = { .op_code = op_code, .ttl = ttl };

	assert_int_equal(varp_snid_from_text("0x2a", &set.vnode.vid), 0);
	assert_int_equal(varp_addr_from_text("10.1.0.1", &set.vnode.vaddr), 0);
	if (raddr)
		assert_int_equal(varp_addr_from_text(raddr, &set.vnode.raddr), 0);
	assert_int_equal(varp_addr_from_text("192.0.2.77", &set.caddr), 0);
	return set;
}

static void test_control_requests_are_sent_as_written(void **state)
{
#define VN "\"snid\":\"" SN "\",\"vaddr\":\"10.1.0.1\""
	static const struct {
		enum varpdb_request request;
		int op_code, ttl;
		const char *raddr, *sent;
	} rows[] = {
		{ VARPDB_IOCTLXRESET, 0, 0, NULL, "{\"command\":\"reset\",\"args\":{}}" },
		{ VARPDB_IOCTLXTIMSTART, 0, 0, NULL,
		  "{\"command\":\"timer\",\"args\":{\"on\":true}}" },
		{ VARPDB_IOCTLXTIMSTOP, 0, 0, NULL,
		  "{\"command\":\"timer\",\"args\":{\"on\":false}}" },
		{ VARPDB_IOCTLWCMD, VARPDB_OPCODE_INSERT, 65536, "192.0.2.1",
		  "\"opcode\",\"args\":{" VN ",\"op_code\":1,\"raddr\":\"192.0.2.1\",\"ttl\":65536}"
					     "}" },
		{ VARPDB_IOCTLWCMD, VARPDB_OPCODE_REPLY, -1, "192.0.2.1",
		  "\"opcode\",\"args\":{" VN ",\"op_code\":2,\"raddr\":\"192.0.2.1\",\"ttl\":-1}"
					     "}" },
		{ VARPDB_IOCTLWCMD, VARPDB_OPCODE_REMOVE, 0, NULL,
		  "\"opcode\",\"args\":{" VN ",\"op_code\":4}}" },
		{ VARPDB_IOCTLWCMD, VARPDB_OPCODE_NAK, 0, NULL,
		  "\"opcode\",\"args\":{" VN ",\"op_code\":5}}" },
	};
	static const struct fake_rule rules[] = { { .match = "command", .answer = OK_EMPTY },
						  { .match = NULL } };
	const char *sent;
	pid_t pid;

	(void)state;
	NEEDS_RUN();
	pid = fake_varpd_start(NAME, rules);
	assert_int_equal(varpdb_open(NAME), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		addrset_t set = make_set(rows[i].op_code, rows[i].raddr, rows[i].ttl);

		assert_int_equal(varpdb_control(rows[i].request, &set), 0);
		sent = fake_varpd_requests(NAME);
		if (!strstr(sent, rows[i].sent))
			fail_msg("sent %s instead of %s", sent, rows[i].sent);
	}
	fake_varpd_stop(pid);
}

static void test_control_lookup_result_and_nak(void **state)
{
	static const struct fake_rule found[] = {
		{ .match = "\"caddr\":\"192.0.2.77\"",
		  .answer = "{\"ok\":true,\"result\":{\"op_code\":12,"
			    "\"raddr\":\"192.0.2.1\",\"caddr\":\"192.0.2.77\"}}\n" },
		{ .match = NULL },
	};
	static const struct fake_rule none[] = {
		{ .match = "opcode", .answer = "{\"ok\":true,\"result\":{\"op_code\":13}}\n" },
		{ .match = NULL },
	};
	addrset_t set = make_set(VARPDB_OPCODE_LOOKUP, NULL, 0);
	pid_t pid;

	(void)state;
	NEEDS_RUN();
	pid = fake_varpd_start(NAME, found);
	assert_int_equal(varpdb_open(NAME), 0);
	assert_int_equal(varpdb_control(VARPDB_IOCTLWCMD, &set), 0);
	assert_int_equal(set.op_code, VARPD_OPCODE_RESULT);
	assert_addr(&set.vnode.raddr, "192.0.2.1");
	assert_addr(&set.caddr, "192.0.2.77");
	fake_varpd_stop(pid);
	varpdb_close();

	pid = fake_varpd_start(NAME, none);
	set = make_set(VARPDB_OPCODE_LOOKUP, NULL, 0);
	assert_int_equal(varpdb_open(NAME), 0);
	assert_int_equal(varpdb_control(VARPDB_IOCTLWCMD, &set), 0);
	assert_int_equal(set.op_code, VARPD_OPCODE_NAK);
	fake_varpd_stop(pid);
}

static void test_control_out_of_range_is_refused_here(void **state)
{
	static const struct {
		int op_code;
		const char *raddr;
		int ttl;
	} rows[] = {
		{ 0, NULL, 0 },
		{ 6, NULL, 0 },
		{ 11, NULL, 0 },
		{ VARPDB_OPCODE_INSERT, "192.0.2.1", 0 },
		{ VARPDB_OPCODE_INSERT, "192.0.2.1", 65537 },
		{ VARPDB_OPCODE_INSERT, "192.0.2.1", -2 },
		{ VARPDB_OPCODE_REPLY, "224.0.0.1", 10 },
		{ VARPDB_OPCODE_INSERT, NULL, 10 },
		{ VARPDB_OPCODE_INSERT, "127.0.0.1", 10 },
		{ VARPDB_OPCODE_REPLY, "::", 10 },
	};
	addrset_t set;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set = make_set(rows[i].op_code, rows[i].raddr, rows[i].ttl);
		assert_int_equal(varpdb_control(VARPDB_IOCTLWCMD, &set), -EINVAL);
	}
	assert_int_equal(varpdb_control(VARPDB_IOCTLWCMD, NULL), -EINVAL);
	assert_int_equal(varpdb_control((enum varpdb_request)4, &set), -EINVAL);
}

static void test_control_refusals_become_errno(void **state)
{
	static const struct {
		const char *answer;
		int err;
	} rows[] = {
		{ "{\"ok\":false,\"status\":2,\"error\":\"x\"}\n", -EINVAL },
		{ "{\"ok\":false,\"status\":4,\"error\":\"x\"}\n", -ETIMEDOUT },
		{ "{\"ok\":false,\"status\":5,\"error\":\"x\"}\n", -EPERM },
		{ NULL, -ETIMEDOUT },
	};

	(void)state;
	NEEDS_RUN();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake_rule rules[] = { { .match = "reset", .answer = rows[i].answer },
					     { .match = NULL } };
		pid_t pid = fake_varpd_start(NAME, rules);

		assert_int_equal(varpdb_open(NAME), 0);
		assert_int_equal(varpdb_control(VARPDB_IOCTLXRESET, NULL), rows[i].err);
		varpdb_close();
		fake_varpd_stop(pid);
	}
	assert_int_equal(varpdb_open("nobody"), -ENOENT);
	assert_int_equal(varpdb_control(VARPDB_IOCTLXRESET, NULL), -ENOTCONN);
}

static void test_control_lookup_broken_answers_are_refused(void **state)
{
	static const char *const answers[] = {
		"{\"ok\":true,\"result\":{}}\n",
		"{\"ok\":true,\"result\":null}\n",
		"{\"ok\":true,\"result\":{\"op_code\":11}}\n",
		"{\"ok\":true,\"result\":{\"op_code\":12}}\n",
		"{\"ok\":true,\"result\":{\"op_code\":12,\"raddr\":\"here\"}}\n",
		"{\"ok\":true,\"result\":{\"op_code\":12,\"raddr\":7}}\n",
	};

	(void)state;
	NEEDS_RUN();
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct fake_rule rules[] = { { .match = "opcode", .answer = answers[i] },
					     { .match = NULL } };
		addrset_t set = make_set(VARPDB_OPCODE_LOOKUP, NULL, 0);
		pid_t pid = fake_varpd_start(NAME, rules);

		assert_int_equal(varpdb_open(NAME), 0);
		if (varpdb_control(VARPDB_IOCTLWCMD, &set) != -EPROTO)
			fail_msg("taken for an answer: %s", answers[i]);
		assert_int_equal(set.op_code, VARPDB_OPCODE_LOOKUP);
		varpdb_close();
		fake_varpd_stop(pid);
	}
}

static void test_control_daemon_gone_is_not_connected(void **state)
{
	static const struct fake_rule rules[] = { { .match = "reset", .hangup = true },
						  { .match = NULL } };
	pid_t pid;

	(void)state;
	NEEDS_RUN();
	pid = fake_varpd_start(NAME, rules);
	assert_int_equal(varpdb_open(NAME), 0);
	assert_int_equal(varpdb_control(VARPDB_IOCTLXRESET, NULL), -ENOTCONN);
	fake_varpd_stop(pid);
}

#define TEST(name)	cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_control_requests_are_sent_as_written),
		TEST(test_control_lookup_result_and_nak),
		TEST(test_control_lookup_broken_answers_are_refused),
		TEST(test_control_out_of_range_is_refused_here),
		TEST(test_control_refusals_become_errno),
		TEST(test_control_daemon_gone_is_not_connected),
	};

	isolated = fake_varpd_isolate();
	return cmocka_run_group_tests_name("varpdb_control", tests, NULL, NULL);
}
