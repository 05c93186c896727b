// SPDX-License-Identifier: BSD-2-Clause
/*
 * The table of the supernets served here, as the program that answers has it. Called by answer.c
 * with each change that the group manager made, before it is told OK.
 *
 * A few changes are written at once. Many (a bulk load) would be slowed down by that: their
 * supernet is first marked as not complete, so that the engine answers, the keys are queued
 * (answer_queue.c), and once things have become quiet they are written in batches, between the
 * loop's other events. The same queue fills the mirror at start.
 */
#include "answer_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "log.h"

#define DIRECT_MAX	64	/* changes written at once, for each time that the timer fires */
#define QUIET_MS	20	/* the timer's period while changes come */
#define RETRY_MS	200	/* after a failure */

static void arm(struct answer_mirror *mirror, unsigned int ms)
{
	const struct timeval wait = { 0, ms * 1000 };

	event_add(mirror->timer, &wait);
}

static struct answer_supernet *find(const struct answer_mirror *mirror,
				    const struct varp_snid *snid)
{
	return answer_supernet_find(mirror, snid);
}

/* --- What the program is told of a supernet --- */

/* False: the program may know something else; only deleting cannot fail for want of room. */
static bool tell(struct answer *answer, const struct answer_supernet *supernet)
{
	const struct varp_served_key key = { .snid = supernet->snid };
	struct varp_served value = { .complete = 1 };
	int fd = answer_fd_served(answer);
	int32_t ttl_s;

	if (supernet->served && supernet->complete &&
	    varp_table_serves(varp_engine_table(answer->varpd->engine), &supernet->snid, &ttl_s)) {
		value.ttl_s = answer_told_ttl(ttl_s);
		if (!bpf_map_update_elem(fd, &key, &value, BPF_ANY))
			return true;
	}
	bpf_map_delete_elem(fd, &key);
	return !supernet->complete;
}

static void set_complete(struct answer *answer, struct answer_supernet *supernet, bool complete)
{
	if (supernet->complete == complete)
		return;
	supernet->complete = complete;
	if (!tell(answer, supernet))
		supernet->complete = false;
}

static void forget(struct answer *answer, struct answer_supernet *supernet)
{
	set_complete(answer, supernet, false);
	HASH_DEL(answer->mirror.supernets, supernet);
	free(supernet);
}

static void forget_all(struct answer *answer)
{
	struct answer_supernet *supernet, *next;

	HASH_ITER(hh, answer->mirror.supernets, supernet, next)
		forget(answer, supernet);
	answer_queue_empty(&answer->mirror);
}

/* --- From the timer --- */

/* All keys of a supernet have been written. */
static void finished(struct answer *answer, struct answer_supernet *supernet)
{
	if (supernet->served)
		set_complete(answer, supernet, !answer->mirror.lost);
	else if (!supernet->left_out)
		forget(answer, supernet);
}

static void take_from_queue(struct answer *answer, size_t count)
{
	struct answer_mirror *mirror = &answer->mirror;

	while (count--) {
		struct answer_supernet *supernet =
			find(mirror, &mirror->queue[mirror->head++].snid);

		if (supernet && !--supernet->queued)
			finished(answer, supernet);
	}
	if (mirror->head == mirror->len)
		answer_queue_empty(mirror);
}

/* The map is full. What this supernet has in it makes room for others. */
static void leave_out(struct answer *answer, struct answer_supernet *supernet)
{
	char snid[VARP_SNID_TEXT];

	varpd_log(VARPD_LOG_WARNING,
		  "requests for supernet %s are answered by varpd itself: XDP has no room for its "
		  "mappings; raise answers-max above %u, or restart varpd",
		  varp_snid_format(&supernet->snid, snid), answer->varpd->config.answers_max);
	set_complete(answer, supernet, false);
	supernet->served = false;
	supernet->left_out = true;
	answer_queue_all(answer, supernet);
}

/* Returns in how many milliseconds to go on; negative: there is nothing left to do. */
static int write_some(struct answer *answer)
{
	struct answer_mirror *mirror = &answer->mirror;
	struct answer_supernet *full = NULL;
	size_t count = mirror->len - mirror->head;
	int err;

	if (!count && mirror->lost) {
		answer_mirror_stop(answer);
		answer_mirror_start(answer);
		return RETRY_MS;
	}
	if (!count)
		return -1;
	count = count < ANSWER_BATCH ? count : ANSWER_BATCH;
	err = answer_queue_write(answer, count, &full);
	if (err == -E2BIG && full)
		leave_out(answer, full);
	else if (!err)
		take_from_queue(answer, count);
	return !err || full ? 0 : RETRY_MS;
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct answer *answer = ctx;
	struct answer_mirror *mirror = &answer->mirror;
	bool busy = mirror->changes > DIRECT_MAX;
	int wait_ms = QUIET_MS;

	(void)fd;
	(void)what;
	mirror->changes = 0;
	if (mirror->dirty)
		wait_ms = answer_queue_purge(answer) ? RETRY_MS : 0;
	else if (!busy && mirror->running)
		wait_ms = write_some(answer);
	else if (!mirror->running)
		wait_ms = -1;
	if (wait_ms >= 0)
		arm(mirror, wait_ms);
}

/* --- What answer.c calls --- */

int answer_mirror_open(struct answer *answer)
{
	answer->mirror.timer = evtimer_new(answer->varpd->base, on_timer, answer);
	return answer->mirror.timer ? 0 : -ENOMEM;
}

/* What the program knows stays as it is. */
void answer_mirror_close(struct answer *answer)
{
	struct answer_mirror *mirror = &answer->mirror;
	struct answer_supernet *supernet, *next;

	HASH_ITER(hh, mirror->supernets, supernet, next) {
		HASH_DEL(mirror->supernets, supernet);
		free(supernet);
	}
	answer_queue_empty(mirror);
	if (mirror->timer)
		event_free(mirror->timer);
}

static bool serve_visited(const struct varp_snid *snid, int32_t ttl_s, size_t mappings, void *ctx)
{
	(void)ttl_s;
	(void)mappings;
	answer_mirror_serve(ctx, snid);
	return true;
}

void answer_mirror_start(struct answer *answer)
{
	if (answer->mirror.running)
		return;
	answer->mirror.running = true;
	answer->mirror.lost = false;
	varp_table_each_server(varp_engine_table(answer->varpd->engine), serve_visited, answer);
}

void answer_mirror_stop(struct answer *answer)
{
	struct answer_mirror *mirror = &answer->mirror;

	if (!mirror->running)
		return;
	forget_all(answer);
	mirror->running = false;
	mirror->dirty = true;
	arm(mirror, 0);
}

void answer_mirror_key(struct answer *answer, const struct varp_key *key)
{
	struct answer_mirror *mirror = &answer->mirror;
	struct answer_supernet *supernet = find(mirror, &key->snid);

	if (!supernet || supernet->left_out)
		return;
	if (!mirror->changes++)
		arm(mirror, QUIET_MS);
	if (supernet->complete && mirror->changes <= DIRECT_MAX &&
	    !answer_queue_write_now(answer, supernet, key))
		return;
	set_complete(answer, supernet, false);
	answer_queue_push(mirror, supernet, key);
}

void answer_mirror_serve(struct answer *answer, const struct varp_snid *snid)
{
	struct answer_mirror *mirror = &answer->mirror;
	struct answer_supernet *supernet = find(mirror, snid);

	if (!mirror->running)
		return;
	if (supernet && supernet->served) {	/* with another ttl */
		if (!tell(answer, supernet))
			supernet->complete = false;
		return;
	}
	if (!supernet) {
		supernet = calloc(1, sizeof(*supernet));
		if (!supernet)
			return;		/* the program does not know of it, and asks varpd */
		supernet->snid = *snid;
		HASH_ADD(hh, mirror->supernets, snid, sizeof(supernet->snid), supernet);
	}
	supernet->served = true;
	supernet->left_out = false;
	answer_queue_all(answer, supernet);
	if (!supernet->queued && !mirror->dirty)
		set_complete(answer, supernet, !mirror->lost);
	arm(mirror, 0);
}

void answer_mirror_clear(struct answer *answer, const struct varp_snid *snid)
{
	struct answer_supernet *supernet = find(&answer->mirror, snid);

	if (!supernet)
		return;
	set_complete(answer, supernet, false);
	supernet->served = false;
	supernet->left_out = false;
	answer_queue_all(answer, supernet);
	if (!supernet->queued)
		forget(answer, supernet);
	arm(&answer->mirror, 0);
}

bool answer_has(const struct answer *answer, const struct varp_snid *snid)
{
	const struct answer_supernet *supernet = answer ? find(&answer->mirror, snid) : NULL;

	return supernet && supernet->complete;
}
