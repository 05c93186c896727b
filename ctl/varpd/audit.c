// SPDX-License-Identifier: BSD-2-Clause
/*
 * See audit.h. A command that has no line of its own adds to its connection's tally, which a timer
 * tells every second; of a connection that ends when all lines of the second are used up, the tally
 * goes to that of all.
 */
#include "audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "log.h"

struct audit {
	struct event *timer;
	struct audit_source *queue;	/* with something to be told */
	struct audit_source all;	/* connections that have ended meanwhile */
	uint64_t second;
	unsigned int lines;		/* in this second */
	bool armed;
};

static uint64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec;
}

/* --- Lines --- */

static void start_second(struct audit *audit, struct audit_source *source)
{
	uint64_t second = now_s();

	if (audit->second != second) {
		audit->second = second;
		audit->lines = 0;
	}
	if (source->second != second) {
		source->second = second;
		source->lines = 0;
	}
}

static bool has_line(const struct audit *audit, const struct audit_source *source)
{
	return source->lines < AUDIT_LINES_SOURCE && audit->lines < AUDIT_LINES_ALL;
}

static void tell(struct audit_source *source)
{
	char text[600];
	size_t used = 0;

	for (unsigned int i = 0; i < source->kinds && used < sizeof(text) - 100; i++) {
		const struct audit_tally *tally = &source->tallies[i];

		used += snprintf(text + used, sizeof(text) - used,
				 "%s%s %llu accepted, %llu refused", i ? "; " : "", tally->name,
				 (unsigned long long)tally->accepted,
				 (unsigned long long)tally->refused);
	}
	if (source->kinds)
		varpd_log(VARPD_LOG_NOTICE, "audit: %s: %s: and %s", source->socket, source->who,
			  text);
	source->kinds = 0;
}

/* --- Tallies --- */

static void arm(struct audit *audit)
{
	static const struct timeval second = { .tv_sec = 1 };

	if (!audit->armed)
		audit->armed = !event_add(audit->timer, &second);
}

static struct audit_tally *find(struct audit_source *source, const char *name)
{
	for (unsigned int i = 0; i < source->kinds; i++)
		if (source->tallies[i].name == name || !strcmp(source->tallies[i].name, name))
			return &source->tallies[i];
	/* There are fewer commands than places; should that change, the line comes earlier. */
	if (source->kinds == AUDIT_KINDS)
		tell(source);
	source->tallies[source->kinds] = (struct audit_tally){ .name = name };
	return &source->tallies[source->kinds++];
}

static void add(struct audit_source *source, const char *name, uint64_t accepted, uint64_t refused)
{
	struct audit_tally *tally = find(source, name);

	tally->accepted += accepted;
	tally->refused += refused;
	if (source->queued)
		return;
	source->queued = true;
	DL_APPEND(source->audit->queue, source);
	arm(source->audit);
}

static void unqueue(struct audit_source *source)
{
	if (source->queued)
		DL_DELETE(source->audit->queue, source);
	source->queued = false;
}

static void on_second(evutil_socket_t fd, short what, void *ctx)
{
	struct audit *audit = ctx;
	struct audit_source *source, *next;

	(void)fd;
	(void)what;
	audit->armed = false;
	DL_FOREACH_SAFE(audit->queue, source, next) {
		unqueue(source);
		tell(source);
	}
}

/* --- Sources --- */

struct audit *audit_new(struct event_base *base)
{
	struct audit *audit = calloc(1, sizeof(*audit));

	if (!audit)
		return NULL;
	audit->timer = evtimer_new(base, on_second, audit);
	if (!audit->timer) {
		free(audit);
		return NULL;
	}
	audit_begin(audit, &audit->all, "connections", "that have ended");
	return audit;
}

void audit_free(struct audit *audit)
{
	if (!audit)
		return;
	on_second(-1, 0, audit);
	event_free(audit->timer);
	free(audit);
}

void audit_begin(struct audit *audit, struct audit_source *source, const char *socket,
		 const char *who)
{
	source->audit = audit;
	source->socket = socket;
	source->who = who;
}

void audit_end(struct audit_source *source)
{
	struct audit *audit = source->audit;

	if (!audit || !source->queued)
		return;
	unqueue(source);
	start_second(audit, source);
	if (audit->lines < AUDIT_LINES_ALL) {
		audit->lines++;
		tell(source);
		return;
	}
	for (unsigned int i = 0; i < source->kinds; i++)
		add(&audit->all, source->tallies[i].name, source->tallies[i].accepted,
		    source->tallies[i].refused);
}

bool audit_is_detailed(struct audit_source *source)
{
	start_second(source->audit, source);
	return has_line(source->audit, source);
}

void audit_command(struct audit_source *source, const char *name, const char *text,
		   const char *verdict)
{
	if (!audit_is_detailed(source)) {
		add(source, name, !verdict, !!verdict);
		return;
	}
	source->lines++;
	source->audit->lines++;
	varpd_log(VARPD_LOG_NOTICE, "audit: %s: %s: %s: %s%s", source->socket, source->who,
		  text ? text : name, verdict ? "refused: " : "accepted", verdict ? verdict : "");
}
