// SPDX-License-Identifier: BSD-2-Clause
/*
 * The durable store: what was committed is there again, what was not is not, and a file that is
 * damaged, strange or newer is refused and left as it is, octet by octet.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "addr.h"
#include "ctl/varpd/store.h"

static char dir[64], db[80], wal[80];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/varp-test-store-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(db, sizeof(db), "%s/varp.db", dir);
	snprintf(wal, sizeof(wal), "%s/varp.db-wal", dir);
	return 0;
}

static int remove_dir(void **state)
{
	static const char *const names[] = { "varp.db", "varp.db-wal", "varp.db-shm", "varp.lock" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static struct store *open_ok(void)
{
	struct varpd_error error = { "" };
	struct store *store = NULL;

	if (store_open(&store, dir, &error))
		fail_msg("cannot open: %s", error.text);
	return store;
}

static struct varp_table_entry mapping(const char *snid, const char *vaddr, const char *raddr,
				       int32_t ttl_s)
{
	struct varp_table_entry entry;

	memset(&entry, 0, sizeof(entry));
	assert_int_equal(varp_snid_parse(snid, &entry.key.snid), 0);
	assert_int_equal(varp_addr_parse(vaddr, &entry.key.vaddr), 0);
	assert_int_equal(varp_addr_parse(raddr, &entry.raddr), 0);
	entry.ttl_s = ttl_s;
	return entry;
}

static void add(struct store *store, const char *snid, const char *vaddr, const char *raddr,
		int32_t ttl_s)
{
	struct varp_table_entry entry = mapping(snid, vaddr, raddr, ttl_s);

	assert_int_equal(store_add(store, &entry, NULL), 0);
}

static struct varp_table *load(struct store *store)
{
	struct varpd_error error = { "" };
	struct varp_table *table = varp_table_new();

	assert_non_null(table);
	if (store_load(store, table, &error))
		fail_msg("cannot load: %s", error.text);
	return table;
}

/* raddr and ttl of a mapping as text, "none" if there is none. */
static const char *found(const struct varp_table *table, const char *snid, const char *vaddr)
{
	static char text[80];
	struct varp_table_entry wanted = mapping(snid, vaddr, "192.0.2.1", 1);
	const struct varp_table_entry *entry = varp_table_find(table, &wanted.key);
	char raddr[VARP_ADDR_TEXT];

	if (!entry)
		return "none";
	snprintf(text, sizeof(text), "%s %d", varp_addr_format(&entry->raddr, raddr), entry->ttl_s);
	return text;
}

static void test_store_committed_changes_are_read_back(void **state)
{
	struct varp_snid one, two;
	struct store *store = open_ok();
	struct varp_table *table;
	struct varp_table_entry gone = mapping("0x1", "10.0.0.2", "192.0.2.2", 1);
	int32_t ttl_s = 0;

	(void)state;
	varp_snid_parse("0x1", &one);
	varp_snid_parse("0x2", &two);
	assert_int_equal(store_begin(store, NULL), 0);
	add(store, "0x1", "10.0.0.1", "192.0.2.1", VARPDB_TTL_ALWAYS);
	add(store, "0x1", "10.0.0.2", "192.0.2.2", 100);
	add(store, "0x1", "10.0.0.1", "192.0.2.7", 65536);
	add(store, "0x2", "10.0.0.1", "2001:db8::1", 1);
	add(store, "0x3", "fd00::1", "192.0.2.3", VARPDB_TTL_ALWAYS);
	assert_int_equal(store_remove(store, &gone.key, NULL), 0);
	assert_int_equal(store_remove(store, &gone.key, NULL), -ENOENT);
	assert_int_equal(store_server_set(store, &one, 30, NULL), 0);
	assert_int_equal(store_server_set(store, &one, 900, NULL), 0);
	assert_int_equal(store_server_set(store, &two, 1, NULL), 0);
	assert_int_equal(store_server_clear(store, &two, NULL), 0);
	assert_int_equal(store_server_clear(store, &two, NULL), -ENOENT);
	assert_int_equal(store_commit(store, NULL), 0);
	store_close(store);

	store = open_ok();
	table = load(store);
	assert_int_equal(varp_table_count(table, NULL), 3);
	assert_string_equal(found(table, "0x1", "10.0.0.1"), "192.0.2.7 65536");
	assert_string_equal(found(table, "0x1", "10.0.0.2"), "none");
	assert_string_equal(found(table, "0x2", "10.0.0.1"), "2001:db8::1 1");
	assert_string_equal(found(table, "0x3", "fd00::1"), "192.0.2.3 -1");
	assert_true(varp_table_serves(table, &one, &ttl_s));
	assert_int_equal(ttl_s, 900);
	assert_false(varp_table_serves(table, &two, NULL));
	varp_table_free(table);
	store_close(store);
}

static void test_store_load_replaces_what_the_table_has(void **state)
{
	struct varp_table_entry other = mapping("0x9", "10.9.9.9", "192.0.2.9", 9);
	struct store *store = open_ok();
	struct varp_table *table = varp_table_new();

	(void)state;
	assert_int_equal(varp_table_add(table, &other), 0);
	assert_int_equal(store_load(store, table, NULL), 0);
	assert_int_equal(varp_table_count(table, NULL), 0);
	varp_table_free(table);
	store_close(store);
}

static void test_store_rolled_back_and_unfinished_changes_are_gone(void **state)
{
	struct store *store = open_ok();
	struct varp_table *table;

	(void)state;
	assert_int_equal(store_begin(store, NULL), 0);
	add(store, "0x1", "10.0.0.1", "192.0.2.1", 1);
	store_rollback(store);
	store_rollback(store);	/* without a transaction: nothing */
	assert_int_equal(store_begin(store, NULL), 0);
	add(store, "0x1", "10.0.0.2", "192.0.2.1", 1);
	store_close(store);

	store = open_ok();
	table = load(store);
	assert_int_equal(varp_table_count(table, NULL), 0);
	varp_table_free(table);
	store_close(store);
}

static void test_store_clear_empties_all(void **state)
{
	struct varp_snid one;
	struct store *store = open_ok();
	struct varp_table *table;

	(void)state;
	varp_snid_parse("0x1", &one);
	assert_int_equal(store_begin(store, NULL), 0);
	add(store, "0x1", "10.0.0.1", "192.0.2.1", 1);
	assert_int_equal(store_server_set(store, &one, 30, NULL), 0);
	assert_int_equal(store_commit(store, NULL), 0);
	assert_int_equal(store_begin(store, NULL), 0);
	assert_int_equal(store_clear(store, NULL), 0);
	assert_int_equal(store_commit(store, NULL), 0);
	table = load(store);
	assert_int_equal(varp_table_count(table, NULL), 0);
	assert_false(varp_table_serves(table, &one, NULL));
	varp_table_free(table);
	store_close(store);
}

/* Commands of one transaction act in the order they came, however they are written. */
static void test_store_changes_of_a_transaction_keep_their_order(void **state)
{
	struct varp_table_entry first = mapping("0x1", "10.0.0.1", "192.0.2.1", 1);
	struct store *store = open_ok();
	struct varp_table *table;

	(void)state;
	assert_int_equal(store_begin(store, NULL), 0);
	add(store, "0x2", "10.0.0.9", "192.0.2.1", 1);
	assert_int_equal(store_clear(store, NULL), 0);
	add(store, "0x1", "10.0.0.1", "192.0.2.1", 1);
	assert_int_equal(store_remove(store, &first.key, NULL), 0);
	assert_int_equal(store_remove(store, &first.key, NULL), -ENOENT);
	add(store, "0x3", "10.0.0.3", "192.0.2.3", 3);
	add(store, "0x1", "10.0.0.1", "192.0.2.2", 2);
	add(store, "0x1", "10.0.0.0", "192.0.2.2", 4);
	add(store, "0x1", "10.0.0.1", "192.0.2.3", 3);
	assert_int_equal(store_commit(store, NULL), 0);
	assert_int_equal(store_begin(store, NULL), 0);
	add(store, "0x4", "10.0.0.4", "192.0.2.4", 4);
	store_rollback(store);
	assert_int_equal(store_begin(store, NULL), 0);
	assert_int_equal(store_commit(store, NULL), 0);

	table = load(store);
	assert_int_equal(varp_table_count(table, NULL), 3);
	assert_string_equal(found(table, "0x1", "10.0.0.1"), "192.0.2.3 3");
	assert_string_equal(found(table, "0x1", "10.0.0.0"), "192.0.2.2 4");
	assert_string_equal(found(table, "0x3", "10.0.0.3"), "192.0.2.3 3");
	varp_table_free(table);
	store_close(store);
}

/* More than is gathered, backwards, some of them twice. */
static void test_store_large_transaction_is_all_there(void **state)
{
	enum { COUNT = 40000 };
	struct store *store = open_ok();
	struct varp_table *table;
	char vaddr[32];

	(void)state;
	assert_int_equal(store_begin(store, NULL), 0);
	for (int i = COUNT; i > 0; i--) {
		snprintf(vaddr, sizeof(vaddr), "10.1.%d.%d", i >> 8, i & 255);
		add(store, i % 7 ? "0x1" : "0x2", vaddr, "192.0.2.1", 1);
		if (i % 3 == 0)
			add(store, i % 7 ? "0x1" : "0x2", vaddr, "192.0.2.2", 2);
	}
	assert_int_equal(store_commit(store, NULL), 0);
	store_close(store);

	store = open_ok();
	table = load(store);
	assert_int_equal(varp_table_count(table, NULL), COUNT);
	for (int i = 1; i <= COUNT; i++) {
		snprintf(vaddr, sizeof(vaddr), "10.1.%d.%d", i >> 8, i & 255);
		assert_string_equal(found(table, i % 7 ? "0x1" : "0x2", vaddr),
				    i % 3 ? "192.0.2.1 1" : "192.0.2.2 2");
	}
	varp_table_free(table);
	store_close(store);
}

static void test_store_killed_after_commit_has_everything(void **state)
{
	struct varp_table *table;
	struct store *store;
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (!child) {
		char vaddr[32];

		if (store_open(&store, dir, NULL))
			_exit(1);
		for (int i = 0; i < 1000; i++) {
			struct varp_table_entry entry;

			snprintf(vaddr, sizeof(vaddr), "10.0.%d.%d", i / 250, i % 250 + 1);
			entry = mapping("0x1", vaddr, "192.0.2.1", i + 1);
			if (i % 100 == 0 && store_begin(store, NULL))
				_exit(2);
			if (store_add(store, &entry, NULL))
				_exit(3);
			if (i % 100 == 99 && i < 999 && store_commit(store, NULL))
				_exit(4);
		}
		kill(getpid(), SIGKILL);	/* the last hundred were never committed */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	store = open_ok();
	table = load(store);
	assert_int_equal(varp_table_count(table, NULL), 900);
	assert_string_equal(found(table, "0x1", "10.0.3.150"), "192.0.2.1 900");
	assert_string_equal(found(table, "0x1", "10.0.3.151"), "none");
	varp_table_free(table);
	store_close(store);
}

static void test_store_next_lists_in_order_and_by_supernet(void **state)
{
	struct varp_table_entry entries[7];
	struct varp_key after;
	struct varp_snid two;
	struct store *store = open_ok();
	unsigned int count, total = 0;
	char vaddr[32];
	bool started = false;

	(void)state;
	varp_snid_parse("0x2", &two);
	assert_int_equal(store_begin(store, NULL), 0);
	for (int i = 29; i >= 0; i--) {
		snprintf(vaddr, sizeof(vaddr), "10.0.0.%d", i + 1);
		add(store, i % 3 ? "0x2" : i % 2 ? "0x1" : "0x3", vaddr, "192.0.2.1", 1);
	}
	assert_int_equal(store_commit(store, NULL), 0);
	for (;;) {
		assert_int_equal(store_next(store, NULL, started ? &after : NULL, entries, 7,
					    &count, NULL), 0);
		if (!count)
			break;
		for (unsigned int i = 0; i < count; i++) {
			if (started)
				assert_true(memcmp(&after, &entries[i].key, sizeof(after)) < 0);
			after = entries[i].key;
			started = true;
		}
		total += count;
	}
	assert_int_equal(total, 30);
	total = 0;
	started = false;
	do {
		assert_int_equal(store_next(store, &two, started ? &after : NULL, entries, 7,
					    &count, NULL), 0);
		for (unsigned int i = 0; i < count; i++) {
			assert_true(varp_snid_equal(&entries[i].key.snid, &two));
			after = entries[i].key;
			started = true;
		}
		total += count;
	} while (count);
	assert_int_equal(total, 20);
	store_close(store);
}

static void test_store_directory_in_use_is_refused(void **state)
{
	struct varpd_error error = { "" };
	struct store *store = open_ok(), *second;

	(void)state;
	assert_int_equal(store_open(&second, dir, &error), -EBUSY);
	assert_non_null(strstr(error.text, "another varpd"));
	assert_non_null(strstr(error.text, dir));
	store_close(store);
	store = open_ok();
	store_close(store);
}

static void test_store_directory_is_made_with_its_parents(void **state)
{
	char deep[128], path[160];
	struct store *store;

	(void)state;
	snprintf(deep, sizeof(deep), "%s/a/b", dir);
	assert_int_equal(store_open(&store, deep, NULL), 0);
	store_close(store);
	snprintf(path, sizeof(path), "%s/varp.db", deep);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/varp.lock", deep);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(deep), 0);
	snprintf(path, sizeof(path), "%s/a", dir);
	assert_int_equal(rmdir(path), 0);
}

static void test_store_directory_that_is_a_file_is_refused(void **state)
{
	struct varpd_error error = { "" };
	struct store *store;
	char path[128];

	(void)state;
	store_close(open_ok());
	snprintf(path, sizeof(path), "%s/x", db);
	assert_int_equal(store_open(&store, path, &error), -ENOTDIR);
	assert_non_null(strstr(error.text, db));
}

/* What a link names must be neither read nor written, nor have its mode changed. */
static void test_store_symbolic_links_are_not_followed(void **state)
{
	static const char *const names[] = {
		"varp.db", "varp.db-wal", "varp.db-shm", "varp.db-journal", "varp.lock",
	};
	char target[] = "/tmp/varp-test-target-XXXXXX", path[128];
	int fd = mkstemp(target);
	struct stat st;

	(void)state;
	assert_true(fd >= 0 && !fchmod(fd, 0644));
	for (size_t i = 0; i < 2 * sizeof(names) / sizeof(names[0]); i++) {
		struct varpd_error error = { "" };
		struct store *store = NULL;

		/* To a file, and to one that would be made. */
		snprintf(path, sizeof(path), "%s/%s", dir, names[i / 2]);
		unlink(path);	/* a lock of one of the others */
		if (i % 2)
			assert_int_equal(symlink(target, path), 0);
		else
			assert_int_equal(symlink("/tmp/varp-test-target-none", path), 0);
		if (store_open(&store, dir, &error) != -ELOOP)
			fail_msg("%s: %s", names[i / 2], error.text);
		assert_non_null(strstr(error.text, path));
		assert_non_null(strstr(error.text, "symbolic link"));
		assert_int_equal(unlink(path), 0);
		assert_int_equal(access("/tmp/varp-test-target-none", F_OK), -1);
	}
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	close(fd);
	unlink(target);
}

/* The way to the directory is its administrator's. */
static void test_store_directory_may_be_a_symbolic_link(void **state)
{
	char link[128];
	struct store *store;

	(void)state;
	snprintf(link, sizeof(link), "%s-link", dir);
	assert_int_equal(symlink(dir, link), 0);
	assert_int_equal(store_open(&store, link, NULL), 0);
	store_close(store);
	assert_int_equal(access(db, F_OK), 0);
	assert_int_equal(unlink(link), 0);
}

/* --- Damage. Each row spoils a good database; the file must be refused and stay as it is --- */

static void run_sql(const char *sql)
{
	sqlite3 *handle;

	assert_int_equal(sqlite3_open(db, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static void overwrite(off_t offset, const void *data, size_t len)
{
	int fd = open(db, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, offset), len);
	close(fd);
}

static void spoil_garbage(void)
{
	char noise[65536];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = rand();
	overwrite(0, noise, sizeof(noise));
}

static void spoil_truncated(void)
{
	struct stat st;

	assert_int_equal(stat(db, &st), 0);
	assert_int_equal(truncate(db, st.st_size / 2), 0);
}

static void spoil_page(void)
{
	char noise[4096];

	memset(noise, 0x5a, sizeof(noise));
	overwrite(3 * 4096, noise, sizeof(noise));
}

/* Each page by itself is whole. */
static void spoil_swapped(void)
{
	char one[4096], two[4096];
	int fd = open(db, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, one, sizeof(one), 5 * 4096), sizeof(one));
	assert_int_equal(pread(fd, two, sizeof(two), 6 * 4096), sizeof(two));
	close(fd);
	overwrite(5 * 4096, two, sizeof(two));
	overwrite(6 * 4096, one, sizeof(one));
}

static void spoil_emptied(void)
{
	int fd = open(wal, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0 && write(fd, "log", 3) == 3);
	close(fd);
	assert_int_equal(truncate(db, 0), 0);
}

/* As a varpd wrote it that knew of no secrets. */
static void make_schema_2(void)
{
	run_sql("DROP TABLE secrets; PRAGMA user_version=2");
}

/* As one wrote it that knew of no channels either. */
static void make_schema_1(void)
{
	make_schema_2();
	run_sql("DROP TABLE channels; PRAGMA user_version=1");
}

static struct store_channel channel_of(const char *snid, uint8_t chid, uint32_t mode, unsigned int count)
{
	struct store_channel channel;

	memset(&channel, 0, sizeof(channel));
	assert_int_equal(varp_snid_parse(snid, &channel.combo.snid), 0);
	channel.combo.chid.b[5] = chid;
	channel.mode = mode;
	channel.count = count;
	for (unsigned int i = 0; i < count; i++) {
		channel.epochs[i].number = UINT32_MAX - 1 + i;
		channel.epochs[i].begins_ms = 1700000000000 + 1000 * i;
		memset(channel.epochs[i].key, chid + i, VARP_CHANNEL_KEY_LEN);
	}
	return channel;
}

static void test_channels_survive_and_go_with_their_supernet(void **state)
{
	struct store_channel one = channel_of("0x10", 1, VARP_CHANNEL_AEAD, 4);
	struct store_channel two = channel_of("0x10", 2, VARP_CHANNEL_PLAIN, 0);
	struct store_channel got, none = channel_of("0x11", 1, VARP_CHANNEL_AUTH, 1);
	struct store *store = open_ok();
	struct varp_combo first = { 0 };
	struct stat st;

	(void)state;
	one.wanted = true;
	assert_int_equal(store_begin(store, NULL), 0);
	assert_int_equal(store_server_set(store, &one.combo.snid, 900, NULL), 0);
	assert_int_equal(store_channel_put(store, &one, 2, NULL), 0);
	assert_int_equal(store_channel_put(store, &two, 2, NULL), 0);
	assert_int_equal(store_channel_put(store, &one, 2, NULL), 0);	/* is no third one */
	assert_int_equal(store_channel_put(store, &none, 2, NULL), -ENOENT);	/* not served */
	none = channel_of("0x10", 3, VARP_CHANNEL_AUTH, 1);
	assert_int_equal(store_channel_put(store, &none, 2, NULL), -E2BIG);
	assert_int_equal(store_commit(store, NULL), 0);
	store_close(store);
	assert_int_equal(stat(db, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(chmod(db, 0644), 0);
	store = open_ok();
	assert_int_equal(stat(db, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(store_channel_next(store, &first, &got, NULL), 0);
	assert_memory_equal(&got.combo, &one.combo, sizeof(got.combo));
	assert_true(got.wanted && got.count == 4 && got.mode == VARP_CHANNEL_AEAD);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(got.epochs[i].number, one.epochs[i].number);
		assert_int_equal(got.epochs[i].begins_ms, one.epochs[i].begins_ms);
		assert_memory_equal(got.epochs[i].key, one.epochs[i].key, VARP_CHANNEL_KEY_LEN);
	}
	assert_int_equal(store_channel_get(store, &two.combo, &got, NULL), 0);
	assert_true(!got.wanted && !got.count && got.mode == VARP_CHANNEL_PLAIN);
	assert_int_equal(store_channel_get(store, &none.combo, &got, NULL), -ENOENT);
	assert_int_equal(store_begin(store, NULL), 0);
	assert_int_equal(store_server_clear(store, &one.combo.snid, NULL), 0);
	assert_int_equal(store_commit(store, NULL), 0);
	assert_int_equal(store_channel_next(store, &first, &got, NULL), -ENOENT);
	store_close(store);
}

static void test_channels_damaged_are_refused(void **state)
{
	static const char *const rows[] = {
		"UPDATE channels SET mode = 3",
		"UPDATE channels SET mode = 0",
		"UPDATE channels SET mode = 'auth'",
		"UPDATE channels SET epochs = x''",
		"UPDATE channels SET epochs = substr(epochs, 2)",
		"UPDATE channels SET epochs = epochs || epochs",
		"UPDATE channels SET epochs = zeroblob(5 * 44)",
		"UPDATE channels SET epochs = x'00000001' || x'ffffffffffffffff' || zeroblob(32)",
		"UPDATE channels SET chid = x'0102'",
	};
	struct store_channel one = channel_of("0x10", 1, VARP_CHANNEL_AUTH, 2), got;
	struct varp_combo first = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct varpd_error error = { "" };
		struct store *store = open_ok();

		assert_int_equal(store_begin(store, NULL), 0);
		assert_int_equal(store_clear(store, NULL), 0);
		assert_int_equal(store_server_set(store, &one.combo.snid, 900, NULL), 0);
		assert_int_equal(store_channel_put(store, &one, 2, NULL), 0);
		assert_int_equal(store_commit(store, NULL), 0);
		store_close(store);
		run_sql(rows[i]);
		store = open_ok();
		if (store_channel_next(store, &first, &got, &error) != -EUCLEAN)
			fail_msg("%s", rows[i]);
		assert_non_null(strstr(error.text, "no channel"));
		store_close(store);
	}
}

static struct store_secret secret_of(const char *snid, uint8_t chid, uint32_t mode, uint32_t rotate_s)
{
	struct store_secret secret;

	memset(&secret, 0, sizeof(secret));
	assert_int_equal(varp_snid_parse(snid, &secret.combo.snid), 0);
	secret.combo.chid.b[5] = chid;
	secret.mode = mode;
	secret.rotate_s = rotate_s;
	memset(secret.secret, chid + 0x40, sizeof(secret.secret));
	return secret;
}

static void put_secret(struct store *store, const struct store_secret *secret)
{
	assert_int_equal(store_begin(store, NULL), 0);
	assert_int_equal(store_secret_put(store, secret, NULL), 0);
	assert_int_equal(store_commit(store, NULL), 0);
}

static void check_secret(const struct store_secret *got, const struct store_secret *wanted)
{
	assert_memory_equal(&got->combo, &wanted->combo, sizeof(got->combo));
	assert_int_equal(got->mode, wanted->mode);
	assert_int_equal(got->rotate_s, wanted->rotate_s);
	assert_memory_equal(got->secret, wanted->secret, sizeof(got->secret));
}

/* Neither served supernets nor varpd_init have anything to do with them. */
static void test_secrets_survive_and_go_one_by_one(void **state)
{
	struct store_secret one = secret_of("0x10", 1, VARP_CHANNEL_AEAD, 3600), got;
	struct store_secret two = secret_of("0x10", 2, VARP_CHANNEL_AUTH, 4);
	struct store *store = open_ok();
	struct varp_combo at = { 0 };

	(void)state;
	put_secret(store, &two);
	put_secret(store, &one);
	two.rotate_s = 30 * 24 * 3600;
	put_secret(store, &two);
	assert_int_equal(store_begin(store, NULL), 0);
	assert_int_equal(store_server_set(store, &one.combo.snid, 900, NULL), 0);
	assert_int_equal(store_server_clear(store, &one.combo.snid, NULL), 0);
	assert_int_equal(store_clear(store, NULL), 0);
	assert_int_equal(store_commit(store, NULL), 0);
	store_close(store);
	store = open_ok();
	assert_int_equal(store_secret_next(store, &at, &got, NULL), 0);
	check_secret(&got, &one);
	at = got.combo;
	assert_true(store_combo_advance(&at));
	assert_int_equal(store_secret_next(store, &at, &got, NULL), 0);
	check_secret(&got, &two);
	at = got.combo;
	assert_true(store_combo_advance(&at));
	assert_int_equal(store_secret_next(store, &at, &got, NULL), -ENOENT);
	assert_int_equal(store_begin(store, NULL), 0);
	assert_int_equal(store_secret_remove(store, &one.combo, NULL), 0);
	assert_int_equal(store_secret_remove(store, &one.combo, NULL), -ENOENT);
	assert_int_equal(store_commit(store, NULL), 0);
	assert_int_equal(store_secret_get(store, &one.combo, &got, NULL), -ENOENT);
	assert_int_equal(store_secret_get(store, &two.combo, &got, NULL), 0);
	store_close(store);
}

static void test_secrets_damaged_are_refused(void **state)
{
	static const char *const rows[] = {
		"UPDATE secrets SET mode = 0",
		"UPDATE secrets SET mode = 3",
		"UPDATE secrets SET mode = 'auth'",
		"UPDATE secrets SET rotate = 0",
		"UPDATE secrets SET rotate = 4294967296",
		"UPDATE secrets SET rotate = 'hourly'",
		"UPDATE secrets SET secret = x''",
		"UPDATE secrets SET secret = zeroblob(31)",
		"UPDATE secrets SET secret = zeroblob(33)",
		"UPDATE secrets SET secret = '12345678901234567890123456789012'",
		"UPDATE secrets SET snid = x'01'",
		"UPDATE secrets SET chid = x'0102'",
	};
	struct store_secret one = secret_of("0x10", 1, VARP_CHANNEL_AUTH, 60), got;
	struct varp_combo first = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct varpd_error error = { "" };
		struct store *store = open_ok();

		put_secret(store, &one);
		store_close(store);
		run_sql(rows[i]);
		store = open_ok();
		if (store_secret_next(store, &first, &got, &error) != -EUCLEAN)
			fail_msg("%s", rows[i]);
		assert_non_null(strstr(error.text, "no channel's secret"));
		store_close(store);
		run_sql("DELETE FROM secrets");
	}
}

/* What was there before stays, and what came later can be used, also the next time. */
static void check_upgrade(void (*make_old)(void), bool has_channels)
{
	struct store_channel one = channel_of("0x10", 1, VARP_CHANNEL_AUTH, 1), got;
	struct store_secret secret = secret_of("0x10", 1, VARP_CHANNEL_AUTH, 60), known;
	struct store *store = open_ok();

	assert_int_equal(store_begin(store, NULL), 0);
	assert_int_equal(store_server_set(store, &one.combo.snid, 900, NULL), 0);
	assert_int_equal(store_channel_put(store, &one, 1, NULL), 0);
	assert_int_equal(store_commit(store, NULL), 0);
	store_close(store);
	make_old();
	for (int i = 0; i < 2; i++) {
		store = open_ok();
		if (!i)
			assert_int_equal(store_channel_get(store, &one.combo, &got, NULL),
					 has_channels ? 0 : -ENOENT);
		assert_int_equal(store_begin(store, NULL), 0);
		assert_int_equal(store_channel_put(store, &one, 1, NULL), 0);	/* served, as before */
		assert_int_equal(store_commit(store, NULL), 0);
		put_secret(store, &secret);
		store_close(store);
	}
	store = open_ok();
	assert_int_equal(store_channel_get(store, &one.combo, &got, NULL), 0);
	assert_int_equal(store_secret_get(store, &secret.combo, &known, NULL), 0);
	store_close(store);
}

static void test_schema_1_is_upgraded(void **state)
{
	(void)state;
	check_upgrade(make_schema_1, false);
}

static void test_schema_2_is_upgraded(void **state)
{
	(void)state;
	check_upgrade(make_schema_2, true);
}

static void spoil_newer(void)
{
	run_sql("PRAGMA user_version=4");
}

static void spoil_older_table(void)
{
	make_schema_2();
	run_sql("DROP TABLE channels; CREATE TABLE channels (snid BLOB)");
}

static void spoil_older(void)
{
	run_sql("PRAGMA user_version=0");
}

static void spoil_application(void)
{
	run_sql("PRAGMA application_id=7");
}

static void spoil_table(void)
{
	run_sql("DROP TABLE supernet");
}

static void spoil_short_key(void)
{
	run_sql("INSERT INTO mapping VALUES (x'01', x'02', x'03', 5)");
}

static void spoil_text_key(void)
{
	run_sql("UPDATE mapping SET raddr = '1234567890123456'");
}

static void spoil_ttl(void)
{
	run_sql("UPDATE mapping SET ttl = 0");
}

static void spoil_ttl_type(void)
{
	run_sql("UPDATE mapping SET ttl = 'long'");
}

static void spoil_multicast(void)
{
	run_sql("UPDATE mapping SET raddr = x'ff020000000000000000000000000001'");
}

static void spoil_server_ttl(void)
{
	run_sql("INSERT INTO supernet VALUES (x'00000000000000000009', -1)");
}

static const struct {
	const char *name;
	void (*spoil)(void);
	int result;
	const char *says;
} damages[] = {
	{ "garbage", spoil_garbage, -EUCLEAN, "damaged" },
	{ "truncated", spoil_truncated, -EUCLEAN, "damaged" },
	{ "overwritten page", spoil_page, -EUCLEAN, "damaged" },
	{ "two pages swapped", spoil_swapped, -EUCLEAN, "restore it from a backup" },
	{ "emptied with a log beside", spoil_emptied, -EUCLEAN, "damaged" },
	{ "newer schema", spoil_newer, -EPROTO, "newer varpd" },
	{ "unknown schema", spoil_older, -EUCLEAN, "unknown schema" },
	{ "another program's", spoil_application, -EUCLEAN, "not varpd's" },
	{ "table missing", spoil_table, -EUCLEAN, "damaged" },
	{ "older, with another table", spoil_older_table, -EUCLEAN, "damaged" },
	{ "key too short", spoil_short_key, -EUCLEAN, "row" },
	{ "address is text", spoil_text_key, -EUCLEAN, "row" },
	{ "ttl out of range", spoil_ttl, -EUCLEAN, "row" },
	{ "ttl is text", spoil_ttl_type, -EUCLEAN, "row" },
	{ "raddr is multicast", spoil_multicast, -EUCLEAN, "row" },
	{ "server's default ttl", spoil_server_ttl, -EUCLEAN, "row" },
};

static char *contents(size_t *len)
{
	struct stat st;
	char *data;
	int fd = open(db, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	data = malloc(st.st_size + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, st.st_size), st.st_size);
	close(fd);
	*len = st.st_size;
	return data;
}

static void check_damage(const char *name, int result, const char *says)
{
	struct varp_table *table = varp_table_new();
	struct varpd_error error = { "" };
	struct store *store = NULL;
	size_t before_len, after_len;
	char *before = contents(&before_len), *after;
	int err = store_open(&store, dir, &error);

	if (!err) {
		err = store_load(store, table, &error);
		store_close(store);
	}
	if (err != result || !strstr(error.text, says) || !strstr(error.text, db))
		fail_msg("%s: result %d (%s), wanted %d and '%s'", name, err, error.text, result,
			 says);
	assert_int_equal(varp_table_count(table, NULL), 0);
	after = contents(&after_len);
	if (before_len != after_len || memcmp(before, after, before_len))
		fail_msg("%s: the file was changed", name);
	varp_table_free(table);
	free(before);
	free(after);
}

static void test_store_damaged_file_is_refused_and_left_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct store *store = open_ok();
		char vaddr[32];

		assert_int_equal(store_begin(store, NULL), 0);
		for (int n = 0; n < 2000; n++) {
			snprintf(vaddr, sizeof(vaddr), "10.0.%d.%d", n / 200, n % 200 + 1);
			add(store, "0x1", vaddr, "192.0.2.1", 5);
		}
		assert_int_equal(store_commit(store, NULL), 0);
		store_close(store);
		damages[i].spoil();
		check_damage(damages[i].name, damages[i].result, damages[i].says);
		remove_dir(NULL);
		assert_int_equal(mkdir(dir, 0700), 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		TEST(test_channels_survive_and_go_with_their_supernet),
		TEST(test_channels_damaged_are_refused),
		TEST(test_secrets_survive_and_go_one_by_one),
		TEST(test_secrets_damaged_are_refused),
		TEST(test_schema_1_is_upgraded),
		TEST(test_schema_2_is_upgraded),
		TEST(test_store_committed_changes_are_read_back),
		TEST(test_store_load_replaces_what_the_table_has),
		TEST(test_store_rolled_back_and_unfinished_changes_are_gone),
		TEST(test_store_clear_empties_all),
		TEST(test_store_changes_of_a_transaction_keep_their_order),
		TEST(test_store_large_transaction_is_all_there),
		TEST(test_store_killed_after_commit_has_everything),
		TEST(test_store_next_lists_in_order_and_by_supernet),
		TEST(test_store_directory_in_use_is_refused),
		TEST(test_store_directory_is_made_with_its_parents),
		TEST(test_store_directory_that_is_a_file_is_refused),
		TEST(test_store_symbolic_links_are_not_followed),
		TEST(test_store_directory_may_be_a_symbolic_link),
		TEST(test_store_damaged_file_is_refused_and_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
