// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl's arguments: what is wrong is said in one line, with the right exit status, and before
 * any daemon is asked (the instance does not exist: a row that gets past the arguments says so).
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_varpd.h"
#include "run_program.h"

#define NOT_RUNNING	"varpd of instance none is not running (no /run/varp/none/control.sock): " \
			"start it with `varpd -i none`, or name another with -i\n"
#define USAGE_JOIN	"; usage: varpctl join SNID VADDR/LEN [server ADDR] [channel CHID] " \
			"[dev NAME] [netns NS] [raddr ADDR]\n"
#define LONG_SNID	"0x123456789012345678901"

static char varpctl[PATH_MAX + 16];
static struct run run;

struct row {
	const char *args;
	int status;
	const char *error;	/* after "varpctl: " */
};

static void check(const struct row *rows, size_t count)
{
	char expected[1024];

	for (size_t i = 0; i < count; i++) {
		run_program(&run, varpctl, rows[i].args);
		snprintf(expected, sizeof(expected), "varpctl: %s", rows[i].error);
		if (run.status != rows[i].status || strcmp(run.err, expected))
			fail_msg("varpctl %s: status %d, %sinstead of %d, %s", rows[i].args,
				 run.status, run.err, rows[i].status, expected);
		assert_string_equal(run.out, "");
	}
}

#define CHECK(rows)	check(rows, sizeof(rows) / sizeof(rows[0]))

static void test_options_wrong_are_refused(void **state)
{
	static const struct row rows[] = {
		{ "", 1, "no command given; see `varpctl help`\n" },
		{ "-x status", 1, "unknown option -x; see `varpctl help`\n" },
		{ "status --nope", 1, "unknown option --nope; see `varpctl help`\n" },
		{ "status --js", 1, "unknown option --js; see `varpctl help`\n" },
		{ "--inst x status", 1, "unknown option --inst; see `varpctl help`\n" },
		{ "--inst=x status", 1, "unknown option --inst=x; see `varpctl help`\n" },
		{ "-i", 1, "option -i needs a value; see `varpctl help`\n" },
		{ "-i a/b status", 1,
		  "-i 'a/b' is not the name of an instance (letters, digits, '.', '_', '-'); "
		  "see `varpctl help`\n" },
		{ "--color pink status", 1,
		  "--color 'pink' is not auto, always or never; see `varpctl help`\n" },
		{ "--timeout 3 status", 1, "--timeout is for resolve; usage: varpctl status\n" },
		{ "resolve 0x1 10.0.0.1 --timeout 0", 1,
		  "--timeout '0' is not a number of seconds (0.001 to 3600); see `varpctl "
		  "help`\n" },
		{ "resolve 0x1 10.0.0.1 --timeout 1e3", 1,
		  "--timeout '1e3' is not a number of seconds (0.001 to 3600); see `varpctl "
		  "help`\n" },
	};

	(void)state;
	CHECK(rows);
}

static void test_commands_unknown_are_refused(void **state)
{
	static const struct row rows[] = {
		{ "frobnicate", 1, "unknown command 'frobnicate'; see `varpctl help`\n" },
		{ "cache", 1, "cache needs one of: show, get, flush; see `varpctl help`\n" },
		{ "cache drop", 1,
		  "unknown command 'cache drop': cache has show, get, flush; see `varpctl "
		  "help`\n" },
		{ "help frobnicate", 1, "unknown command 'frobnicate'; see `varpctl help`\n" },
		{ "help cache drop", 1, "unknown command 'cache drop'; see `varpctl help`\n" },
		{ "attach", 1, "too few arguments; usage: varpctl attach IFACE\n" },
		{ "attach a b", 1,
		  "too many arguments, beginning with 'b'; usage: varpctl attach IFACE\n" },
		{ "status now", 1,
		  "too many arguments, beginning with 'now'; usage: varpctl status\n" },
	};

	(void)state;
	CHECK(rows);
}

static void test_arguments_malformed_are_refused(void **state)
{
	static const struct row rows[] = {
		{ "attach abcdefghijklmnop", 1,
		  "'abcdefghijklmnop' is not the name of an interface (1 to 15 characters); "
		  "usage: varpctl attach IFACE\n" },
		{ "attach a/b", 1,
		  "'a/b' is not the name of an interface (1 to 15 characters); usage: varpctl "
		  "attach "
		  "IFACE\n" },
		{ "cache show 2a", 1,
		  "'2a' is not a supernet identifier (0x and 1 to 20 hex digits); "
		  "usage: varpctl cache show [SNID]\n" },
		{ "cache show " LONG_SNID, 1,
		  "'" LONG_SNID "' is not a supernet identifier (0x and 1 to 20 hex digits); "
		  "usage: varpctl cache show [SNID]\n" },
		{ "cache get 0x2a 10.0.0", 1,
		  "vaddr '10.0.0' is not an IPv4 or IPv6 address; usage: varpctl cache get SNID "
		  "VADDR\n" },
		{ "resolve 0x2a 224.0.0.1", 1,
		  "vaddr 224.0.0.1 is not the address of a host (it is unspecified, loopback, "
		  "multicast or broadcast); usage: varpctl resolve SNID VADDR [--timeout S]\n" },
		{ "leave 0x2a ::", 1,
		  "vaddr :: is not the address of a host (it is unspecified, loopback, multicast "
		  "or broadcast); usage: varpctl leave SNID [VADDR]\n" },
	};

	(void)state;
	CHECK(rows);
}

static void test_join_malformed_is_refused(void **state)
{
	static const struct row rows[] = {
		{ "join 0x2a 10.1.0.1", 1,
		  "10.1.0.1 has no prefix length: write the supernet's, as in "
		  "10.1.0.1/24" USAGE_JOIN },
		{ "join 0x2a fd00::1", 1,
		  "fd00::1 has no prefix length: write the supernet's, as in "
		  "fd00::1/64" USAGE_JOIN },
		{ "join 0x2a 10.1.0.1/33", 1,
		  "'10.1.0.1/33' is not VADDR/LEN, as in 10.1.0.1/24" USAGE_JOIN },
		{ "join 0x2a 10.1.0.1/24 192.0.2.9", 1, "unknown word '192.0.2.9'" USAGE_JOIN },
		{ "join 0x2a 10.1.0.1/24 server", 1, "server needs a value" USAGE_JOIN },
		{ "join 0x2a 10.1.0.1/24 dev a dev b", 1, "dev is given twice" USAGE_JOIN },
		{ "join 0x2a 10.1.0.1/24 server x", 1,
		  "server 'x' is not an IPv4 or IPv6 address" USAGE_JOIN },
		{ "join 0x2a 10.1.0.1/24 channel 0x1234567890123", 1,
		  "'0x1234567890123' is not a channel identifier (0x and 1 to 12 hex "
		  "digits)" USAGE_JOIN },
		{ "join 0x2a 10.1.0.1/24 netns ./no-such-file", 1,
		  "netns './no-such-file' does not exist" USAGE_JOIN },
		{ "join 0x2a 10.1.0.1/24 raddr 127.0.0.1", 1,
		  "raddr 127.0.0.1 is not the address of a host (it is unspecified, loopback, "
		  "multicast or broadcast)" USAGE_JOIN },
	};

	(void)state;
	CHECK(rows);
}

static void test_daemon_absent_is_said(void **state)
{
	static const struct row rows[] = {
		{ "-i none status", 2, NOT_RUNNING },
		{ "status -i none -j", 2, NOT_RUNNING },
		{ "-i none attach eth0", 2, NOT_RUNNING },
		{ "-i none join 0x2a 10.1.0.1/24 raddr 192.0.2.1 dev x server 127.0.0.1", 2,
		  NOT_RUNNING },
		{ "-i none cache flush 0x2a 10.0.0.1", 2, NOT_RUNNING },
		{ "-i none resolve 0x2a 10.0.0.1 --timeout 0.5", 2, NOT_RUNNING },
		{ "-i none monitor", 2, NOT_RUNNING },
	};

	(void)state;
	CHECK(rows);
}

static void test_version_and_help_need_no_daemon(void **state)
{
	(void)state;
	run_program(&run, varpctl, "version");
	assert_int_equal(run.status, 0);
	assert_string_equal(run.out, "varpctl " VARP_RELEASE "\n");
	run_program(&run, varpctl, "--version -j");
	assert_string_equal(run.out, "{\"version\":\"" VARP_RELEASE "\"}\n");
	run_program(&run, varpctl, "resolve --help");
	assert_int_equal(run.status, 0);
	assert_int_equal(strncmp(run.out, "Usage: varpctl resolve SNID VADDR [--timeout S]\n", 48),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_wrong_are_refused),
		cmocka_unit_test(test_commands_unknown_are_refused),
		cmocka_unit_test(test_arguments_malformed_are_refused),
		cmocka_unit_test(test_join_malformed_is_refused),
		cmocka_unit_test(test_daemon_absent_is_said),
		cmocka_unit_test(test_version_and_help_need_no_daemon),
	};

	snprintf(varpctl, sizeof(varpctl), "%s/varpctl", fake_varpd_build_dir());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
