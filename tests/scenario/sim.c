// SPDX-License-Identifier: BSD-2-Clause
/*
 * The simulated world. The engine under test is the real one; everything around it is a model that
 * fits on two screens.
 */
#include <assert.h>
#include <stdlib.h>
#include <stdio.h>

#include "sim.h"

struct datagram {
	struct sim_event arrival;	/* first: an event is cast to its datagram */
	struct varp_addr from, to;
	uint16_t from_port;
	size_t len;
	uint8_t data[];
};

/* --- Chance (splitmix64) --- */

uint64_t sim_random(struct sim *sim)
{
	uint64_t z = (sim->seed += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

unsigned int sim_random_below(struct sim *sim, unsigned int bound)
{
	return bound ? sim_random(sim) % bound : 0;
}

static bool happens(struct sim *sim, unsigned int percent)
{
	return percent && sim_random_below(sim, 100) < percent;
}

/* --- The datapath's maps --- */

struct sim_entry *sim_entry_find(const struct sim_host *host, const struct varp_key *key)
{
	struct sim_entry *entry;

	HASH_FIND(hh, host->entries, key, sizeof(*key), entry);
	return entry;
}

static struct sim_entry *take_entry(struct sim_host *host, const struct varp_key *key)
{
	struct sim_entry *entry = sim_entry_find(host, key);

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	assert(entry);
	entry->key = *key;
	HASH_ADD(hh, host->entries, key, sizeof(entry->key), entry);
	return entry;
}

const struct varp_mapping *sim_cached(const struct sim_host *host, const struct varp_key *key)
{
	const struct sim_entry *entry = sim_entry_find(host, key);

	return entry && entry->cached && host->sim->now_ns < entry->mapping.deadline_ns
		       ? &entry->mapping
		       : NULL;
}

static void deliver_packets(struct sim_host *host, struct sim_entry *entry, unsigned int count)
{
	struct sim *sim = host->sim;

	host->delivered += count;
	if (sim->is_right && !sim->is_right(sim, &entry->key, &entry->mapping.raddr))
		host->wrong += count;
}

void sim_packet(struct sim_host *host, const struct varp_key *key, const struct varp_addr *from)
{
	struct sim_entry *entry = take_entry(host, key);
	uint64_t now_ns = host->sim->now_ns;

	if (entry->cached && now_ns < entry->mapping.deadline_ns) {
		entry->mapping.used_ns = now_ns;
		deliver_packets(host, entry, 1);
		return;
	}
	if (entry->pending && now_ns < entry->pending_deadline_ns) {
		if (entry->pending == VARP_PENDING_NOTKNOWN)
			host->unreachable++;
		else
			entry->held++;
		return;
	}
	entry->pending = VARP_PENDING_LOOKUP;
	entry->pending_deadline_ns = now_ns + host->config.window_ms * SIM_MS;
	entry->held = 1;
	entry->asked_ns = now_ns;
	if (varp_engine_lookup(host->engine, now_ns, key, from)) {
		entry->pending = 0;
		entry->held = 0;
		host->refused++;
	}
	sim_settle(host);
}

/* --- What the engine wants --- */

static void on_resolved(struct sim_host *host, const struct varp_action *action)
{
	struct sim_entry *entry = take_entry(host, &action->key);

	entry->cached = true;
	entry->mapping = (struct varp_mapping){
		.raddr = action->raddr, .deadline_ns = action->deadline_ns, .ttl_s = action->ttl_s};
	entry->pending = 0;
	if (entry->held)
		entry->mapping.used_ns = host->sim->now_ns;
	deliver_packets(host, entry, entry->held);
	entry->held = 0;
}

static void on_notknown(struct sim_host *host, const struct varp_action *action)
{
	struct sim_entry *entry = take_entry(host, &action->key);

	entry->cached = false;
	entry->pending = VARP_PENDING_NOTKNOWN;
	entry->pending_deadline_ns = action->deadline_ns;
	host->unreachable += entry->held;
	entry->held = 0;
}

static void on_unanswered(struct sim_host *host, const struct varp_action *action)
{
	struct sim_entry *entry = take_entry(host, &action->key);

	entry->pending = 0;
	host->expired += entry->held;
	entry->held = 0;
}

static void on_forget(struct sim_host *host, const struct varp_action *action)
{
	struct sim_entry *entry = take_entry(host, &action->key);

	if (entry->pending == VARP_PENDING_NOTKNOWN)
		entry->pending = 0;
}

static void on_remove(struct sim_host *host, const struct varp_action *action)
{
	struct sim_entry *entry = sim_entry_find(host, &action->key);

	if (entry)
		entry->cached = false;
}

static void on_check(struct sim_host *host, const struct varp_action *action)
{
	take_entry(host, &action->key)->check = true;
	host->checks = true;
}

static void on_gone(struct sim_host *host, const struct varp_action *action)
{
	(void)host;
	(void)action;	/* counted by emit() */
}

static void on_notify(struct sim_host *host, const struct varp_action *action)
{
	unsigned int *notices = action->authoritative ? host->authoritative : host->notices;

	notices[action->notice]++;
}

static void on_log(struct sim_host *host, const struct varp_action *action)
{
	snprintf(host->log, sizeof(host->log), "%s", action->text);
}

static void on_send(struct sim_host *host, const struct varp_action *action)
{
	struct varp_msg msg;
	enum varp_drop reason;
	int err = varp_msg_decode(action->data, action->data_len, &msg, &reason);

	assert(!err);
	(void)err;
	if (msg.type == VARP_MSG_NOTIFY) {
		memcpy(host->told, action->data, VARP_MSG_LEN);
		host->told_to = action->raddr;
	} else {
		memcpy(msg.type == VARP_MSG_REQUEST ? host->request : host->answer, action->data,
		       VARP_MSG_LEN);
		host->sent_to = action->raddr;
		host->source = action->source;
	}
	if (msg.type == VARP_MSG_REQUEST && msg.session != host->session) {
		host->former = host->session;
		host->session = msg.session;
	}
	if (msg.type == VARP_MSG_REQUEST && host->sim->on_request)
		host->sim->on_request(host, &msg);
	if (!host->down)
		sim_send(host->sim, &host->addr, VARPDB_VARP_PORT, &action->raddr, action->data,
			 action->data_len);
}

static void emit(void *ctx, const struct varp_action *action)
{
	static void (*const on[SIM_ACTIONS])(struct sim_host *, const struct varp_action *) = {
		[VARP_ACTION_SEND] = on_send,
		[VARP_ACTION_RESOLVED] = on_resolved,
		[VARP_ACTION_NOTKNOWN] = on_notknown,
		[VARP_ACTION_UNANSWERED] = on_unanswered,
		[VARP_ACTION_FORGET] = on_forget,
		[VARP_ACTION_REMOVE] = on_remove,
		[VARP_ACTION_CHECK] = on_check,
		[VARP_ACTION_SESSION] = sim_exchange,
		[VARP_ACTION_SESSION_GONE] = on_gone,
		[VARP_ACTION_NOTIFY] = on_notify,
		[VARP_ACTION_LOG] = on_log,
	};
	struct sim_host *host = ctx;

	host->actions[action->type]++;
	on[action->type](host, action);
}

static uint64_t engine_random(void *ctx)
{
	struct sim_host *host = ctx;

	return sim_random(host->sim);
}

static void act_on_checks(struct sim_host *host)
{
	struct sim_entry *entry, *next;

	host->checks = false;
	HASH_ITER(hh, host->entries, entry, next) {
		if (!entry->check)
			continue;
		entry->check = false;
		if (entry->cached)
			varp_engine_age(host->engine, host->sim->now_ns, &entry->key,
					&entry->mapping);
	}
}

void sim_settle(struct sim_host *host)
{
	if (host->checks)
		act_on_checks(host);
	varp_timers_cancel(&host->sim->timers, &host->wake.timer);
	if (varp_engine_next_ns(host->engine) != UINT64_MAX)
		varp_timers_arm(&host->sim->timers, &host->wake.timer,
				varp_engine_next_ns(host->engine));
}

static void sweep_host(struct sim_host *host)
{
	struct sim_entry *entry, *next;

	HASH_ITER(hh, host->entries, entry, next)
		if (entry->cached)
			varp_engine_age(host->engine, host->sim->now_ns, &entry->key,
					&entry->mapping);
	sim_settle(host);
}

/* --- The network --- */

void sim_deliver(struct sim_host *host, const struct varp_addr *from, uint16_t from_port,
		 const uint8_t *data, size_t len)
{
	if (host->down)
		return;
	varp_engine_receive(host->engine, host->sim->now_ns, from, from_port, data, len);
	sim_settle(host);
}

static void arrive(struct sim *sim, struct sim_event *event)
{
	struct datagram *datagram = (struct datagram *)event;
	struct sim_host *host = sim_host_find(sim, &datagram->to);

	if (host)
		sim_deliver(host, &datagram->from, datagram->from_port, datagram->data,
			    datagram->len);
	free(datagram);
}

static void put_on_the_way(struct sim *sim, const struct varp_addr *from, uint16_t from_port,
			   const struct varp_addr *to, const uint8_t *data, size_t len)
{
	uint64_t spread_ns = sim->net.delay_max_ns - sim->net.delay_min_ns;
	struct datagram *datagram = calloc(1, sizeof(*datagram) + len);

	assert(datagram);
	datagram->arrival.fire = arrive;
	datagram->from = *from;
	datagram->from_port = from_port;
	datagram->to = *to;
	datagram->len = len;
	memcpy(datagram->data, data, len);
	varp_timers_arm(&sim->timers, &datagram->arrival.timer,
			sim->now_ns + sim->net.delay_min_ns +
				(spread_ns ? sim_random(sim) % spread_ns : 0));
}

void sim_send(struct sim *sim, const struct varp_addr *from, uint16_t from_port,
	      const struct varp_addr *to, const uint8_t *data, size_t len)
{
	sim->datagrams++;
	if (sim->net.drop_next || happens(sim, sim->net.loss_percent)) {
		sim->net.drop_next -= sim->net.drop_next > 0;
		sim->lost++;
		return;
	}
	put_on_the_way(sim, from, from_port, to, data, len);
	if (happens(sim, sim->net.double_percent)) {
		sim->doubled++;
		put_on_the_way(sim, from, from_port, to, data, len);
	}
}

/* --- Hosts, time --- */

struct sim_host *sim_host_find(struct sim *sim, const struct varp_addr *addr)
{
	struct sim_host *host;

	HASH_FIND(hh, sim->hosts, addr, sizeof(*addr), host);
	return host;
}

static void wake(struct sim *sim, struct sim_event *event)
{
	struct sim_host *host =
		(struct sim_host *)((char *)event - offsetof(struct sim_host, wake));

	varp_engine_tick(host->engine, sim->now_ns);
	sim_settle(host);
}

struct sim_host *sim_host_new(struct sim *sim, const char *name, const struct varp_addr *addr)
{
	struct sim_host *host = calloc(1, sizeof(*host));

	assert(host);
	host->sim = sim;
	snprintf(host->name, sizeof(host->name), "%s", name);
	host->addr = *addr;
	host->config = (struct varp_engine_config){
		.insecure = true,
		.varp_port = VARPDB_VARP_PORT,
		.window_ms = VARPDB_TTL_INITIAL_LOOKUP * 1000,
		.negative_ttl_ms = VARPDB_TTL_INITIAL_LOOKUP * 1000,
		.retry_ms = 250,
		.lookups_max = 8192,
		.emit = emit,
		.random = engine_random,
		.credentials = sim_credentials,
		.ctx = host,
	};
	host->lifetime_ns = 3600 * SIM_S;
	host->wake.fire = wake;
	HASH_ADD(hh, sim->hosts, addr, sizeof(host->addr), host);
	return host;
}

void sim_host_start(struct sim_host *host)
{
	host->engine = varp_engine_new(&host->config);
	assert(host->engine);
}

static void sweep(struct sim *sim, struct sim_event *event)
{
	struct sim_host *host;

	for (host = sim->sweeping ? sim->hosts : NULL; host; host = host->hh.next)
		sweep_host(host);
	varp_timers_arm(&sim->timers, &event->timer, sim->now_ns + VARPDB_TTL_UPDATE * SIM_S);
}

void sim_run(struct sim *sim, uint64_t duration_ns)
{
	uint64_t end_ns = sim->now_ns + duration_ns;

	while (varp_timers_next_ns(&sim->timers) <= end_ns) {
		struct sim_event *event;

		if (varp_timers_next_ns(&sim->timers) > sim->now_ns)
			sim->now_ns = varp_timers_next_ns(&sim->timers);
		event = (struct sim_event *)varp_timers_pop(&sim->timers, sim->now_ns);
		event->fire(sim, event);
	}
	sim->now_ns = end_ns;
}

struct sim *sim_new(uint64_t seed)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	assert(sim);
	sim->seed = seed;
	sim->now_ns = 1000 * SIM_S;
	sim->net.delay_min_ns = sim->net.delay_max_ns = SIM_MS;
	sim->sweeping = true;
	sim->sweep.fire = sweep;
	varp_timers_arm(&sim->timers, &sim->sweep.timer, sim->now_ns + VARPDB_TTL_UPDATE * SIM_S);
	return sim;
}

static void free_host(struct sim_host *host)
{
	struct sim_entry *entry, *next;

	HASH_ITER(hh, host->entries, entry, next) {
		HASH_DEL(host->entries, entry);
		free(entry);
	}
	varp_engine_free(host->engine);
	free(host);
}

void sim_free(struct sim *sim)
{
	struct sim_host *host, *next;
	struct varp_timer *timer;

	varp_timers_cancel(&sim->timers, &sim->sweep.timer);
	HASH_ITER(hh, sim->hosts, host, next) {
		varp_timers_cancel(&sim->timers, &host->wake.timer);
		HASH_DEL(sim->hosts, host);
		free_host(host);
	}
	while ((timer = varp_timers_pop(&sim->timers, UINT64_MAX)))
		free((struct sim_event *)timer);	/* first in what it belongs to */
	sim_sessions_free(sim);
	free(sim);
}
