// SPDX-License-Identifier: BSD-2-Clause
/*
 * The store's tables: is a file ours, whole and of a version that is known, and what an older one
 * lacks. Called by store.c, which lets nothing be written before that is answered.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store_sql.h"

/*
 * What each version of the schema added to the one before, and statements that compile only if its
 * tables are as they should be: an older file is judged before it is upgraded.
 */
static const struct version {
	const char *make, *probe;
} versions[STORE_SCHEMA] = {
	{ .make = "CREATE TABLE supernet (snid BLOB NOT NULL PRIMARY KEY, ttl INTEGER NOT NULL)"
		  " WITHOUT ROWID;"
		  "CREATE TABLE mapping (snid BLOB NOT NULL, vaddr BLOB NOT NULL, raddr BLOB NOT NULL,"
		  " ttl INTEGER NOT NULL, PRIMARY KEY (snid, vaddr)) WITHOUT ROWID;",
	  .probe = "SELECT snid, ttl FROM supernet LIMIT 0;"
		   "SELECT snid, vaddr, raddr, ttl FROM mapping LIMIT 0;"
		   "EXPLAIN INSERT INTO supernet VALUES (1, 2);"
		   "EXPLAIN INSERT INTO mapping VALUES (1, 2, 3, 4);" },
	/* epochs: see store_channel.c. wanted: a new key, as soon as there is room for it. */
	{ .make = "CREATE TABLE channels (snid BLOB NOT NULL, chid BLOB NOT NULL, mode INTEGER NOT NULL,"
		  " wanted INTEGER NOT NULL, epochs BLOB NOT NULL, PRIMARY KEY (snid, chid))"
		  " WITHOUT ROWID;",
	  .probe = "SELECT snid, chid, mode, wanted, epochs FROM channels LIMIT 0;"
		   "EXPLAIN INSERT INTO channels VALUES (1, 2, 3, 4, 5);" },
	/* What was set by hand: see store_secret.c. rotate in seconds. */
	{ .make = "CREATE TABLE secrets (snid BLOB NOT NULL, chid BLOB NOT NULL, mode INTEGER NOT NULL,"
		  " rotate INTEGER NOT NULL, secret BLOB NOT NULL, PRIMARY KEY (snid, chid))"
		  " WITHOUT ROWID;",
	  .probe = "SELECT snid, chid, mode, rotate, secret FROM secrets LIMIT 0;"
		   "EXPLAIN INSERT INTO secrets VALUES (1, 2, 3, 4, 5);" },
};

static const char *const statements[STORE_STATEMENTS] = {
	[STORE_BEGIN] = "BEGIN IMMEDIATE",
	[STORE_COMMIT] = "COMMIT",
	[STORE_ROLLBACK] = "ROLLBACK",
	[STORE_REMOVE] = "DELETE FROM mapping WHERE snid = ?1 AND vaddr = ?2",
	[STORE_SERVER_SET] = "INSERT OR REPLACE INTO supernet VALUES (?1, ?2)",
	[STORE_SERVER_CLEAR] = "DELETE FROM supernet WHERE snid = ?1",
	[STORE_SERVERS] = "SELECT snid, ttl FROM supernet",
	[STORE_MAPPINGS] = "SELECT snid, vaddr, raddr, ttl FROM mapping ORDER BY snid, vaddr",
	[STORE_NEXT] = ("SELECT snid, vaddr, raddr, ttl FROM mapping WHERE (snid, vaddr) > (?1, ?2)"
			" AND snid <= ?4 ORDER BY snid, vaddr LIMIT ?3"),
	/* Only of supernets that are served. */
	[STORE_CHANNEL_PUT] = ("INSERT OR REPLACE INTO channels SELECT ?1, ?2, ?3, ?4, ?5"
			       " WHERE EXISTS (SELECT 1 FROM supernet WHERE snid = ?1)"),
	[STORE_CHANNEL_COUNT] = "SELECT count(*) FROM channels WHERE snid = ?1 AND chid != ?2",
	[STORE_CHANNEL_CLEAR] = "DELETE FROM channels WHERE snid = ?1",
	[STORE_CHANNEL_NEXT] = ("SELECT snid, chid, mode, wanted, epochs FROM channels WHERE"
				" (snid, chid) >= (?1, ?2) ORDER BY snid, chid LIMIT 1"),
	[STORE_SECRET_PUT] = "INSERT OR REPLACE INTO secrets VALUES (?1, ?2, ?3, ?4, ?5)",
	[STORE_SECRET_REMOVE] = "DELETE FROM secrets WHERE snid = ?1 AND chid = ?2",
	[STORE_SECRET_NEXT] = ("SELECT snid, chid, mode, rotate, secret FROM secrets WHERE"
			       " (snid, chid) >= (?1, ?2) ORDER BY snid, chid LIMIT 1"),
};

static int pragma_int(sqlite3 *db, const char *pragma, int *out)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(db, pragma, -1, &stmt, NULL);

	if (rc == SQLITE_OK) {
		rc = sqlite3_step(stmt);
		*out = rc == SQLITE_ROW ? sqlite3_column_int(stmt, 0) : 0;
		sqlite3_finalize(stmt);
	}
	return rc == SQLITE_ROW ? 0 : -EIO;
}

static int quick_check(struct store *store, struct varpd_error *error)
{
	sqlite3_stmt *stmt;
	int err = 0;

	if (sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &stmt, NULL) != SQLITE_OK)
		return store_failed(store, error, "cannot be checked");
	if (sqlite3_step(stmt) != SQLITE_ROW)
		err = store_failed(store, error, "cannot be checked");
	else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "ok"))
		err = store_damaged(store, "its pages do not fit together", error);
	sqlite3_finalize(stmt);
	return err;
}

/* Statements that do not compile mean that tables are not as we made them. */
static int prepare(struct store *store, struct varpd_error *error)
{
	for (int i = 0; i < STORE_STATEMENTS; i++)
		if (sqlite3_prepare_v3(store->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &store->stmt[i], NULL) != SQLITE_OK)
			return store_damaged(store, STORE_OTHER_TABLES, error);
	return store_adds_open(store, error);
}

int store_schema_judge(struct store *store, int *out, struct varpd_error *error)
{
	int application = 0, version = 0, tables = 0, err;

	if (pragma_int(store->db, "SELECT count(*) FROM sqlite_master", &tables) ||
	    pragma_int(store->db, "PRAGMA application_id", &application) ||
	    pragma_int(store->db, "PRAGMA user_version", &version)) {
		err = store_failed(store, error, "cannot be read");
		return err == -EUCLEAN ? store_damaged(store, "which tables it has cannot be read", error)
				       : err;
	}
	*out = version;
	if (!tables && !application && !version)	/* or damaged so that nothing is seen in it */
		return quick_check(store, error);
	if (application != STORE_APPLICATION_ID)
		return varpd_fail(error, -EUCLEAN, "%s is not varpd's database; move it away",
				  store->path);
	if (version > STORE_SCHEMA)
		return varpd_fail(error, -EPROTO,
				  "%s was written by a newer varpd (schema %d, this one knows %d); "
				  "run that version",
				  store->path, version, STORE_SCHEMA);
	if (version < 1)
		return varpd_fail(error, -EUCLEAN, "%s has the unknown schema %d; move it away",
				  store->path, version);
	err = quick_check(store, error);
	if (!err && version == STORE_SCHEMA)
		return prepare(store, error);
	for (int v = 0; !err && v < version; v++)
		if (sqlite3_exec(store->db, versions[v].probe, NULL, NULL, NULL) != SQLITE_OK)
			err = store_damaged(store, STORE_OTHER_TABLES, error);
	return err;
}

int store_schema_complete(struct store *store, int version, struct varpd_error *error)
{
	static const char head[] = "PRAGMA application_id=" STORE_STR(STORE_APPLICATION_ID) ";"
				   "PRAGMA user_version=" STORE_STR(STORE_SCHEMA) ";";
	int rc, err = 0;

	if (version == STORE_SCHEMA)
		return 0;
	rc = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	for (int v = version; rc == SQLITE_OK && v < STORE_SCHEMA; v++)
		rc = sqlite3_exec(store->db, versions[v].make, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(store->db, head, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		err = store_failed(store, error, version ? "cannot be upgraded" : "cannot be created");
	if (!err)
		err = prepare(store, error);
	if (!err && sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		err = store_failed(store, error, version ? "cannot be upgraded" : "cannot be created");
	if (err)
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return err;
}
