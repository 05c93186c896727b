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
	assert_int_equal(told[0].event.arrived, 1);
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

/* Nothing that would pass for one of this host's own packets, or for another family's address, is even looked at. */
static void test_source_no_hosts_address_outside_dropped(void **state)
{
	static const struct { const char *name, *outer, *vaddr; } rows[] = {
		{ "unspecified", "::", "10.1.0.2" },
		{ "mapped, where the source lives", "::ffff:192.0.2.2", "10.1.0.2" },
		{ "mapped, 0.0.0.0", "::ffff:0.0.0.0", "10.1.0.2" },
		{ "a group", "ff02::1", "10.1.0.2" },
		{ "unspecified IPv4", "0.0.0.0", "10.1.0.2" },
		{ "an IPv4 group", "224.0.0.9", "10.1.0.2" },
		{ "broadcast", "255.255.255.255", "10.1.0.2" },
	};
	size_t i;

	for (i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		const char *outer = rows[i / 2].outer;
		bool v6 = strchr(outer, ':');
		struct frame inner = frame_inner(rows[i / 2].vaddr, "10.1.0.1", 0, 64);
		struct run r;

		setup(state);
		put_raddr("2001:db8::1");
		/* Known or not: the former would be delivered, the latter held. */
		if (i % 2)
			put_mapping(1, "10.1.0.2", v6 ? outer + (outer[2] ? 7 : 0) : outer, 100 * BOOT_S, 0);
		r = (struct run){ .in = frame_outer(v6 ? "2001:db8::2" : outer, v6 ? "2001:db8::1" : "192.0.2.1", 0,
						    0xc123, 0, 1, 1, &inner) };
		if (v6)
			inet_pton(AF_INET6, outer, r.in.b + ETH_HLEN + 8);
		if (decap(&r) != TC_ACT_SHOT)
			fail_msg("%s: verdict %u", rows[i / 2].name, r.retval);
		assert_stats_are(rows[i / 2].name, DROP(OUTER_SOURCE), 1, -1);
		assert_int_equal(events_take(NULL, 0), 0);
	}
}

/* From one node of this host to another: the sender's own address, or none. */
static void test_source_of_local_packet_is_the_senders(void **state)
{
	static const struct { const char *name, *source; __u32 verdict; } rows[] = {
		{ "its own", "10.1.0.1", TC_ACT_REDIRECT },
		{ "its second", "10.1.0.5", TC_ACT_REDIRECT },
		{ "the destination's", "10.1.0.3", TC_ACT_SHOT },
		{ "another local node's", "10.1.0.4", TC_ACT_SHOT },
		{ "of a node elsewhere", "10.1.0.2", TC_ACT_SHOT },
		{ "of no node", "192.168.1.1", TC_ACT_SHOT },
		{ "none", "0.0.0.0", TC_ACT_SHOT },
		{ "its own, IPv6", "fd00::1", TC_ACT_REDIRECT },
		{ "another's, IPv6", "fd00::2", TC_ACT_SHOT },
		{ "none, IPv6", "::", TC_ACT_SHOT },
	};
	static const char *const others[] = { "10.1.0.3", "10.1.0.4", "fd00::3" };
	unsigned int dropped = 0;
	struct varp_local local;
	struct varp_dev dev;
	struct varp_key k;
	size_t i;

	(void)state;
	put_local(1, "10.1.0.4", 1);
	put_local(1, "10.1.0.5", 1);
	put_local(1, "fd00::1", 1);
	put_local(1, "fd00::3", 1);
	put_mapping(1, "10.1.0.2", "192.0.2.2", 100 * BOOT_S, 0);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		k = key(1, others[i]);
		assert_true(map_get(harness_obj->maps.varp_local, &k, &local));
		local.peer = harness_node2;
		map_put(harness_obj->maps.varp_local, &k, &local);
	}
	/* The mark of the supernet counts nodes where others have their peer. */
	memset(&k.vaddr, 0, sizeof(k.vaddr));
	local.peer = harness_node;
	map_put(harness_obj->maps.varp_local, &k, &local);
	assert_true(map_get(harness_obj->maps.varp_devs, &harness_node, &dev));
	assert_int_equal(dev.peer, harness_node);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct run r = { .ifindex = harness_node };

		r.in = frame_inner(rows[i].source, strchr(rows[i].source, ':') ? "fd00::3" : "10.1.0.3", 0, 64);
		if (run_prog(harness_obj->progs.varp_encap, &r) != rows[i].verdict)
			fail_msg("%s: verdict %u", rows[i].name, r.retval);
		dropped += rows[i].verdict == TC_ACT_SHOT;
		assert_int_equal(stats_now().drops[VARP_DROP_SOURCE_MISMATCH], dropped);
	}
	assert_int_equal(stats_now().counters[VARP_COUNTER_LOCAL_PACKETS], ARRAY_SIZE(rows) - dropped);
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
		TEST(test_source_no_hosts_address_outside_dropped),
		TEST(test_source_of_local_packet_is_the_senders),
	};

	harness_source_check = true;
	return HARNESS_MAIN(tests, "source");
}
