// SPDX-License-Identifier: BSD-2-Clause
/*
 * The audit log: every command is in it, by a line of its own or in a sum. What is written to
 * stderr is caught and added up.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/varpd/audit.h"

struct log {
	char *text;
	int saved;
	FILE *file;
};

static struct log begin_log(void)
{
	struct log log = { .file = tmpfile() };

	assert_non_null(log.file);
	log.saved = dup(STDERR_FILENO);
	dup2(fileno(log.file), STDERR_FILENO);
	return log;
}

static void end_log(struct log *log)
{
	long len;

	dup2(log->saved, STDERR_FILENO);
	close(log->saved);
	fseek(log->file, 0, SEEK_END);
	len = ftell(log->file);
	rewind(log->file);
	log->text = calloc(1, len + 1);
	assert_int_equal(fread(log->text, 1, len, log->file), len);
	fclose(log->file);
}

/* How many commands of a name the log accounts for, and in how many lines. */
static unsigned long long count(const char *log, const char *name, bool refused,
				unsigned int *lines)
{
	unsigned long long total = 0, accepted, denied;
	char pattern[64];

	*lines = 0;
	for (const char *line = log; line && *line; line = strchr(line, '\n'), line += !!line) {
		char one[1024];
		const char *at;

		snprintf(one, sizeof(one), "%.*s", (int)strcspn(line, "\n"), line);
		snprintf(pattern, sizeof(pattern), "%s ", name);
		at = strstr(one, pattern);
		if (at && sscanf(at + strlen(pattern), "%llu accepted, %llu refused", &accepted,
				 &denied) == 2)
			total += refused ? denied : accepted;
		else if (at == NULL && strstr(one, name) && strstr(one, refused ? ": refused: " : ": accepted"))
			total++;
		*lines += !!strstr(one, name);
	}
	return total;
}

static void test_few_commands_have_lines(void **state)
{
	struct event_base *base = event_base_new();
	struct audit *audit = audit_new(base);
	struct audit_source source = { .audit = NULL };
	struct log log = begin_log();

	(void)state;
	audit_begin(audit, &source, "grp-mgr", "uid 7 pid 8");
	audit_command(&source, "varpd_add", "varpd_add 0x10 a b", NULL);
	audit_command(&source, "varpd_init", NULL, "permission");
	audit_end(&source);
	audit_free(audit);
	end_log(&log);
	assert_non_null(strstr(log.text,
			       "audit: grp-mgr: uid 7 pid 8: varpd_add 0x10 a b: accepted\n"));
	assert_non_null(strstr(log.text,
			       "audit: grp-mgr: uid 7 pid 8: varpd_init: refused: permission\n"));
	free(log.text);
	event_base_free(base);
}

static void test_bulk_of_one_connection_is_summed_up(void **state)
{
	struct event_base *base = event_base_new();
	struct audit *audit = audit_new(base);
	struct audit_source source = { .audit = NULL };
	struct log log = begin_log();
	unsigned int lines;

	(void)state;
	audit_begin(audit, &source, "grp-mgr", "uid 0");
	for (int i = 0; i < 100000; i++)
		audit_command(&source, "varpd_add", NULL, i % 10 ? NULL : "raddr");
	audit_end(&source);
	audit_free(audit);
	end_log(&log);
	assert_int_equal(count(log.text, "varpd_add", false, &lines), 90000);
	assert_int_equal(count(log.text, "varpd_add", true, &lines), 10000);
	/* A second may have ended once or twice meanwhile, on a slow machine some more. */
	assert_in_range(lines, AUDIT_LINES_SOURCE + 1, 100 * (AUDIT_LINES_SOURCE + 1));
	free(log.text);
	event_base_free(base);
}

static void test_many_connections_are_summed_up(void **state)
{
	struct event_base *base = event_base_new();
	struct audit *audit = audit_new(base);
	struct log log = begin_log();
	unsigned int lines;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct audit_source source = { .audit = NULL };

		audit_begin(audit, &source, "grp-mgr", "uid 1000");
		audit_command(&source, "connection", NULL, "not permitted");
		audit_end(&source);
	}
	audit_free(audit);
	end_log(&log);
	assert_int_equal(count(log.text, "connection", true, &lines), 10000);
	assert_in_range(lines, AUDIT_LINES_ALL + 1, 100 * AUDIT_LINES_ALL);
	free(log.text);
	event_base_free(base);
}

static void test_open_connection_is_told_by_the_timer(void **state)
{
	const struct timeval patience = { .tv_sec = 10 };
	struct event_base *base = event_base_new();
	struct audit *audit = audit_new(base);
	struct audit_source source = { .audit = NULL };
	struct log log = begin_log();
	unsigned int lines;

	(void)state;
	audit_begin(audit, &source, "grp-clt", "uid 0");
	for (int i = 0; i < 1000; i++)
		audit_command(&source, "varpd_client_set", NULL, NULL);
	event_base_loopexit(base, &patience);
	while (source.queued && !event_base_got_exit(base))
		event_base_loop(base, EVLOOP_ONCE);
	assert_false(source.queued);
	audit_end(&source);
	end_log(&log);
	assert_int_equal(count(log.text, "varpd_client_set", false, &lines), 1000);
	free(log.text);
	audit_free(audit);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_commands_have_lines),
		cmocka_unit_test(test_bulk_of_one_connection_is_summed_up),
		cmocka_unit_test(test_many_connections_are_summed_up),
		cmocka_unit_test(test_open_connection_is_told_by_the_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
