/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VARP protocol engine, client and server. It takes an event and the time, and emits actions;
 * it has no sockets, clock, threads or map. Times are nanoseconds of one monotonic clock, the
 * caller's (boot time in varpd).
 *
 * The resolved cache is not in here but in the datapath's map (or a test's model of it): the engine
 * knows open lookups, cached negative answers, which servers to ask, and its own authoritative
 * table. Memo, "Interface VARP if" and "VARP Table Aging".
 */
#ifndef LIBVARP_ENGINE_H
#define LIBVARP_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <varp/abi.h>
#include "auth.h"
#include "msg.h"
#include "table.h"

/* Names in `varpctl monitor`: hit, miss, notknown, insert, remove, expire, refresh */
enum varp_notice_type {
	/* An open lookup was answered positively (memo: callback with VARPDB_HIT) */
	VARP_NOTICE_HIT,
	VARP_NOTICE_MISS,	/* a lookup was started */
	/* Answered negatively, or no server is configured (memo: callback with VARPDB_MISS) */
	VARP_NOTICE_NOTKNOWN,
	/* A mapping was written to the cache or, with `authoritative`, to the table */
	VARP_NOTICE_INSERT,
	VARP_NOTICE_REMOVE,
	VARP_NOTICE_EXPIRE,	/* a cache entry's or an unanswered lookup's time ended */
	VARP_NOTICE_REFRESH,	/* an entry in use is asked for again */
};

enum varp_action_type {
	VARP_ACTION_SEND,	/* a datagram to a peer's VARP port */
	/*
	 * Send held packets in order, write the cache, close the lookup (any of these may be void)
	 */
	VARP_ACTION_RESOLVED,
	/*
	 * Remove the cache entry; mark not known until deadline_ns; held packets: ICMP unreachable
	 */
	VARP_ACTION_NOTKNOWN,
	/* The window ended: close the lookup, drop held packets (VARP_DROP_HELD_EXPIRED) */
	VARP_ACTION_UNANSWERED,
	VARP_ACTION_FORGET,	/* a negative answer's life ended, or it is void: remove the mark */
	VARP_ACTION_REMOVE,	/* remove the cache entry */
	/* Look the entry up and call varp_engine_age() (ttl too short for the sweep) */
	VARP_ACTION_CHECK,
	/*
	 * A session with this server is needed: exchange keys, then varp_engine_session_set() or
	 * varp_engine_session_failed(). Comes again while one is needed, so also during an exchange
	 */
	VARP_ACTION_SESSION,
	VARP_ACTION_SESSION_GONE,	/* as server: this session has ended and is forgotten */
	VARP_ACTION_NOTIFY,
	VARP_ACTION_LOG,
};

struct varp_action {
	enum varp_action_type type;
	/* All but LOG; SEND, SESSION, SESSION_GONE: snid only */
	struct varp_key key;
	/* RESOLVED; SEND: destination; SESSION: server; NOTIFY where known, else zero */
	struct varp_addr raddr;
	struct varp_addr source;		/* SEND: what to send from; zero: any */
	uint64_t session;			/* SESSION_GONE: its id */
	uint64_t deadline_ns;			/* RESOLVED, NOTKNOWN */
	uint32_t ttl_s;				/* RESOLVED */
	uint16_t port;				/* SEND: destination port, host order */
	const uint8_t *data;			/* SEND; valid during the call only */
	size_t data_len;
	enum varp_notice_type notice;		/* NOTIFY */
	/* NOTIFY: about the server's table, not the cache */
	bool authoritative;
	bool error;				/* LOG: error rather than warning */
	const char *text;			/* LOG; valid during the call only */
};

struct varp_engine_config {
	bool insecure;			/* accept and send unauthenticated messages */
	uint16_t varp_port;		/* port of servers, host order; VARPDB_VARP_PORT */
	uint32_t window_ms;		/* VARPDB_TTL_INITIAL_LOOKUP * 1000 */
	uint32_t negative_ttl_ms;	/* life of a negative answer, the same by default */
	uint32_t retry_ms;		/* first repetition, doubled each time; 250 */
	uint32_t lookups_max;		/* open lookups and negative answers per supernet; 8192 */
	/* Must not call back into the engine */
	void (*emit)(void *ctx, const struct varp_action *action);
	uint64_t (*random)(void *ctx);	/* unpredictable; nonces */
	/*
	 * Is there a certificate or key for this supernet? NULL: for none. Not asked in insecure
	 * mode. Must not call back into the engine
	 */
	bool (*credentials)(void *ctx, const struct varp_snid *snid);
	void *ctx;
};

/* Counters of `varpctl stats` under "varp", and drops by reason. */
struct varp_engine_stats {
	uint64_t requests_sent, requests_received;	/* requests_sent counts repetitions too */
	uint64_t replies_sent, replies_received;
	uint64_t nak_notknown_sent, nak_notknown_received;
	uint64_t nak_noauthority_sent, nak_noauthority_received;
	uint64_t notifies_sent, notifies_received;
	uint64_t requests_repeated;
	uint64_t refreshes;
	uint64_t drops[VARP_DROP_COUNT];
};

struct varp_engine;

/* NULL: out of memory */
struct varp_engine *varp_engine_new(const struct varp_engine_config *config);
void varp_engine_free(struct varp_engine *engine);
/*
 * Memo, varpd_init: forgets clients, servers, mappings, lookups, and the sessions of the client
 * role (those of the server role are the clients', who could not know). Emits FORGET and UNANSWERED
 * for what was open.
 */
void varp_engine_reset(struct varp_engine *engine, uint64_t now_ns);

/* --- Client role --- */

/*
 * Which server to ask. 0; -EACCES when no credentials exist (not insecure); -ENOMEM. Open lookups
 * are asked there at once. A session with it is wanted at once too, so that the first packet need
 * not wait for one, and wrong credentials show.
 */
int varp_engine_client_set(struct varp_engine *engine, uint64_t now_ns,
			   const struct varp_snid *snid,
			   const struct varp_addr *server);
/* 0; -ENOENT when there is none, or another than *server (NULL: whichever). */
int varp_engine_client_clear(struct varp_engine *engine, uint64_t now_ns,
			     const struct varp_snid *snid,
			     const struct varp_addr *server);
bool varp_engine_client_get(const struct varp_engine *engine, const struct varp_snid *snid,
			    struct varp_addr *server);
void varp_engine_each_client(const struct varp_engine *engine,
			     bool (*visit)(const struct varp_snid *snid,
					   const struct varp_addr *server, void *ctx), void *ctx);

/* What became of the last requests to a supernet's server. */
enum varp_server_health {
	VARP_SERVER_WELL,		/* it answered, or has not been asked */
	VARP_SERVER_SILENT,		/* a whole window of requests, and nothing since */
	VARP_SERVER_NOAUTHORITY,	/* it said that it does not serve the supernet */
};

/* *since_ns: SILENT: from when on nothing was answered. */
enum varp_server_health varp_engine_client_health(const struct varp_engine *engine,
						  const struct varp_snid *snid,
						  uint64_t *since_ns);

enum varp_lookup_state {
	VARP_LOOKUP_NONE,
	VARP_LOOKUP_OPEN,
	VARP_LOOKUP_NOTKNOWN,
	VARP_LOOKUP_REFRESH,	/* asked again while the cache still has it */
};

/*
 * A miss (memo: VARPD_OPCODE_REQUEST from varpdb). Starts a resolution unless one is open or a
 * negative answer is cached (then the corresponding action is emitted again, since whoever asked
 * may not have seen it). -ENOBUFS: the supernet's bound is reached.
 *
 * asker: the vaddr whose packet missed; NULL or zero: none. If the server knows it to be at this host, it
 * introduces it to the host that it wants to reach, which then need not ask for the way back.
 */
int varp_engine_lookup(struct varp_engine *engine, uint64_t now_ns, const struct varp_key *key,
		       const struct varp_addr *asker);
enum varp_lookup_state varp_engine_lookup_state(const struct varp_engine *engine,
						const struct varp_key *key);

/*
 * The sweep, or CHECK, found this cache entry. Emits REMOVE and EXPIRE if its time has come; starts
 * a refresh if it has been used in the second half of its life and little of it is left; else
 * nothing.
 */
void varp_engine_age(struct varp_engine *engine, uint64_t now_ns, const struct varp_key *key,
		     const struct varp_mapping *mapping);

/* For negative answers from now on; those that are cached keep their deadline. */
void varp_engine_negative_ttl_set(struct varp_engine *engine, uint32_t negative_ttl_ms);

/*
 * Forgets lookups and negative answers: of one node, one supernet (vaddr NULL), or all (both NULL).
 */
void varp_engine_flush(struct varp_engine *engine, uint64_t now_ns, const struct varp_snid *snid,
		       const struct varp_addr *vaddr);

/* --- Server role: the table, with its consequences for this host's own cache --- */

const struct varp_table *varp_engine_table(const struct varp_engine *engine);
/*
 * At start: takes over (and owns) a table that was filled elsewhere, in place of its own. Nobody is
 * told of each of perhaps a million mappings; what is open for supernets that it serves is settled.
 */
void varp_engine_load(struct varp_engine *engine, uint64_t now_ns, struct varp_table *table);
/* -EACCES as above */
int varp_engine_server_set(struct varp_engine *engine, uint64_t now_ns,
			   const struct varp_snid *snid, int32_t ttl_s);
/* 0, -ENOENT */
int varp_engine_server_clear(struct varp_engine *engine, uint64_t now_ns,
			     const struct varp_snid *snid);
/* 0, -ENOMEM */
int varp_engine_add(struct varp_engine *engine, uint64_t now_ns,
		    const struct varp_table_entry *entry);
/* 0, -ENOENT */
int varp_engine_remove(struct varp_engine *engine, uint64_t now_ns, const struct varp_key *key);

/* --- Sessions (auth.h), which the caller's key exchange makes --- */

/*
 * As client: from now on the supernet's server is asked in it, and what waits for one at once. Keys
 * are copied. 0; -ENOENT: that server is not to be asked any more; -EINVAL: no id, its end has
 * come, or it was granted for less; -ENOMEM.
 */
int varp_engine_session_set(struct varp_engine *engine, uint64_t now_ns,
			    const struct varp_session *session);
/* The key exchange failed. It is asked for again, after five failures more seldom. */
void varp_engine_session_failed(struct varp_engine *engine, uint64_t now_ns,
				const struct varp_snid *snid, const struct varp_addr *server);
/*
 * Forgets a client's session (its credentials have gone or changed). What is open wants a new one.
 */
void varp_engine_session_clear(struct varp_engine *engine, uint64_t now_ns,
			       const struct varp_snid *snid);
/* In which the supernet's server is asked at present; NULL: in none. Valid until the next call. */
const struct varp_session *varp_engine_session_get(const struct varp_engine *engine,
						   uint64_t now_ns, const struct varp_snid *snid);

/* As server: 0, -EEXIST (choose another id), -ENOBUFS (too many), -ENOMEM */
int varp_engine_session_add(struct varp_engine *engine, const struct varp_session *session);
/* 0, -ENOENT. Emits nothing. */
int varp_engine_session_remove(struct varp_engine *engine, uint64_t id);
size_t varp_engine_session_count(const struct varp_engine *engine);
/* Until visit returns false; it must not add or remove any. */
void varp_engine_each_session(const struct varp_engine *engine,
			      bool (*visit)(const struct varp_session *session, void *ctx),
			      void *ctx);

/* --- Both --- */

/* A datagram came to the VARP port. Counts and drops what it must. */
void varp_engine_receive(struct varp_engine *engine, uint64_t now_ns, const struct varp_addr *from,
			 uint16_t from_port,
			 const uint8_t *data, size_t len);
/* Runs everything that is due. */
void varp_engine_tick(struct varp_engine *engine, uint64_t now_ns);
/* When tick is due next; UINT64_MAX: nothing is. */
uint64_t varp_engine_next_ns(const struct varp_engine *engine);
const struct varp_engine_stats *varp_engine_stats(const struct varp_engine *engine);

#endif
