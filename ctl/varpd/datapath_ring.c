// SPDX-License-Identifier: BSD-2-Clause
/*
 * What BPF has to say: misses with their packets, packets to answer with ICMP, path MTUs. Records
 * of the ring buffer come in here, packets go to held.c, and misses to the engine.
 *
 * The engine may answer a miss at once, and answers take in more records (datapath_settle.c).
 * So a miss is only noted while records are read, and reported after: by the turn that reads, or by
 * one of its own where an answer read.
 */
#include "datapath_internal.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "packet.h"

#define RECORDS_PER_TURN	256
#define RECORDS_PER_ANSWER	65536	/* as many of the shortest as the ring buffer's default holds */
#define MISSES_PER_TURN		1024
#define MISSES_LEAST		1024	/* room, a power of two */
#define MISSES_MAX		(2 * RECORDS_PER_ANSWER)

/* A miss to report. */
struct miss {
	struct varp_key key;
	struct varp_addr asker;	/* the source of the packet; zero: of none that a node here sent */
	uint64_t time_ns;	/* of the event */
	bool again;		/* the engine had not noticed that another window began */
};

struct dp_ring {
	struct datapath *dp;
	struct ring_buffer *buffer;
	struct event *readable;
	struct event *later;		/* the same without the descriptor's word */
	unsigned int budget;		/* records left in this turn */
	uint64_t until_ns;		/* a record that is newer ends this turn; zero: none does */
	bool consuming;
	bool more;			/* the last turn ended before the records did */
	struct miss *misses;		/* a queue: first is the next to report */
	unsigned int first, count, room;
};

static int grow(struct dp_ring *ring)
{
	unsigned int room = ring->room ? 2 * ring->room : MISSES_LEAST;
	struct miss *more;

	if (room > MISSES_MAX)
		return -ENOSPC;
	more = calloc(room, sizeof(*more));
	if (!more)
		return -ENOMEM;
	for (unsigned int i = 0; i < ring->count; i++)
		more[i] = ring->misses[(ring->first + i) % ring->room];
	free(ring->misses);
	ring->misses = more;
	ring->first = 0;
	ring->room = room;
	return 0;
}

/* One that finds no room is missed: its packets expire, and a later one asks again. */
static void note_miss(struct dp_ring *ring, const struct miss *miss)
{
	if (ring->count == ring->room && grow(ring))
		return;
	ring->misses[(ring->first + ring->count++) % ring->room] = *miss;
}

static void count_not_held(struct datapath *dp, int err)
{
	dp_count(dp, err == -ENOSPC ? VARP_DROP_HELD_FULL : VARP_DROP_HELD_BYTES, 1);
}

/* A miss begins a window: in a full queue it takes the place of those from former ones. */
static int hold(struct datapath *dp, const struct varp_event *event, uint64_t now_ns)
{
	int err = held_add(dp->held, event, now_ns);

	if (err != -ENOSPC || event->type != VARP_EVENT_MISS)
		return err;
	dp_count(dp, VARP_DROP_HELD_EXPIRED,
		 held_drop_before(dp->held, &event->key, event->time_ns, now_ns));
	return held_add(dp->held, event, now_ns);
}

static void on_packet(struct dp_ring *ring, const struct varp_event *event)
{
	struct miss miss = { .key = event->key, .time_ns = event->time_ns };
	struct datapath *dp = ring->dp;
	uint64_t now_ns = dp_now_ns();
	int err;

	if (event->time_ns + dp_window_ns(dp) <= now_ns) {
		dp_count(dp, VARP_DROP_HELD_STALE, 1);
		return;
	}
	if (!dp_device_find(dp, event->ifindex)) {
		dp_count(dp, VARP_DROP_HELD_GONE, 1);
		return;
	}
	err = hold(dp, event, now_ns);
	if (err)
		count_not_held(dp, err);
	/* The answer may have come while this packet was on its way here. */
	if (dp_settled_since(dp, &event->key, event->time_ns))
		return;
	if (!event->arrived)
		packet_source((const uint8_t *)(event + 1), event->frame_len, &miss.asker);
	note_miss(ring, &miss);
}

static void on_notknown(struct dp_ring *ring, const struct varp_event *event)
{
	dp_send_icmp(ring->dp, false, 0, event->ifindex, (const uint8_t *)(event + 1),
		     event->frame_len);
}

static void on_too_big(struct dp_ring *ring, const struct varp_event *event)
{
	dp_send_icmp(ring->dp, true, event->mtu, event->ifindex, (const uint8_t *)(event + 1),
		     event->frame_len);
}

static void on_pmtu(struct dp_ring *ring, const struct varp_event *event)
{
	struct dp_underlay *underlay = dp_underlay_by_index(ring->dp, event->ifindex);

	/* One that tells nothing new is not worth remembering. */
	if (underlay && event->mtu < underlay->record.mtu)
		dp_pmtu_learn(ring->dp, &event->key.vaddr, event->mtu);
}

static void (*const handlers[])(struct dp_ring *ring, const struct varp_event *event) = {
	[VARP_EVENT_MISS]	= on_packet,
	[VARP_EVENT_HOLD]	= on_packet,
	[VARP_EVENT_NOTKNOWN]	= on_notknown,
	[VARP_EVENT_TOO_BIG]	= on_too_big,
	[VARP_EVENT_PMTU]	= on_pmtu,
};

/*
 * Records are padded to 8 octets, so size may be more than what is in it. Non-zero ends the turn
 * after this record.
 */
static int on_record(void *ctx, void *data, size_t size)
{
	const struct varp_event *event = data;
	struct dp_ring *ring = ctx;

	if (size >= sizeof(*event) && size - sizeof(*event) >= event->frame_len &&
	    event->type < sizeof(handlers) / sizeof(handlers[0]) && handlers[event->type])
		handlers[event->type](ring, event);
	if (ring->budget)
		ring->budget--;
	if (ring->until_ns && size >= sizeof(*event) && event->time_ns > ring->until_ns)
		return -ECANCELED;
	return ring->budget ? 0 : -ECANCELED;
}

/*
 * The kernel tells of a record only if all before it were consumed by then. So whoever stops before
 * the end has to come back unbidden; and between saying how far it is and looking for the end there
 * must be a barrier, which libbpf's loop has not: hence the second look.
 */
static bool consume(struct dp_ring *ring, unsigned int budget, uint64_t until_ns)
{
	bool any = false;
	int got;

	if (ring->consuming)
		return false;
	if (MISSES_MAX - ring->count < budget) {
		ring->more = true;
		return false;
	}
	ring->consuming = true;
	ring->budget = budget;
	ring->until_ns = until_ns;
	do {
		got = ring_buffer__consume(ring->buffer);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		any |= got != 0;
	} while (got > 0);
	ring->more = got < 0;
	ring->consuming = false;
	return any;
}

/*
 * In a turn of their own: the engine is at work now, or the descriptor will not be readable. By a
 * timer, since an event that activates itself would keep all others waiting.
 */
static void report_later(struct dp_ring *ring)
{
	const struct timeval now = { 0 };

	if (ring->count || ring->more)
		event_add(ring->later, &now);
}

/* Misses among the records are others' or too late. */
bool dp_ring_consume(struct datapath *dp)
{
	struct dp_ring *ring = dp->ring;
	bool any;

	if (!ring)
		return false;
	any = consume(ring, RECORDS_PER_ANSWER, dp_now_ns() + DP_CPUS_APART_NS);
	report_later(ring);
	return any;
}

void dp_ring_miss_again(struct datapath *dp, const struct varp_key *key)
{
	if (!dp->ring)
		return;
	note_miss(dp->ring, &(struct miss){ .key = *key, .again = true });
	report_later(dp->ring);
}

static void report(struct datapath *dp, const struct miss *miss)
{
	/* Answered since it was noted: asking again would be one request too many. */
	if (dp_settled_since(dp, &miss->key, miss->time_ns))
		return;
	/* The window was closed after all, as by a flush: nobody waits any more. */
	if (miss->again && !dp_pending_open(dp, &miss->key)) {
		dp_held_drop(dp, &miss->key, VARP_DROP_HELD_EXPIRED);
		return;
	}
	dp->ops.miss(dp->ops.ctx, &miss->key, &miss->asker);
}

static void report_misses(struct dp_ring *ring)
{
	for (int i = 0; ring->count && i < MISSES_PER_TURN; i++) {
		struct miss miss = ring->misses[ring->first];

		ring->first = (ring->first + 1) % ring->room;
		ring->count--;
		report(ring->dp, &miss);
	}
	report_later(ring);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct dp_ring *ring = ctx;

	(void)fd;
	(void)what;
	consume(ring, RECORDS_PER_TURN, 0);
	report_misses(ring);
}

int dp_ring_open(struct datapath *dp, struct varpd_error *error)
{
	struct dp_ring *ring = calloc(1, sizeof(*ring));
	int err = -ENOMEM;

	if (!ring)
		goto fail;
	dp->ring = ring;
	ring->dp = dp;
	if (grow(ring))
		goto fail;
	ring->buffer = ring_buffer__new(dp->maps.events, on_record, ring, NULL);
	if (!ring->buffer) {
		err = -errno;
		goto fail;
	}
	ring->readable = event_new(dp->base, ring_buffer__epoll_fd(ring->buffer),
				   EV_READ | EV_PERSIST, on_readable, ring);
	ring->later = evtimer_new(dp->base, on_readable, ring);
	if (!ring->readable || !ring->later || event_add(ring->readable, NULL))
		goto fail;
	return 0;

fail:
	dp_ring_close(dp);
	return varpd_fail(error, err, "cannot read the ring buffer: %s", strerror(-err));
}

void dp_ring_close(struct datapath *dp)
{
	struct dp_ring *ring = dp->ring;

	if (!ring)
		return;
	if (ring->readable)
		event_free(ring->readable);
	if (ring->later)
		event_free(ring->later);
	ring_buffer__free(ring->buffer);
	free(ring->misses);
	free(ring);
	dp->ring = NULL;
}
