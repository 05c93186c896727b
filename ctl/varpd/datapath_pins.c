// SPDX-License-Identifier: BSD-2-Clause
/*
 * The instance's directory below the BPF file system: /sys/fs/bpf/varp/INSTANCE/vN with the maps,
 * and links/ in it with one pin per attached program. Called by datapath.c when it opens and
 * closes.
 *
 * Names in bpffs must not hold dots, so nothing here is named after an interface.
 */
#include "datapath_internal.h"

#include "helper.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef BPF_FS_MAGIC
#define BPF_FS_MAGIC	0xcafe4a11
#endif

/*
 * By the directory's descriptor: the file system's root is root's alone, and a varpd that has become
 * another user would not come past it.
 */
void dp_pin_path(const struct datapath *dp, char path[DP_PATH_MAX], const char *name)
{
	snprintf(path, DP_PATH_MAX, "/proc/self/fd/%d/%.*s", dp->dir_fd, DP_PATH_MAX / 2, name);
}

static bool is_bpffs(void)
{
	struct statfs fs;

	return !statfs(DP_BPFFS, &fs) && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/*
 * Started by `ip netns exec`, say: what is mounted there ends with the last process of that mount
 * namespace.
 */
static bool private_mounts(void)
{
	struct stat own, init;

	return !stat("/proc/self/ns/mnt", &own) && !stat("/proc/1/ns/mnt", &init) &&
	       own.st_ino != init.st_ino;
}

static int mount_bpffs(struct varpd_error *error)
{
	if (is_bpffs())
		return 0;
	if (!mount("bpf", DP_BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700")) {
		varpd_log(VARPD_LOG_INFO, "mounted a BPF file system on %s", DP_BPFFS);
		if (private_mounts())
			varpd_log(VARPD_LOG_WARNING,
				  "this mount namespace is not the system's: forwarding ends "
				  "with varpd; start it with --netns rather than `ip netns exec`");
		return 0;
	}
	return varpd_fail(error, -errno,
			  "no BPF file system on %s and it cannot be mounted (%s); do it as root: "
			  "mount -t bpf bpf %s", DP_BPFFS, strerror(errno), DP_BPFFS);
}

static int make_dir(const char *path, struct varpd_error *error)
{
	bool may_not;
	int err;

	if (!mkdir(path, 0700) || errno == EEXIST)
		return 0;
	err = -errno;
	may_not = err == -EACCES || err == -EPERM;
	return varpd_fail(error, err, "cannot make the directory %s: %s%s", path, strerror(-err),
			  may_not ? "; varpd needs root, or CAP_BPF, CAP_NET_ADMIN and the "
				    "right to write there" : "");
}

static bool instance_valid(const char *instance)
{
	size_t len = strlen(instance);

	if (!len || len > DP_INSTANCE_MAX ||
	    !strncmp(instance, DP_SHARED_PREFIX, strlen(DP_SHARED_PREFIX)))
		return false;
	for (const char *c = instance; *c; c++) {
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
			return false;
	}
	return true;
}

/* The user of an earlier run could have put one there. */
static int refuse_link(const char *path, struct varpd_error *error)
{
	struct stat st;

	if (!lstat(path, &st) && S_ISDIR(st.st_mode))
		return 0;
	return varpd_fail(error, -ENOTDIR, "links among the pins is no directory, so it is not "
			  "varpd's: remove it");
}

int dp_pins_prepare(struct datapath *dp, struct varpd_error *error)
{
	char path[DP_PATH_MAX];
	int err;

	if (!instance_valid(dp->config.instance))
		return varpd_fail(error, -EINVAL, "instance name \"%.40s\" is not 1 to %d letters, "
				  "digits, '-' or '_', or is reserved", dp->config.instance, DP_INSTANCE_MAX);
	dp->fresh = true;
	err = mount_bpffs(error);
	if (err)
		return err;
	err = make_dir(DP_BPFFS_VARP, error);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/%s", DP_BPFFS_VARP, dp->instance);
	err = make_dir(path, error);
	if (err)
		goto remove_dirs;
	dp_former_remove(path);
	snprintf(dp->dir, sizeof(dp->dir), "%s/%s/v%d", DP_BPFFS_VARP, dp->instance, VARP_ABI_VERSION);
	err = make_dir(dp->dir, error);
	if (err)
		goto remove_dirs;
	dp->dir_fd = open(dp->dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dp->dir_fd < 0) {
		err = varpd_fail(error, -errno, "cannot open %s: %s%s", dp->dir, strerror(errno),
				 errno == ENOTDIR ? "; it is not varpd's: remove it" : "");
		goto remove_dirs;
	}
	dp_pin_path(dp, path, "varp_devs");
	dp->fresh = access(path, F_OK) != 0;
	dp_pin_path(dp, path, "links");
	err = make_dir(path, error);
	if (!err)
		err = refuse_link(path, error);
	if (err)
		goto remove_dirs;
	return 0;

remove_dirs:
	if (dp->fresh)
		dp_pins_remove(dp);
	return err;
}

/* --- Walking --- */

/*
 * An instance's directories are its user's, who could put links there. So whoever removes or gives
 * away goes from one descriptor to the next, never by a link, and never out of the BPF file system;
 * the first directory is root's.
 */
enum { PINS_ALL, PINS_INSTANCE, PINS_VERSION, PINS_LINKS, PINS_DIRS };

struct pin_dirs {
	const char *names[PINS_DIRS];
	char version[16];
	int fds[PINS_DIRS];	/* or -errno */
};

static int open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return -errno;
	if (!fstatfs(fd, &fs) && (unsigned long)fs.f_type == BPF_FS_MAGIC)
		return fd;
	close(fd);
	return -ENOTDIR;
}

static void open_dirs(struct pin_dirs *dirs, const char *instance)
{
	int at = AT_FDCWD;

	snprintf(dirs->version, sizeof(dirs->version), "v%d", VARP_ABI_VERSION);
	dirs->names[PINS_ALL] = DP_BPFFS_VARP;
	dirs->names[PINS_INSTANCE] = instance;
	dirs->names[PINS_VERSION] = dirs->version;
	dirs->names[PINS_LINKS] = "links";
	for (int i = 0; i < PINS_DIRS; i++) {
		dirs->fds[i] = at < 0 && i ? at : open_dir(at, dirs->names[i]);
		at = dirs->fds[i];
	}
}

static void close_dirs(struct pin_dirs *dirs)
{
	for (int i = 0; i < PINS_DIRS; i++)
		if (dirs->fds[i] >= 0)
			close(dirs->fds[i]);
}

static DIR *list(int dir_fd)
{
	int fd = dir_fd < 0 ? -1 : openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !dir)
		close(fd);
	return dir;
}

static void remove_contents(int dir_fd)
{
	DIR *dir = list(dir_fd);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
}

/* Directories that others still use are not empty and stay. */
void datapath_remove_pins(const char *instance)
{
	struct pin_dirs dirs;

	open_dirs(&dirs, instance);
	for (int i = PINS_LINKS; i > PINS_ALL; i--) {
		if (i > PINS_INSTANCE)
			remove_contents(dirs.fds[i]);
		if (dirs.fds[i - 1] >= 0)
			unlinkat(dirs.fds[i - 1], dirs.names[i], AT_REMOVEDIR);
	}
	close_dirs(&dirs);
	dp_shared_remove_if_last();
	rmdir(DP_BPFFS_VARP);
}

void dp_pins_remove(struct datapath *dp)
{
	/* One started as its own user owns them; one that has become it does not come this far. */
	datapath_remove_pins(dp->instance);
	if (helper_runs())
		helper_remove_pins();
}

/* --- Whose they are --- */

/* The group is root's: the helper process may remove what is in directories, as no other user. */
static int give_dir(int fd, uid_t uid)
{
	if (fd < 0)
		return fd;
	return fchownat(fd, "", uid, 0, AT_EMPTY_PATH) || fchmodat(fd, ".", 0770, 0) ? -errno : 0;
}

/* What is not varpd's making, a link or what has another name, stays whose it is. */
static int give_pin(int dir, const char *name, uid_t uid)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), err = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || (S_ISREG(st.st_mode) && st.st_nlink == 1 &&
			       fchownat(fd, "", uid, 0, AT_EMPTY_PATH)))
		err = -errno;
	close(fd);
	return err;
}

static int give_pins(int dir_fd, uid_t uid)
{
	DIR *dir = list(dir_fd);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			err = give_pin(dirfd(dir), entry->d_name, uid);
	closedir(dir);
	return err;
}

static int give_instance(const char *instance, uid_t uid)
{
	struct pin_dirs dirs;
	int err = 0;

	open_dirs(&dirs, instance);
	for (int i = PINS_INSTANCE; !err && i < PINS_DIRS; i++) {
		err = give_dir(dirs.fds[i], uid);
		if (!err && i > PINS_INSTANCE)
			err = give_pins(dirs.fds[i], uid);
	}
	close_dirs(&dirs);
	return err;
}

int datapath_give(struct datapath *dp, uid_t uid, struct varpd_error *error)
{
	int err = give_instance(dp->instance, uid);

	return err ? varpd_fail(error, err, "cannot give %s to user %u: %s", dp->dir,
				(unsigned int)uid, strerror(-err))
		   : 0;
}

/* The directory of all instances stays root's, so that none puts a link in another's place. */
static int prepare_instance(const char *instance, uid_t uid, gid_t gid)
{
	int all = open_dir(AT_FDCWD, DP_BPFFS_VARP), err = 0;

	if (all < 0)
		return all;
	if (fchownat(all, "", 0, gid, AT_EMPTY_PATH) || fchmodat(all, ".", 0750, 0))
		err = -errno;
	if (!err)
		err = dp_shared_give(uid);
	if (!err && mkdirat(all, instance, 0700) && errno != EEXIST)
		err = -errno;
	close(all);
	if (!err)
		err = give_instance(instance, uid);
	return err == -ENOENT ? 0 : err;	/* there are no pins of an earlier run */
}

int datapath_prepare(const char *instance, uid_t uid, gid_t gid, struct varpd_error *error)
{
	struct stat st;
	int err = mount_bpffs(error);

	if (!err)
		err = make_dir(DP_BPFFS_VARP, error);
	if (err)
		return err;
	/* To be passed, not to be looked at; what lies in it has modes of its own. */
	if (stat(DP_BPFFS, &st) || chmod(DP_BPFFS, (st.st_mode & 07777) | 0011))
		return varpd_fail(error, -errno, "cannot open %s to user %u: %s", DP_BPFFS,
				  (unsigned int)uid, strerror(errno));
	err = prepare_instance(instance, uid, gid);
	return err ? varpd_fail(error, err, "cannot give %s/%s to user %u: %s%s", DP_BPFFS_VARP,
				instance, (unsigned int)uid, strerror(-err),
				err == -ENOTDIR ? "; what is there is not varpd's: remove it" : "")
		   : 0;
}
