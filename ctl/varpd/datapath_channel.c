// SPDX-License-Identifier: BSD-2-Clause
/*
 * Keyed channels as the datapath knows them: their keys in varp_channels, their mode in the records
 * of devices and nodes, and what a node device must not do if its packets are to be sealed. Called
 * by channels.c, which knows where keys come from, and by datapath_node.c.
 *
 * On the way to keys the channel is written before its nodes, on the way back after them: in between
 * packets are dropped, never sent or taken in plain.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ethtool.h"

/*
 * A tag is over what is on the wire: segments and checksums have to be made before. The first takes
 * the second with it; they are named for kernels that do not see to it.
 */
static const char *const features[] = {
	"tx-checksum-ip-generic", "tx-tcp-segmentation", "tx-tcp6-segmentation",
	"tx-tcp-ecn-segmentation", "tx-tcp-mangleid-segmentation", "tx-udp-segmentation",
};

static struct varp_combo combo_of(const struct varp_dev *record)
{
	return (struct varp_combo){ .snid = record->snid, .chid = record->chid };
}

void dp_device_seal(const struct dp_device *device)
{
	const struct varp_dev *record = &device->record;
	int fd = record->here ? -1 : netns_open(record->netns);

	if (record->mode == VARP_CHANNEL_PLAIN)
		return;
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		int err = ethtool_feature_off(fd, record->name, features[i]);

		if (err && err != -ENOENT)
			varpd_log(VARPD_LOG_WARNING,
				  "cannot switch %s of %s off: %s; packets that are not cut up "
				  "there are dropped (seal_failed)",
				  features[i], record->name, strerror(-err));
	}
	if (fd >= 0)
		close(fd);
}

uint8_t dp_channel_mode(const struct datapath *dp, const struct varp_snid *snid,
			const struct varp_chid *chid)
{
	struct varp_combo combo = { .snid = *snid, .chid = *chid };
	struct varp_channel channel;
	uint8_t mode = VARP_CHANNEL_PLAIN;

	if (!bpf_map_lookup_elem(dp->maps.channels, &combo, &channel))
		mode = (uint8_t)channel.mode;
	explicit_bzero(&channel, sizeof(channel));
	return mode;
}

/* Records of the devices and nodes of a channel. */
static int write_mode(struct datapath *dp, const struct varp_combo *combo, uint8_t mode)
{
	struct dp_device *device, *next;
	int err = 0;

	HASH_ITER(hh_peer, dp->by_peer, device, next) {
		struct varp_combo its = combo_of(&device->record);
		struct dp_node *node;

		if (memcmp(&its, combo, sizeof(its)) || device->record.mode == mode)
			continue;
		device->record.mode = mode;
		dp_device_seal(device);
		err = err ? err : dp_device_store(dp, device);
		DL_FOREACH(device->nodes, node)
			err = err ? err : dp_node_store(dp, device, node);
	}
	/* The longer option takes its share of the MTU. */
	dp_devices_rebind(dp);
	return err;
}

int datapath_channel_set(struct datapath *dp, const struct varp_combo *combo,
			 const struct varp_channel *channel, struct varpd_error *error)
{
	int err = 0;

	if (channel->mode == VARP_CHANNEL_PLAIN) {
		err = write_mode(dp, combo, VARP_CHANNEL_PLAIN);
		if (!err && bpf_map_delete_elem(dp->maps.channels, combo) && errno != ENOENT)
			err = -errno;
	} else {
		if (bpf_map_update_elem(dp->maps.channels, combo, channel, BPF_ANY))
			err = -errno;
		if (!err)
			err = write_mode(dp, combo, (uint8_t)channel->mode);
	}
	if (err)
		varpd_fail(error, err, "cannot write the channel's keys: %s",
			   err == -E2BIG ? "too many keyed channels on this host" : strerror(-err));
	return err;
}

void datapath_each_channel(struct datapath *dp,
			   void (*visit)(const struct varp_combo *combo,
					 const struct varp_channel *channel, void *ctx),
			   void *ctx)
{
	struct varp_combo combo, *at = NULL;
	struct varp_channel channel;

	/* A visitor may write the channel that it is shown, or delete it: the next is asked for before. */
	for (int more = !bpf_map_get_next_key(dp->maps.channels, at, &combo); more;) {
		struct varp_combo this = combo;

		more = !bpf_map_get_next_key(dp->maps.channels, &this, &combo);
		if (!bpf_map_lookup_elem(dp->maps.channels, &this, &channel))
			visit(&this, &channel, ctx);
	}
	explicit_bzero(&channel, sizeof(channel));
}
