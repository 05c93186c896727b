// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connections of the control socket: lines in, lines out. A request is only taken when its
 * predecessor has been answered and the peer has read; so no peer makes the daemon hold more than
 * one request and CONTROL_OUTPUT_MAX of answers.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/listener.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#include "control_internal.h"
#include "instance.h"
#include "log.h"

#define CONNECTIONS_MAX	512
#define STALL_S		30	/* without taking answers: given up; watchers lose events */
#define LOW_WATER	(16 * 1024)

struct control {
	struct varpd *varpd;
	struct evconnlistener *listener;
	struct event *resume;
	struct control_conn *conns;
	unsigned int count;
	struct varpd_log_limit log;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* --- Ends --- */

static void end_watching(struct control_conn *conn)
{
	if (conn->subscribed)
		monitor_unsubscribe(conn->varpd->monitor, &conn->subscriber);
	if (conn->listening)
		resolve_unlisten(conn->varpd->resolve, &conn->listener);
	conn->subscribed = conn->listening = false;
}

static void end_waiting(struct control_conn *conn)
{
	resolve_cancel(conn->varpd->resolve, &conn->wait);
	if (conn->timeout)
		event_free(conn->timeout);
	if (conn->again)
		event_free(conn->again);
	conn->timeout = conn->again = NULL;
}

static void free_conn(struct control_conn *conn)
{
	struct control *control = conn->control;

	end_watching(conn);
	end_waiting(conn);
	audit_end(&conn->audit);
	DL_DELETE(control->conns, conn);
	control->count--;
	if (conn->bev)
		bufferevent_free(conn->bev);
	if (conn->kick)
		event_free(conn->kick);
	free(conn);
}

/* Frees later, since the caller may be anybody. */
static void close_conn(struct control_conn *conn)
{
	conn->dead = true;
	event_active(conn->kick, 0, 0);
}

/* --- Writing --- */

size_t control_pending(const struct control_conn *conn)
{
	return evbuffer_get_length(bufferevent_get_output(conn->bev));
}

bool control_is_gone(const struct control_conn *conn)
{
	struct pollfd fd = { .fd = bufferevent_getfd(conn->bev) };

	return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR));
}

void control_write(struct control_conn *conn, const char *line, size_t len)
{
	bufferevent_write(conn->bev, line, len);
}

void control_write_json(struct control_conn *conn, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	if (!text) {
		close_conn(conn);
		return;
	}
	control_write(conn, text, strlen(text));
	control_write(conn, "\n", 1);
	free(text);
}

void control_reply(struct control_conn *conn, int status, json_t *result,
		   const struct varpd_error *error)
{
	if (status == CONTROL_OK)
		control_write_json(conn, json_pack("{s:b, s:o}", "ok", 1,
						   "result", result ? result : json_null()));
	else
		control_write_json(conn, json_pack("{s:b, s:i, s:o}", "ok", 0, "status", status,
						   "error", control_json_text(error->text)));
}

void control_answer(struct control_conn *conn, int status, json_t *result,
		    const struct varpd_error *error)
{
	end_waiting(conn);
	control_reply(conn, status, result, error);
	conn->state = CONTROL_IDLE;
	event_active(conn->kick, 0, 0);
}

static void write_stream_begin(struct control_conn *conn)
{
	control_write_json(conn, json_pack("{s:b, s:b}", "ok", 1, "stream", 1));
}

static void pump(struct control_conn *conn)
{
	while (!conn->dead && conn->state == CONTROL_STREAMING &&
	       control_pending(conn) < CONTROL_OUTPUT_MAX) {
		if (conn->more(conn))
			continue;
		conn->state = CONTROL_IDLE;
		control_write_json(conn, json_pack("{s:b}", "end", 1));
	}
}

void control_stream(struct control_conn *conn, bool (*more)(struct control_conn *conn))
{
	conn->more = more;
	conn->started = false;
	memset(&conn->cursor, 0, sizeof(conn->cursor));
	conn->state = CONTROL_STREAMING;
	write_stream_begin(conn);
}

void control_watch(struct control_conn *conn)
{
	conn->state = CONTROL_WATCHING;
	conn->lost = 0;
	bufferevent_set_timeouts(conn->bev, NULL, NULL);
	write_stream_begin(conn);
}

/* --- Requests --- */

static void take_requests(struct control_conn *conn)
{
	struct evbuffer *in = bufferevent_get_input(conn->bev);
	static const struct varpd_error too_long = { "request is too long" };
	size_t len;
	char *line;

	while (!conn->dead && conn->state == CONTROL_IDLE &&
	       control_pending(conn) < CONTROL_OUTPUT_MAX) {
		line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
		if (!line && evbuffer_get_length(in) >= CONTROL_REQUEST_MAX) {
			control_reply(conn, CONTROL_FAILED, NULL, &too_long);
			evbuffer_drain(in, evbuffer_get_length(in));
			bufferevent_disable(conn->bev, EV_READ);
			conn->eof = true;
		}
		if (!line)
			break;
		if (len)
			control_execute(conn, line, len);
		free(line);
		pump(conn);
	}
	if (conn->eof && conn->state == CONTROL_IDLE && !control_pending(conn) && !conn->dead)
		close_conn(conn);
}

static void on_kick(evutil_socket_t fd, short what, void *ctx)
{
	struct control_conn *conn = ctx;

	(void)fd;
	(void)what;
	if (conn->dead)
		free_conn(conn);
	else
		take_requests(conn);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct control_conn *conn = ctx;

	/* A watcher has nothing more to say; what it sends must not pile up. */
	if (conn->state == CONTROL_WATCHING)
		evbuffer_drain(bufferevent_get_input(bev),
			       evbuffer_get_length(bufferevent_get_input(bev)));
	else
		take_requests(conn);
}

static void tell_lost(struct control_conn *conn)
{
	if (!conn->lost)
		return;
	control_write_json(conn, json_pack("{s:s, s:I}", "event", "lost",
					   "count", (json_int_t)conn->lost));
	conn->lost = 0;
}

static void on_write(struct bufferevent *bev, void *ctx)
{
	struct control_conn *conn = ctx;

	(void)bev;
	if (conn->dead)
		return;
	pump(conn);
	if (conn->state == CONTROL_WATCHING)
		tell_lost(conn);
	else
		take_requests(conn);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	static const struct varpd_error gone = { "nobody waits for the answer" };
	struct control_conn *conn = ctx;

	(void)bev;
	if (!(what & BEV_EVENT_EOF) || conn->state == CONTROL_WATCHING) {
		close_conn(conn);
		return;
	}
	conn->eof = true;
	if (conn->state == CONTROL_WAITING && control_is_gone(conn))
		control_answer(conn, CONTROL_FAILED, NULL, &gone);
	else
		take_requests(conn);
}

/* --- Listener --- */

/* Whoever connects learns why instead of finding the connection closed. */
static void refuse(int fd)
{
	static const char answer[] =
		"{\"ok\":false,\"status\":2,\"error\":\"too many control connections are open\"}\n";

	send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
		      int len, void *ctx)
{
	static const struct timeval stall = { .tv_sec = STALL_S };
	struct control *control = ctx;
	struct control_conn *conn =
		control->count < CONNECTIONS_MAX ? calloc(1, sizeof(*conn)) : NULL;

	(void)listener, (void)addr, (void)len;
	if (conn) {
		conn->varpd = control->varpd;
		peer_of(fd, &conn->peer);
	}
	if (!conn || control_is_crowding(control->conns, conn)) {
		free(conn);
		refuse(fd);
		return;
	}
	conn->control = control;
	audit_begin(control->varpd->audit, &conn->audit, "control", conn->peer.text);
	DL_APPEND(control->conns, conn);
	control->count++;
	conn->kick = event_new(control->varpd->base, -1, EV_PERSIST, on_kick, conn);
	conn->bev = bufferevent_socket_new(control->varpd->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!conn->kick || !conn->bev) {
		if (!conn->bev)
			close(fd);
		free_conn(conn);
		return;
	}
	bufferevent_setcb(conn->bev, on_read, on_write, on_event, conn);
	bufferevent_setwatermark(conn->bev, EV_READ, 0, CONTROL_REQUEST_MAX);
	bufferevent_setwatermark(conn->bev, EV_WRITE, LOW_WATER, 0);
	bufferevent_set_timeouts(conn->bev, NULL, &stall);
	bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
}

static void on_resume(evutil_socket_t fd, short what, void *ctx)
{
	struct control *control = ctx;

	(void)fd;
	(void)what;
	evconnlistener_enable(control->listener);
}

static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
	static const struct timeval pause = { .tv_usec = 100000 };
	struct control *control = ctx;
	int err = errno;

	evconnlistener_disable(listener);
	event_add(control->resume, &pause);
	varpd_log_limited(&control->log, 10000, VARPD_LOG_WARNING,
			  "cannot accept control connections: %s", strerror(err));
}

static int listen_at(struct control *control, struct varpd_error *error)
{
	int fd;

	snprintf(control->path, sizeof(control->path), "%s/%s/%s", CONTROL_RUN_DIR,
		 control->varpd->config.instance, CONTROL_SOCKET);
	fd = instance_bind(control->path, 0666, error);	/* each request is checked for its sender */
	if (fd < 0)
		return fd;
	control->listener = evconnlistener_new(control->varpd->base, on_accept, control,
					       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
					       CONNECTIONS_MAX, fd);
	if (!control->listener) {
		close(fd);
		return varpd_fail(error, -ENOMEM, "cannot listen on %s", control->path);
	}
	evconnlistener_set_error_cb(control->listener, on_accept_error);
	return 0;
}

int control_open(struct control **out, struct varpd *varpd, struct varpd_error *error)
{
	struct control *control = calloc(1, sizeof(*control));
	int err;

	if (!control)
		return varpd_fail(error, -ENOMEM, "out of memory");
	control->varpd = varpd;
	control->resume = evtimer_new(varpd->base, on_resume, control);
	err = control->resume ? listen_at(control, error)
			      : varpd_fail(error, -ENOMEM, "out of memory");
	if (err) {
		control_close(control);
		return err;
	}
	*out = control;
	return 0;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	while (control->conns)
		free_conn(control->conns);
	if (control->listener) {
		evconnlistener_free(control->listener);
		unlink(control->path);
	}
	if (control->resume)
		event_free(control->resume);
	free(control);
}

unsigned int control_count(const struct control *control)
{
	return control->count;
}
