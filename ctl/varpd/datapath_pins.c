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
	dp->dir_fd = open(dp->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dp->dir_fd < 0) {
		err = varpd_fail(error, -errno, "cannot open %s: %s", dp->dir, strerror(errno));
		goto remove_dirs;
	}
	dp_pin_path(dp, path, "varp_devs");
	dp->fresh = access(path, F_OK) != 0;
	dp_pin_path(dp, path, "links");
	err = make_dir(path, error);
	if (err)
		goto remove_dirs;
	return 0;

remove_dirs:
	if (dp->fresh)
		dp_pins_remove(dp);
	return err;
}

static void remove_contents(const char *path)
{
	DIR *dir = opendir(path);
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
	char path[DP_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/v%d/links", DP_BPFFS_VARP, instance, VARP_ABI_VERSION);
	remove_contents(path);
	rmdir(path);
	*strrchr(path, '/') = '\0';
	remove_contents(path);
	rmdir(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
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

static int give(int dir, const char *name, uid_t uid)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (fchownat(dir, name, uid, 0, AT_SYMLINK_NOFOLLOW))
		return -errno;
	/* The group is root's: the helper process may remove what is in them, as no other user. */
	return S_ISDIR(st.st_mode) && fchmodat(dir, name, 0770, 0) ? -errno : 0;
}

static int give_contents(const char *path, uid_t uid)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			err = give(dirfd(dir), entry->d_name, uid);
	closedir(dir);
	return err;
}

static int give_instance(const char *instance, uid_t uid)
{
	char path[DP_PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "%s/%s", DP_BPFFS_VARP, instance);
	err = give(AT_FDCWD, path, uid);
	if (!err)
		err = give_contents(path, uid);
	snprintf(path, sizeof(path), "%s/%s/v%d", DP_BPFFS_VARP, instance, VARP_ABI_VERSION);
	if (!err)
		err = give_contents(path, uid);
	snprintf(path, sizeof(path), "%s/%s/v%d/links", DP_BPFFS_VARP, instance, VARP_ABI_VERSION);
	return err ? err : give_contents(path, uid);
}

int datapath_give(struct datapath *dp, uid_t uid, struct varpd_error *error)
{
	int err = give_instance(dp->instance, uid);

	return err ? varpd_fail(error, err, "cannot give %s to user %u: %s", dp->dir,
				(unsigned int)uid, strerror(-err))
		   : 0;
}

int datapath_prepare(const char *instance, uid_t uid, struct varpd_error *error)
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
	err = give(AT_FDCWD, DP_BPFFS_VARP, uid);
	if (!err)
		err = dp_shared_give(uid);
	if (!err)
		err = give_instance(instance, uid);
	/* There is none of an earlier run. */
	return err && err != -ENOENT ? varpd_fail(error, err, "cannot give %s to user %u: %s",
						  DP_BPFFS_VARP, (unsigned int)uid, strerror(-err))
				     : 0;
}
