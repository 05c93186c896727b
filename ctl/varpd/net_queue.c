// SPDX-License-Identifier: BSD-2-Clause
/*
 * See net_queue.h. Called by net.c.
 */
#include "net_queue.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

/* glibc has it from 2.31 on, in a header that the kernel's own is at odds with. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif

#define MERGE_AGAIN	100000	/* datagrams after which a device is asked again whether it takes merged ones */
#define CONTROL_MAX	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)))

union control {
	struct cmsghdr align;
	char octets[CONTROL_MAX];
};

struct net_queue {
	struct net_queue_config config;
	bool merge;
	bool doubt;			/* merge was switched off by what was sent last */
	unsigned int unmerged;		/* datagrams until it is tried again */
	unsigned int first, count;	/* of datagrams */
	struct mmsghdr messages[NET_QUEUE_MAX];
	union control controls[NET_QUEUE_MAX];
	struct iovec iov[NET_QUEUE_MAX];
	struct net_datagram datagrams[NET_QUEUE_MAX];
};

struct net_queue *net_queue_new(const struct net_queue_config *config)
{
	struct net_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	queue->config = *config;
	queue->merge = true;
	return queue;
}

void net_queue_free(struct net_queue *queue)
{
	free(queue);
}

unsigned int net_queue_count(const struct net_queue *queue)
{
	return queue->count;
}

/* --- Control messages --- */

static bool is_zero(const struct varp_addr *addr)
{
	static const struct varp_addr zero;

	return !memcmp(addr, &zero, sizeof(zero));
}

static void put_control(struct msghdr *message, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c = (void *)((char *)message->msg_control + message->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	message->msg_controllen += CMSG_SPACE(len);
}

static void put_source(int family, struct msghdr *message, const struct net_datagram *datagram)
{
	struct in6_pktinfo info6 = { .ipi6_ifindex = datagram->ifindex };
	struct in_pktinfo info4 = { .ipi_ifindex = (int)datagram->ifindex };

	if (is_zero(&datagram->source))
		return;
	if (family == AF_INET6) {
		memcpy(&info6.ipi6_addr, &datagram->source, sizeof(info6.ipi6_addr));
		put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
	} else {
		memcpy(&info4.ipi_spec_dst, &datagram->source.b[12], sizeof(info4.ipi_spec_dst));
		put_control(message, IPPROTO_IP, IP_PKTINFO, &info4, sizeof(info4));
	}
}

/* --- Messages: what one element of sendmmsg()'s array carries --- */

static bool may_merge(const struct net_datagram *a, const struct net_datagram *b)
{
	return a->len == b->len && a->name_len == b->name_len && a->ifindex == b->ifindex &&
	       !memcmp(&a->name, &b->name, a->name_len) &&
	       !memcmp(&a->source, &b->source, sizeof(a->source));
}

static unsigned int run_length(const struct net_queue *queue, unsigned int first)
{
	unsigned int end = queue->first + queue->count, n = 1;

	while (queue->merge && n < NET_QUEUE_MERGED_MAX && first + n < end &&
	       may_merge(&queue->datagrams[first], &queue->datagrams[first + n]))
		n++;
	return n;
}

static void build_message(struct net_queue *queue, struct mmsghdr *m, union control *control,
			  unsigned int first, unsigned int n)
{
	struct net_datagram *datagram = &queue->datagrams[first];
	uint16_t len = (uint16_t)datagram->len;
	struct msghdr *message = &m->msg_hdr;

	memset(control, 0, sizeof(*control));
	*message = (struct msghdr){
		.msg_name = &datagram->name,
		.msg_namelen = datagram->name_len,
		.msg_iov = &queue->iov[first],
		.msg_iovlen = n,
		.msg_control = control,
	};
	for (unsigned int i = first; i < first + n; i++)
		queue->iov[i] = (struct iovec){ queue->datagrams[i].data, queue->datagrams[i].len };
	put_source(queue->config.family, message, datagram);
	if (n > 1)
		put_control(message, IPPROTO_UDP, UDP_SEGMENT, &len, sizeof(len));
	if (!message->msg_controllen)
		message->msg_control = NULL;
}

static unsigned int build(struct net_queue *queue)
{
	unsigned int end = queue->first + queue->count, messages = 0;

	for (unsigned int at = queue->first, n; at < end; at += n) {
		n = run_length(queue, at);
		build_message(queue, &queue->messages[messages], &queue->controls[messages], at, n);
		messages++;
	}
	return messages;
}

/* --- Sending --- */

static void take_out(struct net_queue *queue, size_t count, int err)
{
	while (count--) {
		queue->config.sent(queue->config.ctx, &queue->datagrams[queue->first], err);
		queue->first++;
		queue->count--;
	}
	if (!queue->count)
		queue->first = 0;
}

/*
 * A device that cannot add checksums refuses what is merged, and so does IPsec. But a peer that cannot
 * be reached may look like that too: the next one, sent by itself, tells.
 */
static bool refuses_merged(const struct net_queue *queue, int err)
{
	return queue->messages[0].msg_hdr.msg_iovlen > 1 &&
	       (err == EIO || err == EINVAL || err == EOPNOTSUPP || err == EMSGSIZE);
}

static void settle_doubt(struct net_queue *queue, bool went)
{
	if (!queue->doubt)
		return;
	queue->doubt = false;
	queue->merge = !went;
	queue->unmerged = went ? MERGE_AGAIN : 0;
}

static void try_merging_again(struct net_queue *queue, unsigned int sent)
{
	if (queue->merge || queue->doubt)
		return;
	queue->unmerged -= sent < queue->unmerged ? sent : queue->unmerged;
	queue->merge = !queue->unmerged;
}

bool net_queue_flush(struct net_queue *queue)
{
	while (queue->count) {
		unsigned int messages = build(queue);
		int sent = queue->config.send(queue->config.ctx, queue->messages, messages);
		int err = sent < 0 ? errno : 0;

		if (err == EAGAIN)
			return false;
		for (int i = 0; i < sent; i++)
			take_out(queue, queue->messages[i].msg_hdr.msg_iovlen, 0);
		if (sent > 0) {
			settle_doubt(queue, true);
			try_merging_again(queue, (unsigned int)sent);
			continue;
		}
		if (refuses_merged(queue, err)) {
			queue->merge = false;
			queue->doubt = true;
			continue;
		}
		settle_doubt(queue, false);
		take_out(queue, queue->messages[0].msg_hdr.msg_iovlen, err);
	}
	return true;
}

static void move_to_front(struct net_queue *queue)
{
	memmove(queue->datagrams, &queue->datagrams[queue->first],
		queue->count * sizeof(queue->datagrams[0]));
	queue->first = 0;
}

struct net_datagram *net_queue_next(struct net_queue *queue)
{
	if (queue->first + queue->count == NET_QUEUE_MAX)
		net_queue_flush(queue);
	if (queue->first + queue->count == NET_QUEUE_MAX && queue->first)
		move_to_front(queue);
	if (queue->count == NET_QUEUE_MAX)
		return NULL;
	return &queue->datagrams[queue->first + queue->count];
}

void net_queue_add(struct net_queue *queue)
{
	queue->count++;
}
