// SPDX-License-Identifier: BSD-2-Clause
/*
 * The text sockets: their listeners, and the periodic look at certificates. Connections are
 * textsock_conn.c's, handshakes textsock_tls.c's.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "textsock_internal.h"

#define PAUSE_MS	100	/* of accepting, after descriptors ran out */

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

/* --- Listeners --- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
		      int len, void *ctx)
{
	struct textsock_side *side = ctx;

	(void)addr;
	(void)len;
	if (side->tls && listener == side->listener)
		text_tls_accept(side, fd);
	else
		text_conn_open(side, fd, NULL);
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

	evconnlistener_disable(listener);
	event_add(side->resume, &pause);
	varpd_log_limited(&side->log, 10000, VARPD_LOG_WARNING,
			  "cannot accept connections of the group %s: %s",
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
	int fd, wait_s = TEXT_TLS_DEADLINE_S;
	char text[80];

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
	if (side->tls)
		/* A TLS client speaks first: the kernel keeps the connection until it does. */
		setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &wait_s, sizeof(wait_s));
	return 0;
}

static void close_side(struct textsock_side *side)
{
	while (side->oldest)
		text_conn_close(side->oldest);
	text_tls_close(side);
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

/* --- Certificates that do not hold any more --- */

static void set_periodic(struct textsock *textsock)
{
	struct timeval wait = { .tv_sec = textsock->varpd->config.credentials_check_s };

	event_add(textsock->periodic, &wait);
}

static void on_periodic(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	textsock_credentials_changed(ctx);
}

void textsock_credentials_changed(struct textsock *textsock)
{
	if (!textsock->periodic)
		return;
	/* Whoever else looks too, finds the same. */
	credentials_refresh(textsock->varpd->credentials);
	text_conn_sweep(&textsock->manager);
	text_conn_sweep(&textsock->client);
	set_periodic(textsock);
}

static int watch_credentials(struct textsock *textsock, struct varpd_error *error)
{
	if (!textsock->manager.tls && !textsock->client.tls)
		return 0;
	textsock->periodic = evtimer_new(textsock->varpd->base, on_periodic, textsock);
	if (!textsock->periodic)
		return varpd_fail(error, -ENOMEM, "out of memory");
	set_periodic(textsock);
	return 0;
}

/* --- Life cycle --- */

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
	if (!err)
		err = watch_credentials(textsock, error);
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
	free_event(textsock->periodic);
	free(textsock->items);
	free(textsock);
}

void textsock_count(const struct textsock *textsock, unsigned int *manager, unsigned int *client)
{
	*manager = textsock->manager.count;
	*client = textsock->client.count;
}

const char *textsock_storage_failure(const struct textsock *textsock)
{
	return textsock->storage_failure;
}
