// SPDX-License-Identifier: BSD-2-Clause
/*
 * The public varpdb calls (varp.h) against a stand-in for varpd: requests asserted as sent, answers
 * as delivered.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <varp/varp.h>

#include "fake_varpd.h"

#define SN	"0x0000000000000000002a"
#define OK_EMPTY "{\"ok\":true,\"result\":{}}\n"
#define STREAM	"{\"ok\":true,\"stream\":true}\n"
#define NAME	"test"

static bool isolated;

/* --- Helpers ---------------------------------------------------------------------------------- */

static vnode_t make_vnode(const char *vaddr)
{
	vnode_t vnode = { 0 };

	assert_int_equal(varp_snid_from_text("0x2a", &vnode.vid), 0);
	assert_int_equal(varp_addr_from_text(vaddr, &vnode.vaddr), 0);
	return vnode;
}

static void assert_addr(const struct in6_addr *addr, const char *text)
{
	char out[VARP_ADDR_STRLEN];

	assert_string_equal(varp_addr_to_text(addr, out), text);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct {
	unsigned int calls;
	vnode_t vnode;
	vstatus_t status;
	bool close;		/* in the callback */
	unsigned int monitor_calls;
} called;

static void on_answer(vnode_t *vnodep, vstatus_t *statusp)
{
	called.calls++;
	called.vnode = *vnodep;
	called.status = *statusp;
	if (called.close)
		varpdb_close();
}

static void on_monitor(vnode_t *vnodep, vstatus_t *statusp)
{
	(void)vnodep;
	(void)statusp;
	called.monitor_calls++;
}

static int setup(void **state)
{
	(void)state;
	memset(&called, 0, sizeof(called));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	varpdb_close();
	return 0;
}

#define NEEDS_RUN() do {								\
	if (!isolated) {								\
		print_message("SKIP: no mount namespace of its own is permitted\n");	\
		skip();									\
	}										\
} while (0)

/* --- Connection ------------------------------------------------------------------------------- */

static void test_open_without_daemon_says_why(void **state)
{
	(void)state;
	NEEDS_RUN();
	assert_int_equal(varpdb_open("nobody"), -ENOENT);
	assert_int_equal(varpdb_open("a/b"), -EINVAL);
	assert_int_equal(varpdb_open(""), -EINVAL);
	assert_int_equal(varpdb_open("../test"), -EINVAL);
	assert_int_equal(varpdb_fd(), -ENOTCONN);
	assert_int_equal(varpdb_dispatch(0), -ENOENT);
}

static void test_open_after_daemon_died_is_refused(void **state)
{
	static const struct fake_rule rules[] = { { .match = NULL } };

	(void)state;
	NEEDS_RUN();
	fake_varpd_stop(fake_varpd_start("dead", rules));
	assert_int_equal(varpdb_open("dead"), -ECONNREFUSED);
}

static void test_open_twice_is_refused(void **state)
{
	static const struct fake_rule rules[] = { { .match = NULL } };
	pid_t pid;

	(void)state;
	NEEDS_RUN();
	pid = fake_varpd_start(NAME, rules);
	assert_int_equal(varpdb_open(NAME), 0);
	assert_true(varpdb_fd() >= 0);
	assert_int_equal(varpdb_open(NAME), -EISCONN);
	varpdb_close();
	assert_int_equal(varpdb_open(NAME), 0);
	fake_varpd_stop(pid);
}

/*
 * A daemon that the scheduler keeps waiting for more than the 10 ms that a lookup gives it makes the
 * result MISS. Where something else is expected it gets more chances.
 */
static vstatus_t lookup_expecting(vnode_t *vnode, vstatus_t wanted)
{
	vstatus_t status = VARPDB_NOTASSIGNED;

	for (int i = 0; i < 50; i++) {
		varpdb_lookup(vnode, &status);
		if (status == wanted || wanted == VARPDB_MISS)
			break;
		assert_int_equal(status, VARPDB_MISS);
	}
	return status;
}

static void test_lookup_unopened_uses_default_instance(void **state)
{
	static const struct fake_rule rules[] = {
		{ .match = "lookup",
		  .answer = "{\"ok\":true,\"result\":{\"state\":\"notknown\"}}\n" },
		{ .match = NULL },
	};
	vnode_t vnode = make_vnode("10.1.0.2");
	pid_t pid;

	(void)state;
	NEEDS_RUN();
	pid = fake_varpd_start("default", rules);
	assert_int_equal(lookup_expecting(&vnode, VARPDB_NOTKNOWN), VARPDB_NOTKNOWN);
	fake_varpd_stop(pid);
}

/* --- Lookups ---------------------------------------------------------------------------------- */

static void test_lookup_answers_become_status(void **state)
{
	static const struct {
		const char *vaddr;
		vstatus_t status;
	} rows[] = {
		{ "10.1.0.1", VARPDB_HIT },	 { "10.1.0.2", VARPDB_MISS },
		{ "10.1.0.3", VARPDB_NOTKNOWN }, { "10.1.0.4", VARPDB_MISS },
		{ "10.1.0.5", VARPDB_MISS },	 { "2001:db8::7", VARPDB_HIT },
	};
	static const struct fake_rule rules[] = {
		{ .match = "10.1.0.1\"",
		  .answer = "{\"ok\":true,\"result\":{\"state\":\"hit\",\"raddr\":\"192.0.2.1\"}}"
			    "\n" },
		{ .match = "10.1.0.2\"",
		  .answer = "{\"ok\":true,\"result\":{\"state\":\"miss\"}}\n" },
		{ .match = "10.1.0.3\"",
		  .answer = "{\"ok\":true,\"result\":{\"state\":\"notknown\"}}\n" },
		{ .match = "10.1.0.4\"",
		  .answer = "{\"ok\":true,\"result\":{\"state\":\"hit\",\"raddr\":7}}\n" },
		{ .match = "10.1.0.5\"",
		  .answer = "{\"ok\":false,\"status\":2,\"error\":\"no\"}\n" },
		{ .match = "2001:db8::7",
		  .answer = "{\"ok\":true,\"result\":{\"state\":\"hit\",\"raddr\":\"2001:db8::1\"}}"
			    "\n" },
		{ .match = NULL },
	};
	vnode_t vnode;
	pid_t pid;

	(void)state;
	NEEDS_RUN();
	pid = fake_varpd_start(NAME, rules);
	assert_int_equal(varpdb_open(NAME), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		vnode = make_vnode(rows[i].vaddr);
		assert_int_equal(lookup_expecting(&vnode, rows[i].status), rows[i].status);
	}
	assert_addr(&vnode.raddr, "2001:db8::1");
	assert_non_null(strstr(fake_varpd_requests(NAME), "{\"command\":\"lookup\",\"args\":{"
							  "\"snid\":\"" SN "\",\"vaddr\":\"10.1.0."
									   "1\"}}\n"));
	fake_varpd_stop(pid);
}

static void test_lookup_broken_answer_is_miss_and_reconnects(void **state)
{
	static const struct fake_rule rules[] = {
		{ .match = "10.1.0.1\"", .answer = "not json\n" },
		{ .match = "10.1.0.2\"", .answer = "[1]\n", .hangup = true },
		{ .match = "10.1.0.3\"",
		  .answer = "{\"ok\":true,\"result\":{\"state\":\"hit\",\"raddr\":\"192.0.2.1\"}}"
			    "\n" },
		{ .match = NULL },
	};
	vstatus_t status;
	vnode_t vnode;
	pid_t pid;

	(void)state;
	NEEDS_RUN();
	pid = fake_varpd_start(NAME, rules);
	assert_int_equal(varpdb_open(NAME), 0);
	vnode = make_vnode("10.1.0.1");
	varpdb_lookup(&vnode, &status);
	assert_int_equal(status, VARPDB_MISS);
	vnode = make_vnode("10.1.0.2");
	varpdb_lookup(&vnode, &status);
	assert_int_equal(status, VARPDB_MISS);
	vnode = make_vnode("10.1.0.3");
	assert_int_equal(lookup_expecting(&vnode, VARPDB_HIT), VARPDB_HIT);
	fake_varpd_stop(pid);
}

static void test_lookup_late_answer_is_not_taken_for_the_next(void **state)
{
	static const struct fake_rule rules[] = {
		{ .match = "10.1.0.1\"",
		  .answer = "{\"ok\":true,\"result\":{\"state\":\"hit\",\"raddr\":\"192.0.2.1\"}}"
			    "\n",
		  .delay_ms = 60 },
		{ .match = "10.1.0.2\"",
		  .answer = "{\"ok\":true,\"result\":{\"state\":\"hit\",\"raddr\":\"192.0.2.2\"}}"
			    "\n" },
		{ .match = NULL },
	};
	vstatus_t status;
	vnode_t vnode;
	pid_t pid;

	(void)state;
	NEEDS_RUN();
	pid = fake_varpd_start(NAME, rules);
	assert_int_equal(varpdb_open(NAME), 0);
	vnode = make_vnode("10.1.0.1");
	varpdb_lookup(&vnode, &status);
	assert_int_equal(status, VARPDB_MISS);
	for (int i = 0; i < 200 && status != VARPDB_HIT; i++) {
		vnode = make_vnode("10.1.0.2");
		varpdb_lookup(&vnode, &status);
	}
	assert_int_equal(status, VARPDB_HIT);
	assert_addr(&vnode.raddr, "192.0.2.2");
	fake_varpd_stop(pid);
}

static void test_lookup_stopped_daemon_is_miss_without_waiting(void **state)
{
	static const struct fake_rule rules[] = { { .match = NULL } };
	vstatus_t status = VARPDB_NOTASSIGNED;
	vnode_t vnode = make_vnode("10.1.0.1");
	int64_t start_ms;
	pid_t pid;

	(void)state;
	NEEDS_RUN();
	pid = fake_varpd_start(NAME, rules);
	assert_int_equal(varpdb_open(NAME), 0);
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	start_ms = now_ms();
	/* Each would wait 10 ms; after 16 unanswered ones there is no waiting at all. */
	for (int i = 0; i < 10000; i++) {
		varpdb_lookup(&vnode, &status);
		assert_int_equal(status, VARPDB_MISS);
	}
	assert_true(now_ms() - start_ms < 5000);
	fake_varpd_stop(pid);
}

/* --- Callbacks -------------------------------------------------------------------------------- */

static const struct fake_rule callback_rules[] = {
	{ .match = "register", .answer = STREAM },
	{ .match = "10.1.0.1\"",
	  .answer = "{\"ok\":true,\"result\":{\"state\":\"miss\"}}\n",
	  .event = "{\"state\":\"hit\",\"snid\":\"" SN "\",\"vaddr\":\"10.1.0.1\",\"raddr\":\"192."
						       "0.2.1\"}\n" },
	{ .match = "10.1.0.2\"",
	  .answer = "{\"ok\":true,\"result\":{\"state\":\"miss\"}}\n",
	  .event = "{\"state\":\"miss\",\"snid\":\"" SN "\",\"vaddr\":\"10.1.0.2\",\"raddr\":null}"
							"\n" },
	{ .match = "10.1.0.3\"",
	  .answer = "{\"ok\":true,\"result\":{\"state\":\"miss\"}}\n",
	  .event = "{\"state\":\"hit\",\"snid\":\"junk\"}\n{\"event\":\"lost\",\"count\":3}\n" },
	{ .match = NULL },
};

static void look_up(const char *vaddr)
{
	vnode_t vnode = make_vnode(vaddr);
	vstatus_t status;

	varpdb_lookup(&vnode, &status);
	assert_int_equal(status, VARPDB_MISS);
}

static void test_register_outcome_of_miss_calls_back(void **state)
{
	struct pollfd pfd = { .events = POLLIN };
	char snid[VARP_SNID_STRLEN];
	pid_t pid;

	(void)state;
	NEEDS_RUN();
	pid = fake_varpd_start(NAME, callback_rules);
	assert_int_equal(varpdb_open(NAME), 0);
	varpdb_register(on_answer);
	assert_non_null(strstr(fake_varpd_requests(NAME), "{\"command\":\"register\",\"args\":{"
							  "\"monitor\":false}}\n"));
	assert_int_equal(varpdb_dispatch(0), 0);

	look_up("10.1.0.1");
	assert_int_equal(called.calls, 0);	/* only dispatch runs callbacks */
	pfd.fd = varpdb_fd();
	assert_int_equal(poll(&pfd, 1, 5000), 1);
	assert_int_equal(varpdb_dispatch(5000), 1);
	assert_int_equal(called.calls, 1);
	assert_int_equal(called.status, VARPDB_HIT);
	assert_addr(&called.vnode.vaddr, "10.1.0.1");
	assert_addr(&called.vnode.raddr, "192.0.2.1");
	assert_string_equal(varp_snid_to_text(&called.vnode.vid, snid), SN);

	look_up("10.1.0.2");
	assert_int_equal(varpdb_dispatch(5000), 1);
	assert_int_equal(called.status, VARPDB_MISS);
	look_up("10.1.0.3");
	assert_int_equal(varpdb_dispatch(100), 0);	/* lines that are no outcome */
	assert_int_equal(called.calls, 2);
	fake_varpd_stop(pid);
}

static void test_unregister_ends_callbacks(void **state)
{
	pid_t pid;

	(void)state;
	NEEDS_RUN();
	pid = fake_varpd_start(NAME, callback_rules);
	assert_int_equal(varpdb_open(NAME), 0);
	varpdb_register(on_answer);
	varpdb_mon_register(on_monitor);
	assert_non_null(strstr(fake_varpd_requests(NAME), "{\"monitor\":true}"));
	look_up("10.1.0.1");
	while (called.calls + called.monitor_calls < 2)
		assert_true(varpdb_dispatch(5000) > 0);
	assert_int_equal(called.calls, 1);
	assert_int_equal(called.monitor_calls, 1);

	varpdb_unregister(NULL);
	look_up("10.1.0.1");
	assert_int_equal(varpdb_dispatch(5000), 1);
	assert_int_equal(called.calls, 1);
	assert_int_equal(called.monitor_calls, 2);
	varpdb_unregister(on_monitor);
	look_up("10.1.0.1");
	assert_int_equal(varpdb_dispatch(50), 0);
	assert_int_equal(called.monitor_calls, 2);
	fake_varpd_stop(pid);
}

static void test_callback_may_close(void **state)
{
	pid_t pid;

	(void)state;
	NEEDS_RUN();
	pid = fake_varpd_start(NAME, callback_rules);
	assert_int_equal(varpdb_open(NAME), 0);
	varpdb_register(on_answer);
	called.close = true;
	look_up("10.1.0.1");
	assert_int_equal(varpdb_dispatch(5000), 1);
	assert_int_equal(varpdb_fd(), -ENOTCONN);
	fake_varpd_stop(pid);
}

static void test_dispatch_daemon_gone_then_back_registers_again(void **state)
{
	pid_t pid;

	(void)state;
	NEEDS_RUN();
	pid = fake_varpd_start(NAME, callback_rules);
	assert_int_equal(varpdb_open(NAME), 0);
	varpdb_register(on_answer);
	fake_varpd_stop(pid);
	assert_int_equal(varpdb_dispatch(5000), -ECONNRESET);
	assert_int_equal(varpdb_fd(), -ENOTCONN);

	pid = fake_varpd_start(NAME, callback_rules);
	assert_int_equal(varpdb_open(NAME), 0);
	look_up("10.1.0.1");
	assert_int_equal(varpdb_dispatch(5000), 1);
	assert_int_equal(called.status, VARPDB_HIT);
	fake_varpd_stop(pid);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_open_without_daemon_says_why),
		TEST(test_open_after_daemon_died_is_refused),
		TEST(test_open_twice_is_refused),
		TEST(test_lookup_unopened_uses_default_instance),
		TEST(test_lookup_answers_become_status),
		TEST(test_lookup_broken_answer_is_miss_and_reconnects),
		TEST(test_lookup_late_answer_is_not_taken_for_the_next),
		TEST(test_lookup_stopped_daemon_is_miss_without_waiting),
		TEST(test_register_outcome_of_miss_calls_back),
		TEST(test_unregister_ends_callbacks),
		TEST(test_callback_may_close),
		TEST(test_dispatch_daemon_gone_then_back_registers_again),
	};

	isolated = fake_varpd_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
