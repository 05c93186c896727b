// SPDX-License-Identifier: BSD-2-Clause
/*
 * The one map that all instances of the machine share, /sys/fs/bpf/varp/shared-vN/joined: who has
 * joined which supernet in which network namespace. BPF looks there before it drops a packet for a
 * node that is not its own. Called when the datapath is opened and closed, and by
 * datapath_supernet.c.
 *
 * Each varpd writes only what it has joined itself, under a lock, and takes out what instances left
 * whose pins are gone.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "varp.skel.h"

#define LOCK_TRIES	200
#define LOCK_PAUSE_US	5000
#define TEXT(n)		#n
#define VERSION_TEXT(n)	TEXT(n)
#define SHARED_NAME	DP_SHARED_PREFIX VERSION_TEXT(VARP_SHARED_VERSION)
#define SHARED_DIR	DP_BPFFS_VARP "/" SHARED_NAME
#define SHARED_PIN	SHARED_DIR "/joined"

/*
 * The lock is on the file system's own directory, which is always there; the daemon keeps it open,
 * since it cannot open it any more when it has become another user. Without it, should someone sit
 * on it for a second, at worst a change of two instances at the same time gets lost.
 */
static int lock(int fd)
{
	for (int try = 0; fd >= 0 && try < LOCK_TRIES; try++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return fd;
		usleep(LOCK_PAUSE_US);
	}
	/* One that cannot be opened lacks a descriptor, as what comes next will say. */
	if (fd >= 0)
		varpd_log(VARPD_LOG_WARNING, "cannot lock %s; going on without", DP_BPFFS);
	return fd;
}

static void unlock(int fd)
{
	if (fd >= 0)
		flock(fd, LOCK_UN);
}

/* One that was started as another user cannot read the file system's root, but our own in it. */
static int open_lock(void)
{
	int fd = open(DP_BPFFS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 || errno != EACCES ? fd :
	       open(DP_BPFFS_VARP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* FNV-1a, never zero. */
static uint32_t id_of(const char *instance)
{
	uint32_t hash = 2166136261u;

	for (const char *c = instance; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	return hash ? hash : 1;
}

/* --- Opening --- */

static int open_map(void)
{
	int fd = bpf_obj_get(SHARED_PIN);

	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return -errno;
	if (mkdir(SHARED_DIR, 0700) && errno != EEXIST)
		return -errno;
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "varp_joined", sizeof(struct varp_joined_key),
			    sizeof(struct varp_joined), 4 * VARP_MAX_SUPERNETS, NULL);
	if (fd < 0)
		return -errno;
	if (bpf_obj_pin(fd, SHARED_PIN)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int dp_shared_give(uid_t uid)
{
	int dir, err = 0;

	if (mkdir(SHARED_DIR, 0700) && errno != EEXIST)
		return -errno;
	dir = open(SHARED_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	/* The group is root's, as which the helper process removes it. */
	if (fchown(dir, uid, 0) || fchmod(dir, 0770) ||
	    (fchownat(dir, "joined", uid, 0, AT_SYMLINK_NOFOLLOW) && errno != ENOENT))
		err = -errno;
	close(dir);
	return err;
}

static bool map_fits(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == BPF_MAP_TYPE_HASH &&
	       info.key_size == sizeof(struct varp_joined_key) &&
	       info.value_size == sizeof(struct varp_joined);
}

int dp_shared_prepare(struct datapath *dp, struct varpd_error *error)
{
	int fd, err;

	dp->lock_fd = open_lock();
	lock(dp->lock_fd);
	fd = open_map();
	unlock(dp->lock_fd);
	if (fd < 0)
		return varpd_fail(error, fd, "cannot open or make %s: %s%s", SHARED_PIN,
				  strerror(-fd), fd != -EPERM ? "" :
				  "; varpd needs root, or CAP_BPF and CAP_NET_ADMIN");
	if (!map_fits(fd))
		err = varpd_fail(error, -EINVAL, "%s is not varpd's; to remove it: rm -r %s",
				 SHARED_PIN, SHARED_DIR);
	else
		err = bpf_map__reuse_fd(dp->skel->maps.varp_joined, fd);
	close(fd);
	dp->netns_inode = netns_inode();
	dp->instance_id = id_of(dp->instance);
	dp->skel->rodata->netns_inode = dp->netns_inode;
	dp->skel->rodata->instance_id = dp->instance_id;
	return err;
}

/* --- Writing --- */

static struct varp_joined_key key_of(const struct datapath *dp, const struct varp_snid *snid)
{
	return (struct varp_joined_key){ .netns = dp->netns_inode, .snid = *snid };
}

static bool is_in(const struct varp_joined *joined, uint32_t id)
{
	for (int i = 0; i < VARP_JOINED_MAX; i++) {
		if (joined->instances[i] == id)
			return true;
	}
	return false;
}

static int store(const struct datapath *dp, const struct varp_joined_key *key,
		 const struct varp_joined *joined)
{
	static const struct varp_joined nobody;

	if (!memcmp(joined, &nobody, sizeof(nobody)))
		return bpf_map_delete_elem(dp->maps.joined, key) && errno != ENOENT ? -errno : 0;
	return bpf_map_update_elem(dp->maps.joined, key, joined, BPF_ANY) ? -errno : 0;
}

/* `from` becomes `to`; zero is a free place. */
static int change(struct datapath *dp, const struct varp_snid *snid, uint32_t from, uint32_t to)
{
	struct varp_joined_key key = key_of(dp, snid);
	struct varp_joined joined = { 0 };
	int err = -ENOSPC, held = lock(dp->lock_fd);

	bpf_map_lookup_elem(dp->maps.joined, &key, &joined);
	for (int i = 0; i < VARP_JOINED_MAX; i++) {
		if (joined.instances[i] != from)
			continue;
		joined.instances[i] = to;
		err = store(dp, &key, &joined);
		break;
	}
	unlock(held);
	return err;
}

void dp_shared_join(struct datapath *dp, const struct varp_snid *snid)
{
	struct varp_joined_key key = key_of(dp, snid);
	char text[VARP_SNID_TEXT];
	struct varp_joined joined;
	int err;

	if (!bpf_map_lookup_elem(dp->maps.joined, &key, &joined) && is_in(&joined, dp->instance_id))
		return;
	err = change(dp, snid, 0, dp->instance_id);
	if (err)
		varpd_log(VARPD_LOG_WARNING,
			  "other instances of varpd on the same interface will drop packets of "
			  "supernet %s: there is no room to tell them (%s)",
			  varp_snid_format(snid, text), strerror(-err));
}

void dp_shared_leave(struct datapath *dp, const struct varp_snid *snid)
{
	struct varp_joined_key key = key_of(dp, snid);
	struct varp_joined joined;

	if (!bpf_map_lookup_elem(dp->maps.joined, &key, &joined) && is_in(&joined, dp->instance_id))
		change(dp, snid, dp->instance_id, 0);
}

/* --- Correcting and removing --- */

/* Calls visit for each instance that has pins, until it returns true; then true. */
static bool any_instance(bool (*visit)(const char *name, uint32_t id), uint32_t id)
{
	DIR *dir = opendir(DP_BPFFS_VARP);
	struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, SHARED_NAME))
			found = visit(entry->d_name, id);
	}
	closedir(dir);
	return found;
}

static bool has_id(const char *name, uint32_t id)
{
	return id_of(name) == id;
}

static bool exists(const char *name, uint32_t id)
{
	(void)name;
	(void)id;
	return true;
}

static bool is_true(struct datapath *dp, const struct varp_joined_key *key, uint32_t id)
{
	if (id != dp->instance_id)
		return any_instance(has_id, id);
	return key->netns == dp->netns_inode && dp_supernet_nodes(dp, &key->snid);
}

static void correct_one(struct datapath *dp, const struct varp_joined_key *key)
{
	struct varp_joined joined;
	bool changed = false;

	if (bpf_map_lookup_elem(dp->maps.joined, key, &joined))
		return;
	for (int i = 0; i < VARP_JOINED_MAX; i++) {
		if (!joined.instances[i] || is_true(dp, key, joined.instances[i]))
			continue;
		joined.instances[i] = 0;
		changed = true;
	}
	if (changed)
		store(dp, key, &joined);
}

void dp_shared_correct(struct datapath *dp)
{
	struct varp_joined_key key, next;
	int held = lock(dp->lock_fd), end = bpf_map_get_next_key(dp->maps.joined, NULL, &next);

	while (!end) {
		key = next;
		end = bpf_map_get_next_key(dp->maps.joined, &key, &next);
		correct_one(dp, &key);
	}
	unlock(held);
}

/* One that starts makes its directory before it opens the map, so it is seen here or finds none. */
void dp_shared_remove_if_last(void)
{
	int held = lock(open_lock());

	if (!any_instance(exists, 0)) {
		unlink(SHARED_PIN);
		rmdir(SHARED_DIR);
	}
	if (held >= 0)
		close(held);
}
