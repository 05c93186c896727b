/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text sockets over TLS 1.3, for group managers and clients elsewhere: a certificate of an
 * authority that this host believes is demanded, and has to make its holder manager of something.
 * Called by textsock.c and textsock_conn.c, for nobody else. What a command may concern is
 * access.c's.
 *
 * A connection is nobody's until its handshake is done: until then it counts here, where places and
 * time are bounded, and not among the connections of the socket.
 */
#ifndef VARPD_TEXTSOCK_TLS_H
#define VARPD_TEXTSOCK_TLS_H

#include <event2/buffer.h>
#include <openssl/ssl.h>

#include "credentials.h"
#include "peer.h"

#define TEXT_TLS_DEADLINE_S	5	/* for a handshake */
#define TEXT_TLS_HANDSHAKES_MAX	256	/* at a time, on one socket */
#define TEXT_TLS_HANDSHAKES_PEER 8	/* of them from one peer (IPv6: from one /64) */

struct textsock_side;

/* What a connection has that came over TLS. */
struct text_tls {
	SSL *tls;
	struct peer peer;			/* remote; its text names the certificate */
	struct credentials_identity identity;	/* whether it still holds can be asked */
};

/* Accepted: takes fd, and gives it to text_conn_open() once the peer has proved itself. */
void text_tls_accept(struct textsock_side *side, int fd);
/* Ends all handshakes of a side. */
void text_tls_close(struct textsock_side *side);

/* As recv(MSG_PEEK), read and evbuffer_write are for a socket, with errno. */
ssize_t text_tls_peek(SSL *tls, void *data, size_t room);
bool text_tls_take(SSL *tls, void *data, size_t len);
int text_tls_write(SSL *tls, struct evbuffer *out);
/* Says that nothing more comes, and frees it. */
void text_tls_end(SSL *tls);

#endif
