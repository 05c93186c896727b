// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl completion: the bash script, with the command table in it, and the words that it asks for
 * when a key is pressed.
 *
 * Kinds of arguments (ctl_command.complete, one per position, the last one for all that follow):
 * iface, underlay, snid, vaddr, command, none, words:A,B,C.
 */
#include <string.h>

#include "ctl.h"
#include "print.h"

static const char script_head[] =
	"# bash completion for varpctl; made by `varpctl completion bash`.\n"
	"\n"
	"_varpctl()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	"\tlocal -a words=() kinds=() inst=()\n"
	"\tlocal i key kind at\n"
	"\tlocal -A table=(\n";

static const char script_tail[] =
	"\t)\n"
	"\n"
	"\tCOMPREPLY=()\n"
	"\tcase $prev in\n"
	"\t-i|--instance) COMPREPLY=($(compgen -W \"$(ls /run/varp 2>/dev/null)\" -- \"$cur\")); "
	"return ;;\n"
	"\t--color) COMPREPLY=($(compgen -W 'auto always never' -- \"$cur\")); return ;;\n"
	"\t--timeout) return ;;\n"
	"\tesac\n"
	"\tif [[ $cur == -* ]]; then\n"
	"\t\tCOMPREPLY=($(compgen -W '-i -j -p --color --timeout --force --help --version' -- \"$cur\"))\n"
	"\t\treturn\n"
	"\tfi\n"
	"\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tcase ${COMP_WORDS[i]} in\n"
	"\t\t-i|--instance) inst=(-i \"${COMP_WORDS[++i]}\") ;;\n"
	"\t\t--color|--timeout) ((++i)) ;;\n"
	"\t\t-*) ;;\n"
	"\t\t*) words+=(\"${COMP_WORDS[i]}\") ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\n"
	"\tkey=${words[0]-} at=1\n"
	"\tif [[ -n ${words[1]-} && -v table[\"$key ${words[1]}\"] ]]; then\n"
	"\t\tkey+=\" ${words[1]}\" at=2\n"
	"\tfi\n"
	"\tif [[ -z $key ]]; then\n"
	"\t\tkind=command\n"
	"\telif [[ -v table[\"$key\"] ]]; then\n"
	"\t\tread -ra kinds <<< \"${table[\"$key\"]}\"\n"
	"\t\t((${#kinds[@]})) || return 0\n"
	"\t\tat=$((${#words[@]} - at))\n"
	"\t\tkind=${kinds[at < ${#kinds[@]} ? at : ${#kinds[@]} - 1]}\n"
	"\telse\n"
	"\t\treturn\n"
	"\tfi\n"
	"\n"
	"\tcase $kind in\n"
	"\tcommand) set -- \"$(printf '%s\\n' \"${!table[@]}\" | cut -d' ' -f1 | sort -u)\" ;;\n"
	"\tiface) set -- \"$(ls /sys/class/net 2>/dev/null)\" ;;\n"
	"\tunderlay) set -- \"$(varpctl \"${inst[@]}\" completion underlays 2>/dev/null)\" ;;\n"
	"\tsnid) set -- \"$(varpctl \"${inst[@]}\" completion snids 2>/dev/null)\" ;;\n"
	"\tvaddr) set -- \"$(varpctl \"${inst[@]}\" completion vaddrs 2>/dev/null)\" ;;\n"
	"\twords:*)\n"
	"\t\tcase $prev in\n"
	"\t\tnetns) set -- \"$(ls /run/netns 2>/dev/null)\" ;;\n"
	"\t\tserver|channel|dev|raddr) return ;;\n"
	"\t\t*) kind=${kind#words:}; set -- \"${kind//,/ }\" ;;\n"
	"\t\tesac ;;\n"
	"\t*) return ;;\n"
	"\tesac\n"
	"\tCOMPREPLY=($(compgen -W \"$1\" -- \"$cur\"))\n"
	"}\n"
	"complete -F _varpctl varpctl\n";

static void print_script(void)
{
	const char *subs_of = "";

	fputs(script_head, stdout);
	for (const struct ctl_command *c = ctl_commands; c->name; c++) {
		if (c->hidden)
			continue;
		/* A command with subcommands has a row of its own, which offers them. */
		if (c->sub && strcmp(subs_of, c->name)) {
			subs_of = c->name;
			printf("\t\t[%s]='words:", c->name);
			for (const struct ctl_command *s = c; s->name && !strcmp(s->name, c->name);
			     s++)
				printf("%s%s", s == c ? "" : ",", s->sub);
			fputs("'\n", stdout);
		}
		if (c->sub)
			printf("\t\t['%s %s']='%s'\n", c->name, c->sub, c->complete);
		else
			printf("\t\t[%s]='%s'\n", c->name, c->complete);
	}
	fputs(script_tail, stdout);
}

/* One member of each object in an array of `status`. */
static void print_members(const json_t *status, const char *array, const char *key)
{
	const json_t *object;
	size_t i;

	json_array_foreach(json_object_get(status, array), i, object)
		puts(ctl_text(object, key, ""));
}

enum control_status ctl_completion(struct ctl *ctl, char **words, unsigned int count)
{
	static const struct {
		const char *what, *array, *key;
	} lists[] = {
		{ "snids", "nodes", "snid" },	{ "snids", "clients", "snid" },
		{ "snids", "servers", "snid" }, { "underlays", "underlays", "dev" },
		{ "vaddrs", "nodes", "vaddr" },
	};
	enum control_status status;
	bool found = false;
	json_t *result;

	(void)count;
	if (!strcmp(words[0], "bash")) {
		print_script();
		return CONTROL_OK;
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		found |= !strcmp(lists[i].what, words[0]);
	if (!found)
		return ctl_usage(ctl, "no completion for '%s'", words[0]);
	status = ctl_request(ctl, "status", NULL, CTL_TIMEOUT_MS, &result);
	if (status)
		return status;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (!strcmp(lists[i].what, words[0]))
			print_members(result, lists[i].array, lists[i].key);
	json_decref(result);
	return CONTROL_OK;
}
