// SPDX-License-Identifier: BSD-2-Clause
/*
 * See channels.h. Called by varpd.c and the control socket; knows nothing of devices.
 */
#include "channels.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "addr.h"
#include "channel_keys.h"
#include "keyx.h"
#include "log.h"
#include "varpd.h"

#define LABEL		"VARP channel v1"
#define CHECK_MAX_S	15	/* a clock that was set is noticed after so long */
#define LOG_MS		60000	/* between lines of one kind */

struct channels {
	struct varpd *varpd;
	struct event *timer;
};

static const char *const mode_names[] = {
	[VARP_CHANNEL_PLAIN] = "plain",
	[VARP_CHANNEL_AUTH] = "auth",
	[VARP_CHANNEL_AEAD] = "aead",
};

const char *channels_mode_name(uint32_t mode)
{
	return mode < VARP_CHANNEL_MODES ? mode_names[mode] : "unknown";
}

/* --- Epochs --- */

uint32_t channels_epoch_at(uint64_t time_s, uint32_t rotate_s)
{
	return (uint32_t)(time_s / rotate_s);
}

int channels_epoch_key(const uint8_t secret[VARP_CHANNEL_KEY_LEN], const struct varp_combo *combo,
		       uint32_t mode, uint32_t epoch, uint8_t key[VARP_CHANNEL_KEY_LEN])
{
	uint8_t info[sizeof(LABEL) - 1 + sizeof(*combo) + 1 + 4], *p = info;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret,
						  VARP_CHANNEL_KEY_LEN),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof(info)),
		OSSL_PARAM_END,
	};
	int err;

	p = memcpy(p, LABEL, sizeof(LABEL) - 1) + sizeof(LABEL) - 1;
	p = memcpy(p, combo, sizeof(*combo)) + sizeof(*combo);
	*p++ = (uint8_t)mode;
	for (int shift = 24; shift >= 0; shift -= 8)
		*p++ = (uint8_t)(epoch >> shift);
	err = ctx && EVP_KDF_derive(ctx, key, VARP_CHANNEL_KEY_LEN, params) == 1 ? 0 : -EIO;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return err;
}

/* When a moment of the wall's clock is on the boot clock. One that is over long since is just past. */
static uint64_t boot_time(uint64_t then_s, uint64_t time_ns, uint64_t boot_ns)
{
	uint64_t then_ns = then_s * VARPD_NS_PER_S;

	if (then_ns >= time_ns)
		return boot_ns + (then_ns - time_ns);
	return time_ns - then_ns < boot_ns ? boot_ns - (time_ns - then_ns) : 1;
}

int channels_fill(struct varp_channel *channel, const struct varp_combo *combo, uint64_t time_ns,
		  uint64_t boot_ns)
{
	uint32_t rotate_s = channel->rotate_s;
	uint32_t now = channels_epoch_at(time_ns / VARPD_NS_PER_S, rotate_s);

	for (uint32_t n = now ? now - 1 : 0, i = 0; i < VARP_EPOCHS; n++, i++) {
		struct varp_epoch *e = &channel->epochs[n % VARP_EPOCHS];
		uint8_t key[VARP_CHANNEL_KEY_LEN];

		if (channels_epoch_key(channel->secret, combo, channel->mode, n, key))
			return -EIO;
		memcpy(e->key, key, sizeof(key));
		explicit_bzero(key, sizeof(key));
		e->epoch = n;
		e->senders = 0;
		e->send_ns = boot_time((uint64_t)n * rotate_s, time_ns, boot_ns);
		/* Those whose clocks are up to an epoch behind still send with it. */
		e->ends_ns = boot_time(((uint64_t)n + 2) * rotate_s, time_ns, boot_ns);
	}
	return 0;
}

static uint64_t wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * VARPD_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* --- The clock --- */

struct renewal {
	struct channels *channels;
	uint32_t wait_s;
};

/* Both clocks are read anew each time: only more than a second's difference means that one was set. */
static bool same_epochs(const struct varp_channel *a, const struct varp_channel *b)
{
	for (unsigned int i = 0; i < VARP_EPOCHS; i++) {
		uint64_t x = a->epochs[i].send_ns, y = b->epochs[i].send_ns;

		if (a->epochs[i].epoch != b->epochs[i].epoch ||
		    (x > y ? x - y : y - x) > VARPD_NS_PER_S)
			return false;
	}
	return true;
}

/* --- On the disk --- */

static int write_secret(struct store *store, const struct store_secret *secret,
			struct varpd_error *error)
{
	int err = store_begin(store, error);

	if (err)
		return err;
	if (secret->mode == VARP_CHANNEL_PLAIN)
		err = store_secret_remove(store, &secret->combo, error);
	else
		err = store_secret_put(store, secret, error);
	if (!err)
		err = store_commit(store, error);
	else
		store_rollback(store);
	if (!err)
		store_secrets_forget(store);
	return err == -ENOENT ? 0 : err;
}

static struct store_secret secret_of(const struct varp_combo *combo,
				     const struct varp_channel *channel)
{
	struct store_secret secret = {
		.combo = *combo, .mode = channel->mode, .rotate_s = channel->rotate_s,
	};

	memcpy(secret.secret, channel->secret, sizeof(secret.secret));
	return secret;
}

/* One that is in the map alone comes from a varpd that wrote none, or whose file was lost. */
static void keep_secret(struct varpd *varpd, const struct varp_combo *combo,
			const struct varp_channel *channel)
{
	static struct varpd_log_limit limit;
	struct varpd_error error = { "" };
	struct store_secret secret;
	int err = store_secret_get(varpd->store, combo, &secret, &error);

	if (err == -ENOENT) {
		secret = secret_of(combo, channel);
		err = write_secret(varpd->store, &secret, &error);
	}
	explicit_bzero(&secret, sizeof(secret));
	if (err)
		varpd_log_limited(&limit, LOG_MS, VARPD_LOG_ERROR,
				  "a channel's secret is not on the disk, and will be gone after a reboot: %s",
				  error.text);
}

/*
 * A channel that is on the disk, but not in the map as it should be, after a reboot or a detach that
 * took the maps away. Without keys its packets are dropped, and it is tried again; it is never plain.
 */
static int restore(struct varpd *varpd, const struct store_secret *secret, struct varpd_error *error)
{
	struct varp_channel channel = { .mode = secret->mode, .rotate_s = secret->rotate_s }, old;
	bool same;
	int err = 0;

	memcpy(channel.secret, secret->secret, sizeof(channel.secret));
	same = datapath_channel_get(varpd->datapath, &secret->combo, &old) &&
	       old.mode == channel.mode && old.rotate_s == channel.rotate_s &&
	       !memcmp(old.secret, channel.secret, sizeof(old.secret));
	if (!same) {
		if (channels_fill(&channel, &secret->combo, wall_ns(), varpd_now_ns()))
			memset(channel.epochs, 0, sizeof(channel.epochs));
		err = datapath_channel_set(varpd->datapath, &secret->combo, &channel, error);
	}
	explicit_bzero(&channel, sizeof(channel));
	explicit_bzero(&old, sizeof(old));
	return err;
}

static int restore_all(struct varpd *varpd, struct varpd_error *error)
{
	struct varp_combo at = { 0 };
	struct store_secret secret;
	int err;

	do {
		err = store_secret_next(varpd->store, &at, &secret, error);
		if (!err)
			err = restore(varpd, &secret, error);
		at = secret.combo;
	} while (!err && store_combo_advance(&at));
	explicit_bzero(&secret, sizeof(secret));
	return err == -ENOENT ? 0 : err;
}

/* --- Life --- */

/* Two epochs are there in advance, so that renewing in time needs no precision. */
static void renew(const struct varp_combo *combo, const struct varp_channel *old, void *ctx)
{
	struct renewal *r = ctx;
	struct varp_channel channel = *old;
	struct varpd_error error;

	if (!channel.rotate_s)
		return;
	keep_secret(r->channels->varpd, combo, old);
	if (channel.rotate_s / 2 < r->wait_s)
		r->wait_s = channel.rotate_s / 2;
	if (channels_fill(&channel, combo, wall_ns(), varpd_now_ns()))
		varpd_log(VARPD_LOG_ERROR, "cannot derive the keys of a channel's next epoch");
	else if (!same_epochs(&channel, old) &&
		 datapath_channel_set(r->channels->varpd->datapath, combo, &channel, &error))
		varpd_log(VARPD_LOG_ERROR, "%s", error.text);
	explicit_bzero(&channel, sizeof(channel));
}

static void renew_all(struct channels *channels)
{
	struct renewal r = { .channels = channels, .wait_s = CHECK_MAX_S };
	struct timeval wait = { 0 };

	datapath_each_channel(channels->varpd->datapath, renew, &r);
	wait.tv_sec = r.wait_s ? r.wait_s : 1;
	event_add(channels->timer, &wait);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	renew_all(ctx);
}

int channels_open(struct channels **out, struct varpd *varpd, struct varpd_error *error)
{
	struct channels *channels;
	int err = restore_all(varpd, error);

	if (err)
		return err;
	channels = calloc(1, sizeof(*channels));
	if (!channels)
		return varpd_fail(error, -ENOMEM, "out of memory");
	channels->varpd = varpd;
	channels->timer = evtimer_new(varpd->base, on_timer, channels);
	if (!channels->timer) {
		free(channels);
		return varpd_fail(error, -ENOMEM, "out of memory");
	}
	renew_all(channels);
	*out = channels;
	return 0;
}

void channels_close(struct channels *channels)
{
	if (!channels)
		return;
	event_free(channels->timer);
	free(channels);
}

/* As it was before a change that did not get into the map. */
static void put_back(struct varpd *varpd, const struct store_secret *former)
{
	struct varpd_error error;
	int err = write_secret(varpd->store, former, &error);

	/* It may have got there half-way. */
	if (!err && former->mode != VARP_CHANNEL_PLAIN)
		err = restore(varpd, former, &error);
	if (err)
		varpd_log(VARPD_LOG_ERROR, "a channel's secret on the disk is not the one in use: %s",
			  error.text);
}

/*
 * First on the disk, where there may be no room: nothing has changed then. Whoever is killed in
 * between finds the new secret at the next start, and one that was taken away still in the map.
 */
static int change(struct varpd *varpd, const struct varp_combo *combo,
		  const struct varp_channel *channel, struct varpd_error *error)
{
	struct store_secret secret = secret_of(combo, channel), former;
	int err = store_secret_get(varpd->store, combo, &former, error);

	if (err == -ENOENT) {
		former = (struct store_secret){ .combo = *combo, .mode = VARP_CHANNEL_PLAIN };
		err = 0;
	}
	if (!err)
		err = write_secret(varpd->store, &secret, error);
	if (!err) {
		err = datapath_channel_set(varpd->datapath, combo, channel, error);
		if (err)
			put_back(varpd, &former);
	}
	explicit_bzero(&secret, sizeof(secret));
	explicit_bzero(&former, sizeof(former));
	return err;
}

/* A secret made room for keys of the server, if it has any: not to wait for the next exchange. */
static void fetch_keys(struct varpd *varpd, const struct varp_combo *combo)
{
	struct varp_addr server;

	if (varp_table_serves(varp_engine_table(varpd->engine), &combo->snid, NULL))
		channel_keys_changed(varpd, combo);
	else if (!varpd->config.insecure &&
		 varp_engine_client_get(varpd->engine, &combo->snid, &server))
		keyx_want(varpd->keyx, &combo->snid, &server);
}

int channels_set(struct channels *channels, const struct varp_combo *combo, uint32_t mode,
		 const uint8_t secret[VARP_CHANNEL_KEY_LEN], uint32_t rotate_s,
		 struct varpd_error *error)
{
	struct varp_channel channel = { .mode = mode };
	char snid[VARP_SNID_TEXT], chid[VARP_CHID_TEXT];
	int err = 0;

	if (mode != VARP_CHANNEL_PLAIN) {
		channel.rotate_s = rotate_s;
		memcpy(channel.secret, secret, sizeof(channel.secret));
		err = channels_fill(&channel, combo, wall_ns(), varpd_now_ns());
		if (err)
			varpd_fail(error, err, "cannot derive the channel's keys");
	}
	if (!err)
		err = change(channels->varpd, combo, &channel, error);
	explicit_bzero(&channel, sizeof(channel));
	if (err)
		return err;
	varpd_log(VARPD_LOG_NOTICE, "channel %s of supernet %s is now %s",
		  varp_chid_format(&combo->chid, chid), varp_snid_format(&combo->snid, snid),
		  channels_mode_name(mode));
	if (mode == VARP_CHANNEL_PLAIN)
		fetch_keys(channels->varpd, combo);
	renew_all(channels);
	return 0;
}
