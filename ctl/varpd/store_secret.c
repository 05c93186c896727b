// SPDX-License-Identifier: BSD-2-Clause
/*
 * Secrets of channels in the store, as they were set by hand: without them a channel would come back
 * plain after a reboot. Called by channels.c. varpd_init, which forgets what the group manager has
 * registered, leaves them alone.
 */
#include <errno.h>
#include <string.h>

#include "store_sql.h"

int store_secret_put(struct store *store, const struct store_secret *secret,
		     struct varpd_error *error)
{
	sqlite3_stmt *stmt = store->stmt[STORE_SECRET_PUT];
	int err;

	store_bind_blob(stmt, 1, &secret->combo.snid, sizeof(secret->combo.snid));
	store_bind_blob(stmt, 2, &secret->combo.chid, sizeof(secret->combo.chid));
	sqlite3_bind_int(stmt, 3, secret->mode);
	sqlite3_bind_int64(stmt, 4, secret->rotate_s);
	store_bind_blob(stmt, 5, secret->secret, sizeof(secret->secret));
	err = store_run(store, stmt, error);
	sqlite3_clear_bindings(stmt);
	return err;
}

int store_secret_remove(struct store *store, const struct varp_combo *combo,
			struct varpd_error *error)
{
	sqlite3_stmt *stmt = store->stmt[STORE_SECRET_REMOVE];
	int err;

	store_bind_blob(stmt, 1, &combo->snid, sizeof(combo->snid));
	store_bind_blob(stmt, 2, &combo->chid, sizeof(combo->chid));
	err = store_run(store, stmt, error);
	return !err && !sqlite3_changes(store->db) ? -ENOENT : err;
}

static bool read_secret(sqlite3_stmt *stmt, struct store_secret *secret)
{
	sqlite3_int64 mode = sqlite3_column_int64(stmt, 2), rotate_s = sqlite3_column_int64(stmt, 3);

	memset(secret, 0, sizeof(*secret));
	if (sqlite3_column_type(stmt, 2) != SQLITE_INTEGER || mode <= VARP_CHANNEL_PLAIN ||
	    mode >= VARP_CHANNEL_MODES || sqlite3_column_type(stmt, 3) != SQLITE_INTEGER ||
	    rotate_s < 1 || rotate_s > INT32_MAX)
		return false;
	secret->mode = mode;
	secret->rotate_s = rotate_s;
	return store_read_blob(stmt, 0, &secret->combo.snid, sizeof(secret->combo.snid)) &&
	       store_read_blob(stmt, 1, &secret->combo.chid, sizeof(secret->combo.chid)) &&
	       store_read_blob(stmt, 4, secret->secret, sizeof(secret->secret));
}

int store_secret_next(struct store *store, const struct varp_combo *from,
		      struct store_secret *secret, struct varpd_error *error)
{
	sqlite3_stmt *stmt = store->stmt[STORE_SECRET_NEXT];
	int err = store_step_from(store, stmt, from, error);

	if (!err && !read_secret(stmt, secret))
		err = varpd_fail(error, -EUCLEAN,
				 "%s holds a row that is no channel's secret: restore it from a backup, or "
				 "move it away and set the secrets again before a node joins",
				 store->path);
	sqlite3_reset(stmt);
	return err;
}

int store_secret_get(struct store *store, const struct varp_combo *combo,
		     struct store_secret *secret, struct varpd_error *error)
{
	int err = store_secret_next(store, combo, secret, error);

	return !err && memcmp(&secret->combo, combo, sizeof(*combo)) ? -ENOENT : err;
}

void store_secrets_forget(struct store *store)
{
	/* With no room for that now, a later one does it. */
	sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}
