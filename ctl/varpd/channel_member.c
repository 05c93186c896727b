// SPDX-License-Identifier: BSD-2-Clause
/*
 * The member's side of channel_keys.h: keys that a server has told of go to the datapath's map, as
 * they are, and stay there for a restarted varpd. Nothing falls back: a channel becomes plain only
 * if the server says so, and a key that is over stays in its place until there is another.
 */
#include <errno.h>
#include <string.h>

#include "addr.h"
#include "channel_keys_internal.h"
#include "channels.h"
#include "log.h"

#define LOG_MS	60000

static uint64_t boot_ns(uint64_t now_ns, int64_t ms)
{
	int64_t then_ns = (int64_t)now_ns + ms * (int64_t)VARPD_NS_PER_MS;

	return then_ns > 0 ? (uint64_t)then_ns : 1;	/* zero means that there is none */
}

void channel_member_epoch(struct varp_channel *channel, const struct keyx_channel *told,
			  uint64_t now_ns)
{
	struct varp_epoch *e = &channel->epochs[told->epoch % VARP_EPOCHS];

	channel->mode = told->mode;
	memcpy(e->key, told->key, sizeof(e->key));
	e->send_ns = boot_ns(now_ns, told->begins_ms);
	e->ends_ns = boot_ns(now_ns, told->ends_ms);
	e->epoch = told->epoch;
}

/* The way here takes some milliseconds, more or less each time. */
static bool same(const struct varp_channel *a, const struct varp_channel *b)
{
	for (unsigned int i = 0; i < VARP_EPOCHS; i++) {
		const struct varp_epoch *x = &a->epochs[i], *y = &b->epochs[i];
		int64_t begins_ns = x->send_ns - y->send_ns, ends_ns = x->ends_ns - y->ends_ns;
		int64_t near_ns = 50 * VARPD_NS_PER_MS;

		if (x->epoch != y->epoch || memcmp(x->key, y->key, sizeof(x->key)) ||
		    begins_ns > near_ns || begins_ns < -near_ns || ends_ns > near_ns ||
		    ends_ns < -near_ns)
			return false;
	}
	return a->mode == b->mode;
}

static void tell_kept(const struct varp_combo *combo)
{
	static struct varpd_log_limit limit;
	char snid[VARP_SNID_TEXT], chid[VARP_CHID_TEXT];

	varpd_log_limited(&limit, LOG_MS, VARPD_LOG_WARNING,
			  "the server has keys for channel %s of supernet %s, which are not used: it was "
			  "given a key by hand; `varpctl channel set %s %s plain` makes room for them",
			  varp_chid_format(&combo->chid, chid), varp_snid_format(&combo->snid, snid),
			  snid, chid);
}

int channel_member_set(struct varpd *varpd, const struct varp_combo *combo,
		       const struct varp_channel *channel, struct varpd_error *error)
{
	char snid[VARP_SNID_TEXT], chid[VARP_CHID_TEXT];
	struct varp_channel old = { 0 };
	int err = 0;

	/* None there: zero, which is plain. */
	datapath_channel_get(varpd->datapath, combo, &old);
	if (old.rotate_s)
		tell_kept(combo);
	else if (!same(&old, channel))
		err = datapath_channel_set(varpd->datapath, combo, channel, error);
	if (!err && !old.rotate_s && old.mode != channel->mode)
		varpd_log(VARPD_LOG_NOTICE, "channel %s of supernet %s is now %s, by its server",
			  varp_chid_format(&combo->chid, chid), varp_snid_format(&combo->snid, snid),
			  channels_mode_name(channel->mode));
	explicit_bzero(&old, sizeof(old));
	return err;
}

/* --- An answer's records --- */

/* Records of one channel follow each other; which is checked, so that each is written once. */
struct taking {
	struct varpd *varpd;
	uint64_t now_ns;
	bool any;
	struct varp_combo combo;
	struct varp_channel channel;
};

static bool begins_another(const struct taking *t, const struct keyx_channel *told)
{
	return !t->any || memcmp(&t->combo.chid, &told->chid, sizeof(told->chid));
}

static int flush(struct taking *t, struct varpd_error *error)
{
	return t->any ? channel_member_set(t->varpd, &t->combo, &t->channel, error) : 0;
}

/* Every record about a channel is whole, channels come in order, and the keys of one have one mode. */
static int check(const uint8_t *records, size_t len, uint32_t *again_ms)
{
	struct keyx_channel told, last = { 0 };
	struct keyx_record record;
	bool any = false;
	int err = 0;

	*again_ms = 0;
	while (!err && keyx_record_next(&records, &len, &record)) {
		int order;

		if (record.type != KEYX_CHANNEL)
			continue;
		err = keyx_channel_decode(record.value, record.len, &told);
		order = any ? memcmp(&last.chid, &told.chid, sizeof(told.chid)) : -1;
		if (!err && (order > 0 || (!order && (told.mode != last.mode || !told.mode ||
						      told.epoch != last.epoch + 1))))
			err = -EINVAL;
		if (told.again_ms && (!*again_ms || told.again_ms < *again_ms))
			*again_ms = told.again_ms;
		last = told;
		any = true;
	}
	explicit_bzero(&told, sizeof(told));
	explicit_bzero(&last, sizeof(last));
	return err;
}

int channel_keys_take(struct varpd *varpd, const struct varp_snid *snid, const uint8_t *records,
		      size_t len, uint32_t *again_ms, struct varpd_error *error)
{
	struct taking t = { .varpd = varpd, .now_ns = varpd_now_ns(), .combo.snid = *snid };
	struct keyx_record record;
	struct keyx_channel told;
	int err = 0;

	if (check(records, len, again_ms))
		return varpd_fail(error, -EINVAL, "its answer is malformed");
	while (!err && keyx_record_next(&records, &len, &record)) {
		if (record.type != KEYX_CHANNEL || keyx_channel_decode(record.value, record.len, &told))
			continue;
		if (begins_another(&t, &told)) {
			err = flush(&t, error);
			explicit_bzero(&t.channel, sizeof(t.channel));
			t.combo.chid = told.chid;
			t.any = true;
		}
		if (told.mode != VARP_CHANNEL_PLAIN)
			channel_member_epoch(&t.channel, &told, t.now_ns);
	}
	if (!err)
		err = flush(&t, error);
	explicit_bzero(&t, sizeof(t));
	explicit_bzero(&told, sizeof(told));
	return err ? -EIO : 0;
}

/* --- What is left of former supernets --- */

struct search {
	const struct varp_snid *snid;
	bool found;
};

static void look(const struct datapath_node *node, void *ctx)
{
	struct search *search = ctx;

	search->found |= varp_snid_equal(&node->key.snid, search->snid);
}

/* Where there is a client, exchanges can bring a node's first session without its channel's keys. */
static void sweep_one(const struct varp_combo *combo, const struct varp_channel *channel, void *ctx)
{
	struct search search = { .snid = &combo->snid };
	struct varpd *varpd = ctx;
	static const struct varp_channel plain;
	uint64_t now_ns = varpd_now_ns();
	struct varp_addr server;
	struct varpd_error error;

	for (unsigned int i = 0; i < VARP_EPOCHS; i++)
		if (channel->rotate_s || channel->epochs[i].ends_ns > now_ns)
			return;
	if (varp_engine_client_get(varpd->engine, &combo->snid, &server) ||
	    varp_table_serves(varp_engine_table(varpd->engine), &combo->snid, NULL))
		return;
	datapath_each_node(varpd->datapath, look, &search);
	if (!search.found && datapath_channel_set(varpd->datapath, combo, &plain, &error))
		varpd_log(VARPD_LOG_ERROR, "%s", error.text);
}

void channel_member_sweep(struct varpd *varpd)
{
	datapath_each_channel(varpd->datapath, sweep_one, varpd);
}
