// SPDX-License-Identifier: BSD-2-Clause
/*
 * The configuration: file and command line together, what is refused, and what a reload changes.
 * Each refused file is a row.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "addr.h"
#include "ctl/varpd/config.h"
#include "ctl/varpd/log.h"

static char path[64];

static int write_file(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/varp-test-config-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	return close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static int load(const char *text, size_t len, struct varpd_config *config)
{
	struct config_overrides overrides = { .instance = "default", .file = path };
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
	return config_load(config, &overrides);
}

/* Complaints go to stderr; they are read back from a file that stands in for it. */
static void complaints_of(const char *text, size_t len, char *out, size_t out_len)
{
	char log[] = "/tmp/varp-test-log-XXXXXX";
	struct varpd_config config;
	int saved = dup(STDERR_FILENO), fd = mkstemp(log), err;
	ssize_t got;

	assert_true(saved >= 0 && fd >= 0);
	dup2(fd, STDERR_FILENO);
	err = load(text, len, &config);
	dup2(saved, STDERR_FILENO);
	got = pread(fd, out, out_len - 1, 0);
	out[got > 0 ? got : 0] = '\0';
	close(saved);
	close(fd);
	unlink(log);
	assert_int_equal(err, -EINVAL);
	assert_null(config.entries);
}

static void test_config_empty_file_gives_defaults(void **state)
{
	struct varpd_config config;
	char text[80];

	(void)state;
	assert_int_equal(load("", 0, &config), 0);
	assert_string_equal(config.instance, "default");
	assert_string_equal(config.state_dir, "/var/lib/varp/default");
	assert_string_equal(config.netns, "");
	assert_false(config.insecure);
	assert_int_equal(config.varp_port, 2500);
	assert_string_equal(config_endpoint_format(&config.grp_mgr_listen, text, sizeof(text)),
			    "127.0.0.1:2500");
	assert_string_equal(config_endpoint_format(&config.grp_clt_listen, text, sizeof(text)),
			    "127.0.0.1:2501");
	assert_int_equal(config.max_connections, 4096);
	assert_int_equal(config.negative_ttl_s, VARPDB_TTL_INITIAL_LOOKUP);
	assert_int_equal(config.cache_max, 65536);
	assert_int_equal(config.ring_bytes & (config.ring_bytes - 1), 0);
	assert_int_equal(config.log_level, VARPD_LOG_INFO);
	assert_int_equal(config.answers, CONFIG_ANSWERS_AUTO);
	assert_int_equal(config.entry_count, 0);
	config_free(&config);
}

static void test_config_all_sections_are_read(void **state)
{
	static const char text[] =
		"\xef\xbb\xbf# a comment\r\n"
		"[varpd]\r\n"
		"insecure = yes\r\n"
		"   varp-port=4500   ; indented, and a comment behind\n"
		"grp-mgr-listen = [::1]:2600\n"
		"grp-clt-listen = none\n"
		"log-level = debug\n"
		"answers = xdp-generic\n"
		"[underlay eth0]\n"
		"[node web]\n"
		"snid = 0xcafeface\n"
		"vaddr = 10.1.0.7/24\n"
		"server = 192.0.2.9\n"
		"channel = 0x4711\n"
		"dev = sn7\n"
		"netns = web\n"
		"raddr = 192.0.2.1\n"
		"[client 0x2]\n"
		"server = 2001:db8::9\n"
		"[server 0x3]\n"
		"[server 0x4]\n"
		"ttl = 65536\n"
		"[underlay eth1]";		/* no line break at the end */
	struct varpd_config config;
	const struct config_entry *entry;
	char out[80];

	(void)state;
	assert_int_equal(load(text, sizeof(text) - 1, &config), 0);
	assert_true(config.insecure);
	assert_int_equal(config.varp_port, 4500);
	assert_string_equal(config_endpoint_format(&config.grp_mgr_listen, out, sizeof(out)),
			    "[::1]:2600");
	assert_string_equal(config_endpoint_format(&config.grp_clt_listen, out, sizeof(out)),
			    "none");
	assert_int_equal(config.log_level, VARPD_LOG_DEBUG);
	assert_int_equal(config.answers, CONFIG_ANSWERS_GENERIC);
	assert_int_equal(config.entry_count, 6);
	assert_int_equal(config.entries[0].section, CONFIG_UNDERLAY);
	assert_string_equal(config.entries[0].name, "eth0");
	entry = &config.entries[1];
	assert_int_equal(entry->section, CONFIG_NODE);
	assert_int_equal(entry->line, 10);
	assert_string_equal(entry->name, "web");
	assert_string_equal(varp_snid_format(&entry->snid, out), "0x000000000000cafeface");
	assert_string_equal(varp_chid_format(&entry->chid, out), "0x000000004711");
	assert_string_equal(varp_addr_format(&entry->vaddr, out), "10.1.0.7");
	assert_int_equal(entry->plen, 24);
	assert_string_equal(varp_addr_format(&entry->server, out), "192.0.2.9");
	assert_string_equal(varp_addr_format(&entry->raddr, out), "192.0.2.1");
	assert_string_equal(entry->dev, "sn7");
	assert_string_equal(entry->netns, "web");
	entry = &config.entries[2];
	assert_int_equal(entry->section, CONFIG_CLIENT);
	assert_string_equal(varp_snid_format(&entry->snid, out), "0x00000000000000000002");
	assert_string_equal(varp_addr_format(&entry->server, out), "2001:db8::9");
	assert_int_equal(config.entries[3].ttl_s, VARPDB_TTL_INITIAL_CLIENT);
	assert_int_equal(config.entries[4].ttl_s, 65536);
	assert_string_equal(config.entries[5].name, "eth1");
	config_free(&config);
}

#define LONG_50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_200 LONG_50 LONG_50 LONG_50 LONG_50

static const struct {
	const char *name, *text, *line, *what;
} refused[] = {
	{ "unknown key", "[varpd]\n\ncolour = red\n", ":3: ", "unknown key 'colour'" },
	{ "key of another section", "[varpd]\nsnid = 0x1\n", ":2: ", "unknown key 'snid'" },
	{ "unknown section", "[varp]\n", ":1: ", "unknown section [varp]" },
	{ "section without a name", "[underlay]\n", ":1: ", "[underlay NAME]" },
	{ "section with a name too many", "[varpd x]\n", ":1: ", "[varpd]" },
	{ "section with two names", "[underlay a b]\n", ":1: ", "[underlay NAME]" },
	{ "empty section name", "[]\n", ":1: ", "unknown section []" },
	{ "key before a section", "insecure = yes\n", ":1: ", "before any section" },
	{ "no key", "[varpd]\nnonsense\n", ":2: ", "KEY = VALUE" },
	{ "section not closed", "[varpd\n", ":1: ", "KEY = VALUE" },
	{ "key twice", "[varpd]\nvarp-port = 1\nvarp-port = 1\n", ":3: ", "given twice" },
	{ "key twice in two sections of a name",
	  "[varpd]\nvarp-port = 1\n[varpd]\nvarp-port = 1\n", ":4: ", "given twice" },
	{ "section twice",
	  "[underlay eth0]\n[underlay eth0]\n", ":2: ", "is there already, in line 1" },
	{ "port zero", "[varpd]\nvarp-port = 0\n", ":2: ", "not within 1 to 65535" },
	{ "port too large", "[varpd]\nvarp-port = 65536\n", ":2: ", "not within 1 to 65535" },
	{ "number with a sign", "[varpd]\nvarp-port = +5\n", ":2: ", "not a number" },
	{ "number with an exponent", "[varpd]\ncache-max = 1e6\n", ":2: ", "not a number" },
	{ "number beyond 64 bits",
	  "[varpd]\ncache-max = 99999999999999999999999\n", ":2: ", "not a number" },
	{ "ring not a power of two", "[varpd]\nring-bytes = 300000\n", ":2: ", "power of two" },
	{ "not a bool", "[varpd]\ninsecure = maybe\n", ":2: ", "neither yes nor no" },
	{ "not a level", "[varpd]\nlog-level = loud\n", ":2: ", "not one of error" },
	{ "not a way to answer", "[varpd]\nanswers = xdp\n", ":2: ", "not one of auto, xdp-native" },
	{ "endpoint without a port",
	  "[varpd]\ngrp-mgr-listen = 127.0.0.1\n", ":2: ", "has no port" },
	{ "endpoint without an address",
	  "[varpd]\ngrp-mgr-listen = :2500\n", ":2: ", "not ADDR:PORT" },
	{ "endpoint by name",
	  "[varpd]\ngrp-mgr-listen = localhost:2500\n", ":2: ", "not ADDR:PORT" },
	{ "empty text", "[varpd]\nstate-dir =\n", ":2: ", "empty" },
	{ "interface name too long", "[underlay sixteencharacter]\n", ":1: ", "too long" },
	{ "device name too long",
	  "[node a]\nsnid = 0x1\nvaddr = 10.0.0.1/8\ndev = sixteencharacter\n", ":4: ", "longer than 15" },
	{ "node without a vaddr",
	  "[node a]\nsnid = 0x1\n[underlay eth0]\n", ":1: ", "lacks 'vaddr'" },
	{ "last node without a snid",
	  "[underlay eth0]\n[node a]\nvaddr = 10.0.0.1/8\n", ":2: ", "lacks 'snid'" },
	{ "bad snid", "[node a]\nsnid = 1\nvaddr = 10.0.0.1/8\n", ":2: ", "hex digits" },
	{ "bad chid",
	  "[node a]\nsnid = 0x1\nvaddr = 10.0.0.1/8\nchannel = 0x1234567890123\n", ":4: ", "hex digits" },
	{ "bad prefix", "[node a]\nsnid = 0x1\nvaddr = 10.0.0.1/33\n", ":3: ", "not VADDR/LEN" },
	{ "no prefix length", "[node a]\nsnid = 0x1\nvaddr = 10.0.0.1\n", ":3: ", "not VADDR/LEN" },
	{ "prefix of length 0",
	  "[node a]\nsnid = 0x1\nvaddr = 10.0.0.1/0\n", ":3: ", "not a host's address" },
	{ "network's address",
	  "[node a]\nsnid = 0x1\nvaddr = 10.0.0.0/24\n", ":3: ", "not a host's address" },
	{ "broadcast address",
	  "[node a]\nsnid = 0x1\nvaddr = 10.0.0.255/24\n", ":3: ", "not a host's address" },
	{ "device name with a blank",
	  "[node a]\nsnid = 0x1\nvaddr = 10.0.0.1/8\ndev = a b\n", ":4: ", "cannot be the name" },
	{ "device name that is a pattern", "[underlay eth%d]\n", ":1: ", "cannot be the name" },
	{ "device name that is a path", "[underlay ..]\n", ":1: ", "cannot be the name" },
	{ "one vaddr in two nodes",
	  "[node a]\nsnid = 0x1\nvaddr = 10.0.0.1/8\n[node b]\nsnid = 0x01\n"
	  "vaddr = 10.0.0.1/24\n", ":4: ", "the same vaddr in the same supernet as the one in line 1" },
	{ "two servers of a supernet",
	  "[node a]\nsnid = 0x1\nvaddr = 10.0.0.1/8\nserver = 192.0.2.8\n[node b]\nsnid = 0x1\n"
	  "vaddr = 10.0.0.2/8\nserver = 192.0.2.9\n", ":5: ", "names another server" },
	{ "one client written in two ways",
	  "[client 0x1]\nserver = 192.0.2.8\n[client 0x001]\nserver = 192.0.2.8\n",
	  ":3: ", "is of the same supernet as the one in line 1" },
	{ "byte order mark, then a section",
	  "\xef\xbb\xbf[varpd]\ncolour = red\n", ":2: ", "unknown key 'colour'" },
	{ "byte order mark, then a key",
	  "\xef\xbb\xbfinsecure = yes\n", ":1: ", "before any section" },
	{ "byte order mark elsewhere",
	  "\n\xef\xbb\xbf[varpd]\ninsecure = yes\n", ":3: ", "before any section" },
	{ "octets that are not printable",
	  "[varpd]\n\x1b[31m = \xff\n", ":2: ", "\\x1b[31m" },
	{ "multicast vaddr",
	  "[node a]\nsnid = 0x1\nvaddr = 224.0.0.1/4\n", ":3: ", "not VADDR/LEN" },
	{ "bad server", "[client 0x1]\nserver = nine\n", ":2: ", "not an IPv4 or IPv6 address" },
	{ "client without a server", "[client 0x1]\n", ":1: ", "lacks 'server'" },
	{ "client of no snid", "[client office]\nserver = 192.0.2.1\n", ":1: ", "not a SnId" },
	{ "server's ttl", "[server 0x1]\nttl = 65537\n", ":2: ", "not within 1 to 65536" },
	{ "line too long", "[varpd]\nstate-dir = " LONG_200 "\n", ":2: ", "longer than" },
	{ "line very much too long",
	  "[varpd]\n# " LONG_200 LONG_200 LONG_200 LONG_200 LONG_200 LONG_200 LONG_200 LONG_200
	  LONG_200 "\n", ":2: ", "too long" },
	{ "section name too long", "[node " LONG_50 LONG_50 "]\n", ":1: ", "too long" },
};

static void test_config_bad_file_is_refused_with_its_line(void **state)
{
	char log[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		complaints_of(refused[i].text, strlen(refused[i].text), log, sizeof(log));
		if (!strstr(log, refused[i].line) ||
		    !strstr(log, refused[i].what) || !strstr(log, path))
			fail_msg("%s: wanted '%s' and '%s' in: %s", refused[i].name,
				 refused[i].line, refused[i].what, log);
	}
}

static void test_config_several_errors_are_all_reported(void **state)
{
	static const char text[] = "[varpd]\nx = 1\ny = 2\n[zebra]\nsnid = 0x1\n"
				   "[underlay eth0]\nmtu = 3\n";
	char log[4096];
	unsigned int lines = 0;

	(void)state;
	complaints_of(text, sizeof(text) - 1, log, sizeof(log));
	for (const char *p = log; (p = strchr(p, '\n')); p++)
		lines++;
	/* x, y, zebra, mtu; nothing about what stands in a refused section */
	assert_int_equal(lines, 4);
	assert_non_null(strstr(log, ":7: unknown key 'mtu'"));
}

static void test_config_byte_order_mark_before_a_section(void **state)
{
	static const char text[] = "\xef\xbb\xbf[varpd]\ninsecure = yes\n[underlay eth0]\n";
	struct varpd_config config;

	(void)state;
	assert_int_equal(load(text, sizeof(text) - 1, &config), 0);
	assert_true(config.insecure && config.file_read);
	assert_int_equal(config.entry_count, 1);
	config_free(&config);
}

static void test_config_of_many_errors_the_first_are_reported(void **state)
{
	char text[4096] = "[varpd]\n", log[8192];
	unsigned int lines = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(text, "x = 1\n");
	complaints_of(text, strlen(text), log, sizeof(log));
	for (const char *p = log; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 21);
	assert_non_null(strstr(log, ": 80 more errors\n"));
}

static void test_config_garbage_is_refused_without_harm(void **state)
{
	char text[8192], log[65536];

	(void)state;
	srand(1);
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = rand() % 8 ? rand() : "\n[]=; \t#"[rand() % 8];
		text[0] = 'x';	/* at the least a line outside of any section */
		complaints_of(text, sizeof(text), log, sizeof(log));
		assert_non_null(strchr(log, '\n'));
	}
}

static void test_config_command_line_wins_over_file(void **state)
{
	struct config_overrides overrides = { .instance = "default", .file = path, .count = 2 };
	struct varpd_config config;

	(void)state;
	assert_int_equal(load("[varpd]\nvarp-port = 4500\nnegative-ttl = 7\n", 42, &config), 0);
	config_free(&config);
	overrides.set[0].key = "varp-port";
	overrides.set[0].value = "4600";
	overrides.set[1].key = "insecure";
	overrides.set[1].value = "yes";
	assert_int_equal(config_load(&config, &overrides), 0);
	assert_int_equal(config.varp_port, 4600);
	assert_true(config.insecure);
	assert_int_equal(config.negative_ttl_s, 7);
	config_free(&config);
	overrides.set[0].value = "many";
	assert_int_equal(config_load(&config, &overrides), -EINVAL);
}

static void test_config_missing_file_matters_only_if_named(void **state)
{
	struct config_overrides overrides = { .instance = "no-such-instance-here" };
	struct varpd_config config;

	(void)state;
	assert_int_equal(config_load(&config, &overrides), 0);
	assert_string_equal(config.file, "/etc/varp/varpd-no-such-instance-here.conf");
	assert_string_equal(config.state_dir, "/var/lib/varp/no-such-instance-here");
	config_free(&config);
	overrides.file = "/nonexistent/varpd.conf";
	assert_int_equal(config_load(&config, &overrides), -ENOENT);
	overrides.file = "/tmp";
	assert_int_equal(config_load(&config, &overrides), -EISDIR);
}

static void test_config_reload_takes_live_keys_and_names_the_others(void **state)
{
	struct varpd_config config, next;
	char restart[128];

	(void)state;
	assert_int_equal(load("[underlay eth0]\n", 16, &config), 0);
	assert_int_equal(load("[varpd]\nlog-level = error\nvarp-port = 9\nnegative-ttl = 7\n"
			      "cache-max = 2048\n[underlay eth1]\n", 90, &next), 0);
	config_reload(&config, &next, restart, sizeof(restart));
	config_free(&next);
	assert_string_equal(restart, "varp-port, cache-max");
	assert_int_equal(config.log_level, VARPD_LOG_ERROR);
	assert_int_equal(config.varp_port, 2500);
	assert_int_equal(config.cache_max, 65536);
	assert_int_equal(config.negative_ttl_s, 7);
	assert_int_equal(config.entry_count, 1);
	assert_string_equal(config.entries[0].name, "eth1");
	config_free(&config);
}

static void test_config_instance_names(void **state)
{
	static const struct {
		const char *name;
		int result;
	} rows[] = {
		{ "default", 0 }, { "a", 0 }, { "lab_2-x", 0 },
		{ "", -EINVAL }, { ".", -EINVAL }, { "..", -EINVAL },
		{ "a/b", -EINVAL }, { "a.b", -EINVAL },
		{ "-x", -EINVAL }, { "a b", -EINVAL }, { "\xc3\xa4", -EINVAL },
		{ "123456789012345678901234567890123456789012345678", 0 },
		{ "1234567890123456789012345678901234567890123456789", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (config_check_instance(rows[i].name, NULL) != rows[i].result)
			fail_msg("instance name '%s'", rows[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_empty_file_gives_defaults),
		cmocka_unit_test(test_config_all_sections_are_read),
		cmocka_unit_test(test_config_bad_file_is_refused_with_its_line),
		cmocka_unit_test(test_config_several_errors_are_all_reported),
		cmocka_unit_test(test_config_byte_order_mark_before_a_section),
		cmocka_unit_test(test_config_of_many_errors_the_first_are_reported),
		cmocka_unit_test(test_config_garbage_is_refused_without_harm),
		cmocka_unit_test(test_config_command_line_wins_over_file),
		cmocka_unit_test(test_config_missing_file_matters_only_if_named),
		cmocka_unit_test(test_config_reload_takes_live_keys_and_names_the_others),
		cmocka_unit_test(test_config_instance_names),
	};

	return cmocka_run_group_tests(tests, write_file, remove_file);
}
