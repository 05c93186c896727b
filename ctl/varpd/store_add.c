// SPDX-License-Identifier: BSD-2-Clause
/*
 * Adding mappings, many at a time. A transaction's adds are gathered and go to SQLite sorted by
 * key, many rows to a statement: so each page of the tree is looked for once, however the group
 * manager orders its commands. Whatever else is done in the transaction comes after what was
 * gathered before it. Called by store.c, and by mappings.c through store.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_sql.h"

#define GATHERED_MAX	16384
#define MANY		64	/* rows of one statement; more give nothing */
#define COLUMNS		4
#define INSERT		"INSERT OR REPLACE INTO mapping VALUES "

struct store_adds {
	sqlite3_stmt *one, *many;
	unsigned int count;
	uint32_t order[GATHERED_MAX];	/* numbers of entries, to be sorted */
	struct varp_table_entry entries[GATHERED_MAX];
};

static int prepare(struct store *store, unsigned int rows, sqlite3_stmt **stmt,
		   struct varpd_error *error)
{
	char sql[sizeof(INSERT) + MANY * sizeof("(?,?,?,?),")] = INSERT;
	size_t len = strlen(sql);

	for (unsigned int i = 0; i < rows; i++)
		len += snprintf(sql + len, sizeof(sql) - len, "%s(?,?,?,?)", i ? "," : "");
	if (sqlite3_prepare_v3(store->db, sql, len, SQLITE_PREPARE_PERSISTENT, stmt, NULL) ==
	    SQLITE_OK)
		return 0;
	return store_damaged(store, STORE_OTHER_TABLES, error);
}

int store_adds_open(struct store *store, struct varpd_error *error)
{
	int err;

	store->adds = calloc(1, sizeof(*store->adds));
	if (!store->adds)
		return varpd_fail(error, -ENOMEM, "out of memory");
	err = prepare(store, 1, &store->adds->one, error);
	return err ? err : prepare(store, MANY, &store->adds->many, error);
}

void store_adds_close(struct store *store)
{
	if (!store->adds)
		return;
	sqlite3_finalize(store->adds->one);
	sqlite3_finalize(store->adds->many);
	free(store->adds);
}

void store_adds_forget(struct store *store)
{
	store->adds->count = 0;
}

/* By key; of two adds of one key the later comes later, and so prevails. */
static int compare(const void *a, const void *b, void *ctx)
{
	const struct store_adds *adds = ctx;
	uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;
	int order = memcmp(&adds->entries[one].key, &adds->entries[two].key,
			   sizeof(adds->entries[one].key));

	return order ? order : one < two ? -1 : 1;
}

static void sort(struct store_adds *adds)
{
	bool sorted = true;

	for (uint32_t i = 0; i < adds->count; i++) {
		adds->order[i] = i;
		if (i)
			sorted = sorted && compare(&adds->order[i - 1], &adds->order[i], adds) < 0;
	}
	if (!sorted)
		qsort_r(adds->order, adds->count, sizeof(adds->order[0]), compare, adds);
}

static void bind(sqlite3_stmt *stmt, unsigned int row, const struct varp_table_entry *entry)
{
	int at = row * COLUMNS + 1;

	store_bind_blob(stmt, at, &entry->key.snid, sizeof(entry->key.snid));
	store_bind_blob(stmt, at + 1, &entry->key.vaddr, sizeof(entry->key.vaddr));
	store_bind_blob(stmt, at + 2, &entry->raddr, sizeof(entry->raddr));
	sqlite3_bind_int(stmt, at + 3, entry->ttl_s);
}

int store_adds_flush(struct store *store, struct varpd_error *error)
{
	struct store_adds *adds = store->adds;
	unsigned int done = 0;
	int err = 0;

	sort(adds);
	while (!err && done < adds->count) {
		unsigned int rows = adds->count - done < MANY ? 1 : MANY;
		sqlite3_stmt *stmt = rows == 1 ? adds->one : adds->many;

		for (unsigned int i = 0; i < rows; i++)
			bind(stmt, i, &adds->entries[adds->order[done + i]]);
		err = store_run(store, stmt, error);
		done += rows;
	}
	adds->count = 0;
	return err;
}

int store_add(struct store *store, const struct varp_table_entry *entry, struct varpd_error *error)
{
	struct store_adds *adds = store->adds;
	int err = adds->count < GATHERED_MAX ? 0 : store_adds_flush(store, error);

	if (!err)
		adds->entries[adds->count++] = *entry;
	return err;
}
