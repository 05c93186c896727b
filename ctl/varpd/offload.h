/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A captured frame lost what its skb said about it: that its transport checksum was unfinished, and
 * that it was a super-packet. This says it again in the form an AF_PACKET socket with
 * PACKET_VNET_HDR takes. Called by datapath_send.c. Pure.
 */
#ifndef VARPD_OFFLOAD_H
#define VARPD_OFFLOAD_H

#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Fills in the header for `frame` and writes the pseudo-header's sum where the kernel is to finish
 * the checksum: right whether the captured checksum was finished or not. gso_size zero: an ordinary
 * packet. 0, or -EINVAL for a frame that cannot be sent (malformed, or a super-packet of neither
 * TCP nor UDP).
 */
int offload_prepare(uint8_t *frame, size_t frame_len, uint16_t gso_size,
		    struct virtio_net_hdr *header);

/*
 * Cuts a UDP super-packet for kernels whose packet sockets do not (before 6.2). Writes segment n,
 * as a frame to be given to offload_prepare(), to out, which has room for frame_len octets. Returns
 * its length; zero: there is no such segment.
 */
size_t offload_udp_segment(const uint8_t *frame, size_t frame_len, uint16_t gso_size,
			   unsigned int n, uint8_t *out);

#endif
