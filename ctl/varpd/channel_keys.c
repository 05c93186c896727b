// SPDX-License-Identifier: BSD-2-Clause
/*
 * The server's side of channel_keys.h: commands, the clock, and the records of an answer.
 */
#include "channel_keys.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "channel_keys_internal.h"
#include "log.h"

#define TICKS		32	/* looks at the clock in an epoch */
#define TICK_MIN_MS	250
#define TICK_MAX_MS	15000
#define LOG_MS		60000	/* between lines of one kind */

struct channel_keys {
	struct varpd *varpd;
	struct event *timer;
};

static int64_t wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

/* --- The group manager's commands --- */

int channel_keys_stage_set(struct varpd *varpd, const struct varp_combo *combo, uint32_t mode,
			   struct varpd_error *error)
{
	struct store_channel channel;
	int err = store_channel_get(varpd->store, combo, &channel, error);
	uint32_t number;

	if (err && err != -ENOENT)
		return err;
	if (!err && channel.mode == mode) {
		explicit_bzero(&channel, sizeof(channel));
		return 0;
	}
	/* Nobody has a key of that number from before. */
	if (!err && channel.count)
		number = channel.epochs[channel.count - 1].number + VARP_EPOCHS;
	else if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return varpd_fail(error, -EIO, "there are no random numbers");
	memset(&channel, 0, sizeof(channel));
	channel.combo = *combo;
	channel.mode = mode;
	err = 0;
	if (mode != VARP_CHANNEL_PLAIN)
		err = channel_keys_begin(&channel, number, wall_ms());
	if (err)
		varpd_fail(error, err, "there are no random numbers");
	else
		err = store_channel_put(varpd->store, &channel, CHANNEL_KEYS_PER_SUPERNET, error);
	explicit_bzero(&channel, sizeof(channel));
	return err;
}

int channel_keys_stage_rotate(struct varpd *varpd, const struct varp_combo *combo,
			      struct varpd_error *error)
{
	struct store_channel channel;
	int err = store_channel_get(varpd->store, combo, &channel, error);

	if (err)
		return err;
	err = channel.mode == VARP_CHANNEL_PLAIN ? -ENOENT : 0;
	channel.wanted = true;
	if (!err && channel_keys_step(&channel, varpd->config.channel_epoch_s, wall_ms()) < 0)
		err = varpd_fail(error, -EIO, "there are no random numbers");
	if (!err)
		err = store_channel_put(varpd->store, &channel, CHANNEL_KEYS_PER_SUPERNET, error);
	explicit_bzero(&channel, sizeof(channel));
	return err;
}

/* --- This host, if it is a member --- */

/* What members are told of a key: the one place where it is said. */
static bool describe(const struct varpd *varpd, const struct store_channel *channel, unsigned int i,
		     int64_t now_ms, struct keyx_channel *out)
{
	uint32_t epoch_s = varpd->config.channel_epoch_s;

	memset(out, 0, sizeof(*out));
	out->chid = channel->combo.chid;
	out->mode = channel->mode;
	/* Those of a plain one ask as often: it may be keyed next. */
	out->again_ms = channel_keys_again_ms(epoch_s);
	if (channel->mode == VARP_CHANNEL_PLAIN)
		return true;
	out->epoch = channel->epochs[i].number;
	out->begins_ms = channel->epochs[i].begins_ms - now_ms;
	out->ends_ms = channel_keys_ends_ms(channel, i, epoch_s) - now_ms;
	memcpy(out->key, channel->epochs[i].key, sizeof(out->key));
	return out->ends_ms > 0;
}

/* Before any packet of a node here: the keys are in the map before there is a node. */
static void use_here(struct varpd *varpd, const struct store_channel *channel)
{
	struct varp_channel local = { .mode = channel->mode };
	int64_t now_ms = wall_ms();
	struct keyx_channel told;
	struct varpd_error error;

	for (unsigned int i = 0; i < channel->count; i++)
		if (describe(varpd, channel, i, now_ms, &told))
			channel_member_epoch(&local, &told, varpd_now_ns());
	if (channel_member_set(varpd, &channel->combo, &local, &error)) {
		static struct varpd_log_limit limit;

		varpd_log_limited(&limit, LOG_MS, VARPD_LOG_ERROR, "%s", error.text);
	}
	explicit_bzero(&told, sizeof(told));
	explicit_bzero(&local, sizeof(local));
}

void channel_keys_changed(struct varpd *varpd, const struct varp_combo *combo)
{
	struct store_channel channel;
	struct varpd_error error;

	if (!store_channel_get(varpd->store, combo, &channel, &error) && varpd->datapath)
		use_here(varpd, &channel);
	explicit_bzero(&channel, sizeof(channel));
}

/* --- The clock --- */

/* Makes a channel's next key if it is time. A key that is not on the disk is not handed out. */
static int renew(struct varpd *varpd, struct store_channel *channel, struct varpd_error *error)
{
	int err = channel_keys_step(channel, varpd->config.channel_epoch_s, wall_ms());

	if (err < 0)
		return varpd_fail(error, err, "there are no random numbers for a channel's next key");
	if (!err)
		return 0;
	err = store_begin(varpd->store, error);
	if (err)
		return err;
	err = store_channel_put(varpd->store, channel, CHANNEL_KEYS_PER_SUPERNET, error);
	if (err)
		store_rollback(varpd->store);
	else
		err = store_commit(varpd->store, error);
	if (!err)
		use_here(varpd, channel);
	return err;
}

/* all: this host is given every key, rather than those that are new. */
static void renew_all(struct varpd *varpd, bool all)
{
	static struct varpd_log_limit limit;
	struct varp_combo at = { 0 };
	struct store_channel channel;
	struct varpd_error error;
	int err = 0;

	do {
		err = store_channel_next(varpd->store, &at, &channel, &error);
		if (err)
			break;
		if (all)
			use_here(varpd, &channel);
		err = renew(varpd, &channel, &error);
		at = channel.combo;
	} while (!err && store_combo_advance(&at));
	if (err && err != -ENOENT)
		varpd_log_limited(&limit, LOG_MS, VARPD_LOG_ERROR,
				  "keys of channels are not renewed: %s", error.text);
	explicit_bzero(&channel, sizeof(channel));
}

static void set_timer(struct channel_keys *keys)
{
	int64_t ms = keys->varpd->config.channel_epoch_s * 1000ll / TICKS;
	struct timeval wait;

	ms = ms < TICK_MIN_MS ? TICK_MIN_MS : ms > TICK_MAX_MS ? TICK_MAX_MS : ms;
	wait = (struct timeval){ ms / 1000, ms % 1000 * 1000 };
	event_add(keys->timer, &wait);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct channel_keys *keys = ctx;

	(void)fd;
	(void)what;
	renew_all(keys->varpd, false);
	channel_member_sweep(keys->varpd);
	set_timer(keys);
}

/* --- Life --- */

int channel_keys_open(struct channel_keys **out, struct varpd *varpd, struct varpd_error *error)
{
	struct channel_keys *keys = calloc(1, sizeof(*keys));

	if (!keys)
		return varpd_fail(error, -ENOMEM, "out of memory");
	keys->varpd = varpd;
	keys->timer = evtimer_new(varpd->base, on_timer, keys);
	if (!keys->timer) {
		free(keys);
		return varpd_fail(error, -ENOMEM, "out of memory");
	}
	renew_all(varpd, true);
	set_timer(keys);
	*out = keys;
	return 0;
}

void channel_keys_close(struct channel_keys *keys)
{
	if (!keys)
		return;
	event_free(keys->timer);
	free(keys);
}

/* --- In the key exchange --- */

static size_t put_records(const struct varpd *varpd, const struct store_channel *channel,
			  uint8_t *out, size_t room)
{
	uint8_t value[KEYX_CHANNEL_LEN];
	int64_t now_ms = wall_ms();
	struct keyx_channel told;
	size_t len = 0;

	/* A plain one has no key, and one record all the same. */
	for (unsigned int i = 0; i < channel->count || !i; i++) {
		int more;

		if (!describe(varpd, channel, i, now_ms, &told))
			continue;
		keyx_channel_encode(&told, value);
		more = keyx_record_put(out + len, room - len, KEYX_CHANNEL, value, sizeof(value));
		len += more > 0 ? more : 0;
	}
	explicit_bzero(&told, sizeof(told));
	explicit_bzero(value, sizeof(value));
	return len;
}

size_t channel_keys_records(struct varpd *varpd, const struct varp_snid *snid, uint8_t *out,
			    size_t room)
{
	struct varp_combo at = { .snid = *snid };
	struct store_channel channel;
	struct varpd_error error = { "" };
	size_t len = 0;
	int err;

	do {
		err = store_channel_next(varpd->store, &at, &channel, &error);
		if (err || !varp_snid_equal(&channel.combo.snid, snid))
			break;
		len += put_records(varpd, &channel, out + len, room - len);
		at = channel.combo;
	} while (store_combo_advance(&at));
	if (err && err != -ENOENT)
		varpd_log(VARPD_LOG_ERROR, "a member gets no keys: %s", error.text);
	explicit_bzero(&channel, sizeof(channel));
	return len;
}
