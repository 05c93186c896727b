// SPDX-License-Identifier: BSD-2-Clause
/*
 * The queues of packets that wait for a resolution. Called by datapath_ring.c (add) and by what
 * answers or ends lookups (take). Knows neither maps nor sockets.
 *
 * A queue lives from its first packet until it is taken. uthash keeps queues in the order they were
 * made, so the first is the oldest.
 */
#include "held.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An insertion that finds no memory must be told, not end the daemon. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct held_supernet {
	struct varp_snid snid;
	size_t bytes;
	unsigned int queues;
	UT_hash_handle hh;
};

struct held_queue {
	struct varp_key key;
	struct held_supernet *supernet;
	uint64_t since_ns;
	unsigned int count;
	bool open;
	struct held_packet *first, **last;
	UT_hash_handle hh;
};

struct held {
	struct held_limits limits;
	struct held_queue *queues;
	struct held_supernet *supernets;
	size_t bytes;
};

/* What a packet is charged: small ones cost more than their octets. */
static size_t cost(const struct held_packet *packet)
{
	return sizeof(*packet) + packet->frame_len;
}

struct held *held_new(const struct held_limits *limits)
{
	struct held *held = calloc(1, sizeof(*held));

	if (held)
		held->limits = *limits;
	return held;
}

void held_packets_free(struct held_packet *packets)
{
	while (packets) {
		struct held_packet *next = packets->next;

		free(packets);
		packets = next;
	}
}

static struct held_supernet *supernet_get(struct held *held, const struct varp_snid *snid)
{
	struct held_supernet *supernet;

	HASH_FIND(hh, held->supernets, snid, sizeof(*snid), supernet);
	if (supernet)
		return supernet;
	supernet = calloc(1, sizeof(*supernet));
	if (!supernet)
		return NULL;
	supernet->snid = *snid;
	HASH_ADD(hh, held->supernets, snid, sizeof(supernet->snid), supernet);
	if (!supernet->hh.tbl) {
		free(supernet);
		return NULL;
	}
	return supernet;
}

static void supernet_release(struct held *held, struct held_supernet *supernet)
{
	if (supernet->queues)
		return;
	HASH_DEL(held->supernets, supernet);
	free(supernet);
}

static struct held_queue *queue_find(const struct held *held, const struct varp_key *key)
{
	struct held_queue *queue;

	HASH_FIND(hh, held->queues, key, sizeof(*key), queue);
	return queue;
}

static struct held_queue *queue_new(struct held *held, struct held_supernet *supernet,
				    const struct varp_key *key, uint64_t now_ns)
{
	struct held_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	queue->key = *key;
	queue->supernet = supernet;
	queue->since_ns = now_ns;
	queue->last = &queue->first;
	HASH_ADD(hh, held->queues, key, sizeof(queue->key), queue);
	if (!queue->hh.tbl) {
		free(queue);
		return NULL;
	}
	supernet->queues++;
	return queue;
}

/* Removes the queue, not its packets. */
static void queue_free(struct held *held, struct held_queue *queue)
{
	struct held_supernet *supernet = queue->supernet;

	HASH_DEL(held->queues, queue);
	free(queue);
	supernet->queues--;
	supernet_release(held, supernet);
}

static void uncharge(struct held *held, struct held_queue *queue, const struct held_packet *packet)
{
	held->bytes -= cost(packet);
	queue->supernet->bytes -= cost(packet);
	queue->count--;
}

static struct held_packet *packet_copy(const struct varp_event *event)
{
	struct held_packet *packet = malloc(sizeof(*packet) + event->frame_len);

	if (!packet)
		return NULL;
	packet->next = NULL;
	packet->time_ns = event->time_ns;
	packet->ifindex = event->ifindex;
	packet->frame_len = event->frame_len;
	packet->gso_size = event->gso_size;
	packet->arrived = event->arrived;
	packet->from = event->from;
	memcpy(packet->frame, event + 1, event->frame_len);
	return packet;
}

int held_add(struct held *held, const struct varp_event *event, uint64_t now_ns)
{
	size_t bytes = sizeof(struct held_packet) + event->frame_len;
	struct held_queue *queue = queue_find(held, &event->key);
	struct held_supernet *supernet;
	struct held_packet *packet;

	if (queue && queue->count >= held->limits.per_key)
		return -ENOSPC;
	supernet = supernet_get(held, &event->key.snid);
	if (!supernet)
		return -ENOMEM;
	if (supernet->bytes + bytes > held->limits.bytes_per_supernet ||
	    held->bytes + bytes > held->limits.bytes) {
		supernet_release(held, supernet);
		return -ENOBUFS;
	}
	packet = packet_copy(event);
	if (packet && !queue)
		queue = queue_new(held, supernet, &event->key, now_ns);
	if (!packet || !queue) {
		free(packet);
		supernet_release(held, supernet);
		return -ENOMEM;
	}
	*queue->last = packet;
	queue->last = &packet->next;
	queue->count++;
	queue->open |= event->type == VARP_EVENT_MISS;
	supernet->bytes += bytes;
	held->bytes += bytes;
	return 0;
}

bool held_any(const struct held *held, const struct varp_key *key)
{
	return queue_find(held, key);
}

bool held_single(const struct held *held, const struct varp_key *key)
{
	const struct held_queue *queue = queue_find(held, key);

	return queue && queue->open && queue->count == 1;
}

void held_removed(struct held *held, const struct varp_key *key)
{
	struct held_queue *queue = queue_find(held, key);

	if (queue)
		queue->open = false;
}

struct held_packet *held_take(struct held *held, const struct varp_key *key)
{
	struct held_queue *queue = queue_find(held, key);
	struct held_packet *packets;

	if (!queue)
		return NULL;
	packets = queue->first;
	for (struct held_packet *p = packets; p; p = p->next)
		uncharge(held, queue, p);
	queue_free(held, queue);
	return packets;
}

bool held_oldest(const struct held *held, uint64_t before_ns, struct varp_key *key)
{
	if (!held->queues || held->queues->since_ns >= before_ns)
		return false;
	*key = held->queues->key;
	return true;
}

/* What to drop: all that was captured before a time, or at one of two devices. */
struct which {
	uint64_t before_ns;
	uint32_t ifindex, other_ifindex;
};

static bool matches(const struct which *which, const struct held_packet *packet)
{
	return packet->time_ns < which->before_ns || packet->ifindex == which->ifindex ||
	       packet->ifindex == which->other_ifindex;
}

static unsigned int queue_drop(struct held *held, struct held_queue *queue,
			       const struct which *which)
{
	struct held_packet **at = &queue->first;
	unsigned int dropped = 0;

	while (*at) {
		struct held_packet *packet = *at;

		if (!matches(which, packet)) {
			at = &packet->next;
			continue;
		}
		*at = packet->next;
		uncharge(held, queue, packet);
		free(packet);
		dropped++;
	}
	queue->last = at;
	return dropped;
}

/*
 * To the end of the hash's order, which is that of since_ns. False: no memory to take it in again.
 */
static bool queue_renew(struct held *held, struct held_queue *queue, uint64_t now_ns)
{
	HASH_DEL(held->queues, queue);
	queue->since_ns = now_ns;
	HASH_ADD(hh, held->queues, key, sizeof(queue->key), queue);
	return queue->hh.tbl;
}

unsigned int held_drop_before(struct held *held, const struct varp_key *key, uint64_t before_ns,
			      uint64_t now_ns)
{
	const struct which which = { .before_ns = before_ns }, all = { .before_ns = UINT64_MAX };
	struct held_queue *queue = queue_find(held, key);
	unsigned int dropped;

	if (!queue)
		return 0;
	dropped = queue_drop(held, queue, &which);
	if (!queue->first) {
		queue_free(held, queue);
	} else if (!queue_renew(held, queue, now_ns)) {
		dropped += queue_drop(held, queue, &all);
		queue->supernet->queues--;
		supernet_release(held, queue->supernet);
		free(queue);
	}
	return dropped;
}

unsigned int held_drop_device(struct held *held, uint32_t ifindex, uint32_t other_ifindex)
{
	const struct which which = { .ifindex = ifindex, .other_ifindex = other_ifindex };
	struct held_queue *queue, *next;
	unsigned int dropped = 0;

	HASH_ITER(hh, held->queues, queue, next) {
		dropped += queue_drop(held, queue, &which);
		if (!queue->first)
			queue_free(held, queue);
	}
	return dropped;
}

size_t held_bytes(const struct held *held)
{
	return held->bytes;
}

void held_free(struct held *held)
{
	struct held_queue *queue, *next;

	if (!held)
		return;
	HASH_ITER(hh, held->queues, queue, next) {
		held_packets_free(queue->first);
		queue_free(held, queue);
	}
	free(held);
}
