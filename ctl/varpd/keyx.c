// SPDX-License-Identifier: BSD-2-Clause
/*
 * The key exchange's frame: the listening socket, how many connections there may be, and the
 * periodic look at what has changed. See keyx.h.
 *
 * Nothing listens while there are no credentials. A bounded number of connections gets in each
 * second (keyx_rate.h). When all places are taken the oldest connection
 * that has not come to TLS makes room: whoever holds connections open loses them to those who go
 * on.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyx_internal.h"

#define BACKLOG		512
#define ACCEPTS		16	/* per turn of the loop, so that others are served */
#define REFUSED_LOG_MS	10000

/* --- Connections from clients --- */

static bool is_same_peer(const struct varp_addr *a, const struct varp_addr *b)
{
	struct varp_addr peer_a = keyx_peer_of(a), peer_b = keyx_peer_of(b);

	return varp_addr_equal(&peer_a, &peer_b);
}

/* Before TLS, which is what a flood of connections would have this host compute. */
static bool may_come_in(struct keyx *keyx, const struct varp_addr *remote)
{
	static struct varpd_log_limit limit;
	char from[VARP_ADDR_TEXT];

	if (keyx_rate_take(&keyx->rate, remote, varpd_now_ns()))
		return true;
	varpd_log_limited(&limit, REFUSED_LOG_MS, VARPD_LOG_WARNING,
			  "a connection of %s to exchange keys was closed: more than %d a second "
			  "from one host (IPv6: one /64), or %d in all",
			  varp_addr_format(remote, from), KEYX_RATE_PEER, KEYX_RATE_ALL);
	return false;
}

/* of: NULL for everybody's. */
static unsigned int count_conns(const struct keyx *keyx, const struct varp_addr *of)
{
	const struct keyx_conn *conn;
	unsigned int count = 0;

	DL_FOREACH(keyx->conns, conn)
		count += !of || is_same_peer(&conn->remote, of);
	return count;
}

static void make_room(struct keyx *keyx, const struct varp_addr *of)
{
	struct keyx_conn *conn, *victim = NULL;

	DL_FOREACH(keyx->conns, conn) {
		if (of && !is_same_peer(&conn->remote, of))
			continue;
		if (!victim)
			victim = conn;
		if (!conn->established) {
			victim = conn;
			break;
		}
	}
	if (victim)
		keyx_conn_free(victim);
}

static void take_conn(struct keyx *keyx, int fd)
{
	struct varp_addr local, remote;
	struct keyx_conn *conn;

	if (keyx_socket_ends(fd, &local, &remote) || !may_come_in(keyx, &remote)) {
		close(fd);
		return;
	}
	if (count_conns(keyx, &remote) >= KEYX_CONNS_PEER)
		make_room(keyx, &remote);
	else if (keyx->conn_count >= KEYX_CONNS_MAX)
		make_room(keyx, NULL);
	conn = keyx_conn_new(keyx, fd, &local, &remote, NULL);
	if (!conn)
		return;
	conn->listed = true;
	DL_APPEND(keyx->conns, conn);
	keyx->conn_count++;
}

static void on_acceptable(evutil_socket_t fd, short what, void *ctx)
{
	struct keyx *keyx = ctx;

	(void)what;
	for (int i = 0; i < ACCEPTS; i++) {
		int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (conn < 0 && (errno == EMFILE || errno == ENFILE))
			make_room(keyx, NULL);
		if (conn < 0)
			return;
		take_conn(keyx, conn);
	}
}

/* --- Listening --- */

static int open_family(int family, uint16_t port)
{
	struct sockaddr_in6 name6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in name4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;
	int on = 1, off = 0, wait_s = KEYX_DEADLINE_S;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* A TLS client speaks first: until it does the kernel keeps the connection to itself. */
	setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &wait_s, sizeof(wait_s));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	err = keyx_socket_mark(fd);
	if (!err && (bind(fd, family == AF_INET6 ? (void *)&name6 : (void *)&name4,
			  family == AF_INET6 ? sizeof(name6) : sizeof(name4)) ||
		     listen(fd, BACKLOG)))
		err = -errno;
	if (err)
		close(fd);
	return err ? err : fd;
}

static int open_listener(struct keyx *keyx)
{
	uint16_t port = keyx->varpd->config.key_port;
	int fd = open_family(AF_INET6, port);

	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
		fd = open_family(AF_INET, port);
	if (fd < 0)
		return fd;
	keyx->fd = fd;
	keyx->listener =
		event_new(keyx->varpd->base, fd, EV_READ | EV_PERSIST, on_acceptable, keyx);
	return !keyx->listener || event_add(keyx->listener, NULL) ? -ENOMEM : 0;
}

static void close_listener(struct keyx *keyx)
{
	if (keyx->listener)
		event_free(keyx->listener);
	if (keyx->fd >= 0)
		close(keyx->fd);
	keyx->listener = NULL;
	keyx->fd = -1;
}

/* Tried again with every look, since another instance may have the port only for a while. */
static void listen_if_needed(struct keyx *keyx)
{
	uint16_t port = keyx->varpd->config.key_port;
	bool had_error = *keyx->listen_error.text;
	int err;

	if (!credentials_any(keyx->credentials)) {
		close_listener(keyx);
		keyx->listen_error.text[0] = '\0';
		return;
	}
	if (keyx->listener)
		return;
	err = open_listener(keyx);
	if (!err) {
		keyx->listen_error.text[0] = '\0';
		return;
	}
	close_listener(keyx);
	varpd_fail(&keyx->listen_error, err,
		   err == -EADDRINUSE
			   ? "TCP port %u is taken by another program: no client can "
			     "exchange keys with this host; stop that or choose --key-port"
			   : "cannot open TCP port %u, no client can exchange keys with "
			     "this host: %s",
		   port, strerror(-err));
	if (!had_error)
		varpd_log(VARPD_LOG_ERROR, "%s", keyx->listen_error.text);
}

/* --- The periodic look --- */

static void set_periodic(struct keyx *keyx)
{
	struct timeval wait = { .tv_sec = keyx->varpd->config.credentials_check_s };

	event_add(keyx->periodic, &wait);
}

void keyx_reload(struct keyx *keyx)
{
	unsigned int generation;

	credentials_refresh(keyx->credentials);
	generation = credentials_generation(keyx->credentials);
	listen_if_needed(keyx);
	keyx_session_sweep(keyx);
	keyx_client_sweep(keyx, generation != keyx->generation);
	keyx->generation = generation;
	varpd_schedule(keyx->varpd);
	set_periodic(keyx);
}

static void on_periodic(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	keyx_reload(ctx);
}

/* --- Life cycle --- */

int keyx_open(struct keyx **out, struct varpd *varpd, struct varpd_error *error)
{
	struct keyx *keyx = calloc(1, sizeof(*keyx));

	if (!keyx)
		return varpd_fail(error, -ENOMEM, "out of memory");
	keyx->varpd = varpd;
	keyx->credentials = varpd->credentials;
	keyx->generation = credentials_generation(varpd->credentials);
	keyx->fd = -1;
	keyx->periodic = evtimer_new(varpd->base, on_periodic, keyx);
	if (!keyx->periodic) {
		free(keyx);
		return varpd_fail(error, -ENOMEM, "out of memory");
	}
	*out = keyx;
	listen_if_needed(keyx);
	set_periodic(keyx);
	return 0;
}

void keyx_close(struct keyx *keyx)
{
	struct keyx_conn *conn, *next;

	if (!keyx)
		return;
	keyx_client_close(keyx);
	DL_FOREACH_SAFE(keyx->conns, conn, next)
		keyx_conn_free(conn);
	keyx_session_close(keyx);
	keyx_rate_close(&keyx->rate);
	close_listener(keyx);
	event_free(keyx->periodic);
	free(keyx);
}
