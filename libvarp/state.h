/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine's state, for its own files only: engine.c (life cycle, dispatch, actions), lookup.c
 * (the life of one lookup), client.c and server.c (the roles), session.c (when a session is
 * wanted). What the engine promises to others is in engine.h.
 */
#ifndef LIBVARP_STATE_H
#define LIBVARP_STATE_H

#include "addr.h"
#include "auth.h"
#include "engine.h"
#include "hash.h"
#include "timers.h"

#define VARP_NS_PER_MS	1000000ull
#define VARP_NS_PER_S	1000000000ull

/*
 * One more state than others see: nothing is being asked, but a short-lived cache entry is to be
 * looked at (CHECK) before it ends. Outside it is VARP_LOOKUP_NONE.
 */
#define VARP_LOOKUP_WATCH	(VARP_LOOKUP_REFRESH + 1)
#define VARP_LOOKUP_STATES	(VARP_LOOKUP_WATCH + 1)

/* A supernet as client: exists while a server is configured or there is a lookup. */
struct varp_client {
	struct varp_timer timer;		/* first: a timer is cast to its client */
	struct varp_snid snid;
	bool has_server;
	struct varp_addr server;
	enum varp_server_health health;		/* of the server: */
	uint64_t answered_ns;			/* its last answer; zero: none */
	uint64_t silent_ns;			/* SILENT: since when */
	uint64_t renew_ns;			/* when the session is to be followed by another */
	uint64_t session_next_ns;		/* none is asked for before */
	uint32_t session_failures;		/* one after the other */
	/* Requests in the session go unanswered: the server may have forgotten it */
	bool doubted;
	uint32_t counts[VARP_LOOKUP_STATES];	/* lookups by state */
	struct varp_lookup *lookups;		/* hash by key.vaddr */
	UT_hash_handle hh;
};

/* What is going on about one node, from the miss to the end of a negative answer. */
struct varp_lookup {
	struct varp_timer timer;	/* first: a timer is cast to its lookup */
	struct varp_client *client;
	struct varp_key key;
	int state; /* enum varp_lookup_state or VARP_LOOKUP_WATCH; never NONE */
	uint32_t gap_ms;		/* OPEN, REFRESH: between the last request and the next */
	uint64_t ends_ns; /* OPEN, REFRESH: of the window; NOTKNOWN: of the answer's life */
	uint64_t nonce;			/* OPEN, REFRESH */
	/* Of the last request; zero: none, or insecure */
	uint64_t session;
	uint64_t asked_ns;		/* when that was sent */
	struct varp_addr asker;		/* for whom, if not zero */
	bool waiting;			/* nothing can be sent until there is a session */
	struct varp_addr server;	/* whom the last request went to */
	UT_hash_handle hh;
};

/* Kinds of log lines. */
enum varp_log_kind {
	VARP_LOG_NO_CREDENTIALS,
	VARP_LOG_NO_SERVER,
	VARP_LOG_NOAUTHORITY,		/* as client: our server says so */
	VARP_LOG_NOT_SERVED,		/* as server: to one who asks in vain */
	VARP_LOG_KINDS,
};

/*
 * Token bucket for log lines: anybody who can send us datagrams could otherwise fill a disk. One
 * for each kind, so that a flood of one kind does not silence the others.
 */
struct varp_log_bucket {
	uint64_t refilled_ns;
	uint32_t tokens;
	uint64_t suppressed;
};

struct varp_engine {
	struct varp_engine_config config;
	struct varp_engine_stats stats;
	struct varp_timers timers;	/* of lookups */
	struct varp_timers session_timers;	/* of clients */
	struct varp_auth *auth;
	struct varp_client *clients;	/* hash by snid */
	struct varp_table *table;
	struct varp_log_bucket log[VARP_LOG_KINDS];
};

/* --- engine.c: actions --- */

void varp_engine_emit(struct varp_engine *engine, const struct varp_action *action);
/* raddr may be NULL. */
void varp_engine_notify(struct varp_engine *engine, enum varp_notice_type notice,
			const struct varp_key *key, const struct varp_addr *raddr,
			bool authoritative);
/* Signs, sends and counts. session NULL: insecure. */
void varp_engine_send(struct varp_engine *engine, const struct varp_msg *msg,
		      const struct varp_session *session, const struct varp_addr *to,
		      uint16_t port);
/* An error, to be logged; each kind is rate-limited. */
__attribute__((format(printf, 4, 5))) void
varp_engine_log(struct varp_engine *engine, uint64_t now_ns, enum varp_log_kind kind,
		const char *format, ...);
void varp_engine_drop(struct varp_engine *engine, enum varp_drop reason);
/* May the supernet be talked about at all? */
bool varp_engine_may(const struct varp_engine *engine, const struct varp_snid *snid);

/* --- lookup.c --- */

struct varp_client *varp_client_find(const struct varp_engine *engine,
				     const struct varp_snid *snid);
struct varp_client *
varp_client_take(struct varp_engine *engine,
		 const struct varp_snid *snid); /* finds or makes; NULL: no memory */
void varp_client_drop_if_unused(struct varp_engine *engine, struct varp_client *client);

struct varp_lookup *varp_lookup_find(const struct varp_engine *engine, const struct varp_key *key);
/*
 * Finds or makes, and puts it into the state within the supernet's bounds. 0, -ENOBUFS (an existing
 * one is unchanged), -ENOMEM.
 */
int varp_lookup_take(struct varp_engine *engine, const struct varp_key *key, int state,
		     struct varp_lookup **lookup);
/* Frees; also its client if nothing else keeps that. Emits nothing. */
void varp_lookup_free(struct varp_engine *engine, struct varp_lookup *lookup);

/* Begins (or begins again, in a new window) to ask the client's server. */
void varp_lookup_start(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup);
/* Asks the client's server, which has changed, within the same window. */
void varp_lookup_redirect(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup);
/* Asks the same server again at once, in the session that there is now. */
void varp_lookup_resume(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup);
/* The ends of a lookup. Each emits what it has to. */
void varp_lookup_resolved(struct varp_engine *engine, uint64_t now_ns, const struct varp_key *key,
			  const struct varp_addr *raddr, uint32_t ttl_s, bool hit);
/* The server says so, whether or not anybody asked. What was asked goes on, as a refresh. */
void varp_lookup_told(struct varp_engine *engine, uint64_t now_ns, const struct varp_key *key,
		      const struct varp_addr *raddr, uint32_t ttl_s);
void varp_lookup_notknown(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup);
void varp_lookup_forget(struct varp_engine *engine, struct varp_lookup *lookup);
/* Its timer fired. */
void varp_lookup_due(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup);

/* --- session.c --- */

/* In which the client's server can be asked now; NULL: in none. */
const struct varp_session *varp_session_of(const struct varp_engine *engine, uint64_t now_ns,
					   const struct varp_client *client);
/* Asks for one, at once or as soon as it may be asked for again. Not in insecure mode. */
void varp_session_want(struct varp_engine *engine, uint64_t now_ns, struct varp_client *client);
/* A request in the session stayed unanswered. */
void varp_session_doubt(struct varp_engine *engine, uint64_t now_ns, struct varp_client *client);
/* Another server: what was with the former is over. */
void varp_session_restart(struct varp_engine *engine, struct varp_client *client);
/* The client's timer fired. */
void varp_session_due(struct varp_engine *engine, uint64_t now_ns, struct varp_client *client);

/* --- client.c, server.c: what passed the codec and auth; session NULL: insecure --- */

/* An answer to a lookup. */
void varp_client_answer(struct varp_engine *engine, uint64_t now_ns, const struct varp_addr *from,
			uint16_t from_port, const struct varp_msg *msg,
			const struct varp_session *session);
/*
 * Answers what is open for a supernet, or cached as not known, from the table that now serves it.
 */
void varp_client_settle(struct varp_engine *engine, uint64_t now_ns, const struct varp_snid *snid);
void varp_server_request(struct varp_engine *engine, uint64_t now_ns, const struct varp_addr *from,
			 uint16_t from_port, const struct varp_msg *msg,
			 const struct varp_session *session);
/* The server tells what nobody asked for. */
void varp_client_notified(struct varp_engine *engine, uint64_t now_ns, const struct varp_addr *from,
			  uint16_t from_port, const struct varp_msg *msg,
			  const struct varp_session *session);
/*
 * As server: tells the host at raddr, where the answer has sent somebody, where the asker is.
 * client: where the asker must be for that; NULL: it is a node of this host.
 */
void varp_server_introduce(struct varp_engine *engine, uint64_t now_ns,
			   const struct varp_key *asker, const struct varp_addr *client,
			   const struct varp_addr *raddr);
/*
 * Is the supernet served here? Then *entry is the mapping, NULL if there is none, and *ttl_s what a
 * client is told.
 */
bool varp_server_find(const struct varp_engine *engine, const struct varp_key *key,
		      const struct varp_table_entry **entry, uint32_t *ttl_s);

#endif
