/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What store.c and store_read.c share: the open database and its prepared statements. For nobody
 * else.
 */
#ifndef VARPD_STORE_SQL_H
#define VARPD_STORE_SQL_H

#include <sqlite3.h>
#include <sys/types.h>

#include "store.h"

#define STORE_APPLICATION_ID	0x56415250	/* "VARP" */
#define STORE_SCHEMA		1		/* raised with every change of the schema */
#define STORE_STR(x)		STORE_STR_(x)
#define STORE_STR_(x)		#x

enum store_statement {
	STORE_BEGIN,
	STORE_COMMIT,
	STORE_ROLLBACK,
	STORE_ADD,
	STORE_REMOVE,
	STORE_SERVER_SET,
	STORE_SERVER_CLEAR,
	STORE_SERVERS,
	STORE_MAPPINGS,
	STORE_NEXT,
	STORE_STATEMENTS,
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *stmt[STORE_STATEMENTS];
	int lock;
	dev_t dev;			/* of the file that is open */
	ino_t ino;
	char path[512];
};

/* Fills error from SQLite's last one and returns the errno that comes nearest. */
int store_failed(struct store *store, struct varpd_error *error, const char *doing);

#endif
