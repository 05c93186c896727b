// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzzes the records of the ring buffer: datapath_ring.c with held.c, icmp.c and offload.c behind it.
 * The input is a row of records, each with an octet for how long it is and one for what varpd knows of
 * its destination. libbpf's ring buffer and the maps are made up here. What is held stays within its
 * bounds, and every held packet comes out once.
 */
#include <bpf/libbpf.h>
#include <string.h>
#include <sys/eventfd.h>

#include "ctl/varpd/datapath_internal.h"
#include "ctl/varpd/icmp.h"
#include "fuzz.h"

#define PER_KEY		8
#define BYTES		16384
#define WINDOW_MS	5000

static struct fuzz_input input;
static ring_buffer_sample_fn on_sample;
static void *sample_ctx;
static uint8_t known;			/* of the destination of the record at hand */
static unsigned int agains;		/* windows that may still begin while the engine is at work */
static struct event_base *base;

/* --- In the place of libbpf's --- */

struct ring_buffer *ring_buffer__new(int map_fd, ring_buffer_sample_fn sample, void *ctx,
				     const struct ring_buffer_opts *opts)
{
	(void)map_fd;
	(void)opts;
	on_sample = sample;
	sample_ctx = ctx;
	return (struct ring_buffer *)&input;
}

void ring_buffer__free(struct ring_buffer *rb)
{
	(void)rb;
}

int ring_buffer__epoll_fd(const struct ring_buffer *rb)
{
	static int fd = -1;

	(void)rb;
	if (fd < 0)
		fd = eventfd(0, EFD_CLOEXEC);
	return fd;		/* never readable */
}

/* Records begin at multiples of 8, and their time is now give or take. */
int ring_buffer__consume(struct ring_buffer *rb)
{
	int count = 0, err = 0;

	(void)rb;
	while (input.left > 2 && !err) {
		uint8_t size = fuzz_u8(&input);
		struct varp_event *event;
		const uint8_t *data;
		size_t len;

		known = fuzz_u8(&input);
		data = fuzz_take(&input, size * 8, &len);
		len &= ~(size_t)7;
		event = malloc(len ? len : 1);
		memcpy(event, data, len);
		if (len >= sizeof(*event)) {
			event->time_ns = dp_now_ns() - (known & 0x80 ? WINDOW_MS * NSEC_PER_MSEC : 0);
			event->type %= VARP_EVENT_PMTU + 2;
			/* BPF writes as much as it says, or less than the room is */
			event->frame_len %= (uint32_t)(known & 0x40 ? 4096 : len - sizeof(*event) + 1);
		}
		err = on_sample(sample_ctx, event, len);
		free(event);
		count++;
	}
	return err ? err : count;
}

/* --- In the place of the other datapath files' --- */

struct dp_device *dp_device_find(struct datapath *dp, uint32_t ifindex)
{
	static struct dp_device device;

	(void)dp;
	return ifindex & 1 ? NULL : &device;
}

struct dp_underlay *dp_underlay_by_index(struct datapath *dp, uint32_t ifindex)
{
	static struct dp_underlay underlay = { .record.mtu = 1500 };

	(void)dp;
	return ifindex & 1 ? NULL : &underlay;
}

bool dp_pending_open(struct datapath *dp, const struct varp_key *key)
{
	(void)dp;
	(void)key;
	return known & 2;
}

void dp_pmtu_learn(struct datapath *dp, const struct varp_addr *raddr, uint32_t mtu)
{
	(void)dp;
	(void)raddr;
	FUZZ_CHECK(mtu < 1500);
}

void dp_send_icmp(struct datapath *dp, bool too_big, uint32_t mtu, uint32_t ifindex, const uint8_t *frame,
		  size_t frame_len)
{
	static const uint8_t mac[6];
	uint8_t out[ICMP_FRAME_MAX];

	(void)dp;
	(void)ifindex;
	icmp_build(too_big ? ICMP_ERROR_TOO_BIG : ICMP_ERROR_UNREACHABLE, mtu, frame, frame_len, mac, out);
}

static unsigned int send_all(struct datapath *dp, const struct varp_key *key)
{
	struct held_packet *packets = held_take(dp->held, key);
	struct virtio_net_hdr header;
	unsigned int count = 0;

	for (struct held_packet *p = packets; p; p = p->next, count++)
		offload_prepare(p->frame, p->frame_len, p->gso_size, &header);
	FUZZ_CHECK(count <= PER_KEY);
	held_packets_free(packets);
	return count;
}

/* An answer came since: what is held is sent after it. */
bool dp_settled_since(struct datapath *dp, const struct varp_key *key, uint64_t since_ns)
{
	(void)since_ns;
	if (known & 1)
		send_all(dp, key);
	return known & 1;
}

void dp_held_drop(struct datapath *dp, const struct varp_key *key, enum varp_drop reason)
{
	(void)reason;
	send_all(dp, key);
}

/* --- The fuzzer --- */

/* The engine answers some at once, which takes in more records. */
static void on_miss(void *ctx, const struct varp_key *key, const struct varp_addr *asker)
{
	struct datapath *dp = ctx;

	(void)asker;
	if (!agains)
		return;
	agains--;

	if (key->vaddr.b[15] & 1) {
		dp_ring_consume(dp);
		send_all(dp, key);
	} else if (key->vaddr.b[15] & 2) {
		dp_ring_miss_again(dp, key);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct held_limits limits = { PER_KEY, BYTES, 2 * BYTES };
	struct datapath dp = { .config.window_ms = WINDOW_MS };
	struct varpd_error error;
	struct varp_key key;

	if (!base)
		base = event_base_new();
	dp.base = base;
	dp.ops.miss = on_miss;
	dp.ops.ctx = &dp;
	dp.held = held_new(&limits);
	FUZZ_CHECK(base && dp.held && !dp_ring_open(&dp, &error));
	input = (struct fuzz_input){ data, size };
	agains = 16;
	for (int turn = 0; turn < 8; turn++) {
		dp_ring_consume(&dp);
		event_base_loop(base, EVLOOP_NONBLOCK);
		FUZZ_CHECK(held_bytes(dp.held) <= limits.bytes);
	}
	dp_ring_close(&dp);
	while (held_oldest(dp.held, UINT64_MAX, &key))
		FUZZ_CHECK(send_all(&dp, &key));
	FUZZ_CHECK(!held_bytes(dp.held));
	held_free(dp.held);
	return 0;
}
