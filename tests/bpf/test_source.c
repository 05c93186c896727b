// SPDX-License-Identifier: BSD-2-Clause
/*
 * The source check: what varp_decap does with a packet by what is known of its inner source.
 */
#include <stdio.h>
#include <bpf/bpf.h>
#include "harness.h"

static int setup(void **state)
{
	harness_reset(state);
	put_local(1, "10.1.0.1", 1);
	put_local(1, "10.1.0.3", 1);
	put_joined(1);
	put_raddr("192.0.2.1");
	bind_dev(harness_node, 1, 0);
	return 0;
}

static struct run from(const char *source, const char *outer)
{
	struct frame inner = frame_inner(source, "10.1.0.1", 0, 64);

	return (struct run){ .in = frame_outer(outer, "192.0.2.1", 0, 0xc123, 0, 1, 1, &inner) };
}

static __u32 decap(struct run *r)
{
	return run_prog(harness_obj->progs.varp_decap, r);
}

static void test_source_known_decides_at_once(void **state)
{
	static const struct { const char *name, *source, *outer; __u32 verdict; } rows[] = {
		{ "where it lives", "10.1.0.2", "192.0.2.2", TC_ACT_REDIRECT },
		{ "elsewhere", "10.1.0.2", "192.0.2.3", TC_ACT_SHOT },
		{ "a node of this host", "10.1.0.3", "192.0.2.2", TC_ACT_SHOT },
		{ "the packet's own destination", "10.1.0.1", "192.0.2.2", TC_ACT_SHOT },
		{ "no address", "0.0.0.0", "192.0.2.2", TC_ACT_SHOT },
		{ "a group", "224.0.0.5", "192.0.2.2", TC_ACT_SHOT },
	};
	unsigned int dropped = 0;
	size_t i;

	(void)state;
	put_mapping(1, "10.1.0.2", "192.0.2.2", 100 * BOOT_S, 0);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct run r = from(rows[i].source, rows[i].outer);

		if (decap(&r) != rows[i].verdict)
			fail_msg("%s: verdict %u", rows[i].name, r.retval);
		dropped += rows[i].verdict == TC_ACT_SHOT;
		assert_int_equal(stats_now().drops[VARP_DROP_SOURCE_MISMATCH], dropped);
	}
	assert_int_equal(events_take(NULL, 0), 0);
}

/* The frame is told as its node would have got it, with where it came from. */
static void test_source_unknown_is_asked_for_and_packet_held(void **state)
{
	static const __u8 node_mac[] = { 0x02, 0, 0, 0, 0, 0x11 }, source_mac[] = { 0x02, 'V', 'A', 'R', 'P', 0x02 };
	struct frame want = frame_inner("10.1.0.2", "10.1.0.1", 0, 64);
	struct varp_key k = key(1, "10.1.0.2");
	struct varp_addr outer = addr("192.0.2.2");
	static struct told told[4];
	struct run r = from("10.1.0.2", "192.0.2.2");
	struct varp_pending p;

	(void)state;
	frame_set_macs(&want, node_mac, source_mac);
	assert_int_equal(decap(&r), TC_ACT_REDIRECT);	/* to no device: swallowed */
	assert_int_equal(decap(&r), TC_ACT_REDIRECT);
	assert_int_equal(events_take(told, 4), 2);
	assert_int_equal(told[0].event.type, VARP_EVENT_MISS);
	assert_int_equal(told[1].event.type, VARP_EVENT_HOLD);
	assert_int_equal(told[0].event.ifindex, harness_node);
	assert_memory_equal(&told[0].event.key, &k, sizeof(k));
	assert_memory_equal(&told[0].event.from, &outer, sizeof(outer));
	assert_frames_equal("held", &told[0].frame, &want);
	assert_true(map_get(harness_obj->maps.varp_pending, &k, &p));
	assert_int_equal(p.state, VARP_PENDING_LOOKUP);
	assert_int_equal(get_supernet(0).requests, 1);
	assert_int_equal(get_supernet(0).suppressed, 1);
	assert_stats_are("two held", COUNTER(DECAP_PACKETS), 2, COUNTER(DECAP_BYTES), 2 * (28 + 64),
			 COUNTER(MISSES), 2, COUNTER(HELD_PACKETS), 2, -1);
}

static void test_source_expired_mapping_is_asked_for(void **state)
{
	static struct told told[1];
	struct run r = from("10.1.0.2", "192.0.2.3");

	(void)state;
	put_mapping(1, "10.1.0.2", "192.0.2.2", -(__s64)BOOT_S, 0);
	assert_int_equal(decap(&r), TC_ACT_REDIRECT);
	assert_int_equal(events_take(told, 1), 1);
	assert_int_equal(told[0].event.type, VARP_EVENT_MISS);
}

static void test_source_notknown_dropped_without_icmp(void **state)
{
	struct varp_pending p = { .state = VARP_PENDING_NOTKNOWN, .deadline_ns = boot_ns() + 100 * BOOT_S };
	struct varp_key k = key(1, "10.1.0.2");
	struct run r = from("10.1.0.2", "192.0.2.2");

	(void)state;
	map_put(harness_obj->maps.varp_pending, &k, &p);
	assert_int_equal(decap(&r), TC_ACT_SHOT);
	assert_int_equal(events_take(NULL, 0), 0);
	assert_stats_are("dropped", DROP(SOURCE_NOTKNOWN), 1, -1);
}

static void test_source_lookups_leave_half_of_the_bound(void **state)
{
	char source[] = "10.1.1.0";
	unsigned int i;

	(void)state;
	for (i = 0; i < 16; i++) {	/* the harness's bound */
		struct run r;

		snprintf(source, sizeof(source), "10.1.1.%x", i % 10);
		source[5] = '1' + i / 10;
		r = from(source, "192.0.2.2");
		decap(&r);
	}
	assert_int_equal(get_supernet(0).pending, 8);
	assert_int_equal(stats_now().drops[VARP_DROP_PENDING_FULL], 8);
	events_take(NULL, 0);
}

/* So that a stream that nobody answers is not looked up anew. What disagrees keeps nothing alive. */
static void test_source_check_uses_the_mapping_that_it_agrees_with(void **state)
{
	struct varp_key k = key(1, "10.1.0.2");
	struct run r = from("10.1.0.2", "192.0.2.2"), forged = from("10.1.0.2", "192.0.2.3");
	struct varp_mapping m;

	(void)state;
	put_mapping(1, "10.1.0.2", "192.0.2.2", 100 * BOOT_S, 0);
	decap(&forged);
	assert_true(map_get(harness_obj->maps.varp_cache, &k, &m));
	assert_int_equal(m.used_ns, 0);
	assert_int_equal(decap(&r), TC_ACT_REDIRECT);
	assert_true(map_get(harness_obj->maps.varp_cache, &k, &m));
	assert_in_range(m.used_ns, boot_ns() - BOOT_S, boot_ns());
}

#define TEST(f)	cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_source_known_decides_at_once),
		TEST(test_source_unknown_is_asked_for_and_packet_held),
		TEST(test_source_expired_mapping_is_asked_for),
		TEST(test_source_notknown_dropped_without_icmp),
		TEST(test_source_lookups_leave_half_of_the_bound),
		TEST(test_source_check_uses_the_mapping_that_it_agrees_with),
	};

	harness_source_check = true;
	return HARNESS_MAIN(tests, "source");
}
