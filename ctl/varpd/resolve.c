// SPDX-License-Identifier: BSD-2-Clause
/*
 * See resolve.h. Waits are few (people and scripts) and stand in a list; watches may be many (a
 * program may look up thousands of addresses) and stand in a hash, each for one process and key,
 * oldest first.
 */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "addr.h"
#include "resolve.h"

#define WATCHES_MAX 16384

struct watch_key {
	struct varp_key key;
	uint32_t uid;
	uint32_t pid;
};

struct watch {
	struct watch_key id;
	uint64_t ends_ns;
	UT_hash_handle hh;
};

struct resolve {
	struct resolve_wait *waits;
	struct resolve_listener *listeners;
	struct watch *watches;		/* in the order of ends_ns, since all live equally long */
	uint64_t (*now_ns)(void);
	uint64_t watch_ns;
};

struct resolve *resolve_new(uint64_t (*now_ns)(void), uint64_t watch_ns)
{
	struct resolve *resolve = calloc(1, sizeof(*resolve));

	if (resolve) {
		resolve->now_ns = now_ns;
		resolve->watch_ns = watch_ns;
	}
	return resolve;
}

static void remove_watch(struct resolve *resolve, struct watch *watch)
{
	HASH_DEL(resolve->watches, watch);
	free(watch);
}

void resolve_free(struct resolve *resolve)
{
	struct watch *watch, *next;

	if (!resolve)
		return;
	HASH_ITER(hh, resolve->watches, watch, next)
		remove_watch(resolve, watch);
	free(resolve);
}

void resolve_wait(struct resolve *resolve, struct resolve_wait *wait)
{
	wait->waiting = true;
	DL_APPEND(resolve->waits, wait);
}

void resolve_cancel(struct resolve *resolve, struct resolve_wait *wait)
{
	if (!wait->waiting)
		return;
	wait->waiting = false;
	DL_DELETE(resolve->waits, wait);
}

static struct watch_key watch_key(const struct varp_key *key, uid_t uid, pid_t pid)
{
	return (struct watch_key){ .key = *key, .uid = uid, .pid = pid };
}

static struct watch *find_watch(struct resolve *resolve, const struct watch_key *id)
{
	struct watch *watch;

	HASH_FIND(hh, resolve->watches, id, sizeof(*id), watch);
	return watch;
}

void resolve_watch(struct resolve *resolve, const struct varp_key *key, uid_t uid, pid_t pid)
{
	struct watch_key id = watch_key(key, uid, pid);
	uint64_t now_ns = resolve->now_ns();
	struct watch *watch = find_watch(resolve, &id);

	if (watch)
		remove_watch(resolve, watch);
	while (resolve->watches &&
	       (resolve->watches->ends_ns <= now_ns || HASH_COUNT(resolve->watches) >= WATCHES_MAX))
		remove_watch(resolve, resolve->watches);
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return;		/* callbacks are best effort */
	watch->id = id;
	watch->ends_ns = now_ns + resolve->watch_ns;
	HASH_ADD(hh, resolve->watches, id, sizeof(watch->id), watch);
}

void resolve_unwatch(struct resolve *resolve, const struct varp_key *key, uid_t uid, pid_t pid)
{
	struct watch_key id = watch_key(key, uid, pid);
	struct watch *watch = find_watch(resolve, &id);

	if (watch)
		remove_watch(resolve, watch);
}

void resolve_listen(struct resolve *resolve, struct resolve_listener *listener)
{
	DL_APPEND(resolve->listeners, listener);
}

void resolve_unlisten(struct resolve *resolve, struct resolve_listener *listener)
{
	DL_DELETE(resolve->listeners, listener);
}

static void tell_listeners(struct resolve *resolve, const struct varp_key *key,
			   enum resolve_result result, const struct varp_addr *raddr)
{
	struct resolve_listener *listener, *next;

	DL_FOREACH_SAFE(resolve->listeners, listener, next) {
		struct watch_key id = watch_key(key, listener->uid, listener->pid);
		struct watch *watch = listener->all ? NULL : find_watch(resolve, &id);

		if (listener->all || (watch && watch->ends_ns > resolve->now_ns()))
			listener->outcome(listener, key, result, raddr);
	}
	/* A watch is for one outcome; another listener of the same process has heard of it just
	 * now. */
	DL_FOREACH_SAFE(resolve->listeners, listener, next)
		if (!listener->all)
			resolve_unwatch(resolve, key, listener->uid, listener->pid);
}

void resolve_outcome(struct resolve *resolve, const struct varp_key *key,
		     enum resolve_result result, const struct varp_addr *raddr, uint32_t ttl_s)
{
	struct resolve_wait *wait, *next;

	DL_FOREACH_SAFE(resolve->waits, wait, next)
		if (!memcmp(&wait->key, key, sizeof(*key))) {
			resolve_cancel(resolve, wait);
			wait->done(wait, result, raddr, ttl_s);
		}
	if (result != RESOLVE_EXPIRED)
		tell_listeners(resolve, key, result, raddr);
}
