// SPDX-License-Identifier: BSD-2-Clause
/*
 * The commands of the control socket, and carrying one out. docs/CONTROL.md describes each.
 */
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "addr.h"
#include "control_internal.h"
#include "log.h"

#define COMMAND_NAME_LEN 32
#define CONNECTIONS_USERS 384	/* of the control socket's, for users who are no administrators */
#define CONNECTIONS_USER 32	/* for each of them */

#define ADMIN		CONTROL_ADMIN, false
#define ADMIN_CHANGES	CONTROL_ADMIN, true
#define OWNER		CONTROL_OWNER, false
#define OWNER_CHANGES	CONTROL_OWNER, true
#define FILTERED	CONTROL_FILTERED, false

/* Interfaces, addresses and routes are the host's, also those of a supernet: see ADR 22. */
static const struct control_command commands[] = {
	{ "attach", "dev", control_do_attach, ADMIN_CHANGES },
	{ "detach", "dev", control_do_detach, ADMIN_CHANGES },
	{ "join", "snid vaddr plen server channel dev netns raddr", control_do_join,
	  ADMIN_CHANGES },
	{ "leave", "snid vaddr", control_do_leave, ADMIN_CHANGES },
	{ "status", "", control_do_status, FILTERED },
	{ "stats", "", control_do_stats, FILTERED },
	{ "cache_show", "snid", control_do_cache_show, FILTERED },
	{ "cache_get", "snid vaddr", control_do_cache_get, OWNER },
	{ "cache_flush", "snid vaddr", control_do_cache_flush, OWNER_CHANGES },
	{ "db_show", "snid", control_do_db_show, FILTERED },
	{ "resolve", "snid vaddr timeout_ms", control_do_resolve, OWNER },
	{ "monitor", "", control_do_monitor, FILTERED },
	{ "lookup", "snid vaddr", control_do_lookup, OWNER },
	{ "register", "monitor", control_do_register, FILTERED },
	{ "opcode", "op_code snid vaddr raddr caddr ttl", control_do_opcode, OWNER_CHANGES },
	{ "channel_set", "snid channel mode key rotate_s", control_do_channel_set, ADMIN_CHANGES },
	{ "channel_show", "snid", control_do_channel_show, FILTERED },
	{ "reset", "", control_do_reset, ADMIN_CHANGES },
	{ "timer", "on", control_do_timer, ADMIN_CHANGES },
};

static const struct control_command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* --- Permission --- */

bool control_sees(const struct control_conn *conn, const struct varp_snid *snid)
{
	return access_owns(conn->varpd->access, &conn->peer, snid);
}

bool control_is_admin(const struct control_conn *conn)
{
	return access_is_admin(conn->varpd->access, &conn->peer);
}

/* Users must not keep administrators out, nor each other. */
bool control_is_crowding(const struct control_conn *conns, const struct control_conn *conn)
{
	unsigned int own = 0, users = 0;
	const struct control_conn *other;

	if (control_is_admin(conn))
		return false;
	DL_FOREACH(conns, other) {
		own += other->peer.uid == conn->peer.uid;
		users += !control_is_admin(other);
	}
	return own >= CONNECTIONS_USER || users >= CONNECTIONS_USERS;
}

/* Whether there is such a supernet makes no difference to who may not know. */
static bool is_permitted(const struct control_conn *conn, const struct control_command *command,
			 const json_t *args)
{
	const char *text = json_string_value(json_object_get(args, "snid"));
	struct varp_snid snid;

	if (control_is_admin(conn))
		return true;
	if (command->access == CONTROL_ADMIN || !access_owns_any(conn->varpd->access, &conn->peer))
		return false;
	if (!text)
		return command->access == CONTROL_FILTERED;
	/* One that is no SnId is refused as such. */
	return varp_snid_parse(text, &snid) || control_sees(conn, &snid);
}

/* varpctl's words for it: `channel set` is channel_set here. */
static const char *as_typed(const char *command, char out[COMMAND_NAME_LEN])
{
	snprintf(out, COMMAND_NAME_LEN, "%s", command);
	for (char *c = out; *c; c++)
		if (*c == '_')
			*c = ' ';
	return out;
}

static int carry_out(struct control_conn *conn, const struct control_command *command,
		     struct control_args *args, json_t **result)
{
	char name[COMMAND_NAME_LEN];

	if (!is_permitted(conn, command, args->json)) {
		varpd_fail(args->error, 0, command->access == CONTROL_ADMIN
				   ? "not permitted: %s is for root and the group of varpd's user"
				   : "not permitted: %s is for root, owners of the supernet and the group "
				     "of varpd's user; `owner` in a section [supernet SNID] of the "
				     "configuration makes owners",
			   as_typed(command->name, name));
		return CONTROL_PERMISSION;
	}
	control_args_check(args, command->args);
	return args->bad ? CONTROL_FAILED : command->handler(conn, args, result, args->error);
}

/* --- Audit --- */

/* Of a request no more than this is in the log: no secret is, and nothing that is no argument. */
static const char *const audited[] = {
	"snid", "vaddr", "plen", "server", "channel", "dev", "netns", "raddr", "mode", "rotate_s",
	"op_code", "caddr", "ttl", "on",
};

static void write_snid(const char *text, char *out, size_t room)
{
	char again[VARP_SNID_TEXT];
	struct varp_snid snid;

	if (!varp_snid_parse(text, &snid))
		snprintf(out, room, " %s", varp_snid_format(&snid, again));
}

static void write_args(const json_t *args, char *out, size_t room)
{
	json_t *shown = json_object();
	size_t len;

	for (size_t i = 0; i < sizeof(audited) / sizeof(audited[0]); i++) {
		json_t *value = json_object_get(args, audited[i]);

		if (value && !json_is_object(value) && !json_is_array(value))
			json_object_set(shown, audited[i], value);
	}
	len = json_dumpb(shown, out, room - 1, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(shown);
	if (len && len < room) {
		out[len] = '\0';
		return;
	}
	len = snprintf(out, room, "(too long)");
	/* Whose it is matters most. */
	if (json_is_string(json_object_get(args, "snid")))
		write_snid(json_string_value(json_object_get(args, "snid")), out + len,
			   room - len);
}

static void audit(struct control_conn *conn, const struct control_command *command, int status,
		  const json_t *args)
{
	char text[320] = "";
	int used;

	if (!command->changes && status != CONTROL_PERMISSION)
		return;
	if (!audit_is_detailed(&conn->audit)) {
		audit_command(&conn->audit, command->name, NULL, status > 0 ? "" : NULL);
		return;
	}
	used = snprintf(text, sizeof(text), "%s ", command->name);
	write_args(args, text + used, sizeof(text) - used);
	audit_command(&conn->audit, command->name, text,
		      status == CONTROL_PERMISSION ? "not permitted"
		      : status > 0		   ? "failed" : NULL);
}

void control_execute(struct control_conn *conn, const char *line, size_t len)
{
	struct varpd_error error = { "" };
	const struct control_command *command;
	struct control_args args = { .error = &error };
	json_error_t parse;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &parse);
	json_t *result = NULL;
	const char *name = json_string_value(json_object_get(request, "command"));
	int status = CONTROL_FAILED;

	command = name ? find_command(name) : NULL;
	if (!request)
		varpd_fail(&error, 0, "request is not JSON: %.100s", parse.text);
	else if (!command)
		varpd_fail(&error, 0, "unknown command '%.40s'", name ? name : "");
	if (command) {
		args.json = json_object_get(request, "args");
		status = carry_out(conn, command, &args, &result);
		audit(conn, command, status, args.json);
		varpd_log(VARPD_LOG_DEBUG, "control: %s by %s: %s", command->name, conn->peer.text,
			  status > 0 ? error.text : "done");
	}
	if (status != CONTROL_LATER)
		control_reply(conn, status, result, &error);
	json_decref(request);
}
