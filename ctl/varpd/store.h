/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The durable copy of what the group manager registered, and of channels' secrets. A small interface,
 * so that something else than SQLite can stand here.
 *
 * Changes are made within begin/commit; what commit returned 0 for survives kill -9 and power loss.
 * Called by mappings.c, channels.c and channel_keys.c, and by control_db.c for listing; knows nothing
 * of sockets or the engine.
 */
#ifndef VARPD_STORE_H
#define VARPD_STORE_H

#include <stdbool.h>

#include "error.h"
#include "table.h"

struct store;

/*
 * Opens or creates DIR/varp.db. -EUCLEAN: damaged; -EPROTO: written by a newer varpd; in both cases
 * nothing is written to the file.
 */
int store_open(struct store **out, const char *dir, struct varpd_error *error);
void store_close(struct store *store);

/*
 * Reads everything into the table, replacing what it has. Rows that are invalid are refused as
 * damage (-EUCLEAN).
 */
int store_load(struct store *store, struct varp_table *table, struct varpd_error *error);

int store_begin(struct store *store, struct varpd_error *error);
/* On error everything since begin is undone */
int store_commit(struct store *store, struct varpd_error *error);
void store_rollback(struct store *store);
/* Are the file and its log still where they were opened? Commits to one that is not are refused. 0, -ESTALE. */
int store_check_place(const struct store *store, struct varpd_error *error);

/* All that the group manager registered; secrets stay. */
int store_clear(struct store *store, struct varpd_error *error);
/* A full disk may show only at a later change or the commit: adds are gathered. */
int store_add(struct store *store, const struct varp_table_entry *entry, struct varpd_error *error);
/* -ENOENT when there is no such row (nothing has gone wrong with the store then). */
int store_remove(struct store *store, const struct varp_key *key, struct varpd_error *error);
int store_server_set(struct store *store, const struct varp_snid *snid, int32_t ttl_s,
		     struct varpd_error *error);
int store_server_clear(struct store *store, const struct varp_snid *snid,
		       struct varpd_error *error);

/* A key of a channel. */
struct store_epoch {
	uint32_t number;
	int64_t begins_ms;		/* of the wall's clock: packets are sealed with it from then on */
	uint8_t key[VARP_CHANNEL_KEY_LEN];
};

/* A channel whose mode the group manager has set. */
struct store_channel {
	struct varp_combo combo;
	uint32_t mode;			/* enum varp_channel_mode */
	bool wanted;			/* a new key, as soon as there is room for one */
	unsigned int count;		/* of epochs, in the order of their numbers */
	struct store_epoch epochs[VARP_EPOCHS];
};

/*
 * Writes a channel, and so replaces what is known of it. -ENOENT: the supernet is not served; -E2BIG:
 * it has max other channels.
 */
int store_channel_put(struct store *store, const struct store_channel *channel, unsigned int max,
		      struct varpd_error *error);
/* -ENOENT: there is none. */
int store_channel_get(struct store *store, const struct varp_combo *combo,
		      struct store_channel *channel, struct varpd_error *error);
/*
 * The first one that is not before *from, also of a transaction that goes on. -ENOENT: there is none
 * any more. Keeps nothing open.
 */
int store_channel_next(struct store *store, const struct varp_combo *from,
		       struct store_channel *channel, struct varpd_error *error);
/* To the next possible one, for walks; false: there is none. */
bool store_combo_advance(struct varp_combo *combo);

/* A channel's secret that was set by hand. */
struct store_secret {
	struct varp_combo combo;
	uint32_t mode;			/* enum varp_channel_mode, not plain */
	uint32_t rotate_s;
	uint8_t secret[VARP_CHANNEL_KEY_LEN];
};

/* Replaces what is known of the channel. */
int store_secret_put(struct store *store, const struct store_secret *secret,
		     struct varpd_error *error);
/* -ENOENT: there is none. */
int store_secret_remove(struct store *store, const struct varp_combo *combo,
			struct varpd_error *error);
int store_secret_get(struct store *store, const struct varp_combo *combo,
		     struct store_secret *secret, struct varpd_error *error);
/* After a commit: a secret that was removed or replaced is in no file any more. */
void store_secrets_forget(struct store *store);
/* As store_channel_next(). -EUCLEAN: a row that makes no sense. */
int store_secret_next(struct store *store, const struct varp_combo *from,
		      struct store_secret *secret, struct varpd_error *error);

/*
 * Lists mappings in the order of their keys, up to max behind *after (NULL: from the start); snid
 * NULL: of all supernets. Keeps nothing open between calls, so a slow reader holds nobody up.
 * *count 0: no more.
 */
int store_next(struct store *store, const struct varp_snid *snid, const struct varp_key *after,
	       struct varp_table_entry *entries, unsigned int max, unsigned int *count,
	       struct varpd_error *error);

#endif
