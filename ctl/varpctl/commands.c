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
			"the supernet itself. All nodes of a supernet ask the same one: to change it, "
			"say varpd_client_set on the group client's socket.\n"
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
		.summary = "undo join, of one address or the supernet",
		.more = "With the last node of a supernet its cached mappings go, too,\n"
			"and its server, if join had named it. A device that was deleted by hand "
			"takes its nodes along, but not the server: leave SNID forgets it then.\n",
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
			"TTL is what clients are told: the mapping's own, or its supernet's default.\n",
	},
	{
		.name = "channel",
		.sub = "set",
		.args = "SNID CHID MODE [key FILE] [rotate SECONDS]",
		.min_args = 3,
		.max_args = 7,
		.complete = "snid none words:plain,auth,aead words:key,rotate",
		.run = ctl_channel_set,
		.summary = "protect a channel with a key",
		.more = "MODE is plain (no protection), auth (every packet proves that it comes from a "
			"member, and is taken once) or aead (encrypted as well).\n"
			"FILE holds the key, 64 hex digits as `openssl rand -hex 32` makes them; all "
			"members of the channel are given the same.\n"
			"Packets are protected by keys that follow from it and from the time, a new one "
			"every SECONDS, 3600 unless given, the same on all members. Their clocks may "
			"differ by that long.\n"
			"Nodes of the channel that are here change at once; packets of members that have "
			"not changed yet are dropped.\n"
			"What was set is kept in varpd's database and holds after a reboot as well.\n"
			"Where the group manager has set the channel's mode at the server, keys come from "
			"there and nothing is set here; a FILE given here prevails until it is taken back "
			"with plain.\n",
	},
	{
		.name = "channel",
		.sub = "show",
		.args = "[SNID]",
		.max_args = 1,
		.complete = "snid",
		.run = ctl_channel_show,
		.summary = "show which channels are protected, and how",
		.more = "Lists channels that have keys here; all others are plain.\n"
			"EPOCH numbers the keys of a channel; members with the same key and clock have "
			"the same. KEYS FROM is secret (channel set, here) or server (handed out in the "
			"key exchange), KEYS UNTIL how long the last of those known holds.\n",
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
			"The exit status is 3 when the vaddr is not known, 4 when nobody answered, "
			"and 2 when nobody could be asked, for want of a server or credentials; the "
			"error says why, as far as varpd knows.\n",
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
		.name = "psk",
		.sub = "new",
		.args = "SNID [dir DIR] [--force]",
		.min_args = 1,
		.max_args = 3,
		.complete = "snid words:dir none",
		.force = true,
		.run = ctl_psk_new,
		.summary = "make a pre-shared key for a supernet",
		.more = "Prints the key and stores it in /etc/varp/pki/psk, or in DIR/psk.\n"
			"The supernet's server and its members need the same one: copy the file, "
			"or use psk add there.\n"
			"varpd finds it by itself.\n"
			"A key that is there is kept, unless --force is given.\n"
			"\n"
			"Whoever has the key is a member, and could pass for the server: for hosts "
			"that do not trust each other so far, use pki.\n",
	},
	{
		.name = "psk",
		.sub = "add",
		.args = "SNID [dir DIR] [--force]",
		.min_args = 1,
		.max_args = 3,
		.complete = "snid words:dir none",
		.force = true,
		.run = ctl_psk_add,
		.summary = "store a pre-shared key from elsewhere",
		.more = "Reads the key, as psk new printed it, from standard input; a terminal does not show it.\n",
	},
	{
		.name = "pki",
		.sub = "init",
		.args = "[DIR] [--force]",
		.max_args = 1,
		.complete = "none",
		.force = true,
		.run = ctl_pki_init,
		.summary = "make an authority for certificates",
		.more = "Its key and certificate are put into /etc/varp/ca, or DIR.\n"
			"Do so on one host, and keep ca.key there.\n",
	},
	{
		.name = "pki",
		.sub = "issue",
		.args = "NAME [member SNID [VADDR]] [server SNID] [manager SNID] [days N] [into "
			"DIR] [dir DIR] [--force]",
		.min_args = 3,
		.max_args = 64,
		.complete = "none words:member,server,manager,days,into,dir",
		.force = true,
		.run = ctl_pki_issue,
		.summary = "issue a host's certificate and key",
		.more = "They are put into DIR/issued/NAME, which is to become /etc/varp/pki on "
			"that host, or right into the directory that into names.\n"
			"\n"
			"member makes it a client of the supernet, with VADDR as that node only.\n"
			"server lets it serve the supernet.\n"
			"manager lets it manage the supernet.\n"
			"These may be given several times; '*' stands for every supernet.\n"
			"days is how long it holds, 365 unless given.\n"
			"dir is where the authority is, /etc/varp/ca unless given.\n"
			"\n"
			"With --force a new certificate takes the place of a former one, which "
			"stays valid unless revoked, and is kept as former-SERIAL.crt for that.\n",
	},
	{
		.name = "pki",
		.sub = "revoke",
		.args = "NAME|FILE [dir DIR]",
		.min_args = 1,
		.max_args = 3,
		.complete = "none words:dir none",
		.run = ctl_pki_revoke,
		.summary = "revoke a certificate",
		.more = "Adds it to DIR/revoked.crl.\n"
			"Copied to /etc/varp/pki of a host, the list holds "
			"there within a minute, for sessions that were made before, too.\n"
			"A FILE has a slash in it.\n",
	},
	{
		.name = "pki",
		.sub = "show",
		.args = "[FILE] [dir DIR]",
		.max_args = 3,
		.complete = "none",
		.run = ctl_pki_show,
		.summary = "show what certificates permit, and until when",
		.more = "Shows all that the authority has issued, or one FILE.\n",
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
