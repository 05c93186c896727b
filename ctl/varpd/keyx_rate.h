/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many connections the key exchange takes in a second, from one peer and in all: a TLS
 * handshake costs a server far more than whoever asks for it. Called by keyx.c before TLS begins.
 * Knows no socket and no clock.
 */
#ifndef VARPD_KEYX_RATE_H
#define VARPD_KEYX_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

#define KEYX_RATE_PEER		50	/* a second; a peer is an address, of IPv6 its /64 */
#define KEYX_BURST_PEER		100	/* at once, after a while of none */
#define KEYX_RATE_ALL		500
#define KEYX_BURST_ALL		1000

struct keyx_rate_peer;

/* Zeroed: nobody has come yet. */
struct keyx_rate {
	uint64_t used_ns;		/* until when what was taken counts, of all peers */
	struct keyx_rate_peer *peers;	/* hash by address; those that still have something taken */
	uint64_t sweep_ns;
	uint64_t refused;
};

/* The address that stands for its peer: an IPv6 host has its whole /64 to call from. */
struct varp_addr keyx_peer_of(const struct varp_addr *addr);
/* May this one come in? What is refused costs its peer nothing, and is counted. */
bool keyx_rate_take(struct keyx_rate *rate, const struct varp_addr *from, uint64_t now_ns);
/* Peers that are remembered. */
unsigned int keyx_rate_peers(const struct keyx_rate *rate);
void keyx_rate_close(struct keyx_rate *rate);

#endif
