// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl monitor: the memo's varpmon. Events of varpd go out as they come, one line each; in a
 * terminal typed queries are resolved on a second connection meanwhile.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "print.h"

#define QUERY_LEN	256
#define SNID_LEN	64

struct monitor {
	struct ctl *ctl;
	struct varpdb_conn query;
	bool interactive;
	bool at_end;		/* input has ended, or an interrupt came */
	char line[QUERY_LEN];	/* typed so far */
	size_t len;
	char snid[SNID_LEN];	/* of the last query */
	json_t *asked;		/* vaddrs of the queries that are under way, in order */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* "2026-01-02T03:04:05.678Z" to local time of day; another form is shown as it is. */
static const char *time_of_day(const char *text, char out[32])
{
	struct tm utc = { 0 }, local;
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
	time_t seconds;

	if (!rest || !strchr(rest, 'Z'))
		return text;
	seconds = timegm(&utc);
	localtime_r(&seconds, &local);
	snprintf(out, 32, "%02d:%02d:%02d%.*s", local.tm_hour, local.tm_min, local.tm_sec,
		 (int)strcspn(rest, "Z"), rest);
	return out;
}

static enum ctl_colour event_colour(const char *event)
{
	static const struct {
		const char *event;
		enum ctl_colour colour;
	} colours[] = {
		{ "hit", CTL_GREEN },	{ "miss", CTL_YELLOW }, { "notknown", CTL_RED },
		{ "insert", CTL_CYAN }, { "lost", CTL_RED },	{ "attach", CTL_BOLD },
		{ "detach", CTL_BOLD },
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (!strcmp(colours[i].event, event))
			return colours[i].colour;
	return CTL_DIM;
}

/* Whatever an event carries beyond the usual members. */
static void print_extras(json_t *event)
{
	static const char *const usual[] = { "time", "event", "snid", "vaddr", "raddr" };
	const char *key;
	json_t *value;

	json_object_foreach(event, key, value) {
		bool skip = json_is_null(value) || json_is_false(value);

		for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
			skip |= !strcmp(key, usual[i]);
		if (skip)
			continue;
		if (json_is_string(value))
			printf("  %s %s", key, json_string_value(value));
		else if (json_is_true(value))
			printf("  %s", key);
		else if (json_is_integer(value))
			printf("  %s %" JSON_INTEGER_FORMAT, key, json_integer_value(value));
	}
}

static void print_event(const struct ctl *ctl, json_t *event)
{
	const char *name = ctl_text(event, "event", "?"), *snid = ctl_text(event, "snid", NULL);
	const char *vaddr = ctl_text(event, "vaddr", NULL), *raddr = ctl_text(event, "raddr", NULL);
	char out[32];

	if (ctl->json) {
		ctl_json(ctl, event);
		return;
	}
	ctl_paint(ctl, CTL_DIM, -12, time_of_day(ctl_text(event, "time", "-"), out));
	putchar(' ');
	ctl_paint(ctl, event_colour(name), -8, name);
	if (snid)
		printf(" %s", snid);
	if (vaddr)
		printf(" %s", vaddr);
	if (raddr)
		printf(" at %s", raddr);
	print_extras(event);
	putchar('\n');
}

/* --- Queries ---------------------------------------------------------------------------------- */

/* Reads "SNID VADDR", or "VADDR" with the SNID of the query before. False: said what is wrong. */
static bool parse_query(struct monitor *monitor, json_t *args)
{
	char *save = NULL, *first = strtok_r(monitor->line, " \t", &save);
	char *second = strtok_r(NULL, " \t", &save);

	if (!first)
		return false;
	if (second)
		snprintf(monitor->snid, sizeof(monitor->snid), "%s", first);
	else
		second = first;
	if (strtok_r(NULL, " \t", &save) || !monitor->snid[0]) {
		fputs("type SNID VADDR to have it resolved\n", stderr);
		return false;
	}
	if (ctl_arg_snid(monitor->ctl, monitor->snid, args)) {
		monitor->snid[0] = '\0';
		return false;
	}
	return !ctl_arg_unicast(monitor->ctl, second, "vaddr", args);
}

static void ask(struct monitor *monitor)
{
	json_t *args = json_object();
	int err;

	if (!parse_query(monitor, args)) {
		json_decref(args);
		return;
	}
	if (!varpdb_conn_is_open(&monitor->query) && ctl_connect(monitor->ctl, &monitor->query)) {
		json_decref(args);
		return;
	}
	json_array_append(monitor->asked, json_object_get(args, "vaddr"));
	json_object_set_new(args, "timeout_ms", json_integer(monitor->ctl->timeout_ms));
	err = varpdb_conn_send(&monitor->query, "resolve", args);
	if (err) {
		ctl_lost(monitor->ctl, err);
		varpdb_conn_close(&monitor->query);
		json_array_clear(monitor->asked);
	}
}

static void read_terminal(struct monitor *monitor)
{
	char data[QUERY_LEN];
	ssize_t n = read(STDIN_FILENO, data, sizeof(data));

	if (n <= 0)
		monitor->at_end = n == 0 || errno != EINTR;
	for (ssize_t i = 0; i < n; i++) {
		if (data[i] != '\n') {
			if (monitor->len < sizeof(monitor->line) - 1)
				monitor->line[monitor->len++] = data[i];
			continue;
		}
		monitor->line[monitor->len] = '\0';
		monitor->len = 0;
		ask(monitor);
	}
}

static void print_answer(const struct monitor *monitor, const char *vaddr, const json_t *answer)
{
	const char *raddr = ctl_text(json_object_get(answer, "result"), "raddr", NULL);

	ctl_paint(monitor->ctl, CTL_BOLD, 0, vaddr);
	if (raddr) {
		fputs(" is at ", stdout);
		ctl_paint(monitor->ctl, CTL_BOLD, 0, raddr);
	} else {
		printf(": %s", ctl_text(answer, "error", "no answer"));
	}
	putchar('\n');
}

static void print_answers(struct monitor *monitor)
{
	json_t *answer;
	int err;

	while (!(err = varpdb_conn_receive(&monitor->query, 0, &answer))) {
		const char *vaddr = json_string_value(json_array_get(monitor->asked, 0));

		print_answer(monitor, vaddr ? vaddr : "?", answer);
		json_array_remove(monitor->asked, 0);
		json_decref(answer);
	}
	if (err != -ETIMEDOUT && err != -EINTR) {
		varpdb_conn_close(&monitor->query);
		json_array_clear(monitor->asked);
	}
}

/* --- The loop --------------------------------------------------------------------------------- */

/*
 * Prints what has come. Flushed once a burst, so that a reader sees it at once and a flood stays
 * cheap.
 */
static int print_events(struct monitor *monitor)
{
	json_t *event;
	int err;

	while (!(err = varpdb_conn_receive(&monitor->ctl->conn, 0, &event))) {
		print_event(monitor->ctl, event);
		json_decref(event);
		if (interrupted)
			break;
	}
	if (fflush(stdout))
		return -EIO;
	return err == -ETIMEDOUT || err == -EINTR ? 0 : err;
}

static enum control_status watch(struct monitor *monitor)
{
	struct ctl *ctl = monitor->ctl;
	int err;

	while (!interrupted && !monitor->at_end) {
		/* Closed descriptors are -1, which poll() leaves out. */
		struct pollfd fds[] = {
			{ .fd = ctl->conn.fd, .events = POLLIN },
			{ .fd = monitor->query.fd, .events = POLLIN },
			{ .fd = monitor->interactive ? STDIN_FILENO : -1, .events = POLLIN },
		};

		err = print_events(monitor);
		if (err == -EIO)
			return CONTROL_OK;	/* main() sees that output failed */
		if (err)
			return ctl_lost(ctl, err);
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return ctl_fail(CONTROL_FAILED, "cannot wait for events: %s",
					strerror(errno));
		/* The events that led to an answer come before it; an error shows again above. */
		if (fds[1].revents && !print_events(monitor))
			print_answers(monitor);
		if (fds[2].revents)
			read_terminal(monitor);
	}
	return CONTROL_OK;
}

enum control_status ctl_monitor(struct ctl *ctl, char **words, unsigned int count)
{
	struct monitor monitor = { .ctl = ctl, .query = VARPDB_CONN_INIT };
	struct sigaction action = { .sa_handler = on_signal };
	enum control_status status;

	(void)words;
	(void)count;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* A job in the background must not read its terminal. */
	monitor.interactive = !ctl->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
		tcgetpgrp(STDIN_FILENO) == getpgrp();

	status = ctl_stream_begin(ctl, "monitor", NULL);
	if (status)
		return status;
	if (monitor.interactive)
		fprintf(stderr,
			"Events of varpd %s; type SNID VADDR to have it resolved, ^D to end.\n",
			ctl->instance);
	/* Usage lines would name monitor's arguments, which are not what was typed. */
	ctl->command = NULL;
	monitor.asked = json_array();
	status = watch(&monitor);
	varpdb_conn_close(&monitor.query);
	json_decref(monitor.asked);
	return status;
}
