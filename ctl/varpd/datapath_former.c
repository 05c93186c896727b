// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a varpd of another ABI version left. Its maps cannot be taken over, and its programs must not
 * go on: on an underlay they come first, and drop as malformed or foreign what ours would take. So all
 * of it goes; node devices without a record go with the peers that adoption reclaims. Called before
 * anything is loaded.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Neither a link nor anything else that is no directory of its own is followed. */
static DIR *open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !dir)
		close(fd);
	return dir;
}

/* A pin, and no link to one. */
static bool is_pin(int dir_fd, const char *name)
{
	struct stat st;

	return !fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode);
}

/* Removing a pin would do, but only some time later. */
static void detach_links(int version_fd, const char *version_path)
{
	DIR *dir = open_dir(version_fd, "links");
	struct dirent *entry;
	char path[DP_PATH_MAX];
	int fd;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    snprintf(path, sizeof(path), "%s/links/%s", version_path, entry->d_name) >=
			    (int)sizeof(path))
			continue;
		fd = is_pin(dirfd(dir), entry->d_name) ? bpf_obj_get(path) : -1;
		if (fd >= 0) {
			bpf_link_detach(fd);
			close(fd);
		}
		unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	unlinkat(version_fd, "links", AT_REMOVEDIR);
}

static void detach_filter(uint32_t ifindex, const struct varp_underlay *underlay)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = (int)ifindex,
			    .attach_point = BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, what, .handle = underlay->tc_handle,
			    .priority = underlay->tc_priority);

	bpf_tc_detach(&where, &what);
}

/* Where filters of clsact were attached is in the map of underlays, whose layout has never changed. */
static void detach_filters(int version_fd, const char *version_path)
{
	struct bpf_map_info info = { 0 };
	uint32_t info_len = sizeof(info), key, next;
	struct varp_underlay underlay;
	char path[DP_PATH_MAX];
	int fd, end;

	snprintf(path, sizeof(path), "%.200s/varp_underlays", version_path);
	fd = is_pin(version_fd, "varp_underlays") ? bpf_obj_get(path) : -1;
	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &info_len) || info.key_size != sizeof(key) ||
	    info.value_size != sizeof(underlay))
		goto close_map;
	end = bpf_map_get_next_key(fd, NULL, &next);
	while (!end) {
		key = next;
		end = bpf_map_get_next_key(fd, &key, &next);
		if (!bpf_map_lookup_elem(fd, &key, &underlay) && !(key & DP_ABSENT) &&
		    underlay.attach == VARP_ATTACH_CLSACT)
			detach_filter(key, &underlay);
	}
close_map:
	close(fd);
}

static void remove_version(int instance_fd, const char *instance_dir, const char *name)
{
	DIR *dir = open_dir(instance_fd, name);
	struct dirent *entry;
	char path[DP_PATH_MAX];

	if (!dir)
		return;
	snprintf(path, sizeof(path), "%.180s/%.20s", instance_dir, name);
	detach_links(dirfd(dir), path);
	detach_filters(dirfd(dir), path);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	if (unlinkat(instance_fd, name, AT_REMOVEDIR))
		varpd_log(VARPD_LOG_WARNING, "%s was left by a varpd of another version and cannot be "
			  "removed (%s); as root: rm -r %s", path, strerror(errno), path);
	else
		varpd_log(VARPD_LOG_WARNING, "%s, left by a varpd of another version, was removed: "
			  "interfaces and nodes that are not in the configuration have to be attached "
			  "and joined again", path);
}

void dp_former_remove(const char *instance_dir)
{
	DIR *dir = open_dir(AT_FDCWD, instance_dir);
	struct dirent *entry;
	unsigned int version;
	char rest;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (sscanf(entry->d_name, "v%u%c", &version, &rest) == 1 &&
		    version != VARP_ABI_VERSION)
			remove_version(dirfd(dir), instance_dir, entry->d_name);
	closedir(dir);
}
