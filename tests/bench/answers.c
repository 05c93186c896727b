// SPDX-License-Identifier: BSD-2-Clause
/*
 * What one answer from XDP costs, with a mirror of 1,000 to 1,000,000 mappings: with and without a
 * session, for a mapping that is there and one that is not, and what a frame costs that is none of
 * ours. Each run has a request of its own, so each is a system call, timed by the kernel inside;
 * the clock's own share is measured with a program that does nothing and taken off.
 *
 *   answers OBJECT RUNS ENTRIES...	OBJECT: build/gen/answer.bpf.o; prints `WHAT ENTRIES NS` lines
 *
 * Called by tests/bench/cases_program.py. Loads its own copy: meets no varpd and no device but lo.
 */
#include <endian.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <sched.h>
#include <varp/siphash.h>

#include "bench.h"

#define LO	1
#define SESSION htobe64(0x1122334455667788ull)
#define PASSING 1000000

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	struct varp_wire_msg msg;
} __attribute__((packed));

static struct bpf_object *object;
static struct varp_snid snid;
static struct varp_addr base, client, server;
static struct varp_session_keys session;
static double nothing_ns;

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

/* insecure is the last of the settings: a port and a flag. */
static void load(const char *path, uint32_t entries)
{
	struct {
		uint16_t port;
		bool insecure;
	} settings = {VARPDB_VARP_PORT, true};
	struct bpf_map *map;

	object = bpf_object__open_file(path, NULL);
	if (!object)
		die("cannot open %s", path);
	bpf_object__for_each_map(map, object)
	{
		if (!strcmp(bpf_map__name(map), "varp_answers"))
			bpf_map__set_max_entries(map, 2 * entries);
		if (strstr(bpf_map__name(map), ".rodata") &&
		    bpf_map__set_initial_value(map, &settings, bpf_map__value_size(map)))
			die("cannot set the program up");
	}
	if (bpf_object__load(object))
		die("cannot load %s", path);
}

static void set_up(uint32_t entries)
{
	struct varp_served_key served_key = {.snid = snid};
	struct varp_served served = {.ttl_s = 900, .complete = 1};
	struct varp_answer_dev dev = {.generic = 0};
	struct varp_answer answer = {.raddr = server, .ttl_s = 0};
	uint64_t id = SESSION;
	uint32_t lo = LO;

	session = (struct varp_session_keys){.snid = snid,
					     .client = client,
					     .server = server,
					     .key_request = {1, 2},
					     .key_answer = {3, 4},
					     .ends_ns = UINT64_MAX};
	put("varp_raddrs", &server, &lo);
	put("varp_answer_devs", &lo, &dev);
	put("varp_served", &served_key, &served);
	put("varp_sessions", &id, &session);
	for (uint32_t i = 0; i < entries; i++) {
		struct varp_addr vaddr = vaddr_at(&base, i);
		struct varp_key key = varp_key_make(&snid, &vaddr);

		answer.check = varp_answer_check(&key, &answer);
		put("varp_answers", &key, &answer);
	}
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint64_t sum_of(const void *data, size_t len)
{
	uint64_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < len; i += 2) {
		memcpy(&word, (const char *)data + i, 2);
		sum += word;
	}
	return sum;
}

static void sign(struct varp_wire_msg *msg)
{
	const struct varp_addr ends[2] = {client, server};
	uint64_t word, tag[2];
	struct varp_siphash s;

	varp_siphash_init(&s, (const void *)session.key_request);
	for (size_t i = 0; i < VARP_MSG_TAGGED_LEN; i += 8) {
		memcpy(&word, (const char *)msg + i, 8);
		varp_siphash_word(&s, word);
	}
	for (size_t i = 0; i < sizeof(ends); i += 8) {
		memcpy(&word, (const char *)ends + i, 8);
		varp_siphash_word(&s, word);
	}
	varp_siphash_final(&s, VARP_MSG_TAGGED_LEN + sizeof(ends), (void *)tag);
	memcpy(msg->tag, tag, sizeof(tag));
}

static void make_request(struct frame *f, uint32_t index, bool authenticated)
{
	uint16_t len = htons(sizeof(f->udp) + sizeof(f->msg));

	memset(f, 0, sizeof(*f));
	f->eth.h_proto = htons(ETH_P_IP);
	f->ip = (struct iphdr){.version = 4,
			       .ihl = 5,
			       .ttl = 64,
			       .protocol = IPPROTO_UDP,
			       .saddr = client.w[3],
			       .daddr = server.w[3],
			       .tot_len = htons(sizeof(*f) - sizeof(f->eth))};
	f->ip.check = ~fold(sum_of(&f->ip, sizeof(f->ip)));
	f->msg = (struct varp_wire_msg){.version = VARP_VERSION,
					.type = VARP_MSG_REQUEST,
					.length = htons(VARP_MSG_LEN),
					.prefix_len = 128,
					.session = authenticated ? SESSION : 0,
					.nonce = random_u32(),
					.snid = snid,
					.vaddr = vaddr_at(&base, index)};
	if (authenticated)
		sign(&f->msg);
	f->udp = (struct udphdr){.source = htons(VARPDB_VARP_PORT),
				 .dest = htons(VARPDB_VARP_PORT),
				 .len = len};
	f->udp.check = ~fold(sum_of(&f->ip.saddr, 8) + htons(IPPROTO_UDP) + len +
			     sum_of(&f->udp, sizeof(f->udp)) + sum_of(&f->msg, sizeof(f->msg)));
}

static uint32_t run(int prog, const struct frame *f, uint32_t repeat, uint32_t want)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f, .data_size_in = sizeof(*f),
		    .repeat = repeat);

	if (bpf_prog_test_run_opts(prog, &opts))
		die("cannot run a program: %s", strerror(errno));
	if (opts.retval != want)
		die("the program returned %u, not %u", opts.retval, want);
	return opts.duration;
}

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Requests for any of the mappings, or for vaddrs behind the last. The median, so without the runs
 * that an interrupt fell into. */
static double answer_ns(int prog, uint32_t runs, uint32_t entries, bool authenticated, bool known)
{
	uint32_t *ns = calloc(runs, sizeof(*ns));
	struct frame f;
	double result;

	if (!ns)
		die("out of memory");
	for (uint32_t i = 0; i < runs; i++) {
		make_request(&f, random_u32() % entries + (known ? 0 : entries), authenticated);
		ns[i] = run(prog, &f, 1, XDP_TX);
	}
	qsort(ns, runs, sizeof(ns[0]), compare);
	result = ns[runs / 2] - nothing_ns;
	free(ns);
	return result;
}

static int nothing_program(void)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "bench", "GPL", insns,
			       sizeof(insns) / sizeof(insns[0]), NULL);

	if (fd < 0)
		die("cannot load a program of our own: %s", strerror(errno));
	return fd;
}

static void measure_nothing(uint32_t runs)
{
	uint32_t *ns = calloc(runs, sizeof(*ns));
	int prog = nothing_program();
	struct frame f;

	if (!ns)
		die("out of memory");
	make_request(&f, 0, false);
	for (uint32_t i = 0; i < runs; i++)
		ns[i] = run(prog, &f, 1, XDP_PASS);
	qsort(ns, runs, sizeof(ns[0]), compare);
	nothing_ns = ns[runs / 2];
	free(ns);
}

/* A frame that is none of ours is left as it is, so that runs can be repeated inside the kernel. */
static double passing_ns(int prog)
{
	int nothing = nothing_program();
	struct frame f;

	make_request(&f, 0, false);
	f.ip.protocol = IPPROTO_TCP;
	return (double)run(prog, &f, PASSING, XDP_PASS) - run(nothing, &f, PASSING, XDP_PASS);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		die("usage: answers OBJECT RUNS ENTRIES...");
	if (unshare(CLONE_NEWNET))
		die("no network namespace: %s", strerror(errno));
	snid = snid_arg("0x10");
	base = addr_arg("10.64.0.0");
	client = addr_arg("192.0.2.2");
	server = addr_arg("192.0.2.1");
	measure_nothing(number(argv[2]));
	for (int i = 3; i < argc; i++) {
		uint32_t entries = number(argv[i]), runs = number(argv[2]);
		int prog;

		load(argv[1], entries);
		set_up(entries);
		prog = bpf_program__fd(bpf_object__find_program_by_name(object, "varp_answer"));
		printf("answer_session %u %.0f\n", entries, answer_ns(prog, runs, entries, true, true));
		printf("answer_plain %u %.0f\n", entries, answer_ns(prog, runs, entries, false, true));
		printf("answer_notknown %u %.0f\n", entries, answer_ns(prog, runs, entries, true, false));
		printf("answer_passing %u %.0f\n", entries, passing_ns(prog));
		fflush(stdout);
		bpf_object__close(object);
	}
	return 0;
}
