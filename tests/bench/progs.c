// SPDX-License-Identifier: BSD-2-Clause
/*
 * What one run of varp_encap and varp_decap costs, and one lookup, with 1,000 to 1,000,000 entries
 * in a cache of one size. Each run has a packet of its own (a program changes its packet), so each
 * is a system call, timed by the kernel inside; the clock's own share is measured with a program
 * that does nothing and taken off. "hot": 64 destinations among all entries; "cold": any entry, in
 * random order; the same in other kinds of map, and one read from an array of as many values.
 *
 *   progs OBJECT RUNS [ENTRIES...]	OBJECT: build/gen/varp.bpf.o; prints `WHAT ENTRIES NS` lines
 *
 * Called by tests/bench/cases_program.py. Loads its own copy: meets no varpd and no device but lo.
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <sched.h>
#include <unistd.h>

#include "bench.h"

#define CACHE_MAX 1310720
#define SOURCE	0x0a010001	/* of all frames: 10.1.0.1 */
#define HOT	  64
#define LO	  1
#define PAYLOAD	  64
#define LOOKUPS	  1000000

struct frame {
	uint8_t octets[512];
	uint32_t len;
};

static struct bpf_object *object;
static struct varp_snid snid;
static struct varp_addr base, here, there;
static double nothing_ns; /* what the timing of a program that does nothing shows */

static int map_fd(const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	if (fd < 0)
		die("the object has no map %s", name);
	return fd;
}

static void put(const char *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(map_fd(map), key, value, BPF_ANY))
		die("cannot write %s: %s", map, strerror(errno));
}

static void load(const char *path)
{
	struct bpf_map *map;

	object = bpf_object__open_file(path, NULL);
	if (!object)
		die("cannot open %s", path);
	bpf_object__for_each_map(map, object)
	{
		if (!strcmp(bpf_map__name(map), "varp_cache"))
			bpf_map__set_max_entries(map, CACHE_MAX);
		if (!strcmp(bpf_map__name(map), "varp_scratch"))
			bpf_map__set_max_entries(map, libbpf_num_possible_cpus());
	}
	if (bpf_object__load(object))
		die("cannot load %s", path);
}

/* lo is the node device and the underlay. The first nodes of the row live here, for varp_decap. */
static void set_up(void)
{
	struct varp_dev dev = {
		.snid = snid, .underlay = LO, .underlay_mtu = 1500, .is_peer = 1, .raddr4 = here};
	struct varp_supernet supernet = {.snid = snid, .used = 1, .pending_max = 16};
	uint32_t lo = LO, slot = 0;

	put("varp_devs", &lo, &dev);
	put("varp_supernets", &slot, &supernet);
	for (uint32_t i = 0; i < 1000; i++) {
		struct varp_addr vaddr = vaddr_at(&base, i);
		struct varp_key key = varp_key_make(&snid, &vaddr);
		struct varp_local local = {.peer = LO, .dev = LO, .raddr4 = there};

		put("varp_local", &key, &local);
	}
}

static uint16_t ip_checksum(const void *header)
{
	const uint16_t *word = header;
	uint32_t sum = 0;

	for (int i = 0; i < 10; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

static void make_frame(struct frame *f, uint32_t index)
{
	struct ethhdr *eth = (void *)f->octets;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	struct varp_addr vaddr = vaddr_at(&base, index);

	memset(f, 0, sizeof(*f));
	f->len = sizeof(*eth) + sizeof(*ip) + sizeof(*udp) + PAYLOAD;
	eth->h_proto = htons(ETH_P_IP);
	*ip = (struct iphdr){.version = 4,
			     .ihl = 5,
			     .ttl = 64,
			     .protocol = IPPROTO_UDP,
			     .saddr = htonl(SOURCE),
			     .daddr = vaddr.w[3],
			     .tot_len = htons(f->len - sizeof(*eth))};
	ip->check = ip_checksum(ip);
	udp->source = htons(40000);
	udp->dest = htons(9);
	udp->len = htons(f->len - sizeof(*eth) - sizeof(*ip));
}

/* One run; nanoseconds as the kernel measured them. */
static uint32_t run(int prog, const struct frame *in, struct frame *out, uint32_t repeat,
		    uint32_t *verdict)
{
	struct __sk_buff ctx = {.ifindex = LO};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->octets, .data_size_in = in->len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = repeat);

	if (out) {
		opts.data_out = out->octets;
		opts.data_size_out = sizeof(out->octets);
	}
	if (bpf_prog_test_run_opts(prog, &opts))
		die("cannot run a program: %s", strerror(errno));
	if (out)
		out->len = opts.data_size_out;
	*verdict = opts.retval;
	return opts.duration;
}

static int program(const char *name)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(object, name);

	if (!prog)
		die("the object has no program %s", name);
	return bpf_program__fd(prog);
}

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The median leaves out the runs that an interrupt fell into. */
static double median(uint32_t *ns, uint32_t count)
{
	qsort(ns, count, sizeof(ns[0]), compare);
	return ns[count / 2];
}

static double encap_ns(uint32_t runs, uint32_t among)
{
	uint32_t *ns = calloc(runs, sizeof(*ns)), verdict;
	int prog = program("varp_encap");
	struct frame in;
	double result;

	for (uint32_t i = 0; i < runs; i++) {
		make_frame(&in, random_u32() % among);
		ns[i] = run(prog, &in, NULL, 1, &verdict);
		if (verdict != TC_ACT_REDIRECT)
			die("varp_encap returned %u", verdict);
	}
	result = median(ns, runs) - nothing_ns;
	free(ns);
	return result;
}

/* The source check finds it, as it does for all but a flow's first packet. */
static void put_source(void)
{
	const struct varp_addr vaddr = {.w = {0, 0, htonl(0xffff), htonl(SOURCE)}};
	struct varp_key key = varp_key_make(&snid, &vaddr);
	struct varp_mapping mapping = {.raddr = here, .deadline_ns = UINT64_MAX, .ttl_s = 900};

	put("varp_cache", &key, &mapping);
}

static double decap_ns(uint32_t runs)
{
	uint32_t *ns = calloc(runs, sizeof(*ns)), verdict;
	int prog = program("varp_decap");
	static struct frame outer[HOT];
	struct frame in;
	double result;

	put_source();
	for (uint32_t i = 0; i < HOT; i++) {
		make_frame(&in, i);
		run(program("varp_encap"), &in, &outer[i], 1, &verdict);
	}
	for (uint32_t i = 0; i < runs; i++) {
		ns[i] = run(prog, &outer[random_u32() % HOT], NULL, 1, &verdict);
		if (verdict != TC_ACT_REDIRECT)
			die("varp_decap returned %u", verdict);
	}
	result = median(ns, runs) - nothing_ns;
	free(ns);
	return result;
}

#define INSN(c, d, s, o, i)                                                         \
	{                                                                           \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) \
	}
#define R(n) BPF_REG_##n

static int load_insns(const struct bpf_insn *insns, size_t count)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "bench", "GPL", insns, count, NULL);

	if (fd < 0)
		die("cannot load a program of our own: %s", strerror(errno));
	return fd;
}

/* key.vaddr = base + random % among; with a map, looks it up: verdict 1 if nothing is found. */
static int lookup_program(int map, uint32_t among)
{
	struct varp_key key = varp_key_make(&snid, &base);
	struct bpf_insn insns[32];
	uint32_t words[7], n = 0;

	memcpy(words, &key, sizeof(key));
	for (int i = 0; i < 6; i++)
		insns[n++] = (struct bpf_insn)INSN(BPF_ST | BPF_MEM | BPF_W, R(10), 0, -28 + 4 * i,
						   words[i]);
	insns[n++] = (struct bpf_insn)INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_prandom_u32);
	insns[n++] = (struct bpf_insn)INSN(BPF_ALU | BPF_MOD | BPF_K, R(0), 0, 0, among);
	insns[n++] = (struct bpf_insn)INSN(BPF_ALU | BPF_ADD | BPF_K, R(0), 0, 0, ntohl(base.w[3]));
	insns[n++] = (struct bpf_insn)INSN(BPF_ALU | BPF_END | BPF_TO_BE, R(0), 0, 0, 32);
	insns[n++] = (struct bpf_insn)INSN(BPF_STX | BPF_MEM | BPF_W, R(10), R(0), -4, 0);
	if (map >= 0) {
		insns[n++] = (struct bpf_insn)INSN(BPF_LD | BPF_DW | BPF_IMM, R(1),
						   BPF_PSEUDO_MAP_FD, 0, map);
		insns[n++] = (struct bpf_insn){0};
		insns[n++] = (struct bpf_insn)INSN(BPF_ALU64 | BPF_MOV | BPF_X, R(2), R(10), 0, 0);
		insns[n++] = (struct bpf_insn)INSN(BPF_ALU64 | BPF_ADD | BPF_K, R(2), 0, 0, -28);
		insns[n++] = (struct bpf_insn)INSN(BPF_JMP | BPF_CALL, 0, 0, 0,
						   BPF_FUNC_map_lookup_elem);
		insns[n++] = (struct bpf_insn)INSN(BPF_JMP | BPF_JNE | BPF_K, R(0), 0, 2, 0);
		insns[n++] = (struct bpf_insn)INSN(BPF_ALU64 | BPF_MOV | BPF_K, R(0), 0, 0, 1);
		insns[n++] = (struct bpf_insn)INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	}
	insns[n++] = (struct bpf_insn)INSN(BPF_ALU64 | BPF_MOV | BPF_K, R(0), 0, 0, 0);
	insns[n++] = (struct bpf_insn)INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return load_insns(insns, n);
}

/* What a program with a look-up takes beyond one without. */
static double lookup_ns(int with, uint32_t among)
{
	int without = lookup_program(-1, among);
	uint32_t spent[5], own[5], verdict;
	struct frame f;

	make_frame(&f, 0);
	for (int i = 0; i < 5; i++) {
		spent[i] = run(with, &f, NULL, LOOKUPS, &verdict);
		if (verdict)
			die("an entry is missing from the cache");
		own[i] = run(without, &f, NULL, LOOKUPS, &verdict);
	}
	close(without);
	return median(spent, 5) - median(own, 5);
}

static double cache_ns(uint32_t among)
{
	int with = lookup_program(map_fd("varp_cache"), among);
	double ns = lookup_ns(with, among);

	close(with);
	return ns;
}

/* What the look-up is held against: other maps of as many entries, and no look-up at all, one read. */
static int other_map(enum bpf_map_type type, uint32_t flags, uint32_t entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	uint32_t key = type == BPF_MAP_TYPE_ARRAY ? sizeof(uint32_t) : sizeof(struct varp_key);
	uint32_t max = type == BPF_MAP_TYPE_ARRAY ? entries : CACHE_MAX;
	int fd = bpf_map_create(type, "bench", key, sizeof(struct varp_mapping), max, &opts);

	if (fd < 0)
		die("cannot make a map of our own: %s", strerror(errno));
	if (type != BPF_MAP_TYPE_ARRAY)
		cache_fill(fd, &snid, &base, 0, entries, &there);
	return fd;
}

/* One of as many values as there are entries, read where it lies. */
static int read_program(int map, uint32_t among)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_prandom_u32),
		INSN(BPF_ALU | BPF_MOD | BPF_K, R(0), 0, 0, among),
		INSN(BPF_STX | BPF_MEM | BPF_W, R(10), R(0), -4, 0),
		INSN(BPF_LD | BPF_DW | BPF_IMM, R(1), BPF_PSEUDO_MAP_FD, 0, map),
		{ 0 },
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, R(2), R(10), 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, R(2), 0, 0, -4),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, R(0), 0, 2, 0),
		INSN(BPF_LDX | BPF_MEM | BPF_W, R(0), R(0), 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, R(0), 0, 0, 1),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return load_insns(insns, sizeof(insns) / sizeof(insns[0]));
}

static double other_ns(enum bpf_map_type type, uint32_t flags, uint32_t entries)
{
	int map = other_map(type, flags, entries);
	int with = type == BPF_MAP_TYPE_ARRAY ? read_program(map, entries) : lookup_program(map, entries);
	double ns = lookup_ns(with, entries);

	close(with);
	close(map);
	return ns;
}

static void measure_nothing(uint32_t runs)
{
	static const struct bpf_insn insns[] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, R(0), 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	int prog = load_insns(insns, sizeof(insns) / sizeof(insns[0]));
	uint32_t *ns = calloc(runs, sizeof(*ns)), verdict;
	struct frame f;

	make_frame(&f, 0);
	for (uint32_t i = 0; i < runs; i++)
		ns[i] = run(prog, &f, NULL, 1, &verdict);
	nothing_ns = median(ns, runs);
	free(ns);
}

int main(int argc, char **argv)
{
	uint32_t runs, filled = 0;

	if (argc < 4)
		die("usage: progs OBJECT RUNS ENTRIES...");
	if (unshare(CLONE_NEWNET))
		die("no network namespace: %s", strerror(errno));
	runs = number(argv[2]);
	snid = snid_arg("0x10");
	base = addr_arg("10.64.0.0");
	here = addr_arg("192.0.2.1");
	there = addr_arg("192.0.2.2");
	load(argv[1]);
	set_up();
	measure_nothing(runs);
	printf("clock 0 %.0f\n", nothing_ns);
	for (int i = 3; i < argc; i++) {
		uint32_t entries = number(argv[i]);

		cache_fill(map_fd("varp_cache"), &snid, &base, filled, entries, &there);
		filled = entries;
		printf("encap_hot %u %.0f\n", entries, encap_ns(runs, HOT));
		printf("encap_cold %u %.0f\n", entries, encap_ns(runs, entries));
		printf("decap %u %.0f\n", entries, decap_ns(runs));
		printf("lookup_hot %u %.0f\n", entries, cache_ns(HOT));
		printf("lookup_cold %u %.0f\n", entries, cache_ns(entries));
		printf("hash_cold %u %.0f\n", entries, other_ns(BPF_MAP_TYPE_HASH, 0, entries));
		printf("slab_cold %u %.0f\n", entries,
		       other_ns(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, entries));
		printf("array_cold %u %.0f\n", entries, other_ns(BPF_MAP_TYPE_ARRAY, 0, entries));
		fflush(stdout);
	}
	return 0;
}
