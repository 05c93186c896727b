// SPDX-License-Identifier: BSD-2-Clause
/*
 * The client role: which server to ask, misses, answers, and refreshing of cache entries. What one
 * lookup does in time is lookup.c's.
 */
#include <errno.h>

#include "state.h"

/* BPF notes the time of a hit about once a second, so a hit may be this much later than noted. */
#define USED_GRANULARITY_NS	VARP_NS_PER_S

/* --- Which server --- */

/*
 * Nobody waits for an answer of the former server any more, and what was not known there may be
 * known here.
 */
static void follow_server(struct varp_engine *engine, uint64_t now_ns, struct varp_client *client)
{
	struct varp_lookup *lookup, *next;

	HASH_ITER(hh, client->lookups, lookup, next) {
		if (lookup->state == VARP_LOOKUP_OPEN || lookup->state == VARP_LOOKUP_REFRESH)
			varp_lookup_redirect(engine, now_ns, lookup);
		else if (lookup->state == VARP_LOOKUP_NOTKNOWN)
			varp_lookup_forget(engine, lookup);
	}
}

int varp_engine_client_set(struct varp_engine *engine, uint64_t now_ns,
			   const struct varp_snid *snid, const struct varp_addr *server)
{
	struct varp_client *client;

	if (!varp_engine_may(engine, snid))
		return -EACCES;
	client = varp_client_take(engine, snid);
	if (!client)
		return -ENOMEM;
	if (client->has_server && varp_addr_equal(&client->server, server))
		return 0;
	client->has_server = true;
	client->server = *server;
	client->health = VARP_SERVER_WELL;
	client->answered_ns = now_ns;
	varp_session_restart(engine, client);
	if (varp_table_serves(engine->table, snid, NULL))
		return 0;
	follow_server(engine, now_ns, client);
	if (!varp_session_of(engine, now_ns, client))
		varp_session_want(engine, now_ns, client);
	return 0;
}

int varp_engine_client_clear(struct varp_engine *engine, uint64_t now_ns,
			     const struct varp_snid *snid, const struct varp_addr *server)
{
	struct varp_client *client = varp_client_find(engine, snid);
	struct varp_lookup *lookup, *next;

	if (!client || !client->has_server || (server && !varp_addr_equal(&client->server, server)))
		return -ENOENT;
	HASH_ITER(hh, client->lookups, lookup, next) {
		if (lookup->state == VARP_LOOKUP_OPEN)
			varp_lookup_notknown(engine, now_ns, lookup);
		else if (lookup->state == VARP_LOOKUP_REFRESH)
			varp_lookup_free(engine, lookup);
	}
	client->has_server = false;
	varp_auth_client_clear(engine->auth, snid);
	varp_client_drop_if_unused(engine, client);
	return 0;
}

bool varp_engine_client_get(const struct varp_engine *engine, const struct varp_snid *snid,
			    struct varp_addr *server)
{
	const struct varp_client *client = varp_client_find(engine, snid);

	if (!client || !client->has_server)
		return false;
	if (server)
		*server = client->server;
	return true;
}

void varp_engine_each_client(const struct varp_engine *engine,
			     bool (*visit)(const struct varp_snid *snid,
					   const struct varp_addr *server, void *ctx),
			     void *ctx)
{
	const struct varp_client *client;

	for (client = engine->clients; client; client = client->hh.next)
		if (client->has_server && !visit(&client->snid, &client->server, ctx))
			return;
}

enum varp_server_health varp_engine_client_health(const struct varp_engine *engine,
						  const struct varp_snid *snid, uint64_t *since_ns)
{
	const struct varp_client *client = varp_client_find(engine, snid);

	if (!client || !client->has_server)
		return VARP_SERVER_WELL;
	*since_ns = client->silent_ns;
	return client->health;
}

/* --- Misses --- */

/* A miss while a negative answer is cached: whoever asks has not seen it. */
static void tell_again(struct varp_engine *engine, const struct varp_lookup *lookup)
{
	const struct varp_action action = {
		.type = VARP_ACTION_NOTKNOWN,
		.key = lookup->key,
		.deadline_ns = lookup->ends_ns,
	};

	varp_engine_emit(engine, &action);
}

/* Is there somebody to ask? If not, says so in the log. */
static bool can_ask(struct varp_engine *engine, uint64_t now_ns, const struct varp_snid *snid)
{
	char text[VARP_SNID_TEXT];

	if (!varp_engine_may(engine, snid)) {
		varp_engine_log(engine, now_ns, VARP_LOG_NO_CREDENTIALS,
				"no credentials for supernet %s: give this host a key or a "
				"certificate for it, or start varpd with --insecure",
				varp_snid_format(snid, text));
		return false;
	}
	if (!varp_engine_client_get(engine, snid, NULL)) {
		varp_engine_log(
			engine, now_ns, VARP_LOG_NO_SERVER,
			"no server configured for supernet %s: name it with varpd_client_set",
			varp_snid_format(snid, text));
		return false;
	}
	return true;
}

/* This host serves the supernet: it tells others of its own nodes as it would of its clients'. */
static void introduce(struct varp_engine *engine, uint64_t now_ns, const struct varp_snid *snid,
		      const struct varp_addr *asker, const struct varp_addr *raddr)
{
	const struct varp_key key = varp_key_make(snid, asker);

	varp_server_introduce(engine, now_ns, &key, NULL, raddr);
}

int varp_engine_lookup(struct varp_engine *engine, uint64_t now_ns, const struct varp_key *key,
		       const struct varp_addr *asker)
{
	const struct varp_table_entry *entry = NULL;
	struct varp_lookup *lookup = varp_lookup_find(engine, key);
	bool here;
	uint32_t ttl_s;
	int err;

	if (lookup && lookup->state == VARP_LOOKUP_OPEN)
		return 0;
	if (lookup && lookup->state == VARP_LOOKUP_NOTKNOWN) {
		tell_again(engine, lookup);
		return 0;
	}
	here = varp_server_find(engine, key, &entry, &ttl_s);
	if (entry) {
		varp_engine_notify(engine, VARP_NOTICE_MISS, key, NULL, false);
		if (asker)
			introduce(engine, now_ns, &key->snid, asker, &entry->raddr);
		varp_lookup_resolved(engine, now_ns, key, &entry->raddr, ttl_s, true);
		return 0;
	}
	err = varp_lookup_take(engine, key, VARP_LOOKUP_OPEN, &lookup);
	if (err)
		return err;
	lookup->asker = asker && varp_addr_is_unicast(asker) ? *asker : (struct varp_addr){ 0 };
	varp_engine_notify(engine, VARP_NOTICE_MISS, key, NULL, false);
	/* An application may send to any address; a message may not name each of them. */
	if (here || !varp_addr_is_unicast(&key->vaddr) || !can_ask(engine, now_ns, &key->snid))
		varp_lookup_notknown(engine, now_ns, lookup);
	else
		varp_lookup_start(engine, now_ns, lookup);
	return 0;
}

enum varp_lookup_state varp_engine_lookup_state(const struct varp_engine *engine,
						const struct varp_key *key)
{
	const struct varp_lookup *lookup = varp_lookup_find(engine, key);

	return lookup && lookup->state != VARP_LOOKUP_WATCH ? (enum varp_lookup_state)lookup->state
							    : VARP_LOOKUP_NONE;
}

void varp_client_settle(struct varp_engine *engine, uint64_t now_ns, const struct varp_snid *snid)
{
	struct varp_client *client = varp_client_find(engine, snid);
	struct varp_lookup *lookup, *next;

	if (!client)
		return;
	HASH_ITER(hh, client->lookups, lookup, next) {
		const struct varp_table_entry *entry = NULL;
		int state = lookup->state;
		uint32_t ttl_s;

		if (state == VARP_LOOKUP_WATCH)
			continue;
		varp_server_find(engine, &lookup->key, &entry, &ttl_s);
		if (entry)
			varp_lookup_resolved(engine, now_ns, &entry->key, &entry->raddr, ttl_s,
					     state != VARP_LOOKUP_REFRESH);
		else if (state != VARP_LOOKUP_NOTKNOWN)
			varp_lookup_notknown(engine, now_ns, lookup);
	}
}

static void flush_client(struct varp_engine *engine, struct varp_client *client)
{
	struct varp_lookup *lookup, *next;

	HASH_ITER(hh, client->lookups, lookup, next)
		varp_lookup_forget(engine, lookup);
}

void varp_engine_flush(struct varp_engine *engine, uint64_t now_ns, const struct varp_snid *snid,
		       const struct varp_addr *vaddr)
{
	struct varp_client *client, *next;

	(void)now_ns;
	if (snid && vaddr) {
		const struct varp_key key = varp_key_make(snid, vaddr);
		struct varp_lookup *lookup = varp_lookup_find(engine, &key);

		if (lookup)
			varp_lookup_forget(engine, lookup);
		return;
	}
	HASH_ITER(hh, engine->clients, client, next)
		if (!snid || varp_snid_equal(snid, &client->snid))
			flush_client(engine, client);
}

/* --- Answers --- */

/*
 * The lowest priority, of equal ones the greatest weight. The codec has seen to it that there is
 * one to use.
 */
static const struct varp_raddr *best_raddr(const struct varp_msg *msg)
{
	const struct varp_raddr *best = &msg->raddrs[0];
	size_t i;

	for (i = 1; i < msg->raddr_count; i++) {
		const struct varp_raddr *raddr = &msg->raddrs[i];

		if (raddr->priority < best->priority ||
		    (raddr->priority == best->priority && raddr->weight > best->weight))
			best = raddr;
	}
	return best;
}

static void log_noauthority(struct varp_engine *engine, uint64_t now_ns,
			    const struct varp_snid *snid, const struct varp_addr *server)
{
	char snid_text[VARP_SNID_TEXT], server_text[VARP_ADDR_TEXT];

	varp_engine_log(engine, now_ns, VARP_LOG_NOAUTHORITY,
			"server %s does not serve supernet %s: name the right one with "
			"varpd_client_set, or have it serve with varpd_server_set",
			varp_addr_format(server, server_text), varp_snid_format(snid, snid_text));
}

/* The server is there, and knows our session. */
static void note_answer(struct varp_client *client, uint64_t now_ns, enum varp_server_health health)
{
	client->answered_ns = now_ns;
	client->doubted = false;
	client->health = health;
}

/* Does this answer a request of ours? Else *reason says why not. */
static bool is_expected(const struct varp_engine *engine, const struct varp_lookup *lookup,
			const struct varp_addr *from, uint16_t from_port,
			const struct varp_msg *msg, enum varp_drop *reason)
{
	*reason = VARP_DROP_VARP_UNASKED;
	if (!lookup || (lookup->state != VARP_LOOKUP_OPEN && lookup->state != VARP_LOOKUP_REFRESH))
		return false;
	*reason = VARP_DROP_VARP_SERVER;
	if (!varp_addr_equal(from, &lookup->server) || from_port != engine->config.varp_port)
		return false;
	*reason = VARP_DROP_VARP_NONCE;
	if (msg->nonce != lookup->nonce)
		return false;
	/*
	 * That the session is ours with this server has been checked. It need not be the last
	 * request's: an answer in the one before is late, and as good. But what was asked in a
	 * session is not answered outside.
	 */
	*reason = VARP_DROP_VARP_SESSION;
	return !msg->session == !lookup->session;
}

void varp_client_answer(struct varp_engine *engine, uint64_t now_ns, const struct varp_addr *from,
			uint16_t from_port, const struct varp_msg *msg,
			const struct varp_session *session)
{
	const struct varp_key key = varp_key_make(&msg->snid, &msg->vaddr);
	struct varp_lookup *lookup = varp_lookup_find(engine, &key);
	enum varp_drop reason;

	if (!is_expected(engine, lookup, from, from_port, msg, &reason)) {
		varp_engine_drop(engine, reason);
		return;
	}
	(void)session;	/* msg->session says as much */
	note_answer(lookup->client, now_ns, msg->type == VARP_MSG_NAK_NOAUTHORITY
						    ? VARP_SERVER_NOAUTHORITY : VARP_SERVER_WELL);
	if (msg->type == VARP_MSG_REPLY) {
		engine->stats.replies_received++;
		varp_lookup_resolved(engine, now_ns, &key, &best_raddr(msg)->addr, msg->ttl_s,
				     lookup->state == VARP_LOOKUP_OPEN);
		return;
	}
	if (msg->type == VARP_MSG_NAK_NOAUTHORITY) {
		engine->stats.nak_noauthority_received++;
		log_noauthority(engine, now_ns, &key.snid, from);
	} else {
		engine->stats.nak_notknown_received++;
	}
	varp_lookup_notknown(engine, now_ns, lookup);
}

/* --- What nobody asked for --- */

/* Is it from whom we would ask, in a session, and new? Else *reason says why not. */
static bool is_news(const struct varp_engine *engine, uint64_t now_ns,
		    const struct varp_client *client, const struct varp_addr *from,
		    uint16_t from_port, const struct varp_msg *msg,
		    const struct varp_session *session, enum varp_drop *reason)
{
	*reason = VARP_DROP_VARP_SESSION;
	if (!session)
		return false;
	*reason = VARP_DROP_VARP_SERVER;
	if (!client || !client->has_server || !varp_addr_equal(from, &client->server) ||
	    from_port != engine->config.varp_port ||
	    varp_table_serves(engine->table, &msg->snid, NULL))
		return false;
	*reason = VARP_DROP_VARP_NONCE;
	return varp_auth_client_told(engine->auth, now_ns, session, msg->nonce);
}

void varp_client_notified(struct varp_engine *engine, uint64_t now_ns, const struct varp_addr *from,
			  uint16_t from_port, const struct varp_msg *msg,
			  const struct varp_session *session)
{
	const struct varp_key key = varp_key_make(&msg->snid, &msg->vaddr);
	struct varp_client *client = varp_client_find(engine, &msg->snid);
	enum varp_drop reason;

	if (!is_news(engine, now_ns, client, from, from_port, msg, session, &reason)) {
		varp_engine_drop(engine, reason);
		return;
	}
	engine->stats.notifies_received++;
	note_answer(client, now_ns, VARP_SERVER_WELL);
	varp_lookup_told(engine, now_ns, &key, &best_raddr(msg)->addr, msg->ttl_s);
}

/* --- Aging --- */

/*
 * Used in the second half of its life, and near its end, with time left for the next sweep and for
 * a whole window of requests.
 */
static bool refresh_is_due(const struct varp_engine *engine, uint64_t now_ns,
			   const struct varp_mapping *mapping)
{
	uint64_t ttl_ns = mapping->ttl_s * VARP_NS_PER_S;
	uint64_t left_ns = mapping->deadline_ns - now_ns;
	uint64_t sweeps_ns =
		2 * VARPDB_TTL_UPDATE * VARP_NS_PER_S + engine->config.window_ms * VARP_NS_PER_MS;
	uint64_t near_ns = ttl_ns / 8 > sweeps_ns ? ttl_ns / 8 : sweeps_ns;

	return left_ns <= ttl_ns / 2 && left_ns <= near_ns && mapping->used_ns &&
	       mapping->used_ns + USED_GRANULARITY_NS + ttl_ns / 2 >= mapping->deadline_ns;
}

static void refresh(struct varp_engine *engine, uint64_t now_ns, const struct varp_key *key,
		    const struct varp_addr *raddr)
{
	const struct varp_table_entry *entry = NULL;
	struct varp_lookup *lookup;
	uint32_t ttl_s;
	bool here = varp_server_find(engine, key, &entry, &ttl_s);

	if (!here && (!varp_engine_client_get(engine, &key->snid, NULL) ||
		      !varp_engine_may(engine, &key->snid) || !varp_addr_is_unicast(&key->vaddr)))
		return;
	if (!entry && varp_lookup_take(engine, key, VARP_LOOKUP_REFRESH, &lookup))
		return;
	engine->stats.refreshes++;
	varp_engine_notify(engine, VARP_NOTICE_REFRESH, key, raddr, false);
	if (entry)
		varp_lookup_resolved(engine, now_ns, key, &entry->raddr, ttl_s, false);
	else if (here)
		varp_lookup_notknown(engine, now_ns, lookup);
	else
		varp_lookup_start(engine, now_ns, lookup);
}

void varp_engine_age(struct varp_engine *engine, uint64_t now_ns, const struct varp_key *key,
		     const struct varp_mapping *mapping)
{
	const struct varp_action remove = { .type = VARP_ACTION_REMOVE, .key = *key };

	if (now_ns >= mapping->deadline_ns) {
		varp_engine_emit(engine, &remove);
		varp_engine_notify(engine, VARP_NOTICE_EXPIRE, key, &mapping->raddr, false);
	} else if (refresh_is_due(engine, now_ns, mapping) &&
		   varp_engine_lookup_state(engine, key) == VARP_LOOKUP_NONE) {
		refresh(engine, now_ns, key, &mapping->raddr);
	}
}
