// SPDX-License-Identifier: BSD-2-Clause
/*
 * One datagram to each of many vaddrs. With a window, never more of them wait for an answer than
 * that: how fast misses are resolved. Without, a scan. What became of them is read from the pinned
 * counters, and while the window is full now and then only: whoever answers shares this processor.
 *
 *   scatter PINS BASE COUNT WINDOW SECONDS	PINS: /sys/fs/bpf/varp/INSTANCE/vN; WINDOW 0: none
 *						prints sent, resolved, lost, seconds
 *
 * Called by tests/bench/cases_control.py and cases_first.py.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define PORT	 9 /* discard */
#define BATCH	 64
#define NAP_US	 200	/* a window of 2048 lasts a hundred times as long */
#define STALL_NS (10 * NSEC_PER_SEC)

struct counters {
	int fd;
	int cpus;
	struct varp_stats *each;
	uint64_t resolved_before;
};

static uint64_t resolved(struct counters *c)
{
	uint64_t sum = 0;
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(c->fd, &zero, c->each))
		die("cannot read the counters: %s", strerror(errno));
	for (int i = 0; i < c->cpus; i++)
		sum += c->each[i].counters[VARP_COUNTER_REINJECTED_PACKETS];
	return sum - c->resolved_before;
}

static void counters_open(struct counters *c, const char *pins)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/varp_stats", pins);
	c->fd = bpf_obj_get(path);
	c->cpus = libbpf_num_possible_cpus();
	c->each = calloc(c->cpus, sizeof(*c->each));
	if (c->fd < 0 || !c->each)
		die("%s: %s", path, strerror(errno));
	c->resolved_before = resolved(c);
}

/* Datagrams to `n` vaddrs that follow each other. */
static void send_to(int fd, const struct varp_addr *base, uint32_t index, unsigned int n)
{
	static char data[8] = "varp";
	struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
	struct sockaddr_in names[BATCH];
	struct mmsghdr messages[BATCH];
	unsigned int sent = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct varp_addr vaddr = vaddr_at(base, index + i);

		names[i] = (struct sockaddr_in){
			.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = vaddr.w[3] };
		messages[i] = (struct mmsghdr){
			.msg_hdr = { .msg_name = &names[i], .msg_namelen = sizeof(names[i]),
				     .msg_iov = &iov, .msg_iovlen = 1 } };
	}
	while (sent < n) {
		int now = sendmmsg(fd, messages + sent, n - sent, 0);

		/* One that is refused counts as sent, and shows as lost. */
		sent += now > 0 ? (unsigned int)now : 1;
	}
}

int main(int argc, char **argv)
{
	uint64_t count, window, sent = 0, done = 0, lost = 0, start, end, last, stalled;
	struct counters counters = {0};
	struct varp_addr base;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 64 * 1024 * 1024;

	if (argc != 6)
		die("usage: scatter PINS BASE COUNT WINDOW SECONDS");
	counters_open(&counters, argv[1]);
	base = addr_arg(argv[2]);
	count = number(argv[3]);
	window = number(argv[4]);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	start = last = stalled = now_ns();
	end = start + number(argv[5]) * NSEC_PER_SEC;
	while (done + lost < count && now_ns() < end) {
		uint64_t before = done, n = count - sent < BATCH ? count - sent : BATCH;

		if (n && (!window || sent - done - lost + n <= window)) {
			send_to(fd, &base, sent, n);
			sent += n;
		} else {
			usleep(NAP_US);
		}
		if (!window && sent == count)
			break;
		done = resolved(&counters);
		if (done != before) {
			last = stalled = now_ns();
		} else if (now_ns() - stalled > STALL_NS) {
			lost = sent - done;
			stalled = now_ns();
		}
	}
	printf("sent %llu\nresolved %llu\nlost %llu\nseconds %.6f\n", (unsigned long long)sent,
	       (unsigned long long)done, (unsigned long long)lost,
	       ((window ? last : now_ns()) - start) / 1e9);
	return 0;
}
