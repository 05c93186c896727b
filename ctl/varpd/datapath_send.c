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
#define BURST		32			/* packets per system call */
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

/* What a message points to. */
struct message_parts {
	struct sockaddr_ll to;
	struct iovec iov[2];
};

/* Held packets on their way out together. */
struct burst {
	unsigned int count;
	struct held_packet *packets[BURST];
	struct virtio_net_hdr headers[BURST];
	struct message_parts parts[BURST];
	struct mmsghdr messages[BURST];
};

static void fill_message(struct msghdr *msg, struct message_parts *parts, uint32_t ifindex,
			 const struct virtio_net_hdr *header, const uint8_t *frame,
			 size_t frame_len)
{
	parts->to = (struct sockaddr_ll){
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)ifindex,
		.sll_halen = ETH_ALEN,
	};
	memcpy(&parts->to.sll_protocol, frame + 2 * ETH_ALEN, sizeof(parts->to.sll_protocol));
	parts->iov[0] = (struct iovec){ (void *)header, sizeof(*header) };
	parts->iov[1] = (struct iovec){ (void *)frame, frame_len };
	*msg = (struct msghdr){
		.msg_name = &parts->to,
		.msg_namelen = sizeof(parts->to),
		.msg_iov = parts->iov,
		.msg_iovlen = 2,
	};
}

static int send_frame(struct datapath *dp, uint32_t ifindex, const struct virtio_net_hdr *header,
		      const uint8_t *frame, size_t frame_len)
{
	struct message_parts parts;
	struct msghdr msg;

	fill_message(&msg, &parts, ifindex, header, frame, frame_len);
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

/* One that arrived is addressed to the node device already, and passes varp_reinject. */
static int prepare_again(struct held_packet *packet, struct virtio_net_hdr *header)
{
	if (!packet->arrived)
		memcpy(packet->frame, reinject_mac, ETH_ALEN);
	return offload_prepare(packet->frame, packet->frame_len, packet->gso_size, header);
}

static void count_failure(struct datapath *dp, const struct held_packet *packet, int err)
{
	struct dp_device *device = dp_device_find(dp, packet->ifindex);

	if (!device || err == -ENXIO || err == -ENODEV) {
		dp_count(dp, VARP_DROP_HELD_GONE, 1);
		return;
	}
	dp_count(dp, VARP_DROP_REINJECT_FAILED, 1);
	varpd_log(VARPD_LOG_DEBUG, "held packet of %u octets not sent on %s: %s",
		  packet->frame_len, device->record.name, strerror(-err));
}

/* The kernel has refused one of a burst. */
static void send_otherwise(struct datapath *dp, const struct held_packet *packet, int err)
{
	struct dp_device *device = dp_device_find(dp, packet->ifindex);

	if (device && err == -EINVAL && packet->gso_size)
		err = send_in_segments(dp, device, packet);
	if (err)
		count_failure(dp, packet, err);
}

/* All of it, in order; what cannot be sent is counted. */
static void burst_send(struct datapath *dp, struct burst *burst)
{
	unsigned int done = 0;

	while (done < burst->count) {
		int sent = sendmmsg(dp->packet_fd, burst->messages + done, burst->count - done, 0);

		if (sent > 0)
			done += (unsigned int)sent;
		else
			send_otherwise(dp, burst->packets[done++], -errno);
	}
	burst->count = 0;
}

static void burst_add(struct burst *burst, const struct dp_device *device,
		      struct held_packet *packet)
{
	unsigned int i = burst->count++;

	burst->packets[i] = packet;
	fill_message(&burst->messages[i].msg_hdr, &burst->parts[i], device->record.peer,
		     &burst->headers[i], packet->frame, packet->frame_len);
}

void dp_send_held(struct datapath *dp, struct held_packet *packets)
{
	struct burst burst = { .count = 0 };

	for (struct held_packet *p = packets; p; p = p->next) {
		struct dp_device *device = dp_device_find(dp, p->ifindex);
		int err = device ? prepare_again(p, &burst.headers[burst.count]) : -ENODEV;

		if (err) {
			count_failure(dp, p, err);
			continue;
		}
		burst_add(&burst, device, p);
		if (burst.count == BURST)
			burst_send(dp, &burst);
	}
	burst_send(dp, &burst);
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
