// SPDX-License-Identifier: BSD-2-Clause
/*
 * varp_decap: what is taken out of the tunnel octet by octet, what is dropped and why, what is left to the stack.
 */
#include <bpf/bpf.h>
#include "harness.h"

static const __u8 node_mac[] = { 0x02, 0, 0, 0, 0, 0x11 };
static const __u8 source_mac[] = { 0x02, 'V', 'A', 'R', 'P', 0x02 };

static __u32 decap(struct run *r)
{
	return run_prog(harness_obj->progs.varp_decap, r);
}

static void expect_decap(const char *name, struct run *r, const struct frame *inner)
{
	struct frame want = *inner;

	frame_set_macs(&want, node_mac, source_mac);
	if (decap(r) != TC_ACT_REDIRECT)
		fail_msg("%s: verdict %u", name, r->retval);
	assert_frames_equal(name, &r->out, &want);
}

static int setup(void **state)
{
	harness_reset(state);
	put_local(1, "10.1.0.1", 1);
	put_local(1, "fd00::1", 1);
	put_joined(1);
	put_raddr("192.0.2.1");
	put_raddr("2001:db8::1");
	return 0;
}

static const struct {
	const char *name, *isrc, *idst, *osrc, *odst;
} families[] = {
	{ "IPv4 in IPv4", "10.1.0.2", "10.1.0.1", "192.0.2.2", "192.0.2.1" },
	{ "IPv4 in IPv6", "10.1.0.2", "10.1.0.1", "2001:db8::2", "2001:db8::1" },
	{ "IPv6 in IPv4", "fd00::2", "fd00::1", "192.0.2.2", "192.0.2.1" },
	{ "IPv6 in IPv6", "fd00::2", "fd00::1", "2001:db8::2", "2001:db8::1" },
};

static struct run arriving(size_t family, __u8 otos, const struct frame *inner)
{
	return (struct run){ .in = frame_outer(families[family].osrc, families[family].odst, otos, 0xc123, 0x54321,
					       1, 1, inner) };
}

static void all_families_exact(void)
{
	static const size_t lens[] = { 0, 1, 11, 12, 64, 1372 };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(families); i++) {
		setup(NULL);
		for (j = 0; j < ARRAY_SIZE(lens); j++) {
			struct frame inner = frame_inner(families[i].isrc, families[i].idst, 0x28, lens[j]);
			struct run r = arriving(i, 0, &inner);

			expect_decap(families[i].name, &r, &inner);
		}
		j = i < 2 ? 28 : 48;
		assert_stats_are(families[i].name, COUNTER(DECAP_PACKETS), 6,
				 COUNTER(DECAP_BYTES), (int)(6 * j + 0 + 1 + 11 + 12 + 64 + 1372), -1);
	}
}

static void test_decap_all_families_exact(void **state)
{
	(void)state;
	all_families_exact();
}

static void test_decap_all_families_exact_by_decap_l3_flags(void **state)
{
	(void)state;
	if (!harness_kernel_has_decap_l3()) {
		print_message("kernel older than 6.3 has no DECAP_L3 flags\n");
		skip();
	}
	harness_close(NULL);
	harness_decap_l3_flags = true;
	assert_int_equal(harness_open(NULL), 0);
	all_families_exact();
	harness_close(NULL);
	harness_decap_l3_flags = false;
	assert_int_equal(harness_open(NULL), 0);
}

/* --- RFC 6040, figure 4 -------------------------------------------------------------------------------------------- */

#define NOT	0
#define ECT1	1
#define ECT0	2
#define CE	3
#define GONE	(-1)

/* Rows: inner; columns: outer Not-ECT, ECT(1), ECT(0), CE, as the code points count. */
static const int ecn[4][4] = {
	[NOT]	= { NOT, NOT, NOT, GONE },
	[ECT1]	= { ECT1, ECT1, ECT1, CE },
	[ECT0]	= { ECT0, ECT1, ECT0, CE },
	[CE]	= { CE, CE, CE, CE },
};

static void test_decap_ecn_all_combinations(void **state)
{
	int in, out, dscp = 0x28 << 2;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(families); i++)
		for (in = 0; in < 4; in++)
			for (out = 0; out < 4; out++) {
				struct frame inner = frame_inner(families[i].isrc, families[i].idst, dscp | in, 9);
				struct run r = arriving(i, 0xfc | out, &inner);

				setup(NULL);
				if (ecn[in][out] == GONE) {
					assert_int_equal(decap(&r), TC_ACT_SHOT);
					assert_stats_are("ECN", DROP(ECN), 1, -1);
					continue;
				}
				/* The inner DSCP stays, and the IPv4 checksum is right again. */
				inner = frame_inner(families[i].isrc, families[i].idst, dscp | ecn[in][out], 9);
				expect_decap(families[i].name, &r, &inner);
			}
}

/* --- Violations ------------------------------------------------------------------------------------------------------ */

#define PASSED		(-1)	/* left to the stack, not counted */
#define FOREIGN		(-2)	/* left to the stack, counted as foreign */

/*
 * A good packet, IPv4 in IPv4, with octets changed; the outer IPv4 checksum is made good after that. Layout: 14 outer
 * IP, 34 UDP, 42 Geneve, 50 option, 54 ChId, 66 SnId, 78 inner IP, 98 inner UDP, 106 data, 126 end.
 */
static const struct {
	const char *name;
	struct { __u8 at; __u8 value; } edit[4];
	size_t len;
	int what;
} rows[] = {
	{ "outer version 5", { { 14, 0x55 } }, 0, PASSED },
	{ "outer header of 16 octets", { { 14, 0x44 } }, 0, PASSED },
	{ "TCP", { { 23, 6 } }, 0, PASSED },
	{ "UDP to another port", { { 37, 0xc2 } }, 0, PASSED },
	{ "first fragment", { { 20, 0x20 } }, 0, FOREIGN },
	{ "later fragment", { { 20, 0x20 }, { 21, 5 } }, 0, PASSED },
	{ "last fragment", { { 20, 0 }, { 21, 5 } }, 0, PASSED },
	{ "IP longer than the frame", { { 17, 113 } }, 0, VARP_DROP_RUNT },
	{ "IP shorter than UDP says", { { 17, 111 } }, 0, VARP_DROP_RUNT },
	{ "IP ends in the UDP header", { { 17, 27 } }, 0, VARP_DROP_RUNT },
	{ "UDP length of 7", { { 39, 7 } }, 0, VARP_DROP_RUNT },
	{ "UDP length of 0", { { 39, 0 } }, 0, VARP_DROP_RUNT },
	{ "UDP one octet longer than IP", { { 39, 93 } }, 0, VARP_DROP_RUNT },
	{ "UDP length of 15, Geneve header cut", { { 39, 15 } }, 0, VARP_DROP_RUNT },
	{ "cut in the UDP header", {}, 41, PASSED },
	{ "cut in the Geneve header", {}, 49, VARP_DROP_RUNT },
	{ "cut in the option", {}, 60, VARP_DROP_RUNT },
	{ "cut in the inner header", {}, 88, VARP_DROP_RUNT },
	{ "outer source 0.0.0.0", { { 26, 0 }, { 28, 0 }, { 29, 0 } }, 0, VARP_DROP_OUTER_SOURCE },
	{ "outer source a group", { { 26, 224 } }, 0, VARP_DROP_OUTER_SOURCE },
	{ "fragment from a group", { { 20, 0x20 }, { 26, 224 } }, 0, VARP_DROP_OUTER_SOURCE },
	{ "Geneve version 1", { { 42, 0x45 } }, 0, VARP_DROP_GENEVE_VERSION },
	{ "Geneve version 3", { { 42, 0xc5 } }, 0, VARP_DROP_GENEVE_VERSION },
	{ "options longer than the packet", { { 42, 0x3f } }, 0, VARP_DROP_GENEVE_HEADER },
	{ "options end after the packet by a word", { { 42, 20 } }, 0, VARP_DROP_GENEVE_HEADER },
	{ "no options", { { 42, 0 } }, 0, FOREIGN },
	{ "our option cut by the options' length", { { 42, 6 } }, 0, VARP_DROP_GENEVE_HEADER },
	{ "only our option's head", { { 42, 1 } }, 0, VARP_DROP_GENEVE_HEADER },
	{ "our option one word short", { { 53, 5 } }, 0, VARP_DROP_GENEVE_HEADER },
	{ "our option one word long", { { 53, 7 } }, 0, VARP_DROP_GENEVE_HEADER },
	{ "our option without data", { { 53, 0 } }, 0, VARP_DROP_GENEVE_HEADER },
	{ "another option class", { { 50, 0x01 } }, 0, FOREIGN },
	{ "another option type", { { 52, 0x83 } }, 0, FOREIGN },
	{ "the type without its critical bit", { { 52, 0x01 } }, 0, FOREIGN },
	{ "control packet", { { 43, 0xc0 } }, 0, VARP_DROP_GENEVE_CONTROL },
	{ "control packet without options", { { 42, 0 }, { 43, 0x80 } }, 0, FOREIGN },
	{ "Ethernet inside", { { 44, 0x65 }, { 45, 0x58 } }, 0, VARP_DROP_GENEVE_PROTO },
	{ "ARP inside", { { 45, 0x06 } }, 0, VARP_DROP_GENEVE_PROTO },
	{ "says IPv6, is IPv4", { { 44, 0x86 }, { 45, 0xdd } }, 0, VARP_DROP_INNER_HEADER },
	{ "inner version 6 in IPv4", { { 78, 0x65 } }, 0, VARP_DROP_INNER_HEADER },
	{ "inner header of 16 octets", { { 78, 0x44 } }, 0, VARP_DROP_INNER_HEADER },
	{ "inner longer than UDP", { { 81, 49 } }, 0, VARP_DROP_INNER_HEADER },
	{ "inner shorter than its header", { { 81, 19 } }, 0, VARP_DROP_INNER_HEADER },
	{ "inner header with options longer than the packet", { { 78, 0x4f } }, 0, VARP_DROP_INNER_HEADER },
	{ "unknown SnId", { { 75, 9 } }, 0, VARP_DROP_NOT_JOINED },
	{ "SnId differs in its first octet", { { 66, 0 } }, 0, VARP_DROP_NOT_JOINED },
	{ "unknown vaddr", { { 97, 9 } }, 0, VARP_DROP_NOT_LOCAL },
	{ "multicast vaddr", { { 94, 224 } }, 0, VARP_DROP_NOT_LOCAL },
	{ "vaddr 0.0.0.0", { { 94, 0 }, { 95, 0 }, { 97, 0 } }, 0, VARP_DROP_NOT_LOCAL },
	{ "another channel", { { 59, 2 } }, 0, VARP_DROP_WRONG_CHANNEL },
	{ "channel differs in its first octet", { { 54, 0 } }, 0, VARP_DROP_WRONG_CHANNEL },
};

static struct run edited(size_t row)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 20);
	struct run r = arriving(0, 0, &inner);
	size_t j;

	for (j = 0; j < ARRAY_SIZE(rows[row].edit); j++)
		if (rows[row].edit[j].at)
			r.in.b[rows[row].edit[j].at] = rows[row].edit[j].value;
	if ((r.in.b[14] & 0xf) == 5)
		frame_checksum_ip4(&r.in, 14);
	if (rows[row].len)
		r.in.len = rows[row].len;
	return r;
}

static void test_decap_violation_dropped_with_reason(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct run r = edited(i);

		setup(NULL);
		if (decap(&r) != (rows[i].what < 0 ? TC_PASS : TC_ACT_SHOT))
			fail_msg("%s: verdict %u", rows[i].name, r.retval);
		assert_frames_equal(rows[i].name, &r.out, &r.in);
		if (rows[i].what >= 0)
			assert_stats_are(rows[i].name, 0x1000 + rows[i].what, 1, -1);
		else if (rows[i].what == FOREIGN)
			assert_stats_are(rows[i].name, COUNTER(FOREIGN_PACKETS), 1, -1);
		else
			assert_stats_are(rows[i].name, -1);
	}
}

/* What is not for this host's addresses is nobody's business here, whatever it looks like. */
static void test_decap_transit_passed_uncounted(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 20);
	struct run good = arriving(0, 0, &inner);
	size_t i;

	(void)state;
	good.in.b[33] = 77;
	frame_checksum_ip4(&good.in, 14);
	assert_int_equal(decap(&good), TC_PASS);
	assert_frames_equal("good packet", &good.out, &good.in);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct run r = edited(i);

		if ((r.in.b[14] & 0xf) != 5)
			continue;
		r.in.b[33] = 77;
		frame_checksum_ip4(&r.in, 14);
		if (decap(&r) != TC_PASS)
			fail_msg("%s: verdict %u", rows[i].name, r.retval);
	}
	assert_stats_are("transit", -1);
}

/* In IPv6 nobody has an address that is an IPv4 one in our maps. */
static void test_decap_mapped_outer_destination_passed(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 20);
	struct run r = arriving(1, 0, &inner);

	(void)state;
	assert_int_equal(r.in.b[12], 0x86);
	put_raddr("192.0.2.1");
	inet_pton(AF_INET6, "::ffff:192.0.2.1", r.in.b + ETH_HLEN + 24);
	assert_int_equal(decap(&r), TC_PASS);
	assert_frames_equal("untouched", &r.out, &r.in);
	assert_stats_are("not counted", -1);
}

/* Another address of this host than the one the node is bound to, and the node's own where it is not listed. */
static void test_decap_outer_destination_ours_either_way(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 20);
	struct run r = arriving(0, 0, &inner);

	(void)state;
	harness_reset(NULL);
	put_local(1, "10.1.0.1", 1);
	expect_decap("the node's", &r, &inner);
	put_raddr("192.0.2.77");
	r.in.b[33] = 77;
	frame_checksum_ip4(&r.in, 14);
	expect_decap("another of the host's", &r, &inner);
}

static void test_decap_bad_outer_checksum_left_to_the_stack(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 20);
	struct run r = arriving(0, 0, &inner);

	(void)state;
	r.in.b[24] ^= 1;
	assert_int_equal(decap(&r), TC_PASS);
	assert_stats_are("checksum", -1);
}

static void test_decap_frame_for_another_host_not_touched(void **state)
{
	static const __u8 other[] = { 0x02, 1, 2, 3, 4, 5 };
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 20);
	struct run r = arriving(0, 0, &inner);

	(void)state;
	frame_set_macs(&r.in, other, NULL);
	assert_int_equal(decap(&r), TC_PASS);
	assert_stats_are("overheard", -1);
}

static void test_decap_marker_key_is_no_node(void **state)
{
	struct frame inner = frame_inner("fd00::2", "::", 0, 20);
	struct frame mapped = frame_inner("fd00::2", "::ffff:10.1.0.1", 0, 20);
	struct run r = arriving(2, 0, &inner), m = arriving(2, 0, &mapped);

	(void)state;
	assert_int_equal(decap(&r), TC_ACT_SHOT);
	assert_stats_are("zero", DROP(NOT_LOCAL), 1, -1);
	assert_int_equal(decap(&m), TC_ACT_SHOT);
	assert_stats_are("mapped", DROP(NOT_LOCAL), 1, DROP(INNER_HEADER), 1, -1);
}

/* {75, 9} makes the SnId one that is not joined here, {97, 9} the vaddr one that is not ours. */
static const struct {
	const char *name;
	unsigned int octet;
	__u64 netns;
	unsigned int snid;
	__u32 one, other;
	__u32 drop;		/* zero: passed on and counted as foreign */
} instance_rows[] = {
	{ "another instance has joined", 75, HARNESS_NETNS, 9, 8, 0, 0 },
	{ "another instance in the last place", 75, HARNESS_NETNS, 9, 0, 8, 0 },
	{ "only ourselves", 75, HARNESS_NETNS, 9, HARNESS_INSTANCE, 0, VARP_DROP_NOT_JOINED },
	{ "another one in another namespace", 75, HARNESS_NETNS + 1, 9, 8, 0, VARP_DROP_NOT_JOINED },
	{ "another one in another supernet", 75, HARNESS_NETNS, 8, 8, 0, VARP_DROP_NOT_JOINED },
	{ "joined by both, not our vaddr", 97, HARNESS_NETNS, 1, HARNESS_INSTANCE, 8, 0 },
	{ "joined by us, not our vaddr", 97, HARNESS_NETNS, 1, HARNESS_INSTANCE, 0, VARP_DROP_NOT_LOCAL },
};

static void test_decap_of_another_instance_is_passed_on(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 20);
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(instance_rows); i++) {
		struct run r = arriving(0, 0, &inner);

		setup(NULL);
		r.in.b[instance_rows[i].octet] = 9;
		put_instances(instance_rows[i].netns, instance_rows[i].snid, instance_rows[i].one,
			      instance_rows[i].other);
		if (instance_rows[i].drop) {
			assert_int_equal(decap(&r), TC_ACT_SHOT);
			assert_stats_are(instance_rows[i].name, 0x1000 + instance_rows[i].drop, 1, -1);
		} else {
			assert_int_equal(decap(&r), TC_PASS);
			assert_stats_are(instance_rows[i].name, COUNTER(FOREIGN_PACKETS), 1, -1);
		}
	}
}

static void test_decap_node_of_ours_wins_over_other_instances(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 20);
	struct run r = arriving(0, 0, &inner);

	(void)state;
	put_instances(HARNESS_NETNS, 1, HARNESS_INSTANCE, 8);
	expect_decap("ours", &r, &inner);
}

static void test_decap_same_vaddr_in_two_supernets_kept_apart(void **state)
{
	static const __u8 mac2[] = { 0x02, 0, 0, 0, 0, 0x22 };
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 20), want;
	struct run first = arriving(0, 0, &inner), second = first;
	struct varp_key k = key(2, "10.1.0.1");
	struct varp_local l;

	(void)state;
	second.in.b[75] = 2;
	assert_int_equal(decap(&second), TC_ACT_SHOT);
	assert_stats_are("not joined", DROP(NOT_JOINED), 1, -1);
	put_local(2, "10.1.0.1", 1);
	assert_true(map_get(harness_obj->maps.varp_local, &k, &l));
	memcpy(l.mac, mac2, sizeof(mac2));
	map_put(harness_obj->maps.varp_local, &k, &l);
	expect_decap("first", &first, &inner);
	want = inner;
	frame_set_macs(&want, mac2, source_mac);
	assert_int_equal(decap(&second), TC_ACT_REDIRECT);
	assert_frames_equal("second", &second.out, &want);
}

/* --- More options, more headers --------------------------------------------------------------------------------------- */

/* Geneve with these octets of options, to which the word "OURS" stands for our option. */
static struct run with_options(const char *options, size_t len, const struct frame *inner)
{
	struct frame base = frame_outer("192.0.2.2", "192.0.2.1", 0, 0xc123, 0, 1, 1, inner);
	struct frame opts = {}, f = {};
	size_t i;

	for (i = 0; i < len; i += 4)
		if (!memcmp(options + i, "OURS", 4))
			frame_add(&opts, base.b + 50, 28);
		else
			frame_add(&opts, options + i, 4);
	frame_eth(&f, ETH_P_IP);
	frame_ip(&f, "192.0.2.2", "192.0.2.1", 0, IPPROTO_UDP, 16 + opts.len + inner->len - ETH_HLEN);
	frame_udp(&f, 0xc123, 6081, 8 + opts.len + inner->len - ETH_HLEN);
	frame_add(&f, base.b + 42, 8);
	f.b[42] = opts.len / 4;
	frame_add(&f, opts.b, opts.len);
	frame_add(&f, inner->b + ETH_HLEN, inner->len - ETH_HLEN);
	return (struct run){ .in = f };
}

#define OPTIONS(text)	text, sizeof(text) - 1

static void test_decap_options_walked(void **state)
{
	static const struct {
		const char *name, *options;
		size_t len;
		int what;	/* -3: decapsulated */
	} cases[] = {
		{ "unknown option before", OPTIONS("\x01\x02\x03\x01xxxxOURS"), -3 },
		{ "unknown option behind", OPTIONS("OURS\x01\x02\x03\x02xxxxyyyy"), -3 },
		{ "empty options around", OPTIONS("\x01\x02\x03\0OURS\x01\x02\x03\0"), -3 },
		{ "43 options before", OPTIONS("\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0"
			"\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0"
			"\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0"
			"\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0\1\2\3\0OURS"), -3 },
		{ "critical option before", OPTIONS("\x01\x02\x83\x01xxxxOURS"), VARP_DROP_GENEVE_CRITICAL },
		{ "critical option behind", OPTIONS("OURS\x01\x02\x80\0"), VARP_DROP_GENEVE_CRITICAL },
		{ "our class, other critical type", OPTIONS("OURS\xff\x56\x83\0"), VARP_DROP_GENEVE_CRITICAL },
		{ "both of our options", OPTIONS("OURS\xff\x56\x82\0"), VARP_DROP_GENEVE_HEADER },
		{ "our option twice", OPTIONS("OURSOURS"), VARP_DROP_GENEVE_HEADER },
		{ "option behind runs over the end", OPTIONS("OURS\x01\x02\x03\x01"), VARP_DROP_GENEVE_HEADER },
		{ "option before runs over ours", OPTIONS("\x01\x02\x03\x1fOURS"), VARP_DROP_GENEVE_HEADER },
		{ "ours hidden in another's data", OPTIONS("\x01\x02\x03\x05OURS"), FOREIGN },
	};
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 20);
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run r = with_options(cases[i].options, cases[i].len, &inner);

		setup(NULL);
		if (cases[i].what == -3) {
			expect_decap(cases[i].name, &r, &inner);
			continue;
		}
		if (decap(&r) != (cases[i].what < 0 ? TC_PASS : TC_ACT_SHOT))
			fail_msg("%s: verdict %u", cases[i].name, r.retval);
		if (cases[i].what == FOREIGN)
			assert_stats_are(cases[i].name, COUNTER(FOREIGN_PACKETS), 1, -1);
		else
			assert_stats_are(cases[i].name, 0x1000 + cases[i].what, 1, -1);
	}
}

/* A packet of ours must not get past by IP options or extension headers. */
static void test_decap_outer_options_and_extension_headers_removed(void **state)
{
	static const char hop[] = "\x11\0\1\4\0\0\0", two[] = "\x3c\0\1\4\0\0\0";
	static const char frag[] = "\x11\0\0\1\0\0\0", atomic[] = "\x11\0\0\0\0\0\0", late[] = "\x11\0\0\x08\0\0\0";
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 20);
	struct frame v4 = frame_outer("192.0.2.2", "192.0.2.1", 0, 0xc123, 0, 1, 1, &inner);
	struct frame v6 = frame_outer("2001:db8::2", "2001:db8::1", 0, 0xc123, 0, 1, 1, &inner);
	size_t len = v6.len - 54;
	struct run r = {};

	(void)state;
	frame_eth(&r.in, ETH_P_IP);
	frame_ip(&r.in, "192.0.2.2", "192.0.2.1", 0, IPPROTO_UDP, v4.len - 34 + 4);
	r.in.b[14] = 0x46;
	frame_add(&r.in, "\1\1\1", 4);
	frame_checksum_ip4(&r.in, 14);
	frame_add(&r.in, v4.b + 34, v4.len - 34);
	expect_decap("IPv4 options", &r, &inner);

#define EXTENDED(first, ...) do {									\
	const char *ext[] = { __VA_ARGS__ };								\
	size_t e;											\
	r = (struct run){};										\
	frame_eth(&r.in, ETH_P_IPV6);									\
	frame_ip(&r.in, "2001:db8::2", "2001:db8::1", 0, first, len + 8 * ARRAY_SIZE(ext));		\
	for (e = 0; e < ARRAY_SIZE(ext); e++)								\
		frame_add(&r.in, ext[e], 8);								\
	frame_add(&r.in, v6.b + 54, len);								\
} while (0)
	EXTENDED(IPPROTO_HOPOPTS, hop);
	expect_decap("hop-by-hop options", &r, &inner);
	EXTENDED(IPPROTO_HOPOPTS, two, hop);
	expect_decap("two extension headers", &r, &inner);
	EXTENDED(IPPROTO_HOPOPTS, two, two, two, hop);
	expect_decap("four extension headers", &r, &inner);
	setup(NULL);
	EXTENDED(IPPROTO_HOPOPTS, two, two, two, two, hop);
	assert_int_equal(decap(&r), TC_PASS);
	EXTENDED(IPPROTO_FRAGMENT, late);
	assert_int_equal(decap(&r), TC_PASS);
	assert_stats_are("too many, later fragment", -1);
	EXTENDED(IPPROTO_FRAGMENT, frag);
	assert_int_equal(decap(&r), TC_PASS);
	EXTENDED(IPPROTO_FRAGMENT, atomic);
	assert_int_equal(decap(&r), TC_PASS);
	assert_stats_are("fragments", COUNTER(FOREIGN_PACKETS), 2, -1);
}

static void test_decap_padding_ignored(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 20);
	struct run r = arriving(0, 0, &inner);

	(void)state;
	/* behind the outer IP packet: stays, and the receiver trims it by the inner length */
	frame_fill(&r.in, 6);
	frame_fill(&inner, 6);
	expect_decap("padding", &r, &inner);
	assert_stats_are("padding", COUNTER(DECAP_PACKETS), 1, COUNTER(DECAP_BYTES), 48, -1);
}

/* Several datagrams that GRO took for one train: only the first one's headers are where headers are. */
static void test_decap_pile_of_datagrams_refused(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 20);
	struct run r = arriving(0, 0, &inner);

	(void)state;
	frame_add(&r.in, r.in.b + 42, r.in.len - 42);
	r.gso_size = 76;
	r.gso_segs = 2;
	assert_int_equal(decap(&r), TC_ACT_SHOT);
	assert_stats_are("pile", DROP(INNER_HEADER), 1, -1);
}

/* --- Path MTU ---------------------------------------------------------------------------------------------------------- */

static struct run icmp_error(bool v6, __u32 mtu)
{
	struct frame inner = frame_inner("10.1.0.1", "10.1.0.2", 0, 20), sent;
	struct run r = {};

	if (v6) {
		sent = frame_outer("2001:db8::1", "2001:db8::2", 0, 0xc001, 0, 1, 1, &inner);
		frame_eth(&r.in, ETH_P_IPV6);
		frame_ip(&r.in, "2001:db8::fe", "2001:db8::1", 0, IPPROTO_ICMPV6, 8 + sent.len - 14);
		frame_add(&r.in, "\2\0\0\0", 4);
	} else {
		sent = frame_outer("192.0.2.1", "192.0.2.2", 0, 0xc001, 0, 1, 1, &inner);
		frame_eth(&r.in, ETH_P_IP);
		frame_ip(&r.in, "192.0.2.254", "192.0.2.1", 0, IPPROTO_ICMP, 8 + 28);
		frame_add(&r.in, "\3\4\0\0", 4);
	}
	mtu = htonl(mtu);
	frame_add(&r.in, &mtu, 4);
	frame_add(&r.in, sent.b + 14, v6 ? sent.len - 14 : 28);
	return r;
}

static void test_decap_path_mtu_told_once(void **state)
{
	static const struct {
		const char *name, *raddr;
		bool v6;
		__u32 mtu;
	} good[] = {
		{ "IPv4", "192.0.2.2", false, 1400 },
		{ "IPv4, least", "192.0.2.2", false, 576 },
		{ "IPv6", "2001:db8::2", true, 1480 },
		{ "IPv6, least", "2001:db8::2", true, 1280 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		struct run r = icmp_error(good[i].v6, good[i].mtu);
		struct varp_key k = { .vaddr = addr(good[i].raddr) };
		struct told t;

		setup(NULL);
		assert_int_equal(decap(&r), TC_PASS);
		assert_frames_equal(good[i].name, &r.out, &r.in);
		decap(&r);
		assert_int_equal(events_take(&t, 1), 1);
		assert_int_equal(t.event.type, VARP_EVENT_PMTU);
		assert_int_equal(t.event.mtu, good[i].mtu);
		assert_int_equal(t.event.frame_len, 0);
		assert_int_equal(t.event.ifindex, harness_underlay);
		assert_memory_equal(&t.event.key, &k, sizeof(k));
		assert_stats_are(good[i].name, -1);
	}
}

static void test_decap_other_icmp_not_told(void **state)
{
	/* Offsets: 34 and 54 ICMP, 42 and 62 the quoted packet. */
	static const struct {
		const char *name;
		bool v6;
		__u32 mtu;
		__u16 at;
		__u8 value;
	} bad[] = {
		{ "IPv4 MTU too small", false, 575, 0, 0 },
		{ "IPv4 MTU of zero", false, 0, 0, 0 },
		{ "IPv6 MTU too small", true, 1279, 0, 0 },
		{ "IPv6 MTU beyond any packet", true, 0x10000, 0, 0 },
		{ "host unreachable", false, 1400, 35, 1 },
		{ "echo request", false, 1400, 34, 8 },
		{ "IPv6 unreachable", true, 1400, 54, 1 },
		{ "quoted source not ours", false, 1400, 42 + 15, 9 },
		{ "quoted IPv6 source not ours", true, 1400, 62 + 23, 9 },
		{ "quoted packet is TCP", false, 1400, 42 + 9, 6 },
		{ "quoted IPv6 packet is TCP", true, 1400, 62 + 6, 6 },
		{ "quoted to another port", false, 1400, 42 + 23, 9 },
		{ "quoted to another port, IPv6", true, 1400, 62 + 43, 9 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct run r = icmp_error(bad[i].v6, bad[i].mtu);

		if (bad[i].at)
			r.in.b[bad[i].at] = bad[i].value;
		assert_int_equal(decap(&r), TC_PASS);
		if (events_take(NULL, 0))
			fail_msg("%s: told", bad[i].name);
	}
	{
		struct run r = icmp_error(false, 1400);

		r.in.len = 60;	/* quotes less than the ports */
		assert_int_equal(decap(&r), TC_PASS);
		assert_int_equal(events_take(NULL, 0), 0);
	}
	assert_stats_are("not told", -1);
}

#define TEST(f)	cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_decap_all_families_exact),
		TEST(test_decap_all_families_exact_by_decap_l3_flags),
		TEST(test_decap_ecn_all_combinations),
		TEST(test_decap_violation_dropped_with_reason),
		TEST(test_decap_transit_passed_uncounted),
		TEST(test_decap_mapped_outer_destination_passed),
		TEST(test_decap_outer_destination_ours_either_way),
		TEST(test_decap_bad_outer_checksum_left_to_the_stack),
		TEST(test_decap_frame_for_another_host_not_touched),
		TEST(test_decap_marker_key_is_no_node),
		TEST(test_decap_same_vaddr_in_two_supernets_kept_apart),
		TEST(test_decap_of_another_instance_is_passed_on),
		TEST(test_decap_node_of_ours_wins_over_other_instances),
		TEST(test_decap_options_walked),
		TEST(test_decap_outer_options_and_extension_headers_removed),
		TEST(test_decap_padding_ignored),
		TEST(test_decap_pile_of_datagrams_refused),
		TEST(test_decap_path_mtu_told_once),
		TEST(test_decap_other_icmp_not_told),
	};

	return HARNESS_MAIN(tests, "decap");
}
