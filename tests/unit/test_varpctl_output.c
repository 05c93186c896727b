// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl against a stand-in for varpd: what it asks, what it prints for people and as JSON, and
 * its exit status.
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

#define SN	"0x0000000000000000002a"
#define STREAM	"{\"ok\":true,\"stream\":true}\n"
#define END	"{\"end\":true}\n"

static char varpctl[PATH_MAX + 16];
static bool isolated;
static struct run run;

struct row {
	const char *args;
	const char *answer;
	int status;
	const char *out, *err;	/* NULL: not looked at */
	const char *sent;	/* part of the request, NULL: not looked at */
};

static void check(const struct row *rows, size_t count)
{
	if (!isolated) {
		print_message("SKIP: no mount namespace of its own is permitted\n");
		skip();
	}
	for (size_t i = 0; i < count; i++) {
		struct fake_rule rules[] = {
			{ .match = "command", .answer = rows[i].answer, .hangup = true },
			{ .match = NULL },
		};
		pid_t pid = fake_varpd_start("default", rules);
		const char *sent;

		run_program(&run, varpctl, rows[i].args);
		sent = fake_varpd_requests("default");
		fake_varpd_stop(pid);
		if (run.status != rows[i].status)
			fail_msg("varpctl %s: status %d, %s", rows[i].args, run.status, run.err);
		if (rows[i].out)
			assert_string_equal(run.out, rows[i].out);
		assert_string_equal(run.err, rows[i].err ? rows[i].err : "");
		if (rows[i].sent && !strstr(sent, rows[i].sent))
			fail_msg("varpctl %s: sent %s instead of %s", rows[i].args, sent,
				 rows[i].sent);
	}
}

#define CHECK(rows)	check(rows, sizeof(rows) / sizeof(rows[0]))

static void test_attach_and_leave_confirm(void **state)
{
	static const struct row rows[] = {
		{ "attach eth0", "{\"ok\":true}\n", 0, "eth0 attached\n", NULL,
		  "{\"command\":\"attach\",\"args\":{\"dev\":\"eth0\"}}\n" },
		{ "detach eth0 -j", "{\"ok\":true,\"result\":null}\n", 0, "{}\n", NULL,
		  "\"detach\"" },
		{ "leave 0x2a", "{\"ok\":true,\"result\":{}}\n", 0, "left supernet " SN "\n", NULL,
		  "\"args\":{\"snid\":\"" SN "\"}" },
		{ "leave 0x2a 10.1.0.1", "{\"ok\":true,\"result\":{}}\n", 0,
		  "left supernet " SN " with 10.1.0.1\n", NULL, "\"vaddr\":\"10.1.0.1\"" },
	};

	(void)state;
	CHECK(rows);
}

static void test_join_keywords_any_order(void **state)
{
	static const struct row rows[] = {
		{ "join 0x2a 10.1.0.1/24 netns blue dev web raddr 192.0.2.1 channel 0x7 server "
		  "192.0.2.9",
		  "{\"ok\":true,\"result\":{\"dev\":\"web\",\"netns\":\"blue\",\"underlay\":"
		  "\"eth0\","
		  "\"raddr4\":\"192.0.2.1\",\"raddr6\":null,\"mtu\":1436}}\n",
		  0,
		  "web in namespace blue: 10.1.0.1/24 in supernet " SN "\n"
		  "  reached at 192.0.2.1 through eth0, mtu 1436\n",
		  NULL,
		  "{\"snid\":\"" SN "\",\"vaddr\":\"10.1.0.1\",\"plen\":24,\"netns\":\"blue\","
				    "\"dev\":\"web\","
		  "\"raddr\":\"192.0.2.1\",\"channel\":\"0x000000000007\",\"server\":\"192.0.2."
		  "9\"}" },
		{ "join 0x2a fd00::1/64",
		  "{\"ok\":true,\"result\":{\"dev\":\"sn0\",\"warning\":\"no server\"}}\n", 0,
		  "sn0: fd00::1/64 in supernet " SN "\n", "varpctl: warning: no server\n",
		  "\"plen\":64}" },
	};

	(void)state;
	CHECK(rows);
}

#define ENTRY_1                                                                                   \
	"{\"snid\":\"" SN "\",\"vaddr\":\"10.1.0.2\",\"state\":\"resolved\",\"raddr\":\"192.0.2." \
			  "2\",\"ttl_s\":892}"
#define ENTRY_2                                                                                \
	"{\"snid\":\"" SN "\",\"vaddr\":\"2001:db8::1:2:3\",\"state\":\"notknown\",\"raddr\":" \
			  "null,\"ttl_s\":4}"
#define ENTRY_3                                                                                   \
	"{\"snid\":\"" SN "\",\"vaddr\":\"10.1.0.4\",\"state\":\"resolved\",\"raddr\":\"192.0.2." \
			  "4\",\"ttl_s\":null}"

static void test_cache_tables_and_json(void **state)
{
	static const struct row rows[] = {
		{ "cache show", STREAM ENTRY_1 "\n" ENTRY_2 "\n" ENTRY_3 "\n" END, 0,
		  "SNID                    VADDR            STATE     RADDR            TTL\n" SN
		  "  10.1.0.2         resolved  192.0.2.2        14m 52s\n" SN "  2001:db8::1:2:3  "
									       "notknown  -        "
									       "        4s\n" SN
		  "  10.1.0.4         resolved  192.0.2.4        always\n",
		  NULL, "{\"command\":\"cache_show\",\"args\":{}}\n" },
		{ "cache show 0x2a -j", STREAM ENTRY_1 "\n" ENTRY_2 "\n" END, 0,
		  "[" ENTRY_1 "," ENTRY_2 "]\n", NULL, "{\"snid\":\"" SN "\"}" },
		{ "cache show", STREAM END, 0, "", NULL, NULL },
		{ "cache show -j", STREAM END, 0, "[]\n", NULL, NULL },
		{ "cache show -p", STREAM "{\"snid\":\"x\"}\n" END, 0,
		  "[\n  {\n    \"snid\": \"x\"\n  }\n]\n", NULL, NULL },
		{ "cache get 0x2a 10.1.0.2 -j", "{\"ok\":true,\"result\":" ENTRY_1 "}\n", 0,
		  ENTRY_1 "\n", NULL, NULL },
		{ "cache get 0x2a 10.1.0.2",
		  "{\"ok\":false,\"status\":3,\"error\":\"not in the cache\"}\n", 3, "",
		  "varpctl: not in the cache\n", NULL },
		{ "cache flush", "{\"ok\":true,\"result\":{\"flushed\":1234567}}\n", 0,
		  "1,234,567 entries removed\n", NULL, NULL },
		{ "cache flush 0x2a", "{\"ok\":true,\"result\":{\"flushed\":1}}\n", 0,
		  "1 entry removed\n", NULL, NULL },
		{ "db show",
		  STREAM "{\"snid\":\"" SN "\",\"vaddr\":\"10.1.0.2\",\"raddr\":\"192.0.2.2\","
					   "\"ttl_s\":null}\n" END,
		  0,
		  "SNID                    VADDR            RADDR            TTL\n" SN
		  "  10.1.0.2         192.0.2.2        always\n",
		  NULL, "\"db_show\"" },
	};

	(void)state;
	CHECK(rows);
}

static void test_stream_cut_off_fails_without_end(void **state)
{
	static const struct row rows[] = {
		{ "cache show -j", STREAM ENTRY_1 "\n", 2, "[" ENTRY_1,
		  "varpctl: varpd of instance default has gone: see its log, and start it with "
		  "`varpd -i default`\n",
		  NULL },
		{ "monitor -j", STREAM "{\"event\":\"hit\"}\n", 2, "{\"event\":\"hit\"}\n",
		  "varpctl: varpd of instance default has gone: see its log, and start it with "
		  "`varpd -i default`\n",
		  NULL },
	};

	(void)state;
	CHECK(rows);
}

static void test_resolve_prints_raddr_alone(void **state)
{
	static const struct row rows[] = {
		{ "resolve 0x2a 10.1.0.2 --timeout 1.5",
		  "{\"ok\":true,\"result\":{\"raddr\":\"192.0.2.2\",\"ttl_s\":3}}\n", 0,
		  "192.0.2.2\n", NULL, "\"timeout_ms\":1500}" },
		{ "resolve 0x2a 10.1.0.2", "{\"ok\":false,\"status\":3,\"error\":\"not known\"}\n",
		  3, "", "varpctl: not known\n", "\"timeout_ms\":5000}" },
		{ "resolve 0x2a 10.1.0.2", "{\"ok\":false,\"status\":4,\"error\":\"timed out\"}\n",
		  4, "", "varpctl: timed out\n", NULL },
	};

	(void)state;
	CHECK(rows);
}

static void test_answers_strange_are_failures(void **state)
{
	static const struct row rows[] = {
		{ "stats", "nonsense\n", 2, "",
		  "varpctl: varpd of instance default gave an answer that is not "
		  "understood: see that varpd and varpctl are of the same version\n",
		  NULL },
		{ "stats", "", 2, "",
		  "varpctl: varpd of instance default has gone: see its log, and start it with "
		  "`varpd -i default`\n",
		  NULL },
		{ "stats", "{\"ok\":false,\"status\":99,\"error\":\"odd\"}\n", 2, "",
		  "varpctl: odd\n", NULL },
		{ "attach eth0", "{\"ok\":false,\"status\":5,\"error\":\"no\"}\n", 5, "",
		  "varpctl: no\n", NULL },
		{ "status", "{}\n", 2, "", "varpctl: varpd refuses without saying why\n", NULL },
	};

	(void)state;
	CHECK(rows);
}

static void test_stats_json_and_groups(void **state)
{
	static const char answer[] = "{\"ok\":true,\"result\":{\"datapath\":{\"encap_packets\":"
				     "1234,\"encap_bytes\":1234567,"
				     "\"local_packets\":5},\"drops\":{\"notknown\":7,\"runt\":0},"
				     "\"varp\":{\"requests_sent\":2}}}\n";
	static const struct row rows[] = {
		{ "stats -j", answer, 0,
		  "{\"datapath\":{\"encap_packets\":1234,\"encap_bytes\":1234567,"
		  "\"local_packets\":5},\"drops\":{\"notknown\":7,\"runt\":0},\"varp\":{\"requests_"
		  "sent\":2}}\n",
		  NULL, NULL },
		{ "stats", answer, 0,
		  "Datapath (packets)\n"
		  "  encapsulated                       1,234  1.2 MB\n"
		  "  decapsulated                           0  0 B\n"
		  "  hits                                   0\n"
		  "  misses                                 0\n"
		  "  held                                   0\n"
		  "  sent again                             0\n"
		  "  between nodes here                     5\n"
		  "\n"
		  "VARP messages                         sent          received\n"
		  "  request                                2                 0\n"
		  "  reply                                  0                 0\n"
		  "  nak, not known                         0                 0\n"
		  "  nak, no authority                      0                 0\n"
		  "  notify                                 0                 0\n"
		  "\n"
		  "Drops\n"
		  "  notknown                      7  destination is cached as not known\n",
		  NULL, NULL },
	};

	(void)state;
	CHECK(rows);
}

static void test_status_fits_and_names_what_is_wrong(void **state)
{
	static const struct fake_rule rules[] = {
		{ .match = "\"stats\"",
		  .answer = "{\"ok\":true,\"result\":{\"datapath\":{\"hits\":1234,\"misses\":5},"
			    "\"drops\":{\"runt\":1,\"loop\":2},\"supernets\":[{\"pending\":3},{"
			    "\"pending\":4}]}}\n" },
		{ .match = "\"status\"",
		  .answer = "{\"ok\":true,\"result\":{\"version\":\"0.1.0\",\"instance\":"
			    "\"default\","
			    "\"pid\":4711,\"uptime_s\":93784,\"features\":\"tcx\",\"insecure\":"
			    "true,"
			    "\"underlays\":[{\"dev\":\"eth0\",\"up\":true,\"mtu\":1500,\"raddr4\":"
			    "\"192.0.2.1\",\"raddr6\":null,\"answers\":\"xdp-native\","
			    "\"answers_why\":null},"
			    "{\"dev\":\"enx001122334455\",\"up\":false,\"mtu\":1500,\"raddr4\":null,"
			    "\"raddr6\":null,\"answers\":\"userspace\",\"answers_why\":"
			    "\"on a veth XDP would slow down all other traffic\"}],"
			    "\"nodes\":[{\"snid\":\"" SN "\",\"chid\":\"0x000000000000\",\"vaddr\":"
							 "\"10.1.0.1\",\"prefix_len\":24,"
			    "\"dev\":\"sn0\",\"netns\":null,\"underlay\":\"eth0\",\"raddr4\":\"192."
			    "0.2.1\",\"mtu\":1436},"
			    "{\"snid\":\"" SN "\",\"chid\":\"0x000000000007\",\"prefix_len\":64,"
			    "\"vaddr\":\"fd00:1111:2222:3333:4444:5555:6666:7777\",\"dev\":\"sn1\","
			    "\"netns\":\"blue\","
			    "\"underlay\":\"eth0\",\"raddr4\":\"192.0.2.1\",\"mtu\":1436}],"
			    "\"clients\":[{\"snid\":\"" SN "\",\"server\":\"192.0.2.9\"}],"
			    "\"servers\":[{\"snid\":\"0x0000000000000000002b\",\"ttl_s\":900,"
			    "\"mappings\":1}],"
			    "\"warnings\":[\"underlay eth1 is down: nothing is sent over it until "
			    "`ip link set eth1 up`, or "
			    "until its cable is in\"]}}\n" },
		{ .match = NULL },
	};
	pid_t pid;

	(void)state;
	if (!isolated) {
		print_message("SKIP: no mount namespace of its own is permitted\n");
		skip();
	}
	pid = fake_varpd_start("default", rules);
	run_program(&run, varpctl, "status --color never");
	assert_int_equal(run.status, 0);
	assert_string_equal(run.out,
		"varpd default: 1 warning\n"
		"  ! underlay eth1 is down: nothing is sent over it until `ip link set eth1 up`,\n"
		"    or until its cable is in\n"
		"Daemon     0.1.0, pid 4711, up 1d 2h, tcx, insecure\n"
		"Underlays  eth0            up   mtu 1500  192.0.2.1\n"
		"           answers by xdp-native\n"
		"           enx001122334455 down mtu 1500  no address\n"
		"           answers by varpd (on a veth XDP would slow down all other traffic)\n"
		"Traffic    hits 1,234, misses 5, pending 7, drops 3  (varpctl stats)\n"
		"Supernets\n"
		"  " SN "  server 192.0.2.9\n"
		"    10.1.0.1/24         sn0               eth0 192.0.2.1  mtu 1436\n"
		"    fd00:1111:2222:3333:4444:5555:6666:7777/64  sn1 in blue\n"
		"        eth0 192.0.2.1  mtu 1436  channel 0x000000000007\n"
		"  0x0000000000000000002b  served here, 1 mapping, ttl 15m\n");
	for (char *save = NULL, *line = strtok_r(run.out, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		assert_true(strlen(line) <= 80);
	run_program(&run, varpctl, "status --color always");
	assert_non_null(strstr(run.out, "\033[33m1 warning\033[0m"));
	fake_varpd_stop(pid);
}

static void test_answer_longer_than_a_read_is_whole(void **state)
{
	enum { LEN = 40000 };
	static char text[LEN + 1], answer[LEN + 64], expected[LEN + 64];
	struct row row = { .args = "stats -j", .answer = answer, .out = expected };

	(void)state;
	memset(text, 'x', LEN);
	snprintf(answer, sizeof(answer), "{\"ok\":true,\"result\":{\"a\":\"%s\"}}\n", text);
	snprintf(expected, sizeof(expected), "{\"a\":\"%s\"}\n", text);
	check(&row, 1);
}

static void test_monitor_lines_for_people(void **state)
{
	static const struct row rows[] = {
		{ "monitor",
		  STREAM "{\"time\":\"now\",\"event\":\"miss\",\"snid\":\"" SN "\",\"vaddr\":\"10."
									       "1.0.2\",\"raddr\":"
									       "null}\n"
			 "{\"time\":\"now\",\"event\":\"insert\",\"snid\":\"" SN "\",\"vaddr\":"
										 "\"10.1.0.2\","
										 "\"raddr\":\"192."
										 "0.2.2\","
			 "\"authoritative\":true}\n"
			 "{\"time\":\"now\",\"event\":\"attach\",\"snid\":null,\"vaddr\":null,"
			 "\"raddr\":null,\"dev\":\"eth0\"}\n"
			 "{\"event\":\"lost\",\"count\":3}\n",
		  2,
		  "now          miss     " SN " 10.1.0.2\n"
		  "now          insert   " SN " 10.1.0.2 at 192.0.2.2  authoritative\n"
		  "now          attach    dev eth0\n"
		  "-            lost      count 3\n",
		  "varpctl: varpd of instance default has gone: see its log, and start it with "
		  "`varpd -i default`\n",
		  "\"monitor\"" },
	};

	(void)state;
	CHECK(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attach_and_leave_confirm),
		cmocka_unit_test(test_join_keywords_any_order),
		cmocka_unit_test(test_cache_tables_and_json),
		cmocka_unit_test(test_stream_cut_off_fails_without_end),
		cmocka_unit_test(test_resolve_prints_raddr_alone),
		cmocka_unit_test(test_answers_strange_are_failures),
		cmocka_unit_test(test_stats_json_and_groups),
		cmocka_unit_test(test_status_fits_and_names_what_is_wrong),
		cmocka_unit_test(test_answer_longer_than_a_read_is_whole),
		cmocka_unit_test(test_monitor_lines_for_people),
	};

	snprintf(varpctl, sizeof(varpctl), "%s/varpctl", fake_varpd_build_dir());
	isolated = fake_varpd_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
