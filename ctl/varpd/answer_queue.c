// SPDX-License-Identifier: BSD-2-Clause
/*
 * Keys that are to be made in the mirror as the table says, and doing it: one at once, or batches
 * of the queue. Called by answer_mirror.c, which knows when; nothing here tells the program whether
 * a supernet is complete.
 */
#include "answer_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct answer_supernet *answer_supernet_find(const struct answer_mirror *mirror,
					     const struct varp_snid *snid)
{
	struct answer_supernet *supernet;

	HASH_FIND(hh, mirror->supernets, snid, sizeof(*snid), supernet);
	return supernet;
}

/* Out of range is nothing that came by a command, but what the store may hold. As in the engine. */
uint32_t answer_told_ttl(int32_t ttl_s)
{
	if (ttl_s < VARPDB_TTL_MIN)
		return VARPDB_TTL_INITIAL_CLIENT;
	return ttl_s > VARPDB_TTL_MAX ? VARPDB_TTL_MAX : ttl_s;
}

/* --- The queue --- */

static bool make_room(struct answer_mirror *mirror)
{
	size_t room = mirror->room ? 2 * mirror->room : ANSWER_BATCH;
	struct varp_key *queue;

	if (mirror->len < mirror->room)
		return true;
	queue = realloc(mirror->queue, room * sizeof(*queue));
	if (!queue)
		return false;
	mirror->queue = queue;
	mirror->room = room;
	return true;
}

void answer_queue_push(struct answer_mirror *mirror, struct answer_supernet *supernet,
		       const struct varp_key *key)
{
	if (!make_room(mirror)) {
		mirror->lost = true;
		return;
	}
	mirror->queue[mirror->len++] = *key;
	supernet->queued++;
}

void answer_queue_empty(struct answer_mirror *mirror)
{
	free(mirror->queue);
	mirror->queue = NULL;
	mirror->head = mirror->len = mirror->room = 0;
}

struct pushing {
	struct answer_mirror *mirror;
	struct answer_supernet *supernet;
};

static bool push_entry(const struct varp_table_entry *entry, void *ctx)
{
	const struct pushing *pushing = ctx;

	answer_queue_push(pushing->mirror, pushing->supernet, &entry->key);
	return true;
}

void answer_queue_all(struct answer *answer, struct answer_supernet *supernet)
{
	struct pushing pushing = { &answer->mirror, supernet };

	varp_table_each(varp_engine_table(answer->varpd->engine), &supernet->snid, push_entry,
			&pushing);
}

/* --- Writing --- */

/* False: there is to be none. */
static bool value_of(struct answer *answer, const struct answer_supernet *supernet,
		     const struct varp_key *key, struct varp_answer *value)
{
	const struct varp_table *table = varp_engine_table(answer->varpd->engine);
	const struct varp_table_entry *entry;

	entry = supernet && supernet->served ? varp_table_find(table, key) : NULL;
	if (!entry)
		return false;
	value->raddr = entry->raddr;
	value->ttl_s = entry->ttl_s == VARPDB_TTL_ALWAYS ? 0 : answer_told_ttl(entry->ttl_s);
	value->check = varp_answer_check(key, value);
	return true;
}

static int delete(int fd, const struct varp_key *key)
{
	return bpf_map_delete_elem(fd, key) && errno != ENOENT ? -errno : 0;
}

int answer_queue_write_now(struct answer *answer, const struct answer_supernet *supernet,
			   const struct varp_key *key)
{
	int fd = answer_fd_answers(answer);
	struct varp_answer value;

	if (!value_of(answer, supernet, key, &value))
		return delete(fd, key);
	return bpf_map_update_elem(fd, key, &value, BPF_ANY) ? -errno : 0;
}

int answer_queue_write(struct answer *answer, size_t count, struct answer_supernet **full)
{
	const struct answer_mirror *mirror = &answer->mirror;
	const struct varp_key *from = mirror->queue + mirror->head;
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	struct varp_answer values[ANSWER_BATCH];
	struct varp_key keys[ANSWER_BATCH];
	int fd = answer_fd_answers(answer), err;
	uint32_t used = 0, done;

	for (size_t i = 0; i < count; i++) {
		const struct answer_supernet *supernet = answer_supernet_find(mirror, &from[i].snid);

		keys[used] = from[i];
		if (value_of(answer, supernet, &from[i], &values[used])) {
			used++;
			continue;
		}
		err = delete(fd, &from[i]);
		if (err)
			return err;
	}
	done = used;
	if (!used || !bpf_map_update_batch(fd, keys, values, &done, &opts))
		return 0;
	err = -errno;
	*full = err == -E2BIG && done < used ? answer_supernet_find(mirror, &keys[done].snid) : NULL;
	return err;
}

int answer_queue_purge(struct answer *answer)
{
	struct answer_mirror *mirror = &answer->mirror;
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	struct varp_answer values[ANSWER_BATCH];
	struct varp_key keys[ANSWER_BATCH];
	uint32_t count = ANSWER_BATCH, next = 0;
	int err;

	err = bpf_map_lookup_and_delete_batch(answer_fd_answers(answer),
					      mirror->position ? &mirror->position : NULL, &next,
					      keys, values, &count, &opts);
	if (!err) {
		mirror->position = next;
		return 0;
	}
	mirror->position = 0;
	if (errno != ENOENT)
		return -errno;
	mirror->dirty = false;
	return 0;
}
