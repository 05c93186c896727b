/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Those who wait for the outcome of a lookup: `varpctl resolve`, and the memo's callbacks of
 * programs (varpdb_register). Told by actions.c; nobody here asks anything of the engine.
 */
#ifndef VARPD_RESOLVE_H
#define VARPD_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <varp/abi.h>

struct resolve;

enum resolve_result {
	RESOLVE_HIT,
	RESOLVE_NOTKNOWN,
	RESOLVE_EXPIRED,	/* nobody answered within the window */
};

/* Embedded by who waits for one answer. It is taken off the list before done is called. */
struct resolve_wait {
	struct varp_key key;
	void (*done)(struct resolve_wait *wait, enum resolve_result result,
		     const struct varp_addr *raddr, uint32_t ttl_s);
	bool waiting;
	struct resolve_wait *prev, *next;
};

/*
 * Embedded by who listens (varpdb_register): HIT and NOTKNOWN of what its own process looked up, or
 * with `all` of everybody.
 */
struct resolve_listener {
	uid_t uid;
	pid_t pid;
	bool all;
	void (*outcome)(struct resolve_listener *listener, const struct varp_key *key,
			enum resolve_result result,
			const struct varp_addr *raddr);
	struct resolve_listener *prev, *next;
};

/* NULL: out of memory */
struct resolve *resolve_new(uint64_t (*now_ns)(void), uint64_t watch_ns);
void resolve_free(struct resolve *resolve);

void resolve_wait(struct resolve *resolve, struct resolve_wait *wait);
/* Also if it does not wait */
void resolve_cancel(struct resolve *resolve, struct resolve_wait *wait);
/* Process pid of user uid has looked key up: its listeners hear of the outcome within watch_ns. */
void resolve_watch(struct resolve *resolve, const struct varp_key *key, uid_t uid, pid_t pid);
void resolve_unwatch(struct resolve *resolve, const struct varp_key *key, uid_t uid, pid_t pid);
void resolve_listen(struct resolve *resolve, struct resolve_listener *listener);
void resolve_unlisten(struct resolve *resolve, struct resolve_listener *listener);

void resolve_outcome(struct resolve *resolve, const struct varp_key *key,
		     enum resolve_result result,
		     const struct varp_addr *raddr, uint32_t ttl_s);

#endif
