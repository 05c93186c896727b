/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the benchmark's helper programs share: the clock, numbers from the command line, rows of
 * vaddrs, and filling a cache. A helper measures one thing that no common tool measures and prints
 * `name value` lines for tests/bench/run.
 */
#ifndef VARP_BENCH_H
#define VARP_BENCH_H

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <varp/abi.h>

#include "addr.h"

#define NSEC_PER_SEC 1000000000ull

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static inline uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static inline uint64_t number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (!*text || *end)
		die("'%s' is not a number", text);
	return value;
}

static inline struct varp_snid snid_arg(const char *text)
{
	struct varp_snid snid;

	if (varp_snid_parse(text, &snid))
		die("'%s' is not a SnId", text);
	return snid;
}

static inline struct varp_addr addr_arg(const char *text)
{
	struct varp_addr addr;

	if (varp_addr_parse(text, &addr))
		die("'%s' is not an address", text);
	return addr;
}

/* The vaddr `index` places behind base, an IPv4 address. */
static inline struct varp_addr vaddr_at(const struct varp_addr *base, uint32_t index)
{
	struct varp_addr addr = *base;

	addr.w[3] = htonl(ntohl(base->w[3]) + index);
	return addr;
}

/* The same sequence in every run, and no pattern that a processor could foresee. */
static inline uint32_t random_u32(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 32;
}

#define FILL_BATCH 4096

/* Writes mappings of base + from ... base + to - 1 to a cache, as varpd would after an answer with
 * a ttl of 18 hours. */
static inline void cache_fill(int fd, const struct varp_snid *snid, const struct varp_addr *base,
			      uint32_t from, uint32_t to, const struct varp_addr *raddr)
{
	static struct varp_mapping values[FILL_BATCH];
	static struct varp_key keys[FILL_BATCH];
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint64_t deadline_ns = clock_ns(CLOCK_BOOTTIME) + VARPDB_TTL_MAX * NSEC_PER_SEC;
	uint32_t count, i;

	for (; from < to; from += count) {
		count = to - from < FILL_BATCH ? to - from : FILL_BATCH;
		for (i = 0; i < count; i++) {
			struct varp_addr vaddr = vaddr_at(base, from + i);

			keys[i] = varp_key_make(snid, &vaddr);
			values[i] = (struct varp_mapping){.raddr = *raddr,
							  .deadline_ns = deadline_ns,
							  .ttl_s = VARPDB_TTL_MAX};
		}
		if (bpf_map_update_batch(fd, keys, values, &count, &opts))
			die("cannot fill the cache: %s", strerror(errno));
	}
}

#endif
