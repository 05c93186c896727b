// SPDX-License-Identifier: BSD-2-Clause
/*
 * See net_receive.h. Called by net.c.
 */
#include "net_receive.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* glibc has it from 2.31 on, in a header that the kernel's own is at odds with. */
#ifndef UDP_GRO
#define UDP_GRO		104
#endif

#define BATCH		32	/* of the kernel's, per system call */
#define BUFFER_LEN	65536	/* any datagram, and whatever the kernel merges */

union ancillary {
	struct cmsghdr align;
	char octets[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
};

struct net_receiver {
	int fd, family;
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in6 names[BATCH];	/* large enough for sockaddr_in */
	union ancillary controls[BATCH];
	uint8_t data[BATCH][BUFFER_LEN];	/* pages nobody writes to take no memory */
};

struct net_receiver *net_receiver_new(int fd, int family)
{
	struct net_receiver *receiver = calloc(1, sizeof(*receiver));
	int on = 1;

	if (!receiver)
		return NULL;
	receiver->fd = fd;
	receiver->family = family;
	for (int i = 0; i < BATCH; i++) {
		receiver->iov[i] = (struct iovec){ receiver->data[i], BUFFER_LEN };
		receiver->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &receiver->names[i],
			.msg_iov = &receiver->iov[i],
			.msg_iovlen = 1,
			.msg_control = &receiver->controls[i],
		};
	}
	/* Without it everything comes one by one. */
	setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	return receiver;
}

void net_receiver_free(struct net_receiver *receiver)
{
	free(receiver);
}

static void map_v4(struct varp_addr *out, const struct in_addr *in)
{
	memset(out, 0, sizeof(*out));
	out->b[10] = out->b[11] = 0xff;
	memcpy(&out->b[12], in, sizeof(*in));
}

/* *segment: the length of each of those that are merged; zero: it is one. */
static void read_origin(int family, struct msghdr *message, struct net_origin *origin,
			size_t *segment)
{
	const struct sockaddr_in6 *name6 = message->msg_name;
	const struct sockaddr_in *name4 = message->msg_name;
	int len;

	memset(origin, 0, sizeof(*origin));
	*segment = 0;
	if (family == AF_INET6) {
		memcpy(&origin->from, &name6->sin6_addr, sizeof(origin->from));
		origin->port = ntohs(name6->sin6_port);
	} else {
		map_v4(&origin->from, &name4->sin_addr);
		origin->port = ntohs(name4->sin_port);
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			const struct in6_pktinfo *info = (const void *)CMSG_DATA(c);

			memcpy(&origin->to, &info->ipi6_addr, sizeof(origin->to));
			origin->ifindex = info->ipi6_ifindex;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			const struct in_pktinfo *info = (const void *)CMSG_DATA(c);

			map_v4(&origin->to, &info->ipi_spec_dst);
			origin->ifindex = (uint32_t)info->ipi_ifindex;
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&len, CMSG_DATA(c), sizeof(len));
			*segment = len > 0 ? (size_t)len : 0;
		}
	}
}

bool net_receiver_run(struct net_receiver *receiver,
		      void (*take)(void *ctx, const struct net_origin *origin, const uint8_t *data,
				   size_t len),
		      void *ctx)
{
	struct net_origin origin;
	size_t len, segment;
	int count;

	for (int i = 0; i < BATCH; i++) {
		receiver->messages[i].msg_hdr.msg_namelen = sizeof(receiver->names[i]);
		receiver->messages[i].msg_hdr.msg_controllen = sizeof(receiver->controls[i]);
	}
	count = recvmmsg(receiver->fd, receiver->messages, BATCH, MSG_DONTWAIT, NULL);
	/* Errors of earlier sends are reported here as well; nothing is to be done about them. */
	for (int i = 0; i < count; i++) {
		len = receiver->messages[i].msg_len;
		read_origin(receiver->family, &receiver->messages[i].msg_hdr, &origin, &segment);
		if (!segment || segment > len)
			segment = len;
		for (size_t at = 0; at == 0 || at < len; at += segment) {
			take(ctx, &origin, receiver->data[i] + at,
			     len - at < segment ? len - at : segment);
			if (!segment)
				break;
		}
	}
	return count == BATCH;
}
