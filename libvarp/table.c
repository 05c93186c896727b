// SPDX-License-Identifier: BSD-2-Clause
/*
 * The authoritative table: a hash of supernets, each with a hash of its mappings by vaddr, so that
 * counting and listing one supernet does not walk the others. One allocation per mapping. A
 * supernet's record lives while it is served or has mappings.
 */
#include <errno.h>
#include <stdlib.h>

#include "addr.h"
#include "hash.h"
#include "table.h"

struct mapping {
	struct varp_table_entry entry;	/* hashed by entry.key.vaddr */
	UT_hash_handle hh;
};

struct supernet {
	struct varp_snid snid;
	bool served;
	int32_t ttl_s;			/* default, valid if served */
	struct mapping *mappings;
	UT_hash_handle hh;
};

struct varp_table {
	struct supernet *supernets;
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

static void free_mappings(struct supernet *supernet)
{
	struct mapping *mapping = supernet->mappings, *next;

	HASH_CLEAR(hh, supernet->mappings);
	for (; mapping; mapping = next) {
		next = mapping->hh.next;
		free(mapping);
	}
}

void varp_table_clear(struct varp_table *table)
{
	struct supernet *supernet, *next;

	HASH_ITER(hh, table->supernets, supernet, next) {
		HASH_DEL(table->supernets, supernet);
		free_mappings(supernet);
		free(supernet);
	}
	table->count = 0;
}

static struct supernet *find_supernet(const struct varp_table *table, const struct varp_snid *snid)
{
	struct supernet *supernet;

	HASH_FIND(hh, table->supernets, snid, sizeof(*snid), supernet);
	return supernet;
}

static struct supernet *take_supernet(struct varp_table *table, const struct varp_snid *snid)
{
	struct supernet *supernet = find_supernet(table, snid);

	if (supernet)
		return supernet;
	supernet = calloc(1, sizeof(*supernet));
	if (!supernet)
		return NULL;
	supernet->snid = *snid;
	HASH_ADD(hh, table->supernets, snid, sizeof(supernet->snid), supernet);
	if (!supernet->hh.tbl) {
		free(supernet);
		return NULL;
	}
	return supernet;
}

static void drop_supernet_if_empty(struct varp_table *table, struct supernet *supernet)
{
	if (supernet->served || supernet->mappings)
		return;
	HASH_DEL(table->supernets, supernet);
	free(supernet);
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

static struct mapping *find_mapping(const struct supernet *supernet, const struct varp_addr *vaddr)
{
	struct mapping *mapping;

	HASH_FIND(hh, supernet->mappings, vaddr, sizeof(*vaddr), mapping);
	return mapping;
}

int varp_table_add(struct varp_table *table, const struct varp_table_entry *entry)
{
	struct supernet *supernet = take_supernet(table, &entry->key.snid);
	struct mapping *mapping;

	if (!supernet)
		return -ENOMEM;
	mapping = find_mapping(supernet, &entry->key.vaddr);
	if (mapping) {
		mapping->entry = *entry;
		return 0;
	}
	mapping = malloc(sizeof(*mapping));
	if (!mapping)
		goto drop_supernet;
	mapping->entry = *entry;
	HASH_ADD(hh, supernet->mappings, entry.key.vaddr, sizeof(mapping->entry.key.vaddr),
		 mapping);
	if (!mapping->hh.tbl)
		goto free_mapping;
	table->count++;
	return 0;

free_mapping:
	free(mapping);
drop_supernet:
	drop_supernet_if_empty(table, supernet);
	return -ENOMEM;
}

int varp_table_remove(struct varp_table *table, const struct varp_key *key)
{
	struct supernet *supernet = find_supernet(table, &key->snid);
	struct mapping *mapping = supernet ? find_mapping(supernet, &key->vaddr) : NULL;

	if (!mapping)
		return -ENOENT;
	HASH_DEL(supernet->mappings, mapping);
	free(mapping);
	table->count--;
	drop_supernet_if_empty(table, supernet);
	return 0;
}

const struct varp_table_entry *varp_table_find(const struct varp_table *table,
					       const struct varp_key *key)
{
	const struct supernet *supernet = find_supernet(table, &key->snid);
	const struct mapping *mapping = supernet ? find_mapping(supernet, &key->vaddr) : NULL;

	return mapping ? &mapping->entry : NULL;
}

size_t varp_table_count(const struct varp_table *table, const struct varp_snid *snid)
{
	const struct supernet *supernet;

	if (!snid)
		return table->count;
	supernet = find_supernet(table, snid);
	return supernet ? HASH_COUNT(supernet->mappings) : 0;
}

void varp_table_each(const struct varp_table *table, const struct varp_snid *snid,
		     bool (*visit)(const struct varp_table_entry *entry, void *ctx), void *ctx)
{
	const struct supernet *supernet = snid ? find_supernet(table, snid) : table->supernets;
	const struct mapping *mapping;

	for (; supernet; supernet = snid ? NULL : supernet->hh.next)
		for (mapping = supernet->mappings; mapping; mapping = mapping->hh.next)
			if (!visit(&mapping->entry, ctx))
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
		    !visit(&supernet->snid, supernet->ttl_s, HASH_COUNT(supernet->mappings), ctx))
			return;
}
