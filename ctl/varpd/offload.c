// SPDX-License-Identifier: BSD-2-Clause
/*
 * Describes a captured frame to the kernel as it was before the capture. Called before a held
 * packet is sent again. Fragments carry finished checksums (their sum covers more than one packet),
 * so they are left alone.
 */
#include "offload.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "checksum.h"
#include "packet.h"

/* Kernel headers of the oldest platforms lack it. Packet sockets take it from Linux 6.2 on. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4	5
#endif

#define TCP_FLAG_CWR	0x80
#define SCTP_HEADER_LEN	12
#define SCTP_CRC_OFFSET	8
#define UDP_HEADER_LEN	8

struct transport {
	uint8_t proto;
	uint8_t csum_offset;
	uint8_t header_min;
};

static const struct transport transports[] = {
	{ IPPROTO_TCP,		16,	20 },
	{ IPPROTO_UDP,		6,	8 },
	{ IPPROTO_ICMPV6,	2,	4 },
};

static const struct transport *transport_of(const struct packet *p)
{
	if (p->fragment || (p->version == 4 && p->proto == IPPROTO_ICMPV6))
		return NULL;
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
		if (transports[i].proto == p->proto)
			return &transports[i];
	}
	return NULL;
}

static bool has_checksum(const uint8_t *frame, const struct packet *p, const struct transport *t)
{
	const uint8_t *csum = frame + p->l4 + t->csum_offset;

	/* A UDP sender over IPv4 may do without. */
	return p->proto != IPPROTO_UDP || csum[0] || csum[1];
}

static void ask_for_checksum(uint8_t *frame, const struct packet *p, const struct transport *t,
			     struct virtio_net_hdr *header)
{
	const uint8_t *ip = frame + p->ip;
	size_t addr_len = p->version == 4 ? 4 : 16;
	const uint8_t *src = ip + (p->version == 4 ? 12 : 8);
	uint16_t sum = checksum_fold(checksum_pseudo(src, src + addr_len, addr_len, p->proto,
						     (uint32_t)(p->end - p->l4)));

	memcpy(frame + p->l4 + t->csum_offset, &sum, sizeof(sum));
	header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	header->csum_start = (uint16_t)p->l4;
	header->csum_offset = t->csum_offset;
}

static int describe_super_packet(const uint8_t *frame, const struct packet *p, uint16_t gso_size,
				 struct virtio_net_hdr *header)
{
	size_t header_len;

	if (p->proto == IPPROTO_TCP) {
		header_len = (size_t)(frame[p->l4 + 12] >> 4) * 4;
		header->gso_type = p->version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 :
						     VIRTIO_NET_HDR_GSO_TCPV6;
		/*
		 * CWR belongs to the first segment only; the kernel must know to clear it in the
		 * others.
		 */
		if (frame[p->l4 + 13] & TCP_FLAG_CWR)
			header->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	} else if (p->proto == IPPROTO_UDP) {
		header_len = 8;
		header->gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	} else {
		return -EINVAL;
	}
	if (header_len < 8 || p->l4 + header_len > p->end)
		return -EINVAL;
	header->gso_size = gso_size;
	header->hdr_len = (uint16_t)(p->l4 + header_len);
	return 0;
}

/* RFC 9260, appendix A. Bit by bit: it is for the rare first packet of an association. */
static uint32_t crc32c(const uint8_t *data, size_t len)
{
	uint32_t crc = ~0U;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

/*
 * No header of virtio asks for SCTP's checksum, so it is finished here. It goes in its least
 * significant octet first.
 */
static void finish_sctp(uint8_t *frame, const struct packet *p)
{
	uint8_t *field = frame + p->l4 + SCTP_CRC_OFFSET;
	uint32_t crc;

	memset(field, 0, 4);
	crc = crc32c(frame + p->l4, p->end - p->l4);
	for (int i = 0; i < 4; i++)
		field[i] = (uint8_t)(crc >> 8 * i);
}

int offload_prepare(uint8_t *frame, size_t frame_len, uint16_t gso_size,
		    struct virtio_net_hdr *header)
{
	const struct transport *t;
	struct packet p;

	memset(header, 0, sizeof(*header));
	if (packet_parse(frame, frame_len, &p))
		return -EINVAL;
	t = transport_of(&p);
	if (t && p.l4 + t->header_min > p.end)
		return gso_size ? -EINVAL : 0;
	if (t && has_checksum(frame, &p, t))
		ask_for_checksum(frame, &p, t, header);
	if (p.proto == IPPROTO_SCTP && !p.fragment && !gso_size && p.l4 + SCTP_HEADER_LEN <= p.end)
		finish_sctp(frame, &p);
	if (!gso_size)
		return 0;
	if (!header->flags)
		return -EINVAL;
	return describe_super_packet(frame, &p, gso_size, header);
}

static void put16(uint8_t *p, size_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/*
 * Lengths, and for IPv4 the identification and header checksum, as the kernel writes them when it
 * cuts.
 */
static void mend_headers(uint8_t *frame, const struct packet *p, size_t payload, unsigned int n)
{
	uint8_t *ip = frame + p->ip;
	size_t header_len = p->l4 - p->ip;
	uint16_t sum;

	put16(frame + p->l4 + 4, UDP_HEADER_LEN + payload);
	if (p->version == 6) {
		put16(ip + 4, header_len - PACKET_IP6_LEN + UDP_HEADER_LEN + payload);
		return;
	}
	put16(ip + 2, header_len + UDP_HEADER_LEN + payload);
	put16(ip + 4, (size_t)(ip[4] << 8 | ip[5]) + n);
	put16(ip + 10, 0);
	sum = checksum_finish(checksum_add(0, ip, header_len));
	memcpy(ip + 10, &sum, sizeof(sum));
}

size_t offload_udp_segment(const uint8_t *frame, size_t frame_len, uint16_t gso_size,
			   unsigned int n, uint8_t *out)
{
	size_t headers, start, len;
	struct packet p;

	if (!gso_size || packet_parse(frame, frame_len, &p) || p.proto != IPPROTO_UDP ||
	    p.fragment || p.l4 + UDP_HEADER_LEN > p.end)
		return 0;
	headers = p.l4 + UDP_HEADER_LEN;
	start = headers + (size_t)n * gso_size;
	if (start >= p.end)
		return 0;
	len = p.end - start < gso_size ? p.end - start : gso_size;
	memcpy(out, frame, headers);
	memcpy(out + headers, frame + start, len);
	mend_headers(out, &p, len, n);
	return headers + len;
}
