// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sends frames out of node devices' peers: held packets, which varp_reinject at the peer's egress
 * encapsulates, and ICMP errors, which pass it and arrive at the node device. Called by
 * datapath_cache.c and datapath_ring.c.
 */
#include "datapath_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "icmp.h"

/* Room for a burst of super-packets; what is sent leaves it at once. */
#define SEND_BUFFER	(8 * 1024 * 1024)
#define ICMP_PER_SECOND	1000			/* in all; BPF bounds them per destination */

static const uint8_t reinject_mac[ETH_ALEN] = VARP_REINJECT_MAC;

int dp_send_open(struct datapath *dp, struct varpd_error *error)
{
	int one = 1, room = SEND_BUFFER, err;

	/* Protocol zero: it receives nothing. */
	dp->packet_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (dp->packet_fd < 0) {
		err = -errno;
		return varpd_fail(error, err, "cannot open a packet socket: %s%s", strerror(-err),
				  err != -EPERM ? "" :
				  "; varpd needs root, or CAP_NET_RAW and CAP_NET_ADMIN");
	}
	if (setsockopt(dp->packet_fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one))) {
		err = -errno;
		dp_send_close(dp);
		return varpd_fail(error, err, "cannot set up the packet socket: %s",
				  strerror(-err));
	}
	setsockopt(dp->packet_fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	return 0;
}

void dp_send_close(struct datapath *dp)
{
	if (dp->packet_fd >= 0)
		close(dp->packet_fd);
	dp->packet_fd = -1;
}

static int send_frame(struct datapath *dp, uint32_t ifindex, const struct virtio_net_hdr *header,
		      const uint8_t *frame, size_t frame_len)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)ifindex,
		.sll_halen = ETH_ALEN,
	};
	struct iovec iov[] = {
		{ .iov_base = (void *)header, .iov_len = sizeof(*header) },
		{ .iov_base = (void *)frame, .iov_len = frame_len },
	};
	struct msghdr msg = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = iov,
		.msg_iovlen = 2,
	};

	memcpy(&to.sll_protocol, frame + 2 * ETH_ALEN, sizeof(to.sll_protocol));
	return sendmsg(dp->packet_fd, &msg, 0) < 0 ? -errno : 0;
}

/* Linux before 6.2 takes no UDP super-packets from a packet socket. */
static int send_in_segments(struct datapath *dp, const struct dp_device *device,
			    const struct held_packet *packet)
{
	uint8_t *segment = malloc(packet->frame_len);
	struct virtio_net_hdr header;
	int err = -EINVAL;
	size_t len;

	if (!segment)
		return -ENOMEM;
	for (unsigned int n = 0; n == 0 || !err; n++) {
		len = offload_udp_segment(packet->frame, packet->frame_len, packet->gso_size, n,
					  segment);
		if (!len)
			break;
		err = offload_prepare(segment, len, 0, &header);
		if (!err)
			err = send_frame(dp, device->record.peer, &header, segment, len);
	}
	free(segment);
	return err;
}

static int send_again(struct datapath *dp, const struct dp_device *device,
		      struct held_packet *packet)
{
	struct virtio_net_hdr header;
	int err;

	memcpy(packet->frame, reinject_mac, ETH_ALEN);
	err = offload_prepare(packet->frame, packet->frame_len, packet->gso_size, &header);
	if (err)
		return err;
	err = send_frame(dp, device->record.peer, &header, packet->frame, packet->frame_len);
	return err == -EINVAL && packet->gso_size ? send_in_segments(dp, device, packet) : err;
}

void dp_send_held(struct datapath *dp, struct held_packet *packets)
{
	for (struct held_packet *p = packets; p; p = p->next) {
		struct dp_device *device = dp_device_find(dp, p->ifindex);
		int err = device ? send_again(dp, device, p) : -ENODEV;

		if (!device || err == -ENXIO || err == -ENODEV) {
			dp_count(dp, VARP_DROP_HELD_GONE, 1);
		} else if (err) {
			dp_count(dp, VARP_DROP_REINJECT_FAILED, 1);
			varpd_log(VARPD_LOG_DEBUG, "held packet of %u octets not sent on %s: %s",
				  p->frame_len, device->record.name, strerror(-err));
		}
	}
	held_packets_free(packets);
}

static bool icmp_allowed(void)
{
	static uint64_t second;
	static unsigned int sent;
	uint64_t now_s = dp_now_ns() / NSEC_PER_SEC;

	if (now_s != second) {
		second = now_s;
		sent = 0;
	}
	return sent++ < ICMP_PER_SECOND;
}

void dp_send_icmp(struct datapath *dp, bool too_big, uint32_t mtu, uint32_t ifindex,
		  const uint8_t *frame, size_t frame_len)
{
	const struct virtio_net_hdr plain = { 0 };
	struct dp_device *device = dp_device_find(dp, ifindex);
	uint8_t out[ICMP_FRAME_MAX];
	size_t len;

	if (!device)
		return;
	len = icmp_build(too_big ? ICMP_ERROR_TOO_BIG : ICMP_ERROR_UNREACHABLE, mtu, frame,
			 frame_len, device->record.mac, out);
	if (len && icmp_allowed() && !send_frame(dp, device->record.peer, &plain, out, len))
		dp->stats.counters[VARP_COUNTER_ICMP_SENT]++;
}
