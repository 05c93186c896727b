/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the control_*.c files share: connections (control_socket.c), arguments (control_args.c) and
 * the handlers of commands, which stand in one table (control_table.c).
 */
#ifndef VARPD_CONTROL_INTERNAL_H
#define VARPD_CONTROL_INTERNAL_H

#include <event2/bufferevent.h>
#include <jansson.h>
#include <sys/types.h>

#include "access.h"
#include "audit.h"
#include "control.h"		/* of ctl/common */
#include "control_socket.h"
#include "monitor.h"
#include "resolve.h"

/* A handler's return: the answer comes by control_answer(), or a stream has begun */
#define CONTROL_LATER	(-1)
/* Octets: above, nothing more is produced until the peer has read */
#define CONTROL_OUTPUT_MAX	(64 * 1024)

enum control_state {
	CONTROL_IDLE,		/* ready for the next request */
	CONTROL_WAITING,	/* for an outcome: control_answer() ends it */
	CONTROL_STREAMING,	/* a listing: more() makes the next lines */
	CONTROL_WATCHING,	/* events without end */
};

struct control_conn {
	struct control *control;
	struct varpd *varpd;
	struct control_conn *prev, *next;
	struct bufferevent *bev;
	struct event *kick;		/* goes on, or frees, outside of anybody else's call */
	struct peer peer;
	struct audit_source audit;
	enum control_state state;
	bool eof;			/* the peer sends no more */
	bool dead;
	/* STREAMING: adds lines; returns false after the last. Its place is kept below. */
	bool (*more)(struct control_conn *conn);
	bool one_supernet;
	bool each_owned;		/* one supernet after the other, of the peer's */
	struct varp_snid snid;
	struct datapath_cursor cursor;	/* cache_show */
	struct varp_key after;		/* db_show */
	bool started;
	/* WATCHING */
	struct monitor_subscriber subscriber;
	struct resolve_listener listener;
	bool subscribed, listening;
	uint64_t lost;
	/* WAITING */
	struct resolve_wait wait;
	struct event *timeout;
	struct event *again;		/* the lookup ended with time left: begins another */
	uint64_t ends_ns;		/* when timeout comes */
};

/* --- control_socket.c --- */

void control_write(struct control_conn *conn, const char *line, size_t len);
void control_write_json(struct control_conn *conn, json_t *json);	/* steals the reference */
/* Octets not yet taken by the peer */
size_t control_pending(const struct control_conn *conn);
/* The peer neither sends nor reads any more, rather than having closed its sending side only. */
bool control_is_gone(const struct control_conn *conn);
/* An answer's line. result is stolen, error may be NULL with CONTROL_OK. */
void control_reply(struct control_conn *conn, int status, json_t *result,
		   const struct varpd_error *error);
/* Ends CONTROL_WAITING. */
void control_answer(struct control_conn *conn, int status, json_t *result,
		    const struct varpd_error *error);
/* Begins CONTROL_STREAMING */
void control_stream(struct control_conn *conn, bool (*more)(struct control_conn *conn));
void control_watch(struct control_conn *conn);		/* begins CONTROL_WATCHING */

/*
 * --- control_args.c: arguments of a request ---
 *
 * The first that is wrong or missing fills the error and makes `bad` true.
 */

struct control_args {
	json_t *json;
	struct varpd_error *error;
	bool bad;
};

#define CONTROL_REQUIRED true
#define CONTROL_OPTIONAL false

/* Only names of the blank-separated list may be there. */
void control_args_check(struct control_args *args, const char *names);
/* Each returns true if the argument is there and right. */
bool control_arg_snid(struct control_args *args, bool required, struct varp_snid *snid);
bool control_arg_chid(struct control_args *args, const char *name, struct varp_chid *chid);
bool control_arg_addr(struct control_args *args, const char *name, bool required,
		      struct varp_addr *addr);
/* Unicast */
bool control_arg_vaddr(struct control_args *args, bool required, struct varp_addr *vaddr);
/* SnId and vaddr, required */
bool control_arg_key(struct control_args *args, struct varp_key *key);
bool control_arg_int(struct control_args *args, const char *name, bool required, json_int_t min,
		     json_int_t max, json_int_t *value);
bool control_arg_bool(struct control_args *args, const char *name);	/* false if missing */
const char *control_arg_text(struct control_args *args, const char *name, bool required,
			     size_t max_len);
/* "dev", an interface's name */
const char *control_arg_dev(struct control_args *args, bool required);

/* Values for answers. */
json_t *control_json_snid(const struct varp_snid *snid);
json_t *control_json_chid(const struct varp_chid *chid);
/* Null for a zero address or NULL */
json_t *control_json_addr(const struct varp_addr *addr);
/* An error's words: what they quote may have been cut within a character, which JSON cannot hold. */
json_t *control_json_text(const char *text);
/* varpctl's exit status for an errno: CONTROL_PERMISSION if varpd lacks the privilege (-EPERM). */
int control_status_of(int err);

/*
 * --- Handlers ---
 *
 * Return CONTROL_OK (with *result, or NULL for null), another status with error filled, or
 * CONTROL_LATER.
 */

typedef int control_handler(struct control_conn *conn, struct control_args *args, json_t **result,
			    struct varpd_error *error);

/* Who may give a command. Administrators may give all; who owns no supernet, none. */
enum control_access {
	CONTROL_ADMIN,		/* about this host: administrators alone */
	CONTROL_OWNER,		/* about one supernet: its owners too */
	CONTROL_FILTERED,	/* owners see of it what is theirs */
};

struct control_command {
	const char *name;
	const char *args;	/* names, separated by blanks */
	control_handler *handler;
	enum control_access access;
	bool changes;		/* something: it is audited */
};
/* May the peer see this supernet? */
bool control_sees(const struct control_conn *conn, const struct varp_snid *snid);
bool control_is_admin(const struct control_conn *conn);
/* Has its user, or all users who are no administrators, too many connections already? */
bool control_is_crowding(const struct control_conn *conns, const struct control_conn *conn);
/* control_table.c: one request, without its line break. */
void control_execute(struct control_conn *conn, const char *line, size_t len);

/* control_node.c */
control_handler control_do_attach, control_do_detach, control_do_join, control_do_leave;
/* control_status.c */
control_handler control_do_status;
/* control_stats.c */
control_handler control_do_stats;
/* control_cache.c */
control_handler control_do_cache_show, control_do_cache_get, control_do_cache_flush;
control_handler control_do_db_show;
/* control_watch.c */
control_handler control_do_resolve, control_do_monitor, control_do_register, control_do_lookup;
/* control_channel.c */
control_handler control_do_channel_set, control_do_channel_show;
/* control_varpdb.c */
control_handler control_do_opcode, control_do_reset, control_do_timer;

json_t *control_json_node(const struct datapath_node *node);	/* control_node.c */
/* A node of this host: where it is reached. False if it is none. */
/* control_watch.c */
bool control_local_raddr(struct varpd *varpd, const struct varp_key *key, struct varp_addr *raddr);
/* control_settings.c; mappings: in the server's table, as far as they are shown */
json_t *control_settings_json(struct varpd *varpd, size_t mappings);
/* control_cache.c: seconds left, null: always */
json_t *control_json_ttl(uint64_t deadline_ns, uint64_t now_ns);

#endif
