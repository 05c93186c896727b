// SPDX-License-Identifier: BSD-2-Clause
/*
 * The table of varpctl's commands. Help, completion and the manual page are made from it (help.c),
 * so it is the only place where a command is described.
 */
#include "ctl.h"

#define NO_ARGS	.args = "", .complete = ""

const struct ctl_command ctl_commands[] = {
	{
		.name = "attach",
		.args = "IFACE",
		.min_args = 1,
		.max_args = 1,
		.complete = "iface",
		.run = ctl_attach,
		.summary = "put the datapath on an underlay interface",
		.more = "Packets of supernets that arrive at IFACE are decapsulated from now on, "
			"and its addresses become real addresses (raddr) of this host.\n"
			"Other programs and filters on the interface are left alone.\n",
	},
	{
		.name = "detach",
		.args = "IFACE",
		.min_args = 1,
		.max_args = 1,
		.complete = "underlay",
		.run = ctl_detach,
		.summary = "take it off without a trace",
		.more = "Nodes that used the interface stay, and send nothing until another "
			"underlay is attached.\n",
	},
	{
		.name = "join",
		.args = "SNID VADDR/LEN [server ADDR] [channel CHID] [dev NAME] [netns NS] [raddr "
			"ADDR]",
		.min_args = 2,
		.max_args = 12,
		.complete = "snid none words:server,channel,dev,netns,raddr",
		.run = ctl_join,
		.summary = "make this host a node of a supernet",
		.more = "Creates the node device with its address and route, and tells varpd the "
			"supernet's server.\n"
			"LEN is the prefix length of the supernet's addresses: what lies within "
			"it is reached through the device.\n"
			"\n"
			"server is the address of the host whose varpd serves the supernet; it "
			"may be left out where it is known already, or where this varpd serves "
			"the supernet itself.\n"
			"channel is the group's channel, 0x0 unless given.\n"
			"dev names the device, else it is the first free one of sn0, sn1 and so "
			"on.\n"
			"netns is the network namespace that it is put into, by name or path.\n"
			"raddr is the address of an attached interface to be reached at, where "
			"there are several.\n",
	},
	{
		.name = "leave",
		.args = "SNID [VADDR]",
		.min_args = 1,
		.max_args = 2,
		.complete = "snid vaddr",
		.run = ctl_leave,
		.summary = "undo join, for one address or the whole supernet",
		.more = "With the last node of a supernet its cached mappings go, too,\n"
			"and its server, if join had named it.\n",
	},
	{
		.name = "status",
		NO_ARGS,
		.run = ctl_status,
		.summary = "show everything at a glance",
		.more = "The first line says whether anything is wrong, the lines below it what, "
			"and what to do about it.\n",
	},
	{
		.name = "cache",
		.sub = "show",
		.args = "[SNID]",
		.max_args = 1,
		.complete = "snid",
		.run = ctl_cache_show,
		.summary = "show varpdb: resolved, pending and not known",
		.more = "Lists what this host has learned and is about to learn.\n"
			"TTL is the time that an entry has left.\n",
	},
	{
		.name = "cache",
		.sub = "get",
		.args = "SNID VADDR",
		.min_args = 2,
		.max_args = 2,
		.complete = "snid none",
		.run = ctl_cache_get,
		.summary = "show one entry of varpdb",
		.more = "Asks nobody: without an entry the exit status is 3.\n"
			"To have a vaddr looked up use resolve.\n",
	},
	{
		.name = "cache",
		.sub = "flush",
		.args = "[SNID [VADDR]]",
		.max_args = 2,
		.complete = "snid none",
		.run = ctl_cache_flush,
		.summary = "forget entries, so that they are asked for anew",
		.more = "Forgets one entry, all of a supernet, or all.\n"
			"The server's mappings (db show) are not touched.\n",
	},
	{
		.name = "db",
		.sub = "show",
		.args = "[SNID]",
		.max_args = 1,
		.complete = "snid",
		.run = ctl_db_show,
		.summary = "show the mappings that this varpd serves",
		.more = "These are what the group manager registered on port 2500.\n"
			"TTL is what clients are told; always stands for the supernet's default.\n",
	},
	{
		.name = "resolve",
		.args = "SNID VADDR [--timeout S]",
		.min_args = 2,
		.max_args = 2,
		.complete = "snid none",
		.run = ctl_resolve,
		.summary = "look a vaddr up and print its raddr",
		.more = "Looks it up as the datapath would.\n"
			"Waits for the answer for S seconds, 5 unless given, and asks again "
			"meanwhile.\n"
			"The exit status is 3 when the vaddr is not known, and 4 when nobody "
			"answered.\n",
	},
	{
		.name = "stats",
		NO_ARGS,
		.run = ctl_stats,
		.summary = "show counters, and drops by reason",
		.more = "Every packet and message that was rejected is counted under the reason "
			"for it.\n"
			"Reasons that never occurred are left out; -j prints them all.\n",
	},
	{
		.name = "monitor",
		NO_ARGS,
		.run = ctl_monitor,
		.summary = "show events as they happen, and answer queries",
		.more = "Prints a line for each hit, miss, notknown, insert, remove, expire, "
			"refresh, attach and detach.\n"
			"A hit or notknown is the outcome of a lookup, an insert or remove a "
			"change of the cache or of the server's mappings.\n"
			"\n"
			"In a terminal a line typed as SNID VADDR is resolved and answered; with "
			"VADDR alone the SNID of the query before is taken.\n"
			"Ends with an interrupt or, in a terminal, at the end of input.\n",
	},
	{
		.name = "help",
		.args = "[COMMAND]",
		.max_args = 2,
		.complete = "command",
		.run = ctl_help,
		.summary = "show this list, or all about a command",
		.more = "",
	},
	{
		.name = "version",
		NO_ARGS,
		.run = ctl_version,
		.summary = "print the version",
		.more = "",
	},
	{
		.name = "completion",
		.args = "bash|snids|underlays",
		.min_args = 1,
		.max_args = 1,
		.complete = "",
		.run = ctl_completion,
		.hidden = true,
		.summary = "print the completion script for a shell, or words for it",
		.more = "",
	},
	{
		.name = "man-commands",
		NO_ARGS,
		.run = ctl_man_commands,
		.hidden = true,
		.summary = "print the part of the manual page that is made from the command table",
		.more = "",
	},
	{ .name = NULL },
};
