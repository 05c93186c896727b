// SPDX-License-Identifier: BSD-2-Clause
/*
 * See textsock_tls.h. Why a handshake failed is told the peer by a TLS alert alone, and the log in
 * words.
 */
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "addr.h"
#include "textsock_internal.h"

#define RECORD_MAX	16384	/* octets of a TLS record */
#define LINGER_MAX	32768	/* octets taken in before a refused peer is left alone */
#define LOG_MS		1000

struct text_hello {
	struct textsock_side *side;
	int fd;
	struct text_tls tls;
	struct varp_addr remote;
	struct event *io, *deadline;
	bool refused;			/* only its alert has yet to reach the peer */
	size_t lingered;
	struct text_hello *prev, *next;
};

/* --- Ends of a connection --- */

static bool read_peer(struct text_hello *hello)
{
	struct sockaddr_storage name;
	const struct sockaddr_in6 *in6 = (const void *)&name;
	const struct sockaddr_in *in4 = (const void *)&name;
	struct peer *peer = &hello->tls.peer;
	socklen_t len = sizeof(name);
	char addr[VARP_ADDR_TEXT];

	peer->remote = true;
	if (getpeername(hello->fd, (struct sockaddr *)&name, &len))
		return false;
	if (name.ss_family == AF_INET6) {
		memcpy(&hello->remote, &in6->sin6_addr, sizeof(hello->remote));
		snprintf(peer->text, sizeof(peer->text), "[%s]:%u",
			 varp_addr_format(&hello->remote, addr), ntohs(in6->sin6_port));
	} else {
		hello->remote.b[10] = hello->remote.b[11] = 0xff;
		memcpy(&hello->remote.b[12], &in4->sin_addr, sizeof(in4->sin_addr));
		snprintf(peer->text, sizeof(peer->text), "%s:%u",
			 varp_addr_format(&hello->remote, addr), ntohs(in4->sin_port));
	}
	return true;
}

/* The name is cut, where need be, and the address never. */
static void name_peer(struct text_tls *tls)
{
	char from[PEER_TEXT], name[60];

	memcpy(from, tls->peer.text, sizeof(from));
	credentials_peer_name(tls->tls, name, sizeof(name));
	snprintf(tls->peer.text, sizeof(tls->peer.text), "%s from %.56s",
		 *name ? name : "a nameless certificate", from);
}

/* --- Handshakes --- */

/* Leaves fd and tls to whoever has them now. */
static void forget(struct text_hello *hello)
{
	DL_DELETE(hello->side->hellos, hello);
	hello->side->hello_count--;
	if (hello->io)
		event_free(hello->io);
	if (hello->deadline)
		event_free(hello->deadline);
	free(hello);
}

static void drop(struct text_hello *hello)
{
	SSL_free(hello->tls.tls);
	close(hello->fd);
	ERR_clear_error();
	forget(hello);
}

static void log_failure(const struct text_hello *hello, const char *why)
{
	struct textsock_side *side = hello->side;

	varpd_log_limited(&side->hello_log, LOG_MS, VARPD_LOG_WARNING,
			  "group %s at %s was not let in over TLS: %s",
			  side->source == VARP_COMMAND_FROM_MANAGER ? "manager" : "client",
			  hello->tls.peer.text, why);
}

/*
 * A socket that is closed with octets unread resets the connection, and the peer might lose the
 * alert that tells it what is wrong.
 */
static void linger(struct text_hello *hello)
{
	char octets[4096];
	ssize_t len = recv(hello->fd, octets, sizeof(octets), MSG_DONTWAIT);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	hello->lingered += len > 0 ? len : 0;
	if (len <= 0 || hello->lingered > LINGER_MAX)
		drop(hello);
}

static void wait_io(struct text_hello *hello, short what);

/* It has been told why. */
static void leave(struct text_hello *hello)
{
	hello->refused = true;
	if (shutdown(hello->fd, SHUT_WR))
		drop(hello);
	else
		wait_io(hello, EV_READ);
}

static void established(struct text_hello *hello)
{
	struct textsock_side *side = hello->side;
	struct credentials *credentials = side->textsock->varpd->credentials;
	struct text_tls tls = hello->tls;
	int fd = hello->fd;

	if (credentials_identify(tls.tls, &tls.identity) ||
	    !credentials_still(credentials, NULL, &tls.identity, time(NULL))) {
		log_failure(hello, "its certificate does not hold, or it came for a key exchange");
		drop(hello);
		return;
	}
	name_peer(&tls);
	if (!text_access_admit_tls(side, &tls)) {
		SSL_shutdown(tls.tls);
		leave(hello);
		return;
	}
	forget(hello);
	text_conn_open(side, fd, &tls);
}

static void on_io(evutil_socket_t fd, short what, void *ctx)
{
	struct text_hello *hello = ctx;
	SSL *tls = hello->tls.tls;
	const char *why;
	int result;

	(void)fd;
	(void)what;
	if (hello->refused) {
		linger(hello);
		return;
	}
	ERR_clear_error();
	result = SSL_do_handshake(tls);
	if (result == 1) {
		established(hello);
		return;
	}
	switch (SSL_get_error(tls, result)) {
	case SSL_ERROR_WANT_READ:
		wait_io(hello, EV_READ);
		return;
	case SSL_ERROR_WANT_WRITE:
		wait_io(hello, EV_WRITE);
		return;
	}
	why = credentials_explain(tls, ERR_peek_error(), false);
	log_failure(hello, why ? why : "it closed the connection");
	leave(hello);
}

static void wait_io(struct text_hello *hello, short what)
{
	if (event_get_events(hello->io) & what)
		return;
	event_del(hello->io);
	event_assign(hello->io, hello->side->textsock->varpd->base, hello->fd, what | EV_PERSIST,
		     on_io, hello);
	event_add(hello->io, NULL);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct text_hello *hello = ctx;

	(void)fd;
	(void)what;
	if (!hello->refused)
		log_failure(hello, "its handshake took too long");
	drop(hello);
}

/* --- Accepting --- */

/* An IPv6 host has its whole /64 to call from. */
static bool is_same_peer(const struct varp_addr *a, const struct varp_addr *b)
{
	return !memcmp(a, b, varp_addr_is_v4(a) ? 16 : 8);
}

/* Whoever holds handshakes open loses the oldest of them to who goes on. */
static void make_room(struct textsock_side *side, const struct text_hello *newest)
{
	struct text_hello *hello, *oldest = NULL;
	unsigned int count = 0;

	DL_FOREACH(side->hellos, hello) {
		if (hello == newest || !is_same_peer(&hello->remote, &newest->remote))
			continue;
		oldest = oldest ? oldest : hello;
		count++;
	}
	if (count >= TEXT_TLS_HANDSHAKES_PEER)
		drop(oldest);
	else if (side->hello_count > TEXT_TLS_HANDSHAKES_MAX)
		drop(side->hellos);
}

static bool start(struct text_hello *hello)
{
	static const struct timeval deadline = { .tv_sec = TEXT_TLS_DEADLINE_S };
	struct varpd *varpd = hello->side->textsock->varpd;
	SSL *tls = credentials_tls(varpd->credentials, NULL);

	hello->tls.tls = tls;
	hello->io = event_new(varpd->base, hello->fd, EV_READ | EV_PERSIST, on_io, hello);
	hello->deadline = evtimer_new(varpd->base, on_deadline, hello);
	if (!tls || !hello->io || !hello->deadline || !SSL_set_fd(tls, hello->fd))
		return false;
	/* All members of a supernet have its pre-shared key: that makes nobody its manager. */
	SSL_set_psk_find_session_callback(tls, NULL);
	SSL_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_set_accept_state(tls);
	return !event_add(hello->io, NULL) && !event_add(hello->deadline, &deadline);
}

void text_tls_accept(struct textsock_side *side, int fd)
{
	struct text_hello *hello = calloc(1, sizeof(*hello));

	if (!hello) {
		close(fd);
		return;
	}
	hello->side = side;
	hello->fd = fd;
	DL_APPEND(side->hellos, hello);
	side->hello_count++;
	if (!read_peer(hello) || !start(hello))
		drop(hello);
	else
		make_room(side, hello);
}

void text_tls_close(struct textsock_side *side)
{
	struct text_hello *hello, *next;

	DL_FOREACH_SAFE(side->hellos, hello, next)
		drop(hello);
}

/* --- Reading and writing --- */

/* errno for what an operation ended with; 0: the peer has said its last. */
static int error_of(SSL *tls, int result)
{
	switch (SSL_get_error(tls, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	}
	return EPROTO;
}

ssize_t text_tls_peek(SSL *tls, void *data, size_t room)
{
	int len;

	ERR_clear_error();
	len = SSL_peek(tls, data, room);
	if (len > 0)
		return len;
	errno = error_of(tls, len);
	return errno ? -1 : 0;
}

bool text_tls_take(SSL *tls, void *data, size_t len)
{
	ERR_clear_error();
	return !len || SSL_read(tls, data, len) == (int)len;
}

int text_tls_write(SSL *tls, struct evbuffer *out)
{
	size_t len = evbuffer_get_contiguous_space(out);
	int sent;

	len = len < RECORD_MAX ? len : RECORD_MAX;
	ERR_clear_error();
	sent = SSL_write(tls, evbuffer_pullup(out, len), len);
	if (sent > 0) {
		evbuffer_drain(out, sent);
		return sent;
	}
	errno = error_of(tls, sent);
	return -1;
}

void text_tls_end(SSL *tls)
{
	ERR_clear_error();
	SSL_shutdown(tls);
	SSL_free(tls);
	ERR_clear_error();
}
