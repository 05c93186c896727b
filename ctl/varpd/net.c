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

#define BATCH		64	/* datagrams per system call */
#define BATCHES		4	/* per turn of the loop, so that others are served */
/* A longer one is wrong anyway; the engine sees that it is not VARP_MSG_LEN. */
#define DATAGRAM_MAX	(VARP_MSG_LEN + 32)
#define BUFFER_OCTETS	(4 * 1024 * 1024)

union ancillary {
	struct cmsghdr align;
	char in6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	char in4[CMSG_SPACE(sizeof(struct in_pktinfo))];
};

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
	bool answering;			/* within a received datagram's handling: */
	struct varp_addr from;		/* who sent it */
	uint16_t from_port;
	struct varp_addr to;		/* which of our addresses it was sent to */
	uint32_t ifindex;
	struct net_stats stats;
	struct varpd_log_limit log;
	struct unreachable *unreachable;
	bool told_no_ipv6;
	/* recvmmsg()'s */
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in6 names[BATCH];	/* large enough for sockaddr_in */
	union ancillary controls[BATCH];
	uint8_t data[BATCH][DATAGRAM_MAX];
};

static void map_v4(struct varp_addr *out, const struct in_addr *in)
{
	memset(out, 0, sizeof(*out));
	out->b[10] = out->b[11] = 0xff;
	memcpy(&out->b[12], in, sizeof(*in));
}

static bool is_link_local(const struct varp_addr *addr)
{
	return addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80;
}

static void read_origin(struct net *net, struct msghdr *message)
{
	const struct sockaddr_in6 *name6 = message->msg_name;
	const struct sockaddr_in *name4 = message->msg_name;

	if (net->family == AF_INET6) {
		memcpy(&net->from, &name6->sin6_addr, sizeof(net->from));
		net->from_port = ntohs(name6->sin6_port);
	} else {
		map_v4(&net->from, &name4->sin_addr);
		net->from_port = ntohs(name4->sin_port);
	}
	memset(&net->to, 0, sizeof(net->to));
	net->ifindex = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			const struct in6_pktinfo *info = (const void *)CMSG_DATA(c);

			memcpy(&net->to, &info->ipi6_addr, sizeof(net->to));
			net->ifindex = info->ipi6_ifindex;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			const struct in_pktinfo *info = (const void *)CMSG_DATA(c);

			map_v4(&net->to, &info->ipi_spec_dst);
			net->ifindex = info->ipi_ifindex;
		}
	}
}

/* The source address of an answer: where its request was sent to. */
static void write_source(const struct net *net, struct msghdr *message, union ancillary *control)
{
	struct cmsghdr *c = &control->align;

	memset(control, 0, sizeof(*control));
	message->msg_control = control;
	if (net->family == AF_INET6) {
		struct in6_pktinfo info = { .ipi6_ifindex = 0 };

		if (is_link_local(&net->to))
			info.ipi6_ifindex = net->ifindex;
		memcpy(&info.ipi6_addr, &net->to, sizeof(net->to));
		message->msg_controllen = sizeof(control->in6);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	} else {
		struct in_pktinfo info = { .ipi_ifindex = 0 };

		memcpy(&info.ipi_spec_dst, &net->to.b[12], sizeof(info.ipi_spec_dst));
		message->msg_controllen = sizeof(control->in4);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	}
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

void net_send(struct net *net, const struct varp_addr *to, uint16_t port, const uint8_t *data,
	      size_t len)
{
	struct sockaddr_storage name;
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr message = { .msg_name = &name, .msg_iov = &iov, .msg_iovlen = 1 };
	bool answer = net->answering && port == net->from_port && varp_addr_equal(to, &net->from);
	char text[VARP_ADDR_TEXT];
	union ancillary control;
	uint64_t suppressed;
	int err;

	if (net_name(net->family, to, port, &name, &message.msg_namelen)) {
		net->stats.send_failed++;
		tell_no_ipv6(net, to);
		if (!answer)
			note_request(net, to, EAFNOSUPPORT);
		return;
	}
	if (answer && is_link_local(to))
		((struct sockaddr_in6 *)&name)->sin6_scope_id = net->ifindex;
	if (answer)
		write_source(net, &message, &control);
	err = sendmsg(net->fd, &message, MSG_DONTWAIT) < 0 ? errno : 0;
	net->stats.send_failed += err != 0;
	if (err == EAGAIN || err == ENOBUFS)
		return;
	if (!answer)
		note_request(net, to, err);
	if (err && varpd_log_allowed(&net->log, 5000, &suppressed))
		varpd_log(VARPD_LOG_WARNING, "cannot send a VARP message to %s: %s",
			  varp_addr_format(to, text), strerror(err));
}

/* Returns how many came. */
static int receive_batch(struct net *net)
{
	uint64_t now_ns;
	int count;

	for (int i = 0; i < BATCH; i++) {
		net->messages[i].msg_hdr.msg_namelen = sizeof(net->names[i]);
		net->messages[i].msg_hdr.msg_controllen = sizeof(net->controls[i]);
	}
	count = recvmmsg(net->fd, net->messages, BATCH, MSG_DONTWAIT, NULL);
	/* Errors of earlier sends are reported here as well; nothing is to be done about them. */
	if (count <= 0)
		return 0;
	now_ns = varpd_now_ns();
	for (int i = 0; i < count; i++) {
		read_origin(net, &net->messages[i].msg_hdr);
		net->answering = true;
		varp_engine_receive(net->varpd->engine, now_ns, &net->from, net->from_port,
				    net->data[i], net->messages[i].msg_len);
		net->answering = false;
	}
	return count;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct net *net = ctx;

	(void)fd;
	(void)what;
	for (int i = 0; i < BATCHES; i++)
		if (receive_batch(net) < BATCH)
			break;
	varpd_schedule(net->varpd);
}

static int open_family(struct net *net, int family, uint16_t port)
{
	struct sockaddr_in6 name6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in name4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int on = 1, off = 0, mark = VARP_SKIN_MARK, size = BUFFER_OCTETS;

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
	setsockopt(net->fd, SOL_SOCKET, SO_RCVBUF, &size,
		   sizeof(size)); /* as much as the host allows */
	setsockopt(net->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
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
	for (int i = 0; i < BATCH; i++) {
		net->iov[i] = (struct iovec){ net->data[i], DATAGRAM_MAX };
		net->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &net->names[i],
			.msg_iov = &net->iov[i],
			.msg_iovlen = 1,
			.msg_control = &net->controls[i],
		};
	}
	net->event = event_new(varpd->base, net->fd, EV_READ | EV_PERSIST, on_readable, net);
	if (!net->event || event_add(net->event, NULL)) {
		err = varpd_fail(error, -ENOMEM, "out of memory");
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
	HASH_ITER(hh, net->unreachable, server, next) {
		HASH_DEL(net->unreachable, server);
		free(server);
	}
	if (net->event)
		event_free(net->event);
	if (net->fd >= 0)
		close(net->fd);
	free(net);
}

const struct net_stats *net_stats(const struct net *net)
{
	return &net->stats;
}
