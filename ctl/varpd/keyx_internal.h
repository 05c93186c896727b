/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared by keyx*.c; for nobody else. See keyx.h for what is where.
 */
#ifndef VARPD_KEYX_INTERNAL_H
#define VARPD_KEYX_INTERNAL_H

#include <event2/bufferevent.h>
#include <openssl/ssl.h>
#include <uthash.h>
#include <utlist.h>

#include "auth.h"
#include "credentials.h"
#include "keyx.h"
#include "keyx_msg.h"
#include "keyx_rate.h"
#include "log.h"

#define KEYX_DEADLINE_S		5	/* of a connection, from its beginning to its end */
#define KEYX_CONNS_MAX		256	/* from clients, at a time */
#define KEYX_CONNS_PEER		8	/* of them from one peer (IPv6: from one /64) */
#define KEYX_SESSIONS_PEER	4	/* of one client in one supernet; the oldest makes room */
#define KEYX_SESSIONS_HOLDER	64	/* of one certificate in one supernet; likewise */
#define KEYX_SESSIONS_MAX	262144

/* One connection, of either role. */
struct keyx_conn {
	struct keyx *keyx;
	struct keyx_want *want;		/* as a client; NULL: as a server */
	struct bufferevent *bev;	/* owns fd and tls */
	SSL *tls;
	struct event *deadline;
	struct varp_addr local, remote;
	uint64_t began_ns;
	bool established;		/* TLS is */
	bool answered;			/* all is said, the peer's end is awaited */
	struct event *leftover;		/* see keyx_conn_linger() */
	size_t lingered;
	bool listed;			/* server: in keyx->conns, oldest first */
	struct keyx_conn *prev, *next;
};

/* A client's exchange, and what became of the last one. Lives while the engine has the client. */
struct keyx_want {
	struct keyx *keyx;
	struct varp_snid snid;
	struct varp_addr server;
	struct keyx_conn *conn;		/* of the one that goes on */
	struct event *connecting;	/* before TLS begins; or the start, from the loop */
	int fd;				/* until conn has it; -1: none */
	bool busy;
	uint64_t began_ns;
	uint64_t ends_ns;		/* of the session; zero: none was made yet */
	enum credentials_kind kind;	/* that it was made with */
	struct credentials_identity identity;	/* of the server */
	struct varpd_error error;	/* empty: the last one went well */
	uint64_t told_ns;		/* when the log was told of it */
	struct event *again;		/* the next exchange, for channels' keys */
	uint32_t again_ms;		/* within which it is due; zero: it is not */
	UT_hash_handle hh;		/* by snid */
};

/* A session given out, for as long as it may have to be taken back. */
struct keyx_session {
	uint64_t id;
	struct varp_snid snid;
	struct varp_addr client;
	uint64_t ends_ns;
	struct credentials_identity identity;
	struct keyx_group *peer;		/* by the client's address */
	struct keyx_group *holder;		/* by whose credentials */
	struct keyx_session *prev, *next;	/* of peer, oldest first */
	struct keyx_session *holder_prev, *holder_next;
	UT_hash_handle hh;			/* by id */
};

struct keyx_group;			/* keyx_session.c: sessions that are bounded together */

struct keyx {
	struct varpd *varpd;
	struct credentials *credentials;	/* varpd's */
	unsigned int generation;	/* of the credentials, when they were last looked at */
	struct event *listener;
	int fd;				/* listens; -1: not */
	struct varpd_error listen_error;	/* empty: none */
	struct event *periodic;
	struct keyx_conn *conns;	/* from clients */
	unsigned int conn_count;
	struct keyx_rate rate;		/* of those */
	struct keyx_want *wants;
	struct keyx_session *sessions;
	struct keyx_group *peers, *holders;
};

/* --- keyx_conn.c --- */

/*
 * TLS on a connected socket, which it owns from then on, also on failure. want NULL: as a server.
 * NULL: out of memory.
 */
struct keyx_conn *keyx_conn_new(struct keyx *keyx, int fd, const struct varp_addr *local,
				const struct varp_addr *remote, struct keyx_want *want);
void keyx_conn_free(struct keyx_conn *conn);
/* Nothing more is said than what is queued: sends that, and waits for the peer's end. */
void keyx_conn_finish(struct keyx_conn *conn);
/* The same for one that failed, so that the peer learns why: takes in what it still says. */
void keyx_conn_linger(struct keyx_conn *conn);
/* The keys of a session that has everything else set. 0 or -EPROTO. */
int keyx_conn_export(struct keyx_conn *conn, struct varp_session *session);
/* "192.0.2.1 (CN=host-a)": for log lines. */
char *keyx_conn_peer(const struct keyx_conn *conn, char *out, size_t len);
/* The two ends of a socket's connection. 0 or -errno. */
int keyx_socket_ends(int fd, struct varp_addr *local, struct varp_addr *remote);
/* Marks a socket of the exchange, so that no supernet takes its packets in. 0 or -errno. */
int keyx_socket_mark(int fd);

/* --- keyx_server.c, keyx_client.c: what a connection reports --- */

void keyx_server_readable(struct keyx_conn *conn);
void keyx_server_failed(struct keyx_conn *conn, const char *why);
/* NULL: none was asked for yet. */
struct keyx_want *keyx_client_find(const struct keyx *keyx, const struct varp_snid *snid);
void keyx_client_established(struct keyx_conn *conn);
void keyx_client_readable(struct keyx_conn *conn);
void keyx_client_failed(struct keyx_conn *conn, const char *why);
/*
 * Forgets clients that are none any more and sessions that their credentials do not bear any more;
 * tries again what failed, at once if credentials have changed.
 */
void keyx_client_sweep(struct keyx *keyx, bool changed);
void keyx_client_close(struct keyx *keyx);

/* --- keyx_node.c --- */

/*
 * As which node to ask; zero: this host is none. -EACCES: one is there that its certificate does not
 * permit, so there must be no session.
 */
int keyx_node_choose(struct keyx *keyx, const struct varp_snid *snid, struct varp_addr *vaddr,
		     struct varpd_error *error);

/* --- keyx_session.c --- */

/*
 * Gives the session to the engine and to the kernel's answers, with id and keys, which it chooses.
 * 0, -ENOSPC, -ENOMEM, -EPROTO.
 */
int keyx_session_add(struct keyx_conn *conn, struct varp_session *session,
		     const struct credentials_identity *identity);
/* Takes it back. */
void keyx_session_drop(struct keyx *keyx, struct keyx_session *session);
/* Forgets those that have ended, and takes back those whose credentials do not hold any more. */
void keyx_session_sweep(struct keyx *keyx);
void keyx_session_close(struct keyx *keyx);
unsigned int keyx_session_count(const struct keyx *keyx, const struct varp_snid *snid);

/* A certificate's end on the clock of deadlines. */
uint64_t keyx_deadline_ns(int64_t not_after, uint64_t now_ns);

#endif
