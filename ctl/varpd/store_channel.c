// SPDX-License-Identifier: BSD-2-Clause
/*
 * Channels in the store: their mode, and the keys that are handed out. A row holds all keys of a
 * channel, so that they change together: for each its number (4 octets), its beginning in
 * milliseconds since 1970 (8) and the key, integers in network byte order. Called by channel_keys.c.
 */
#include <errno.h>
#include <string.h>

#include "buf.h"
#include "store_sql.h"

#define EPOCH_LEN	(4 + 8 + VARP_CHANNEL_KEY_LEN)

static int count_others(struct store *store, const struct varp_combo *combo, unsigned int *count,
			struct varpd_error *error)
{
	sqlite3_stmt *stmt = store->stmt[STORE_CHANNEL_COUNT];
	int err = 0;

	store_bind_blob(stmt, 1, &combo->snid, sizeof(combo->snid));
	store_bind_blob(stmt, 2, &combo->chid, sizeof(combo->chid));
	if (sqlite3_step(stmt) == SQLITE_ROW)
		*count = sqlite3_column_int(stmt, 0);
	else
		err = store_failed(store, error, "cannot be read");
	sqlite3_reset(stmt);
	return err;
}

int store_channel_put(struct store *store, const struct store_channel *channel, unsigned int max,
		      struct varpd_error *error)
{
	sqlite3_stmt *stmt = store->stmt[STORE_CHANNEL_PUT];
	uint8_t octets[VARP_EPOCHS * EPOCH_LEN];
	struct varp_writer w = varp_writer_init(octets, sizeof(octets));
	unsigned int others = 0;
	int err = count_others(store, &channel->combo, &others, error);

	if (err)
		return err;
	if (others >= max)
		return -E2BIG;
	for (unsigned int i = 0; i < channel->count; i++) {
		varp_put_u32(&w, channel->epochs[i].number);
		varp_put_u64(&w, (uint64_t)channel->epochs[i].begins_ms);
		varp_put(&w, channel->epochs[i].key, VARP_CHANNEL_KEY_LEN);
	}
	store_bind_blob(stmt, 1, &channel->combo.snid, sizeof(channel->combo.snid));
	store_bind_blob(stmt, 2, &channel->combo.chid, sizeof(channel->combo.chid));
	sqlite3_bind_int(stmt, 3, channel->mode);
	sqlite3_bind_int(stmt, 4, channel->wanted);
	store_bind_blob(stmt, 5, octets, sizeof(octets) - w.left);
	err = store_run(store, stmt, error);
	sqlite3_clear_bindings(stmt);
	explicit_bzero(octets, sizeof(octets));
	return !err && !sqlite3_changes(store->db) ? -ENOENT : err;
}

int store_channels_clear(struct store *store, const struct varp_snid *snid,
			 struct varpd_error *error)
{
	sqlite3_stmt *stmt = store->stmt[STORE_CHANNEL_CLEAR];

	store_bind_blob(stmt, 1, snid, sizeof(*snid));
	return store_run(store, stmt, error);
}

bool store_read_blob(sqlite3_stmt *stmt, int column, void *out, int len)
{
	if (sqlite3_column_type(stmt, column) != SQLITE_BLOB ||
	    sqlite3_column_bytes(stmt, column) != len)
		return false;
	memcpy(out, sqlite3_column_blob(stmt, column), len);
	return true;
}

/* Numbers follow each other, and so do beginnings. */
static bool read_epochs(sqlite3_stmt *stmt, struct store_channel *channel)
{
	int len = sqlite3_column_bytes(stmt, 4);
	struct varp_reader r = varp_reader_init(sqlite3_column_blob(stmt, 4), len);

	if (sqlite3_column_type(stmt, 4) != SQLITE_BLOB || len % EPOCH_LEN ||
	    len / EPOCH_LEN > VARP_EPOCHS)
		return false;
	channel->count = len / EPOCH_LEN;
	for (unsigned int i = 0; i < channel->count; i++) {
		struct store_epoch *e = &channel->epochs[i];

		e->number = varp_get_u32(&r);
		e->begins_ms = (int64_t)varp_get_u64(&r);
		varp_get(&r, e->key, sizeof(e->key));
		if (e->begins_ms < 0 || e->begins_ms > STORE_TIME_MAX_MS ||
		    (i && (e->number != e[-1].number + 1 || e->begins_ms < e[-1].begins_ms)))
			return false;
	}
	return (channel->mode == VARP_CHANNEL_PLAIN) == !channel->count;
}

static bool read_channel(sqlite3_stmt *stmt, struct store_channel *channel)
{
	sqlite3_int64 mode = sqlite3_column_int64(stmt, 2);

	memset(channel, 0, sizeof(*channel));
	if (sqlite3_column_type(stmt, 2) != SQLITE_INTEGER || mode < 0 || mode >= VARP_CHANNEL_MODES)
		return false;
	channel->mode = mode;
	channel->wanted = sqlite3_column_int(stmt, 3);
	return store_read_blob(stmt, 0, &channel->combo.snid, sizeof(channel->combo.snid)) &&
	       store_read_blob(stmt, 1, &channel->combo.chid, sizeof(channel->combo.chid)) &&
	       read_epochs(stmt, channel);
}

int store_channel_next(struct store *store, const struct varp_combo *from,
		       struct store_channel *channel, struct varpd_error *error)
{
	sqlite3_stmt *stmt = store->stmt[STORE_CHANNEL_NEXT];
	int err = store_step_from(store, stmt, from, error);

	if (!err && !read_channel(stmt, channel))
		err = varpd_fail(error, -EUCLEAN, "%s holds a row that is no channel; restore it "
				 "from a backup or move it away", store->path);
	sqlite3_reset(stmt);
	return err;
}

int store_channel_get(struct store *store, const struct varp_combo *combo,
		      struct store_channel *channel, struct varpd_error *error)
{
	int err = store_channel_next(store, combo, channel, error);

	return !err && memcmp(&channel->combo, combo, sizeof(*combo)) ? -ENOENT : err;
}

bool store_combo_advance(struct varp_combo *combo)
{
	uint8_t *octets = (uint8_t *)combo;

	for (size_t i = sizeof(*combo); i--;)
		if (++octets[i])
			return true;
	return false;
}
