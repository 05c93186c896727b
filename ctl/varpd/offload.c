// SPDX-License-Identifier: BSD-2-Clause
/*
 * Describes a captured frame to the kernel as it was before the capture. Called before a held packet is sent again.
 * Fragments carry finished checksums (their sum covers more than one packet), so they are left alone.
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
		/* CWR belongs to the first segment only; the kernel must know to clear it in the others. */
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
	if (!gso_size)
		return 0;
	if (!header->flags)
		return -EINVAL;
	return describe_super_packet(frame, &p, gso_size, header);
}
