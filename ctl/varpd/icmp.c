// SPDX-License-Identifier: BSD-2-Clause
/*
 * Builds ICMP errors about packets that could not be delivered. Called when a lookup is answered
 * negatively and when BPF reports a packet too big for the path. Pure: no sockets, no clock, no
 * state.
 */
#include "icmp.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include <varp/abi.h>
#include "checksum.h"
#include "packet.h"

#define V4_ERROR_MAX	576	/* RFC 1812, 4.3.2.3 */
#define V6_ERROR_MAX	1280	/* RFC 4443, 2.4c */
#define ICMP_LEN	8
#define TOS_CONTROL	0xc0	/* RFC 1812, 4.3.2.5: precedence of internetwork control */

static const uint8_t source_mac[6] = VARP_REINJECT_MAC;

static bool is_unicast4(const uint8_t *a)
{
	return a[0] != 0 && a[0] != 127 && a[0] < 224;
}

static bool is_unicast6(const uint8_t *a)
{
	static const uint8_t zero[15];

	return a[0] != 0xff && !(!memcmp(a, zero, 15) && a[15] <= 1);
}

/*
 * RFC 1122 3.2.2: never about an error. The types that are errors, so that unknown queries are
 * still answered.
 */
static bool is_error4(uint8_t type)
{
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* RFC 4443 2.1: errors have the high bit clear; 2.4e: nor about a Redirect. */
static bool is_error6(uint8_t type)
{
	return type < 128 || type == 137;
}

static bool may_answer(const uint8_t *frame, const struct packet *p)
{
	const uint8_t *ip = frame + p->ip;
	bool v4 = p->version == 4;

	if (p->later_fragment)
		return false;
	if (v4 ? !is_unicast4(ip + 12) || !is_unicast4(ip + 16) :
		 !is_unicast6(ip + 8) || !is_unicast6(ip + 24))
		return false;
	if (p->proto != (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return true;
	return p->l4 < p->end && !(v4 ? is_error4(frame[p->l4]) : is_error6(frame[p->l4]));
}

static void put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static size_t build4(enum icmp_error error, uint32_t mtu, const uint8_t *packet, size_t quote,
		     uint8_t *ip)
{
	uint8_t *icmp = ip + 20;
	size_t total_len = 20 + ICMP_LEN + quote;
	uint16_t sum;

	memset(ip, 0, 20 + ICMP_LEN);
	ip[0] = 0x45;
	ip[1] = TOS_CONTROL;
	put16(ip + 2, (uint16_t)total_len);
	put16(ip + 6, 0x4000);		/* don't fragment: so no identification, RFC 6864 */
	ip[8] = 64;
	ip[9] = IPPROTO_ICMP;
	memcpy(ip + 12, packet + 16, 4);
	memcpy(ip + 16, packet + 12, 4);
	sum = checksum_finish(checksum_add(0, ip, 20));
	memcpy(ip + 10, &sum, sizeof(sum));

	icmp[0] = 3;
	icmp[1] = error == ICMP_ERROR_TOO_BIG ? 4 : 1;
	if (error == ICMP_ERROR_TOO_BIG)
		put16(icmp + 6, mtu > 0xffff ? 0xffff : (uint16_t)mtu);
	memcpy(icmp + ICMP_LEN, packet, quote);
	sum = checksum_finish(checksum_add(0, icmp, ICMP_LEN + quote));
	memcpy(icmp + 2, &sum, sizeof(sum));
	return total_len;
}

static size_t build6(enum icmp_error error, uint32_t mtu, const uint8_t *packet, size_t quote,
		     uint8_t *ip)
{
	uint8_t *icmp = ip + PACKET_IP6_LEN;
	size_t len = ICMP_LEN + quote;
	uint32_t mtu_be = htonl(mtu);
	uint64_t pseudo;
	uint16_t sum;

	memset(ip, 0, PACKET_IP6_LEN + ICMP_LEN);
	ip[0] = 0x60;
	put16(ip + 4, (uint16_t)len);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 64;
	memcpy(ip + 8, packet + 24, 16);
	memcpy(ip + 24, packet + 8, 16);

	icmp[0] = error == ICMP_ERROR_TOO_BIG ? 2 : 1;
	icmp[1] = error == ICMP_ERROR_TOO_BIG ? 0 : 3;
	if (error == ICMP_ERROR_TOO_BIG)
		memcpy(icmp + 4, &mtu_be, sizeof(mtu_be));
	memcpy(icmp + ICMP_LEN, packet, quote);
	pseudo = checksum_pseudo(ip + 8, ip + 24, 16, IPPROTO_ICMPV6, (uint32_t)len);
	sum = checksum_finish(checksum_add(pseudo, icmp, len));
	memcpy(icmp + 2, &sum, sizeof(sum));
	return PACKET_IP6_LEN + len;
}

size_t icmp_build(enum icmp_error error, uint32_t mtu, const uint8_t *frame, size_t frame_len,
		  const uint8_t mac[6], uint8_t *out)
{
	size_t quote, quote_max;
	struct packet p;

	if (packet_parse(frame, frame_len, &p) || !may_answer(frame, &p))
		return 0;
	memcpy(out, mac, 6);
	memcpy(out + 6, source_mac, 6);
	memcpy(out + 12, frame + 12, 2);
	quote_max = p.version == 4 ? V4_ERROR_MAX - 20 - ICMP_LEN :
				     V6_ERROR_MAX - PACKET_IP6_LEN - ICMP_LEN;
	quote = p.end - p.ip < quote_max ? p.end - p.ip : quote_max;
	return PACKET_ETH_LEN +
	       (p.version == 4 ? build4(error, mtu, frame + p.ip, quote, out + PACKET_ETH_LEN) :
				 build6(error, mtu, frame + p.ip, quote, out + PACKET_ETH_LEN));
}
