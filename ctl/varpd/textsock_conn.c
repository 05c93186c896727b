// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connections of the text sockets, plain and over TLS.
 *
 * Nothing that a peer does makes a connection cost more than its struct, one unfinished command and
 * TEXTSOCK_OUTPUT_MAX of answers: octets are looked at in the kernel's buffer (MSG_PEEK) and taken
 * from there only as far as they were understood. TLS adds the one record that is being read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "textsock_internal.h"

#define STALL_S		30	/* a peer that takes no answers for so long is given up */
#define RECORDS		16	/* of TLS that are read in one turn of the loop */

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
void text_conn_close(struct text_conn *conn)
{
	if (conn->dead)
		return;
	conn->dead = true;
	unlink_conn(conn);
	conn->side->count--;
	free_event(conn->read);
	free_event(conn->write);
	free_event(conn->deadline);
	if (conn->tls)
		text_tls_end(conn->tls);
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
		if ((conn->tls ? text_tls_write(conn->tls, conn->out)
			       : evbuffer_write(conn->out, conn->fd)) > 0)
			continue;
		if (errno == EAGAIN) {
			event_add(conn->write, &stall);
			return true;
		}
		text_conn_close(conn);
		return false;
	}
	return true;
}

/* What TLS has taken from the socket already wakes nobody. */
static void read_on(struct text_conn *conn)
{
	event_add(conn->read, NULL);
	if (conn->tls && SSL_pending(conn->tls))
		event_active(conn->read, EV_READ, 0);
}

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!memchr(" \t\r", text[i], 3))
			return false;
	return true;
}

/* The last command may have been cut off anywhere, so it is not executed; who sent it learns that. */
static void refuse_unterminated(struct text_conn *conn)
{
	static const char refusal[] = "ERR unterminated the last command has no line end, so it was "
				      "not executed\n";
	struct varp_command_reader *reader = &conn->reader;

	if (reader->complete || is_blank(reader->line, reader->len))
		return;
	varp_command_reader_init(reader);
	evbuffer_add(conn->out, refusal, sizeof(refusal) - 1);
	audit_command(&conn->audit, "unreadable command", NULL, "unterminated");
}

void text_conn_answered(struct text_conn *conn)
{
	if (conn->dead) {
		free_conn(conn);
		return;
	}
	if (conn->eof)
		refuse_unterminated(conn);
	if (!flush_output(conn))
		return;
	if (conn->eof && !evbuffer_get_length(conn->out))
		text_conn_close(conn);
	else if (!conn->eof && pending_output(conn) < TEXTSOCK_OUTPUT_MAX)
		read_on(conn);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct text_conn *conn = ctx;

	(void)fd;
	if (what & EV_TIMEOUT)
		text_conn_close(conn);
	else if (!conn->queued)
		text_conn_answered(conn);
	else
		flush_output(conn);
}

/*
 * A browser can be made to send what somebody wants to a loopback port, as its own user: the body
 * of a request is then lines of commands. What an HTTP request begins with ends the connection.
 */
static bool is_http(const struct text_conn *conn)
{
	static const char *const beginnings[] = {
		"GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "DELETE ", "PATCH ", "CONNECT ",
		"TRACE ", "Host:",
	};
	const char *line = conn->reader.line;

	/* Nobody's browser opens unix sockets. */
	for (size_t i = 0; !conn->local && i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		size_t len = strlen(beginnings[i]);

		if (conn->reader.len >= len && !strncasecmp(line, beginnings[i], len))
			return true;
	}
	return false;
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
		conn->http = is_http(conn);
		if (conn->http)
			break;
		text_batch_add(conn, what == VARP_COMMAND_READ_TOO_LONG);
	}
	return data - start;
}

static ssize_t peek(const struct text_conn *conn)
{
	struct textsock *textsock = conn->side->textsock;

	if (conn->tls)
		return text_tls_peek(conn->tls, textsock->buffer, sizeof(textsock->buffer));
	return recv(conn->fd, textsock->buffer, sizeof(textsock->buffer), MSG_PEEK | MSG_DONTWAIT);
}

static bool take(const struct text_conn *conn, size_t used)
{
	char *buffer = conn->side->textsock->buffer;

	if (conn->tls)
		return text_tls_take(conn->tls, buffer, used);
	/* TCP throws octets away without copying them. */
	return recv(conn->fd, conn->local ? buffer : NULL, used,
		    (conn->local ? 0 : MSG_TRUNC) | MSG_DONTWAIT) == (ssize_t)used;
}

/* What recv() would have returned: zero at the end, -1 with errno. */
static ssize_t read_commands(struct text_conn *conn)
{
	unsigned int rounds = conn->tls ? RECORDS : 1;
	ssize_t len;
	size_t used;

	do {
		len = peek(conn);
		if (len <= 0)
			return len;
		used = take_commands(conn, conn->side->textsock->buffer, len);
		if (conn->http)
			audit_command(&conn->audit, "connection", NULL,
				      "HTTP, by a browser perhaps");
		if (conn->http || !take(conn, used)) {
			errno = EPROTO;
			return -1;
		}
	} while (--rounds && used == (size_t)len);
	return len;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct text_conn *conn = ctx;
	ssize_t len = read_commands(conn);

	(void)fd;
	(void)what;
	if (len < 0 && errno != EAGAIN && errno != EINTR) {
		text_conn_close(conn);
		return;
	}
	if (len < 0 && !conn->queued)
		return;
	unlink_conn(conn);
	link_newest(conn);
	if (!len) {
		conn->eof = true;
		event_del(conn->read);
		if (!conn->queued)
			text_conn_answered(conn);
		return;
	}
	/* Answers are in order, and a batch is not too large: wait until this one has run. */
	if (conn->queued)
		event_del(conn->read);
	else
		read_on(conn);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	text_conn_close(ctx);
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

static struct text_conn *new_conn(struct textsock_side *side, int fd, const struct text_tls *tls)
{
	struct text_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->side = side;
	conn->fd = fd;
	if (tls) {
		conn->tls = tls->tls;
		conn->identity = tls->identity;
		conn->peer = tls->peer;
	}
	return conn;
}

void text_conn_open(struct textsock_side *side, int fd, const struct text_tls *tls)
{
	struct text_conn *conn = new_conn(side, fd, tls);

	if (!conn || !text_access_admit(conn)) {
		if (conn)
			free_conn(conn);
		if (tls)
			text_tls_end(tls->tls);
		close(fd);
		return;
	}
	while (side->count && side->count >= connection_limit(side))
		text_conn_close(side->oldest);
	link_newest(conn);
	side->count++;
	if (start_conn(conn, side->textsock->varpd->base))
		text_conn_close(conn);
}

void text_conn_sweep(struct textsock_side *side)
{
	const struct credentials *credentials = side->textsock->varpd->credentials;
	struct text_conn *conn, *newer;

	for (conn = side->oldest; conn; conn = newer) {
		newer = conn->next;
		if (!conn->tls ||
		    credentials_still(credentials, NULL, &conn->identity, time(NULL)))
			continue;
		audit_command(&conn->audit, "connection", NULL,
			      "its certificate does not hold any more");
		text_conn_close(conn);
	}
}
