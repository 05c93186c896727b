// SPDX-License-Identifier: BSD-2-Clause
/*
 * Listeners and connections of the text sockets.
 *
 * Nothing that a peer does makes a connection cost more than its struct, one unfinished command and
 * TEXTSOCK_OUTPUT_MAX of answers: octets are looked at in the kernel's buffer (MSG_PEEK) and taken
 * from there only as far as they were understood.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "textsock_internal.h"

#define STALL_S		30	/* a peer that takes no answers for so long is given up */
#define PAUSE_MS	100	/* of accepting, after descriptors ran out */

/* --- Connections --- */

static void unlink_conn(struct text_conn *conn)
{
	struct textsock_side *side = conn->side;

	*(conn->prev ? &conn->prev->next : &side->oldest) = conn->next;
	*(conn->next ? &conn->next->prev : &side->newest) = conn->prev;
	conn->prev = conn->next = NULL;
}

static void link_newest(struct text_conn *conn)
{
	struct textsock_side *side = conn->side;

	conn->prev = side->newest;
	conn->next = NULL;
	*(side->newest ? &side->newest->next : &side->oldest) = conn;
	side->newest = conn;
}

static void free_conn(struct text_conn *conn)
{
	audit_end(&conn->audit);
	if (conn->out)
		evbuffer_free(conn->out);
	free(conn);
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

/* Commands that are complete are still executed; nobody is left to be told. */
static void close_conn(struct text_conn *conn)
{
	if (conn->dead)
		return;
	conn->dead = true;
	unlink_conn(conn);
	conn->side->count--;
	free_event(conn->read);
	free_event(conn->write);
	free_event(conn->deadline);
	close(conn->fd);
	if (!conn->queued)
		free_conn(conn);
}

static size_t pending_output(const struct text_conn *conn)
{
	return evbuffer_get_length(conn->out) + conn->answer_octets;
}

/* False if the connection has been closed. */
static bool flush_output(struct text_conn *conn)
{
	static const struct timeval stall = { .tv_sec = STALL_S };

	while (evbuffer_get_length(conn->out)) {
		if (evbuffer_write(conn->out, conn->fd) > 0)
			continue;
		if (errno == EAGAIN) {
			event_add(conn->write, &stall);
			return true;
		}
		close_conn(conn);
		return false;
	}
	return true;
}

void text_conn_answered(struct text_conn *conn)
{
	if (conn->dead) {
		free_conn(conn);
		return;
	}
	if (!flush_output(conn))
		return;
	if (conn->eof && !evbuffer_get_length(conn->out))
		close_conn(conn);
	else if (!conn->eof && pending_output(conn) < TEXTSOCK_OUTPUT_MAX)
		event_add(conn->read, NULL);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct text_conn *conn = ctx;

	(void)fd;
	if (what & EV_TIMEOUT)
		close_conn(conn);
	else if (!conn->queued)
		text_conn_answered(conn);
	else
		flush_output(conn);
}

/* Takes commands from data until the answers owed are enough, or the batch is; returns how much of
 * it was used. */
static size_t take_commands(struct text_conn *conn, const char *data, size_t len)
{
	const struct textsock *textsock = conn->side->textsock;
	const char *start = data;

	while (len && pending_output(conn) < TEXTSOCK_OUTPUT_MAX &&
	       textsock->count < TEXTSOCK_BATCH_MAX) {
		enum varp_command_read what = varp_command_reader_next(&conn->reader, &data, &len);

		if (what == VARP_COMMAND_READ_MORE)
			break;
		text_batch_add(conn, what == VARP_COMMAND_READ_TOO_LONG);
	}
	return data - start;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct text_conn *conn = ctx;
	struct textsock *textsock = conn->side->textsock;
	ssize_t len = recv(fd, textsock->buffer, sizeof(textsock->buffer), MSG_PEEK | MSG_DONTWAIT);
	size_t used;

	(void)what;
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len < 0) {
		close_conn(conn);
		return;
	}
	unlink_conn(conn);
	link_newest(conn);
	if (!len) {
		conn->eof = true;
		event_del(conn->read);
		if (!conn->queued)
			text_conn_answered(conn);
		return;
	}
	used = take_commands(conn, textsock->buffer, len);
	/* TCP throws octets away without copying them. */
	if (recv(fd, conn->local ? textsock->buffer : NULL, used,
		 (conn->local ? 0 : MSG_TRUNC) | MSG_DONTWAIT) != (ssize_t)used) {
		close_conn(conn);
		return;
	}
	/* Answers are in order, and a batch is not too large: wait until this one has run. */
	if (conn->queued)
		event_del(conn->read);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	close_conn(ctx);
}

static int start_conn(struct text_conn *conn, struct event_base *base)
{
	static const struct timeval life = { .tv_sec = VARPDB_TTL_CLT_PORT_ACCESS };

	varp_command_reader_init(&conn->reader);
	conn->out = evbuffer_new();
	conn->read = event_new(base, conn->fd, EV_READ | EV_PERSIST, on_readable, conn);
	conn->write = event_new(base, conn->fd, EV_WRITE, on_writable, conn);
	if (!conn->out || !conn->read || !conn->write || event_add(conn->read, NULL))
		return -ENOMEM;
	if (conn->side->source != VARP_COMMAND_FROM_CLIENT)
		return 0;
	conn->deadline = evtimer_new(base, on_deadline, conn);
	return conn->deadline && !event_add(conn->deadline, &life) ? 0 : -ENOMEM;
}

/* --- Listeners --- */

/* Each socket may have a third of the descriptors, so that the rest of varpd is never without. */
static unsigned int connection_limit(const struct textsock_side *side)
{
	unsigned int limit = side->textsock->varpd->config.max_connections;
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur != RLIM_INFINITY &&
	    files.rlim_cur / 3 < limit)
		limit = files.rlim_cur / 3;
	return limit ? limit : 1;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
		      int len, void *ctx)
{
	struct textsock_side *side = ctx;
	struct text_conn *conn;

	(void)listener;
	(void)addr;
	(void)len;
	conn = calloc(1, sizeof(*conn));
	if (!conn) {
		close(fd);
		return;
	}
	conn->side = side;
	conn->fd = fd;
	if (!text_access_admit(conn)) {
		free_conn(conn);
		close(fd);
		return;
	}
	while (side->count && side->count >= connection_limit(side))
		close_conn(side->oldest);
	link_newest(conn);
	side->count++;
	if (start_conn(conn, side->textsock->varpd->base))
		close_conn(conn);
}

static void on_resume(evutil_socket_t fd, short what, void *ctx)
{
	struct textsock_side *side = ctx;

	(void)fd;
	(void)what;
	evconnlistener_enable(side->local);
	if (side->listener)
		evconnlistener_enable(side->listener);
}

/* Out of descriptors or memory: what waits in the backlog would wake us again at once and for ever.
 */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
	static const struct timeval pause = { .tv_usec = PAUSE_MS * 1000 };
	struct textsock_side *side = ctx;
	int err = errno;
	uint64_t suppressed;

	evconnlistener_disable(listener);
	event_add(side->resume, &pause);
	if (varpd_log_allowed(&side->log, 10000, &suppressed))
		varpd_log(VARPD_LOG_WARNING, "cannot accept connections of the group %s: %s",
			  side->source == VARP_COMMAND_FROM_MANAGER ? "manager" : "client",
			  strerror(err));
}

static int bind_listener(const struct config_endpoint *endpoint)
{
	int fd = socket(endpoint->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (endpoint->addr.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	err = bind(fd, (const struct sockaddr *)&endpoint->addr, endpoint->len) ? errno : 0;
	if (err == EADDRNOTAVAIL && !setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on))) {
		/* Loopback is down in a new network namespace, and other addresses may come later
		 * than varpd. */
		err = bind(fd, (const struct sockaddr *)&endpoint->addr, endpoint->len) ? errno : 0;
		if (!err)
			varpd_log(VARPD_LOG_WARNING,
				  "a text socket's address is not on this host yet: "
				  "nobody can connect until it is");
	}
	if (err) {
		close(fd);
		return -err;
	}
	return fd;
}

static int open_side(struct textsock *textsock, struct textsock_side *side,
		     enum varp_command_source source, const struct config_endpoint *endpoint,
		     struct varpd_error *error)
{
	const char *who = source == VARP_COMMAND_FROM_MANAGER ? "manager" : "client";
	char text[80];
	int fd;

	side->textsock = textsock;
	side->source = source;
	side->resume = evtimer_new(textsock->varpd->base, on_resume, side);
	if (!side->resume)
		return varpd_fail(error, -ENOMEM, "out of memory");
	fd = text_access_open(side, endpoint, on_accept, on_accept_error, error);
	if (fd || !endpoint->len)
		return fd;
	config_endpoint_format(endpoint, text, sizeof(text));
	fd = bind_listener(endpoint);
	if (fd == -EADDRINUSE)
		return varpd_fail(error, fd,
				  "TCP port of the group %s, %s, is taken by another program; stop "
				  "that or choose "
				  "--grp-%s-listen",
				  who, text, source == VARP_COMMAND_FROM_MANAGER ? "mgr" : "clt");
	if (fd < 0)
		return varpd_fail(error, fd, "cannot listen for the group %s on %s: %s", who, text,
				  strerror(-fd));
	side->listener =
		evconnlistener_new(textsock->varpd->base, on_accept, side,
				   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 1024, fd);
	if (!side->listener) {
		close(fd);
		return varpd_fail(error, -ENOMEM, "cannot listen for the group %s on %s", who,
				  text);
	}
	evconnlistener_set_error_cb(side->listener, on_accept_error);
	return 0;
}

static void close_side(struct textsock_side *side)
{
	while (side->oldest)
		close_conn(side->oldest);
	text_access_close(side);
	if (side->listener)
		evconnlistener_free(side->listener);
	free_event(side->resume);
}

static void on_execute(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	text_batch_run(ctx);
}

int textsock_open(struct textsock **out, struct varpd *varpd, struct varpd_error *error)
{
	struct textsock *textsock = calloc(1, sizeof(*textsock));
	int err;

	if (!textsock)
		return varpd_fail(error, -ENOMEM, "out of memory");
	textsock->varpd = varpd;
	textsock->items = calloc(TEXTSOCK_BATCH_MAX, sizeof(*textsock->items));
	textsock->execute = event_new(varpd->base, -1, EV_PERSIST, on_execute, textsock);
	if (!textsock->items || !textsock->execute)
		err = varpd_fail(error, -ENOMEM, "out of memory");
	else
		err = open_side(textsock, &textsock->manager, VARP_COMMAND_FROM_MANAGER,
				&varpd->config.grp_mgr_listen, error);
	if (!err)
		err = open_side(textsock, &textsock->client, VARP_COMMAND_FROM_CLIENT,
				&varpd->config.grp_clt_listen, error);
	if (err) {
		textsock_close(textsock);
		return err;
	}
	*out = textsock;
	return 0;
}

void textsock_close(struct textsock *textsock)
{
	if (!textsock)
		return;
	/* Complete commands of the last turn are still executed. */
	text_batch_run(textsock);
	close_side(&textsock->manager);
	close_side(&textsock->client);
	free_event(textsock->execute);
	free(textsock->items);
	free(textsock);
}

void textsock_count(const struct textsock *textsock, unsigned int *manager, unsigned int *client)
{
	*manager = textsock->manager.count;
	*client = textsock->client.count;
}
