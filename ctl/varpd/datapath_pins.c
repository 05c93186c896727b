// SPDX-License-Identifier: BSD-2-Clause
/*
 * The instance's directory below the BPF file system: /sys/fs/bpf/varp/INSTANCE/vN with the maps,
 * and links/ in it with one pin per attached program. Called by datapath.c when it opens and
 * closes.
 *
 * Names in bpffs must not hold dots, so nothing here is named after an interface.
 */
#include "datapath_internal.h"

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

void dp_pin_path(const struct datapath *dp, char path[DP_PATH_MAX], const char *name)
{
	snprintf(path, DP_PATH_MAX, "%.*s/%s", DP_PATH_MAX / 2, dp->dir, name);
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

/*
 * Maps of another layout cannot be taken over, and flows that use them go on until someone removes
 * them.
 */
static void warn_of_other_versions(const char *instance_dir)
{
	DIR *dir = opendir(instance_dir);
	struct dirent *entry;
	unsigned int version;
	char rest;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (sscanf(entry->d_name, "v%u%c", &version, &rest) == 1 &&
		    version != VARP_ABI_VERSION)
			varpd_log(VARPD_LOG_WARNING,
				  "%s/%s was left by a varpd with another ABI version and is not "
				  "used; to remove it: rm -r %s/%s", instance_dir, entry->d_name,
				  instance_dir, entry->d_name);
	}
	closedir(dir);
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
	warn_of_other_versions(path);
	snprintf(dp->dir, sizeof(dp->dir), "%s/%s/v%d", DP_BPFFS_VARP, dp->instance, VARP_ABI_VERSION);
	err = make_dir(dp->dir, error);
	if (err)
		goto remove_dirs;
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
void dp_pins_remove(struct datapath *dp)
{
	char path[DP_PATH_MAX];

	if (dp->dir[0]) {
		dp_pin_path(dp, path, "links");
		remove_contents(path);
		rmdir(path);
		remove_contents(dp->dir);
		rmdir(dp->dir);
	}
	snprintf(path, sizeof(path), "%s/%s", DP_BPFFS_VARP, dp->instance);
	rmdir(path);
	dp_shared_remove_if_last();
	rmdir(DP_BPFFS_VARP);
}
