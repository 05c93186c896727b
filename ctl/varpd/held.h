/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets that wait for an answer, by destination and in order of arrival; bounded per destination,
 * per supernet and in all. Pure memory: it sends and counts nothing, the caller does.
 */
#ifndef VARPD_HELD_H
#define VARPD_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <varp/abi.h>

struct held;

struct held_limits {
	unsigned int per_key;		/* packets */
	size_t bytes_per_supernet;
	size_t bytes;			/* in all */
};

struct held_packet {
	struct held_packet *next;
	uint64_t time_ns;		/* of the event */
	uint32_t ifindex;		/* device it was captured at */
	uint32_t frame_len;
	uint16_t gso_size;
	bool arrived;			/* and waits to hear whether its source lives at `from`; else a node's own */
	struct varp_addr from;
	uint8_t frame[];
};

struct held *held_new(const struct held_limits *limits);	/* NULL: out of memory */
void held_free(struct held *held);

/*
 * Queues a copy of the frame of `event`, which stands behind it. 0; -ENOSPC: as many as may wait
 * for one destination do; -ENOBUFS: a bound on octets is reached; -ENOMEM.
 */
int held_add(struct held *held, const struct varp_event *event, uint64_t now_ns);

bool held_any(const struct held *held, const struct varp_key *key);
/*
 * A single packet waits for this destination, and BPF's entry of its lookup is known to be there:
 * a miss was taken in, and nobody has said since that the entry was removed.
 */
bool held_single(const struct held *held, const struct varp_key *key);
void held_removed(struct held *held, const struct varp_key *key);
/*
 * Removes a destination's packets and returns them, oldest first; NULL if there are none. Free with
 * held_packets_free().
 */
struct held_packet *held_take(struct held *held, const struct varp_key *key);
/* Finds a destination whose first packet came before before_ns; false if there is none. */
bool held_oldest(const struct held *held, uint64_t before_ns, struct varp_key *key);
/*
 * Drops a destination's packets that were captured before before_ns; those that are left wait from
 * now_ns on, as held_oldest() sees it. Returns how many went.
 */
unsigned int held_drop_before(struct held *held, const struct varp_key *key, uint64_t before_ns,
			      uint64_t now_ns);
/* Drops what was captured at one of two devices. Returns how many. */
unsigned int held_drop_device(struct held *held, uint32_t ifindex, uint32_t other_ifindex);
void held_packets_free(struct held_packet *packets);

size_t held_bytes(const struct held *held);

#endif
