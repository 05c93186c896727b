// SPDX-License-Identifier: BSD-2-Clause
/*
 * Puts the program that answers on interfaces and takes it off, so that it goes on when varpd ends,
 * and a new varpd's program takes the old one's place between two frames. Called by answer.c.
 *
 * By libxdp's dispatcher, beside others' programs, which the helper process does (answer_shared.h);
 * where that cannot be, by a pinned link, alone. An interface has one XDP program or one dispatcher:
 * what somebody else has put there without a dispatcher is left alone.
 */
#include "answer_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer_shared.h"
#include "helper.h"
#include "log.h"

#define PIN_PREFIX	"answer-"
#define RETRY_S		5	/* somebody else's program may have gone */

static const struct mode {
	const char *text;
	uint32_t flags;
	uint8_t attached;		/* as a query has it */
} modes[] = {
	[ANSWER_USERSPACE]	= { .text = "userspace" },
	[ANSWER_XDP_NATIVE]	= { "xdp-native", XDP_FLAGS_DRV_MODE, XDP_ATTACHED_DRV },
	[ANSWER_XDP_GENERIC]	= { "xdp-generic", XDP_FLAGS_SKB_MODE, XDP_ATTACHED_SKB },
};

const char *answer_how_name(enum answer_how how)
{
	return modes[how].text;
}

static void pin_path(const struct answer *answer, uint32_t ifindex, char *path, size_t len)
{
	snprintf(path, len, "%s/" PIN_PREFIX "%u", answer->links, ifindex);
}

/* The program on the device in this way; 0: none, or one in another way, too. */
static uint32_t attached_id(uint32_t ifindex, enum answer_how how)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query((int)ifindex, 0, &query) || query.attach_mode != modes[how].attached)
		return 0;
	return how == ANSWER_XDP_NATIVE ? query.drv_prog_id : query.skb_prog_id;
}

/* Is our program on the device, in this way? A link may be on one of that index elsewhere. */
static bool present(const struct answer *answer, uint32_t ifindex, enum answer_how how)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return !bpf_obj_get_info_by_fd(answer_fd_program(answer), &info, &len) &&
	       attached_id(ifindex, how) == info.id;
}

static void remove_link(const char *path)
{
	int fd = bpf_obj_get(path);

	if (fd >= 0) {
		/* Removing the pin would do, but only some time later. */
		bpf_link_detach(fd);
		close(fd);
	}
	unlink(path);
}

/* 0: our program is in the place of an earlier varpd's. */
static int take_over(struct answer *answer, uint32_t ifindex, enum answer_how how, const char *path)
{
	int fd = bpf_obj_get(path), err;

	if (fd < 0)
		return -ENOENT;
	err = bpf_link_update(fd, answer_fd_program(answer), NULL) ? -errno : 0;
	close(fd);
	if (!err && present(answer, ifindex, how))
		return 0;
	remove_link(path);
	return -ENOENT;
}

static int make_link(struct answer *answer, uint32_t ifindex, enum answer_how how, const char *path)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = modes[how].flags);
	int fd = bpf_link_create(answer_fd_program(answer), (int)ifindex, BPF_XDP, &opts), err = 0;

	if (fd < 0)
		return -errno;
	if (bpf_obj_pin(fd, path)) {
		err = -errno;
		bpf_link_detach(fd);
	}
	close(fd);
	return err;
}

static int attach_alone(struct answer *answer, uint32_t ifindex, enum answer_how how,
			const char *path)
{
	int err = take_over(answer, ifindex, how, path);

	return err == -ENOENT ? make_link(answer, ifindex, how, path) : err;
}

static int join(const struct answer *answer, uint32_t ifindex, enum answer_how how)
{
	if (answer->alone)
		return -ENOSYS;
	return helper_xdp_join(answer->netns, answer_fd_program(answer), ifindex,
			       how == ANSWER_XDP_GENERIC);
}

/* Its record is gone, so it passes everything, whatever becomes of this. */
static void leave(const struct answer *answer, const struct answer_dev *dev)
{
	int err = helper_xdp_leave(answer->netns, dev->ifindex);

	if (err)
		varpd_log(VARPD_LOG_WARNING, "the program that answers cannot be taken off %s, where it "
			  "lets everything pass now (%s): see `xdp-loader status %s`", dev->name,
			  strerror(-err), dev->name);
}

static const char *error_text(int err)
{
	return err == -EPIPE ? "varpd's helper process has ended: restart varpd" : strerror(-err);
}

/* 0: beside others, or alone with the reason. */
static int put_on(struct answer *answer, struct answer_dev *dev, enum answer_how how,
		  const char *path)
{
	int err = join(answer, dev->ifindex, how);

	/* An earlier varpd's, which made do with a link: varpd answers itself for a moment. */
	if (err == -EALREADY) {
		remove_link(path);
		err = join(answer, dev->ifindex, how);
	}
	dev->shared = !err;
	dev->why_not[0] = '\0';
	if (!err) {
		dev->xdp_id = attached_id(dev->ifindex, how);
		return 0;
	}
	if (err == -EBUSY)
		return err;
	/* It may have failed with our program in place. */
	if (err != -ENOSYS)
		leave(answer, dev);
	answer->alone |= err == -ENOSYS;
	snprintf(dev->why_not, sizeof(dev->why_not), "alone: %s", err == -ENOSYS
			 ? "this kernel or libxdp does not let XDP programs share an interface"
			 : error_text(err));
	return attach_alone(answer, dev->ifindex, how, path);
}

static int put_record(struct answer *answer, const struct answer_dev *dev)
{
	return bpf_map_update_elem(answer_fd_devs(answer), &dev->ifindex, &dev->record, BPF_ANY)
		       ? -errno : 0;
}

static void drop_record(struct answer *answer, uint32_t ifindex)
{
	bpf_map_delete_elem(answer_fd_devs(answer), &ifindex);
}

static void explain(const struct answer *answer, struct answer_dev *dev, enum answer_how how,
		    int err)
{
	dev->how = ANSWER_USERSPACE;
	dev->retry_ns = varpd_now_ns() + RETRY_S * VARPD_NS_PER_S;
	if (err == -EBUSY || err == -EEXIST)
		snprintf(dev->why_not, sizeof(dev->why_not), "another program has taken XDP%s",
			 answer->alone ? "" : how == ANSWER_XDP_NATIVE
				 ? ", not by libxdp's dispatcher or not in native mode"
				 : ", not by libxdp's dispatcher or not in generic mode");
	else if (err == -EOPNOTSUPP || err == -EINVAL)
		snprintf(dev->why_not, sizeof(dev->why_not), "it cannot do %s as it is set up",
			 modes[how].text);
	else
		snprintf(dev->why_not, sizeof(dev->why_not), "%s failed: %s", modes[how].text,
			 error_text(err));
}

static bool is_veth(const char *name)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (void *)&info };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool failed;

	if (fd < 0)
		return true;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	failed = ioctl(fd, SIOCETHTOOL, &ifr) < 0;
	close(fd);
	return !failed && !strcmp(info.driver, "veth");
}

/*
 * Where generic XDP has to copy a frame, kernels of today lose the length of its Ethernet header, and
 * programs of TC behind it see the packet without one: nothing would be decapsulated any more.
 */
bool answer_blinds(const struct answer *answer, enum answer_how how)
{
	return how == ANSWER_XDP_GENERIC && datapath_has_nodes(answer->varpd->datapath);
}

/*
 * On a veth, XDP costs all other traffic far more than it saves: it takes every frame apart, or
 * copies it. See docs/adr/0017.
 */
static enum answer_how choose(const struct answer *answer, struct answer_dev *dev)
{
	switch (answer->varpd->config.answers) {
	case CONFIG_ANSWERS_GENERIC:
		if (!answer_blinds(answer, ANSWER_XDP_GENERIC))
			return ANSWER_XDP_GENERIC;
		snprintf(dev->why_not, sizeof(dev->why_not),
			 "xdp-generic would keep packets from this host's nodes");
		return ANSWER_USERSPACE;
	case CONFIG_ANSWERS_NATIVE:
		return ANSWER_XDP_NATIVE;
	default:
		break;
	}
	if (!is_veth(dev->name))
		return ANSWER_XDP_NATIVE;
	snprintf(dev->why_not, sizeof(dev->why_not),
		 "on a veth XDP would slow down all other traffic");
	return ANSWER_USERSPACE;
}

void answer_attach(struct answer *answer, struct answer_dev *dev, const struct netlink_link *link)
{
	enum answer_how how = choose(answer, dev);
	char path[128];
	int err;

	pin_path(answer, dev->ifindex, path, sizeof(path));
	if (how == ANSWER_USERSPACE) {
		remove_link(path);
		/* Nodes may leave; a veth stays one. */
		dev->retry_ns = answer->varpd->config.answers == CONFIG_ANSWERS_GENERIC ?
					varpd_now_ns() + RETRY_S * VARPD_NS_PER_S : UINT64_MAX;
		return;
	}
	dev->record = (struct varp_answer_dev){ .generic = how == ANSWER_XDP_GENERIC };
	memcpy(dev->record.mac, link->mac, sizeof(dev->record.mac));
	err = put_record(answer, dev);
	if (!err)
		err = put_on(answer, dev, how, path);
	if (err) {
		drop_record(answer, dev->ifindex);
		explain(answer, dev, how, err);
		varpd_log(VARPD_LOG_INFO, "requests at %s are answered by varpd itself: %s",
			  dev->name, dev->why_not);
		return;
	}
	dev->how = how;
	varpd_log(VARPD_LOG_INFO, "requests at %s are answered by %s%s%s", dev->name, modes[how].text,
		  dev->shared ? ", which others' programs can share" : ", ", dev->why_not);
}

void answer_detach(struct answer *answer, struct answer_dev *dev)
{
	char path[128];

	pin_path(answer, dev->ifindex, path, sizeof(path));
	remove_link(path);
	if (dev->how != ANSWER_USERSPACE)
		drop_record(answer, dev->ifindex);
	if (dev->shared)
		leave(answer, dev);
	dev->shared = false;
	dev->how = ANSWER_USERSPACE;
	dev->retry_ns = 0;
	dev->why_not[0] = '\0';
}

/* Somebody has put another dispatcher, or program, on the interface, or none. */
static void see_again(struct answer *answer, struct answer_dev *dev)
{
	enum answer_how how = dev->how;
	int err = join(answer, dev->ifindex, how);

	if (!err) {
		dev->xdp_id = attached_id(dev->ifindex, how);
		return;
	}
	drop_record(answer, dev->ifindex);
	leave(answer, dev);
	dev->shared = false;
	explain(answer, dev, how, err);
	varpd_log(VARPD_LOG_INFO, "requests at %s are answered by varpd itself: %s", dev->name,
		  dev->why_not);
}

void answer_look_after(struct answer *answer, struct answer_dev *dev,
		       const struct netlink_link *link)
{
	if (dev->shared && attached_id(dev->ifindex, dev->how) != dev->xdp_id)
		see_again(answer, dev);
	if (dev->how == ANSWER_USERSPACE || !memcmp(dev->record.mac, link->mac, sizeof(link->mac)))
		return;
	memcpy(dev->record.mac, link->mac, sizeof(link->mac));
	if (put_record(answer, dev))
		varpd_log(VARPD_LOG_WARNING,
			  "requests at %s are answered by varpd itself: its new MAC address cannot "
			  "be written", dev->name);
}

static bool is_known(const struct answer *answer, uint32_t ifindex)
{
	for (unsigned int i = 0; i < answer->dev_count; i++)
		if (answer->devs[i].ifindex == ifindex)
			return answer->devs[i].how != ANSWER_USERSPACE;
	return false;
}

/*
 * With answers by varpd alone the helper may not, but varpd still may: it has not given up anything
 * yet.
 */
static void sweep(const struct answer *answer)
{
	const char *instance = answer->varpd->config.instance;
	int err;

	if (answer->varpd->config.answers != CONFIG_ANSWERS_USERSPACE)
		err = helper_xdp_sweep(answer->netns, answer->skel ? answer_fd_program(answer) : -1);
	else
		err = geteuid() ? 0 : answer_shared_sweep(instance, -1);
	if (err && err != -EPERM)
		varpd_log(VARPD_LOG_WARNING, "a program that answers, of an earlier varpd, cannot be taken "
			  "off (%s): see `xdp-loader status`", strerror(-err));
}

static void detach_other_links(struct answer *answer)
{
	DIR *dir = opendir(answer->links);
	struct dirent *entry;
	uint32_t ifindex;
	char path[128];

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (sscanf(entry->d_name, PIN_PREFIX "%u", &ifindex) != 1 ||
		    is_known(answer, ifindex))
			continue;
		pin_path(answer, ifindex, path, sizeof(path));
		remove_link(path);
	}
	closedir(dir);
}

void answer_detach_others(struct answer *answer)
{
	detach_other_links(answer);
	sweep(answer);
}
