// SPDX-License-Identifier: BSD-2-Clause
/*
 * When there is a program that answers, and where: while something is served here, at every
 * underlay where that does more good than harm (docs/adr/0017). See answer.h.
 */
#include "answer_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "command.h"
#include "log.h"

#define TICK_S	1

static bool found(const struct varp_snid *snid, int32_t ttl_s, size_t mappings, void *ctx)
{
	(void)snid;
	(void)ttl_s;
	(void)mappings;
	*(bool *)ctx = true;
	return false;
}

static bool wanted(const struct answer *answer)
{
	bool serving = false;

	if (answer->skel)
		varp_table_each_server(varp_engine_table(answer->varpd->engine), found, &serving);
	return serving;
}

static struct answer_dev *dev_find(struct answer *answer, uint32_t ifindex)
{
	for (unsigned int i = 0; i < answer->dev_count; i++)
		if (answer->devs[i].ifindex == ifindex)
			return &answer->devs[i];
	return NULL;
}

static void see_underlay(const struct datapath_underlay *underlay, void *ctx)
{
	struct answer *answer = ctx;
	struct answer_dev *dev = dev_find(answer, underlay->ifindex);

	if (!underlay->ifindex)
		return;
	if (!dev) {
		if (answer->dev_count == VARP_MAX_UNDERLAYS)
			return;
		dev = &answer->devs[answer->dev_count++];
		*dev = (struct answer_dev){ .ifindex = underlay->ifindex };
		memcpy(dev->name, underlay->record.name, sizeof(dev->name));
	}
	dev->seen = true;
}

static void see_underlays(struct answer *answer)
{
	for (unsigned int i = 0; i < answer->dev_count; i++)
		answer->devs[i].seen = false;
	datapath_each_underlay(answer->varpd->datapath, see_underlay, answer);
	for (unsigned int i = 0; i < answer->dev_count;) {
		if (answer->devs[i].seen) {
			i++;
			continue;
		}
		answer_detach(answer, &answer->devs[i]);
		answer->devs[i] = answer->devs[--answer->dev_count];
	}
}

static void bring(struct answer *answer, struct answer_dev *dev)
{
	struct netlink_link link;

	if (answer_blinds(answer, dev->how))
		answer_detach(answer, dev);
	if (dev->how == ANSWER_USERSPACE && dev->retry_ns > varpd_now_ns())
		return;
	if (netlink_link_get(answer->nl, NULL, dev->ifindex, &link))
		return;
	if (dev->how == ANSWER_USERSPACE)
		answer_attach(answer, dev, &link);
	else
		answer_look_after(answer, dev, &link);
}

/* Makes things as they should be now. */
static void settle(struct answer *answer)
{
	bool serving = wanted(answer), attached = false;

	see_underlays(answer);
	for (unsigned int i = 0; i < answer->dev_count; i++) {
		struct answer_dev *dev = &answer->devs[i];

		if (serving)
			bring(answer, dev);
		else if (dev->how != ANSWER_USERSPACE || dev->retry_ns)
			answer_detach(answer, dev);
		attached |= dev->how != ANSWER_USERSPACE;
	}
	if (attached)
		answer_mirror_start(answer);
	else if (answer->skel)
		answer_mirror_stop(answer);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	settle(ctx);
}

void answer_underlays_changed(struct answer *answer)
{
	if (answer)
		settle(answer);
}

void answer_change(struct answer *answer, const struct varp_command *command)
{
	struct varp_key key;

	if (!answer || !answer->skel)
		return;
	switch (command->type) {
	case VARP_COMMAND_ADD:
	case VARP_COMMAND_REMOVE:
		key = varp_key_make(&command->snid, &command->vaddr);
		answer_mirror_key(answer, &key);
		break;
	case VARP_COMMAND_SERVER_SET:
		answer_mirror_serve(answer, &command->snid);
		event_active(answer->tick, 0, 0);
		break;
	case VARP_COMMAND_SERVER_CLEAR:
		answer_mirror_clear(answer, &command->snid);
		event_active(answer->tick, 0, 0);
		break;
	case VARP_COMMAND_INIT:
		answer_mirror_stop(answer);
		event_active(answer->tick, 0, 0);
		break;
	default:
		break;
	}
}

const char *answer_how(const struct answer *answer, uint32_t ifindex, bool *shared,
		       const char **why)
{
	enum answer_how how = ANSWER_USERSPACE;

	*shared = false;
	*why = answer ? answer->why_not : "";
	for (unsigned int i = 0; answer && answer->skel && i < answer->dev_count; i++)
		if (answer->devs[i].ifindex == ifindex) {
			how = answer->devs[i].how;
			*shared = how != ANSWER_USERSPACE && answer->devs[i].shared;
			*why = answer->devs[i].why_not;
		}
	return answer_how_name(how);
}

int answer_open(struct answer **out, struct varpd *varpd, struct varpd_error *error)
{
	static const struct timeval period = { .tv_sec = TICK_S };
	struct answer *answer = calloc(1, sizeof(*answer));
	struct datapath_shared shared;
	int err = -ENOMEM;

	if (!answer)
		return varpd_fail(error, -ENOMEM, "out of memory");
	answer->varpd = varpd;
	answer->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	datapath_share(varpd->datapath, &shared);
	memcpy(answer->links, shared.links, sizeof(answer->links));
	answer->tick = event_new(varpd->base, -1, EV_PERSIST, on_tick, answer);
	if (!answer->tick || answer_mirror_open(answer) || event_add(answer->tick, &period))
		goto fail;
	err = netlink_open(&answer->nl, -1);
	if (err)
		goto fail;
	if (varpd->config.answers != CONFIG_ANSWERS_USERSPACE)
		answer_load(answer);
	settle(answer);
	answer_detach_others(answer);
	*out = answer;
	return 0;
fail:
	answer_close(answer);
	return varpd_fail(error, err, "cannot prepare answering requests: %s", strerror(-err));
}

void answer_close(struct answer *answer)
{
	if (!answer)
		return;
	answer_mirror_close(answer);
	if (answer->tick)
		event_free(answer->tick);
	netlink_close(answer->nl);
	answer_unload(answer);
	if (answer->netns >= 0)
		close(answer->netns);
	free(answer);
}
