/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * varpctl's frame: the table of commands, what every command is given, and the way to varpd. A
 * command is one row of ctl_commands[] (commands.c) and one function in the file of its noun.
 */
#ifndef VARPCTL_CTL_H
#define VARPCTL_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "control.h"
#include "varpdb_conn.h"

struct ctl_command;

struct ctl {
	const char *instance;
	char path[VARPDB_PATH_LEN];	/* of its control socket */
	bool json;
	bool pretty;
	bool colour;
	int timeout_ms;			/* of resolve */
	bool force;			/* files that are there are replaced */
	const struct ctl_command *command;	/* the one that runs */
	struct varpdb_conn conn;
};

struct ctl_command {
	const char *name;
	const char *sub;		/* second word, NULL: none */
	const char
		*args; /* synopsis: CAPITALS stand for values, the rest is literal; "" for none */
	const char *summary;		/* one line */
	const char *more;     /* sentences, each ended by '\n'; an empty line parts paragraphs */
	const char *complete; /* kinds of the arguments for completion, see help.c; "" for none */
	unsigned int min_args;
	unsigned int max_args;
	bool force;			/* takes --force */
	bool hidden;			/* for the build and the shell, not for people */
	/* Returns the exit status. What is wrong has been said by then. */
	enum control_status (*run)(struct ctl *ctl, char **args, unsigned int count);
};

extern const struct ctl_command ctl_commands[];		/* ends with a row without a name */

/* --- Errors: one line to stderr, "varpctl: ..." ----------------------------------------------- */

__attribute__((format(printf, 2, 3)))
enum control_status ctl_fail(enum control_status status, const char *format, ...);
/* The exit status for an errno of this host's own files: CONTROL_PERMISSION or CONTROL_FAILED. */
enum control_status ctl_status_of(int err);
/* Wrong arguments: the line ends with the usage of the command that runs. */
__attribute__((format(printf, 2, 3)))
enum control_status ctl_usage(const struct ctl *ctl, const char *format, ...);

/* --- Arguments; each says what is wrong by itself and returns CONTROL_OK or CONTROL_USAGE ----- */

/* Puts the identifier, in its printed form, into args under key. */
enum control_status ctl_arg_snid(const struct ctl *ctl, const char *text, json_t *args);
enum control_status ctl_arg_channel(const struct ctl *ctl, const char *text, json_t *args);
/* An address that can stand as a vaddr or raddr. */
enum control_status ctl_arg_unicast(const struct ctl *ctl, const char *text, const char *key,
				    json_t *args);
enum control_status ctl_arg_device(const struct ctl *ctl, const char *text, json_t *args);

/* --- varpd ------------------------------------------------------------------------------------ */

/*
 * Sends a request and waits for its answer; drops args. The result goes to *result unless that is
 * NULL.
 */
enum control_status ctl_request(struct ctl *ctl, const char *command, json_t *args, int timeout_ms,
				json_t **result);

/* Begins a request that is answered by a stream; drops args. */
enum control_status ctl_stream_begin(struct ctl *ctl, const char *command, json_t *args);
/* Connects conn to the instance, for commands that need a second connection. */
enum control_status ctl_connect(const struct ctl *ctl, struct varpdb_conn *conn);
/* Status of an error answer; says it. CONTROL_OK: it is none. */
enum control_status ctl_answer_status(const json_t *answer);
/* The way to say that varpd went away or fell silent. */
enum control_status ctl_lost(const struct ctl *ctl, int err);

typedef void (*ctl_entry_fn)(const json_t *entry, void *ctx);
/* Runs a whole stream with an end, a call for each entry. */
enum control_status ctl_stream(struct ctl *ctl, const char *command, json_t *args,
			       ctl_entry_fn entry, void *ctx);

#define CTL_TIMEOUT_MS		30000	/* patience with a daemon that is busy */

/* --- Commands --------------------------------------------------------------------------------- */

enum control_status ctl_attach(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_detach(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_join(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_leave(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_status(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_cache_show(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_cache_get(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_cache_flush(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_db_show(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_resolve(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_stats(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_monitor(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_psk_new(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_psk_add(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_pki_init(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_pki_issue(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_pki_revoke(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_pki_show(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_channel_set(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_channel_show(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_help(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_version(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_completion(struct ctl *ctl, char **args, unsigned int count);
enum control_status ctl_man_commands(struct ctl *ctl, char **args, unsigned int count);

/* help.c: the synopsis of one command, after "varpctl". */
void ctl_print_synopsis(FILE *out, const struct ctl_command *command);

#endif
