/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes datagrams from VARP's socket, many with one system call. Where the kernel has merged those
 * of one sender (UDP_GRO), cuts them again. It knows sockets' addresses and octets, nothing of
 * their meaning.
 */
#ifndef VARPD_NET_RECEIVE_H
#define VARPD_NET_RECEIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <varp/wire.h>

/* Where a datagram came from and to which of our addresses. */
struct net_origin {
	struct varp_addr from, to;
	uint16_t port;			/* the sender's, host order */
	uint32_t ifindex;
};

struct net_receiver;

/* Switches UDP_GRO on. NULL: out of memory */
struct net_receiver *net_receiver_new(int fd, int family);
void net_receiver_free(struct net_receiver *receiver);
/* What has come, in order, up to a bound. False: there is no more. */
bool net_receiver_run(struct net_receiver *receiver,
		      void (*take)(void *ctx, const struct net_origin *origin, const uint8_t *data,
				   size_t len),
		      void *ctx);
#endif
