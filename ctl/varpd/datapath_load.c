// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loads the BPF object: sizes and settings in, maps pinned or taken over. Called by datapath.c once
 * at start. Turns what the kernel may refuse into one line for a person; libbpf's own words go to
 * the log at debug.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "varp.skel.h"

/*
 * Maps that outlive the daemon. The others (scratch, read-only data) belong to one load of the
 * programs.
 */
struct pinned_map {
	const char *name;
	size_t fd_offset;			/* into struct dp_maps */
	size_t size_offset;			/* into struct datapath_config, or NO_SIZE */
};

#define NO_SIZE ((size_t)-1)
#define MAP(field) "varp_" #field, offsetof(struct dp_maps, field)

static const struct pinned_map pinned_maps[] = {
	{ MAP(cache),		offsetof(struct datapath_config, cache_max) },
	{ MAP(pending),		offsetof(struct datapath_config, pending_max) },
	{ MAP(events),		offsetof(struct datapath_config, ring_bytes) },
	{ MAP(local),		NO_SIZE },
	{ MAP(devs),		NO_SIZE },
	{ MAP(underlays),	NO_SIZE },
	{ MAP(raddrs),		NO_SIZE },
	{ MAP(supernets),	NO_SIZE },
	{ MAP(stats),		NO_SIZE },
	{ MAP(channels),	NO_SIZE },
	{ MAP(senders),		NO_SIZE },
};
#define PINNED_MAPS (sizeof(pinned_maps) / sizeof(pinned_maps[0]))

const char *dp_pinned_name(unsigned int i)
{
	return i < PINNED_MAPS ? pinned_maps[i].name : NULL;
}

__attribute__((format(printf, 2, 0)))
static int print_to_log(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[512];
	size_t len;

	(void)level;
	vsnprintf(text, sizeof(text), format, args);
	len = strlen(text);
	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	varpd_log(VARPD_LOG_DEBUG, "%s", text);
	return 0;
}

/* Size of a map that is pinned already; zero: there is none. */
static uint32_t pinned_size(const char *path)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		info.max_entries = 0;
	close(fd);
	return info.max_entries;
}

static int prepare_map(struct datapath *dp, const struct pinned_map *pinned)
{
	struct bpf_map *map = bpf_object__find_map_by_name(dp->skel->obj, pinned->name);
	uint32_t wanted = 0, adopted;
	char path[DP_PATH_MAX];
	int err;

	if (!map)
		return -ENOENT;
	dp_pin_path(dp, path, pinned->name);
	if (pinned->size_offset != NO_SIZE)
		memcpy(&wanted, (const char *)&dp->config + pinned->size_offset, sizeof(wanted));
	adopted = pinned_size(path);
	if (adopted) {
		if (wanted && wanted != adopted)
			varpd_log(VARPD_LOG_WARNING,
				  "%s keeps its size of %u, not %u: it is in use; the new size "
				  "counts once everything was detached and varpd was stopped",
				  pinned->name, adopted, wanted);
		wanted = adopted;
	}
	if (wanted) {
		err = bpf_map__set_max_entries(map, wanted);
		if (err)
			return err;
	}
	return bpf_map__set_pin_path(map, path);
}

/*
 * adjust_room with BPF_F_ADJ_ROOM_DECAP_L3_* came with Linux 6.3. A backport to an older number is
 * not found out and not needed: the programs have another way.
 */
static bool kernel_has_decap_l3(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 3);
}

static int prepare(struct datapath *dp)
{
	int err;

	dp->skel->rodata->window_ns = dp_window_ns(dp);
	dp->skel->rodata->source_check = dp->config.source_check;
	/* Never one salt for two loads: the counter behind it in nonces begins anew with each. */
	if (getrandom((void *)dp->skel->rodata->sender_salt, VARP_SALT_LEN, 0) != VARP_SALT_LEN)
		return -EIO;
	dp->skel->rodata->decap_l3_flags = kernel_has_decap_l3();
	err = bpf_map__set_max_entries(dp->skel->maps.varp_scratch, (uint32_t)dp->cpus);
	if (err)
		return err;
	/* Mapped, so that both sides count open lookups by atomic additions. */
	err = bpf_map__set_map_flags(dp->skel->maps.varp_supernets, BPF_F_MMAPABLE);
	for (size_t i = 0; !err && i < PINNED_MAPS; i++)
		err = prepare_map(dp, &pinned_maps[i]);
	return err;
}

static int explain(const struct datapath *dp, int err, struct varpd_error *error)
{
	switch (err) {
	case -EPERM:
		return varpd_fail(error, err, "not permitted to load the BPF programs: varpd needs "
				  "root, or CAP_BPF and CAP_NET_ADMIN");
	case -EMFILE:
	case -ENFILE:
		return varpd_fail(error, err, "out of file descriptors while loading the BPF "
				  "programs; raise the limit (ulimit -n, LimitNOFILE=)");
	case -ENOMEM:
		return varpd_fail(error, err,
				  "not enough memory for the BPF maps; lower cache-max, "
				  "pending-max or ring-bytes");
	case -ENOSPC:
		return varpd_fail(error, err, "the kernel's verifier gave up on the BPF programs: "
				  "Linux 6.1 or newer is needed");
	case -EACCES:
	case -EINVAL:
		if (!dp->fresh)
			return varpd_fail(
				error, err,
				"the maps pinned in %s do not fit this varpd, or the "
				"kernel refused the programs (log-level debug tells which); "
				"to start anew, which ends what is forwarded: rm -r %s",
				dp->dir, dp->dir);
		return varpd_fail(error, err,
				  "the kernel refused the BPF programs: Linux 6.1 or newer "
				  "is needed (log-level debug shows why)");
	}
	return varpd_fail(error, err, "cannot load the BPF programs: %s", strerror(-err));
}

static int map_supernets(struct datapath *dp)
{
	void *p = mmap(NULL, sizeof(struct varp_supernet) * VARP_MAX_SUPERNETS,
		       PROT_READ | PROT_WRITE, MAP_SHARED, dp->maps.supernets, 0);

	if (p == MAP_FAILED)
		return -errno;
	dp->supernets = p;
	dp->supernets_end = VARP_MAX_SUPERNETS;
	return 0;
}

static int note_maps(struct datapath *dp)
{
	for (size_t i = 0; i < PINNED_MAPS; i++) {
		int fd = bpf_object__find_map_fd_by_name(dp->skel->obj, pinned_maps[i].name);

		memcpy((char *)&dp->maps + pinned_maps[i].fd_offset, &fd, sizeof(fd));
	}
	dp->maps.joined = bpf_map__fd(dp->skel->maps.varp_joined);
	dp->pending_room = bpf_map__max_entries(dp->skel->maps.varp_pending);
	return map_supernets(dp);
}

int dp_load(struct datapath *dp, struct varpd_error *error)
{
	int err;

	libbpf_set_print(print_to_log);
	dp->cpus = libbpf_num_possible_cpus();
	if (dp->cpus < 0)
		return varpd_fail(error, dp->cpus, "cannot tell the number of CPUs: %s",
				  strerror(-dp->cpus));
	dp->skel = varp_bpf__open();
	if (!dp->skel)
		return explain(dp, -errno, error);
	err = dp_shared_prepare(dp, error);
	if (err) {
		dp_unload(dp);
		return err;
	}
	err = prepare(dp);
	if (!err)
		err = varp_bpf__load(dp->skel);
	if (!err)
		err = note_maps(dp);
	if (err) {
		dp_unload(dp);
		return explain(dp, err, error);
	}
	return 0;
}

void dp_unload(struct datapath *dp)
{
	if (dp->supernets)
		munmap(dp->supernets, sizeof(struct varp_supernet) * VARP_MAX_SUPERNETS);
	dp->supernets = NULL;
	varp_bpf__destroy(dp->skel);
	dp->skel = NULL;
}

int dp_program_fd(const struct datapath *dp, const char *name)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(dp->skel->obj, name);

	return program ? bpf_program__fd(program) : -ENOENT;
}
