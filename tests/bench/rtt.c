// SPDX-License-Identifier: BSD-2-Clause
/*
 * First packet against warm round trip: one UDP datagram and its echo, timed each, with a command
 * run before every first one that makes the path forget what it knows. Cold and warm ones are sent
 * after the same pause, so that both find the processors equally asleep.
 *
 *   rtt serve ADDR PORT				echoes; prints "ready"
 *   rtt ask ADDR PORT SAMPLES PAUSE_MS COMMAND		a line "FIRST_NS WARM_NS" per sample,
 * FIRST_NS -1: no echo within 3 s
 *
 * Called by tests/bench/cases_first.py; knows nothing of VARP.
 */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define WARM	    5 /* round trips of which the median counts */
#define PATIENCE_MS 3000

static int open_socket(const char *addr, const char *port, bool server)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(number(port))};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (inet_pton(AF_INET, addr, &name.sin_addr) != 1)
		die("'%s' is not an IPv4 address", addr);
	if (fd < 0 || (server ? bind : connect)(fd, (struct sockaddr *)&name, sizeof(name)))
		die("%s: %s", addr, strerror(errno));
	return fd;
}

static void serve(int fd)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint64_t data;

	puts("ready");
	fflush(stdout);
	while (recvfrom(fd, &data, sizeof(data), 0, (struct sockaddr *)&from, &len) >= 0) {
		sendto(fd, &data, sizeof(data), 0, (struct sockaddr *)&from, len);
		len = sizeof(from);
	}
}

/* Nanoseconds, or -1. An echo that comes after its time is not taken for the next one's. */
static int64_t round_trip(int fd)
{
	static uint64_t number;
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	uint64_t start = now_ns(), data = ++number;

	if (send(fd, &data, sizeof(data), 0) != sizeof(data))
		return -1;
	while (poll(&readable, 1, PATIENCE_MS) == 1) {
		if (recv(fd, &data, sizeof(data), 0) == sizeof(data) && data == number)
			return now_ns() - start;
	}
	return -1;
}

static int compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int64_t warm_median(int fd, useconds_t pause)
{
	int64_t ns[WARM];

	for (int i = 0; i < WARM; i++) {
		usleep(pause);
		ns[i] = round_trip(fd);
	}
	qsort(ns, WARM, sizeof(ns[0]), compare);
	return ns[WARM / 2];
}

int main(int argc, char **argv)
{
	useconds_t pause;
	int fd;

	if (argc == 4 && !strcmp(argv[1], "serve")) {
		serve(open_socket(argv[2], argv[3], true));
		return 1;
	}
	if (argc != 7 || strcmp(argv[1], "ask"))
		die("usage: rtt serve ADDR PORT | ask ADDR PORT SAMPLES PAUSE_MS COMMAND");
	fd = open_socket(argv[2], argv[3], false);
	pause = number(argv[5]) * 1000;
	round_trip(fd);
	for (uint64_t i = number(argv[4]); i; i--) {
		int64_t first;

		if (system(argv[6]))
			die("failed: %s", argv[6]);
		usleep(pause);
		first = round_trip(fd);
		printf("%lld %lld\n", (long long)first, (long long)warm_median(fd, pause));
	}
	return 0;
}
