// SPDX-License-Identifier: BSD-2-Clause
/*
 * The authoritative table: a hash of supernets, each with its mappings by vaddr (rows.c), so that
 * counting and listing one supernet does not walk the others. A supernet's record lives while it is
 * served or has mappings.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "hash.h"
#include "rows.h"
#include "table.h"

struct supernet {
	struct varp_snid snid;
	bool served;
	int32_t ttl_s;			/* default, valid if served */
	struct varp_rows rows;
	UT_hash_handle hh;
};

struct varp_table {
	struct supernet *supernets;
	struct supernet *recent;	/* was added to last: more is likely to follow; or NULL */
	size_t count;			/* mappings of all supernets */
};

struct varp_table *varp_table_new(void)
{
	return calloc(1, sizeof(struct varp_table));
}

void varp_table_free(struct varp_table *table)
{
	if (!table)
		return;
	varp_table_clear(table);
	free(table);
}

static void free_supernet(struct varp_table *table, struct supernet *supernet)
{
	if (table->recent == supernet)
		table->recent = NULL;
	HASH_DEL(table->supernets, supernet);
	varp_rows_fini(&supernet->rows);
	free(supernet);
}

void varp_table_clear(struct varp_table *table)
{
	struct supernet *supernet, *next;

	HASH_ITER(hh, table->supernets, supernet, next)
		free_supernet(table, supernet);
	table->count = 0;
}

static struct supernet *find_supernet(const struct varp_table *table, const struct varp_snid *snid)
{
	struct supernet *supernet = table->recent;

	if (supernet && varp_snid_equal(&supernet->snid, snid))
		return supernet;
	HASH_FIND(hh, table->supernets, snid, sizeof(*snid), supernet);
	return supernet;
}

static struct supernet *take_supernet(struct varp_table *table, const struct varp_snid *snid)
{
	struct supernet *supernet = find_supernet(table, snid);

	if (supernet) {
		table->recent = supernet;
		return supernet;
	}
	supernet = calloc(1, sizeof(*supernet));
	if (!supernet)
		return NULL;
	supernet->snid = *snid;
	HASH_ADD(hh, table->supernets, snid, sizeof(supernet->snid), supernet);
	if (!supernet->hh.tbl) {
		free(supernet);
		return NULL;
	}
	table->recent = supernet;
	return supernet;
}

static void drop_supernet_if_empty(struct varp_table *table, struct supernet *supernet)
{
	if (!supernet->served && !supernet->rows.count)
		free_supernet(table, supernet);
}

int varp_table_server_set(struct varp_table *table, const struct varp_snid *snid, int32_t ttl_s)
{
	struct supernet *supernet = take_supernet(table, snid);

	if (!supernet)
		return -ENOMEM;
	supernet->served = true;
	supernet->ttl_s = ttl_s;
	return 0;
}

int varp_table_server_clear(struct varp_table *table, const struct varp_snid *snid)
{
	struct supernet *supernet = find_supernet(table, snid);

	if (!supernet || !supernet->served)
		return -ENOENT;
	supernet->served = false;
	drop_supernet_if_empty(table, supernet);
	return 0;
}

bool varp_table_serves(const struct varp_table *table, const struct varp_snid *snid, int32_t *ttl_s)
{
	const struct supernet *supernet = find_supernet(table, snid);

	if (!supernet || !supernet->served)
		return false;
	if (ttl_s)
		*ttl_s = supernet->ttl_s;
	return true;
}

int varp_table_add(struct varp_table *table, const struct varp_table_entry *entry)
{
	struct supernet *supernet = take_supernet(table, &entry->key.snid);
	bool added;
	int err = supernet ? varp_rows_put(&supernet->rows, entry, &added) : -ENOMEM;

	if (!err)
		table->count += added;
	else if (supernet)
		drop_supernet_if_empty(table, supernet);
	return err;
}

/* The supernet that rows are being appended to; what came before is complete then. */
static int append_to(struct varp_table *table, const struct varp_snid *snid)
{
	struct supernet *former = table->recent;

	if (former && former->rows.count) {
		int order = memcmp(&former->snid, snid, sizeof(*snid));

		if (!order)
			return 0;
		if (order > 0)
			return -EINVAL;
		if (varp_rows_index(&former->rows))
			return -ENOMEM;
	}
	return take_supernet(table, snid) ? 0 : -ENOMEM;
}

int varp_table_append(struct varp_table *table, const struct varp_table_entry *entry)
{
	int err = append_to(table, &entry->key.snid);
	struct varp_rows *rows;

	if (err)
		return err;
	rows = &table->recent->rows;
	if (rows->count && memcmp(&rows->entries[rows->count - 1].key.vaddr, &entry->key.vaddr,
				  sizeof(entry->key.vaddr)) >= 0)
		return -EINVAL;
	err = varp_rows_append(rows, entry);
	if (err)
		drop_supernet_if_empty(table, table->recent);
	else
		table->count++;
	return err;
}

int varp_table_append_end(struct varp_table *table)
{
	struct supernet *last = table->recent;

	return last && last->rows.count ? varp_rows_index(&last->rows) : 0;
}

int varp_table_remove(struct varp_table *table, const struct varp_key *key)
{
	struct supernet *supernet = find_supernet(table, &key->snid);
	int err = supernet ? varp_rows_remove(&supernet->rows, &key->vaddr) : -ENOENT;

	if (err)
		return err;
	table->count--;
	drop_supernet_if_empty(table, supernet);
	return 0;
}

const struct varp_table_entry *varp_table_find(const struct varp_table *table,
					       const struct varp_key *key)
{
	const struct supernet *supernet = find_supernet(table, &key->snid);

	return supernet ? varp_rows_find(&supernet->rows, &key->vaddr) : NULL;
}

void varp_table_prefetch(const struct varp_table *table, const struct varp_key *key)
{
	const struct supernet *supernet = find_supernet(table, &key->snid);

	if (supernet)
		varp_rows_prefetch(&supernet->rows, &key->vaddr);
}

size_t varp_table_count(const struct varp_table *table, const struct varp_snid *snid)
{
	const struct supernet *supernet;

	if (!snid)
		return table->count;
	supernet = find_supernet(table, snid);
	return supernet ? supernet->rows.count : 0;
}

void varp_table_each(const struct varp_table *table, const struct varp_snid *snid,
		     bool (*visit)(const struct varp_table_entry *entry, void *ctx), void *ctx)
{
	const struct supernet *supernet = snid ? find_supernet(table, snid) : table->supernets;

	for (; supernet; supernet = snid ? NULL : supernet->hh.next)
		for (uint32_t i = 0; i < supernet->rows.count; i++)
			if (!visit(&supernet->rows.entries[i], ctx))
				return;
}

void varp_table_each_server(const struct varp_table *table,
			    bool (*visit)(const struct varp_snid *snid, int32_t ttl_s,
					  size_t mappings, void *ctx),
			    void *ctx)
{
	const struct supernet *supernet;

	for (supernet = table->supernets; supernet; supernet = supernet->hh.next)
		if (supernet->served &&
		    !visit(&supernet->snid, supernet->ttl_s, supernet->rows.count, ctx))
			return;
}

void varp_table_each_unserved(const struct varp_table *table,
			      bool (*visit)(const struct varp_snid *snid, size_t mappings, void *ctx),
			      void *ctx)
{
	const struct supernet *supernet;

	for (supernet = table->supernets; supernet; supernet = supernet->hh.next)
		if (!supernet->served && supernet->rows.count &&
		    !visit(&supernet->snid, supernet->rows.count, ctx))
			return;
}
