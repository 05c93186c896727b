// SPDX-License-Identifier: BSD-2-Clause
/*
 * One socket for both families where the kernel has IPv6 (IPv4 peers then appear mapped, which is
 * how varp_addr has them anyway), else for IPv4. Everything sent carries VARP_SKIN_MARK, so that no
 * supernet takes in what resolves it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uthash.h>

#include "addr.h"
#include "log.h"
#include "net.h"
#include "net_queue.h"
#include "net_receive.h"

#define PER_TURN	256	/* datagrams, so that others are served; more if they come merged */
#define BUFFER_OCTETS	(4 * 1024 * 1024)

/* A server that cannot be sent to at present. */
struct unreachable {
	struct varp_addr server;
	int err;
	UT_hash_handle hh;
};

struct net {
	struct varpd *varpd;
	struct event *event;
	int fd;
	int family;
	struct net_receiver *receiver;
	uint64_t now_ns;			/* when what is being received was taken */
	unsigned int received;			/* in this turn */
	const struct net_origin *origin;	/* of the datagram that is being handled, else NULL */
	struct net_stats stats;
	struct varpd_log_limit log;
	struct unreachable *unreachable;
	bool told_no_ipv6;
	struct net_queue *queue;	/* what is to be sent, until the end of the turn at most */
	struct event *end_of_turn, *writable;
};

static bool is_link_local(const struct varp_addr *addr)
{
	return addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80;
}

int net_name(int family, const struct varp_addr *to, uint16_t port, struct sockaddr_storage *name,
	     socklen_t *len)
{
	struct sockaddr_in6 *name6 = (struct sockaddr_in6 *)name;
	struct sockaddr_in *name4 = (struct sockaddr_in *)name;

	memset(name, 0, sizeof(*name));
	name->ss_family = family;
	if (family == AF_INET6) {
		name6->sin6_port = htons(port);
		memcpy(&name6->sin6_addr, to, sizeof(name6->sin6_addr));
		*len = sizeof(*name6);
		return 0;
	}
	if (!varp_addr_is_v4(to))
		return -EAFNOSUPPORT;
	name4->sin_port = htons(port);
	memcpy(&name4->sin_addr, &to->b[12], sizeof(name4->sin_addr));
	*len = sizeof(*name4);
	return 0;
}

static void tell_no_ipv6(struct net *net, const struct varp_addr *to)
{
	char text[VARP_ADDR_TEXT];

	if (!net->told_no_ipv6)
		varpd_log(VARPD_LOG_ERROR,
			  "this host has no IPv6: the VARP server or client %s cannot be reached; "
			  "name a server by an IPv4 address, or switch IPv6 on and restart varpd",
			  varp_addr_format(to, text));
	net->told_no_ipv6 = true;
}

/* Only of requests: they go to servers that were configured, so this is bounded; answers go to
 * whoever asks. err zero: it went. */
static void note_request(struct net *net, const struct varp_addr *server, int err)
{
	struct unreachable *found;

	if (!err && !net->unreachable)
		return;
	HASH_FIND(hh, net->unreachable, server, sizeof(*server), found);
	if (found && !err) {
		HASH_DEL(net->unreachable, found);
		free(found);
		return;
	}
	if (!found && err) {
		found = calloc(1, sizeof(*found));
		if (!found)
			return;
		found->server = *server;
		HASH_ADD(hh, net->unreachable, server, sizeof(found->server), found);
	}
	if (found)
		found->err = err;
}

int net_send_error(const struct net *net, const struct varp_addr *server)
{
	struct unreachable *found;

	HASH_FIND(hh, net->unreachable, server, sizeof(*server), found);
	return found ? found->err : 0;
}

/* --- Sending --- */

static int on_send(void *ctx, struct mmsghdr *messages, unsigned int count)
{
	struct net *net = ctx;

	return sendmmsg(net->fd, messages, count, MSG_DONTWAIT);
}

static void on_sent(void *ctx, const struct net_datagram *datagram, int err)
{
	char text[VARP_ADDR_TEXT];
	struct net *net = ctx;

	net->stats.send_failed += err != 0;
	if (err == ENOBUFS)
		return;
	if (!datagram->answer)
		note_request(net, &datagram->to, err);
	if (err)
		varpd_log_limited(&net->log, 5000, VARPD_LOG_WARNING,
				  "cannot send a VARP message to %s: %s",
				  varp_addr_format(&datagram->to, text), strerror(err));
}

/* What the socket does not take now goes when it can be written to again. */
static void flush(struct net *net)
{
	if (!net_queue_flush(net->queue))
		event_add(net->writable, NULL);
}

static void on_end_of_turn(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	flush(ctx);
}

void net_send(struct net *net, const struct varp_addr *source, const struct varp_addr *to,
	      uint16_t port, const uint8_t *data, size_t len)
{
	const struct net_origin *origin = net->origin;
	bool answer = origin && port == origin->port && varp_addr_equal(to, &origin->from);
	struct net_datagram *datagram = net_queue_next(net->queue);

	if (!datagram || len > sizeof(datagram->data)) {
		net->stats.send_failed++;
		return;
	}
	if (net_name(net->family, to, port, &datagram->name.any, &datagram->name_len)) {
		net->stats.send_failed++;
		tell_no_ipv6(net, to);
		if (!answer)
			note_request(net, to, EAFNOSUPPORT);
		return;
	}
	if (answer && is_link_local(to))
		datagram->name.in6.sin6_scope_id = origin->ifindex;
	datagram->source = answer && varp_addr_is_zero(source) ? origin->to : *source;
	datagram->ifindex = origin && is_link_local(&datagram->source) ? origin->ifindex : 0;
	datagram->to = *to;
	datagram->answer = answer;
	memcpy(datagram->data, data, len);
	datagram->len = len;
	net_queue_add(net->queue);
	if (net_queue_count(net->queue) == 1)
		event_active(net->end_of_turn, 0, 0);
}

/* --- Receiving --- */

static void on_datagram(void *ctx, const struct net_origin *origin, const uint8_t *data, size_t len)
{
	struct net *net = ctx;

	net->origin = origin;
	net->received++;
	varp_engine_receive(net->varpd->engine, net->now_ns, &origin->from, origin->port, data,
			    len);
	net->origin = NULL;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct net *net = ctx;
	bool more = true;

	(void)fd;
	(void)what;
	for (net->received = 0; more && net->received < PER_TURN;) {
		net->now_ns = varpd_now_ns();
		more = net_receiver_run(net->receiver, on_datagram, net);
		flush(net);
	}
	varpd_schedule(net->varpd);
}

/* Beyond the host's limit where that is permitted, else as much as it allows. */
static void set_room(int fd, int forced, int asked)
{
	int size = BUFFER_OCTETS;

	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, asked, &size, sizeof(size));
}

static int open_family(struct net *net, int family, uint16_t port)
{
	struct sockaddr_in6 name6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in name4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int on = 1, off = 0, mark = VARP_SKIN_MARK;

	net->family = family;
	net->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (net->fd < 0)
		return -errno;
	if (family == AF_INET6 &&
	    (setsockopt(net->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	     setsockopt(net->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on))))
		return -errno;
	if (family == AF_INET && setsockopt(net->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)))
		return -errno;
	if (setsockopt(net->fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		return -errno;
	set_room(net->fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_room(net->fd, SO_SNDBUFFORCE, SO_SNDBUF);
	if (bind(net->fd, family == AF_INET6 ? (void *)&name6 : (void *)&name4,
		 family == AF_INET6 ? sizeof(name6) : sizeof(name4)))
		return -errno;
	return 0;
}

static int open_socket(struct net *net, struct varpd_error *error)
{
	uint16_t port = net->varpd->config.varp_port;
	int err = open_family(net, AF_INET6, port);

	if (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL) {
		if (net->fd >= 0)
			close(net->fd);
		net->fd = -1;
		err = open_family(net, AF_INET, port);
	}
	if (err == -EADDRINUSE)
		return varpd_fail(
			error, err,
			"UDP port %u is taken by another program; stop that or choose --varp-port",
			port);
	if (err == -EPERM || err == -EACCES)
		return varpd_fail(
			error, err,
			"not permitted to open UDP port %u: run as root, or with CAP_NET_ADMIN%s",
			port, port < 1024 ? " and CAP_NET_BIND_SERVICE" : "");
	if (err)
		return varpd_fail(error, err, "cannot open UDP port %u: %s", port, strerror(-err));
	return 0;
}

static int open_events(struct net *net)
{
	const struct net_queue_config config = {
		.family = net->family,
		.send = on_send,
		.sent = on_sent,
		.ctx = net,
	};
	struct event_base *base = net->varpd->base;

	net->queue = net_queue_new(&config);
	net->receiver = net_receiver_new(net->fd, net->family);
	net->event = event_new(base, net->fd, EV_READ | EV_PERSIST, on_readable, net);
	net->writable = event_new(base, net->fd, EV_WRITE, on_end_of_turn, net);
	net->end_of_turn = event_new(base, -1, 0, on_end_of_turn, net);
	if (!net->queue || !net->receiver || !net->event || !net->writable || !net->end_of_turn ||
	    event_add(net->event, NULL))
		return -ENOMEM;
	return 0;
}

int net_open(struct net **out, struct varpd *varpd, struct varpd_error *error)
{
	struct net *net = calloc(1, sizeof(*net));
	int err;

	if (!net)
		return varpd_fail(error, -ENOMEM, "out of memory");
	net->varpd = varpd;
	net->fd = -1;
	err = open_socket(net, error);
	if (err)
		goto fail;
	err = open_events(net);
	if (err) {
		varpd_fail(error, err, "out of memory");
		goto fail;
	}
	*out = net;
	return 0;
fail:
	net_close(net);
	return err;
}

void net_close(struct net *net)
{
	struct unreachable *server, *next;

	if (!net)
		return;
	if (net->queue)
		net_queue_flush(net->queue);
	HASH_ITER(hh, net->unreachable, server, next) {
		HASH_DEL(net->unreachable, server);
		free(server);
	}
	if (net->event)
		event_free(net->event);
	if (net->writable)
		event_free(net->writable);
	if (net->end_of_turn)
		event_free(net->end_of_turn);
	net_queue_free(net->queue);
	net_receiver_free(net->receiver);
	if (net->fd >= 0)
		close(net->fd);
	free(net);
}

const struct net_stats *net_stats(const struct net *net)
{
	return &net->stats;
}
