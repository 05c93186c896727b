/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket: what varpctl and libvarp's varpdb calls say to varpd. A SOCK_STREAM unix
 * socket at /run/varp/INSTANCE/control.sock; one JSON object per line each way. docs/CONTROL.md
 * lists commands and answers.
 *
 *   request  {"command":NAME, "args":{...}}                      at most CONTROL_REQUEST_MAX octets
 *   answer   {"ok":true,"result":ANY}
 *            {"ok":false,"status":N,"error":"one line for a person"}
 *            N is varpctl's exit status, 2..5
 *            {"ok":true,"stream":true}  then one object per line, ended by {"end":true}
 *            (cache_show, db_show; monitor and register have no end)
 *
 * Requests of one connection are answered in order. Identifiers and addresses are strings in the
 * forms of varpctl.
 *
 *   attach {dev}   detach {dev}
 *   join {snid, vaddr, plen, server?, channel?, dev?, netns?, raddr?} -> node object
 *   leave {snid, vaddr?}
 *   status {} -> object of `varpctl status -j`            stats {} -> object of `varpctl stats -j`
 *   cache_show {snid?} stream     cache_get {snid,vaddr} -> entry
 *   cache_flush {snid?,vaddr?} -> {"flushed":n}
 *   db_show {snid?} stream
 *   resolve {snid,vaddr,timeout_ms} -> {"snid","vaddr","raddr","ttl_s"}; error status 3 or 4
 *   monitor {} stream of events
 *   lookup {snid,vaddr} -> {"state":"hit","raddr"} | {"state":"miss"} | {"state":"notknown"}
 *        never waits
 *   register {monitor:bool} stream of {"state":"hit"|"miss","snid","vaddr","raddr"}:
 *        outcomes of lookups asked for on any connection of this process's uid+pid (monitor: of all
 *        users of this varpdb)
 *   opcode {op_code,snid,vaddr,raddr?,caddr?,ttl?} -> {"op_code","raddr"?,"caddr"?}
 *   reset {}   timer {on:bool}
 */
#ifndef VARP_CONTROL_H
#define VARP_CONTROL_H

#define CONTROL_RUN_DIR		"/run/varp"
#define CONTROL_SOCKET		"control.sock"
#define CONTROL_REQUEST_MAX	4096

/* varpctl's exit statuses (fixed interface), also "status" of an error answer. */
enum control_status {
	CONTROL_OK		= 0,
	CONTROL_USAGE		= 1,
	CONTROL_FAILED		= 2,
	CONTROL_NOTKNOWN	= 3,
	CONTROL_TIMEOUT		= 4,
	CONTROL_PERMISSION	= 5,
};

#endif
