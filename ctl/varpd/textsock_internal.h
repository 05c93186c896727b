/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What textsock.c (listeners), textsock_conn.c (connections), textsock_tls.c (TLS),
 * textsock_batch.c (execution) and textsock_access.c (rights) share. For nobody else.
 */
#ifndef VARPD_TEXTSOCK_INTERNAL_H
#define VARPD_TEXTSOCK_INTERNAL_H

#include <event2/buffer.h>
#include <event2/listener.h>

#include "access.h"
#include "audit.h"
#include "log.h"
#include "mappings.h"
#include "textsock.h"
#include "textsock_tls.h"

/* Octets of answers: above, nothing more is read from the connection */
#define TEXTSOCK_OUTPUT_MAX	(64 * 1024)
#define TEXTSOCK_BATCH_MAX	16384		/* commands in one transaction */

struct textsock_side {
	struct textsock *textsock;
	enum varp_command_source source;
	struct evconnlistener *listener;	/* TCP; NULL: none */
	bool tls;				/* spoken there, and nothing else */
	struct evconnlistener *local;		/* the unix socket at path */
	char path[108];
	struct event *resume;			/* accepts again after descriptors ran out */
	struct text_conn *oldest, *newest;	/* connections by last activity */
	unsigned int count;
	struct text_hello *hellos;		/* TLS handshakes, oldest first */
	unsigned int hello_count;
	struct varpd_log_limit log, hello_log;
};

struct text_conn {
	struct textsock_side *side;
	struct text_conn *prev, *next;		/* towards older, towards newer */
	int fd;
	struct event *read, *write, *deadline;	/* deadline: NULL for the group manager */
	struct evbuffer *out;
	bool local;		/* by the unix socket */
	SSL *tls;		/* NULL: plain */
	struct credentials_identity identity;	/* over TLS: whose certificate */
	bool manages;				/* over TLS: it is known to manage... */
	struct varp_snid managed;
	struct peer peer;
	struct audit_source audit;
	struct varp_command_reader reader;
	/* Commands in the batch: not to be freed meanwhile */
	unsigned int queued;
	size_t answer_octets;			/* of the commands in the batch, at least */
	bool http;		/* has spoken it, and is closed for it */
	/* Nothing more will come: close once all is answered */
	bool eof;
	bool dead;				/* closed, freed with its last queued command */
};

struct text_item {
	struct text_conn *conn;
	struct varp_command command;
	int result;		/* of staging */
	bool change;		/* of the store */
	bool readable;		/* command is what was asked for */
	/* Answer to what could not be parsed; NULL: command is to be executed */
	char *refused;
};

struct textsock {
	struct varpd *varpd;
	struct textsock_side manager, client;
	struct event *execute;
	struct event *periodic;	/* looks whether certificates still hold; NULL: nobody has one */
	/* The batch: commands of one turn of the loop, in the order they came */
	struct text_item *items;
	unsigned int count;
	struct varpd_log_limit store_log;
	char storage_failure[512];	/* since the last change that was kept; empty: none */
	char buffer[256 * 1024];	/* what is being read, of whichever connection */
};

/* --- textsock_batch.c --- */

/*
 * Adds one complete command (reader->line), or the refusal of an overlong one; the caller has seen
 * to it that there is room. The batch runs at the end of this turn of the loop.
 */
void text_batch_add(struct text_conn *conn, bool too_long);
void text_batch_run(struct textsock *textsock);

/* --- textsock_access.c --- */

/*
 * Opens the unix socket of a side, and decides whether TLS is spoken at its TCP endpoint. 0 or
 * -errno; -EACCES: there commands would come unprotected from elsewhere.
 */
int text_access_open(struct textsock_side *side, const struct config_endpoint *endpoint,
		     evconnlistener_cb on_accept, evconnlistener_errorcb on_error,
		     struct varpd_error *error);
void text_access_close(struct textsock_side *side);
/* A new connection: who is it, and may he? Who may not has been told. */
bool text_access_admit(struct text_conn *conn);
/* The same before there is one, over TLS. */
bool text_access_admit_tls(const struct textsock_side *side, const struct text_tls *tls);
const char *text_access_denied(const struct text_conn *conn);	/* the answer to a command */
bool text_access_permits(struct text_conn *conn, const struct varp_command *command);
/* Once it has been executed, with what came of it */
void text_access_audit(const struct text_item *item, int result);

/* --- textsock_conn.c --- */

/* Takes over fd and, NULL if plain, *tls. Who may not command has been told, and is gone. */
void text_conn_open(struct textsock_side *side, int fd, const struct text_tls *tls);
void text_conn_close(struct text_conn *conn);
/* Closes those over TLS whose certificate does not hold any more. */
void text_conn_sweep(struct textsock_side *side);
/* All queued commands of the connection have been answered: writes on, reads on, or ends it. */
void text_conn_answered(struct text_conn *conn);

#endif
