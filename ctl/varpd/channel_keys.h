/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys of channels that the server of a supernet draws and hands out (docs/PROTOCOL.md, 7.5 and
 * 11.6). As the server: which keys there are and when the next one comes; all of it is in the store,
 * so nothing is handed out that a restart would forget. As a member: what an answer of the key
 * exchange brings goes to the datapath. Called by mappings.c, keyx_server.c and keyx_client.c;
 * knows nothing of TLS.
 */
#ifndef VARPD_CHANNEL_KEYS_H
#define VARPD_CHANNEL_KEYS_H

#include "keyx_msg.h"
#include "store.h"

struct varpd;
struct channel_keys;

/* So many records fit into an answer, with four keys for each channel. */
#define CHANNEL_KEYS_PER_SUPERNET \
	((KEYX_ANSWER_MAX - KEYX_ANSWER_LEN) / (KEYX_RECORD_HEAD + KEYX_CHANNEL_LEN) / VARP_EPOCHS)

/* After the datapath: this host may be a member, too. */
int channel_keys_open(struct channel_keys **out, struct varpd *varpd, struct varpd_error *error);
void channel_keys_close(struct channel_keys *keys);

/* --- The group manager's commands: see mappings_stage() --- */

int channel_keys_stage_set(struct varpd *varpd, const struct varp_combo *combo, uint32_t mode,
			   struct varpd_error *error);
int channel_keys_stage_rotate(struct varpd *varpd, const struct varp_combo *combo,
			      struct varpd_error *error);
/* Either is committed. */
void channel_keys_changed(struct varpd *varpd, const struct varp_combo *combo);

/* --- In the key exchange --- */

/* The records about a supernet's channels. Octets written to out, which has room for an answer. */
size_t channel_keys_records(struct varpd *varpd, const struct varp_snid *snid, uint8_t *out,
			    size_t room);
/*
 * As a member: everything in an answer's records, or nothing. *again_ms: within which time to ask
 * again; zero: no need to. -EINVAL: records are malformed. -EIO: the datapath cannot take them.
 */
int channel_keys_take(struct varpd *varpd, const struct varp_snid *snid, const uint8_t *records,
		      size_t len, uint32_t *again_ms, struct varpd_error *error);

/* --- When keys change; pure --- */

/* Before its time, a key is there for members to fetch. */
int64_t channel_keys_lead_ms(uint32_t epoch_s);
/* Members ask again within this time, so at least twice while a key waits for its time. */
int64_t channel_keys_again_ms(uint32_t epoch_s);
/* Until when a key is accepted. */
int64_t channel_keys_ends_ms(const struct store_channel *channel, unsigned int i,
			     uint32_t epoch_s);
/* Drops what is over and makes what is due. 1: something changed; 0; -EIO: no random numbers. */
int channel_keys_step(struct store_channel *channel, uint32_t epoch_s, int64_t now_ms);
/* A first key, which begins now. number: the last one that was used before, or anything. */
int channel_keys_begin(struct store_channel *channel, uint32_t number, int64_t now_ms);

#endif
