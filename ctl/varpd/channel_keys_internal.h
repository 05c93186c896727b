/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What channel_keys.c (the server) needs of channel_member.c (the member), since its host may be
 * both. For nobody else.
 */
#ifndef VARPD_CHANNEL_KEYS_INTERNAL_H
#define VARPD_CHANNEL_KEYS_INTERNAL_H

#include "channel_keys.h"
#include "varpd.h"

/* Puts a key to its place. */
void channel_member_epoch(struct varp_channel *channel, const struct keyx_channel *told,
			  uint64_t now_ns);
/* To the datapath, unless a secret was set here by hand. 0 or -errno. */
int channel_member_set(struct varpd *varpd, const struct varp_combo *combo,
		       const struct varp_channel *channel, struct varpd_error *error);
/* Forgets channels whose keys are over, in supernets that this host has nothing to do with now. */
void channel_member_sweep(struct varpd *varpd);

#endif
