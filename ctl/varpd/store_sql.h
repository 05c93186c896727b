/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the store's files share: the open database and its prepared statements. For nobody else.
 */
#ifndef VARPD_STORE_SQL_H
#define VARPD_STORE_SQL_H

#include <sqlite3.h>
#include <sys/types.h>

#include "store.h"

#define STORE_APPLICATION_ID	0x56415250	/* "VARP" */
#define STORE_SCHEMA		3		/* raised with every change of the schema */
#define STORE_TIME_MAX_MS	(1ll << 48)	/* thousands of years */
#define STORE_STR(x)		STORE_STR_(x)
#define STORE_STR_(x)		#x

enum store_statement {
	STORE_BEGIN,
	STORE_COMMIT,
	STORE_ROLLBACK,
	STORE_REMOVE,
	STORE_SERVER_SET,
	STORE_SERVER_CLEAR,
	STORE_SERVERS,
	STORE_MAPPINGS,
	STORE_NEXT,
	STORE_CHANNEL_PUT,
	STORE_CHANNEL_COUNT,
	STORE_CHANNEL_CLEAR,
	STORE_CHANNEL_NEXT,
	STORE_SECRET_PUT,
	STORE_SECRET_REMOVE,
	STORE_SECRET_NEXT,
	STORE_STATEMENTS,
};

struct store_adds;

struct store {
	sqlite3 *db;
	sqlite3_stmt *stmt[STORE_STATEMENTS];
	struct store_adds *adds;
	int lock;
	struct store_file {
		dev_t dev;
		ino_t ino;		/* zero: there was none */
	} file, log;			/* those that are open */
	char path[512];
};

#define STORE_LOG_PATH	(sizeof(((struct store *)0)->path) + 8)

/* Fills error from SQLite's last one and returns the errno that comes nearest. */
int store_failed(struct store *store, struct varpd_error *error, const char *doing);
/* -EUCLEAN with what to do. how: in words; SQLite's own are about statements that nobody has seen. */
int store_damaged(const struct store *store, const char *how, struct varpd_error *error);
#define STORE_OTHER_TABLES	"its tables are not those that varpd makes"
/* Runs a statement that returns nothing. */
int store_run(struct store *store, sqlite3_stmt *stmt, struct varpd_error *error);
/* To the first row of a channel at or after `from`: 0, -ENOENT, or as store_failed(). Reset by the caller. */
int store_step_from(struct store *store, sqlite3_stmt *stmt, const struct varp_combo *from,
		    struct varpd_error *error);

/* data must stay as it is until the statement has run. */
static inline void store_bind_blob(sqlite3_stmt *stmt, int index, const void *data, int len)
{
	sqlite3_bind_blob(stmt, index, data, len, SQLITE_STATIC);
}

/* --- store_schema.c --- */

/*
 * Is this ours, whole, and of a version we know? *version: zero if there is nothing yet. Changes
 * nothing. Statements are prepared if nothing is lacking.
 */
int store_schema_judge(struct store *store, int *version, struct varpd_error *error);
/* Makes what that version lacks and prepares the statements; all of it or nothing. */
int store_schema_complete(struct store *store, int version, struct varpd_error *error);

/* --- store_channel.c --- */

int store_channels_clear(struct store *store, const struct varp_snid *snid,
			 struct varpd_error *error);
/* Nothing but a blob of that length is taken. */
bool store_read_blob(sqlite3_stmt *stmt, int column, void *out, int len);

/* --- store_add.c: mappings to be added, gathered --- */

int store_adds_open(struct store *store, struct varpd_error *error);
void store_adds_close(struct store *store);
/* What was gathered is in the transaction now. */
int store_adds_flush(struct store *store, struct varpd_error *error);
void store_adds_forget(struct store *store);

#endif
