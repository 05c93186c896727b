// SPDX-License-Identifier: BSD-2-Clause
/*
 * The memo's varpdb calls for programs (varp.h says what they promise), spoken to varpd over its
 * control socket.
 *
 * One connection carries questions and answers, in order; each registration has a stream of its
 * own. An epoll descriptor bundles them, so that a program polls a single one. An answer that comes
 * too late is skipped by counting: the n-th line answers the n-th request. The connection is the
 * process's, hence the one static object here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <varp/varp.h>

#include "varpdb_conn.h"
#include "varpdb_internal.h"

#define LOOKUP_WAIT_MS		10	/* for varpd, never for the network */
#define REGISTER_WAIT_MS	100
#define UNANSWERED_MAX		16	/* questions left to a varpd that stands still */

enum { STREAM_USER, STREAM_MONITOR, STREAM_COUNT };

static struct {
	char path[VARPDB_PATH_LEN];	/* empty: not chosen yet */
	int epoll;			/* -1: none */
	struct varpdb_conn query;
	struct varpdb_conn stream[STREAM_COUNT];
	varpdb_callback_t callback[STREAM_COUNT];
} db = {
	.epoll = -1,
	.query = { .fd = -1 },
	.stream = { { .fd = -1 }, { .fd = -1 } },
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int remaining_ms(int64_t deadline_ms)
{
	int64_t left = deadline_ms - now_ms();

	return left < 0 ? 0 : (int)left;
}

/* --- Connection ------------------------------------------------------------------------------- */

/*
 * varpd has gone, or talks nonsense. Callbacks stay noted: the next connection registers them
 * again.
 */
static void disconnect(void)
{
	varpdb_conn_close(&db.query);
	for (int i = 0; i < STREAM_COUNT; i++)
		varpdb_conn_close(&db.stream[i]);
}

static int watch(int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP };

	return epoll_ctl(db.epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/*
 * Best effort, as the registration itself is: without a stream there are no callbacks until the
 * next connection.
 */
static void stream_open(int which)
{
	struct varpdb_conn *conn = &db.stream[which];
	int64_t deadline_ms = now_ms() + REGISTER_WAIT_MS;
	json_t *answer;
	int err;

	if (varpdb_conn_open(conn, db.path))
		return;
	err = varpdb_conn_send(conn, "register", json_pack("{s:b}", "monitor",
							   which == STREAM_MONITOR));
	/* Once this is answered, no outcome of a lookup made from now on is missed. */
	while (!err) {
		err = varpdb_conn_receive(conn, remaining_ms(deadline_ms), &answer);
		if (!err) {
			err = json_is_true(json_object_get(answer, "ok")) ? 0 : -EPERM;
			json_decref(answer);
			break;
		}
		if (err == -EINTR)
			err = 0;
	}
	if ((err && err != -ETIMEDOUT) || watch(conn->fd))
		varpdb_conn_close(conn);
}

static int connect_all(void)
{
	int err;

	if (db.epoll < 0) {
		db.epoll = epoll_create1(EPOLL_CLOEXEC);
		if (db.epoll < 0)
			return -errno;
	}
	err = varpdb_conn_open(&db.query, db.path);
	if (err)
		return err;
	err = watch(db.query.fd);
	if (err) {
		varpdb_conn_close(&db.query);
		return err;
	}
	for (int i = 0; i < STREAM_COUNT; i++)
		if (db.callback[i])
			stream_open(i);
	return 0;
}

static int ensure_open(void)
{
	if (varpdb_conn_is_open(&db.query))
		return 0;
	if (!db.path[0])
		return varpdb_open(NULL);
	return connect_all();
}

int varpdb_open(const char *instance)
{
	char path[VARPDB_PATH_LEN];
	int err;

	if (varpdb_conn_is_open(&db.query))
		return -EISCONN;
	err = varpdb_conn_path(instance ? instance : VARPDB_INSTANCE_DEFAULT, path);
	if (err)
		return err;
	memcpy(db.path, path, sizeof(path));
	return connect_all();
}

void varpdb_close(void)
{
	disconnect();
	if (db.epoll >= 0)
		close(db.epoll);
	db.epoll = -1;
	db.path[0] = '\0';
	memset(db.callback, 0, sizeof(db.callback));
}

int varpdb_fd(void)
{
	return varpdb_conn_is_open(&db.query) ? db.epoll : -ENOTCONN;
}

/* --- Questions -------------------------------------------------------------------------------- */

/*
 * Takes answers that nobody waits for any more. 0, or a negative errno when the connection is of no
 * more use.
 */
static int skip_late_answers(void)
{
	json_t *answer;
	int err = 0;

	while (!err) {
		err = varpdb_conn_receive(&db.query, 0, &answer);
		if (!err)
			json_decref(answer);
	}
	return err == -ETIMEDOUT || err == -EINTR ? 0 : err;
}

/* One question and its answer, whole. args is dropped in any case. */
static int ask(const char *command, json_t *args, int timeout_ms, json_t **out)
{
	int64_t deadline_ms = now_ms() + timeout_ms;
	int err = 0;

	if (db.query.sent - db.query.received >= UNANSWERED_MAX) {
		err = skip_late_answers();
		if (!err && db.query.sent - db.query.received >= UNANSWERED_MAX)
			err = -EAGAIN;
	}
	if (err) {
		json_decref(args);
		return err;
	}
	err = varpdb_conn_send(&db.query, command, args);
	if (err)
		return err;
	for (;;) {
		err = varpdb_conn_receive(&db.query, remaining_ms(deadline_ms), out);
		if (err == -EINTR)
			continue;
		if (err || db.query.received == db.query.sent)
			return err;
		json_decref(*out);
	}
}

static bool is_gone(int err)
{
	return err == -ECONNRESET || err == -EPIPE || err == -EPROTO;
}

int varpdb_ask(const char *command, json_t *args, int timeout_ms, json_t **out)
{
	int err = -ENOMEM;

	for (int attempt = 0; args && attempt < 2; attempt++) {
		err = ensure_open();
		if (err)
			break;
		err = ask(command, json_incref(args), timeout_ms, out);
		if (!is_gone(err))
			break;
		disconnect();
	}
	json_decref(args);
	return err;
}

int varpdb_addr_from_json(const json_t *text, struct in6_addr *addr)
{
	return json_is_string(text) ? varp_addr_from_text(json_string_value(text), addr) : -EINVAL;
}

json_t *varpdb_vnode_to_json(const vnode_t *vnode)
{
	char snid[VARP_SNID_STRLEN], vaddr[VARP_ADDR_STRLEN];

	return json_pack("{s:s, s:s}", "snid", varp_snid_to_text(&vnode->vid, snid),
			 "vaddr", varp_addr_to_text(&vnode->vaddr, vaddr));
}

void varpdb_lookup(vnode_t *vnodep, vstatus_t *statusp)
{
	const char *state;
	json_t *answer, *result;

	*statusp = VARPDB_MISS;
	if (varpdb_ask("lookup", varpdb_vnode_to_json(vnodep), LOOKUP_WAIT_MS, &answer))
		return;
	result = json_object_get(answer, "result");
	state = json_string_value(json_object_get(result, "state"));
	if (state && !strcmp(state, "hit") &&
	    !varpdb_addr_from_json(json_object_get(result, "raddr"), &vnodep->raddr))
		*statusp = VARPDB_HIT;
	else if (state && !strcmp(state, "notknown"))
		*statusp = VARPDB_NOTKNOWN;
	json_decref(answer);
}

/* --- Callbacks -------------------------------------------------------------------------------- */

static void set_callback(int which, varpdb_callback_t callback)
{
	bool was_open = varpdb_conn_is_open(&db.query);

	db.callback[which] = callback;
	if (!callback) {
		varpdb_conn_close(&db.stream[which]);
		return;
	}
	/* A connection made just now has opened the stream with it. */
	if (!ensure_open() && was_open && !varpdb_conn_is_open(&db.stream[which]))
		stream_open(which);
}

void varpdb_register(varpdb_callback_t callback)
{
	set_callback(STREAM_USER, callback);
}

void varpdb_mon_register(varpdb_callback_t callback)
{
	set_callback(STREAM_MONITOR, callback);
}

void varpdb_unregister(varpdb_callback_t callback)
{
	for (int i = 0; i < STREAM_COUNT; i++)
		if (callback ? db.callback[i] == callback : i == STREAM_USER)
			set_callback(i, NULL);
}

/* Calls back with one line of a stream. Returns how many callbacks ran. */
static int deliver(int which, const json_t *event)
{
	const char *snid = json_string_value(json_object_get(event, "snid"));
	const char *state = json_string_value(json_object_get(event, "state"));
	vstatus_t status = VARPDB_MISS;
	vnode_t vnode = { 0 };

	/* The answer to the registration itself has no state. */
	if (!state || !snid || varp_snid_from_text(snid, &vnode.vid) ||
	    varpdb_addr_from_json(json_object_get(event, "vaddr"), &vnode.vaddr))
		return 0;
	if (!strcmp(state, "hit")) {
		if (varpdb_addr_from_json(json_object_get(event, "raddr"), &vnode.raddr))
			return 0;
		status = VARPDB_HIT;
	}
	if (!db.callback[which])
		return 0;
	db.callback[which](&vnode, &status);
	return 1;
}

/*
 * Delivers everything that has arrived. A callback may make any call of this interface,
 * varpdb_close() included: nothing is held across it, and a closed connection yields -ENOTCONN.
 */
static int deliver_all(void)
{
	json_t *event;
	int ran = 0, err = skip_late_answers();

	for (int i = 0; i < STREAM_COUNT && !is_gone(err); i++) {
		err = 0;
		while (!err && varpdb_conn_is_open(&db.stream[i])) {
			err = varpdb_conn_receive(&db.stream[i], 0, &event);
			if (err)
				break;
			ran += deliver(i, event);
			json_decref(event);
		}
	}
	if (is_gone(err))
		disconnect();
	return ran || !is_gone(err) ? ran : -ECONNRESET;
}

int varpdb_dispatch(int timeout_ms)
{
	int64_t deadline_ms = timeout_ms < 0 ? 0 : now_ms() + timeout_ms;
	struct epoll_event events[STREAM_COUNT + 1];
	int err, ran, n;

	err = ensure_open();
	if (err)
		return err;
	for (;;) {
		ran = deliver_all();
		if (ran)
			return ran;
		n = epoll_wait(db.epoll, events, STREAM_COUNT + 1,
			       timeout_ms < 0 ? -1 : remaining_ms(deadline_ms));
		/* A signal: the program may want to look at what it set. */
		if (n <= 0)
			return n && errno != EINTR ? -errno : 0;
	}
}
