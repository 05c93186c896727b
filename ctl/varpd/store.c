// SPDX-License-Identifier: BSD-2-Clause
/*
 * SQLite behind store.h: opening with care, transactions, changes. Tables and statements are in
 * store_schema.c, mappings are added in store_add.c, reading back is in store_read.c.
 *
 * A file that is damaged, of somebody else or of a newer varpd must not be touched. It is judged
 * before anything may be written.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "store_sql.h"

#define DB_NAME		"varp.db"
#define LOCK_NAME	"varp.lock"

/* What SQLite's result means for us, in words. */
int store_failed(struct store *store, struct varpd_error *error, const char *doing)
{
	int code = sqlite3_errcode(store->db) & 0xff;
	int err = code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? -EUCLEAN
		  : code == SQLITE_FULL				  ? -ENOSPC
		  : code == SQLITE_NOMEM			  ? -ENOMEM
		  : code == SQLITE_READONLY || code == SQLITE_PERM || code == SQLITE_CANTOPEN
			  ? -EACCES
			  : -EIO;

	return varpd_fail(error, err, "%s: %s: %s", store->path, doing, sqlite3_errmsg(store->db));
}

int store_damaged(const struct store *store, const char *how, struct varpd_error *error)
{
	return varpd_fail(error, -EUCLEAN,
			  "%s is damaged (%s); restore it from a backup or move it away",
			  store->path, how);
}

/*
 * The directory is its user's, and root may be who starts varpd: a link in it would have root read,
 * write or change the mode of whatever it names. SQLite is told the same (NOFOLLOW).
 * Keys of channels are in these files, and SQLite gives a new log its database's mode: one that was
 * restored from a backup, open to others, is closed before SQLite sees it.
 */
static int guard_file(const char *path, struct varpd_error *error)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), err = 0;
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return varpd_fail(error, -ELOOP,
				  "%s is a symbolic link, which is not followed: put the file "
				  "itself there, or set `state-dir` to where it is", path);
	if (fd < 0)	/* not there; or SQLite says what is wrong with it */
		return 0;
	if (fstat(fd, &st))
		err = -errno;
	else if (S_ISREG(st.st_mode) && (st.st_mode & 077) && st.st_nlink > 1)
		err = -EMLINK;	/* perhaps somebody else's file by another name */
	else if (S_ISREG(st.st_mode) && (st.st_mode & 077) && fchmod(fd, 0600))
		err = -errno;
	close(fd);
	return err ? varpd_fail(error, err, "%s can be read by others, and that cannot be changed: %s",
				path, strerror(-err))
		   : 0;
}

static int guard_files(const struct store *store, struct varpd_error *error)
{
	static const char *const names[] = { "", "-wal", "-shm", "-journal" };
	char path[sizeof(store->path) + 16];
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", store->path, names[i]);
		err = guard_file(path, error);
	}
	return err;
}

static void log_path(const struct store *store, char out[STORE_LOG_PATH])
{
	snprintf(out, STORE_LOG_PATH, "%s-wal", store->path);
}

/* SQLite throws away a log that stands beside an empty file; one alone is what a crash at the first
 * start leaves. */
static int look_at_file(struct store *store, bool *exists, struct varpd_error *error)
{
	char log[STORE_LOG_PATH];
	struct stat st;
	int err = guard_files(store, error);

	if (err)
		return err;
	*exists = !lstat(store->path, &st);
	if (!*exists)
		return errno == ENOENT
			       ? 0
			       : varpd_fail(error, -errno, "%s: %s", store->path, strerror(errno));
	log_path(store, log);
	if (!st.st_size && !lstat(log, &st) && st.st_size)
		return varpd_fail(
			error, -EUCLEAN,
			"%s is damaged (empty, with a log beside it); restore it from a backup or "
			"move both away",
			store->path);
	return 0;
}

/*
 * Opens the database so that nothing is written until it has been judged: neither by a statement,
 * nor by merging the log on closing. EXCLUSIVE: no index of the log is kept in a file, which a full
 * disk would have no room for.
 */
static int open_for_reading(struct store *store, const char *dir, int flags,
			    struct varpd_error *error)
{
	char path[PATH_MAX + sizeof(DB_NAME)];
	mode_t mask;
	int rc;

	/* The way to the directory may have links in it: that is root's. */
	if (!realpath(dir, path))
		return varpd_fail(error, -errno, "cannot find the state directory %s: %s", dir,
				  strerror(errno));
	strcat(path, "/" DB_NAME);
	mask = umask(0077);	/* who talks to whom is nobody else's business */
	/* NOMUTEX: it has one thread at a time (mappings.h). */
	rc = sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
			     SQLITE_OPEN_NOFOLLOW | flags, NULL);
	umask(mask);
	if (rc != SQLITE_OK)
		return store_failed(store, error, "cannot be opened");
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (sqlite3_exec(store->db, "PRAGMA query_only=ON; PRAGMA locking_mode=EXCLUSIVE;", NULL,
			 NULL, NULL) != SQLITE_OK)
		return store_failed(store, error, "cannot be opened");
	return 0;
}

static int make_writable(struct store *store, int version, struct varpd_error *error)
{
	/* FULL: a commit is on the disk before it is reported. */
	static const char settings[] =
		"PRAGMA query_only=OFF; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		"PRAGMA cache_size=-16384; PRAGMA wal_autocheckpoint=4000;"
		"PRAGMA secure_delete=ON;";	/* keys that are over are overwritten */

	sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	if (sqlite3_exec(store->db, settings, NULL, NULL, NULL) != SQLITE_OK)
		return store_failed(store, error, "cannot be set up");
	return store_schema_complete(store, version, error);
}

static void note_file(const char *path, struct store_file *file)
{
	struct stat st;

	*file = (struct store_file){ 0 };
	if (!lstat(path, &st))
		*file = (struct store_file){ st.st_dev, st.st_ino };
}

static int open_db(struct store *store, const char *dir, struct varpd_error *error)
{
	char log[STORE_LOG_PATH];
	int version = 0;
	bool exists;
	int err = look_at_file(store, &exists, error);

	if (!err)
		err = open_for_reading(store, dir, exists ? 0 : SQLITE_OPEN_CREATE, error);
	if (!err)
		err = store_schema_judge(store, &version, error);
	if (!err)
		err = make_writable(store, version, error);
	if (err)
		return err;
	if (!version && exists)
		varpd_log(VARPD_LOG_WARNING, "%s was empty: a new database is begun", store->path);
	note_file(store->path, &store->file);
	if (!store->file.ino)
		return varpd_fail(error, -ENOENT, "%s has been removed", store->path);
	log_path(store, log);
	note_file(log, &store->log);
	return 0;
}

static int check_file(const char *path, const struct store_file *file, struct varpd_error *error)
{
	struct store_file now;

	note_file(path, &now);
	if (!file->ino || (now.ino == file->ino && now.dev == file->dev))
		return 0;
	return varpd_fail(error, -ESTALE,
			  "%s has been removed or replaced while varpd runs: restart varpd, and have "
			  "the group manager register its mappings again",
			  path);
}

/* Files that were removed or replaced under us take commits as ever, and nobody would find them. */
int store_check_place(const struct store *store, struct varpd_error *error)
{
	char log[STORE_LOG_PATH];
	int err = check_file(store->path, &store->file, error);

	log_path(store, log);
	return err ? err : check_file(log, &store->log, error);
}

static int make_dirs(const char *dir, struct varpd_error *error)
{
	char path[512];

	if (snprintf(path, sizeof(path), "%s/", dir) >= (int)sizeof(path))
		return varpd_fail(error, -ENAMETOOLONG, "state directory's path is too long");
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return varpd_fail(error, -errno, "cannot make the directory %s: %s", path,
					  strerror(errno));
		*p = '/';
	}
	return 0;
}

/* Instances are kept apart by name; two of them may be given one state directory by mistake. */
static int lock_dir(struct store *store, const char *dir, struct varpd_error *error)
{
	char path[512];
	int err;

	snprintf(path, sizeof(path), "%s/%s", dir, LOCK_NAME);
	store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock < 0 && errno == ELOOP)
		return varpd_fail(error, -ELOOP, "%s is a symbolic link, which is not followed: "
				  "remove it", path);
	if (store->lock < 0)
		return varpd_fail(error, -errno, "cannot write in the state directory %s: %s", dir,
				  strerror(errno));
	if (!flock(store->lock, LOCK_EX | LOCK_NB))
		return 0;
	err = errno;
	if (err == EWOULDBLOCK)
		return varpd_fail(error, -EBUSY,
				  "another varpd uses the state directory %s; give each its own",
				  dir);
	return varpd_fail(error, -err, "cannot lock %s: %s", path, strerror(err));
}

int store_open(struct store **out, const char *dir, struct varpd_error *error)
{
	struct store *store = calloc(1, sizeof(*store));
	int err;

	if (!store)
		return varpd_fail(error, -ENOMEM, "out of memory");
	store->lock = -1;
	snprintf(store->path, sizeof(store->path), "%s/%s", dir, DB_NAME);
	err = make_dirs(dir, error);
	if (!err)
		err = lock_dir(store, dir, error);
	if (!err)
		err = open_db(store, dir, error);
	if (err) {
		store_close(store);
		return err;
	}
	*out = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	for (int i = 0; i < STORE_STATEMENTS; i++)
		sqlite3_finalize(store->stmt[i]);
	store_adds_close(store);
	sqlite3_close(store->db);
	if (store->lock >= 0)
		close(store->lock);
	free(store);
}

int store_run(struct store *store, sqlite3_stmt *stmt, struct varpd_error *error)
{
	int rc = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	if (rc != SQLITE_DONE)
		return store_failed(store, error, "cannot be written");
	return 0;
}

int store_step_from(struct store *store, sqlite3_stmt *stmt, const struct varp_combo *from,
		    struct varpd_error *error)
{
	int rc;

	store_bind_blob(stmt, 1, &from->snid, sizeof(from->snid));
	store_bind_blob(stmt, 2, &from->chid, sizeof(from->chid));
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		return 0;
	return rc == SQLITE_DONE ? -ENOENT : store_failed(store, error, "cannot be read");
}

int store_begin(struct store *store, struct varpd_error *error)
{
	return store_run(store, store->stmt[STORE_BEGIN], error);
}

int store_commit(struct store *store, struct varpd_error *error)
{
	int err = store_check_place(store, error);

	if (!err)
		err = store_adds_flush(store, error);
	if (!err)
		err = store_run(store, store->stmt[STORE_COMMIT], error);
	if (err)
		store_rollback(store);
	return err;
}

void store_rollback(struct store *store)
{
	store_adds_forget(store);
	/* A full disk may have ended the transaction already. */
	if (!sqlite3_get_autocommit(store->db))
		store_run(store, store->stmt[STORE_ROLLBACK], NULL);
}

int store_clear(struct store *store, struct varpd_error *error)
{
	store_adds_forget(store);
	if (sqlite3_exec(store->db, "DELETE FROM mapping; DELETE FROM supernet;"
			 " DELETE FROM channels;", NULL, NULL,
			 NULL) != SQLITE_OK)
		return store_failed(store, error, "cannot be written");
	return 0;
}

int store_remove(struct store *store, const struct varp_key *key, struct varpd_error *error)
{
	sqlite3_stmt *stmt = store->stmt[STORE_REMOVE];
	int err = store_adds_flush(store, error);

	if (err)
		return err;
	store_bind_blob(stmt, 1, &key->snid, sizeof(key->snid));
	store_bind_blob(stmt, 2, &key->vaddr, sizeof(key->vaddr));
	err = store_run(store, store->stmt[STORE_REMOVE], error);
	return !err && !sqlite3_changes(store->db) ? -ENOENT : err;
}

int store_server_set(struct store *store, const struct varp_snid *snid, int32_t ttl_s,
		     struct varpd_error *error)
{
	sqlite3_stmt *stmt = store->stmt[STORE_SERVER_SET];

	store_bind_blob(stmt, 1, snid, sizeof(*snid));
	sqlite3_bind_int(stmt, 2, ttl_s);
	return store_run(store, store->stmt[STORE_SERVER_SET], error);
}

int store_server_clear(struct store *store, const struct varp_snid *snid, struct varpd_error *error)
{
	sqlite3_stmt *stmt = store->stmt[STORE_SERVER_CLEAR];
	int err;

	store_bind_blob(stmt, 1, snid, sizeof(*snid));
	err = store_channels_clear(store, snid, error);
	if (err)
		return err;
	err = store_run(store, store->stmt[STORE_SERVER_CLEAR], error);
	return !err && !sqlite3_changes(store->db) ? -ENOENT : err;
}
