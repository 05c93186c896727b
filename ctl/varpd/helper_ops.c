// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the helper process does for varpd. Whoever asks is not trusted: nothing is opened for
 * writing, nothing but a network namespace is entered, only what carries this instance's name
 * is removed, and no program is loaded but the one that answers, which is part of this one. libxdp,
 * which puts that beside others, makes and removes its own pins below /sys/fs/bpf/xdp.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "answer_shared.h"
#include "datapath.h"
#include "helper_internal.h"
#include "instance.h"

static bool is_nsfs(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == NSFS_MAGIC;
}

static bool is_netns(int fd)
{
	return is_nsfs(fd) && ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

static bool is_regular(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode);
}

/* Opening some files does something by itself: what is there is looked at first. */
static int open_checked(const char *path, bool (*right)(int fd))
{
	char again[32];
	int fd, place = open(path, O_PATH | O_CLOEXEC);

	if (place < 0)
		return -errno;
	snprintf(again, sizeof(again), "/proc/self/fd/%d", place);
	fd = -EINVAL;
	if (right(place)) {
		fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	close(place);
	return fd;
}

static int open_netns(const struct helper_setup *setup, const struct helper_request *request,
		      const int given[HELPER_GIVEN_MAX])
{
	int fd = open_checked(request->path, is_nsfs);

	(void)setup;
	(void)given;
	if (fd >= 0 && !is_netns(fd)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

/* The next request enters its own namespace; there is nothing to come back to. */
static int enter_netns(int fd)
{
	if (fd < 0 || !is_netns(fd))
		return -EINVAL;
	return setns(fd, CLONE_NEWNET) ? -errno : 0;
}

static int open_socket(const struct helper_setup *setup, const struct helper_request *request,
		       const int given[HELPER_GIVEN_MAX])
{
	static const struct {
		int family, type, protocol;
	} kinds[HELPER_SOCKETS] = {
		[HELPER_SOCKET_ROUTE]	= { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE },
		[HELPER_SOCKET_DEVICE]	= { AF_UNIX, SOCK_DGRAM, 0 },
	};
	int fd, err;

	(void)setup;
	if (request->arg >= HELPER_SOCKETS)
		return -EINVAL;
	err = enter_netns(given[0]);
	if (err)
		return err;
	fd = socket(kinds[request->arg].family, kinds[request->arg].type | SOCK_CLOEXEC,
		    kinds[request->arg].protocol);
	return fd < 0 ? -errno : fd;
}

/* The directory is root's, and so is the decision what links in it point to. */
static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return len && !strncmp(path, dir, len) && path[len] == '/' && !strstr(path, "..");
}

static int open_file(const struct helper_setup *setup, const struct helper_request *request,
		     const int given[HELPER_GIVEN_MAX])
{
	(void)given;
	if (strcmp(request->path, setup->config_file) &&
	    !is_below(request->path, setup->credentials))
		return -EPERM;
	return open_checked(request->path, is_regular);
}

static int remove_run_dir(const struct helper_setup *setup, const struct helper_request *request,
			  const int given[HELPER_GIVEN_MAX])
{
	(void)request;
	(void)given;
	instance_remove_dirs(setup->instance);
	return 0;
}

static int remove_pins(const struct helper_setup *setup, const struct helper_request *request,
		       const int given[HELPER_GIVEN_MAX])
{
	(void)request;
	(void)given;
	datapath_remove_pins(setup->instance);
	return 0;
}

static int xdp_join(const struct helper_setup *setup, const struct helper_request *request,
		    const int given[HELPER_GIVEN_MAX])
{
	int err;

	if (!setup->xdp)
		return -EPERM;
	if (!request->arg || request->arg > INT32_MAX || request->generic > 1 || given[1] < 0)
		return -EINVAL;
	err = enter_netns(given[0]);
	return err ? err : answer_shared_join(setup->instance, given[1], request->arg,
					      request->generic);
}

static int xdp_leave(const struct helper_setup *setup, const struct helper_request *request,
		     const int given[HELPER_GIVEN_MAX])
{
	int err;

	if (!setup->xdp)
		return -EPERM;
	if (!request->arg || request->arg > INT32_MAX)
		return -EINVAL;
	err = enter_netns(given[0]);
	return err ? err : answer_shared_leave(setup->instance, request->arg);
}

static int xdp_sweep(const struct helper_setup *setup, const struct helper_request *request,
		     const int given[HELPER_GIVEN_MAX])
{
	int err;

	(void)request;
	if (!setup->xdp)
		return -EPERM;
	err = enter_netns(given[0]);
	return err ? err : answer_shared_sweep(setup->instance, given[1]);
}

static const struct {
	int (*carry_out)(const struct helper_setup *setup, const struct helper_request *request,
			 const int given[HELPER_GIVEN_MAX]);
	bool makes_descriptor;
} rows[HELPER_WHATS] = {
	[HELPER_NETNS]		= { open_netns, true },
	[HELPER_SOCKET]		= { open_socket, true },
	[HELPER_FILE]		= { open_file, true },
	[HELPER_REMOVE_RUN_DIR]	= { remove_run_dir, false },
	[HELPER_REMOVE_PINS]	= { remove_pins, false },
	[HELPER_XDP_JOIN]	= { xdp_join, false },
	[HELPER_XDP_LEAVE]	= { xdp_leave, false },
	[HELPER_XDP_SWEEP]	= { xdp_sweep, false },
};

bool helper_makes_descriptor(const struct helper_request *request)
{
	return request->what < HELPER_WHATS && rows[request->what].makes_descriptor;
}

int helper_carry_out(const struct helper_setup *setup, const struct helper_request *request,
		     const int given[HELPER_GIVEN_MAX])
{
	if (request->what >= HELPER_WHATS)
		return -EINVAL;
	return rows[request->what].carry_out(setup, request, given);
}
