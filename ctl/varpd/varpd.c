// SPDX-License-Identifier: BSD-2-Clause
/*
 * Starting and stopping the daemon's parts in order, reloading, and the engine's timer. Called by
 * main.c. What the parts do is theirs.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "actions.h"
#include "answer.h"
#include "apply.h"
#include "channel_keys.h"
#include "channels.h"
#include "clients.h"
#include "control.h"
#include "control_socket.h"
#include "credentials.h"
#include "helper.h"
#include "instance.h"
#include "keyx.h"
#include "log.h"
#include "mappings.h"
#include "monitor.h"
#include "net.h"
#include "notify.h"
#include "resolve.h"
#include "textsock.h"
#include "varpd.h"

#define RETRY_MS 250	/* first repetition of a request */

uint64_t varpd_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * VARPD_NS_PER_S + ts.tv_nsec;
}

bool varpd_may_speak(const struct varpd *varpd, const struct varp_snid *snid)
{
	return varpd->config.insecure ||
	       credentials_for(varpd->credentials, snid) != CREDENTIALS_NONE;
}

/* --- The engine's timer --- */

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct varpd *varpd = ctx;

	(void)fd;
	(void)what;
	varpd->timer_ns = UINT64_MAX;
	varp_engine_tick(varpd->engine, varpd_now_ns());
	varpd_schedule(varpd);
}

void varpd_schedule(struct varpd *varpd)
{
	uint64_t next_ns = varp_engine_next_ns(varpd->engine), now_ns, wait_us;
	struct timeval wait;

	/* One that is set too early does no harm: it finds nothing due. */
	if (next_ns >= varpd->timer_ns)
		return;
	now_ns = varpd_now_ns();
	wait_us = next_ns > now_ns ? (next_ns - now_ns + 999) / 1000 : 0;
	wait = (struct timeval){ wait_us / 1000000, wait_us % 1000000 };
	if (!event_add(varpd->timer, &wait))
		varpd->timer_ns = next_ns;
}

/* --- Signals, and the helper's end --- */

static void on_end(evutil_socket_t fd, short what, void *ctx)
{
	struct varpd *varpd = ctx;

	(void)what;
	varpd_log(VARPD_LOG_INFO, "ending on %s", fd == SIGINT ? "SIGINT" : "SIGTERM");
	event_base_loopbreak(varpd->base);
}

static void on_hangup(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	varpd_reload(ctx);
}

static void on_helper_end(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
	helper_ended();
}

static int watch_helper(struct varpd *varpd, struct varpd_error *error)
{
	varpd->helper = event_new(varpd->base, helper_descriptor(), EV_READ, on_helper_end, NULL);
	if (!varpd->helper || event_add(varpd->helper, NULL))
		return varpd_fail(error, -ENOMEM, "cannot watch the helper process");
	return 0;
}

static int catch_signals(struct varpd *varpd, struct varpd_error *error)
{
	static const struct {
		int signal;
		event_callback_fn call;
	} rows[] = { { SIGTERM, on_end }, { SIGINT, on_end }, { SIGHUP, on_hangup } };

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		varpd->signals[i] = evsignal_new(varpd->base, rows[i].signal, rows[i].call, varpd);
		if (!varpd->signals[i] || event_add(varpd->signals[i], NULL))
			return varpd_fail(error, -ENOMEM, "cannot catch signals");
	}
	return 0;
}

/* --- Starting: each step is 0 or -errno with the reason --- */

struct helper_setup varpd_helper_setup(const struct varpd_config *config)
{
	return (struct helper_setup){
		.instance = config->instance,
		.config_file = config->file,
		.credentials = config->credentials,
		.xdp = config->answers != CONFIG_ANSWERS_USERSPACE,
	};
}

static int start_instance(struct varpd *varpd, struct varpd_error *error)
{
	const struct varpd_config *config = &varpd->config;
	/* First, so that the helper has nothing of what is opened from here on. */
	const struct helper_setup setup = varpd_helper_setup(config);
	int err = helper_start(&setup, error);

	if (err)
		return err;
	if (*varpd->config.netns)
		err = instance_enter_netns(varpd->config.netns, error);
	if (!err)
		err = instance_lock(varpd->config.instance, &varpd->lock, error);
	if (err)
		return err;
	instance_raise_limits();
	varpd->base = event_base_new();
	if (!varpd->base)
		return varpd_fail(error, -EMFILE, "cannot make an event loop: %s", strerror(errno));
	varpd->timer = evtimer_new(varpd->base, on_timer, varpd);
	varpd->timer_ns = UINT64_MAX;
	varpd->audit = audit_new(varpd->base);
	privileges_find(config->user, &varpd->privileges);
	psk_trust_group(varpd->privileges.gid);
	varpd->access = access_new(config, varpd->privileges.uid);
	if (!varpd->timer || !varpd->audit || !varpd->access)
		return varpd_fail(error, -ENOMEM, "out of memory");
	err = watch_helper(varpd, error);
	return err ? err : catch_signals(varpd, error);
}

static int start_engine(struct varpd *varpd, struct varpd_error *error)
{
	struct varp_engine_config config = {
		.insecure = varpd->config.insecure,
		.varp_port = varpd->config.varp_port,
		.window_ms = VARPDB_TTL_INITIAL_LOOKUP * 1000,
		.negative_ttl_ms = varpd->config.negative_ttl_s * 1000,
		.retry_ms = RETRY_MS,
		.lookups_max = varpd->config.pending_per_supernet,
		.emit = actions_emit,
		.random = actions_random,
		.credentials = actions_credentials,
	};

	/* First: what changes after it was read is read again, and what is wrong with it told again. */
	if (varpd->privileges.own_user && !geteuid())
		privileges_share(&varpd->privileges, varpd->config.credentials);
	varpd->credentials = credentials_open(varpd->config.credentials);
	varpd->monitor = monitor_new();
	varpd->resolve =
		resolve_new(varpd_now_ns, config.window_ms * VARPD_NS_PER_MS + VARPD_NS_PER_S);
	if (!varpd->credentials || !varpd->monitor || !varpd->resolve || actions_new(&varpd->actions, varpd))
		return varpd_fail(error, -ENOMEM, "out of memory");
	config.ctx = varpd->actions;
	varpd->engine = varp_engine_new(&config);
	return varpd->engine ? 0 : varpd_fail(error, -ENOMEM, "out of memory");
}

static int start_store(struct varpd *varpd, struct varpd_error *error)
{
	int err = store_open(&varpd->store, varpd->config.state_dir, error);

	return err ? err : mappings_load_begin(varpd, error);
}

static int start_net(struct varpd *varpd, struct varpd_error *error)
{
	return net_open(&varpd->net, varpd, error);
}

static int start_keyx(struct varpd *varpd, struct varpd_error *error)
{
	return keyx_open(&varpd->keyx, varpd, error);
}

static int start_textsock(struct varpd *varpd, struct varpd_error *error)
{
	return textsock_open(&varpd->textsock, varpd, error);
}

static int start_datapath(struct varpd *varpd, struct varpd_error *error)
{
	const struct datapath_config config = {
		.instance = varpd->config.instance,
		.cache_max = varpd->config.cache_max,
		.merge = varpd->config.merge,
		.source_check = varpd->config.source_check,
		.pending_max = varpd->config.pending_max,
		.pending_per_supernet = varpd->config.pending_per_supernet,
		.ring_bytes = varpd->config.ring_bytes,
		.held_bytes_per_supernet = varpd->config.held_bytes,
		.window_ms = VARPDB_TTL_INITIAL_LOOKUP * 1000,
	};
	const struct datapath_ops ops = {
		.miss = actions_miss,
		.age = actions_age,
		.changed = actions_changed,
		.ctx = varpd->actions,
	};
	int err = datapath_open(&varpd->datapath, &config, varpd->base, &ops, error);

	if (!err)
		err = mappings_load_end(varpd, error);
	if (!err)
		clients_adopt(varpd);
	return err;
}

static int start_channels(struct varpd *varpd, struct varpd_error *error)
{
	int err = channels_open(&varpd->channels, varpd, error);

	return err ? err : channel_keys_open(&varpd->channel_keys, varpd, error);
}

static int start_answer(struct varpd *varpd, struct varpd_error *error)
{
	return answer_open(&varpd->answer, varpd, error);
}

static int start_control(struct varpd *varpd, struct varpd_error *error)
{
	return control_open(&varpd->control, varpd, error);
}

/* Whatever needs privileges is open by now. */
static int start_unprivileged(struct varpd *varpd, struct varpd_error *error)
{
	struct privileges *privileges = &varpd->privileges;
	const struct varpd_config *config = &varpd->config;
	char run_dir[128];
	int err = 0;

	snprintf(run_dir, sizeof(run_dir), "%s/%s", CONTROL_RUN_DIR, config->instance);
	if (privileges->missing)
		varpd_log(VARPD_LOG_WARNING,
			  "there is no user %s, so varpd stays root with the fewest capabilities: "
			  "`useradd --system %s` makes it, or set `user` in %s", config->user,
			  config->user, config->file);
	if (privileges->own_user && !geteuid()) {
		err = privileges_give(privileges, run_dir, error);
		if (!err)
			err = privileges_give(privileges, config->state_dir, error);
		if (!err)
			err = datapath_give(varpd->datapath, privileges->uid, error);
	}
	if (!err)
		err = privileges_drop(privileges, error);
	/* Can it still read them? Rather said now than when they change. */
	if (!err)
		credentials_refresh(varpd->credentials);
	return err;
}

/* What may fail for reasons of this host's set-up comes before the datapath, which is the costly
 * step; but for damaged rows of the store, which are found meanwhile. */
static int (*const steps[])(struct varpd *varpd, struct varpd_error *error) = {
	start_instance, start_engine,	start_store,   start_net,
	start_keyx,	start_textsock, start_datapath, start_channels, start_answer,	start_control,
	start_unprivileged,
};

int varpd_start(struct varpd *varpd)
{
	struct varpd_error error = { "" };
	int err = 0;

	varpd->started_ns = varpd_now_ns();
	for (size_t i = 0; !err && i < sizeof(steps) / sizeof(steps[0]); i++)
		err = steps[i](varpd, &error);
	if (err) {
		varpd_log(VARPD_LOG_ERROR, "%s", error.text);
		varpd_stop(varpd);
		return err;
	}
	apply_config(varpd);
	varpd_schedule(varpd);
	return 0;
}

void varpd_stop(struct varpd *varpd)
{
	struct varpd_error ignored;

	mappings_load_end(varpd, &ignored);
	apply_stop(varpd);
	control_close(varpd->control);
	textsock_close(varpd->textsock);
	keyx_close(varpd->keyx);
	net_close(varpd->net);
	answer_close(varpd->answer);
	channel_keys_close(varpd->channel_keys);
	channels_close(varpd->channels);
	if (varpd->datapath)
		datapath_close(varpd->datapath);
	store_close(varpd->store);
	varp_engine_free(varpd->engine);
	actions_free(varpd->actions);
	credentials_close(varpd->credentials);
	resolve_free(varpd->resolve);
	monitor_free(varpd->monitor);
	for (size_t i = 0; i < sizeof(varpd->signals) / sizeof(varpd->signals[0]); i++)
		if (varpd->signals[i])
			event_free(varpd->signals[i]);
	if (varpd->helper)
		event_free(varpd->helper);
	audit_free(varpd->audit);
	access_free(varpd->access);
	if (varpd->timer)
		event_free(varpd->timer);
	if (varpd->base)
		event_base_free(varpd->base);
	clients_stop(varpd);
	if (varpd->lock > 0)
		instance_unlock(varpd->config.instance, varpd->lock);
	helper_stop();
}

/* --- Reloading --- */

static void reload_access(struct varpd *varpd)
{
	struct access *access = access_new(&varpd->config, varpd->privileges.uid);

	if (!access) {
		varpd_log(VARPD_LOG_ERROR, "out of memory: who may do what stays as it was");
		return;
	}
	access_free(varpd->access);
	varpd->access = access;
	textsock_access_changed(varpd->textsock);
}

void varpd_reload(struct varpd *varpd)
{
	struct varpd_config config;
	char restart[256];

	varpd_notify_reloading();
	if (config_load(&config, &varpd->overrides)) {
		varpd_log(VARPD_LOG_ERROR,
			  "configuration was not reloaded: the former one stays in effect");
	} else {
		config_reload(&varpd->config, &config, restart, sizeof(restart));
		config_free(&config);
		varpd_log_set_level(varpd->config.log_level);
		reload_access(varpd);
		varp_engine_negative_ttl_set(varpd->engine, varpd->config.negative_ttl_s * 1000);
		varpd_log(VARPD_LOG_INFO, "configuration was reloaded%s%s",
			  *restart ? "; needs a restart to change: " : "", restart);
		apply_config(varpd);
	}
	keyx_reload(varpd->keyx);
	textsock_credentials_changed(varpd->textsock);
	varpd_notify_ready("running");
}
