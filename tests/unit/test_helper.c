// SPDX-License-Identifier: BSD-2-Clause
/*
 * The helper process: what it does, and that it refuses the rest whoever asks. The real process is
 * forked, with the privileges that it keeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/varpd/helper_internal.h"

static char dir[] = "/tmp/varp-helper-XXXXXX";
static char config[64], key[64], outside[64], fifo[64];

static void make(char *path, const char *name, mode_t mode)
{
	int fd;

	snprintf(path, 64, "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, name, strlen(name)), strlen(name));
	close(fd);
}

static int set_up(void **state)
{
	struct varpd_error error;
	char credentials[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	make(config, "varpd.conf", 0600);
	make(outside, "outside", 0644);
	snprintf(credentials, sizeof(credentials), "%s/pki", dir);
	assert_int_equal(mkdir(credentials, 0700), 0);
	make(key, "pki/host.key", 0600);
	snprintf(fifo, sizeof(fifo), "%s/pki/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	return helper_start(&(struct helper_setup){ "none-of-this-name", config, credentials, false },
			    &error);
}

/* Another helper, which was told that there is a program that answers. */
static void restart_with_xdp(void)
{
	struct varpd_error error;

	helper_stop();
	assert_int_equal(helper_start(&(struct helper_setup){ "none-of-this-name", config, dir, true },
				      &error), 0);
}

static int tear_down(void **state)
{
	char path[80];

	(void)state;
	helper_stop();
	unlink(config);
	unlink(outside);
	unlink(key);
	unlink(fifo);
	snprintf(path, sizeof(path), "%s/pki", dir);
	rmdir(path);
	return rmdir(dir);
}

static void test_file_rows(void **state)
{
	const struct {
		const char *name, *path;
		int err;
	} rows[] = {
		{ "configuration", config, 0 },
		{ "credential", key, 0 },
		{ "file beside it", outside, -EPERM },
		{ "way out", "%s/pki/../outside", -EPERM },
		{ "passwords", "/etc/shadow", -EPERM },
		{ "nothing", "", -EPERM },
		{ "missing", "%s/pki/none", -ENOENT },
		{ "directory", "%s/pki/", -EINVAL },
		{ "FIFO", fifo, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[128];
		int fd;

		snprintf(path, sizeof(path), !strncmp(rows[i].path, "%s", 2) ? "%s%s" : "%.0s%s", dir,
			 !strncmp(rows[i].path, "%s", 2) ? rows[i].path + 2 : rows[i].path);
		fd = helper_open_file(path);
		if (rows[i].err ? fd != rows[i].err : fd < 0)
			fail_msg("%s: %d", rows[i].name, fd);
		if (fd < 0)
			continue;
		assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		close(fd);
	}
}

static void test_netns_rows(void **state)
{
	const struct {
		const char *name, *path;
		int err;
	} rows[] = {
		{ "own", "/proc/self/ns/net", 0 },
		{ "a namespace of another kind", "/proc/self/ns/mnt", -EINVAL },
		{ "a plain file", outside, -EINVAL },
		{ "a device", "/dev/null", -EINVAL },
		{ "a FIFO", fifo, -EINVAL },
		{ "missing", "/nonexistent", -ENOENT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = helper_open_netns(rows[i].path);

		if (rows[i].err ? fd != rows[i].err : fd < 0)
			fail_msg("%s: %d", rows[i].name, fd);
		if (fd >= 0)
			close(fd);
	}
}

static void test_socket_is_of_the_kind_asked_for(void **state)
{
	int netns = helper_open_netns("/proc/self/ns/net"), fd, value;
	socklen_t len = sizeof(value);

	(void)state;
	assert_true(netns >= 0);
	fd = helper_open_socket(netns, HELPER_SOCKET_ROUTE);
	if (fd == -EPERM && geteuid())
		skip();
	assert_true(fd >= 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len), 0);
	assert_int_equal(value, AF_NETLINK);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &len), 0);
	assert_int_equal(value, NETLINK_ROUTE);
	close(fd);
	assert_int_equal(helper_open_socket(netns, HELPER_SOCKETS), -EINVAL);
	assert_int_equal(helper_open_socket(-1, HELPER_SOCKET_ROUTE), -EINVAL);
	close(netns);
	netns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	assert_int_equal(helper_open_socket(netns, HELPER_SOCKET_ROUTE), -EINVAL);
	close(netns);
}

static void test_unknown_request_is_refused(void **state)
{
	const struct helper_setup setup = { "none", config, dir, true };
	struct helper_request request = { .what = HELPER_WHATS };
	const int none[HELPER_GIVEN_MAX] = { -1, -1 };

	(void)state;
	assert_false(helper_makes_descriptor(&request));
	assert_int_equal(helper_carry_out(&setup, &request, none), -EINVAL);
	request.what = ~0u;
	assert_int_equal(helper_carry_out(&setup, &request, none), -EINVAL);
}

static void test_xdp_is_for_a_helper_that_was_told(void **state)
{
	int netns = helper_open_netns("/proc/self/ns/net");

	(void)state;
	assert_true(netns >= 0);
	assert_int_equal(helper_xdp_join(netns, netns, 1, false), -EPERM);
	assert_int_equal(helper_xdp_leave(netns, 1), -EPERM);
	assert_int_equal(helper_xdp_sweep(netns, -1), -EPERM);
	close(netns);
}

static void test_xdp_rows(void **state)
{
	int netns, other = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	const struct helper_setup setup = { "none", config, dir, true };
	struct helper_request request = { .what = HELPER_XDP_JOIN, .arg = 1, .generic = 2 };

	(void)state;
	restart_with_xdp();
	netns = helper_open_netns("/proc/self/ns/net");
	assert_true(netns >= 0 && other >= 0);
	const struct {
		const char *name;
		int got, wanted;
	} rows[] = {
		{ "no interface", helper_xdp_join(netns, netns, 0, false), -EINVAL },
		{ "negative interface", helper_xdp_join(netns, netns, ~0u, false), -EINVAL },
		{ "no program", helper_xdp_join(netns, -1, 1, false), -EINVAL },
		{ "no namespace", helper_xdp_join(-1, netns, 1, false), -EINVAL },
		{ "another namespace", helper_xdp_join(other, netns, 1, false), -EINVAL },
		{ "what is no program", helper_xdp_join(netns, netns, 1, false), -EPERM },
		{ "leave no interface", helper_xdp_leave(netns, 0), -EINVAL },
		{ "leave in no namespace", helper_xdp_leave(-1, 1), -EINVAL },
		{ "sweep in no namespace", helper_xdp_sweep(other, -1), -EINVAL },
		{ "sweep for no program", helper_xdp_sweep(netns, netns), -EPERM },
		{ "no such mode", helper_carry_out(&setup, &request, (const int[]){ netns, netns }),
		  -EINVAL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].got != rows[i].wanted)
			fail_msg("%s: %d", rows[i].name, rows[i].got);
	close(netns);
	close(other);
}

static void test_too_long_path_is_refused(void **state)
{
	char path[HELPER_PATH_LEN + 1];

	(void)state;
	memset(path, '/', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(helper_open_netns(path), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_rows),
		cmocka_unit_test(test_netns_rows),
		cmocka_unit_test(test_socket_is_of_the_kind_asked_for),
		cmocka_unit_test(test_unknown_request_is_refused),
		cmocka_unit_test(test_too_long_path_is_refused),
		cmocka_unit_test(test_xdp_is_for_a_helper_that_was_told),
		cmocka_unit_test(test_xdp_rows),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
