/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP errors that varpd sends to an application of this host about a packet it could not deliver:
 * host unreachable, and too big. Pure: builds frames from frames. datapath_send.c sends them.
 */
#ifndef VARPD_ICMP_H
#define VARPD_ICMP_H

#include <stddef.h>
#include <stdint.h>

/* Octets: Ethernet header and the longest error (RFC 4443, 2.4c). */
#define ICMP_FRAME_MAX	(14 + 1280)

enum icmp_error {
	ICMP_ERROR_UNREACHABLE,	/* RFC 792 type 3 code 1; RFC 4443 type 1 code 3 */
	ICMP_ERROR_TOO_BIG,	/* RFC 1191 type 3 code 4; RFC 4443 type 2 */
};

/*
 * Builds into out (ICMP_FRAME_MAX octets) the error about `frame` (an Ethernet frame with an IPv4
 * or IPv6 packet), from the packet's destination to its source. mac is the receiving device's. mtu
 * counts for TOO_BIG only. Returns the length, or zero if no error may be sent: the packet is
 * malformed, itself an ICMP error, a fragment other than the first, or not from a unicast address
 * to one (RFC 1122 3.2.2, RFC 4443 2.4e).
 */
size_t icmp_build(enum icmp_error error, uint32_t mtu, const uint8_t *frame, size_t frame_len,
		  const uint8_t mac[6], uint8_t *out);

#endif
