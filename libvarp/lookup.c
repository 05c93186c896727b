// SPDX-License-Identifier: BSD-2-Clause
/*
 * The life of one lookup: asked for, repeated with growing gaps inside one window, and ended by an
 * answer or by the window. The timers of lookups are armed here, one per lookup, and mean by
 * state:
 *
 *	OPEN, REFRESH	the next repetition, or the end of the window
 *	NOTKNOWN	the end of the negative answer's life
 *	WATCH		three quarters of a short ttl: time to see whether the entry is still in use
 */
#include <errno.h>
#include <stdlib.h>

#include "state.h"

/*
 * Below this an aging sweep every VARPDB_TTL_UPDATE seconds comes too seldom to refresh an entry in
 * time.
 */
#define WATCHED_TTL_S	(4 * VARPDB_TTL_UPDATE)

/* --- Records --- */

struct varp_client *varp_client_find(const struct varp_engine *engine, const struct varp_snid *snid)
{
	struct varp_client *client;

	HASH_FIND(hh, engine->clients, snid, sizeof(*snid), client);
	return client;
}

struct varp_client *varp_client_take(struct varp_engine *engine, const struct varp_snid *snid)
{
	struct varp_client *client = varp_client_find(engine, snid);

	if (client)
		return client;
	client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	client->snid = *snid;
	varp_session_restart(engine, client);
	HASH_ADD(hh, engine->clients, snid, sizeof(client->snid), client);
	if (!client->hh.tbl) {
		free(client);
		return NULL;
	}
	return client;
}

void varp_client_drop_if_unused(struct varp_engine *engine, struct varp_client *client)
{
	if (client->has_server || client->lookups)
		return;
	varp_timers_cancel(&engine->session_timers, &client->timer);
	HASH_DEL(engine->clients, client);
	free(client);
}

static struct varp_lookup *find_in(const struct varp_client *client, const struct varp_addr *vaddr)
{
	struct varp_lookup *lookup;

	HASH_FIND(hh, client->lookups, vaddr, sizeof(*vaddr), lookup);
	return lookup;
}

struct varp_lookup *varp_lookup_find(const struct varp_engine *engine, const struct varp_key *key)
{
	const struct varp_client *client = varp_client_find(engine, &key->snid);

	return client ? find_in(client, &key->vaddr) : NULL;
}

/*
 * Open lookups and negative answers share one bound; refreshes and watches have one each, so that
 * misses cannot stop them.
 */
static uint32_t count_like(const struct varp_client *client, int state)
{
	if (state == VARP_LOOKUP_OPEN || state == VARP_LOOKUP_NOTKNOWN)
		return client->counts[VARP_LOOKUP_OPEN] + client->counts[VARP_LOOKUP_NOTKNOWN];
	return client->counts[state];
}

static bool is_like(int a, int b)
{
	return a == b || (a == VARP_LOOKUP_OPEN && b == VARP_LOOKUP_NOTKNOWN) ||
	       (a == VARP_LOOKUP_NOTKNOWN && b == VARP_LOOKUP_OPEN);
}

static struct varp_lookup *new_lookup(struct varp_client *client, const struct varp_key *key,
				      int state)
{
	struct varp_lookup *lookup = calloc(1, sizeof(*lookup));

	if (!lookup)
		return NULL;
	lookup->client = client;
	lookup->key = *key;
	lookup->state = state;
	HASH_ADD(hh, client->lookups, key.vaddr, sizeof(lookup->key.vaddr), lookup);
	if (!lookup->hh.tbl) {
		free(lookup);
		return NULL;
	}
	client->counts[state]++;
	return lookup;
}

int varp_lookup_take(struct varp_engine *engine, const struct varp_key *key, int state,
		     struct varp_lookup **out)
{
	struct varp_client *client = varp_client_take(engine, &key->snid);
	struct varp_lookup *lookup;
	int err = 0;

	if (!client)
		return -ENOMEM;
	lookup = find_in(client, &key->vaddr);
	if ((!lookup || !is_like(lookup->state, state)) &&
	    count_like(client, state) >= engine->config.lookups_max) {
		err = -ENOBUFS;
	} else if (lookup) {
		client->counts[lookup->state]--;
		client->counts[state]++;
		lookup->state = state;
	} else {
		lookup = new_lookup(client, key, state);
		if (!lookup)
			err = -ENOMEM;
	}
	varp_client_drop_if_unused(engine, client);
	*out = lookup;
	return err;
}

void varp_lookup_free(struct varp_engine *engine, struct varp_lookup *lookup)
{
	struct varp_client *client = lookup->client;

	varp_timers_cancel(&engine->timers, &lookup->timer);
	client->counts[lookup->state]--;
	HASH_DEL(client->lookups, lookup);
	free(lookup);
	varp_client_drop_if_unused(engine, client);
}

/* --- Asking --- */

static void wait_for_session(struct varp_engine *engine, uint64_t now_ns,
			     struct varp_lookup *lookup)
{
	lookup->waiting = true;
	varp_timers_arm(&engine->timers, &lookup->timer, lookup->ends_ns);
	varp_session_want(engine, now_ns, lookup->client);
}

static void ask(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup)
{
	const struct varp_session *session = varp_session_of(engine, now_ns, lookup->client);
	/* The asker is of use in a session only, and need not be shown without. */
	bool named = session && !varp_addr_is_zero(&lookup->asker);
	const struct varp_msg msg = {
		.type = VARP_MSG_REQUEST,
		.session = session ? session->id : 0,
		.nonce = lookup->nonce,
		.snid = lookup->key.snid,
		.vaddr = lookup->key.vaddr,
		.prefix_len = 128,
		.raddr_count = named,
		.raddrs[0].addr = lookup->asker,
	};
	uint64_t next_ns = now_ns + lookup->gap_ms * VARP_NS_PER_MS;

	if (!session && !engine->config.insecure) {
		wait_for_session(engine, now_ns, lookup);
		return;
	}
	lookup->waiting = false;
	lookup->session = msg.session;
	lookup->asked_ns = now_ns;
	varp_timers_arm(&engine->timers, &lookup->timer,
			next_ns < lookup->ends_ns ? next_ns : lookup->ends_ns);
	varp_engine_send(engine, &msg, session, &lookup->server, engine->config.varp_port);
}

void varp_lookup_resume(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup)
{
	lookup->gap_ms = engine->config.retry_ms;
	ask(engine, now_ns, lookup);
}

/* A new nonce for a new server: the old one's answer is no longer wanted. */
void varp_lookup_redirect(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup)
{
	lookup->nonce = engine->config.random(engine->config.ctx);
	lookup->server = lookup->client->server;
	varp_lookup_resume(engine, now_ns, lookup);
}

void varp_lookup_start(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup)
{
	lookup->ends_ns = now_ns + engine->config.window_ms * VARP_NS_PER_MS;
	varp_lookup_redirect(engine, now_ns, lookup);
}

/* The window has ended. What was answered meanwhile, to other requests, bounds the silence. */
static void note_silence(const struct varp_engine *engine, const struct varp_lookup *lookup)
{
	uint64_t began_ns = lookup->ends_ns - engine->config.window_ms * VARP_NS_PER_MS;
	struct varp_client *client = lookup->client;

	if (client->health == VARP_SERVER_SILENT)
		return;
	client->health = VARP_SERVER_SILENT;
	client->silent_ns = began_ns > client->answered_ns ? began_ns : client->answered_ns;
}

static void repeat(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup)
{
	if (now_ns >= lookup->ends_ns) {
		if (!lookup->waiting)
			note_silence(engine, lookup);
		varp_lookup_forget(engine, lookup);
		return;
	}
	if (lookup->session && lookup->client->answered_ns <= lookup->asked_ns)
		varp_session_doubt(engine, now_ns, lookup->client);
	lookup->gap_ms =
		lookup->gap_ms < engine->config.window_ms ? lookup->gap_ms * 2 : lookup->gap_ms;
	engine->stats.requests_repeated++;
	ask(engine, now_ns, lookup);
}

/* --- Ends --- */

static void emit_about(struct varp_engine *engine, enum varp_action_type type,
		       const struct varp_key *key, uint64_t deadline_ns)
{
	const struct varp_action action = { .type = type, .key = *key, .deadline_ns = deadline_ns };

	varp_engine_emit(engine, &action);
}

static void emit_resolved(struct varp_engine *engine, uint64_t now_ns, const struct varp_key *key,
			  const struct varp_addr *raddr, uint32_t ttl_s, bool hit)
{
	const struct varp_action action = {
		.type = VARP_ACTION_RESOLVED,
		.key = *key,
		.raddr = *raddr,
		.ttl_s = ttl_s,
		.deadline_ns = now_ns + ttl_s * VARP_NS_PER_S,
	};

	varp_engine_emit(engine, &action);
	varp_engine_notify(engine, VARP_NOTICE_INSERT, key, raddr, false);
	if (hit)
		varp_engine_notify(engine, VARP_NOTICE_HIT, key, raddr, false);
}

void varp_lookup_resolved(struct varp_engine *engine, uint64_t now_ns, const struct varp_key *key,
			  const struct varp_addr *raddr, uint32_t ttl_s, bool hit)
{
	const struct varp_key resolved = *key;	/* key may be the lookup's own */
	struct varp_lookup *lookup = varp_lookup_find(engine, key);

	if (ttl_s < WATCHED_TTL_S &&
	    !varp_lookup_take(engine, &resolved, VARP_LOOKUP_WATCH, &lookup))
		varp_timers_arm(&engine->timers, &lookup->timer,
				now_ns + ttl_s * VARP_NS_PER_S / 4 * 3);
	else if (lookup)
		varp_lookup_free(engine, lookup);
	emit_resolved(engine, now_ns, &resolved, raddr, ttl_s, hit);
}

/*
 * A request that is on its way will be answered all the same: then that answer belongs to a refresh,
 * and is believed. Where there is no room for another refresh it comes unasked.
 */
void varp_lookup_told(struct varp_engine *engine, uint64_t now_ns, const struct varp_key *key,
		      const struct varp_addr *raddr, uint32_t ttl_s)
{
	struct varp_lookup *lookup = varp_lookup_find(engine, key);
	bool open = lookup && lookup->state == VARP_LOOKUP_OPEN;

	if (open)
		varp_lookup_take(engine, key, VARP_LOOKUP_REFRESH, &lookup);
	if (lookup && lookup->state == VARP_LOOKUP_REFRESH)
		emit_resolved(engine, now_ns, key, raddr, ttl_s, open);
	else
		varp_lookup_resolved(engine, now_ns, key, raddr, ttl_s, open);
}

/*
 * An answer to a refresh may find no room among the negative answers: then the entry just goes, and
 * the next packet is a miss.
 */
void varp_lookup_notknown(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup)
{
	const struct varp_key key = lookup->key;

	if (varp_lookup_take(engine, &key, VARP_LOOKUP_NOTKNOWN, &lookup)) {
		varp_lookup_free(engine, lookup);
		emit_about(engine, VARP_ACTION_REMOVE, &key, 0);
		varp_engine_notify(engine, VARP_NOTICE_REMOVE, &key, NULL, false);
		return;
	}
	lookup->ends_ns = now_ns + engine->config.negative_ttl_ms * VARP_NS_PER_MS;
	varp_timers_arm(&engine->timers, &lookup->timer, lookup->ends_ns);
	emit_about(engine, VARP_ACTION_NOTKNOWN, &key, lookup->ends_ns);
	varp_engine_notify(engine, VARP_NOTICE_NOTKNOWN, &key, NULL, false);
}

/*
 * What others have to be told depends on what they know of the lookup: nothing of a refresh or a
 * watch.
 */
void varp_lookup_forget(struct varp_engine *engine, struct varp_lookup *lookup)
{
	const struct varp_key key = lookup->key;
	int state = lookup->state;

	varp_lookup_free(engine, lookup);
	if (state == VARP_LOOKUP_OPEN) {
		emit_about(engine, VARP_ACTION_UNANSWERED, &key, 0);
		varp_engine_notify(engine, VARP_NOTICE_EXPIRE, &key, NULL, false);
	} else if (state == VARP_LOOKUP_NOTKNOWN) {
		emit_about(engine, VARP_ACTION_FORGET, &key, 0);
	}
}

static void check(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup)
{
	const struct varp_key key = lookup->key;

	(void)now_ns;
	varp_lookup_free(engine, lookup);
	emit_about(engine, VARP_ACTION_CHECK, &key, 0);
}

static void end_negative(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup)
{
	(void)now_ns;
	varp_lookup_forget(engine, lookup);
}

void varp_lookup_due(struct varp_engine *engine, uint64_t now_ns, struct varp_lookup *lookup)
{
	static void (*const due[])(struct varp_engine *, uint64_t, struct varp_lookup *) = {
		[VARP_LOOKUP_OPEN] = repeat,
		[VARP_LOOKUP_REFRESH] = repeat,
		[VARP_LOOKUP_NOTKNOWN] = end_negative,
		[VARP_LOOKUP_WATCH] = check,
	};

	due[lookup->state](engine, now_ns, lookup);
}
