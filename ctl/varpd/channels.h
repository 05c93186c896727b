/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys of channels: one secret for each keyed channel, the same on all its members, from which every
 * epoch's key follows; and the clock that lets epochs follow each other. The secret is where the
 * keys are, in the pinned maps, so that a restarted varpd goes on, and in the store, so that a channel
 * that was keyed is so after a reboot, before there is a node.
 */
#ifndef VARPD_CHANNELS_H
#define VARPD_CHANNELS_H

#include <stdint.h>

#include <varp/abi.h>
#include "error.h"

struct varpd;
struct channels;

#define CHANNELS_ROTATE_S	3600	/* unless said otherwise */
#define CHANNELS_ROTATE_MIN_S	4
#define CHANNELS_ROTATE_MAX_S	(30 * 24 * 3600)

/*
 * Takes up what an earlier varpd left, in the store and in the maps. After the datapath, and before
 * anybody can join. Fails rather than leave a channel plain that was keyed.
 */
int channels_open(struct channels **out, struct varpd *varpd, struct varpd_error *error);
void channels_close(struct channels *channels);

/*
 * mode VARP_CHANNEL_PLAIN: no keys any more; secret and rotate_s are not looked at then. What it
 * returned 0 for survives a reboot; otherwise nothing has changed.
 */
int channels_set(struct channels *channels, const struct varp_combo *combo, uint32_t mode,
		 const uint8_t secret[VARP_CHANNEL_KEY_LEN], uint32_t rotate_s,
		 struct varpd_error *error);

/* The number of the epoch that holds at a time, in seconds since 1970. */
uint32_t channels_epoch_at(uint64_t time_s, uint32_t rotate_s);
/* HKDF-SHA256: docs/PROTOCOL.md, section 7.5. 0 or -EIO. */
int channels_epoch_key(const uint8_t secret[VARP_CHANNEL_KEY_LEN], const struct varp_combo *combo,
		       uint32_t mode, uint32_t epoch, uint8_t key[VARP_CHANNEL_KEY_LEN]);
/*
 * All epochs of a channel as they are at the two clocks' present: the last one, this one and the two
 * to come.
 */
int channels_fill(struct varp_channel *channel, const struct varp_combo *combo, uint64_t time_ns,
		  uint64_t boot_ns);
const char *channels_mode_name(uint32_t mode);

#endif
