// SPDX-License-Identifier: BSD-2-Clause
/*
 * The engine's frame: life cycle, the clock's tick, the way of a received datagram (decode,
 * authenticate, dispatch by type), and the way out for everything that the roles emit. Protocol
 * behaviour is in lookup.c, client.c and server.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "state.h"

#define LOG_BURST	10	/* lines at once */
#define LOG_PER_S	1

struct loading {
	struct varp_engine *engine;
	uint64_t now_ns;
};

/* --- Life cycle --- */

struct varp_engine *varp_engine_new(const struct varp_engine_config *config)
{
	struct varp_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->table = varp_table_new();
	engine->auth = varp_auth_new(config->insecure);
	if (!engine->table || !engine->auth) {
		varp_engine_free(engine);
		return NULL;
	}
	engine->config = *config;
	if (!engine->config.retry_ms)	/* a repetition has to be later than what it repeats */
		engine->config.retry_ms = 1;
	for (int kind = 0; kind < VARP_LOG_KINDS; kind++)
		engine->log[kind].tokens = LOG_BURST;
	return engine;
}

static void free_clients(struct varp_engine *engine, bool tell)
{
	struct varp_client *client, *next_client;
	struct varp_lookup *lookup, *next;

	HASH_ITER(hh, engine->clients, client, next_client) {
		client->has_server = true;	/* keeps it alive while its lookups go */
		HASH_ITER(hh, client->lookups, lookup, next) {
			if (tell)
				varp_lookup_forget(engine, lookup);
			else
				varp_lookup_free(engine, lookup);
		}
		client->has_server = false;
		varp_client_drop_if_unused(engine, client);
	}
}

void varp_engine_free(struct varp_engine *engine)
{
	if (!engine)
		return;
	free_clients(engine, false);
	varp_table_free(engine->table);
	varp_auth_free(engine->auth);
	free(engine);
}

void varp_engine_reset(struct varp_engine *engine, uint64_t now_ns)
{
	(void)now_ns;
	free_clients(engine, true);
	varp_auth_client_clear_all(engine->auth);
	varp_table_clear(engine->table);
}

const struct varp_table *varp_engine_table(const struct varp_engine *engine)
{
	return engine->table;
}

static bool settle(const struct varp_snid *snid, int32_t ttl_s, size_t mappings, void *ctx)
{
	const struct loading *loading = ctx;

	(void)ttl_s;
	(void)mappings;
	varp_client_settle(loading->engine, loading->now_ns, snid);
	return true;
}

void varp_engine_load(struct varp_engine *engine, uint64_t now_ns, struct varp_table *table)
{
	struct loading loading = { engine, now_ns };

	varp_table_free(engine->table);
	engine->table = table;
	varp_table_each_server(table, settle, &loading);
}

void varp_engine_negative_ttl_set(struct varp_engine *engine, uint32_t negative_ttl_ms)
{
	engine->config.negative_ttl_ms = negative_ttl_ms;
}

const struct varp_engine_stats *varp_engine_stats(const struct varp_engine *engine)
{
	return &engine->stats;
}

/* --- Time --- */

static void tell_gone(const struct varp_session *session, void *ctx)
{
	const struct varp_action action = {
		.type = VARP_ACTION_SESSION_GONE,
		.key.snid = session->snid,
		.session = session->id,
	};

	varp_engine_emit(ctx, &action);
}

void varp_engine_tick(struct varp_engine *engine, uint64_t now_ns)
{
	struct varp_timer *timer;

	while ((timer = varp_timers_pop(&engine->timers, now_ns)))
		varp_lookup_due(engine, now_ns, (struct varp_lookup *)timer);
	while ((timer = varp_timers_pop(&engine->session_timers, now_ns)))
		varp_session_due(engine, now_ns, (struct varp_client *)timer);
	varp_auth_server_expire(engine->auth, now_ns, tell_gone, engine);
}

uint64_t varp_engine_next_ns(const struct varp_engine *engine)
{
	const uint64_t next_ns[] = {
		varp_timers_next_ns(&engine->timers),
		varp_timers_next_ns(&engine->session_timers),
		varp_auth_server_next_ns(engine->auth),
	};
	uint64_t first_ns = UINT64_MAX;

	for (size_t i = 0; i < sizeof(next_ns) / sizeof(next_ns[0]); i++)
		if (next_ns[i] < first_ns)
			first_ns = next_ns[i];
	return first_ns;
}

/* --- Messages --- */

#define COUNTER(field)	offsetof(struct varp_engine_stats, field)

/* What happens to a message of each type, and where it is counted (offsets into the statistics). */
static const struct message_type {
	size_t sent;
	void (*handle)(struct varp_engine *engine, uint64_t now_ns, const struct varp_addr *from,
		       uint16_t from_port, const struct varp_msg *msg,
		       const struct varp_session *session);
} message_types[] = {
	[VARP_MSG_REQUEST] = { COUNTER(requests_sent), varp_server_request },
	[VARP_MSG_REPLY] = { COUNTER(replies_sent), varp_client_answer },
	[VARP_MSG_NAK_NOTKNOWN] = { COUNTER(nak_notknown_sent), varp_client_answer },
	[VARP_MSG_NAK_NOAUTHORITY] = { COUNTER(nak_noauthority_sent), varp_client_answer },
	[VARP_MSG_NOTIFY] = { COUNTER(notifies_sent), varp_client_notified },
};

void varp_engine_drop(struct varp_engine *engine, enum varp_drop reason)
{
	engine->stats.drops[reason]++;
}

void varp_engine_receive(struct varp_engine *engine, uint64_t now_ns, const struct varp_addr *from,
			 uint16_t from_port, const uint8_t *data, size_t len)
{
	const struct varp_session *session;
	struct varp_msg msg;
	enum varp_drop reason;

	if (varp_msg_decode(data, len, &msg, &reason) ||
	    varp_auth_check(engine->auth, now_ns, &msg, data, from, &session, &reason)) {
		varp_engine_drop(engine, reason);
		return;
	}
	message_types[msg.type].handle(engine, now_ns, from, from_port, &msg, session);
}

bool varp_engine_may(const struct varp_engine *engine, const struct varp_snid *snid)
{
	const struct varp_engine_config *config = &engine->config;

	return config->insecure || (config->credentials && config->credentials(config->ctx, snid));
}

void varp_engine_send(struct varp_engine *engine, const struct varp_msg *msg,
		      const struct varp_session *session, const struct varp_addr *to, uint16_t port)
{
	bool answer = msg->type != VARP_MSG_REQUEST;
	uint8_t data[VARP_MSG_LEN];
	struct varp_action action = {
		.type = VARP_ACTION_SEND,
		.key.snid = msg->snid,
		.raddr = *to,
		.port = port,
		.data = data,
		.data_len = sizeof(data),
	};

	if (session)
		action.source = answer ? session->server : session->client;
	varp_msg_encode(msg, data);
	varp_auth_sign(session, answer, data);
	++*(uint64_t *)((char *)&engine->stats + message_types[msg->type].sent);
	varp_engine_emit(engine, &action);
}

/* --- Actions --- */

void varp_engine_emit(struct varp_engine *engine, const struct varp_action *action)
{
	engine->config.emit(engine->config.ctx, action);
}

void varp_engine_notify(struct varp_engine *engine, enum varp_notice_type notice,
			const struct varp_key *key, const struct varp_addr *raddr,
			bool authoritative)
{
	struct varp_action action = {
		.type = VARP_ACTION_NOTIFY,
		.key = *key,
		.notice = notice,
		.authoritative = authoritative,
	};

	if (raddr)
		action.raddr = *raddr;
	varp_engine_emit(engine, &action);
}

static bool take_log_token(struct varp_log_bucket *bucket, uint64_t now_ns)
{
	uint64_t earned = now_ns > bucket->refilled_ns
				  ? (now_ns - bucket->refilled_ns) / VARP_NS_PER_S * LOG_PER_S
				  : 0;

	if (earned) {
		bucket->tokens =
			earned > LOG_BURST - bucket->tokens ? LOG_BURST : bucket->tokens + earned;
		bucket->refilled_ns += earned / LOG_PER_S * VARP_NS_PER_S;
	}
	if (!bucket->tokens) {
		bucket->suppressed++;
		return false;
	}
	bucket->tokens--;
	return true;
}

void varp_engine_log(struct varp_engine *engine, uint64_t now_ns, enum varp_log_kind kind,
		     const char *format, ...)
{
	char text[384];
	const struct varp_action action = { .type = VARP_ACTION_LOG, .error = true, .text = text };
	struct varp_log_bucket *bucket = &engine->log[kind];
	va_list args;
	int len;

	if (!take_log_token(bucket, now_ns))
		return;
	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (bucket->suppressed && len > 0 && (size_t)len < sizeof(text))
		snprintf(text + len, sizeof(text) - len, " (%llu more messages were suppressed)",
			 (unsigned long long)bucket->suppressed);
	bucket->suppressed = 0;
	varp_engine_emit(engine, &action);
}
