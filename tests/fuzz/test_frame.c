// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzzes what looks into held frames: packet.c, icmp.c and offload.c. The first four octets are an MTU
 * and a GSO size; the rest is the frame. Nothing is read or written beyond it, and what is made of it
 * is a packet again.
 */
#include <string.h>

#include "ctl/varpd/icmp.h"
#include "ctl/varpd/offload.h"
#include "ctl/varpd/packet.h"
#include "fuzz.h"

static void check_icmp(enum icmp_error error, uint16_t mtu, const uint8_t *frame, size_t len)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	uint8_t *out = malloc(ICMP_FRAME_MAX), again[ICMP_FRAME_MAX];
	size_t out_len = icmp_build(error, mtu, frame, len, mac, out);
	struct packet p;

	FUZZ_CHECK(out_len <= ICMP_FRAME_MAX);
	if (out_len) {
		FUZZ_CHECK(!packet_parse(out, out_len, &p) && p.end == out_len && !p.fragment);
		FUZZ_CHECK(!memcmp(out, mac, sizeof(mac)));
		/* It is one itself, and those are not answered. */
		FUZZ_CHECK(!icmp_build(error, mtu, out, out_len, mac, again));
	}
	free(out);
}

static void check_header(const struct virtio_net_hdr *header, size_t len)
{
	if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		FUZZ_CHECK((size_t)header->csum_start + header->csum_offset + 2 <= len);
	if (header->gso_type)
		FUZZ_CHECK(header->gso_size && header->hdr_len <= len && header->flags);
}

static void check_segments(uint16_t gso_size, const uint8_t *frame, size_t len)
{
	uint8_t *out = malloc(len ? len : 1);
	size_t payload = 0, out_len;
	struct packet p, whole;
	unsigned int n;

	for (n = 0; (out_len = offload_udp_segment(frame, len, gso_size, n, out)); n++) {
		FUZZ_CHECK(out_len <= len && !packet_parse(out, out_len, &p) && p.end == out_len);
		payload += p.end - p.l4 - 8;
	}
	if (n) {
		FUZZ_CHECK(!packet_parse(frame, len, &whole));
		FUZZ_CHECK(payload == whole.end - whole.l4 - 8);
	}
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	uint16_t mtu = fuzz_u16(&in), gso_size = fuzz_u16(&in);
	struct virtio_net_hdr header;
	struct packet p;
	uint8_t *frame;

	if (!packet_parse(in.at, in.left, &p))
		FUZZ_CHECK(p.ip <= p.l4 && p.l4 <= p.end && p.end <= in.left);
	check_icmp(ICMP_ERROR_UNREACHABLE, 0, in.at, in.left);
	check_icmp(ICMP_ERROR_TOO_BIG, mtu, in.at, in.left);
	check_segments(gso_size, in.at, in.left);
	frame = malloc(in.left ? in.left : 1);
	memcpy(frame, in.at, in.left);
	if (!offload_prepare(frame, in.left, gso_size, &header))
		check_header(&header, in.left);
	free(frame);
	return 0;
}
