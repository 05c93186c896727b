// SPDX-License-Identifier: BSD-2-Clause
/*
 * See answer_shared.h. Programs are told by their maps, not by pins of ours: what libxdp pins is all
 * there is, so nothing can disagree with it.
 */
#include "answer_shared.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <varp/abi.h>
#include <xdp/libxdp.h>

#include "answer.skel.h"
#include "answer_shared_internal.h"
#include "log.h"

#define PROGRAM		"varp_answer"
/* Behind what filters (xdp-filter has 10) or has no wish (50): a host's filter comes first. */
#define RUN_PRIORITY	60
#define MAPS_MAX	16

/* What there is on an interface, as far as it matters here. */
struct found {
	bool alone, alone_ours;		/* a program without a dispatcher */
	uint32_t dispatcher;		/* id; 0: none */
	enum xdp_attach_mode mode;	/* of the dispatcher */
	bool others, current;
	uint32_t former[ANSWER_SHARED_SLOTS];	/* ids: this instance's, of other loads */
	unsigned int former_count;
};

/* --- What libraries have to say --- */

static void log_line(const char *format, va_list args)
{
	char text[512];

	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	varpd_log(VARPD_LOG_DEBUG, "%s", text);
}

__attribute__((format(printf, 2, 0)))
static int print_bpf(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	log_line(format, args);
	return 0;
}

__attribute__((format(printf, 2, 0)))
static int print_xdp(enum libxdp_print_level level, const char *format, va_list args)
{
	(void)level;
	log_line(format, args);
	return 0;
}

static void begin(void)
{
	libbpf_set_print(print_bpf);
	libxdp_set_print(print_xdp);
}

/* --- Whose is it? --- */

static int maps_of(int program_fd, uint32_t ids[MAPS_MAX], unsigned int *count, bool *named)
{
	struct bpf_prog_info info = { .nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)ids };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(program_fd, &info, &len))
		return -errno;
	*named = !strcmp(info.name, PROGRAM);
	*count = info.nr_map_ids > MAPS_MAX ? MAPS_MAX : info.nr_map_ids;
	return 0;
}

static int open_map(uint32_t id, struct bpf_map_info *info)
{
	uint32_t len = sizeof(*info);
	int fd = bpf_map_get_fd_by_id(id);

	memset(info, 0, sizeof(*info));
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, info, &len)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool map_names(uint32_t id, const char *instance)
{
	char owner[VARP_ANSWER_ID_LEN] = "";
	struct bpf_map_info info;
	uint32_t zero = 0;
	int fd = open_map(id, &info);
	bool ours;

	if (fd < 0)
		return false;
	ours = !strcmp(info.name, VARP_ANSWER_ID_MAP) && info.value_size == sizeof(owner) &&
	       !bpf_map_lookup_elem(fd, &zero, owner) && !strncmp(owner, instance, sizeof(owner));
	close(fd);
	return ours;
}

uint32_t answer_shared_load_of(int program_fd, const char *instance)
{
	uint32_t ids[MAPS_MAX];
	unsigned int count;
	bool named;

	if (maps_of(program_fd, ids, &count, &named) || !named)
		return 0;
	for (unsigned int i = 0; i < count; i++)
		if (map_names(ids[i], instance))
			return ids[i];
	return 0;
}

/* --- What is on the interface --- */

static void see_program(struct found *found, const char *instance, uint32_t load,
			const struct xdp_program *program)
{
	uint32_t its = answer_shared_load_of(xdp_program__fd(program), instance);

	if (!its)
		found->others = true;
	else if (its == load)
		found->current = true;
	else if (found->former_count < ANSWER_SHARED_SLOTS)
		found->former[found->former_count++] = xdp_program__id(program);
}

/* load: whose programs are the current ones; 0: none are. 0 or -errno */
static int look(const char *instance, uint32_t load, uint32_t ifindex, struct found *found)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex((int)ifindex);
	struct xdp_program *program = NULL;
	int err = (int)libxdp_get_error(all);

	memset(found, 0, sizeof(*found));
	if (err)
		return err == -ENOENT || err == -ENODEV ? 0 : err;
	program = xdp_multiprog__main_prog(all);
	found->mode = xdp_multiprog__attach_mode(all);
	if (xdp_multiprog__is_legacy(all)) {
		found->alone = true;
		found->alone_ours = program && answer_shared_load_of(xdp_program__fd(program),
								     instance);
	} else {
		found->dispatcher = program ? xdp_program__id(program) : 0;
		for (program = xdp_multiprog__next_prog(NULL, all); program;
		     program = xdp_multiprog__next_prog(program, all))
			see_program(found, instance, load, program);
	}
	xdp_multiprog__close(all);
	return 0;
}

/* --- On and off --- */

static struct bpf_map *map_by_name(struct bpf_object *object, const char *name)
{
	struct bpf_map *map;

	/* The kernel keeps 15 octets of a name. */
	bpf_object__for_each_map(map, object)
		if (!strncmp(bpf_map__name(map), name, BPF_OBJ_NAME_LEN - 1))
			return map;
	return NULL;
}

/* The copy works on these maps, settings included. Each must be what the program expects. */
static int take_maps(struct bpf_object *object, int program_fd)
{
	unsigned int count, taken = 0, wanted = 0;
	uint32_t ids[MAPS_MAX];
	struct bpf_map_info info;
	struct bpf_map *map;
	bool named;
	int err = maps_of(program_fd, ids, &count, &named);

	for (unsigned int i = 0; !err && i < count; i++) {
		int fd = open_map(ids[i], &info);

		if (fd < 0)
			return -errno;
		map = map_by_name(object, info.name);
		if (!map || info.type != bpf_map__type(map) ||
		    info.key_size != bpf_map__key_size(map) ||
		    info.value_size != bpf_map__value_size(map))
			err = -EINVAL;
		else
			err = bpf_map__reuse_fd(map, fd);
		taken += !err;
		close(fd);
	}
	bpf_object__for_each_map(map, object)
		wanted++;
	return !err && taken != wanted ? -EINVAL : err;
}

static int add(int program_fd, uint32_t ifindex, enum xdp_attach_mode mode)
{
	struct answer_bpf *skel = answer_bpf__open();
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, 0);
	struct xdp_program *program;
	int err = skel ? take_maps(skel->obj, program_fd) : -errno;

	if (err)
		goto destroy_skel;
	opts.obj = skel->obj;
	opts.prog_name = PROGRAM;
	program = xdp_program__create(&opts);
	err = (int)libxdp_get_error(program);
	if (err)
		goto destroy_skel;
	err = xdp_program__set_run_prio(program, RUN_PRIORITY);
	if (!err)
		err = xdp_program__attach(program, (int)ifindex, mode, 0);
	xdp_program__close(program);
destroy_skel:
	answer_bpf__destroy(skel);
	return err;
}

static int take_off(uint32_t id, uint32_t ifindex, enum xdp_attach_mode mode)
{
	struct xdp_program *program = xdp_program__from_id(id);
	int err = (int)libxdp_get_error(program);

	if (err)
		return err;
	err = xdp_program__detach(program, (int)ifindex, mode, 0);
	xdp_program__close(program);
	return err;
}

static int take_off_former(const struct found *found, uint32_t ifindex)
{
	int err = 0, last;

	for (unsigned int i = 0; i < found->former_count; i++) {
		last = take_off(found->former[i], ifindex, found->mode);
		err = err ? err : last;
	}
	return err;
}

/* libxdp attaches a program alone where it finds that it cannot do better. */
static void undo_alone(uint32_t ifindex)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex((int)ifindex);

	if (libxdp_get_error(all))
		return;
	xdp_multiprog__detach(all);
	xdp_multiprog__close(all);
}

/* 0: there is room for ours in the dispatcher, or no dispatcher yet. */
static int may_join(const struct found *found, enum xdp_attach_mode mode)
{
	if (found->alone)
		return found->alone_ours ? -EALREADY : -EBUSY;
	return found->others && found->mode != mode ? -EBUSY : 0;
}

int answer_shared_join(const char *instance, int program_fd, uint32_t ifindex, bool generic)
{
	enum xdp_attach_mode mode = generic ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	uint32_t load;
	struct found found;
	int err;

	begin();
	load = answer_shared_load_of(program_fd, instance);
	if (!load)
		return -EPERM;
	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_EXT, NULL) != 1)
		return -ENOSYS;
	err = look(instance, load, ifindex, &found);
	if (!err)
		err = may_join(&found, mode);
	/* Ours alone in the other mode: a dispatcher has one, so this one goes first. */
	if (!err && found.dispatcher && found.mode != mode) {
		err = answer_shared_leave(instance, ifindex);
		found = (struct found){ 0 };
	}
	if (!err && !found.current)
		err = add(program_fd, ifindex, mode);
	if (!err)
		err = look(instance, load, ifindex, &found);
	if (err)
		return err;
	if (!found.current) {
		if (found.alone_ours)
			undo_alone(ifindex);
		return -ENOSYS;
	}
	err = take_off_former(&found, ifindex);
	answer_shared_unpin(instance, ifindex);
	return err;
}

static int leave(const char *instance, uint32_t load, uint32_t ifindex)
{
	struct found found;
	int err = look(instance, load, ifindex, &found);

	if (!err)
		err = take_off_former(&found, ifindex);
	answer_shared_unpin(instance, ifindex);
	return err;
}

int answer_shared_leave(const char *instance, uint32_t ifindex)
{
	begin();
	return leave(instance, 0, ifindex);
}

int answer_shared_sweep(const char *instance, int program_fd)
{
	uint32_t ifindexes[ANSWER_SHARED_SWEPT], load = 0;
	unsigned int count;
	int err = 0, last;

	begin();
	if (program_fd >= 0) {
		load = answer_shared_load_of(program_fd, instance);
		if (!load)
			return -EPERM;
	}
	count = answer_shared_pinned(instance, load, ifindexes);
	for (unsigned int i = 0; i < count; i++) {
		last = leave(instance, load, ifindexes[i]);
		err = err ? err : last;
	}
	return err;
}
