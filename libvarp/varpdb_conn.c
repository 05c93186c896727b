// SPDX-License-Identifier: BSD-2-Clause
/*
 * The control socket's client side, see varpdb_conn.h. The socket never blocks; waiting is done in
 * poll() with a deadline, so that a stopped daemon cannot hold up who asked.
 */
#include "varpdb_conn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RUN_DIR		"/run/varp"
#define SOCKET_NAME	"control.sock"
#define INSTANCE_MAX	48
#define REQUEST_MAX	4096		/* octets that varpd takes, with the line break */
#define LINE_MAX_LEN	(64u << 20)	/* octets; a line of this length is a broken peer */
#define READ_LEN	16384

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == VARPDB_PATH_LEN, "path fits");

int varpdb_conn_path(const char *instance, char path[VARPDB_PATH_LEN])
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t len = strlen(instance);

	if (!len || len > INSTANCE_MAX || strspn(instance, allowed) != len ||
	    instance[0] == '.' || instance[0] == '-')
		return -EINVAL;
	snprintf(path, VARPDB_PATH_LEN, "%s/%s/%s", RUN_DIR, instance, SOCKET_NAME);
	return 0;
}

int varpdb_conn_open(struct varpdb_conn *conn, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		close(fd);
		return err;
	}
	*conn = (struct varpdb_conn){ .fd = fd };
	return 0;
}

void varpdb_conn_close(struct varpdb_conn *conn)
{
	if (conn->fd >= 0)
		close(conn->fd);
	free(conn->data);
	*conn = VARPDB_CONN_INIT;
}

int varpdb_conn_send(struct varpdb_conn *conn, const char *command, json_t *args)
{
	json_t *request = json_pack("{s:s, s:o}", "command", command, "args",
				    args ? args : json_object());
	char line[REQUEST_MAX];
	size_t len;
	ssize_t n;

	if (!request)
		return -ENOMEM;
	len = json_dumpb(request, line, sizeof(line) - 1, JSON_COMPACT);
	json_decref(request);
	if (!len)
		return -ENOMEM;
	if (len > sizeof(line) - 1)
		return -EMSGSIZE;
	if (conn->fd < 0)
		return -ENOTCONN;
	line[len++] = '\n';

	n = send(conn->fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	/* A request is smaller than one socket buffer: the kernel takes all of it or nothing. */
	if ((size_t)n != len)
		return -EPIPE;
	conn->sent++;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Moves what is left to the front and makes room for another read. */
static int make_room(struct varpdb_conn *conn)
{
	size_t cap = conn->cap ? conn->cap : READ_LEN;
	char *data;

	if (conn->start) {
		memmove(conn->data, conn->data + conn->start, conn->end - conn->start);
		conn->end -= conn->start;
		conn->scanned -= conn->start;
		conn->start = 0;
	}
	if (conn->cap && conn->end < conn->cap)
		return 0;
	while (conn->end >= cap)
		cap *= 2;
	if (cap > LINE_MAX_LEN)
		return -EPROTO;
	data = realloc(conn->data, cap);
	if (!data)
		return -ENOMEM;
	conn->data = data;
	conn->cap = cap;
	return 0;
}

/* 0 when octets came. */
static int fill(struct varpdb_conn *conn, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = conn->fd, .events = POLLIN };
	int64_t left = -1;
	ssize_t n;
	int err;

	err = make_room(conn);
	if (err)
		return err;
	for (;;) {
		n = recv(conn->fd, conn->data + conn->end, conn->cap - conn->end, MSG_DONTWAIT);
		if (n > 0)
			break;
		if (!n)
			return -ECONNRESET;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (deadline_ms >= 0) {
			left = deadline_ms - now_ms();
			if (left < 0)
				left = 0;
		}
		n = poll(&pfd, 1, (int)left);
		if (n < 0)
			return -errno;
		if (!n)
			return -ETIMEDOUT;
	}
	conn->end += (size_t)n;
	return 0;
}

int varpdb_conn_receive(struct varpdb_conn *conn, int timeout_ms, json_t **out)
{
	int64_t deadline_ms = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	char *line, *eol;
	int err;

	if (conn->fd < 0)
		return -ENOTCONN;
	for (;;) {
		eol = conn->end > conn->scanned ?
			memchr(conn->data + conn->scanned, '\n', conn->end - conn->scanned) : NULL;
		if (eol)
			break;
		conn->scanned = conn->end;
		err = fill(conn, deadline_ms);
		if (err)
			return err;
	}
	line = conn->data + conn->start;
	*out = json_loadb(line, (size_t)(eol - line), 0, NULL);
	conn->start = conn->scanned = (size_t)(eol + 1 - conn->data);
	conn->received++;
	if (!json_is_object(*out)) {
		json_decref(*out);
		return -EPROTO;
	}
	return 0;
}
