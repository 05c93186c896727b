// SPDX-License-Identifier: BSD-2-Clause
/*
 * See privileges.h. The order matters: what needs a capability comes before it is given away, and
 * the filter of system calls last, since it forbids all of this.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "privileges.h"
#include "psk.h"
#include "seccomp.h"

#define BIT(cap) (1ull << (cap))

/* Devices, addresses, programs on interfaces. Loading these, and making maps, needed more. */
#define DAEMON_CAPS	BIT(CAP_NET_ADMIN)
/* Enter namespaces, in them open sockets that may configure devices, reach namespaces of processes
 * and of directories that are not everybody's. */
#define HELPER_CAPS	(BIT(CAP_SYS_ADMIN) | BIT(CAP_NET_ADMIN) | BIT(CAP_SYS_PTRACE) | \
			 BIT(CAP_DAC_READ_SEARCH))

/* LeakSanitizer looks at its process from another one by ptrace. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static int caps_get(uint64_t *permitted, uint64_t *effective, uint64_t *inheritable)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	*permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	*effective = data[0].effective | (uint64_t)data[1].effective << 32;
	*inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	return 0;
}

static int caps_set(uint64_t caps)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ .permitted = (uint32_t)caps, .effective = (uint32_t)caps },
		{ .permitted = caps >> 32, .effective = caps >> 32 },
	};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/*
 * No program can be started, and if one could it would gain nothing: not by its file, not by being
 * root's.
 */
static int forbid_gains(void)
{
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	uint64_t permitted, effective, inheritable;
	int err = caps_get(&permitted, &effective, &inheritable);

	if (err)
		return err;
	if (effective & BIT(CAP_SETPCAP)) {
		for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
			if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
				return -errno;
		if (prctl(PR_SET_SECUREBITS, bits | SECBIT_KEEP_CAPS, 0, 0, 0))
			return -errno;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) ||
	    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return 0;
}

/* What is read in memory or left in a core dump holds keys. */
static int close_up(void)
{
	const struct rlimit none = { 0, 0 };

	if (SANITIZED)
		return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) ? -errno : 0;
	if (setrlimit(RLIMIT_CORE, &none) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	return 0;
}

/* Only what is there can be kept: a container may have taken some already. */
static int keep_caps(uint64_t wanted)
{
	uint64_t permitted, effective, inheritable;
	int err = caps_get(&permitted, &effective, &inheritable);

	wanted &= permitted;
	if (!err)
		err = caps_set(wanted);
	if (!err)
		err = caps_get(&permitted, &effective, &inheritable);
	if (!err && (permitted != wanted || effective != wanted || inheritable))
		err = -EPERM;
	return err;
}

static int become(const struct privileges *privileges)
{
	uid_t real, effective, saved;

	if (geteuid())
		return 0;
	if (privileges->own_user &&
	    (initgroups(privileges->user, privileges->gid) ||
	     setresgid(privileges->gid, privileges->gid, privileges->gid) ||
	     setresuid(privileges->uid, privileges->uid, privileges->uid)))
		return -errno;
	if (getresuid(&real, &effective, &saved) || real != privileges->uid ||
	    effective != privileges->uid || saved != privileges->uid)
		return -EPERM;
	return 0;
}

void privileges_find(const char *user, struct privileges *out)
{
	uid_t uid = geteuid();
	const struct passwd *entry = uid ? getpwuid(uid) : getpwnam(user);

	memset(out, 0, sizeof(*out));
	out->missing = !uid && !entry;
	if (!uid && !entry)
		entry = getpwuid(uid);
	out->uid = entry ? entry->pw_uid : uid;
	out->gid = entry ? entry->pw_gid : getegid();
	out->own_user = out->uid;
	if (entry)
		snprintf(out->user, sizeof(out->user), "%s", entry->pw_name);
	else
		snprintf(out->user, sizeof(out->user), "%u", (unsigned int)uid);
}

static int limit(const struct privileges *privileges, uint64_t caps, enum seccomp_filter filter,
		 struct varpd_error *error)
{
	int err = forbid_gains();

	if (err)
		return varpd_fail(error, err, "cannot give up gaining privileges: %s",
				  strerror(-err));
	err = privileges ? become(privileges) : 0;
	if (err)
		return varpd_fail(error, err, "cannot become user %s: %s", privileges->user,
				  strerror(-err));
	err = keep_caps(caps);
	if (err)
		return varpd_fail(error, err, "cannot give up capabilities: %s", strerror(-err));
	err = close_up();
	if (!err && !SANITIZED)
		err = seccomp_install(filter);
	return err ? varpd_fail(error, err, "cannot limit the system calls: %s", strerror(-err))
		   : 0;
}

int privileges_drop(const struct privileges *privileges, struct varpd_error *error)
{
	return limit(privileges, DAEMON_CAPS, SECCOMP_DAEMON, error);
}

int privileges_limit_helper(bool xdp, struct varpd_error *error)
{
	return limit(NULL, HELPER_CAPS, xdp ? SECCOMP_HELPER_XDP : SECCOMP_HELPER, error);
}

/* --- Files --- */

/*
 * The directory may have been the user's before, who could have put a link to somebody else's file
 * there: only what has one name and is no link itself changes hands.
 */
static int give_entry(int dir, const char *name, const struct privileges *privileges)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), err = 0;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if ((S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode)) && st.st_nlink == 1 &&
		 st.st_uid != privileges->uid &&
		 fchownat(fd, "", privileges->uid, privileges->gid, AT_EMPTY_PATH))
		err = -errno;
	close(fd);
	return err;
}

/* A descriptor, or -1. Best effort: who needs a file says so if he cannot read it. */
static int share(int at, const char *name, mode_t type, const struct privileges *privileges)
{
	int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) || (st.st_mode & S_IFMT) != type) {
		close(fd);
		return -1;
	}
	/* New files in the directories get their group. */
	if (!st.st_uid && !fchown(fd, -1, privileges->gid) &&
	    fchmod(fd, (st.st_mode & 07777) | S_IRGRP | (type == S_IFDIR ? S_ISGID | S_IXGRP : 0)))
		varpd_log(VARPD_LOG_WARNING, "cannot let user %s read %s: %s", privileges->user,
			  name, strerror(errno));
	return fd;
}

static void share_file(int at, const char *name, const struct privileges *privileges)
{
	int fd = share(at, name, S_IFREG, privileges);

	if (fd >= 0)
		close(fd);
}

static void share_psks(int at, const struct privileges *privileges)
{
	int fd = share(at, PSK_DIR, S_IFDIR, privileges);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct varp_snid snid;
	struct dirent *entry;

	if (fd >= 0 && !dir)
		close(fd);
	while (dir && (entry = readdir(dir)))
		if (!psk_file_snid(entry->d_name, &snid))
			share_file(fd, entry->d_name, privileges);
	if (dir)
		closedir(dir);
}

/* What varpd reads, by name: an authority may keep its own key in the same place. */
static void share_all(const char *path, const struct privileges *privileges)
{
	static const char *const files[] = { "ca.crt", "host.crt", "host.key", "revoked.crl" };
	int dir = share(AT_FDCWD, path, S_IFDIR, privileges);

	if (dir < 0)
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		share_file(dir, files[i], privileges);
	share_psks(dir, privileges);
	close(dir);
}

void privileges_share(const struct privileges *privileges, const char *dir)
{
	const struct group *group = getgrgid(privileges->gid);

	/* Only with a group of its own; what others are in must not come by keys. */
	if (group && !strcmp(group->gr_name, privileges->user))
		share_all(dir, privileges);
}

int privileges_give(const struct privileges *privileges, const char *path,
		    struct varpd_error *error)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return varpd_fail(error, -errno, "cannot open %s: %s", path, strerror(errno));
	while (!err && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			err = give_entry(dirfd(dir), entry->d_name, privileges);
	if (!err && fchown(dirfd(dir), privileges->uid, privileges->gid))
		err = -errno;
	closedir(dir);
	return err ? varpd_fail(error, err, "cannot give %s to user %s: %s", path,
				privileges->user, strerror(-err))
		   : 0;
}
