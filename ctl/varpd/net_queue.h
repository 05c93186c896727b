/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams on their way out of VARP's socket: put together until somebody flushes, which takes one
 * system call for many. It knows sockets' addresses and octets, nothing of their meaning.
 *
 * Order is kept. Datagrams of one length that follow each other to the same peer from the same
 * address are handed to the kernel as one (UDP_SEGMENT), which cuts them again.
 */
#ifndef VARPD_NET_QUEUE_H
#define VARPD_NET_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <varp/wire.h>

#define NET_QUEUE_MAX		256	/* datagrams */
#define NET_QUEUE_MERGED_MAX	64	/* UDP_MAX_SEGMENTS of the oldest kernels */
/* Nothing that varpd sends is longer. */
#define NET_QUEUE_DATAGRAM_MAX	(VARP_MSG_LEN + 32)

struct net_datagram {
	union {
		struct sockaddr_storage any;
		struct sockaddr_in6 in6;
		struct sockaddr_in in4;
	} name;				/* of the peer */
	socklen_t name_len;
	struct varp_addr source;	/* zero: the kernel chooses */
	uint32_t ifindex;		/* out of this interface; zero: by route */
	struct varp_addr to;		/* for `sent`, as are: */
	bool answer;
	uint8_t data[NET_QUEUE_DATAGRAM_MAX];
	size_t len;
};

struct net_queue_config {
	int family;			/* of the socket */
	/* As sendmmsg(), without waiting. */
	int (*send)(void *ctx, struct mmsghdr *messages, unsigned int count);
	/* What became of each: err is an errno, zero: it went. */
	void (*sent)(void *ctx, const struct net_datagram *datagram, int err);
	void *ctx;
};

struct net_queue;

/* NULL: out of memory. Freeing drops what is in it. */
struct net_queue *net_queue_new(const struct net_queue_config *config);
void net_queue_free(struct net_queue *queue);
/*
 * Where the next datagram is to be written; net_queue_add() then takes it in. A full queue is
 * flushed first; NULL: the socket takes no more at present.
 */
struct net_datagram *net_queue_next(struct net_queue *queue);
void net_queue_add(struct net_queue *queue);
unsigned int net_queue_count(const struct net_queue *queue);
/* False: the socket takes no more at present; what is left waits for the next flush. */
bool net_queue_flush(struct net_queue *queue);

#endif
