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
 * At the node device: a tag is over what is on the wire, so segments and checksums have to be made
 * before. The first takes the second with it; they are named for kernels that do not see to it.
 */
static const char *const sent_whole[] = {
	"tx-checksum-ip-generic", "tx-tcp-segmentation", "tx-tcp6-segmentation",
	"tx-tcp-ecn-segmentation", "tx-tcp-mangleid-segmentation", "tx-udp-segmentation",
};

/*
 * At its peer, which hands over what was opened, packet by packet: to a device whose other end could
 * have super-packets, veth takes them for merged already.
 */
static const char *const merged_before[] = {
	"tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-tcp-ecn-segmentation",
	"tx-tcp-mangleid-segmentation",
};

static struct varp_combo combo_of(const struct varp_dev *record)
{
	return (struct varp_combo){ .snid = record->snid, .chid = record->chid };
}

/* Without it packets are not merged and everything is as well. */
static void merge_opened(struct datapath *dp, const struct dp_device *device, int fd)
{
	struct netlink_link peer;
	int err = netlink_link_get(dp->nl, NULL, device->record.peer, &peer);

	for (size_t i = 0; !err && i < sizeof(merged_before) / sizeof(merged_before[0]); i++) {
		err = ethtool_feature(-1, peer.name, merged_before[i], false);
		if (err == -ENOENT)
			err = 0;
	}
	if (!err)
		err = ethtool_feature(fd, device->record.name, "rx-gro", true);
	if (err)
		varpd_log(VARPD_LOG_WARNING,
			  "packets of keyed channels are not merged at %s, which makes them slower: %s",
			  device->record.name, strerror(-err));
}

void dp_device_seal(struct datapath *dp, const struct dp_device *device)
{
	const struct varp_dev *record = &device->record;
	int fd;

	if (record->mode == VARP_CHANNEL_PLAIN)
		return;
	fd = record->here ? -1 : netns_open(record->netns);
	if (!record->here && fd < 0) {
		varpd_log(VARPD_LOG_WARNING,
			  "cannot set %s up for a keyed channel, as its namespace %s cannot be opened: %s",
			  record->name, record->netns, strerror(-fd));
		return;
	}
	for (size_t i = 0; i < sizeof(sent_whole) / sizeof(sent_whole[0]); i++) {
		int err = ethtool_feature(fd, record->name, sent_whole[i], false);

		if (err && err != -ENOENT)
			varpd_log(VARPD_LOG_WARNING,
				  "cannot switch %s of %s off: %s; packets that are not cut up "
				  "there are dropped (seal_failed)",
				  sent_whole[i], record->name, strerror(-err));
	}
	merge_opened(dp, device, fd);
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
		dp_device_seal(dp, device);
		err = err ? err : dp_device_store(dp, device);
		DL_FOREACH(device->nodes, node)
			err = err ? err : dp_node_store(dp, device, node);
	}
	/* The longer option takes its share of the MTU. */
	dp_devices_rebind(dp);
	return err;
}

/* --- Windows of senders --- */

/* The clock may have been set since the window was made, so its channel is asked as well. */
static bool epoch_is_over(const struct datapath *dp, const struct varp_sender_key *key,
			  uint64_t ends_ns)
{
	struct varp_combo combo = { .snid = key->snid, .chid = key->chid };
	const struct varp_epoch *e;
	struct varp_channel channel;
	uint64_t now_ns = dp_now_ns();
	bool holds = false;

	if (ends_ns > now_ns)
		return false;
	if (!bpf_map_lookup_elem(dp->maps.channels, &combo, &channel)) {
		e = &channel.epochs[key->epoch % VARP_EPOCHS];
		holds = e->epoch == key->epoch && e->ends_ns > now_ns;
	}
	explicit_bzero(&channel, sizeof(channel));
	return !holds;
}

/*
 * BPF makes them, and nothing but their epoch's end removes them: not even their channel's, for it
 * may come back with the same keys. Only when keys change does an epoch end that had any.
 */
static void sweep_senders(struct datapath *dp)
{
	struct varp_sender_key key;
	struct varp_sender sender;
	bool more = !bpf_map_get_next_key(dp->maps.senders, NULL, &key);

	/* Should BPF remove one under our hands, the walk begins anew: hence the bound. */
	for (unsigned int i = 0; more && i < VARP_MAX_SENDERS; i++) {
		struct varp_sender_key this = key;

		more = !bpf_map_get_next_key(dp->maps.senders, &this, &key);
		if (!bpf_map_lookup_elem(dp->maps.senders, &this, &sender) &&
		    epoch_is_over(dp, &this, sender.ends_ns))
			bpf_map_delete_elem(dp->maps.senders, &this);
	}
	explicit_bzero(&sender, sizeof(sender));
}

/* An epoch that stays keeps its count. What BPF counts meanwhile is lost, a few at most. */
static void keep_senders(struct varp_channel *channel, const struct varp_channel *old)
{
	for (unsigned int i = 0; i < VARP_EPOCHS; i++) {
		struct varp_epoch *e = &channel->epochs[i];
		const struct varp_epoch *was = &old->epochs[i];

		if (e->epoch == was->epoch && !memcmp(e->key, was->key, sizeof(e->key)))
			e->senders = was->senders;
	}
}

static int write_keys(struct datapath *dp, const struct varp_combo *combo,
		      const struct varp_channel *channel)
{
	struct varp_channel value = *channel, old;
	int err = 0;

	value.combo = *combo;
	if (!bpf_map_lookup_elem(dp->maps.channels, combo, &old))
		keep_senders(&value, &old);
	explicit_bzero(&old, sizeof(old));
	if (bpf_map_update_elem(dp->maps.channels, combo, &value, BPF_ANY))
		err = -errno;
	explicit_bzero(&value, sizeof(value));
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
		err = write_keys(dp, combo, channel);
		if (!err)
			err = write_mode(dp, combo, (uint8_t)channel->mode);
	}
	if (err)
		varpd_fail(error, err, "cannot write the channel's keys: %s",
			   err == -E2BIG ? "too many keyed channels on this host" : strerror(-err));
	sweep_senders(dp);
	return err;
}

bool datapath_channel_get(const struct datapath *dp, const struct varp_combo *combo,
			  struct varp_channel *channel)
{
	return !bpf_map_lookup_elem(dp->maps.channels, combo, channel);
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
