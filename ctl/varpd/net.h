/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VARP's UDP socket: datagrams to and from the engine. It knows addresses and octets, nothing of their meaning.
 */
#ifndef VARPD_NET_H
#define VARPD_NET_H

#include "varpd.h"

struct net_stats {
	uint64_t send_failed;	/* datagrams the kernel would not take; the engine repeats requests */
};

int net_open(struct net **out, struct varpd *varpd, struct varpd_error *error);
void net_close(struct net *net);
/*
 * Sends now or not at all. While a received datagram is being handled, what goes back to its sender leaves from the address it came to.
 */
void net_send(struct net *net, const struct varp_addr *to, uint16_t port, const uint8_t *data, size_t len);
const struct net_stats *net_stats(const struct net *net);

#endif
