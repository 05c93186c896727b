// SPDX-License-Identifier: BSD-2-Clause
/*
 * Packets with random damage: whatever the programs make of them, nothing gets to a node that it is not for, nothing
 * leaves unencapsulated, and every packet is accounted for exactly once.
 *
 * The packets to damage are a few whole ones, what is kept in tests/fuzz/corpus/decap and encap, and those damaged ones of
 * this run that came to an end (a counter, a reason to drop) that none had come to before.
 *
 * VARP_MUTATION_ROUNDS (100,000) and VARP_MUTATION_SEED (always the same; 0: from the clock) say how much and which;
 * VARP_MUTATION_SAVE names a directory for packets that came to a new end.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "harness.h"

#define LEN_MIN		54	/* shorter ones are refused by BPF_PROG_TEST_RUN */
#define POOL_MAX	512
#define ENDS		(VARP_COUNTER_COUNT + VARP_DROP_COUNT)

static struct frame pool[POOL_MAX];
static unsigned int pool_count;
static bool seen[ENDS];
static struct varp_stats before;
static __u32 random_state;

/* --- What to damage, and how --- */

static __u32 random_below(__u32 n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % n;
}

static __u32 setting(const char *name, __u32 otherwise)
{
	const char *text = getenv(name);

	return text && *text ? (__u32)strtoul(text, NULL, 0) : otherwise;
}

static __u32 rounds(void)
{
	return setting("VARP_MUTATION_ROUNDS", 100000);
}

static void pool_add(const struct frame *f)
{
	if (pool_count < POOL_MAX)
		pool[pool_count++] = *f;
}

/* Files of the kept corpus; the build directory has none beside it in a kernel's guest, so it may be missing. */
static void pool_load(const char *name)
{
	char dir[256], path[600];
	struct dirent *entry;
	struct frame f;
	FILE *file;
	DIR *d;

	snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%s", name);
	d = opendir(dir);
	while (d && (entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
		if (!file)
			continue;
		f.len = fread(f.b, 1, sizeof(f.b), file);
		fclose(file);
		if (f.len >= LEN_MIN)
			pool_add(&f);
	}
	if (d)
		closedir(d);
}

static void pool_begin(const char *name, __u32 seed, const struct frame *base, unsigned int count)
{
	seed = setting("VARP_MUTATION_SEED", seed);
	random_state = seed ? seed : (__u32)time(NULL) | 1;
	pool_count = 0;
	memset(seen, 0, sizeof(seen));
	memset(&before, 0, sizeof(before));
	while (count--)
		pool_add(base++);
	pool_load(name);
	print_message("# %s: seed 0x%x, %u rounds, %u packets to begin with\n", name, random_state, rounds(),
		      pool_count);
}

/* Did the last packet come to an end that is new? Then it is worth more damage. */
static void pool_learn(const char *name, const struct frame *f)
{
	const char *dir = getenv("VARP_MUTATION_SAVE");
	struct varp_stats now = stats_now();
	char path[600];
	bool fresh = false;
	FILE *file;

	for (unsigned int i = 0; i < ENDS; i++) {
		bool drop = i >= VARP_COUNTER_COUNT;
		unsigned int at = drop ? i - VARP_COUNTER_COUNT : i;

		if ((drop ? now.drops[at] != before.drops[at] : now.counters[at] != before.counters[at]) && !seen[i])
			fresh = seen[i] = true;
	}
	before = now;
	if (!fresh)
		return;
	pool_add(f);
	snprintf(path, sizeof(path), "%s/%s-%08x", dir, name, random_state);
	file = dir ? fopen(path, "wb") : NULL;
	if (file) {
		fwrite(f->b, 1, f->len, file);
		fclose(file);
	}
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
	if (random_below(16) == 0 && f->len > LEN_MIN)
		f->len = LEN_MIN + random_below(f->len - LEN_MIN);
	if (random_below(16) == 0 && f->len < 1600)
		frame_fill(f, random_below(40));
	/* Half of the damage would end at the outer checksum. */
	if (f->b[12] == 0x08 && f->b[13] == 0 && (f->b[14] & 0xf) == 5 && random_below(8))
		frame_checksum_ip4(f, 14);
}

/* --- Whose a packet is, read once more and without haste --- */

/* The SnId that an encapsulated frame names (docs/PROTOCOL.md, RFC 8926); NULL: none. */
static const __u8 *named_snid(const struct frame *f)
{
	bool v4 = f->b[12] == 0x08 && f->b[13] == 0;
	size_t at = ETH_HLEN + (v4 ? (f->b[ETH_HLEN] & 15) * 4 : 40) + 8, end;
	const __u8 *found = NULL;

	if (at + 8 > f->len)
		return NULL;
	end = at + 8 + (f->b[at] & 0x3f) * 4;
	if (end > f->len || f->b[at] >> 6)
		return NULL;
	for (at += 8; at + 4 <= end; at += 4 + (f->b[at + 3] & 0x1f) * 4) {
		const __u8 *option = f->b + at;

		if (!found && option[0] == VARP_GENEVE_OPT_CLASS >> 8 && option[1] == (VARP_GENEVE_OPT_CLASS & 0xff) &&
		    option[2] == VARP_GENEVE_OPT_TYPE && at + 28 <= end)
			found = option + offsetof(struct varp_geneve_opt, snid);
	}
	return found;
}

/* Two supernets have nodes with these very vaddrs; the device's address tells which one got it. */
static bool is_for_its_node(const struct run *r)
{
	static const __u8 mac[] = { 0x02, 0, 0, 0, 0 };
	struct varp_addr v4 = addr("10.1.0.1"), v6 = addr("fd00::1");
	const __u8 *out = r->out.b, *named = named_snid(&r->in);
	struct varp_snid s = snid(out[5] - 0x10);

	if (memcmp(out, mac, sizeof(mac)) || !named || memcmp(named, s.b, sizeof(s.b)))
		return false;
	if (out[12] == 0x08 && out[13] == 0x00)
		return out[14] >> 4 == 4 && !memcmp(out + 30, v4.b + 12, 4);
	return out[12] == 0x86 && out[13] == 0xdd && out[14] >> 4 == 6 && !memcmp(out + 38, v6.b, 16);
}

/* The node of SnId 1 has device address 02:00:00:00:00:11, that of SnId 2 12. */
static void put_node(unsigned int n, const char *vaddr)
{
	struct varp_key k = key(n, vaddr);
	struct varp_local l;

	put_local(n, vaddr, 1);
	assert_true(map_get(harness_obj->maps.varp_local, &k, &l));
	l.mac[5] = 0x10 + n;
	map_put(harness_obj->maps.varp_local, &k, &l);
}

static void test_decap_mutated_reaches_its_nodes_only(void **state)
{
	struct frame in4 = frame_inner("10.1.0.2", "10.1.0.1", 1, 20), in6 = frame_inner("fd00::2", "fd00::1", 2, 20);
	struct frame base[] = {
		frame_outer("192.0.2.2", "192.0.2.1", 3, 0xc000, 0, 1, 1, &in4),
		frame_outer("192.0.2.2", "192.0.2.1", 2, 0xc000, 0, 1, 1, &in6),
		frame_outer("2001:db8::2", "2001:db8::1", 1, 0xc000, 0, 1, 1, &in4),
		frame_outer("2001:db8::2", "2001:db8::1", 0, 0xc000, 0, 1, 1, &in6),
		frame_outer("192.0.2.2", "192.0.2.1", 3, 0xc000, 0, 2, 1, &in4),
		frame_outer("2001:db8::2", "2001:db8::1", 0, 0xc000, 0, 2, 1, &in6),
	};
	__u64 redirected = 0, shot = 0, passed = 0;
	struct varp_stats st;
	struct run r = {};
	__u32 i, n = rounds();

	(void)state;
	for (i = 1; i <= 2; i++) {
		put_node(i, "10.1.0.1");
		put_node(i, "fd00::1");
		put_joined(i);
	}
	put_raddr("192.0.2.1");
	put_raddr("2001:db8::1");
	pool_begin("decap", 0x56415250, base, ARRAY_SIZE(base));
	for (i = 0; i < n; i++) {
		r.in = pool[random_below(pool_count)];
		mutate(&r.in);
		switch (run_prog(harness_obj->progs.varp_decap, &r)) {
		case TC_ACT_REDIRECT:
			if (!is_for_its_node(&r))
				fail_msg("round %u delivered to a node that it is not for", i);
			redirected++;
			break;
		case TC_ACT_SHOT:
			shot++;
			break;
		case TC_PASS:
			passed++;
			break;
		default:
			fail_msg("round %u: verdict %u", i, r.retval);
		}
		pool_learn("decap", &r.in);
		if (i % 64 == 0)
			events_take(NULL, 0);
	}
	st = stats_now();
	print_message("# decap: %llu delivered, %llu dropped, %llu let past, %u packets in the end\n",
		      (unsigned long long)redirected, (unsigned long long)shot, (unsigned long long)passed, pool_count);
	assert_int_equal(st.counters[VARP_COUNTER_DECAP_PACKETS], redirected);
	assert_int_equal(drops_total(&st), shot);
	assert_in_range(st.counters[VARP_COUNTER_FOREIGN_PACKETS], 1, passed);
	/* All of it happened, or the damage is of one kind only. */
	assert_in_range(redirected, n / 20, n * 9ull / 10);
	assert_in_range(shot, n / 10, n * 9ull / 10);
	assert_in_range(passed, n / 50, n * 9ull / 10);
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
	__u32 i, n = rounds();

	(void)state;
	bind_dev(harness_node, 1, 0);
	put_mapping(1, "10.1.0.2", "192.0.2.2", 1000 * BOOT_S, 0);
	put_mapping(1, "fd00::2", "2001:db8::2", 1000 * BOOT_S, 0);
	put_local(1, "10.1.0.3", 1);
	pool_begin("encap", 0x50524156, base, ARRAY_SIZE(base));
	for (i = 0; i < n; i++) {
		r.in = pool[random_below(pool_count)];
		mutate(&r.in);
		switch (run_prog(harness_obj->progs.varp_encap, &r)) {
		case TC_ACT_REDIRECT:
			encapsulated += r.out.len != r.in.len;
			if (r.out.len != r.in.len && r.out.len != r.in.len + 64 && r.out.len != r.in.len + 84)
				fail_msg("round %u: %zu octets from %zu", i, r.out.len, r.in.len);
			break;
		case TC_ACT_SHOT:
			break;
		default:
			fail_msg("round %u: verdict %u", i, r.retval);
		}
		pool_learn("encap", &r.in);
		if (i % 64 == 0)
			events_take(NULL, 0);
	}
	st = stats_now();
	sn = get_supernet(0);
	assert_int_equal(st.counters[VARP_COUNTER_ENCAP_PACKETS], encapsulated);
	accounted = encapsulated + st.counters[VARP_COUNTER_LOCAL_PACKETS] +
		    st.counters[VARP_COUNTER_HELD_PACKETS] + drops_total(&st);
	assert_int_equal(accounted, n);
	assert_int_equal(sn.misses, sn.requests + sn.suppressed + sn.dropped);
	assert_int_equal(st.counters[VARP_COUNTER_MISSES], sn.misses);
	assert_true(sn.pending <= sn.pending_max);
	assert_in_range(encapsulated, n / 20, n * 9ull / 10);
}

#define TEST(f)	cmocka_unit_test_setup(f, harness_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_decap_mutated_reaches_its_nodes_only),
		TEST(test_encap_mutated_never_in_the_clear),
	};

	return HARNESS_MAIN(tests, "mutation");
}
