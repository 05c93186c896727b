/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VARP's UDP socket: datagrams to and from the engine. It knows addresses and octets, nothing of
 * their meaning.
 */
#ifndef VARPD_NET_H
#define VARPD_NET_H

#include <sys/socket.h>

#include "varpd.h"

struct net_stats {
	/*
	 * Datagrams that could not be sent; the engine repeats requests, and knows no more of it.
	 */
	uint64_t send_failed;
};

int net_open(struct net **out, struct varpd *varpd, struct varpd_error *error);
void net_close(struct net *net);
/*
 * Sends at the end of this turn of the event loop at the latest, in order, from this address of the host. Where that is zero, what goes back to the
 * sender of a received datagram, while that is being handled, leaves from the address it came to, and
 * the kernel chooses for others.
 */
void net_send(struct net *net, const struct varp_addr *source, const struct varp_addr *to,
	      uint16_t port, const uint8_t *data, size_t len);
/*
 * The socket address of a peer, for a socket of this family. 0; -EAFNOSUPPORT: an IPv4 socket
 * cannot reach an IPv6 address.
 */
int net_name(int family, const struct varp_addr *to, uint16_t port, struct sockaddr_storage *name,
	     socklen_t *len);
/* Why the last request to this server could not be sent: an errno; zero: it was. */
int net_send_error(const struct net *net, const struct varp_addr *server);
const struct net_stats *net_stats(const struct net *net);

#endif
