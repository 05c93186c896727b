// SPDX-License-Identifier: BSD-2-Clause
/*
 * Giving privileges away: each case forks, drops them as varpd does, and tries in vain what an
 * intruder would. The user is nobody, who is everywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/varpd/privileges.h"
#include "ctl/varpd/seccomp.h"

#define USER	"nobody"
#define UNLIKE	100	/* exit status: the drop itself failed */

static bool can_drop(void)
{
	return !geteuid();
}

/* What becomes of a child that drops its privileges and does this; its return is the exit status. */
static int after_drop(int (*what)(void))
{
	struct privileges privileges;
	struct varpd_error error;
	int status;
	pid_t pid;

	privileges_find(USER, &privileges);
	pid = fork();
	if (!pid) {
		if (privileges_drop(&privileges, &error)) {
			dprintf(STDERR_FILENO, "# %s\n", error.text);
			_exit(UNLIKE);
		}
		_exit(what());
	}
	waitpid(pid, &status, 0);
	return status;
}

/* 0 if it failed with that, else what it failed with, or 99 for success. */
static int failed_with(long result, int wanted)
{
	if (result >= 0)
		return 99;
	return errno == wanted ? 0 : errno;
}

static int read_shadow(void)
{
	return failed_with(open("/etc/shadow", O_RDONLY), EACCES);
}

static int write_config(void)
{
	return failed_with(open("/etc/passwd", O_WRONLY), EACCES);
}

static int packet_socket(void)
{
	return failed_with(socket(AF_PACKET, SOCK_RAW, 0), EPERM);
}

static int raw_socket(void)
{
	return failed_with(socket(AF_INET, SOCK_RAW, 1), EPERM);
}

static int make_map(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = attr.value_size = 4;
	attr.max_entries = 1;
	return failed_with(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)), EPERM);
}

static int walk_programs(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.start_id = 0;
	return failed_with(syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attr, sizeof(attr)), EPERM);
}

static int do_fork(void)
{
	return failed_with(syscall(SYS_fork), EPERM);
}

static int kill_other(void)
{
	return failed_with(syscall(SYS_kill, getppid(), 0), EPERM);
}

static int do_exec(void)
{
	return execl("/bin/true", "true", NULL);
}

static int do_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, 0, 0);
}

static int do_mount(void)
{
	return mount("none", "/tmp", "tmpfs", 0, NULL);
}

static int do_setuid(void)
{
	return syscall(SYS_setuid, 0);
}

static int do_setns(void)
{
	return syscall(SYS_setns, -1, 0);
}

static int do_unshare(void)
{
	return syscall(SYS_unshare, 0);
}

static int do_load_module(void)
{
	return syscall(SYS_finit_module, -1, "", 0);
}

static int do_read_others_memory(void)
{
	return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static const struct attempt {
	const char *name;
	int (*what)(void);
	bool fatal;	/* no part of varpd does that: its process is ended */
} attempts[] = {
	{ "reading /etc/shadow", read_shadow, false },
	{ "writing /etc/passwd", write_config, false },
	{ "a packet socket", packet_socket, false },
	{ "a raw socket", raw_socket, false },
	{ "walking over others' BPF programs", walk_programs, false },
	{ "a new BPF map", make_map, false },
	{ "fork", do_fork, false },
	{ "a signal to the parent", kill_other, false },
	{ "execve", do_exec, true },
	{ "ptrace", do_ptrace, true },
	{ "mount", do_mount, true },
	{ "setuid", do_setuid, true },
	{ "setns", do_setns, true },
	{ "unshare", do_unshare, true },
	{ "finit_module", do_load_module, true },
	{ "process_vm_readv", do_read_others_memory, true },
};

static void test_drop_then_attempt_fails(void **state)
{
	(void)state;
	if (!can_drop())
		skip();
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		int status = after_drop(attempts[i].what);

		if (attempts[i].fatal ? WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS
				      : WIFEXITED(status) && !WEXITSTATUS(status))
			continue;
		fail_msg("%s: wait status %#x", attempts[i].name, status);
	}
}

static int load_program(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)) < 0 ? errno : 99;
}

/* libbpf from 1.4 on keeps a map's place by one while it opens an object. */
static int make_memory_file(void)
{
	return memfd_create("map", MFD_CLOEXEC) < 0 ? errno : 0;
}

/* Only a helper that was told of a program that answers comes as far as the kernel's own checks. */
static void test_helper_loads_programs_if_told(void **state)
{
	static const struct {
		int (*attempt)(void);
		int told, not_told;
	} rows[] = {
		{ load_program, E2BIG, EPERM },
		{ make_memory_file, 0, EPERM },
	};
	struct varpd_error error;
	int status;

	(void)state;
	if (!can_drop())
		skip();
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		bool xdp = i % 2;
		pid_t pid = fork();

		if (!pid)
			_exit(privileges_limit_helper(xdp, &error) ? UNLIKE : rows[i / 2].attempt());
		waitpid(pid, &status, 0);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), xdp ? rows[i / 2].told : rows[i / 2].not_told);
	}
}

/* One line of /proc/self/status, its value as hexadecimal or decimal. */
static unsigned long long line_of_status(const char *name, int base)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long value = ~0ull;
	size_t len = strlen(name);
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, len) && line[len] == ':')
			value = strtoull(line + len + 1, NULL, base);
	if (file)
		fclose(file);
	return value;
}

static int look_at_status(void)
{
	static const struct {
		const char *name;
		int base;
		unsigned long long value;
	} rows[] = {
		{ "Uid", 10, 65534 },		{ "Gid", 10, 65534 },
		{ "CapInh", 16, 0 },		{ "CapBnd", 16, 0 },
		{ "CapAmb", 16, 0 },		{ "NoNewPrivs", 10, 1 },
		{ "Seccomp", 10, 2 },
	};
	const unsigned long long most = 1ull << 12;	/* NET_ADMIN */

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (line_of_status(rows[i].name, rows[i].base) != rows[i].value)
			return 1 + i;
	if (line_of_status("CapPrm", 16) & ~most)
		return 20;
	return line_of_status("CapEff", 16) & ~most ? 21 : 0;
}

static void test_drop_then_status_shows_it(void **state)
{
	(void)state;
	if (!can_drop())
		skip();
	assert_int_equal(after_drop(look_at_status), 0);
}

static int work_on(void)
{
	int fds[2], tcp = socket(AF_INET, SOCK_STREAM, 0);
	int netlink = socket(AF_NETLINK, SOCK_RAW, 0);
	void *memory = malloc(1 << 20);
	FILE *file = fopen("/etc/passwd", "re");

	if (tcp < 0 || netlink < 0 || !memory || !file || pipe(fds))
		return 1;
	free(memory);
	fclose(file);
	return write(fds[1], "x", 1) == 1 ? 0 : 2;
}

static void test_drop_then_daily_work_goes_on(void **state)
{
	(void)state;
	if (!can_drop())
		skip();
	assert_int_equal(after_drop(work_on), 0);
}

static void test_find_unknown_user_stays(void **state)
{
	struct privileges privileges;

	(void)state;
	if (!can_drop())
		skip();
	privileges_find("nobody-of-this-name", &privileges);
	assert_true(privileges.missing);
	assert_false(privileges.own_user);
	assert_int_equal(privileges.uid, 0);
	assert_string_equal(privileges.user, "root");
}

static uid_t owner_of(const char *dir, const char *name)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return lstat(path, &st) ? (uid_t)-1 : st.st_uid;
}

static void make_file(const char *dir, const char *name)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	close(fd);
}

/* Somebody who had the directory before may have put others' files there by another name. */
static void test_give_takes_no_links(void **state)
{
	char dir[] = "/tmp/varp-give-XXXXXX", from[300], to[300];
	struct privileges privileges;
	struct varpd_error error;

	(void)state;
	if (!can_drop())
		skip();
	assert_non_null(mkdtemp(dir));
	make_file(dir, "plain");
	make_file(dir, "twice");
	snprintf(from, sizeof(from), "%s/twice", dir);
	snprintf(to, sizeof(to), "%s/hard", dir);
	assert_int_equal(link(from, to), 0);
	snprintf(to, sizeof(to), "%s/soft", dir);
	assert_int_equal(symlink("/etc/shadow", to), 0);

	privileges_find(USER, &privileges);
	assert_int_equal(privileges_give(&privileges, dir, &error), 0);
	assert_int_equal(owner_of(dir, "."), privileges.uid);
	assert_int_equal(owner_of(dir, "plain"), privileges.uid);
	assert_int_equal(owner_of(dir, "hard"), 0);
	assert_int_equal(owner_of(dir, "soft"), 0);
	assert_int_equal(owner_of("/etc", "shadow"), 0);

	for (const char *const *name = (const char *const[]){ "plain", "twice", "hard", "soft", NULL };
	     *name; name++) {
		snprintf(from, sizeof(from), "%s/%s", dir, *name);
		unlink(from);
	}
	rmdir(dir);
}

static mode_t mode_of(const char *dir, const char *name)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return lstat(path, &st) ? 0 : st.st_mode & 07777;
}

/* An authority may keep its files, and its key, where a host's are. */
static void test_share_only_what_is_read(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
	} rows[] = {
		{ "ca.crt", 0640 }, { "host.crt", 0640 }, { "host.key", 0640 }, { "revoked.crl", 0640 },
		{ "ca.key", 0600 }, { "index.txt", 0600 }, { "psk/x.psk", 0600 },
		{ "psk/0x00000000000000000010.psk", 0640 }, { "psk/0x00000000000000000010.old", 0600 },
	};
	char dir[] = "/tmp/varp-share-XXXXXX", psk[300];
	struct privileges privileges;

	(void)state;
	privileges_find("daemon", &privileges);
	if (!can_drop() || privileges.missing)
		skip();
	assert_non_null(mkdtemp(dir));
	snprintf(psk, sizeof(psk), "%s/psk", dir);
	assert_int_equal(mkdir(psk, 0700), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		make_file(dir, rows[i].name);
	privileges_share(&privileges, dir);
	assert_int_equal(mode_of(dir, "."), 02750);
	assert_int_equal(mode_of(dir, "psk"), 02750);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[400];

		if (mode_of(dir, rows[i].name) != rows[i].mode)
			fail_msg("%s: mode %o", rows[i].name, mode_of(dir, rows[i].name));
		snprintf(path, sizeof(path), "%s/%s", dir, rows[i].name);
		unlink(path);
	}
	rmdir(psk);
	rmdir(dir);
}

int main(void)
{
	/* LeakSanitizer needs what is forbidden, so a build with sanitizers does without the filter. */
#ifdef __SANITIZE_ADDRESS__
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop_then_daily_work_goes_on),
		cmocka_unit_test(test_find_unknown_user_stays),
		cmocka_unit_test(test_give_takes_no_links),
		cmocka_unit_test(test_share_only_what_is_read),
	};
	(void)test_drop_then_attempt_fails;
	(void)test_drop_then_status_shows_it;
	(void)test_helper_loads_programs_if_told;
#else
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop_then_attempt_fails),
		cmocka_unit_test(test_drop_then_status_shows_it),
		cmocka_unit_test(test_drop_then_daily_work_goes_on),
		cmocka_unit_test(test_helper_loads_programs_if_told),
		cmocka_unit_test(test_find_unknown_user_stays),
		cmocka_unit_test(test_give_takes_no_links),
		cmocka_unit_test(test_share_only_what_is_read),
	};
#endif

	return cmocka_run_group_tests(tests, NULL, NULL);
}
