/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who commanded what, and whether it was done: a line in the log at level notice for each command.
 * Of many at a time the first have lines of their own, and the rest one line per connection and
 * second that says how many of which kind; of very many connections one line for all. No command
 * goes uncounted. Called by the text sockets and the control socket.
 */
#ifndef VARPD_AUDIT_H
#define VARPD_AUDIT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#define AUDIT_KINDS		24	/* of commands, per connection and second */
#define AUDIT_LINES_SOURCE	8	/* a second, of one connection */
#define AUDIT_LINES_ALL		64	/* a second, of all */

struct audit;

struct audit_tally {
	const char *name;		/* of the command; a constant */
	uint64_t accepted, refused;
};

/* Embedded by a connection, zeroed. */
struct audit_source {
	struct audit *audit;
	const char *socket;		/* "grp-mgr"; a constant */
	const char *who;		/* for as long as the source is there */
	uint64_t second;
	unsigned int lines;		/* of its own in this second */
	unsigned int kinds;
	struct audit_tally tallies[AUDIT_KINDS];	/* not told yet */
	bool queued;
	struct audit_source *prev, *next;
};

struct audit *audit_new(struct event_base *base);
void audit_free(struct audit *audit);

void audit_begin(struct audit *audit, struct audit_source *source, const char *socket,
		 const char *who);
/* What was not told yet is, or is added to what is told of all. */
void audit_end(struct audit_source *source);

/* Does the next command have a line of its own? Then its text is worth making. */
bool audit_is_detailed(struct audit_source *source);
/*
 * text: the command with its arguments, or NULL: its name will do. verdict: NULL if it was
 * accepted, else why not, in a word.
 */
void audit_command(struct audit_source *source, const char *name, const char *text,
		   const char *verdict);

#endif
