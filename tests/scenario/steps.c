// SPDX-License-Identifier: BSD-2-Clause
/*
 * "STEP HOST VERB ...": what can be done to a host. words[0] is the verb; each is one row of the
 * table at the end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

static int step_packet(struct script *script, struct sim_host *host)
{
	const char *as = script_option(script, "as");
	struct varp_addr from = { 0 };
	struct varp_key key;
	uint64_t count = script_number(script->count > 3 && !as ? script_word(script, 3) : NULL, 1);

	if (script_key(script, 1, &key) || (as && script_address(script, as, &from)))
		return -EINVAL;
	while (count--)
		sim_packet(host, &key, &from);
	return 0;
}

/* Packets to the vaddrs that follow one another from the given one on. */
static int step_scan(struct script *script, struct sim_host *host)
{
	struct varp_key key;
	uint64_t count = script_number(script_word(script, 3), 1);

	if (script_key(script, 1, &key))
		return -EINVAL;
	while (count--) {
		size_t i = 15;

		sim_packet(host, &key, NULL);
		while (!++key.vaddr.b[i])
			i--;
	}
	return 0;
}

/* A step that may fail says so: "-> ENOENT" at its end. */
static int result(struct script *script, int err)
{
	static const struct { const char *name; int err; } errors[] = {
		{ "EACCES", -EACCES }, { "ENOENT", -ENOENT }, { "ENOBUFS", -ENOBUFS },
	};
	int expected = 0;
	size_t i, j;

	for (i = 0; i + 1 < script->count; i++)
		if (!strcmp(script->words[i], "->"))
			for (j = 0; j < sizeof(errors) / sizeof(errors[0]); j++)
				if (!strcmp(script->words[i + 1], errors[j].name))
					expected = errors[j].err;
	return err == expected ? 0
			       : script_wrong(script, "result is %d, expected %d", err, expected);
}

static int step_lookup(struct script *script, struct sim_host *host)
{
	struct varp_key key;

	return script_key(script, 1, &key)
		       ? -EINVAL
		       : result(script, varp_engine_lookup(host->engine, host->sim->now_ns, &key, NULL));
}

static int step_client_set(struct script *script, struct sim_host *host)
{
	struct varp_snid snid;
	struct varp_addr server;

	if (script_snid(script, 1, &snid) ||
	    script_address(script, script_word(script, 2), &server))
		return -EINVAL;
	return result(script,
		      varp_engine_client_set(host->engine, host->sim->now_ns, &snid, &server));
}

static int step_client_clear(struct script *script, struct sim_host *host)
{
	bool has_server = script->count > 2 && strcmp(script_word(script, 2), "->");
	struct varp_snid snid;
	struct varp_addr server;

	if (script_snid(script, 1, &snid) ||
	    (has_server && script_address(script, script_word(script, 2), &server)))
		return -EINVAL;
	return result(script, varp_engine_client_clear(host->engine, host->sim->now_ns, &snid,
						       has_server ? &server : NULL));
}

static int step_server_set(struct script *script, struct sim_host *host)
{
	struct varp_snid snid;
	const char *ttl = script_option(script, "ttl");

	if (script_snid(script, 1, &snid))
		return -EINVAL;
	return result(script,
		      varp_engine_server_set(host->engine, host->sim->now_ns, &snid,
					     script_number(ttl, VARPDB_TTL_INITIAL_CLIENT)));
}

static int step_server_clear(struct script *script, struct sim_host *host)
{
	struct varp_snid snid;

	if (script_snid(script, 1, &snid))
		return -EINVAL;
	return result(script, varp_engine_server_clear(host->engine, host->sim->now_ns, &snid));
}

static int step_add(struct script *script, struct sim_host *host)
{
	struct varp_table_entry entry = { .ttl_s = VARPDB_TTL_ALWAYS };

	if (script_key(script, 1, &entry.key) ||
	    script_address(script, script_word(script, 3), &entry.raddr))
		return -EINVAL;
	if (script_option(script, "ttl"))
		entry.ttl_s = script_number(script_option(script, "ttl"), 0);
	return result(script, varp_engine_add(host->engine, host->sim->now_ns, &entry));
}

static int step_remove(struct script *script, struct sim_host *host)
{
	struct varp_key key;

	return script_key(script, 1, &key)
		       ? -EINVAL
		       : result(script, varp_engine_remove(host->engine, host->sim->now_ns, &key));
}

static int step_flush(struct script *script, struct sim_host *host)
{
	struct varp_key key;

	if (script->count > 1 && script_snid(script, 1, &key.snid))
		return -EINVAL;
	if (script->count > 2 && script_address(script, script_word(script, 2), &key.vaddr))
		return -EINVAL;
	varp_engine_flush(host->engine, host->sim->now_ns, script->count > 1 ? &key.snid : NULL,
			  script->count > 2 ? &key.vaddr : NULL);
	return 0;
}

static int step_init(struct script *script, struct sim_host *host)
{
	(void)script;
	varp_engine_reset(host->engine, host->sim->now_ns);
	return 0;
}

static int step_down(struct script *script, struct sim_host *host)
{
	(void)script;
	host->down = true;
	return 0;
}

static int step_up(struct script *script, struct sim_host *host)
{
	(void)script;
	host->down = false;
	return 0;
}

/* The datapath loses its entry (the LRU gave its place to another). */
static int step_evict(struct script *script, struct sim_host *host)
{
	struct varp_key key;
	struct sim_entry *entry;

	if (script_key(script, 1, &key))
		return -EINVAL;
	entry = sim_entry_find(host, &key);
	if (entry)
		entry->cached = false;
	return 0;
}

/* Counters start again, so that what follows can be counted by itself. */
static int step_forget_counts(struct script *script, struct sim_host *host)
{
	(void)script;
	host->delivered = host->unreachable = host->expired = host->refused = host->wrong = 0;
	memset(host->actions, 0, sizeof(host->actions));
	memset(host->notices, 0, sizeof(host->notices));
	memset(host->authoritative, 0, sizeof(host->authoritative));
	memset(host->log, 0, sizeof(host->log));
	return 0;
}

/* As a server that was started again: its table is there, its sessions are not. */
static int step_forget_sessions(struct script *script, struct sim_host *host)
{
	(void)script;
	sim_forget_sessions(host);
	return 0;
}

/* Its credentials have gone or changed. */
static int step_session_clear(struct script *script, struct sim_host *host)
{
	struct varp_snid snid;

	if (script_snid(script, 1, &snid))
		return -EINVAL;
	varp_engine_session_clear(host->engine, host->sim->now_ns, &snid);
	return 0;
}

static int step_credentials(struct script *script, struct sim_host *host)
{
	host->credentials = !strcmp(script_word(script, 1), "yes");
	return 0;
}

static int forge_type(struct script *script, struct varp_msg *msg)
{
	static const struct { const char *name; enum varp_msg_type type; } types[] = {
		{ "request", VARP_MSG_REQUEST }, { "reply", VARP_MSG_REPLY },
		{ "nak_notknown", VARP_MSG_NAK_NOTKNOWN },
		{ "nak_noauthority", VARP_MSG_NAK_NOAUTHORITY },
		{ "notify", VARP_MSG_NOTIFY },
	};
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(script_word(script, 1), types[i].name))
			continue;
		msg->type = types[i].type;
		return 0;
	}
	return script_wrong(script, "'%s' is not a message type", script_word(script, 1));
}

/* "raddr=ADDR[/PRIORITY[/WEIGHT]]", as often as wanted. */
static int forge_raddrs(struct script *script, struct varp_msg *msg)
{
	size_t i;

	for (i = 0; i < script->count; i++) {
		struct varp_raddr *raddr = &msg->raddrs[msg->raddr_count];
		char *text = script->words[i], *priority, *weight;

		if (strncmp(text, "raddr=", 6))
			continue;
		priority = strchr(text, '/');
		weight = priority ? strchr(priority + 1, '/') : NULL;
		if (priority)
			*priority++ = '\0';
		raddr->priority = script_number(priority, 0);
		raddr->weight = script_number(weight ? weight + 1 : NULL, 0);
		if (script_address(script, text + 6, &raddr->addr))
			return -EINVAL;
		msg->raddr_count++;
	}
	return 0;
}

/* Octets written over the finished message: "octet=AT:VALUE"; "len=N" cuts or lengthens it. */
static void forge_damage(struct script *script, uint8_t *data, size_t *len)
{
	const char *octet = script_option(script, "octet");

	*len = script_number(script_option(script, "len"), VARP_MSG_LEN);
	if (octet)
		data[script_number(octet, 0)] =
			script_number(strchr(octet, ':') ? strchr(octet, ':') + 1 : NULL, 0);
}

/* "session=N", "session=former", or that of a HOST's last request; without: of this host's own. */
static uint64_t forge_session(struct script *script, const struct sim_host *host)
{
	const char *text = script_option(script, "session");
	const struct sim_host *other = text ? script_host(script, text) : NULL;

	if (text && !strcmp(text, "former"))
		return host->former;
	return other ? other->session : script_number(text, host->session);
}

/* With a right tag, where there is or was such a session; "key=other": by the key of the other
 * direction. */
static void forge_tag(struct script *script, const struct varp_msg *msg, uint8_t *data)
{
	const struct varp_session *session = sim_session_find(script->sim, msg->session);
	bool answer = msg->type != VARP_MSG_REQUEST;

	varp_auth_sign(session, script_option(script, "key") ? !answer : answer, data);
}

/*
 * A datagram made by hand, straight into the host: "forge TYPE SNID VADDR [from=HOST] [port=N]
 * [nonce=N] [session=N|former|HOST] [key=other] [ttl=N] [raddr=...] [octet=...] [len=N]". By
 * default it comes from whom the host last asked, with the nonce and in the session of that request.
 */
static int step_forge(struct script *script, struct sim_host *host)
{
	struct varp_msg asked = { 0 }, msg = { .prefix_len = 128 };
	uint8_t data[2 * VARP_MSG_LEN] = { 0 };
	struct varp_addr from = host->sent_to;
	enum varp_drop reason;
	struct varp_key key;
	size_t len;

	varp_msg_decode(host->request, VARP_MSG_LEN, &asked, &reason);
	if (forge_type(script, &msg) || script_key(script, 2, &key) || forge_raddrs(script, &msg))
		return -EINVAL;
	if (script_option(script, "from") &&
	    script_address(script, script_option(script, "from"), &from))
		return -EINVAL;
	msg.snid = key.snid;
	msg.vaddr = key.vaddr;
	msg.nonce = script_number(script_option(script, "nonce"), asked.nonce);
	msg.session = forge_session(script, host);
	msg.ttl_s =
		script_number(script_option(script, "ttl"), msg.raddr_count && msg.type != VARP_MSG_REQUEST ? 60 : 0);
	varp_msg_encode(&msg, data);
	forge_tag(script, &msg, data);
	forge_damage(script, data, &len);
	sim_deliver(host, &from, script_number(script_option(script, "port"), VARPDB_VARP_PORT),
		    data, len);
	return 0;
}

/*
 * The last answer that HOST sent comes a second time, to the host that asked; "replay notify": the last that was not
 * asked for.
 */
static int step_replay(struct script *script, struct sim_host *host)
{
	bool told = script->count > 1 && !strcmp(script_word(script, 1), "notify");
	struct sim_host *to = sim_host_find(host->sim, told ? &host->told_to : &host->sent_to);

	if (!to)
		return script_wrong(script, "%s has sent none", host->name);
	sim_deliver(to, &host->addr, VARPDB_VARP_PORT, told ? host->told : host->answer,
		    VARP_MSG_LEN);
	return 0;
}

static const struct step {
	const char *name;
	int (*run)(struct script *script, struct sim_host *host);
} steps[] = {
	{ "packet", step_packet },		{ "scan", step_scan },
	{ "lookup", step_lookup },		{ "client_set", step_client_set },
	{ "client_clear", step_client_clear },	{ "server_set", step_server_set },
	{ "server_clear", step_server_clear },	{ "add", step_add },
	{ "remove", step_remove },		{ "flush", step_flush },
	{ "init", step_init },			{ "down", step_down },
	{ "up", step_up },			{ "evict", step_evict },
	{ "forget_counts", step_forget_counts },{ "forge", step_forge },
	{ "replay", step_replay },
	{ "forget_sessions", step_forget_sessions },
	{ "session_clear", step_session_clear },{ "credentials", step_credentials },
};

int script_step(struct script *script, struct sim_host *host)
{
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!strcmp(steps[i].name, script->words[0]))
			return steps[i].run(script, host);
	return script_wrong(script, "'%s' is not a step", script->words[0]);
}
