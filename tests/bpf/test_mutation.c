// SPDX-License-Identifier: BSD-2-Clause
/*
 * Packets with random damage, always the same ones: whatever the programs make of them, nothing gets to a node that is
 * not joined, nothing leaves unencapsulated, and every packet is accounted for exactly once.
 */
#define _GNU_SOURCE
#include "harness.h"

#define ROUNDS	100000
#define LEN_MIN	54	/* shorter ones are refused by BPF_PROG_TEST_RUN */

static __u32 random_state;

static __u32 random_below(__u32 n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % n;
}

/* Up to 4 octets of the first 140 changed, often by one bit; sometimes cut or made longer. */
static void mutate(struct frame *f)
{
	__u32 i, n = random_below(5), span = f->len < 140 ? f->len : 140;

	for (i = 0; i < n; i++) {
		__u8 *at = &f->b[12 + random_below(span - 12)];

		switch (random_below(3)) {
		case 0: *at ^= 1 << random_below(8); break;
		case 1: *at = random_below(256); break;
		default: *at += 1; break;
		}
	}
	if (random_below(16) == 0)
		f->len = LEN_MIN + random_below(f->len - LEN_MIN);
	if (random_below(16) == 0)
		frame_fill(f, random_below(40));
	/* Half of the damage would end at the outer checksum. */
	if (f->b[12] == 0x08 && f->b[13] == 0 && (f->b[14] & 0xf) == 5 && random_below(8))
		frame_checksum_ip4(f, 14);
}

static bool is_for_joined_node(const struct run *r)
{
	static const __u8 mac[] = { 0x02, 0, 0, 0, 0, 0x11 };
	struct varp_addr v4 = addr("10.1.0.1"), v6 = addr("fd00::1");
	struct varp_snid s = snid(1);
	const __u8 *out = r->out.b;

	if (memcmp(out, mac, sizeof(mac)) || !memmem(r->in.b, r->in.len, s.b, sizeof(s.b)))
		return false;
	if (out[12] == 0x08 && out[13] == 0x00)
		return out[14] >> 4 == 4 && !memcmp(out + 30, v4.b + 12, 4);
	return out[12] == 0x86 && out[13] == 0xdd && out[14] >> 4 == 6 && !memcmp(out + 38, v6.b, 16);
}

static void test_decap_mutated_reaches_joined_nodes_only(void **state)
{
	struct frame in4 = frame_inner("10.1.0.2", "10.1.0.1", 1, 20), in6 = frame_inner("fd00::2", "fd00::1", 2, 20);
	struct frame base[] = {
		frame_outer("192.0.2.2", "192.0.2.1", 3, 0xc000, 0, 1, 1, &in4),
		frame_outer("192.0.2.2", "192.0.2.1", 2, 0xc000, 0, 1, 1, &in6),
		frame_outer("2001:db8::2", "2001:db8::1", 1, 0xc000, 0, 1, 1, &in4),
		frame_outer("2001:db8::2", "2001:db8::1", 0, 0xc000, 0, 1, 1, &in6),
	};
	__u64 redirected = 0, shot = 0, passed = 0;
	struct varp_stats st;
	struct run r = {};
	int i;

	(void)state;
	random_state = 0x56415250;
	put_local(1, "10.1.0.1", 1);
	put_local(1, "fd00::1", 1);
	put_joined(1);
	put_raddr("192.0.2.1");
	put_raddr("2001:db8::1");
	for (i = 0; i < ROUNDS; i++) {
		r.in = base[random_below(ARRAY_SIZE(base))];
		mutate(&r.in);
		switch (run_prog(harness_obj->progs.varp_decap, &r)) {
		case TC_ACT_REDIRECT:
			if (!is_for_joined_node(&r))
				fail_msg("round %d delivered to a node that is not there", i);
			redirected++;
			break;
		case TC_ACT_SHOT:
			shot++;
			break;
		case TC_PASS:
			passed++;
			break;
		default:
			fail_msg("round %d: verdict %u", i, r.retval);
		}
	}
	st = stats_now();
	assert_int_equal(st.counters[VARP_COUNTER_DECAP_PACKETS], redirected);
	assert_int_equal(drops_total(&st), shot);
	assert_in_range(st.counters[VARP_COUNTER_FOREIGN_PACKETS], 1, passed);
	/* All of it happened, or the damage is of one kind only. */
	assert_in_range(redirected, ROUNDS / 10, ROUNDS * 9 / 10);
	assert_in_range(shot, ROUNDS / 10, ROUNDS * 9 / 10);
	assert_in_range(passed, ROUNDS / 20, ROUNDS * 9 / 10);
}

static void test_encap_mutated_never_in_the_clear(void **state)
{
	struct frame in = frame_inner("10.1.0.1", "10.1.0.9", 0, 20);
	struct frame base[] = {
		frame_inner("10.1.0.1", "10.1.0.2", 0, 40),
		frame_inner("fd00::1", "fd00::2", 0, 40),
		frame_inner("10.1.0.1", "10.1.0.3", 0, 40),
		frame_inner("10.1.0.1", "10.1.0.4", 0, 40),
		frame_inner("10.1.0.1", "10.1.0.2", 0, 1420),
		frame_outer("10.1.0.1", "10.1.0.2", 0, 0xc000, 0, 1, 1, &in),
	};
	__u64 encapsulated = 0, accounted;
	struct varp_supernet sn;
	struct varp_stats st;
	struct run r = { .ifindex = harness_node };
	int i;

	(void)state;
	random_state = 0x50524156;
	bind_dev(harness_node, 1, 0);
	put_mapping(1, "10.1.0.2", "192.0.2.2", 1000 * BOOT_S, 0);
	put_mapping(1, "fd00::2", "2001:db8::2", 1000 * BOOT_S, 0);
	put_local(1, "10.1.0.3", 1);
	for (i = 0; i < ROUNDS; i++) {
		r.in = base[random_below(ARRAY_SIZE(base))];
		mutate(&r.in);
		switch (run_prog(harness_obj->progs.varp_encap, &r)) {
		case TC_ACT_REDIRECT:
			encapsulated += r.out.len != r.in.len;
			if (r.out.len != r.in.len && r.out.len != r.in.len + 56 && r.out.len != r.in.len + 76)
				fail_msg("round %d: %zu octets from %zu", i, r.out.len, r.in.len);
			break;
		case TC_ACT_SHOT:
			break;
		default:
			fail_msg("round %d: verdict %u", i, r.retval);
		}
		if (i % 64 == 0)
			events_take(NULL, 0);
	}
	st = stats_now();
	sn = get_supernet(0);
	assert_int_equal(st.counters[VARP_COUNTER_ENCAP_PACKETS], encapsulated);
	accounted = encapsulated + st.counters[VARP_COUNTER_LOCAL_PACKETS] +
		    st.counters[VARP_COUNTER_HELD_PACKETS] + drops_total(&st);
	assert_int_equal(accounted, ROUNDS);
	assert_int_equal(sn.misses, sn.requests + sn.suppressed + sn.dropped);
	assert_int_equal(st.counters[VARP_COUNTER_MISSES], sn.misses);
	assert_true(sn.pending <= sn.pending_max);
	assert_in_range(encapsulated, ROUNDS / 10, ROUNDS * 9 / 10);
}

#define TEST(f)	cmocka_unit_test_setup(f, harness_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_decap_mutated_reaches_joined_nodes_only),
		TEST(test_encap_mutated_never_in_the_clear),
	};

	return HARNESS_MAIN(tests, "mutation");
}
