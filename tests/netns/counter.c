// SPDX-License-Identifier: BSD-2-Clause
/*
 * Somebody else's program on an interface: counts the packets that come in and lets them go on.
 *
 *   counter DEV PIN tcx|clsact     attaches it (clsact: priority 7, the qdisc must be there), map and link below PIN
 *   counter PIN                    prints the count
 *
 * For the test that varpd leaves others' programs alone. Knows nothing of VARP.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TCX_INGRESS	((enum bpf_attach_type)46)	/* newer than the headers of the oldest platforms */

#define INSN(c, d, s, o, i) ((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })

/* if ((slot = lookup(map, &zero))) __sync_fetch_and_add(slot, 1); return TC_ACT_UNSPEC; */
static int load(int map_fd)
{
	struct bpf_insn insns[] = {
		INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, -1),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "counter", "GPL", insns, sizeof(insns) / sizeof(insns[0]), NULL);
}

static int attach(const char *dev, const char *pin, const char *mode)
{
	int ifindex = (int)if_nametoindex(dev), map_fd, prog_fd, link_fd;
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 7);
	char path[256];

	mkdir(pin, 0700);
	map_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "counter", 4, 8, 1, NULL);
	prog_fd = map_fd < 0 ? -1 : load(map_fd);
	snprintf(path, sizeof(path), "%s/map", pin);
	if (prog_fd < 0 || bpf_obj_pin(map_fd, path)) {
		perror("counter: load");
		return 1;
	}
	if (!strcmp(mode, "tcx")) {
		link_fd = bpf_link_create(prog_fd, ifindex, TCX_INGRESS, NULL);
		snprintf(path, sizeof(path), "%s/link", pin);
		if (link_fd < 0 || bpf_obj_pin(link_fd, path)) {
			perror("counter: link");
			return 1;
		}
		return 0;
	}
	opts.prog_fd = prog_fd;
	errno = -bpf_tc_attach(&hook, &opts);
	if (errno) {
		perror("counter: attach");
		return 1;
	}
	return 0;
}

static int show(const char *pin)
{
	unsigned long long count;
	char path[256];
	int fd, key = 0;

	snprintf(path, sizeof(path), "%s/map", pin);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_map_lookup_elem(fd, &key, &count)) {
		perror("counter");
		return 1;
	}
	printf("%llu\n", count);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4)
		return attach(argv[1], argv[2], argv[3]);
	if (argc == 2)
		return show(argv[1]);
	fprintf(stderr, "usage: counter DEV PIN tcx|clsact, counter PIN\n");
	return 2;
}
