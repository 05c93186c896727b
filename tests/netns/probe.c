// SPDX-License-Identifier: BSD-2-Clause
/*
 * The traffic that the end-to-end tests need and no common tool gives with exact numbers: numbered datagrams whose loss and
 * order are counted, a scan over many addresses, and a TCP connect that says how it failed and how long that took.
 *
 *   probe send ADDR PORT COUNT PPS [SIZE]      numbered datagrams; PPS 0: as fast as it goes
 *   probe recv ADDR PORT COUNT IDLE_MS         says "ready", counts until COUNT arrived or nothing came for IDLE_MS;
 *                                              for the first one it waits longer, since its sender may have yet to start
 *   probe scan ADDR COUNT PPS                  one datagram to each of COUNT addresses from ADDR on
 *   probe connect ADDR PORT TIMEOUT_MS         "OK ms" or "ERRNO ms"
 *
 * Called by the scripts of this directory; knows nothing of VARP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH		64
#define DATA_MIN	8
#define DATA_MAX	9000
#define FIRST_MS	20000

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void sleep_until(uint64_t when_ns)
{
	struct timespec ts = { .tv_sec = when_ns / 1000000000ull, .tv_nsec = when_ns % 1000000000ull };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR && !stop)
		;
}

static socklen_t parse_addr(const char *text, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *sin = (struct sockaddr_in *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &sin->sin_addr) == 1) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(port);
		return sizeof(*sin);
	}
	if (inet_pton(AF_INET6, text, &sin6->sin6_addr) == 1) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons(port);
		return sizeof(*sin6);
	}
	fprintf(stderr, "probe: bad address %s\n", text);
	exit(2);
}

static int open_socket(int family, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		perror("probe: socket");
		exit(2);
	}
	return fd;
}

static int cmd_send(char **argv, int argc)
{
	struct sockaddr_storage to;
	socklen_t to_len = parse_addr(argv[0], (uint16_t)atoi(argv[1]), &to);
	uint64_t count = strtoull(argv[2], NULL, 0), pps = strtoull(argv[3], NULL, 0);
	size_t size = argc > 4 ? strtoul(argv[4], NULL, 0) : 64;
	uint64_t start = now_ns(), errors = 0, seq;
	unsigned char data[DATA_MAX] = { 0 };
	int fd = open_socket(to.ss_family, SOCK_DGRAM);

	if (size < DATA_MIN || size > DATA_MAX)
		return 2;
	for (seq = 0; seq < count && !stop; seq++) {
		if (pps)
			sleep_until(start + seq * 1000000000ull / pps);
		memcpy(data, &seq, sizeof(seq));
		if (sendto(fd, data, size, 0, (struct sockaddr *)&to, to_len) < 0)
			errors++;
	}
	printf("sent %llu errors %llu\n", (unsigned long long)seq, (unsigned long long)errors);
	return 0;
}

static int cmd_recv(char **argv, int argc)
{
	struct sockaddr_storage at;
	socklen_t at_len = parse_addr(argv[0], (uint16_t)atoi(argv[1]), &at);
	uint64_t count = strtoull(argv[2], NULL, 0), received = 0, reordered = 0, doubled = 0, highest = 0, seq;
	int idle_ms = atoi(argv[3]), wait_ms = idle_ms > FIRST_MS ? idle_ms : FIRST_MS;
	int fd = open_socket(at.ss_family, SOCK_DGRAM), size = 8 << 20;
	unsigned char *seen = calloc(count ? count : 1, 1), data[DATA_MAX];
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	(void)argc;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (!seen || bind(fd, (struct sockaddr *)&at, at_len) < 0) {
		perror("probe: bind");
		return 2;
	}
	printf("ready\n");
	fflush(stdout);
	while (received < count && !stop && poll(&pfd, 1, wait_ms) == 1) {
		wait_ms = idle_ms;
		if (recv(fd, data, sizeof(data), 0) < DATA_MIN)
			continue;
		memcpy(&seq, data, sizeof(seq));
		if (seq >= count || seen[seq]) {
			doubled++;
			continue;
		}
		if (seq < highest)
			reordered++;
		else
			highest = seq;
		seen[seq] = 1;
		received++;
	}
	printf("received %llu lost %llu reordered %llu doubled %llu\n", (unsigned long long)received,
	       (unsigned long long)(count - received), (unsigned long long)reordered, (unsigned long long)doubled);
	free(seen);
	return 0;
}

/* Adds n to the last 32 bits of the address. */
static void addr_add(struct sockaddr_storage *addr, uint32_t n)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)addr;
	struct sockaddr_in *sin = (struct sockaddr_in *)addr;

	if (addr->ss_family == AF_INET)
		sin->sin_addr.s_addr = htonl(ntohl(sin->sin_addr.s_addr) + n);
	else
		sin6->sin6_addr.s6_addr32[3] = htonl(ntohl(sin6->sin6_addr.s6_addr32[3]) + n);
}

static int cmd_scan(char **argv, int argc)
{
	struct sockaddr_storage base, to[BATCH];
	socklen_t len = parse_addr(argv[0], 9, &base);
	uint64_t count = strtoull(argv[1], NULL, 0), pps = strtoull(argv[2], NULL, 0), start = now_ns();
	uint64_t done = 0, errors = 0;
	char data[DATA_MIN] = "scan";
	struct iovec iov = { data, sizeof(data) };
	struct mmsghdr msgs[BATCH];
	int fd = open_socket(base.ss_family, SOCK_DGRAM);

	(void)argc;
	while (done < count && !stop) {
		unsigned int n = count - done < BATCH ? (unsigned int)(count - done) : BATCH, i;
		int sent;

		if (pps)
			sleep_until(start + done * 1000000000ull / pps);
		for (i = 0; i < n; i++) {
			to[i] = base;
			addr_add(&to[i], (uint32_t)(done + i));
			memset(&msgs[i], 0, sizeof(msgs[i]));
			msgs[i].msg_hdr.msg_name = &to[i];
			msgs[i].msg_hdr.msg_namelen = len;
			msgs[i].msg_hdr.msg_iov = &iov;
			msgs[i].msg_hdr.msg_iovlen = 1;
		}
		sent = sendmmsg(fd, msgs, n, 0);
		if (sent <= 0) {
			/* the first of the batch was refused; go on behind it */
			errors++;
			sent = 1;
		}
		done += (uint64_t)sent;
	}
	printf("sent %llu errors %llu\n", (unsigned long long)(done - errors), (unsigned long long)errors);
	return 0;
}

static int cmd_connect(char **argv, int argc)
{
	struct sockaddr_storage to;
	socklen_t to_len = parse_addr(argv[0], (uint16_t)atoi(argv[1]), &to), err_len = sizeof(int);
	int fd = open_socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK), err = 0;
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	uint64_t start = now_ns();

	(void)argc;
	if (connect(fd, (struct sockaddr *)&to, to_len) < 0 && errno != EINPROGRESS)
		err = errno;
	else if (poll(&pfd, 1, atoi(argv[2])) != 1)
		err = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_len);
	printf("%s %llu\n", err ? strerrorname_np(err) : "OK", (unsigned long long)(now_ns() - start) / 1000000);
	return 0;
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **argv, int argc);
} commands[] = {
	{ "send", 4, cmd_send },
	{ "recv", 4, cmd_recv },
	{ "scan", 3, cmd_scan },
	{ "connect", 3, cmd_connect },
};

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	size_t i;

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc > 1 && !strcmp(argv[1], commands[i].name) && argc - 2 >= commands[i].args)
			return commands[i].run(argv + 2, argc - 2);
	fprintf(stderr, "usage: probe send|recv|scan|connect ARGS (see the head of probe.c)\n");
	return 2;
}
