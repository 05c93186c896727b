// SPDX-License-Identifier: BSD-2-Clause
/*
 * "EXPECT HOST WHAT ...": what can be asked about a host. words[0] is what; each is one row of the
 * table at the end.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "words.h"

static int expect_number(struct script *script, uint64_t is, size_t i)
{
	uint64_t expected = script_number(script_word(script, i), 0);

	if (i >= script->count)
		return script_wrong(script, "a number is missing");
	return is == expected ? 0
			      : script_wrong(script, "%s %s is %" PRIu64 ", expected %" PRIu64,
					     script->words[0], i > 1 ? script->words[1] : "", is,
					     expected);
}

static int expect_text(struct script *script, const char *is, const char *expected)
{
	return !strcmp(is, expected) ? 0
				     : script_wrong(script, "%s is %s, expected %s",
						    script->words[0], is, expected);
}

/* cache SNID VADDR RADDR|none [ttl=N] [left=DURATION] */
static int expect_cache(struct script *script, const struct sim_host *host)
{
	char text[VARP_ADDR_TEXT];
	const struct varp_mapping *mapping;
	const char *ttl = script_option(script, "ttl"), *left = script_option(script, "left");
	struct varp_addr raddr;
	struct varp_key key;

	if (script_key(script, 1, &key))
		return -EINVAL;
	mapping = sim_cached(host, &key);
	if (!mapping || !strcmp(script_word(script, 3), "none"))
		return expect_text(script,
				   mapping ? varp_addr_format(&mapping->raddr, text) : "none",
				   script_word(script, 3));
	if (script_address(script, script_word(script, 3), &raddr))
		return -EINVAL;
	if (!varp_addr_equal(&raddr, &mapping->raddr))
		return expect_text(script, varp_addr_format(&mapping->raddr, text),
				   script_word(script, 3));
	if (ttl && script_number(ttl, 0) != mapping->ttl_s)
		return script_wrong(script, "ttl is %u, expected %s", mapping->ttl_s, ttl);
	if (left && script_duration(left) != mapping->deadline_ns - host->sim->now_ns)
		return script_wrong(script, "%" PRIu64 " ms are left, expected %s",
			     (uint64_t)((mapping->deadline_ns - host->sim->now_ns) / SIM_MS), left);
	return 0;
}

static int expect_lookup(struct script *script, const struct sim_host *host)
{
	static const char *const names[] = { "none", "open", "notknown", "refresh" };
	struct varp_key key;

	if (script_key(script, 1, &key))
		return -EINVAL;
	return expect_text(script, names[varp_engine_lookup_state(host->engine, &key)],
			   script_word(script, 3));
}

/* The datapath's view of the same. */
static int expect_pending(struct script *script, const struct sim_host *host)
{
	static const char *const names[] = { "none", "lookup", "notknown", "draining" };
	const struct sim_entry *entry;
	struct varp_key key;

	if (script_key(script, 1, &key))
		return -EINVAL;
	entry = sim_entry_find(host, &key);
	return expect_text(script, names[entry ? entry->pending : 0], script_word(script, 3));
}

static int expect_packets(struct script *script, const struct sim_host *host)
{
	const struct { const char *name; unsigned int count; } packets[] = {
		{ "delivered", host->delivered }, { "unreachable", host->unreachable },
		{ "expired", host->expired }, { "refused", host->refused },
	};
	size_t i;

	for (i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		if (!strcmp(packets[i].name, script_word(script, 0)))
			return expect_number(script, packets[i].count, 1);
	return script_wrong(script, "cannot count '%s'", script_word(script, 0));
}

static int expect_stat(struct script *script, const struct sim_host *host)
{
	const struct varp_engine_stats *stats = varp_engine_stats(host->engine);
	const struct { const char *name; uint64_t value;
	} values[] = {
#define X(field) { #field, stats->field }
		X(requests_sent),	 X(requests_received),
		X(replies_sent),	 X(replies_received),
		X(nak_notknown_sent),	 X(nak_notknown_received),
		X(nak_noauthority_sent), X(nak_noauthority_received),
		X(notifies_sent),	 X(notifies_received),
		X(requests_repeated),	 X(refreshes),
#undef X
	};
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (!strcmp(values[i].name, script_word(script, 1)))
			return expect_number(script, values[i].value, 2);
	return script_wrong(script, "'%s' is not counted", script_word(script, 1));
}

static int expect_drop(struct script *script, const struct sim_host *host)
{
	static const char *const names[] = {
#define X(sym, name, what) name,
		VARP_DROP_REASONS(X)
#undef X
	};
	size_t i;

	for (i = 0; i < VARP_DROP_COUNT; i++)
		if (!strcmp(names[i], script_word(script, 1)))
			return expect_number(script, varp_engine_stats(host->engine)->drops[i], 2);
	return script_wrong(script, "'%s' is not a drop reason", script_word(script, 1));
}

static int expect_action(struct script *script, const struct sim_host *host)
{
	static const char *const names[SIM_ACTIONS] = {
		[VARP_ACTION_SEND] = "send",	     [VARP_ACTION_RESOLVED] = "resolved",
		[VARP_ACTION_NOTKNOWN] = "notknown", [VARP_ACTION_UNANSWERED] = "unanswered",
		[VARP_ACTION_FORGET] = "forget",     [VARP_ACTION_REMOVE] = "remove",
		[VARP_ACTION_CHECK] = "check",	     [VARP_ACTION_NOTIFY] = "notify",
		[VARP_ACTION_SESSION] = "session",   [VARP_ACTION_SESSION_GONE] = "session_gone",
		[VARP_ACTION_LOG] = "log",
	};
	size_t i;

	for (i = 0; i < SIM_ACTIONS; i++)
		if (!strcmp(names[i], script_word(script, 1)))
			return expect_number(script, host->actions[i], 2);
	return script_wrong(script, "'%s' is not an action", script_word(script, 1));
}

static int expect_notice(struct script *script, const struct sim_host *host)
{
	static const char *const names[SIM_NOTICES] = {
		[VARP_NOTICE_HIT] = "hit",	     [VARP_NOTICE_MISS] = "miss",
		[VARP_NOTICE_NOTKNOWN] = "notknown", [VARP_NOTICE_INSERT] = "insert",
		[VARP_NOTICE_REMOVE] = "remove",     [VARP_NOTICE_EXPIRE] = "expire",
		[VARP_NOTICE_REFRESH] = "refresh",
	};
	bool authoritative = !strcmp(script_word(script, 0), "authoritative");
	size_t i;

	for (i = 0; i < SIM_NOTICES; i++)
		if (!strcmp(names[i], script_word(script, 1)))
			return expect_number(
				script, authoritative ? host->authoritative[i] : host->notices[i],
				2);
	return script_wrong(script, "'%s' is not a notice", script_word(script, 1));
}

/* log WORDS...: the last line logged contains them all; "log none": there is none. */
static int expect_log(struct script *script, const struct sim_host *host)
{
	size_t i;

	if (!strcmp(script_word(script, 1), "none"))
		return host->log[0]
			       ? script_wrong(script, "logged '%s', expected nothing", host->log)
			       : 0;
	for (i = 1; i < script->count; i++)
		if (!strstr(host->log, script->words[i]))
			return script_wrong(script, "log says '%s', expected '%s' in it", host->log,
					    script->words[i]);
	return 0;
}

/* next DURATION|none: when the engine wants the next tick. */
static int expect_next(struct script *script, const struct sim_host *host)
{
	uint64_t next_ns = varp_engine_next_ns(host->engine);
	uint64_t expected = script_duration(script_word(script, 1));

	if (next_ns == UINT64_MAX || !strcmp(script_word(script, 1), "none"))
		return expect_text(script, next_ns == UINT64_MAX ? "none" : "armed",
				   script_word(script, 1));
	return next_ns - host->sim->now_ns == expected
		       ? 0
		       : script_wrong(script, "next tick is in %" PRIu64 " us, expected %s",
				      (next_ns - host->sim->now_ns) / 1000, script_word(script, 1));
}

static int expect_client(struct script *script, const struct sim_host *host)
{
	char text[VARP_ADDR_TEXT];
	struct varp_snid snid;
	struct varp_addr server, expected;
	bool has;

	if (script_snid(script, 1, &snid))
		return -EINVAL;
	has = varp_engine_client_get(host->engine, &snid, &server);
	if (!has || !strcmp(script_word(script, 2), "none"))
		return expect_text(script, has ? "set" : "none", script_word(script, 2));
	if (script_address(script, script_word(script, 2), &expected))
		return -EINVAL;
	return varp_addr_equal(&server, &expected)
		       ? 0
		       : expect_text(script, varp_addr_format(&server, text),
				     script_word(script, 2));
}

/* session SNID none|open [left=DURATION]: as client. */
static int expect_session(struct script *script, const struct sim_host *host)
{
	const char *left = script_option(script, "left");
	const struct varp_session *session;
	struct varp_snid snid;

	if (script_snid(script, 1, &snid))
		return -EINVAL;
	session = varp_engine_session_get(host->engine, host->sim->now_ns, &snid);
	if (expect_text(script, session ? "open" : "none", script_word(script, 2)))
		return -EINVAL;
	if (session && left && session->ends_ns - host->sim->now_ns != script_duration(left))
		return script_wrong(script, "session ends in %" PRIu64 " ms, expected %s",
				    (uint64_t)((session->ends_ns - host->sim->now_ns) / SIM_MS),
				    left);
	return 0;
}

/* sessions N: as server. */
static int expect_sessions(struct script *script, const struct sim_host *host)
{
	return expect_number(script, varp_engine_session_count(host->engine), 1);
}

/* source ADDR|none: what the last message was to be sent from. */
static int expect_source(struct script *script, const struct sim_host *host)
{
	char text[VARP_ADDR_TEXT];
	struct varp_addr expected;
	bool any = varp_addr_is_zero(&host->source);

	if (any || !strcmp(script_word(script, 1), "none"))
		return expect_text(script, any ? "none" : "set", script_word(script, 1));
	if (script_address(script, script_word(script, 1), &expected))
		return -EINVAL;
	return varp_addr_equal(&host->source, &expected)
		       ? 0
		       : expect_text(script, varp_addr_format(&host->source, text),
				     script_word(script, 1));
}

static int expect_mappings(struct script *script, const struct sim_host *host)
{
	return expect_number(script, varp_table_count(varp_engine_table(host->engine), NULL), 1);
}

static const struct expectation {
	const char *name;
	int (*check)(struct script *script, const struct sim_host *host);
} expectations[] = {
	{ "cache", expect_cache },		{ "lookup", expect_lookup },
	{ "pending", expect_pending },		{ "delivered", expect_packets },
	{ "unreachable", expect_packets },	{ "expired", expect_packets },
	{ "refused", expect_packets },		{ "stat", expect_stat },
	{ "drop", expect_drop },		{ "action", expect_action },
	{ "notice", expect_notice },		{ "authoritative", expect_notice },
	{ "log", expect_log },			{ "next", expect_next },
	{ "client", expect_client },		{ "mappings", expect_mappings },
	{ "session", expect_session },		{ "sessions", expect_sessions },
	{ "source", expect_source },
};

int script_expect(struct script *script, const struct sim_host *host)
{
	size_t i;

	for (i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++)
		if (!strcmp(expectations[i].name, script->words[0]))
			return expectations[i].check(script, host);
	return script_wrong(script, "cannot expect '%s'", script->words[0]);
}
