/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071) and the pseudo-headers of RFC 768, 793 and 8200. Used by what
 * builds or mends packets (icmp.c, offload.c). Sums are of 16-bit words in memory order, so the
 * folded result is stored as it is.
 */
#ifndef VARPD_CHECKSUM_H
#define VARPD_CHECKSUM_H

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Adds len octets to a sum; an odd last octet is padded with zero, so only the last piece may be
 * odd.
 */
static inline uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint16_t word;

	for (; len > 1; p += 2, len -= 2) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (len) {
		word = 0;
		memcpy(&word, p, 1);
		sum += word;
	}
	return sum;
}

static inline uint16_t checksum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* What the checksum field holds for this sum. */
static inline uint16_t checksum_finish(uint64_t sum)
{
	return (uint16_t)~checksum_fold(sum);
}

/*
 * Sum of the pseudo-header of IPv4 (addr_len 4) or IPv6 (16); src and dst as they stand in the
 * header.
 */
static inline uint64_t checksum_pseudo(const void *src, const void *dst, size_t addr_len,
				       uint8_t proto, uint32_t len)
{
	uint32_t tail[2] = { htonl(len), htonl(proto) };
	uint64_t sum = checksum_add(0, src, addr_len);

	sum = checksum_add(sum, dst, addr_len);
	return checksum_add(sum, tail, sizeof(tail));
}

#endif
