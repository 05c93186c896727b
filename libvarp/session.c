// SPDX-License-Identifier: BSD-2-Clause
/*
 * When a session with a supernet's server is wanted, and what happens once there is one. The keys
 * are auth.c's, the exchange that brings them is the caller's (VARP_ACTION_SESSION), and asking in
 * a session is lookup.c's. A client's timer is armed here alone, and means: see whether a session
 * is wanted now.
 */
#include <errno.h>

#include "state.h"

/*
 * Between two times that a session is asked for. As long as one window's exchanges failed, a server
 * may be about to be there again; from then on there is at least one in each window, in time.
 */
#define GAP_NS		VARP_NS_PER_S
#define GAP_FAILING_NS	(4 * VARP_NS_PER_S)
#define FAILING		5	/* failures, one after the other */

/* --- As a client --- */

const struct varp_session *varp_session_of(const struct varp_engine *engine, uint64_t now_ns,
					   const struct varp_client *client)
{
	return client->has_server ? varp_auth_client_get(engine->auth, now_ns, &client->snid,
							 &client->server)
				  : NULL;
}

static void arm(struct varp_engine *engine, struct varp_client *client, uint64_t due_ns)
{
	varp_timers_arm(&engine->session_timers, &client->timer, due_ns);
}

static uint64_t gap_ns(const struct varp_client *client)
{
	return client->session_failures < FAILING ? GAP_NS : GAP_FAILING_NS;
}

void varp_session_want(struct varp_engine *engine, uint64_t now_ns, struct varp_client *client)
{
	const struct varp_action action = {
		.type = VARP_ACTION_SESSION,
		.key.snid = client->snid,
		.raddr = client->server,
	};

	if (engine->config.insecure)
		return;
	if (now_ns < client->session_next_ns) {
		arm(engine, client, client->session_next_ns);
		return;
	}
	/* Failures of long ago say nothing of today. */
	if (now_ns - client->session_next_ns >= GAP_FAILING_NS)
		client->session_failures = 0;
	client->session_next_ns = now_ns + gap_ns(client);
	arm(engine, client, client->session_next_ns);
	varp_engine_emit(engine, &action);
}

/* Somebody waits, or the session there is will not last. */
static bool is_wanted(const struct varp_engine *engine, uint64_t now_ns,
		      const struct varp_client *client)
{
	bool asking = client->counts[VARP_LOOKUP_OPEN] || client->counts[VARP_LOOKUP_REFRESH];

	if (!client->has_server || varp_table_serves(engine->table, &client->snid, NULL))
		return false;
	if (!varp_session_of(engine, now_ns, client))
		return asking;
	return now_ns >= client->renew_ns || (client->doubted && asking);
}

void varp_session_due(struct varp_engine *engine, uint64_t now_ns, struct varp_client *client)
{
	if (is_wanted(engine, now_ns, client))
		varp_session_want(engine, now_ns, client);
	else if (varp_session_of(engine, now_ns, client) && now_ns < client->renew_ns)
		arm(engine, client, client->renew_ns);
}

void varp_session_doubt(struct varp_engine *engine, uint64_t now_ns, struct varp_client *client)
{
	client->doubted = true;
	varp_session_want(engine, now_ns, client);
}

void varp_session_restart(struct varp_engine *engine, struct varp_client *client)
{
	varp_timers_cancel(&engine->session_timers, &client->timer);
	client->session_next_ns = 0;
	client->session_failures = 0;
	client->doubted = false;
}

/*
 * In its last quarter, but not all clients of a server that was started once at the same time: that
 * server would have nothing to do for most of an hour, and then everything at once.
 */
static uint64_t time_to_renew(const struct varp_engine *engine, uint64_t now_ns,
			      const struct varp_session *session)
{
	uint64_t eighth_ns = (session->ends_ns - now_ns) / 8;

	return session->ends_ns - 2 * eighth_ns +
	       (eighth_ns ? engine->config.random(engine->config.ctx) % eighth_ns : 0);
}

int varp_engine_session_set(struct varp_engine *engine, uint64_t now_ns,
			    const struct varp_session *session)
{
	struct varp_client *client = varp_client_find(engine, &session->snid);
	struct varp_lookup *lookup, *next;
	bool doubted;
	int err;

	if (!session->id || now_ns >= session->ends_ns || session->granted_ns < session->ends_ns)
		return -EINVAL;
	if (!client || !client->has_server || !varp_addr_equal(&client->server, &session->server))
		return -ENOENT;
	err = varp_auth_client_set(engine->auth, session);
	if (err)
		return err;
	doubted = client->doubted;
	client->doubted = false;
	client->session_failures = 0;
	if (client->session_next_ns > now_ns + GAP_NS)
		client->session_next_ns = now_ns + GAP_NS;
	client->renew_ns = time_to_renew(engine, now_ns, session);
	arm(engine, client, client->renew_ns);
	/* What was asked in the former session is answered in it, unless that is in doubt. */
	HASH_ITER(hh, client->lookups, lookup, next)
		if ((lookup->state == VARP_LOOKUP_OPEN || lookup->state == VARP_LOOKUP_REFRESH) &&
		    (lookup->waiting || doubted))
			varp_lookup_resume(engine, now_ns, lookup);
	return 0;
}

void varp_engine_session_failed(struct varp_engine *engine, uint64_t now_ns,
				const struct varp_snid *snid, const struct varp_addr *server)
{
	struct varp_client *client = varp_client_find(engine, snid);

	if (!client || !client->has_server || !varp_addr_equal(&client->server, server))
		return;
	if (client->session_failures < FAILING)
		client->session_failures++;
	client->session_next_ns = now_ns + gap_ns(client);
	arm(engine, client, client->session_next_ns);
}

void varp_engine_session_clear(struct varp_engine *engine, uint64_t now_ns,
			       const struct varp_snid *snid)
{
	struct varp_client *client = varp_client_find(engine, snid);

	varp_auth_client_clear(engine->auth, snid);
	if (client && is_wanted(engine, now_ns, client))
		varp_session_want(engine, now_ns, client);
}

const struct varp_session *varp_engine_session_get(const struct varp_engine *engine,
						   uint64_t now_ns, const struct varp_snid *snid)
{
	const struct varp_client *client = varp_client_find(engine, snid);

	return client ? varp_session_of(engine, now_ns, client) : NULL;
}

/* --- As a server --- */

int varp_engine_session_add(struct varp_engine *engine, const struct varp_session *session)
{
	return varp_auth_server_add(engine->auth, session);
}

int varp_engine_session_remove(struct varp_engine *engine, uint64_t id)
{
	return varp_auth_server_remove(engine->auth, id);
}

size_t varp_engine_session_count(const struct varp_engine *engine)
{
	return varp_auth_server_count(engine->auth);
}

void varp_engine_each_session(const struct varp_engine *engine,
			      bool (*visit)(const struct varp_session *session, void *ctx),
			      void *ctx)
{
	varp_auth_server_each(engine->auth, visit, ctx);
}
