// SPDX-License-Identifier: BSD-2-Clause
/*
 * The commands of the control socket, and carrying one out. docs/CONTROL.md describes each.
 */
#include <string.h>

#include "control_internal.h"
#include "log.h"

static const struct control_command commands[] = {
	{ "attach",      "dev",                                            control_do_attach },
	{ "detach",      "dev",                                            control_do_detach },
	{ "join",        "snid vaddr plen server channel dev netns raddr", control_do_join },
	{ "leave",       "snid vaddr",                                     control_do_leave },
	{ "status",      "",                                               control_do_status },
	{ "stats",       "",                                               control_do_stats },
	{ "cache_show",  "snid",                                           control_do_cache_show },
	{ "cache_get",   "snid vaddr",                                     control_do_cache_get },
	{ "cache_flush", "snid vaddr",                                     control_do_cache_flush },
	{ "db_show",     "snid",                                           control_do_db_show },
	{ "resolve",     "snid vaddr timeout_ms",                          control_do_resolve },
	{ "monitor",     "",                                               control_do_monitor },
	{ "lookup",      "snid vaddr",                                     control_do_lookup },
	{ "register",    "monitor",                                        control_do_register },
	{ "opcode",      "op_code snid vaddr raddr caddr ttl",             control_do_opcode },
	{ "reset",       "",                                               control_do_reset },
	{ "timer",       "on",                                             control_do_timer },
};

static const struct control_command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
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
		control_args_check(&args, command->args);
		if (!args.bad)
			status = command->handler(conn, &args, &result, &error);
		varpd_log(VARPD_LOG_DEBUG, "control: %s by pid %d of user %u: %s", command->name,
			  (int)conn->pid, (unsigned int)conn->uid,
			  status > 0 ? error.text : "done");
	}
	if (status != CONTROL_LATER)
		control_reply(conn, status, result, &error);
	json_decref(request);
}
