/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to the control socket of a varpd: JSON objects, one per line, each way. Used by the
 * varpdb calls (varpdb.c) and by varpctl; knows nothing of what the commands mean.
 *
 * Never blocks longer than it was told, raises no signals, starts no threads, prints nothing.
 */
#ifndef LIBVARP_VARPDB_CONN_H
#define LIBVARP_VARPDB_CONN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VARPDB_PATH_LEN		108	/* sun_path */
#define VARPDB_INSTANCE_DEFAULT	"default"

struct varpdb_conn {
	int fd;			/* -1: closed */
	char *data;		/* received, not yet taken: data[start..end) */
	size_t start;
	size_t end;
	size_t cap;
	size_t scanned;		/* data[start..scanned) holds no line break */
	uint64_t sent;		/* requests */
	uint64_t received;	/* lines */
};

#define VARPDB_CONN_INIT	((struct varpdb_conn){ .fd = -1 })

/*
 * Path of the instance's control socket. -EINVAL: not a name (letters, digits, '.', '_', '-'; at
 * most 48; does not begin with '.' or '-').
 */
int varpdb_conn_path(const char *instance, char path[VARPDB_PATH_LEN]);

/*
 * Connects. 0 or -errno: -ENOENT, -ECONNREFUSED: nobody listens; -EACCES; -EAGAIN: varpd accepts
 * nobody at present.
 */
int varpdb_conn_open(struct varpdb_conn *conn, const char *path);
void varpdb_conn_close(struct varpdb_conn *conn);
static inline bool varpdb_conn_is_open(const struct varpdb_conn *conn)
{
	return conn->fd >= 0;
}

/*
 * Sends {"command": command, "args": args} and drops the reference to args (which may be NULL). 0;
 * -EAGAIN: varpd does not read at present, nothing was sent; -EMSGSIZE: longer than varpd takes;
 * -EPIPE, -ECONNRESET: varpd has gone; -ENOMEM.
 */
int varpdb_conn_send(struct varpdb_conn *conn, const char *command, json_t *args);

/*
 * Takes the next line, waiting up to timeout_ms for it (0: not at all; -1: for ever). 0 with a new
 * reference in *out; -ETIMEDOUT; -EINTR: a signal came; -ECONNRESET: varpd has gone; -EPROTO: not a
 * JSON object; -ENOMEM.
 */
int varpdb_conn_receive(struct varpdb_conn *conn, int timeout_ms, json_t **out);

#endif
