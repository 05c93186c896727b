// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading the store back: all of it into the table at start, or piece by piece for listings. A row
 * that does not make sense is damage, never guessed at.
 */
#include <errno.h>
#include <string.h>

#include "addr.h"
#include "store_sql.h"

static int damaged(struct store *store, struct varpd_error *error)
{
	return varpd_fail(
		error, -EUCLEAN,
		"%s holds a row that is no mapping; restore it from a backup or move it away",
		store->path);
}

/* The value is looked at where it is: safe with one thread at a time, and faster for a million rows. */
static bool column_blob(sqlite3_stmt *stmt, int column, void *out, int len)
{
	sqlite3_value *value = sqlite3_column_value(stmt, column);

	if (sqlite3_value_type(value) != SQLITE_BLOB || sqlite3_value_bytes(value) != len)
		return false;
	memcpy(out, sqlite3_value_blob(value), len);
	return true;
}

static bool column_ttl(sqlite3_stmt *stmt, int column, bool always, int32_t *ttl_s)
{
	sqlite3_int64 value = sqlite3_column_int64(stmt, column);

	if (sqlite3_column_type(stmt, column) != SQLITE_INTEGER ||
	    !((value >= VARPDB_TTL_MIN && value <= VARPDB_TTL_MAX) ||
	      (always && value == VARPDB_TTL_ALWAYS)))
		return false;
	*ttl_s = value;
	return true;
}

static bool read_entry(sqlite3_stmt *stmt, struct varp_table_entry *entry)
{
	memset(entry, 0, sizeof(*entry));
	return column_blob(stmt, 0, &entry->key.snid, sizeof(entry->key.snid)) &&
	       column_blob(stmt, 1, &entry->key.vaddr, sizeof(entry->key.vaddr)) &&
	       column_blob(stmt, 2, &entry->raddr, sizeof(entry->raddr)) &&
	       column_ttl(stmt, 3, true, &entry->ttl_s) &&
	       varp_addr_is_unicast(&entry->key.vaddr) && varp_addr_is_unicast(&entry->raddr);
}

static int load_servers(struct store *store, struct varp_table *table, struct varpd_error *error)
{
	sqlite3_stmt *stmt = store->stmt[STORE_SERVERS];
	struct varp_snid snid;
	int32_t ttl_s;
	int rc, err = 0;

	while (!err && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (!column_blob(stmt, 0, &snid, sizeof(snid)) ||
		    !column_ttl(stmt, 1, false, &ttl_s))
			err = damaged(store, error);
		else if (varp_table_server_set(table, &snid, ttl_s))
			err = varpd_fail(error, -ENOMEM, "out of memory");
	}
	if (!err && rc != SQLITE_DONE)
		err = store_failed(store, error, "cannot be read");
	sqlite3_reset(stmt);
	return err;
}

static int load_mappings(struct store *store, struct varp_table *table, struct varpd_error *error)
{
	sqlite3_stmt *stmt = store->stmt[STORE_MAPPINGS];
	struct varp_table_entry entry;
	int rc, err = 0;

	while (!err && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (!read_entry(stmt, &entry)) {
			err = damaged(store, error);
			break;
		}
		err = varp_table_append(table, &entry);
		if (err == -EINVAL)	/* rows that are not in the order of their key */
			err = damaged(store, error);
		else if (err)
			err = varpd_fail(error, err, "out of memory");
	}
	if (!err && rc != SQLITE_DONE)
		err = store_failed(store, error, "cannot be read");
	if (!err && varp_table_append_end(table))
		err = varpd_fail(error, -ENOMEM, "out of memory");
	sqlite3_reset(stmt);
	return err;
}

int store_load(struct store *store, struct varp_table *table, struct varpd_error *error)
{
	int err;

	varp_table_clear(table);
	err = load_servers(store, table, error);
	if (!err)
		err = load_mappings(store, table, error);
	if (err)
		varp_table_clear(table);
	return err;
}

int store_next(struct store *store, const struct varp_snid *snid, const struct varp_key *after,
	       struct varp_table_entry *entries, unsigned int max, unsigned int *count,
	       struct varpd_error *error)
{
	static const struct varp_snid last = {
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }
	};
	static const struct varp_snid first;
	sqlite3_stmt *stmt = store->stmt[STORE_NEXT];
	const struct varp_snid *from = after ? &after->snid : snid ? snid : &first;
	int rc = SQLITE_DONE, err = 0;

	*count = 0;
	sqlite3_bind_blob(stmt, 1, from, sizeof(*from), SQLITE_STATIC);
	/* Without a place to go on from, an empty blob sorts before every address. */
	sqlite3_bind_blob(stmt, 2, after ? (const void *)&after->vaddr : "",
			  after ? sizeof(after->vaddr) : 0, SQLITE_STATIC);
	sqlite3_bind_int(stmt, 3, max);
	sqlite3_bind_blob(stmt, 4, snid ? snid : &last, sizeof(last), SQLITE_STATIC);
	while (!err && *count < max && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (read_entry(stmt, &entries[*count]))
			(*count)++;
		else
			err = damaged(store, error);
	}
	if (!err && rc != SQLITE_DONE && rc != SQLITE_ROW)
		err = store_failed(store, error, "cannot be read");
	sqlite3_reset(stmt);
	return err;
}
