/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where things are in a captured frame. Used by icmp.c, offload.c and datapath_ring.c; pure.
 */
#ifndef VARPD_PACKET_H
#define VARPD_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <varp/wire.h>

#define PACKET_ETH_LEN	14
#define PACKET_IP6_LEN	40

struct packet {
	uint8_t version;	/* 4 or 6 */
	uint8_t proto;		/* of the transport header */
	bool fragment;		/* first or later fragment of a larger packet */
	bool later_fragment;	/* there is no transport header in it */
	size_t ip;		/* offsets from the start of the frame */
	size_t l4;
	size_t end;		/* behind the last octet of the IP packet */
};

/*
 * 0, or -EINVAL when the frame holds no whole IPv4 or IPv6 packet or its headers run past the end.
 */
int packet_parse(const uint8_t *frame, size_t frame_len, struct packet *packet);

/* Whose packet it is; zero when the frame holds none. */
void packet_source(const uint8_t *frame, size_t frame_len, struct varp_addr *source);

#endif
