// SPDX-License-Identifier: BSD-2-Clause
/*
 * Open addressing with linear probing. A place of the index is zero when free, else an entry's
 * number plus one below and its hash above, so that a probe reads no entry but the right one, and
 * growing reads none at all. Removing closes the gap: no places have to be cleaned up later.
 *
 * The hash is uthash's, as everywhere in libvarp. Why not uthash's tables: docs/adr/0016.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "addr.h"
#include "hash.h"
#include "rows.h"

#define PLACES_MIN	16
#define ROOM_MIN	8
#define PAGE		((uintptr_t)4096)
#define HUGE_PAGE	((size_t)2 << 20)
#define AHEAD		16	/* places that are being fetched while an index is made */

static uint32_t hash_of(const struct varp_addr *vaddr)
{
	unsigned int hash;

	HASH_VALUE(vaddr, sizeof(*vaddr), hash);
	return hash;
}

static uint64_t place_make(uint32_t hash, uint32_t number)
{
	return (uint64_t)hash << 32 | (number + 1);
}

static uint32_t place_hash(uint64_t place)
{
	return place >> 32;
}

static uint32_t place_number(uint64_t place)
{
	return (uint32_t)place - 1;
}

/* Three quarters: beyond, runs of occupied places get long. */
static uint32_t places_fill(uint32_t places)
{
	return places / 4 * 3;
}

/* Where the entry is in the index, or the free place that ends the search. */
static uint32_t search(const struct varp_rows *rows, const struct varp_addr *vaddr, uint32_t hash)
{
	uint32_t mask = rows->places - 1, at = hash & mask;

	for (; rows->index[at]; at = (at + 1) & mask)
		if (place_hash(rows->index[at]) == hash &&
		    varp_addr_equal(&rows->entries[place_number(rows->index[at])].key.vaddr, vaddr))
			break;
	return at;
}

static void index_put(uint64_t *index, uint32_t places, uint64_t place)
{
	uint32_t mask = places - 1, at = place_hash(place) & mask;

	while (index[at])
		at = (at + 1) & mask;
	index[at] = place;
}

/*
 * A large array is walked at random: with pages of 2 MiB its addresses are translated from the
 * processor's tables, and it is filled with one page fault in place of 512. Only asked for: without
 * them (or with pages of another size) all is as it was.
 */
static void *in_huge_pages(void *array, size_t size)
{
	uintptr_t start = (uintptr_t)array & ~(PAGE - 1);

	if (array && size >= HUGE_PAGE)
		madvise((void *)start, (uintptr_t)array + size - start, MADV_HUGEPAGE);
	return array;
}

static uint64_t *index_new(uint32_t places)
{
	if (!places)
		return NULL;
	return in_huge_pages(calloc(places, sizeof(uint64_t)), places * sizeof(uint64_t));
}

static int index_resize(struct varp_rows *rows, uint32_t places)
{
	uint64_t *index = index_new(places);

	if (!index)
		return -ENOMEM;
	for (uint32_t i = 0; i < rows->places; i++)
		if (rows->index[i])
			index_put(index, places, rows->index[i]);
	free(rows->index);
	rows->index = index;
	rows->places = places;
	return 0;
}

static int entries_resize(struct varp_rows *rows, uint32_t room)
{
	struct varp_table_entry *entries;

	/* The second: as many as the index can number */
	if (room <= rows->count || room > UINT32_MAX / 2)
		return -ENOMEM;
	entries = reallocarray(rows->entries, room, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	rows->entries = in_huge_pages(entries, room * sizeof(*entries));
	rows->room = room;
	return 0;
}

static int entries_grow(struct varp_rows *rows)
{
	return entries_resize(rows, rows->room ? rows->room * 2 : ROOM_MIN);
}

/* Room for one more, in both. */
static int grow(struct varp_rows *rows)
{
	int err = rows->count == rows->room ? entries_grow(rows) : 0;

	if (!err && rows->count >= places_fill(rows->places))
		err = index_resize(rows, rows->places ? rows->places * 2 : PLACES_MIN);
	return err;
}

/* Gives back what a table that has become much smaller does not need; it may fail. */
static void shrink(struct varp_rows *rows)
{
	if (rows->room > ROOM_MIN && rows->count < rows->room / 4)
		entries_resize(rows, rows->room / 2);
	if (rows->places > PLACES_MIN && rows->count < rows->places / 8)
		index_resize(rows, rows->places / 2);
}

void varp_rows_fini(struct varp_rows *rows)
{
	free(rows->entries);
	free(rows->index);
	memset(rows, 0, sizeof(*rows));
}

struct varp_table_entry *varp_rows_find(const struct varp_rows *rows, const struct varp_addr *vaddr)
{
	uint64_t place;

	if (!rows->places)
		return NULL;
	place = rows->index[search(rows, vaddr, hash_of(vaddr))];
	return place ? &rows->entries[place_number(place)] : NULL;
}

void varp_rows_prefetch(const struct varp_rows *rows, const struct varp_addr *vaddr)
{
	if (rows->places)
		__builtin_prefetch(&rows->index[hash_of(vaddr) & (rows->places - 1)], 1);
}

int varp_rows_put(struct varp_rows *rows, const struct varp_table_entry *entry, bool *added)
{
	struct varp_table_entry *found = varp_rows_find(rows, &entry->key.vaddr);
	int err;

	*added = false;
	if (found) {
		*found = *entry;
		return 0;
	}
	err = grow(rows);
	if (err)
		return err;
	index_put(rows->index, rows->places, place_make(hash_of(&entry->key.vaddr), rows->count));
	rows->entries[rows->count++] = *entry;
	*added = true;
	return 0;
}

int varp_rows_append(struct varp_rows *rows, const struct varp_table_entry *entry)
{
	int err = rows->count == rows->room ? entries_grow(rows) : 0;

	if (!err)
		rows->entries[rows->count++] = *entry;
	return err;
}

/* Each place is a cache miss, so they are asked for before they are needed. */
int varp_rows_index(struct varp_rows *rows)
{
	uint32_t places = PLACES_MIN, mask, hashes[AHEAD];
	uint64_t *index;

	while (places && places_fill(places) < rows->count)
		places *= 2;
	index = index_new(places);
	if (!index)
		return -ENOMEM;
	mask = places - 1;
	for (uint64_t i = 0; i < (uint64_t)rows->count + AHEAD; i++) {
		uint32_t *hash = &hashes[i % AHEAD];

		if (i >= AHEAD)
			index_put(index, places, place_make(*hash, i - AHEAD));
		if (i < rows->count) {
			*hash = hash_of(&rows->entries[i].key.vaddr);
			__builtin_prefetch(&index[*hash & mask], 1);
		}
	}
	free(rows->index);
	rows->index = index;
	rows->places = places;
	return 0;
}

/*
 * Frees a place. What follows it in the same run was perhaps put there because it was taken: each
 * that may stand nearer to its own place moves up.
 */
static void index_remove(struct varp_rows *rows, uint32_t hole)
{
	uint32_t mask = rows->places - 1;

	for (uint32_t at = (hole + 1) & mask; rows->index[at]; at = (at + 1) & mask) {
		uint32_t wanted = place_hash(rows->index[at]) & mask;

		if (((at - wanted) & mask) < ((at - hole) & mask))
			continue;
		rows->index[hole] = rows->index[at];
		hole = at;
	}
	rows->index[hole] = 0;
}

int varp_rows_remove(struct varp_rows *rows, const struct varp_addr *vaddr)
{
	uint32_t at, number, last = rows->count - 1;

	if (!rows->places)
		return -ENOENT;
	at = search(rows, vaddr, hash_of(vaddr));
	if (!rows->index[at])
		return -ENOENT;
	number = place_number(rows->index[at]);
	index_remove(rows, at);
	if (number != last) {
		const struct varp_addr *moved = &rows->entries[last].key.vaddr;
		uint32_t hash = hash_of(moved);

		rows->index[search(rows, moved, hash)] = place_make(hash, number);
		rows->entries[number] = rows->entries[last];
	}
	rows->count--;
	shrink(rows);
	return 0;
}
