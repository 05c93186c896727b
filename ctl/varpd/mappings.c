// SPDX-License-Identifier: BSD-2-Clause
/*
 * Each of the group manager's commands has two halves: one for the store, one for the engine. See
 * mappings.h.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "answer.h"
#include "channel_keys.h"
#include "clients.h"
#include "credentials.h"
#include "log.h"
#include "mappings.h"

static struct varp_table_entry entry_of(const struct varp_command *command)
{
	return (struct varp_table_entry){
		.key = varp_key_make(&command->snid, &command->vaddr),
		.raddr = command->raddr,
		.ttl_s = command->ttl_s,
	};
}

static int stage_init(struct varpd *varpd, const struct varp_command *command,
		      struct varpd_error *error)
{
	(void)command;
	return store_clear(varpd->store, error);
}

static int apply_init(struct varpd *varpd, const struct varp_command *command)
{
	(void)command;
	varp_engine_reset(varpd->engine, varpd_now_ns());
	clients_forget(varpd);
	datapath_flush(varpd->datapath, NULL, NULL);
	varpd_log(VARPD_LOG_INFO,
		  "the group manager has reset varpd: mappings, servers and cache are empty");
	return 0;
}

static int stage_add(struct varpd *varpd, const struct varp_command *command,
		     struct varpd_error *error)
{
	struct varp_table_entry entry = entry_of(command);

	return store_add(varpd->store, &entry, error);
}

static int apply_add(struct varpd *varpd, const struct varp_command *command)
{
	struct varp_table_entry entry = entry_of(command);

	return varp_engine_add(varpd->engine, varpd_now_ns(), &entry);
}

static int stage_remove(struct varpd *varpd, const struct varp_command *command,
			struct varpd_error *error)
{
	struct varp_key key = varp_key_make(&command->snid, &command->vaddr);

	return store_remove(varpd->store, &key, error);
}

static int apply_remove(struct varpd *varpd, const struct varp_command *command)
{
	struct varp_key key = varp_key_make(&command->snid, &command->vaddr);

	return varp_engine_remove(varpd->engine, varpd_now_ns(), &key);
}

static int stage_server_set(struct varpd *varpd, const struct varp_command *command,
			    struct varpd_error *error)
{
	/* The engine refuses this as well, but by then it would be in the store. */
	if (!varpd_may_speak(varpd, &command->snid))
		return -EACCES;
	return store_server_set(varpd->store, &command->snid, command->ttl_s, error);
}

static int apply_server_set(struct varpd *varpd, const struct varp_command *command)
{
	return varp_engine_server_set(varpd->engine, varpd_now_ns(), &command->snid,
				      command->ttl_s);
}

static int stage_server_clear(struct varpd *varpd, const struct varp_command *command,
			      struct varpd_error *error)
{
	return store_server_clear(varpd->store, &command->snid, error);
}

static int apply_server_clear(struct varpd *varpd, const struct varp_command *command)
{
	return varp_engine_server_clear(varpd->engine, varpd_now_ns(), &command->snid);
}

static int stage_channel_set(struct varpd *varpd, const struct varp_command *command,
			     struct varpd_error *error)
{
	struct varp_combo combo = { .snid = command->snid, .chid = command->chid };

	/* Keys go to members in key exchanges, of which there are none without. */
	if (credentials_for(varpd->credentials, &command->snid) == CREDENTIALS_NONE)
		return -EACCES;
	return channel_keys_stage_set(varpd, &combo, command->mode, error);
}

static int stage_channel_rotate(struct varpd *varpd, const struct varp_command *command,
				struct varpd_error *error)
{
	struct varp_combo combo = { .snid = command->snid, .chid = command->chid };

	return channel_keys_stage_rotate(varpd, &combo, error);
}

static int apply_channel(struct varpd *varpd, const struct varp_command *command)
{
	struct varp_combo combo = { .snid = command->snid, .chid = command->chid };

	channel_keys_changed(varpd, &combo);
	return 0;
}

static const struct change {
	int (*stage)(struct varpd *varpd, const struct varp_command *command,
		     struct varpd_error *error);
	int (*apply)(struct varpd *varpd, const struct varp_command *command);
} changes[] = {
	[VARP_COMMAND_INIT]		= { stage_init, apply_init },
	[VARP_COMMAND_ADD]		= { stage_add, apply_add },
	[VARP_COMMAND_REMOVE]		= { stage_remove, apply_remove },
	[VARP_COMMAND_SERVER_SET]	= { stage_server_set, apply_server_set },
	[VARP_COMMAND_SERVER_CLEAR]	= { stage_server_clear, apply_server_clear },
	[VARP_COMMAND_CHANNEL_SET]	= { stage_channel_set, apply_channel },
	[VARP_COMMAND_CHANNEL_ROTATE]	= { stage_channel_rotate, apply_channel },
};

bool mappings_is_change(const struct varp_command *command)
{
	return command->type < sizeof(changes) / sizeof(changes[0]);
}

/* --- At start --- */

struct mappings_loading {
	pthread_t thread;
	bool threaded;
	struct store *store;
	struct varp_table *table;
	struct varpd_error error;
	int err;
};

static void *load(void *ctx)
{
	struct mappings_loading *loading = ctx;

	loading->err = store_load(loading->store, loading->table, &loading->error);
	return NULL;
}

/* Signals are for the thread that has the event loop. Where there may be no other, this one loads. */
static void start(struct mappings_loading *loading)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	loading->threaded = !pthread_create(&loading->thread, NULL, load, loading);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!loading->threaded)
		load(loading);
}

int mappings_load_begin(struct varpd *varpd, struct varpd_error *error)
{
	struct mappings_loading *loading = calloc(1, sizeof(*loading));
	struct varp_table *table = varp_table_new();

	if (!loading || !table) {
		varp_table_free(table);
		free(loading);
		return varpd_fail(error, -ENOMEM, "out of memory");
	}
	loading->store = varpd->store;
	loading->table = table;
	varpd->loading = loading;
	start(loading);
	return 0;
}

int mappings_load_end(struct varpd *varpd, struct varpd_error *error)
{
	struct mappings_loading *loading = varpd->loading;
	int err;

	if (!loading)
		return 0;
	varpd->loading = NULL;
	if (loading->threaded)
		pthread_join(loading->thread, NULL);
	err = loading->err;
	if (err) {
		*error = loading->error;
		varp_table_free(loading->table);
	} else {
		varp_engine_load(varpd->engine, varpd_now_ns(), loading->table);
	}
	free(loading);
	return err;
}

/* --- Changes --- */

int mappings_begin(struct varpd *varpd, struct varpd_error *error)
{
	return store_begin(varpd->store, error);
}

int mappings_stage(struct varpd *varpd, const struct varp_command *command,
		   struct varpd_error *error)
{
	return changes[command->type].stage(varpd, command, error);
}

int mappings_commit(struct varpd *varpd, struct varpd_error *error)
{
	return store_commit(varpd->store, error);
}

void mappings_rollback(struct varpd *varpd)
{
	store_rollback(varpd->store);
}

int mappings_apply(struct varpd *varpd, const struct varp_command *command)
{
	int err = changes[command->type].apply(varpd, command);

	if (!err)
		answer_change(varpd->answer, command);
	return err;
}

void mappings_expect(struct varpd *varpd, const struct varp_command *command)
{
	struct varp_key key = varp_key_make(&command->snid, &command->vaddr);

	varp_table_prefetch(varp_engine_table(varpd->engine), &key);
}

int mappings_change(struct varpd *varpd, const struct varp_command *command,
		    struct varpd_error *error)
{
	int err = mappings_begin(varpd, error);

	if (err)
		return err;
	err = mappings_stage(varpd, command, error);
	if (err) {
		mappings_rollback(varpd);
		return err == -EACCES ? varpd_fail(error, err, "no credentials for this supernet: "
							 VARPD_HOW_CREDENTIALS)
				      : err;
	}
	err = mappings_commit(varpd, error);
	return err ? err : mappings_apply(varpd, command);
}
