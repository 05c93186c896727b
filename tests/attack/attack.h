/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the attackers share: repeatable random numbers, an even pace, and frames sent in batches. They know the formats of
 * include/varp/wire.h and nothing of the daemon.
 */
#ifndef TESTS_ATTACK_H
#define TESTS_ATTACK_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <varp/wire.h>

#define NS_PER_S	1000000000ull
#define BATCH		64

static inline void die(const char *what)
{
	perror(what);
	exit(2);
}

/* --- Random numbers --- */

static uint64_t random_state;

static inline uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dull;
}

static inline uint32_t random_below(uint32_t n)
{
	return (uint32_t)(random_next() >> 32) % n;
}

static inline void random_fill(void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)(random_next() >> 40);
}

/* Zero: from the clock. Printed, so that a run can be had again. */
static inline void random_seed(uint64_t seed)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	random_state = seed ? seed : (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	printf("seed %llu\n", (unsigned long long)random_state);
	fflush(stdout);
}

/* --- Time --- */

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The moment for packet number n of a stream that began at start_ns; pps zero: now. */
static inline void pace(uint64_t start_ns, uint64_t n, uint64_t pps)
{
	uint64_t when_ns = pps ? start_ns + n * NS_PER_S / pps : 0;
	const struct timespec when = { (time_t)(when_ns / NS_PER_S), (long)(when_ns % NS_PER_S) };

	if (pps)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
}

/* --- Headers --- */

static inline void put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void checksum_ip4(uint8_t *ip)
{
	size_t len = (size_t)(ip[0] & 15) * 4;
	uint32_t sum = 0;

	put16(ip + 10, 0);
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, (uint16_t)~sum);
}

/* An IPv4 and a UDP header (28 octets) before len octets; the UDP checksum is left out. */
static inline void put_ip4_udp(uint8_t *p, uint32_t from_be, uint32_t to_be, uint16_t sport, uint16_t dport, size_t len)
{
	memset(p, 0, 28);
	p[0] = 0x45;
	put16(p + 2, (uint16_t)(28 + len));
	p[8] = 64;
	p[9] = 17;
	memcpy(p + 12, &from_be, 4);
	memcpy(p + 16, &to_be, 4);
	checksum_ip4(p);
	put16(p + 20, sport);
	put16(p + 22, dport);
	put16(p + 24, (uint16_t)(8 + len));
}

static inline uint32_t parse_ip4(const char *text)
{
	struct in_addr addr;

	if (inet_pton(AF_INET, text, &addr) != 1) {
		fprintf(stderr, "not an IPv4 address: %s\n", text);
		exit(2);
	}
	return addr.s_addr;
}

/* An IPv4 address in host order. */
static inline struct varp_addr mapped(uint32_t addr)
{
	return (struct varp_addr){ .w = { 0, 0, htonl(0xffff), htonl(addr) } };
}

static inline struct varp_snid parse_snid(const char *text)
{
	uint64_t value = strtoull(text, NULL, 16);
	struct varp_snid snid = { { 0 } };

	for (int i = 9; value && i >= 0; i--, value >>= 8)
		snid.b[i] = (uint8_t)value;
	return snid;
}

/* --- Sending --- */

/* Frames wait here until there are BATCH of them. */
struct sender {
	int fd;
	struct sockaddr_storage to;
	socklen_t to_len;
	uint64_t start_ns, pps, sent, failed;
	unsigned int count;
	uint8_t frame[BATCH][2048];
	size_t len[BATCH];
};

static inline void sender_flush(struct sender *s)
{
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	unsigned int done = 0;

	memset(messages, 0, sizeof(messages));
	for (unsigned int i = 0; i < s->count; i++) {
		iov[i] = (struct iovec){ s->frame[i], s->len[i] };
		messages[i].msg_hdr = (struct msghdr){ .msg_name = &s->to, .msg_namelen = s->to_len,
						       .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	pace(s->start_ns, s->sent, s->pps);
	while (done < s->count) {
		int n = sendmmsg(s->fd, messages + done, s->count - done, 0);

		if (n <= 0) {
			s->failed++;
			n = 1;
		}
		done += (unsigned int)n;
	}
	s->sent += s->count;
	s->count = 0;
}

static inline uint8_t *sender_room(struct sender *s)
{
	if (s->count == BATCH)
		sender_flush(s);
	return s->frame[s->count];
}

static inline void sender_done(struct sender *s)
{
	sender_flush(s);
	printf("sent %llu failed %llu in %llu ms\n", (unsigned long long)s->sent, (unsigned long long)s->failed,
	       (unsigned long long)(now_ns() - s->start_ns) / 1000000);
}

/* Whole IPv4 packets, with whatever source address. */
static inline void sender_open_raw(struct sender *s, uint32_t to_be, uint64_t pps)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = to_be };

	memset(s, 0, sizeof(*s));
	s->fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (s->fd < 0)
		die("socket");
	memcpy(&s->to, &to, sizeof(to));
	s->to_len = sizeof(to);
	s->pps = pps;
	s->start_ns = now_ns();
}

#endif
