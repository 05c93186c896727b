// SPDX-License-Identifier: BSD-2-Clause
/*
 * Puts programs on devices and takes them off, so that they stay when the daemon ends: by pinned
 * TCX links where the kernel has them (6.6), else as filters of the clsact qdisc. Called by
 * datapath_underlay.c and datapath_device.c.
 *
 * Others' programs are left alone. TCX keeps them in a list, where ours goes last; with clsact on
 * an underlay the kernel chooses a free priority. On node devices, which are ours, the filter
 * stands at a fixed place.
 *
 * VARP_TC=clsact in the environment makes it do without TCX, for tests.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Kernel headers of the oldest platforms lack these; the values are the kernel's ABI. */
#define TCX_INGRESS	((enum bpf_attach_type)46)
#define TCX_EGRESS	((enum bpf_attach_type)47)

#define TCX_PROGRAMS_MAX	64	/* the kernel's bound per device and direction */

#define OWN_HANDLE	1
#define OWN_PRIORITY	1

struct hook {
	const char *program;
	const char *pin;	/* links/PIN-IFINDEX */
	bool egress;
	bool own_device;
};

static const struct hook hooks[] = {
	[DP_HOOK_DECAP]		= { "varp_decap",	"decap",	false,	false },
	[DP_HOOK_ENCAP]		= { "varp_encap",	"encap",	false,	true },
	[DP_HOOK_ENCAP_HERE]	= { "varp_encap",	"here",		true,	true },
	[DP_HOOK_REINJECT]	= { "varp_reinject",	"reinject",	true,	true },
};

static void link_path(const struct datapath *dp, const struct hook *hook, uint32_t ifindex,
		      char path[DP_PATH_MAX])
{
	char name[64];

	snprintf(name, sizeof(name), "links/%s-%u", hook->pin, ifindex);
	dp_pin_path(dp, path, name);
}

/*
 * A kernel that knows TCX looks for the device first and finds none; an older one stumbles over the
 * attach type.
 */
bool dp_tcx_supported(const struct datapath *dp)
{
	const char *wish = getenv("VARP_TC");
	int fd;

	if (wish && !strcmp(wish, "clsact"))
		return false;
	fd = bpf_link_create(dp_program_fd(dp, "varp_decap"), INT_MAX, TCX_INGRESS, NULL);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno == ENODEV;
}

/* --- TCX --- */

static int tcx_attach(const struct datapath *dp, const struct hook *hook, uint32_t ifindex)
{
	char path[DP_PATH_MAX];
	int fd, err = 0;

	link_path(dp, hook, ifindex, path);
	unlink(path);		/* of an earlier device of this index */
	fd = bpf_link_create(dp_program_fd(dp, hook->program), (int)ifindex,
			     hook->egress ? TCX_EGRESS : TCX_INGRESS, NULL);
	if (fd < 0)
		return -errno;
	if (bpf_obj_pin(fd, path)) {
		err = -errno;
		bpf_link_detach(fd);
	}
	close(fd);
	return err;
}

/*
 * Is our program on this device, of this namespace? The link may be on a device with the same index
 * elsewhere, when the instance was moved to another namespace.
 */
static bool tcx_present(const struct datapath *dp, const struct hook *hook, uint32_t ifindex)
{
	uint32_t ids[TCX_PROGRAMS_MAX], count = TCX_PROGRAMS_MAX;
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(dp_program_fd(dp, hook->program), &info, &len) ||
	    bpf_prog_query((int)ifindex, hook->egress ? TCX_EGRESS : TCX_INGRESS, 0, NULL, ids,
			   &count))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (ids[i] == info.id)
			return true;
	}
	return false;
}

static int tcx_replace(const struct datapath *dp, const struct hook *hook, uint32_t ifindex)
{
	char path[DP_PATH_MAX];
	int fd, err = 0;

	link_path(dp, hook, ifindex, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? -ENOLINK : -errno;
	if (bpf_link_update(fd, dp_program_fd(dp, hook->program), NULL))
		err = -errno;
	close(fd);
	if (!err && !tcx_present(dp, hook, ifindex))
		err = -ENOLINK;
	return err;
}

static void tcx_detach(const struct datapath *dp, const struct hook *hook, uint32_t ifindex)
{
	char path[DP_PATH_MAX];
	int fd;

	link_path(dp, hook, ifindex, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	/* Removing the pin would do, but only some time later. */
	bpf_link_detach(fd);
	close(fd);
	unlink(path);
}

/* --- clsact --- */

static int clsact_set(const struct datapath *dp, const struct hook *hook, uint32_t ifindex,
		      struct dp_attachment *attachment, bool replace)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = (int)ifindex,
			    .attach_point = hook->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, what, .prog_fd = dp_program_fd(dp, hook->program));
	int err;

	if (replace || hook->own_device) {
		what.handle = hook->own_device ? OWN_HANDLE : attachment->handle;
		what.priority = hook->own_device ? OWN_PRIORITY : attachment->priority;
	}
	if (replace) {
		what.flags = BPF_TC_F_REPLACE;
		what.prog_id = 0;
	}
	err = bpf_tc_attach(&where, &what);
	if (err)
		return err;
	attachment->handle = what.handle;
	attachment->priority = what.priority;
	return 0;
}

static int qdisc_make(uint32_t ifindex, bool *made)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = (int)ifindex,
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err = bpf_tc_hook_create(&where);

	*made = !err;
	return err == -EEXIST ? 0 : err;
}

static void qdisc_remove_if_unused(const struct datapath *dp, uint32_t ifindex)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = (int)ifindex,
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	unsigned int others;

	if (!netlink_count_filters(dp->nl, ifindex, &others) && !others)
		bpf_tc_hook_destroy(&where);
}

static int clsact_attach(const struct datapath *dp, const struct hook *hook, uint32_t ifindex,
			 struct dp_attachment *attachment)
{
	int err = qdisc_make(ifindex, &attachment->made_clsact);

	if (err)
		return err;
	err = clsact_set(dp, hook, ifindex, attachment, false);
	if (err && attachment->made_clsact)
		qdisc_remove_if_unused(dp, ifindex);
	return err;
}

static void clsact_detach(const struct datapath *dp, const struct hook *hook, uint32_t ifindex,
			  const struct dp_attachment *attachment)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = (int)ifindex,
			    .attach_point = hook->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, what, .handle = attachment->handle,
			    .priority = attachment->priority);

	if (hook->own_device)
		return;		/* goes with its device */
	bpf_tc_detach(&where, &what);
	if (attachment->made_clsact)
		qdisc_remove_if_unused(dp, ifindex);
}

/*
 * A filter that is not there any more must not be made anew by "replace": the device may be another
 * one.
 */
static bool clsact_present(const struct hook *hook, uint32_t ifindex,
			   const struct dp_attachment *attachment)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = (int)ifindex,
			    .attach_point = hook->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, what,
			    .handle = hook->own_device ? OWN_HANDLE : attachment->handle,
			    .priority = hook->own_device ? OWN_PRIORITY : attachment->priority);

	return !bpf_tc_query(&where, &what);
}

/* --- Either --- */

int dp_hook_attach(struct datapath *dp, enum dp_hook hook, uint32_t ifindex,
		   struct dp_attachment *attachment)
{
	int err;

	memset(attachment, 0, sizeof(*attachment));
	attachment->how = dp->tcx ? VARP_ATTACH_TCX : VARP_ATTACH_CLSACT;
	err = dp->tcx ? tcx_attach(dp, &hooks[hook], ifindex) :
			clsact_attach(dp, &hooks[hook], ifindex, attachment);
	if (err)
		attachment->how = VARP_ATTACH_NONE;
	return err;
}

int dp_hook_replace(struct datapath *dp, enum dp_hook hook, uint32_t ifindex,
		    struct dp_attachment *attachment)
{
	const struct hook *h = &hooks[hook];
	int err = -ENOLINK;

	/* No record says how a node device's programs are attached; a link's pin does. */
	if (attachment->how != VARP_ATTACH_CLSACT) {
		err = tcx_replace(dp, h, ifindex);
		if (!err)
			attachment->how = VARP_ATTACH_TCX;
		if (err != -ENOLINK || !h->own_device)
			return err;
	}
	if (!clsact_present(h, ifindex, attachment))
		return -ENOLINK;
	err = clsact_set(dp, h, ifindex, attachment, true);
	if (!err)
		attachment->how = VARP_ATTACH_CLSACT;
	return err;
}

void dp_hook_detach(struct datapath *dp, enum dp_hook hook, uint32_t ifindex,
		    const struct dp_attachment *attachment)
{
	if (attachment->how != VARP_ATTACH_CLSACT)
		tcx_detach(dp, &hooks[hook], ifindex);
	else
		clsact_detach(dp, &hooks[hook], ifindex, attachment);
}

bool dp_hook_unpinned(const struct datapath *dp, enum dp_hook hook, uint32_t ifindex, uint32_t how)
{
	char path[DP_PATH_MAX];

	link_path(dp, &hooks[hook], ifindex, path);
	return how == VARP_ATTACH_TCX && access(path, F_OK);
}
