// SPDX-License-Identifier: BSD-2-Clause
/*
 * offload: what is said to the kernel about a held packet, so that it leaves with the checksum and segmentation it came with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>

#include "ctl/varpd/checksum.h"
#include "ctl/varpd/offload.h"

#define ROWS(rows)	(sizeof(rows) / sizeof((rows)[0]))
#define L4_LEN		60

/* An IPv4 or IPv6 packet with L4_LEN octets behind the IP header. */
static size_t make(uint8_t *frame, bool v6, uint8_t proto)
{
	size_t l4 = v6 ? 54 : 34;

	memset(frame, 0, l4);
	memset(frame + l4, 0x5a, L4_LEN);
	if (v6) {
		memcpy(frame + 12, (uint8_t[]){ 0x86, 0xdd, 0x60, 0, 0, 0, 0, L4_LEN, proto, 64, 0xfd }, 11);
		frame[37] = 1;
		frame[38] = 0xfd;
		frame[53] = 2;
	} else {
		memcpy(frame + 12, (uint8_t[]){ 0x08, 0, 0x45, 0, 0, 20 + L4_LEN, 0, 1, 0, 0, 64, proto, 0, 0,
						10, 1, 0, 1, 10, 1, 0, 2 }, 22);
	}
	if (proto == IPPROTO_TCP)
		memcpy(frame + l4 + 12, (uint8_t[]){ 0x80, 0x10 }, 2);	/* 32 octets of header, ACK */
	return l4 + L4_LEN;
}

static void test_offload_prepare_rows_describe_the_packet(void **state)
{
	static const struct {
		const char *name;
		bool v6;
		uint8_t proto;
		uint16_t gso_size;
		int err;
		uint8_t flags, gso_type;
		uint16_t csum_offset, hdr_len;
	} rows[] = {
		{ "TCP, IPv4", false, IPPROTO_TCP, 0, 0, 1, 0, 16, 0 },
		{ "TCP, IPv6", true, IPPROTO_TCP, 0, 0, 1, 0, 16, 0 },
		{ "UDP, IPv4", false, IPPROTO_UDP, 0, 0, 1, 0, 6, 0 },
		{ "UDP, IPv6", true, IPPROTO_UDP, 0, 0, 1, 0, 6, 0 },
		{ "ICMPv6", true, IPPROTO_ICMPV6, 0, 0, 1, 0, 2, 0 },
		{ "ICMP has no pseudo-header", false, IPPROTO_ICMP, 0, 0, 0, 0, 0, 0 },
		{ "ICMPv6's number in IPv4", false, IPPROTO_ICMPV6, 0, 0, 0, 0, 0, 0 },
		{ "unknown protocol", false, 253, 0, 0, 0, 0, 0, 0 },
		{ "TCP super-packet, IPv4", false, IPPROTO_TCP, 20, 0, 1, VIRTIO_NET_HDR_GSO_TCPV4, 16, 34 + 32 },
		{ "TCP super-packet, IPv6", true, IPPROTO_TCP, 20, 0, 1, VIRTIO_NET_HDR_GSO_TCPV6, 16, 54 + 32 },
		{ "UDP super-packet, IPv4", false, IPPROTO_UDP, 20, 0, 1, 5, 6, 34 + 8 },
		{ "UDP super-packet, IPv6", true, IPPROTO_UDP, 20, 0, 1, 5, 6, 54 + 8 },
		{ "super-packet of another protocol", false, 253, 20, -EINVAL, 0, 0, 0, 0 },
		{ "super-packet of ICMPv6", true, IPPROTO_ICMPV6, 20, -EINVAL, 0, 0, 0, 0 },
	};
	struct virtio_net_hdr header;
	uint8_t frame[256];

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		size_t len = make(frame, rows[i].v6, rows[i].proto);
		int err = offload_prepare(frame, len, rows[i].gso_size, &header);

		if (err != rows[i].err)
			fail_msg("%s: %d", rows[i].name, err);
		if (err)
			continue;
		if (header.flags != rows[i].flags || header.gso_type != rows[i].gso_type ||
		    header.gso_size != rows[i].gso_size || header.hdr_len != rows[i].hdr_len ||
		    header.csum_offset != rows[i].csum_offset ||
		    header.csum_start != (rows[i].flags ? (rows[i].v6 ? 54 : 34) : 0))
			fail_msg("%s: flags %u, type %u, start %u, offset %u, header %u", rows[i].name,
				 header.flags, header.gso_type, header.csum_start, header.csum_offset,
				 header.hdr_len);
	}
}

/* What the kernel does with VIRTIO_NET_HDR_F_NEEDS_CSUM. */
static void finish(uint8_t *frame, size_t len, const struct virtio_net_hdr *header)
{
	uint16_t sum = checksum_finish(checksum_add(0, frame + header->csum_start,
						    len - header->csum_start));

	memcpy(frame + header->csum_start + header->csum_offset, &sum, sizeof(sum));
}

static void test_offload_prepare_any_captured_checksum_ends_right(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6 };
	struct virtio_net_hdr header;
	uint8_t frame[256];

	(void)state;
	for (size_t i = 0; i < ROWS(protos); i++) {
		size_t len = make(frame, true, protos[i]);

		for (int round = 0; round < 2; round++) {	/* unfinished, then finished */
			assert_int_equal(offload_prepare(frame, len, 0, &header), 0);
			finish(frame, len, &header);
			assert_int_equal(checksum_finish(checksum_add(checksum_pseudo(frame + 22, frame + 38, 16,
										      protos[i], L4_LEN),
								      frame + 54, L4_LEN)), 0);
		}
	}
}

static void test_offload_prepare_udp_without_checksum_stays_so(void **state)
{
	struct virtio_net_hdr header;
	uint8_t frame[256];
	size_t len = make(frame, false, IPPROTO_UDP);

	(void)state;
	frame[40] = frame[41] = 0;
	assert_int_equal(offload_prepare(frame, len, 0, &header), 0);
	assert_int_equal(header.flags, 0);
	assert_int_equal(frame[40] | frame[41], 0);
}

static void test_offload_prepare_fragment_is_left_alone(void **state)
{
	struct virtio_net_hdr header;
	uint8_t frame[256], before[256];
	size_t len = make(frame, false, IPPROTO_UDP);

	(void)state;
	frame[20] = 0x20;	/* more fragments */
	memcpy(before, frame, len);
	assert_int_equal(offload_prepare(frame, len, 0, &header), 0);
	assert_int_equal(header.flags, 0);
	assert_memory_equal(frame, before, len);
}

static void test_offload_prepare_congestion_window_reduced_is_told(void **state)
{
	struct virtio_net_hdr header;
	uint8_t frame[256];
	size_t len = make(frame, false, IPPROTO_TCP);

	(void)state;
	frame[34 + 13] |= 0x80;
	assert_int_equal(offload_prepare(frame, len, 20, &header), 0);
	assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);
}

static void test_offload_prepare_sctp_checksum_is_finished(void **state)
{
	struct virtio_net_hdr header;
	uint8_t frame[256];

	(void)state;
	/* A COOKIE ACK whose checksum is not written yet; what it must be is scapy's word. */
	make(frame, false, IPPROTO_SCTP);
	memcpy(frame + 34, (uint8_t[]){ 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0xaa, 0xbb, 0xcc, 0xdd,
					0x0b, 0, 0, 4 }, 16);
	frame[17] = 20 + 16;
	assert_int_equal(offload_prepare(frame, 50, 0, &header), 0);
	assert_int_equal(header.flags, 0);
	assert_memory_equal(frame + 42, ((uint8_t[]){ 0x78, 0x34, 0x36, 0xfc }), 4);
}

static void test_offload_udp_segment_cuts_like_the_kernel(void **state)
{
	uint8_t frame[256], out[256];
	size_t lens[3] = { 0 };

	(void)state;
	for (int v6 = 0; v6 <= 1; v6++) {
		size_t l4 = v6 ? 54 : 34, len = make(frame, v6, IPPROTO_UDP);

		for (uint8_t i = 0; i < L4_LEN - 8; i++)
			frame[l4 + 8 + i] = i;
		for (unsigned int n = 0; n < 3; n++) {
			lens[n] = offload_udp_segment(frame, len, 20, n, out);
			assert_int_equal(lens[n], l4 + 8 + (n < 2 ? 20 : 12));
			assert_int_equal(out[l4 + 8], 20 * n);
			assert_int_equal(out[l4 + 5], lens[n] - l4);
			if (v6) {
				assert_int_equal(out[19], lens[n] - l4);
				continue;
			}
			assert_int_equal(out[17], lens[n] - 14);
			assert_int_equal(out[19], 1 + n);
			assert_int_equal(checksum_finish(checksum_add(0, out + 14, 20)), 0);
		}
		assert_int_equal(offload_udp_segment(frame, len, 20, 3, out), 0);
		assert_int_equal(offload_udp_segment(frame, len, 0, 0, out), 0);
	}
}

static void test_offload_prepare_any_truncation_is_safe(void **state)
{
	struct virtio_net_hdr header;
	uint8_t frame[256];
	size_t full;

	(void)state;
	for (int v6 = 0; v6 <= 1; v6++) {
		full = make(frame, v6, IPPROTO_TCP);
		for (size_t len = 0; len < full; len++) {
			uint8_t *exact = malloc(len ? len : 1);

			assert_non_null(exact);
			memcpy(exact, frame, len);
			assert_int_equal(offload_prepare(exact, len, 20, &header), -EINVAL);
			free(exact);
		}
	}
}

static void test_offload_prepare_transport_header_beyond_the_packet_is_refused(void **state)
{
	struct virtio_net_hdr header;
	uint8_t frame[256];
	size_t len = make(frame, false, IPPROTO_TCP);

	(void)state;
	frame[34 + 12] = 0xf0;			/* 60 octets of header: all there is */
	assert_int_equal(offload_prepare(frame, len, 20, &header), 0);
	frame[17] = 20 + L4_LEN - 1;		/* one octet less */
	assert_int_equal(offload_prepare(frame, len, 20, &header), -EINVAL);
	frame[17] = 20 + 19;			/* not even the fixed part */
	assert_int_equal(offload_prepare(frame, len, 20, &header), -EINVAL);
	assert_int_equal(offload_prepare(frame, len, 0, &header), 0);
	assert_int_equal(header.flags, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offload_prepare_rows_describe_the_packet),
		cmocka_unit_test(test_offload_prepare_any_captured_checksum_ends_right),
		cmocka_unit_test(test_offload_prepare_udp_without_checksum_stays_so),
		cmocka_unit_test(test_offload_prepare_fragment_is_left_alone),
		cmocka_unit_test(test_offload_prepare_congestion_window_reduced_is_told),
		cmocka_unit_test(test_offload_prepare_sctp_checksum_is_finished),
		cmocka_unit_test(test_offload_udp_segment_cuts_like_the_kernel),
		cmocka_unit_test(test_offload_prepare_any_truncation_is_safe),
		cmocka_unit_test(test_offload_prepare_transport_header_beyond_the_packet_is_refused),
	};

	return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
