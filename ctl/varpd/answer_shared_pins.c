// SPDX-License-Identifier: BSD-2-Clause
/*
 * What libxdp has pinned of this instance: DIR/dispatch-IFINDEX-ID/progN-prog and progN-link, ID being
 * the dispatcher's. Called by answer_shared.c.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answer_shared_internal.h"

#define DIR_PATH	"/sys/fs/bpf/xdp"
#define DIR_FORMAT	"dispatch-%u-%u%c"
#define PATH_LEN	128

typedef void (*visit_pin)(const char *dir, unsigned int slot, uint32_t ifindex, uint32_t load,
			  void *ctx);

static void visit_slots(const char *instance, const char *name, uint32_t ifindex, visit_pin visit,
			void *ctx)
{
	char dir[PATH_LEN], path[PATH_LEN + 32];

	snprintf(dir, sizeof(dir), DIR_PATH "/%.80s", name);
	for (unsigned int slot = 0; slot < ANSWER_SHARED_SLOTS; slot++) {
		uint32_t load;
		int fd;

		snprintf(path, sizeof(path), "%s/prog%u-prog", dir, slot);
		fd = access(path, F_OK) ? -1 : bpf_obj_get(path);
		if (fd < 0)
			continue;
		load = answer_shared_load_of(fd, instance);
		close(fd);
		if (load)
			visit(dir, slot, ifindex, load, ctx);
	}
}

/* With every pin of this instance's programs in a dispatcher other than those two. */
static void visit_all(const char *instance, const uint32_t but[2], visit_pin visit, void *ctx)
{
	DIR *dir = opendir(DIR_PATH);
	uint32_t ifindex, id;
	struct dirent *entry;
	char rest;

	if (!dir)
		return;
	/* As libxdp does, which may be at work in another process. */
	flock(dirfd(dir), LOCK_EX);
	while ((entry = readdir(dir)))
		if (sscanf(entry->d_name, DIR_FORMAT, &ifindex, &id, &rest) == 2 &&
		    id != but[0] && id != but[1])
			visit_slots(instance, entry->d_name, ifindex, visit, ctx);
	closedir(dir);
}

/* --- Which interfaces --- */

struct collection {
	uint32_t load, *ifindexes;
	unsigned int count;
};

static void collect(const char *dir, unsigned int slot, uint32_t ifindex, uint32_t load, void *ctx)
{
	struct collection *into = ctx;

	(void)dir;
	(void)slot;
	if (load == into->load || into->count == ANSWER_SHARED_SWEPT)
		return;
	for (unsigned int i = 0; i < into->count; i++)
		if (into->ifindexes[i] == ifindex)
			return;
	into->ifindexes[into->count++] = ifindex;
}

unsigned int answer_shared_pinned(const char *instance, uint32_t load,
				  uint32_t ifindexes[ANSWER_SHARED_SWEPT])
{
	struct collection into = { load, ifindexes, 0 };

	visit_all(instance, (const uint32_t[2]){ 0, 0 }, collect, &into);
	return into.count;
}

/* --- What is dead --- */

static void unpin(const char *dir, unsigned int slot, uint32_t ifindex, uint32_t load, void *ctx)
{
	char path[PATH_LEN + 32];

	(void)load;
	if (ifindex != *(const uint32_t *)ctx)
		return;
	snprintf(path, sizeof(path), "%s/prog%u-link", dir, slot);
	unlink(path);
	snprintf(path, sizeof(path), "%s/prog%u-prog", dir, slot);
	unlink(path);
	rmdir(dir);	/* unless others' pins are in it */
}

void answer_shared_unpin(const char *instance, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	uint32_t live[2] = { 0, 0 };

	if (!bpf_xdp_query((int)ifindex, 0, &query)) {
		live[0] = query.drv_prog_id ? query.drv_prog_id : query.prog_id;
		live[1] = query.skb_prog_id;
	}
	visit_all(instance, live, unpin, &ifindex);
}
