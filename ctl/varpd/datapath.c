// SPDX-License-Identifier: BSD-2-Clause
/*
 * Opens and closes the datapath, and sums its counters. Called by main.c once each. The parts are
 * listed in datapath_internal.h.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELD_BYTES_ALL	16	/* times the bound of one supernet */

static void free_lists(struct datapath *dp)
{
	struct dp_underlay *underlay, *next_underlay;
	struct dp_device *device, *next_device;
	struct dp_node *node, *next_node;

	DL_FOREACH_SAFE(dp->underlays, underlay, next_underlay) {
		DL_DELETE(dp->underlays, underlay);
		free(underlay);
	}
	dp_raddrs_free(dp);
	HASH_CLEAR(hh, dp->nodes);
	HASH_ITER(hh_dev, dp->by_dev, device, next_device)
		HASH_DELETE(hh_dev, dp->by_dev, device);
	HASH_ITER(hh_peer, dp->by_peer, device, next_device) {
		DL_FOREACH_SAFE(device->nodes, node, next_node)
			free(node);
		HASH_DELETE(hh_peer, dp->by_peer, device);
		free(device);
	}
}

/* Also of one that was opened in part. */
static void let_go(struct datapath *dp)
{
	dp_watch_close(dp);
	dp_sweep_close(dp);
	dp_ring_close(dp);
	dp_settle_close(dp);
	free_lists(dp);
	dp_unload(dp);
	dp_send_close(dp);
	held_free(dp->held);
	netlink_close(dp->nl);
	dp_walk_close(dp);
	if (dp->lock_fd >= 0)
		close(dp->lock_fd);
	if (dp->dir_fd >= 0)
		close(dp->dir_fd);
	free(dp);
}

static int open_tools(struct datapath *dp, struct varpd_error *error)
{
	const struct held_limits limits = {
		.per_key = VARP_HELD_MAX,
		.bytes_per_supernet = dp->config.held_bytes_per_supernet,
		.bytes = (size_t)dp->config.held_bytes_per_supernet * HELD_BYTES_ALL,
	};
	int err;

	err = netlink_open(&dp->nl, -1);
	if (err)
		return varpd_fail(error, err, "cannot open a netlink socket: %s", strerror(-err));
	dp->held = held_new(&limits);
	if (!dp->held || dp_walk_open(dp))
		return varpd_fail(error, -ENOMEM, "out of memory");
	return dp_send_open(dp, error);
}

static int open_parts(struct datapath *dp, struct varpd_error *error)
{
	int err;

	err = open_tools(dp, error);
	if (!err)
		err = dp_load(dp, error);
	if (err)
		return err;
	dp->tcx = dp_tcx_supported(dp);
	snprintf(dp->features, sizeof(dp->features), "%s", dp->tcx ? "tcx" : "clsact");
	/* The watch first: what changes while records are taken over is then seen. */
	err = dp_watch_open(dp, error);
	if (!err)
		err = dp_sweep_open(dp, error);
	if (!err)
		err = dp_adopt(dp, error);
	if (!err)
		err = dp_settle_open(dp, error);
	if (!err)
		err = dp_ring_open(dp, error);
	return err;
}

int datapath_open(struct datapath **out, const struct datapath_config *config,
		  struct event_base *base, const struct datapath_ops *ops,
		  struct varpd_error *error)
{
	struct datapath *dp = calloc(1, sizeof(*dp));
	int err;

	if (!dp)
		return varpd_fail(error, -ENOMEM, "out of memory");
	dp->config = *config;
	snprintf(dp->instance, sizeof(dp->instance), "%s", config->instance);
	dp->config.instance = dp->instance;
	dp->ops = *ops;
	dp->base = base;
	dp->packet_fd = -1;
	dp->dir_fd = -1;
	dp->lock_fd = -1;
	err = strlen(config->instance) > DP_INSTANCE_MAX ?
	      varpd_fail(error, -EINVAL, "the instance's name is longer than %d characters",
			 DP_INSTANCE_MAX) : dp_pins_prepare(dp, error);
	if (err) {
		if (dp->dir_fd >= 0)
			close(dp->dir_fd);
		free(dp);
		return err;
	}
	err = open_parts(dp, error);
	if (err) {
		if (dp->fresh)
			dp_pins_remove(dp);
		let_go(dp);
		return err;
	}
	dp->open = true;
	varpd_log(VARPD_LOG_INFO, "datapath %s in %s, programs by %s",
		  dp->fresh ? "loaded" : "taken over", dp->dir, dp->features);
	*out = dp;
	return 0;
}

static bool has_server(const struct datapath *dp)
{
	for (int i = 0; i < VARP_MAX_SUPERNETS; i++) {
		if (dp->supernets[i].used && dp->supernets[i].has_server)
			return true;
	}
	return false;
}

void datapath_close(struct datapath *dp)
{
	if (!dp)
		return;
	dp_settle_now(dp);
	/* Nothing is left to go on or to be remembered: no trace stays. */
	if (!dp->underlays && !dp->by_peer && !has_server(dp))
		dp_pins_remove(dp);
	let_go(dp);
}

void datapath_share(const struct datapath *dp, struct datapath_shared *out)
{
	char path[DP_PATH_MAX];

	dp_pin_path(dp, path, "links");
	out->raddrs = dp->maps.raddrs;
	out->stats = dp->maps.stats;
	snprintf(out->links, sizeof(out->links), "%.*s", (int)sizeof(out->links) - 1, path);
}

void datapath_stats(struct datapath *dp, struct varp_stats *out)
{
	struct varp_stats *cpus = calloc((size_t)dp->cpus, sizeof(*cpus));
	uint32_t zero = 0;

	*out = dp->stats;
	if (!cpus || bpf_map_lookup_elem(dp->maps.stats, &zero, cpus))
		goto free_cpus;
	for (int cpu = 0; cpu < dp->cpus; cpu++) {
		for (int i = 0; i < VARP_COUNTER_COUNT; i++)
			out->counters[i] += cpus[cpu].counters[i];
		for (int i = 0; i < VARP_DROP_COUNT; i++)
			out->drops[i] += cpus[cpu].drops[i];
	}
free_cpus:
	free(cpus);
}

const char *datapath_features(const struct datapath *dp)
{
	return dp->features;
}
