// SPDX-License-Identifier: BSD-2-Clause
/*
 * Executing text commands. All complete commands that arrive in one turn of the loop, of whichever
 * connections, become one transaction of the store (so that a flood of varpd_add costs a few disk
 * flushes, not one each); they are answered in order after its commit. If that fails, each command
 * of the batch that would have changed something is told so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel_keys.h"
#include "clients.h"
#include "textsock_internal.h"

#define OK_LINE "OK\n"
#define AHEAD	8	/* commands, of the one that is executed */

void text_batch_add(struct text_conn *conn, bool too_long)
{
	static const char overlong[] = "ERR toolong a command has 255 characters at most\n";
	struct textsock *textsock = conn->side->textsock;
	struct text_item *item = &textsock->items[textsock->count];
	struct varp_command_error error;
	char line[sizeof(error.text) + 64];

	memset(item, 0, sizeof(*item));
	if (too_long) {
		item->refused = strdup(overlong);
	} else {
		int err = varp_command_parse(conn->reader.line, conn->reader.len,
					     conn->side->source, &item->command, &error);

		if (err == -ENODATA)
			return;
		item->readable = !err;
		if (err) {
			snprintf(line, sizeof(line), "ERR %s %s\n", error.word, error.text);
			item->refused = strdup(line);
		} else if (!text_access_permits(conn, &item->command)) {
			item->refused = strdup(text_access_denied(conn));
		} else {
			item->change = mappings_is_change(&item->command);
		}
	}
	item->conn = conn;
	conn->queued++;
	conn->answer_octets += item->refused ? strlen(item->refused) : sizeof(OK_LINE) - 1;
	if (!textsock->count++)
		event_active(textsock->execute, 0, 0);
}

/* Stages the batch's changes and commits. 0, or the error that all of them share. */
static int store_changes(struct textsock *textsock, struct varpd_error *error)
{
	struct varpd *varpd = textsock->varpd;
	bool begun = false;
	int err;

	for (unsigned int i = 0; i < textsock->count; i++) {
		struct text_item *item = &textsock->items[i];

		if (!item->change || item->refused)
			continue;
		if (!begun) {
			err = mappings_begin(varpd, error);
			if (err)
				return err;
			begun = true;
		}
		item->result = mappings_stage(varpd, &item->command, error);
		if (item->result && item->result != -ENOENT && item->result != -EACCES &&
		    item->result != -E2BIG) {
			err = item->result;
			mappings_rollback(varpd);
			return err;
		}
	}
	return begun ? mappings_commit(varpd, error) : 0;
}

static int apply(struct varpd *varpd, const struct text_item *item)
{
	const struct varp_command *command = &item->command;

	if (item->change)
		return item->result ? item->result : mappings_apply(varpd, command);
	if (command->type == VARP_COMMAND_CLIENT_SET)
		return clients_set(varpd, &command->snid, &command->raddr, CLIENTS_BY_ITSELF);
	return clients_clear(varpd, &command->snid, command->has_raddr ? &command->raddr : NULL);
}

/* What there was none of, by command. */
static const char *const missing[] = {
	[VARP_COMMAND_REMOVE]		= "there is no mapping for this vaddr",
	[VARP_COMMAND_SERVER_CLEAR]	= "this supernet is not served here",
	[VARP_COMMAND_CHANNEL_SET]	= "this supernet is not served here",
	[VARP_COMMAND_CHANNEL_ROTATE]	= "this channel has no keys from here",
	[VARP_COMMAND_CLIENT_CLEAR]	= "this supernet has no such server",
};

static void answer(struct text_item *item, int result)
{
	struct evbuffer *out = item->conn->out;

	if (item->refused)
		evbuffer_add(out, item->refused, strlen(item->refused));
	else if (!result)
		evbuffer_add(out, OK_LINE, sizeof(OK_LINE) - 1);
	else if (result == -ENOENT && item->command.type < sizeof(missing) / sizeof(missing[0]))
		evbuffer_add_printf(out, "ERR notfound %s\n", missing[item->command.type]);
	else if (result == -EACCES)
		evbuffer_add_printf(out, "ERR credentials no credentials for this supernet: "
					 VARPD_HOW_CREDENTIALS "\n");
	else if (result == -E2BIG)
		evbuffer_add_printf(out, "ERR channels a supernet has %d channels with a mode at most\n",
				    CHANNEL_KEYS_PER_SUPERNET);
	else if (result == -ENOMEM)
		evbuffer_add_printf(out, "ERR memory out of memory\n");
	else
		evbuffer_add_printf(out, "ERR failed %s\n", strerror(-result));
}

static const char *storage_text(int err)
{
	return err == -ESTALE ? "the database was removed or replaced: restart varpd" : strerror(-err);
}

static void tell_refused(struct textsock *textsock, const struct varpd_error *error,
			 unsigned int refused)
{
	snprintf(textsock->storage_failure, sizeof(textsock->storage_failure), "%s", error->text);
	varpd_log_limited(&textsock->store_log, 1000, VARPD_LOG_ERROR, "%s; %u command%s refused",
			  error->text, refused, refused == 1 ? " was" : "s were");
}

void text_batch_run(struct textsock *textsock)
{
	unsigned int count = textsock->count, refused = 0;
	struct varpd_error error;
	bool changed = false;
	int failed;

	if (!count)
		return;
	failed = store_changes(textsock, &error);
	for (unsigned int i = 0; i < count; i++) {
		struct text_item *item = &textsock->items[i];
		int result = failed && item->change ? failed : 0;

		if (i + AHEAD < count && textsock->items[i + AHEAD].change)
			mappings_expect(textsock->varpd, &textsock->items[i + AHEAD].command);
		if (result && !item->refused) {
			evbuffer_add_printf(item->conn->out, "ERR storage %s\n",
					    storage_text(failed));
			refused++;
		} else {
			result = item->refused ? 0 : apply(textsock->varpd, item);
			changed |= item->change && !item->refused && !result;
			answer(item, result);
		}
		text_access_audit(item, result);
		free(item->refused);
	}
	if (failed)
		tell_refused(textsock, &error, refused);
	if (changed)
		textsock->storage_failure[0] = '\0';
	textsock->count = 0;
	for (unsigned int i = 0; i < count; i++) {
		struct text_conn *conn = textsock->items[i].conn;

		if (--conn->queued)
			continue;
		conn->answer_octets = 0;
		text_conn_answered(conn);
	}
	varpd_schedule(textsock->varpd);
}
