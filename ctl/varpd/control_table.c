// SPDX-License-Identifier: BSD-2-Clause
/*
 * The commands of the control socket. docs/CONTROL.md describes each.
 */
#include <string.h>

#include "control_internal.h"

static const struct control_command commands[] = {
	{ "attach",	 "dev",						control_do_attach },
	{ "detach",	 "dev",						control_do_detach },
	{ "join",	 "snid vaddr plen server channel dev netns raddr", control_do_join },
	{ "leave",	 "snid vaddr",					control_do_leave },
	{ "status",	 "",						control_do_status },
	{ "stats",	 "",						control_do_stats },
	{ "cache_show",	 "snid",					control_do_cache_show },
	{ "cache_get",	 "snid vaddr",					control_do_cache_get },
	{ "cache_flush", "snid vaddr",					control_do_cache_flush },
	{ "db_show",	 "snid",					control_do_db_show },
	{ "resolve",	 "snid vaddr timeout_ms",			control_do_resolve },
	{ "monitor",	 "",						control_do_monitor },
	{ "lookup",	 "snid vaddr",					control_do_lookup },
	{ "register",	 "monitor",					control_do_register },
	{ "opcode",	 "op_code snid vaddr raddr caddr ttl",		control_do_opcode },
	{ "reset",	 "",						control_do_reset },
	{ "timer",	 "on",						control_do_timer },
};

const struct control_command *control_find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}
