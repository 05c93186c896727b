// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzzes the database: the input is the file varp.db as varpd finds it at start. What is loaded are
 * mappings; a file that is refused is left as it was, octet by octet.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "addr.h"
#include "ctl/varpd/store.h"
#include "fuzz.h"

#define FILE_MAX	65536

static char dir[64];

static void remove_all(void)
{
	static const char *const names[] = { "varp.db", "varp.db-wal", "varp.db-shm", "varp.db-journal", "varp.lock" };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
}

static void at_exit(void)
{
	remove_all();
	rmdir(dir);
}

/* In memory, where there is such a file system. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	strcpy(dir, access("/dev/shm", W_OK) ? "/tmp/varp-fuzz-XXXXXX" : "/dev/shm/varp-fuzz-XXXXXX");
	FUZZ_CHECK(mkdtemp(dir));
	atexit(at_exit);
	return 0;
}

static void write_file(const uint8_t *data, size_t size)
{
	char path[128];
	int fd;

	remove_all();
	snprintf(path, sizeof(path), "%s/varp.db", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size && !close(fd));
}

static void check_untouched(const uint8_t *data, size_t size)
{
	static uint8_t now[FILE_MAX + 1];
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/varp.db", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	FUZZ_CHECK(fd >= 0 && read(fd, now, sizeof(now)) == (ssize_t)size && !memcmp(now, data, size));
	close(fd);
}

static void check_entry(const struct varp_table_entry *entry)
{
	FUZZ_CHECK(varp_addr_is_unicast(&entry->key.vaddr) && varp_addr_is_unicast(&entry->raddr));
	FUZZ_CHECK(entry->ttl_s == VARPDB_TTL_ALWAYS ||
		   (entry->ttl_s >= VARPDB_TTL_MIN && entry->ttl_s <= VARPDB_TTL_MAX));
	FUZZ_CHECK(!entry->key.pad[0] && !entry->key.pad[1]);
}

static bool visit(const struct varp_table_entry *entry, void *ctx)
{
	(void)ctx;
	check_entry(entry);
	return true;
}

/* Listed in order, so that a listing ends. */
static void check_listing(struct store *store)
{
	struct varp_table_entry entries[3];
	struct varpd_error error;
	struct varp_key after;
	unsigned int count, total = 0;
	bool have = false;

	while (!store_next(store, NULL, have ? &after : NULL, entries, 3, &count, &error) && count) {
		FUZZ_CHECK(count <= 3 && (total += count) < 10000);
		for (unsigned int i = 0; i < count; i++) {
			check_entry(&entries[i]);
			FUZZ_CHECK(!have || memcmp(&after, &entries[i].key, sizeof(after)) < 0);
			after = entries[i].key;
			have = true;
		}
	}
}

/* What is taken for a secret is one, and a walk ends. */
static void check_secrets(struct store *store)
{
	struct varp_combo at = { 0 };
	struct store_secret secret;
	struct varpd_error error;
	unsigned int total = 0;

	while (!store_secret_next(store, &at, &secret, &error)) {
		FUZZ_CHECK(secret.mode > VARP_CHANNEL_PLAIN && secret.mode < VARP_CHANNEL_MODES);
		FUZZ_CHECK(secret.rotate_s >= 1 && secret.rotate_s <= INT32_MAX && total++ < 10000);
		FUZZ_CHECK(memcmp(&secret.combo, &at, sizeof(at)) >= 0);
		at = secret.combo;
		if (!store_combo_advance(&at))
			break;
	}
}

static void change(struct store *store)
{
	struct varp_table_entry entry = { .ttl_s = 60 };
	struct varpd_error error;

	FUZZ_CHECK(!varp_addr_parse("10.1.0.9", &entry.key.vaddr) && !varp_addr_parse("192.0.2.9", &entry.raddr));
	if (store_begin(store, &error))
		return;
	if (store_add(store, &entry, &error) || store_remove(store, &entry.key, &error) ||
	    store_server_set(store, &entry.key.snid, 60, &error))
		store_rollback(store);
	else
		store_commit(store, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct varp_table *table = varp_table_new();
	struct varpd_error error = { "" };
	struct store *store = NULL;

	if (size > FILE_MAX)
		size = FILE_MAX;
	write_file(data, size);
	if (store_open(&store, dir, &error)) {
		FUZZ_CHECK(*error.text);
		check_untouched(data, size);
	} else {
		if (store_load(store, table, &error)) {
			FUZZ_CHECK(*error.text && !varp_table_count(table, NULL));
		} else {
			varp_table_each(table, NULL, visit, NULL);
			check_listing(store);
			check_secrets(store);
			change(store);
		}
		store_close(store);
	}
	varp_table_free(table);
	return 0;
}
