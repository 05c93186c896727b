// SPDX-License-Identifier: BSD-2-Clause
/*
 * The simulated key exchange: what varpd does over TCP and TLS, as a delay after which both ends
 * have a session, or the client has failed. All sessions there ever were are remembered, so that
 * scenarios can forge with their keys.
 */
#include <assert.h>
#include <stdlib.h>

#include "sim.h"

#define SEGMENTS	4		/* one after the other, each with the network's delay */
#define REPEAT_NS	SIM_S		/* the server does not answer at all: TCP tries again */
#define GIVE_UP_NS	(5 * SIM_S)

struct sim_session {
	struct varp_session session;	/* ends_ns: the server's */
	UT_hash_handle hh;
};

struct exchange {
	struct sim_event event;		/* first: an event is cast to its exchange */
	struct varp_addr client, server;
	struct varp_snid snid;
	uint64_t began_ns;
	struct exchange *next;		/* of those under way */
};

const struct varp_session *sim_session_find(const struct sim *sim, uint64_t id)
{
	struct sim_session *found;

	HASH_FIND(hh, sim->sessions, &id, sizeof(id), found);
	return found ? &found->session : NULL;
}

unsigned int sim_session_count(const struct sim *sim)
{
	return HASH_COUNT(sim->sessions);
}

void sim_sessions_free(struct sim *sim)
{
	struct sim_session *session, *next;

	HASH_ITER(hh, sim->sessions, session, next) {
		HASH_DEL(sim->sessions, session);
		free(session);
	}
}

bool sim_credentials(void *ctx, const struct varp_snid *snid)
{
	const struct sim_host *host = ctx;

	(void)snid;
	return host->credentials;
}

static const struct varp_session *make_session(struct sim_host *server,
					       const struct exchange *exchange)
{
	struct sim *sim = server->sim;
	struct sim_session *made = calloc(1, sizeof(*made));
	struct varp_session *session = &made->session;
	size_t i;

	assert(made);
	session->snid = exchange->snid;
	session->client = exchange->client;
	session->server = exchange->server;
	session->ends_ns = session->granted_ns = sim->now_ns + server->lifetime_ns;
	for (i = 0; i < sizeof(session->key_request); i++) {
		session->key_request[i] = sim_random(sim);
		session->key_answer[i] = sim_random(sim);
	}
	do
		session->id = sim_random(sim);
	while (varp_engine_session_add(server->engine, session));
	HASH_ADD(hh, sim->sessions, session.id, sizeof(session->id), made);
	return session;
}

static struct exchange **find_exchange(struct sim *sim, const struct varp_addr *client,
				       const struct varp_snid *snid)
{
	struct exchange **at = &sim->exchanges;

	while (*at && (!varp_addr_equal(&(*at)->client, client) ||
		       !varp_snid_equal(&(*at)->snid, snid)))
		at = &(*at)->next;
	return at;
}

static void finish(struct sim *sim, struct sim_event *event)
{
	struct exchange *exchange = (struct exchange *)event;
	struct sim_host *client = sim_host_find(sim, &exchange->client);
	struct sim_host *server = sim_host_find(sim, &exchange->server);
	bool silent = !server || server->down || client->down;

	if (silent && sim->now_ns - exchange->began_ns < GIVE_UP_NS) {
		varp_timers_arm(&sim->timers, &event->timer, sim->now_ns + REPEAT_NS);
		return;
	}
	*find_exchange(sim, &exchange->client, &exchange->snid) = exchange->next;
	if (silent || sim->net.no_exchange || !server->credentials || !client->credentials) {
		varp_engine_session_failed(client->engine, sim->now_ns, &exchange->snid,
					   &exchange->server);
	} else {
		struct varp_session session = *make_session(server, exchange);

		session.ends_ns = session.granted_ns = exchange->began_ns + server->lifetime_ns;
		if (client->distrust_ns && session.ends_ns > exchange->began_ns + client->distrust_ns)
			session.ends_ns = exchange->began_ns + client->distrust_ns;
		varp_engine_session_set(client->engine, sim->now_ns, &session);
		sim_settle(server);
	}
	sim_settle(client);
	free(exchange);
}

void sim_exchange(struct sim_host *host, const struct varp_action *action)
{
	struct sim *sim = host->sim;
	uint64_t spread_ns = sim->net.delay_max_ns - sim->net.delay_min_ns;
	uint64_t delay_ns = 0;
	struct exchange *exchange;
	unsigned int i;

	if (*find_exchange(sim, &host->addr, &action->key.snid))
		return;
	exchange = calloc(1, sizeof(*exchange));
	assert(exchange);
	for (i = 0; i < SEGMENTS; i++)
		delay_ns += sim->net.delay_min_ns + (spread_ns ? sim_random(sim) % spread_ns : 0) +
			    (sim_random_below(sim, 100) < sim->net.loss_percent ? SIM_S / 5 : 0);
	exchange->event.fire = finish;
	exchange->client = host->addr;
	exchange->server = action->raddr;
	exchange->snid = action->key.snid;
	exchange->began_ns = sim->now_ns;
	exchange->next = sim->exchanges;
	sim->exchanges = exchange;
	varp_timers_arm(&sim->timers, &exchange->event.timer, sim->now_ns + delay_ns);
}

struct ids {
	uint64_t *id;
	size_t count;
};

static bool collect(const struct varp_session *session, void *ctx)
{
	struct ids *ids = ctx;

	ids->id[ids->count++] = session->id;
	return true;
}

void sim_forget_sessions(struct sim_host *server)
{
	struct ids ids = { 0 };
	size_t i;

	ids.id = calloc(varp_engine_session_count(server->engine) + 1, sizeof(*ids.id));
	assert(ids.id);
	varp_engine_each_session(server->engine, collect, &ids);
	for (i = 0; i < ids.count; i++)
		varp_engine_session_remove(server->engine, ids.id[i]);
	free(ids.id);
}
