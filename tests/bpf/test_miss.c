// SPDX-License-Identifier: BSD-2-Clause
/*
 * Misses: which packet opens a lookup, which ones wait, which ones are dropped, and what varpd is told. And the way
 * back, varp_reinject.
 */
#include <linux/errno.h>
#include <pthread.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "harness.h"

#define RING_BYTES	4096	/* small, so that it can be filled */

static __u32 send_to(const char *vaddr)
{
	struct run r = { .in = frame_inner("10.1.0.1", vaddr, 0, 8), .ifindex = harness_node };

	return run_prog(harness_obj->progs.varp_encap, &r);
}

static void put_pending(const char *vaddr, struct varp_pending p)
{
	struct varp_key k = key(1, vaddr);

	map_put(harness_obj->maps.varp_pending, &k, &p);
}

static bool get_pending(const char *vaddr, struct varp_pending *p)
{
	struct varp_key k = key(1, vaddr);

	return map_get(harness_obj->maps.varp_pending, &k, p);
}

static void put_bound(__u32 pending_max)
{
	struct varp_supernet sn = get_supernet(0);
	__u32 slot = 0;

	sn.pending_max = pending_max;
	map_put(harness_obj->maps.varp_supernets, &slot, &sn);
}

static void assert_accounts(__u64 misses, __u64 requests, __u64 suppressed, __u64 dropped)
{
	struct varp_supernet sn = get_supernet(0);

	assert_int_equal(sn.misses, misses);
	assert_int_equal(sn.requests, requests);
	assert_int_equal(sn.suppressed, suppressed);
	assert_int_equal(sn.dropped, dropped);
	assert_int_equal(sn.misses, sn.requests + sn.suppressed + sn.dropped);
}

static int setup(void **state)
{
	harness_reset(state);
	bind_dev(harness_node, 1, 0);
	bind_dev(harness_node2, 2, 1);
	return 0;
}

/* --- Opening a lookup ---------------------------------------------------------------------------------------------- */

static void test_miss_first_packet_opens_lookup_and_travels(void **state)
{
	struct frame f = frame_inner("10.1.0.1", "10.1.0.2", 0, 8);
	struct varp_key k = key(1, "10.1.0.2");
	__u64 before = boot_ns() - TICK_NS;
	struct varp_pending p;
	struct told t;

	(void)state;
	/* The sender must not see a drop, nor the packet go anywhere: a redirect to no device. */
	assert_int_equal(send_to("10.1.0.2"), TC_ACT_REDIRECT);
	assert_true(get_pending("10.1.0.2", &p));
	assert_in_range(p.deadline_ns, before + 5 * BOOT_S, boot_ns() + 5 * BOOT_S);
	assert_int_equal(p.state, VARP_PENDING_LOOKUP);
	assert_int_equal(p.held, 1);
	assert_int_equal(p.supernet, 0);
	assert_int_equal(p.icmp_ns, 0);

	assert_int_equal(events_take(&t, 1), 1);
	assert_int_equal(t.event.type, VARP_EVENT_MISS);
	assert_int_equal(t.event.ifindex, harness_node);
	assert_memory_equal(&t.event.key, &k, sizeof(k));
	assert_in_range(t.event.time_ns, before, boot_ns());
	assert_int_equal(t.event.frame_len, f.len);
	assert_int_equal(t.event.gso_size, 0);
	assert_int_equal(t.event.mtu, 0);
	assert_frames_equal("event", &t.frame, &f);

	assert_int_equal(get_supernet(0).pending, 1);
	assert_accounts(1, 1, 0, 0);
	assert_stats_are("first", COUNTER(MISSES), 1, COUNTER(HELD_PACKETS), 1, -1);
}

static void test_miss_nothing_inserted_into_cache(void **state)
{
	struct varp_key k;

	(void)state;
	send_to("10.1.0.2");
	assert_int_equal(bpf_map_get_next_key(bpf_map__fd(harness_obj->maps.varp_cache), NULL, &k), -ENOENT);
}

static void test_miss_event_carries_gso(void **state)
{
	struct run r = { .in = frame_inner("10.1.0.1", "10.1.0.2", 0, 2500), .ifindex = harness_node,
			 .gso_size = 1000, .gso_segs = 3 };
	struct told t;

	(void)state;
	run_prog(harness_obj->progs.varp_encap, &r);
	assert_int_equal(events_take(&t, 1), 1);
	assert_int_equal(t.event.gso_size, 1000);
	assert_int_equal(t.event.gso_segs, 3);
	assert_frames_equal("super-packet", &t.frame, &r.in);
}

static void test_miss_second_to_eighth_packet_held_rest_dropped(void **state)
{
	struct told t[EVENTS_MAX];
	struct varp_pending p;
	int i;

	(void)state;
	for (i = 0; i < VARP_HELD_MAX; i++)
		assert_int_equal(send_to("10.1.0.2"), TC_ACT_REDIRECT);
	for (; i < VARP_HELD_MAX + 5; i++)
		assert_int_equal(send_to("10.1.0.2"), TC_ACT_SHOT);
	assert_int_equal(events_take(t, EVENTS_MAX), VARP_HELD_MAX);
	assert_int_equal(t[0].event.type, VARP_EVENT_MISS);
	for (i = 1; i < VARP_HELD_MAX; i++)
		assert_int_equal(t[i].event.type, VARP_EVENT_HOLD);
	assert_true(get_pending("10.1.0.2", &p));
	assert_int_equal(get_supernet(0).pending, 1);
	assert_accounts(VARP_HELD_MAX + 5, 1, VARP_HELD_MAX - 1, 5);
	assert_stats_are("held", COUNTER(MISSES), VARP_HELD_MAX + 5, COUNTER(HELD_PACKETS), VARP_HELD_MAX,
			 DROP(HELD_FULL), 5, -1);
}

static void test_miss_two_supernets_have_lookups_of_their_own(void **state)
{
	struct run r = { .in = frame_inner("10.1.0.1", "10.1.0.2", 0, 8), .ifindex = harness_node2 };
	struct varp_key k = key(2, "10.1.0.2");
	struct varp_pending p;
	struct told t[2];

	(void)state;
	send_to("10.1.0.2");
	run_prog(harness_obj->progs.varp_encap, &r);
	assert_int_equal(events_take(t, 2), 2);
	assert_int_equal(t[1].event.type, VARP_EVENT_MISS);
	assert_memory_equal(&t[1].event.key, &k, sizeof(k));
	assert_true(map_get(harness_obj->maps.varp_pending, &k, &p));
	assert_int_equal(p.supernet, 1);
	assert_int_equal(get_supernet(0).misses, 1);
	assert_int_equal(get_supernet(1).misses, 1);
	assert_int_equal(get_supernet(1).pending, 1);
}

static void test_miss_of_unused_supernet_slot_dropped(void **state)
{
	struct varp_supernet none = {};
	__u32 slot = 0;

	(void)state;
	map_put(harness_obj->maps.varp_supernets, &slot, &none);
	assert_int_equal(send_to("10.1.0.2"), TC_ACT_SHOT);
	assert_stats_are("unused", DROP(NO_NODE), 1, -1);
}

/* --- Windows that end ----------------------------------------------------------------------------------------------- */

static void test_miss_expired_entry_opens_next_window(void **state)
{
	static const __u32 states[] = { VARP_PENDING_LOOKUP, VARP_PENDING_NOTKNOWN, VARP_PENDING_DRAINING };
	struct varp_pending p;
	struct told t;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(states); i++) {
		__u64 before = boot_ns() - TICK_NS;

		setup(NULL);
		put_pending("10.1.0.2", (struct varp_pending){ .deadline_ns = before, .state = states[i],
							       .held = 8, .icmp_ns = before - 5 });
		assert_int_equal(send_to("10.1.0.2"), TC_ACT_REDIRECT);
		assert_true(get_pending("10.1.0.2", &p));
		assert_int_equal(p.state, VARP_PENDING_LOOKUP);
		assert_int_equal(p.held, 1);
		assert_int_equal(p.icmp_ns, 0);
		assert_in_range(p.deadline_ns, before + 5 * BOOT_S, boot_ns() + 5 * BOOT_S);
		assert_int_equal(events_take(&t, 1), 1);
		assert_int_equal(t.event.type, VARP_EVENT_MISS);
		/* The entry was counted when it was made. */
		assert_int_equal(get_supernet(0).pending, 0);
		assert_accounts(1, 1, 0, 0);
	}
}

static void test_miss_while_draining_queues_behind(void **state)
{
	struct told t;

	(void)state;
	put_pending("10.1.0.2", (struct varp_pending){ .deadline_ns = boot_ns() + BOOT_S,
						       .state = VARP_PENDING_DRAINING,
						       .raddr = addr("192.0.2.2") });
	assert_int_equal(send_to("10.1.0.2"), TC_ACT_REDIRECT);
	assert_int_equal(events_take(&t, 1), 1);
	assert_int_equal(t.event.type, VARP_EVENT_HOLD);
	assert_accounts(1, 0, 1, 0);
	assert_stats_are("draining", COUNTER(MISSES), 1, COUNTER(HELD_PACKETS), 1, -1);
}

static void test_miss_notknown_dropped_and_told_at_a_bounded_rate(void **state)
{
	__u64 before = boot_ns() - TICK_NS;
	struct varp_pending p;
	struct told t[2];
	int i;

	(void)state;
	put_pending("10.1.0.2", (struct varp_pending){ .deadline_ns = before + 10 * BOOT_S,
						       .state = VARP_PENDING_NOTKNOWN });
	for (i = 0; i < 10; i++)
		assert_int_equal(send_to("10.1.0.2"), TC_ACT_REDIRECT);
	assert_int_equal(events_take(t, 2), 1);
	assert_int_equal(t[0].event.type, VARP_EVENT_NOTKNOWN);
	assert_int_equal(t[0].event.frame_len, 50);
	assert_true(get_pending("10.1.0.2", &p));
	assert_in_range(p.icmp_ns, before, boot_ns());
	p.icmp_ns -= BOOT_S / 10;
	put_pending("10.1.0.2", p);
	for (i = 0; i < 10; i++)
		send_to("10.1.0.2");
	assert_int_equal(events_take(t, 2), 1);
	assert_accounts(20, 0, 20, 0);
	assert_stats_are("notknown", COUNTER(MISSES), 20, DROP(NOTKNOWN), 20, -1);
}

/* --- Bounds ---------------------------------------------------------------------------------------------------------- */

static void test_miss_bound_of_open_lookups_holds(void **state)
{
	(void)state;
	put_bound(2);
	assert_int_equal(send_to("10.1.0.2"), TC_ACT_REDIRECT);
	assert_int_equal(send_to("10.1.0.3"), TC_ACT_REDIRECT);
	assert_int_equal(send_to("10.1.0.4"), TC_ACT_SHOT);
	assert_int_equal(send_to("10.1.0.4"), TC_ACT_SHOT);
	/* what is open goes on */
	assert_int_equal(send_to("10.1.0.2"), TC_ACT_REDIRECT);
	assert_int_equal(get_supernet(0).pending, 2);
	assert_int_equal(events_take(NULL, 0), 3);
	assert_accounts(5, 2, 1, 2);
	assert_stats_are("bound", COUNTER(MISSES), 5, COUNTER(HELD_PACKETS), 3, DROP(PENDING_FULL), 2, -1);
}

static void test_miss_bound_of_zero_opens_nothing(void **state)
{
	struct varp_pending p;

	(void)state;
	put_bound(0);
	assert_int_equal(send_to("10.1.0.2"), TC_ACT_SHOT);
	assert_false(get_pending("10.1.0.2", &p));
	assert_int_equal(get_supernet(0).pending, 0);
	assert_accounts(1, 0, 0, 1);
}

/* Fill the ring buffer with lookups of other vaddrs until it takes no more; returns how many it took. */
static int ring_fill(void)
{
	char vaddr[32];
	int i;

	put_bound(1000);
	for (i = 0; i < 200; i++) {
		snprintf(vaddr, sizeof(vaddr), "10.2.0.%d", i);
		if (send_to(vaddr) == TC_ACT_SHOT)
			return i;
	}
	fail_msg("the ring buffer never got full");
	return 0;
}

static void test_miss_ring_full_undoes_lookup(void **state)
{
	struct varp_pending p;
	char vaddr[32];
	int n = ring_fill();

	(void)state;
	snprintf(vaddr, sizeof(vaddr), "10.2.0.%d", n);
	assert_false(get_pending(vaddr, &p));
	assert_int_equal(get_supernet(0).pending, n);
	assert_accounts(n + 1, n, 0, 1);
	/* a packet of an open lookup does not fit either */
	assert_int_equal(send_to("10.2.0.0"), TC_ACT_SHOT);
	assert_accounts(n + 2, n, 0, 2);
	assert_stats_are("ring", COUNTER(MISSES), n + 2, COUNTER(HELD_PACKETS), n, DROP(RING_FULL), 2, -1);

	/* room again: the next packet tries again */
	assert_int_equal(events_take(NULL, 0), n);
	assert_int_equal(send_to(vaddr), TC_ACT_REDIRECT);
	assert_true(get_pending(vaddr, &p));
	assert_accounts(n + 3, n + 1, 0, 2);
}

static void test_miss_ring_full_keeps_expired_entry_expired(void **state)
{
	struct varp_pending p;
	__u64 old;
	int n;

	(void)state;
	old = boot_ns() - TICK_NS;
	put_pending("10.1.0.2", (struct varp_pending){ .deadline_ns = old, .state = VARP_PENDING_LOOKUP });
	n = ring_fill();
	assert_int_equal(send_to("10.1.0.2"), TC_ACT_SHOT);
	assert_true(get_pending("10.1.0.2", &p));
	assert_int_equal(p.deadline_ns, old);
	assert_accounts(n + 2, n, 0, 2);
	assert_int_equal(events_take(NULL, 0), n);
	assert_int_equal(send_to("10.1.0.2"), TC_ACT_REDIRECT);
	assert_accounts(n + 3, n + 1, 0, 2);
}

/* --- Several CPUs at once --------------------------------------------------------------------------------------------- */

#define THREADS	4
#define ROUNDS	500
#define VADDRS	8

static void *hammer(void *arg)
{
	int i, j;

	(void)arg;
	for (i = 0; i < ROUNDS; i++)
		for (j = 0; j < VADDRS; j++) {
			char vaddr[32];

			snprintf(vaddr, sizeof(vaddr), "10.3.%d.%d", i / 10 % 16, j);
			send_to(vaddr);
		}
	return NULL;
}

/* Entries are deleted under the senders' feet, as varpd does it. */
static void *sweep(void *arg)
{
	int fd = bpf_map__fd(harness_obj->maps.varp_pending), i;
	struct varp_key k;

	(void)arg;
	for (i = 0; i < 2000; i++) {
		events_take(NULL, 0);
		if (!bpf_map_get_next_key(fd, NULL, &k))
			bpf_map_delete_elem(fd, &k);
	}
	return NULL;
}

static void test_miss_accounts_add_up_on_several_cpus(void **state)
{
	pthread_t t[THREADS], s;
	struct varp_supernet sn;
	struct varp_stats st;
	int i;

	(void)state;
	put_bound(100000);
	assert_int_equal(pthread_create(&s, NULL, sweep, NULL), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, hammer, NULL), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	pthread_join(s, NULL);
	sn = get_supernet(0);
	st = stats_now();
	assert_int_equal(sn.misses, THREADS * ROUNDS * VADDRS);
	assert_int_equal(sn.misses, sn.requests + sn.suppressed + sn.dropped);
	assert_int_equal(st.counters[VARP_COUNTER_MISSES], sn.misses);
	assert_int_equal(st.counters[VARP_COUNTER_HELD_PACKETS], sn.requests + sn.suppressed);
	assert_int_equal(drops_total(&st), sn.dropped);
}

/* --- varp_reinject ---------------------------------------------------------------------------------------------------- */

static const __u8 reinject_mac[ETH_ALEN] = VARP_REINJECT_MAC;

static struct run reinjected(const char *vaddr, size_t len)
{
	struct run r = { .in = frame_inner("10.1.0.1", vaddr, 0x2c, len), .ifindex = harness_node };

	frame_set_macs(&r.in, reinject_mac, NULL);
	return r;
}

static void expect_reinjected(const char *what, struct run *r, const char *raddr)
{
	struct frame want;

	assert_int_equal(run_prog(harness_obj->progs.varp_reinject, r), TC_ACT_REDIRECT);
	want = frame_outer("192.0.2.1", raddr, 0x2c, r->out.b[34] << 8 | r->out.b[35], 0, 1, 1, &r->in);
	frame_set_macs(&want, reinject_mac, NULL);
	assert_frames_equal(what, &r->out, &want);
}

static void test_reinject_through_cache_and_draining(void **state)
{
	struct run r = reinjected("10.1.0.2", 8), d = reinjected("10.1.0.3", 8);

	(void)state;
	put_mapping(1, "10.1.0.2", "192.0.2.2", BOOT_S, 0);
	put_pending("10.1.0.3", (struct varp_pending){ .deadline_ns = boot_ns() + BOOT_S,
						       .state = VARP_PENDING_DRAINING,
						       .raddr = addr("192.0.2.3") });
	expect_reinjected("cache", &r, "192.0.2.2");
	expect_reinjected("draining", &d, "192.0.2.3");
	assert_stats_are("reinjected", COUNTER(REINJECTED_PACKETS), 2, COUNTER(ENCAP_PACKETS), 2,
			 COUNTER(ENCAP_BYTES), 72, -1);
	assert_accounts(0, 0, 0, 0);
}

static void test_reinject_stale_dropped(void **state)
{
	struct run r = reinjected("10.1.0.2", 8);

	(void)state;
	run_prog(harness_obj->progs.varp_reinject, &r);
	put_mapping(1, "10.1.0.2", "192.0.2.2", -TICK_NS, 0);
	run_prog(harness_obj->progs.varp_reinject, &r);
	put_pending("10.1.0.2", (struct varp_pending){ .deadline_ns = boot_ns() + BOOT_S,
						       .state = VARP_PENDING_LOOKUP });
	run_prog(harness_obj->progs.varp_reinject, &r);
	put_pending("10.1.0.2", (struct varp_pending){ .deadline_ns = boot_ns() - TICK_NS,
						       .state = VARP_PENDING_DRAINING,
						       .raddr = addr("192.0.2.2") });
	/* A redirect to no device, so that varpd's send does not fail; the frame is as it was. */
	assert_int_equal(run_prog(harness_obj->progs.varp_reinject, &r), TC_ACT_REDIRECT);
	assert_frames_equal("stale", &r.out, &r.in);
	assert_int_equal(events_take(NULL, 0), 0);
	assert_stats_are("stale", DROP(REINJECT_STALE), 4, -1);
}

static void test_reinject_too_big_told(void **state)
{
	struct run r = reinjected("10.1.0.2", 1500);
	struct told t;

	(void)state;
	put_mapping(1, "10.1.0.2", "192.0.2.2", BOOT_S, 0);
	run_prog(harness_obj->progs.varp_reinject, &r);
	assert_int_equal(events_take(&t, 1), 1);
	assert_int_equal(t.event.type, VARP_EVENT_TOO_BIG);
	assert_int_equal(t.event.mtu, 1436);
	assert_stats_are("too big", DROP(TOO_BIG), 1, -1);
}

static void test_reinject_leaves_frames_for_the_application_alone(void **state)
{
	struct run r = { .in = frame_inner("10.1.0.2", "10.1.0.1", 0, 8), .ifindex = harness_node };
	int i;

	(void)state;
	put_mapping(1, "10.1.0.1", "192.0.2.2", BOOT_S, 0);
	assert_int_equal(run_prog(harness_obj->progs.varp_reinject, &r), TC_PASS);
	for (i = 0; i < ETH_ALEN; i++) {
		frame_set_macs(&r.in, reinject_mac, NULL);
		r.in.b[i] ^= 0x04;
		assert_int_equal(run_prog(harness_obj->progs.varp_reinject, &r), TC_PASS);
		assert_frames_equal("passed", &r.out, &r.in);
	}
	assert_stats_are("passed", -1);
}

#define TEST(f)	cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_miss_first_packet_opens_lookup_and_travels),
		TEST(test_miss_nothing_inserted_into_cache),
		TEST(test_miss_event_carries_gso),
		TEST(test_miss_second_to_eighth_packet_held_rest_dropped),
		TEST(test_miss_two_supernets_have_lookups_of_their_own),
		TEST(test_miss_of_unused_supernet_slot_dropped),
		TEST(test_miss_expired_entry_opens_next_window),
		TEST(test_miss_while_draining_queues_behind),
		TEST(test_miss_notknown_dropped_and_told_at_a_bounded_rate),
		TEST(test_miss_bound_of_open_lookups_holds),
		TEST(test_miss_bound_of_zero_opens_nothing),
		TEST(test_miss_ring_full_undoes_lookup),
		TEST(test_miss_ring_full_keeps_expired_entry_expired),
		TEST(test_miss_accounts_add_up_on_several_cpus),
		TEST(test_reinject_through_cache_and_draining),
		TEST(test_reinject_stale_dropped),
		TEST(test_reinject_too_big_told),
		TEST(test_reinject_leaves_frames_for_the_application_alone),
	};

	harness_ring_bytes = RING_BYTES;
	return HARNESS_MAIN(tests, "miss");
}
