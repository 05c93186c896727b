// SPDX-License-Identifier: BSD-2-Clause
/*
 * Finds the headers of a captured Ethernet frame. Called by icmp.c, offload.c and datapath_ring.c. The kernel
 * checked the frame before it was captured, but nothing here relies on that.
 */
#include "packet.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define EXTENSIONS_MAX	8	/* more than any real packet has */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static int parse_ip4(const uint8_t *frame, size_t frame_len, struct packet *packet)
{
	const uint8_t *ip = frame + packet->ip;
	size_t header_len, total_len;
	uint16_t frag;

	if (frame_len < packet->ip + 20)
		return -EINVAL;
	header_len = (size_t)(ip[0] & 0x0f) * 4;
	total_len = get16(ip + 2);
	if (ip[0] >> 4 != 4 || header_len < 20 || total_len < header_len ||
	    packet->ip + total_len > frame_len)
		return -EINVAL;
	frag = get16(ip + 6);
	packet->version = 4;
	packet->proto = ip[9];
	packet->fragment = frag & 0x3fff;
	packet->later_fragment = frag & 0x1fff;
	packet->l4 = packet->ip + header_len;
	packet->end = packet->ip + total_len;
	return 0;
}

/*
 * Steps over the extension headers that a host may put before the transport header (RFC 8200,
 * section 4).
 */
static int parse_extensions(const uint8_t *frame, struct packet *packet)
{
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		const uint8_t *ext = frame + packet->l4;
		size_t len;

		if (packet->proto != IPPROTO_HOPOPTS && packet->proto != IPPROTO_ROUTING &&
		    packet->proto != IPPROTO_DSTOPTS && packet->proto != IPPROTO_FRAGMENT)
			return 0;
		if (packet->l4 + 8 > packet->end)
			return -EINVAL;
		len = 8;
		if (packet->proto == IPPROTO_FRAGMENT) {
			packet->fragment = get16(ext + 2) & 0xfff9;
			packet->later_fragment = get16(ext + 2) & 0xfff8;
		} else {
			len += (size_t)ext[1] * 8;
		}
		if (packet->l4 + len > packet->end)
			return -EINVAL;
		packet->proto = ext[0];
		packet->l4 += len;
		if (packet->later_fragment)
			return 0;
	}
	return -EINVAL;
}

static int parse_ip6(const uint8_t *frame, size_t frame_len, struct packet *packet)
{
	const uint8_t *ip = frame + packet->ip;

	if (frame_len < packet->ip + PACKET_IP6_LEN || ip[0] >> 4 != 6)
		return -EINVAL;
	packet->version = 6;
	packet->proto = ip[6];
	packet->l4 = packet->ip + PACKET_IP6_LEN;
	packet->end = packet->l4 + get16(ip + 4);
	if (packet->end > frame_len)
		return -EINVAL;
	return parse_extensions(frame, packet);
}

int packet_parse(const uint8_t *frame, size_t frame_len, struct packet *packet)
{
	memset(packet, 0, sizeof(*packet));
	packet->ip = PACKET_ETH_LEN;
	if (frame_len < PACKET_ETH_LEN)
		return -EINVAL;
	switch (get16(frame + 12)) {
	case 0x0800:
		return parse_ip4(frame, frame_len, packet);
	case 0x86dd:
		return parse_ip6(frame, frame_len, packet);
	}
	return -EINVAL;
}

void packet_source(const uint8_t *frame, size_t frame_len, struct varp_addr *source)
{
	struct packet packet;

	memset(source, 0, sizeof(*source));
	if (packet_parse(frame, frame_len, &packet))
		return;
	if (packet.version == 6) {
		memcpy(source, frame + packet.ip + 8, sizeof(*source));
		return;
	}
	source->w[2] = htonl(0xffff);
	memcpy(&source->w[3], frame + packet.ip + 12, sizeof(source->w[3]));
}
