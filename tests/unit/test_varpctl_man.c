// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is made from varpctl's command table agrees with it: the manual page, help, the completion
 * script. And the manual page of the configuration file names every key there is.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/varpd/config_keys.h"
#include "fake_varpd.h"
#include "run_program.h"

#define PAGE_MAX	65536

static const char *const commands[] = {
	"attach", "detach", "join", "leave", "status", "cache show", "cache get", "cache flush",
	"db show", "resolve", "stats", "monitor", "psk new", "psk add", "pki init", "pki issue",
	"pki revoke", "pki show", "help", "version",
};

static char varpctl[PATH_MAX + 16];
static struct run run;

/* The page is in the sources: below the working directory, or beside the build directory. */
static void read_page(const char *name, char out[PAGE_MAX])
{
	char path[PATH_MAX * 2];
	size_t n;
	FILE *file;

	snprintf(path, sizeof(path), "docs/man/%s", name);
	file = fopen(path, "r");
	if (!file) {
		snprintf(path, sizeof(path), "%s/../docs/man/%s", fake_varpd_build_dir(), name);
		file = fopen(path, "r");
	}
	assert_non_null(file);
	n = fread(out, 1, PAGE_MAX - 1, file);
	out[n] = '\0';
	fclose(file);
}

static void test_varpctl_page_holds_generated_commands(void **state)
{
	static const char begin[] = ".\\\" Begin: printed by `varpctl man-commands`.\n";
	static char page[PAGE_MAX];
	char *from, *to;

	(void)state;
	read_page("varpctl.8", page);
	from = strstr(page, begin);
	assert_non_null(from);
	from += strlen(begin);
	to = strstr(from, ".\\\" End.\n");
	assert_non_null(to);
	*to = '\0';
	run_program(&run, varpctl, "man-commands");
	assert_int_equal(run.status, 0);
	assert_string_equal(from, run.out);
}

static void test_help_names_every_command(void **state)
{
	char args[64], line[64];

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		run_program(&run, varpctl, "help");
		snprintf(line, sizeof(line), "\n  %s ", commands[i]);
		if (!strstr(run.out, line))
			fail_msg("help does not list %s", commands[i]);
		snprintf(args, sizeof(args), "help %s", commands[i]);
		run_program(&run, varpctl, args);
		assert_int_equal(run.status, 0);
		snprintf(line, sizeof(line), "Usage: varpctl %s", commands[i]);
		assert_int_equal(strncmp(run.out, line, strlen(line)), 0);
	}
	run_program(&run, varpctl, "help");
	assert_null(strstr(run.out, "man-commands"));
	for (char *save = NULL, *l = strtok_r(run.out, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save))
		assert_true(strlen(l) <= 80);
}

/* Completes a command line in bash. The words offered come back each on a line. */
static void complete(const char *words, const char *expected)
{
	char path[] = "/tmp/varp-completion-XXXXXX", args[PATH_MAX];
	int fd = mkstemp(path);
	FILE *script;

	assert_true(fd >= 0);
	script = fdopen(fd, "w");
	assert_non_null(script);
	fprintf(script, "set -eu; source <(%s completion bash)\n"
		"COMP_WORDS=(varpctl %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
		"_varpctl; printf '%%s\\n' \"${COMPREPLY[@]-}\"\n", varpctl, words);
	fclose(script);
	snprintf(args, sizeof(args), "--norc %s", path);
	run_program(&run, "/bin/bash", args);
	unlink(path);
	assert_string_equal(run.err, "");
	if (strcmp(run.out, expected))
		fail_msg("varpctl %s: completed by %s instead of %s", words, run.out, expected);
}

static void test_completion_offers_what_fits(void **state)
{
	static const struct {
		const char *words, *expected;
	} rows[] = {
		{ "\"\"", "attach\ncache\nchannel\ndb\ndetach\nhelp\njoin\nleave\nmonitor\npki\n"
			  "psk\nresolve\nstats\nstatus\nversion\n" },
		{ "sta", "stats\nstatus\n" },
		{ "cache \"\"", "show\nget\nflush\n" },
		{ "-i x cache f", "flush\n" },
		{ "--color a", "auto\nalways\n" },
		{ "attach l", "lo\n" },
		{ "join 0x2a 10.1.0.1/24 \"\"", "server\nchannel\ndev\nnetns\nraddr\n" },
		{ "join 0x2a 10.1.0.1/24 server \"\"", "\n" },
		{ "join 0x2a 10.1.0.1/24 server 192.0.2.1 n", "netns\n" },
		{ "status \"\"", "\n" },
		{ "help c", "cache\nchannel\n" },
		{ "--", "--color\n--timeout\n--force\n--help\n--version\n" },
		{ "psk \"\"", "new\nadd\n" },
		{ "pki \"\"", "init\nissue\nrevoke\nshow\n" },
		{ "pki issue a \"\"", "member\nserver\nmanager\ndays\ninto\ndir\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		complete(rows[i].words, rows[i].expected);
}

static void test_conf_page_names_every_key(void **state)
{
	static char page[PAGE_MAX];
	char line[128], *section;

	(void)state;
	read_page("varpd.conf.5", page);
	for (unsigned int i = 0; i < config_key_count; i++) {
		snprintf(line, sizeof(line), "\n.Ss [%s",
			 config_section_name(config_keys[i].section));
		section = strstr(page, line);
		assert_non_null(section);
		snprintf(line, sizeof(line), "\n.It Cm %s\n", config_keys[i].name);
		if (!strstr(section, line))
			fail_msg("varpd.conf.5 does not describe %s", config_keys[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_varpctl_page_holds_generated_commands),
		cmocka_unit_test(test_help_names_every_command),
		cmocka_unit_test(test_completion_offers_what_fits),
		cmocka_unit_test(test_conf_page_names_every_key),
	};

	snprintf(varpctl, sizeof(varpctl), "%s/varpctl", fake_varpd_build_dir());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
