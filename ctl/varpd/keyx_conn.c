// SPDX-License-Identifier: BSD-2-Clause
/*
 * One connection of a key exchange: TLS over a connected socket, a deadline for all of it, its
 * orderly end, and the keys. What is said over it is keyx_server.c's and keyx_client.c's.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyx_internal.h"

#define LABEL		"EXPORTER-VARP-v1"
#define KEY_LEN		sizeof(((struct varp_session *)0)->key_request)
#define LINGER_MAX	32768	/* octets taken in before a refused peer is left alone */

/* --- Sockets --- */

static int read_name(const struct sockaddr_storage *name, struct varp_addr *out)
{
	const struct sockaddr_in6 *in6 = (const void *)name;
	const struct sockaddr_in *in4 = (const void *)name;

	memset(out, 0, sizeof(*out));
	if (name->ss_family == AF_INET6) {
		memcpy(out, &in6->sin6_addr, sizeof(*out));
		return 0;
	}
	if (name->ss_family != AF_INET)
		return -EAFNOSUPPORT;
	out->b[10] = out->b[11] = 0xff;
	memcpy(&out->b[12], &in4->sin_addr, sizeof(in4->sin_addr));
	return 0;
}

int keyx_socket_ends(int fd, struct varp_addr *local, struct varp_addr *remote)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	int err;

	if (getsockname(fd, (struct sockaddr *)&name, &len))
		return -errno;
	err = read_name(&name, local);
	len = sizeof(name);
	if (!err && getpeername(fd, (struct sockaddr *)&name, &len))
		return -errno;
	return err ? err : read_name(&name, remote);
}

int keyx_socket_mark(int fd)
{
	int mark = VARP_SKIN_MARK;

	return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ? -errno : 0;
}

/* --- The end of a connection --- */

static void fail(struct keyx_conn *conn, const char *why)
{
	if (conn->want)
		keyx_client_failed(conn, why);
	else
		keyx_server_failed(conn, why);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct keyx_conn *conn = ctx;

	(void)fd;
	(void)what;
	if (conn->answered)
		keyx_conn_free(conn);	/* all was said */
	else
		fail(conn, "it took too long");
}

/*
 * A socket that is closed with octets unread resets the connection, and the peer might lose the
 * alert that tells it what is wrong.
 */
static void on_leftover(evutil_socket_t fd, short what, void *ctx)
{
	struct keyx_conn *conn = ctx;
	char octets[4096];
	ssize_t len;

	(void)what;
	len = recv(fd, octets, sizeof(octets), MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	conn->lingered += len > 0 ? len : 0;
	if (len <= 0 || conn->lingered > LINGER_MAX)
		keyx_conn_free(conn);
}

void keyx_conn_linger(struct keyx_conn *conn)
{
	int fd = bufferevent_getfd(conn->bev);

	conn->answered = true;
	bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
	conn->leftover = event_new(conn->keyx->varpd->base, fd, EV_READ | EV_PERSIST, on_leftover,
				   conn);
	if (shutdown(fd, SHUT_WR) || !conn->leftover || event_add(conn->leftover, NULL))
		keyx_conn_free(conn);
}

void keyx_conn_finish(struct keyx_conn *conn)
{
	conn->answered = true;
}

void keyx_conn_free(struct keyx_conn *conn)
{
	if (conn->leftover)
		event_free(conn->leftover);
	if (conn->deadline)
		event_free(conn->deadline);
	if (conn->want) {
		conn->want->conn = NULL;
	} else if (conn->listed) {
		DL_DELETE(conn->keyx->conns, conn);
		conn->keyx->conn_count--;
	}
	if (conn->bev)
		bufferevent_free(conn->bev);
	ERR_clear_error();
	free(conn);
}

/* --- Events --- */

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct keyx_conn *conn = ctx;

	if (conn->answered)
		evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
	else if (conn->want)
		keyx_client_readable(conn);
	else
		keyx_server_readable(conn);
}

static void on_written(struct bufferevent *bev, void *ctx)
{
	struct keyx_conn *conn = ctx;

	if (!conn->answered || evbuffer_get_length(bufferevent_get_output(bev)))
		return;
	SSL_shutdown(conn->tls);
	shutdown(bufferevent_getfd(bev), SHUT_WR);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct keyx_conn *conn = ctx;
	int socket_error = EVUTIL_SOCKET_ERROR();
	const char *why;

	if (what & BEV_EVENT_CONNECTED) {
		conn->established = true;
		if (conn->want)
			keyx_client_established(conn);
		return;
	}
	if (conn->answered) {
		keyx_conn_free(conn);
		return;
	}
	why = credentials_explain(conn->tls, bufferevent_get_openssl_error(bev), conn->want);
	if (why)
		fail(conn, why);
	else if ((what & BEV_EVENT_ERROR) && socket_error)
		fail(conn, strerror(socket_error));
	else
		fail(conn, "the peer closed the connection");
}

struct keyx_conn *keyx_conn_new(struct keyx *keyx, int fd, const struct varp_addr *local,
				const struct varp_addr *remote, struct keyx_want *want)
{
	struct timeval deadline = { .tv_sec = KEYX_DEADLINE_S };
	struct keyx_conn *conn = calloc(1, sizeof(*conn));
	int on = 1;

	if (!conn) {
		close(fd);
		return NULL;
	}
	/* A request must not wait for the acknowledgement of what TLS sent before it. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conn->keyx = keyx;
	conn->local = *local;
	conn->remote = *remote;
	conn->tls = credentials_tls(keyx->credentials, want ? &want->snid : NULL);
	if (conn->tls)
		conn->bev = bufferevent_openssl_socket_new(
			keyx->varpd->base, fd, conn->tls,
			want ? BUFFEREVENT_SSL_CONNECTING : BUFFEREVENT_SSL_ACCEPTING,
			BEV_OPT_CLOSE_ON_FREE);
	conn->deadline = evtimer_new(keyx->varpd->base, on_deadline, conn);
	/* Where libevent fails it has freed tls, but has not closed fd. */
	if (!conn->bev)
		close(fd);
	if (!conn->bev || !conn->deadline || evtimer_add(conn->deadline, &deadline)) {
		keyx_conn_free(conn);
		return NULL;
	}
	conn->want = want;
	bufferevent_openssl_set_allow_dirty_shutdown(conn->bev, 1);
	bufferevent_setwatermark(conn->bev, EV_READ, 0, want ? KEYX_ANSWER_MAX : KEYX_REQUEST_LEN);
	bufferevent_setcb(conn->bev, on_read, on_written, on_event, conn);
	if (bufferevent_enable(conn->bev, EV_READ | EV_WRITE)) {
		conn->want = NULL;
		keyx_conn_free(conn);
		return NULL;
	}
	return conn;
}

/* --- Keys --- */

int keyx_conn_export(struct keyx_conn *conn, struct varp_session *session)
{
	uint8_t context[sizeof(session->snid) + 8 + 2 * sizeof(struct varp_addr)];
	uint8_t keys[2 * KEY_LEN], *at = context;
	int good;

	memcpy(at, &session->snid, sizeof(session->snid));
	at += sizeof(session->snid);
	for (int i = 0; i < 8; i++)
		*at++ = session->id >> (56 - 8 * i);
	memcpy(at, &session->client, sizeof(session->client));
	memcpy(at + sizeof(session->client), &session->server, sizeof(session->server));
	good = SSL_export_keying_material(conn->tls, keys, sizeof(keys), LABEL, strlen(LABEL),
					  context, sizeof(context), 1);
	if (good == 1) {
		memcpy(session->key_request, keys, KEY_LEN);
		memcpy(session->key_answer, keys + KEY_LEN, KEY_LEN);
	}
	OPENSSL_cleanse(keys, sizeof(keys));
	return good == 1 ? 0 : -EPROTO;
}

/* --- For people --- */

char *keyx_conn_peer(const struct keyx_conn *conn, char *out, size_t len)
{
	char name[128], addr[VARP_ADDR_TEXT];

	credentials_peer_name(conn->tls, name, sizeof(name));
	varp_addr_format(&conn->remote, addr);
	snprintf(out, len, *name ? "%s (%s)" : "%s", addr, name);
	return out;
}
