// SPDX-License-Identifier: BSD-2-Clause
/*
 * A client that only asks: how many VARP_REQUESTs a server answers per second, and when it answers
 * again after a restart. Keeps a window of requests open, for vaddrs in random order, and counts
 * what comes back.
 *
 *   ask rate ADDR PORT SNID BASE COUNT WINDOW SECONDS	prints answers, other, lost, seconds
 *   ask until ADDR PORT SNID VADDR SECONDS		asks each 0.5 ms; prints when it was answered
 *							(CLOCK_MONOTONIC, seconds)
 *
 * Called by tests/bench/cases_control.py.
 */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "msg.h"

#define BATCH	 64
#define STALL_MS 200 /* nothing comes for so long: what is open counts as lost */

struct batch {
	struct mmsghdr headers[BATCH];
	struct iovec iov[BATCH];
	uint8_t data[BATCH][VARP_MSG_LEN];
};

struct ask {
	int fd;
	struct varp_msg request;
	struct varp_addr base;
	uint64_t count;
	uint64_t open, answers, other, lost;
	struct batch out, in;
};

static void batch_init(struct batch *b)
{
	for (int i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){b->data[i], VARP_MSG_LEN};
		b->headers[i].msg_hdr = (struct msghdr){.msg_iov = &b->iov[i], .msg_iovlen = 1};
	}
}

static void ask_open(struct ask *ask, char **argv)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(number(argv[1]))};
	int size = 4 * 1024 * 1024;

	ask->fd = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(ask->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (inet_pton(AF_INET, argv[0], &name.sin_addr) != 1 ||
	    connect(ask->fd, (struct sockaddr *)&name, sizeof(name)))
		die("cannot talk to %s: %s", argv[0], strerror(errno));
	ask->request = (struct varp_msg){
		.type = VARP_MSG_REQUEST, .prefix_len = 128, .snid = snid_arg(argv[2])};
	ask->base = addr_arg(argv[3]);
	batch_init(&ask->out);
	batch_init(&ask->in);
}

static void send_batch(struct ask *ask, unsigned int count)
{
	int sent;

	for (unsigned int i = 0; i < count; i++) {
		ask->request.nonce++;
		ask->request.vaddr = vaddr_at(&ask->base, random_u32() % ask->count);
		varp_msg_encode(&ask->request, ask->out.data[i]);
	}
	sent = sendmmsg(ask->fd, ask->out.headers, count, 0);
	if (sent > 0)
		ask->open += sent;
}

/* Whatever has arrived; waits if nothing has. */
static void receive(struct ask *ask)
{
	struct pollfd readable = {.fd = ask->fd, .events = POLLIN};
	int count = recvmmsg(ask->fd, ask->in.headers, BATCH, MSG_DONTWAIT, NULL);

	if (count <= 0) {
		if (!poll(&readable, 1, STALL_MS)) {
			ask->lost += ask->open;
			ask->open = 0;
		}
		return;
	}
	for (int i = 0; i < count; i++) {
		if (ask->in.data[i][1] == VARP_MSG_REPLY)
			ask->answers++;
		else
			ask->other++;
	}
	ask->open -= (uint64_t)count < ask->open ? (uint64_t)count : ask->open;
}

static void rate(struct ask *ask, uint64_t window, uint64_t seconds)
{
	uint64_t start = now_ns(), end = start + seconds * NSEC_PER_SEC;

	while (now_ns() < end) {
		if (ask->open + BATCH <= window)
			send_batch(ask, BATCH);
		else
			receive(ask);
	}
	printf("answers %llu\nother %llu\nlost %llu\nseconds %.6f\n",
	       (unsigned long long)ask->answers, (unsigned long long)ask->other,
	       (unsigned long long)ask->lost, (now_ns() - start) / 1e9);
}

static int until(struct ask *ask, uint64_t seconds)
{
	uint64_t end = now_ns() + seconds * NSEC_PER_SEC;
	uint8_t data[VARP_MSG_LEN];

	while (now_ns() < end) {
		send_batch(ask, 1);
		usleep(500);
		if (recv(ask->fd, data, sizeof(data), MSG_DONTWAIT) > 0 &&
		    data[1] == VARP_MSG_REPLY) {
			printf("when %.6f\n", now_ns() / 1e9);
			return 0;
		}
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct ask *ask = calloc(1, sizeof(*ask));

	if (!ask)
		die("out of memory");
	if (argc == 9 && !strcmp(argv[1], "rate")) {
		ask_open(ask, argv + 2);
		ask->count = number(argv[6]);
		rate(ask, number(argv[7]), number(argv[8]));
		return 0;
	}
	if (argc == 7 && !strcmp(argv[1], "until")) {
		ask_open(ask, argv + 2);
		ask->count = 1;
		return until(ask, number(argv[6]));
	}
	die("usage: ask rate ADDR PORT SNID BASE COUNT WINDOW SECONDS | until ADDR PORT SNID VADDR "
	    "SECONDS");
}
