// SPDX-License-Identifier: BSD-2-Clause
/*
 * A randomised simulation: a thousand hosts of several supernets over a network that loses,
 * doubles, delays and reorders, while the group manager moves nodes about; insecure, and in
 * sessions that are short and that servers forget. What must hold at any time is asserted; what
 * happened is printed.
 *
 * VARP_SIM_SEED repeats a run, VARP_SIM_HOSTS makes it larger.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim.h"

#define SUPERNETS	5
/* registered per supernet; as many more vaddrs are only asked for */
#define NODES		40
#define ROUNDS		60	/* of a second each */
#define TTL_S		9
#define WINDOW_NS	(VARPDB_TTL_INITIAL_LOOKUP * SIM_S)
/* per vaddr, window and session: at 0, 250, 750, 1750, 3750 ms */
#define REQUESTS_MAX	5
#define LIFETIME_S	25	/* of a session */
#define RESTARTS	25	/* rounds between two restarts of a server */

/*
 * Where a node has been and until when: a cache may hold a former place for as long as its ttl, and
 * the answer's way.
 */
struct place {
	struct varp_addr now;		/* zero: not registered */
	struct varp_addr before;
	uint64_t moved_ns;
};

struct requests {
	struct varp_addr host;
	struct varp_key key;
	uint64_t nonce;			/* of the lookup that is counted */
	uint64_t session;
	uint64_t first_ns;
	unsigned int count;
	UT_hash_handle hh;
};

struct world {
	struct place places[SUPERNETS][2 * NODES];
	struct requests *requests;
	bool secure;
	unsigned int lookups, repetitions_too_many, windows_too_long;
};

static struct varp_addr v4(unsigned int a, unsigned int b, unsigned int c, unsigned int d)
{
	return (struct varp_addr){
		.b = {[10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d}};
}

static struct varp_addr host_addr(unsigned int i)
{
	return v4(192, 0, i >> 8, i & 0xff);
}

static struct varp_key node_key(unsigned int supernet, unsigned int node)
{
	const struct varp_snid snid = { .b = { [8] = 1, [9] = supernet } };
	/* The same in all supernets. */
	const struct varp_addr vaddr = v4(10, 0, node >> 8, node & 0xff);

	return varp_key_make(&snid, &vaddr);
}

static struct place *place_of(struct world *world, const struct varp_key *key)
{
	return &world->places[key->snid.b[9]][key->vaddr.b[14] << 8 | key->vaddr.b[15]];
}

/* No host ever delivers to a place that was not the node's within the last ttl and window. */
static bool is_right(struct sim *sim, const struct varp_key *key, const struct varp_addr *raddr)
{
	const struct place *place = place_of(sim->ctx, key);
	uint64_t slack_ns = TTL_S * SIM_S + WINDOW_NS;

	return varp_addr_equal(&place->now, raddr) || (varp_addr_equal(&place->before, raddr) &&
						       sim->now_ns - place->moved_ns <= slack_ns);
}

static struct requests *requests_of(struct world *world, const struct sim_host *host,
				    const struct varp_key *key)
{
	struct requests probe = { .host = host->addr, .key = *key }, *requests;
	const size_t len = offsetof(struct requests, nonce);

	HASH_FIND(hh, world->requests, &probe, len, requests);
	if (requests)
		return requests;
	requests = calloc(1, sizeof(*requests));
	assert_non_null(requests);
	requests->host = probe.host;
	requests->key = probe.key;
	HASH_ADD_KEYPTR(hh, world->requests, requests, len, requests);
	return requests;
}

static void on_request(struct sim_host *host, const struct varp_msg *msg)
{
	struct world *world = host->sim->ctx;
	const struct varp_key key = varp_key_make(&msg->snid, &msg->vaddr);
	struct requests *requests = requests_of(world, host, &key);

	if (requests->nonce != msg->nonce) {
		requests->nonce = msg->nonce;
		requests->first_ns = host->sim->now_ns;
		requests->count = 0;
		world->lookups++;
	}
	if (requests->session != msg->session)
		requests->count = 0;
	requests->session = msg->session;
	assert_true(!msg->session == !world->secure);
	world->repetitions_too_many += ++requests->count > REQUESTS_MAX;
	world->windows_too_long += host->sim->now_ns - requests->first_ns >= WINDOW_NS;
}

static void move_node(struct sim *sim, struct sim_host *server, unsigned int supernet,
		      unsigned int node)
{
	struct world *world = sim->ctx;
	struct varp_table_entry entry = {.key = node_key(supernet, node),
					 .ttl_s = VARPDB_TTL_ALWAYS};
	struct place *place = &world->places[supernet][node];

	/* One move per ttl and window: a place before the last is not remembered here. */
	if (place->moved_ns && sim->now_ns - place->moved_ns <= TTL_S * SIM_S + WINDOW_NS)
		return;
	entry.raddr = sim_random_below(sim, 2)
			      ? host_addr(sim_random_below(sim, HASH_COUNT(sim->hosts)))
			      : v4(203, supernet, sim_random_below(sim, 250) + 1, node + 1);
	place->before = place->now;
	place->now = entry.raddr;
	place->moved_ns = sim->now_ns;
	assert_int_equal(varp_engine_add(server->engine, sim->now_ns, &entry), 0);
	sim_settle(server);
}

static struct sim_host *make_host(struct sim *sim, const struct varp_addr *addr, bool secure)
{
	struct sim_host *host = sim_host_new(sim, "host", addr);

	host->config.insecure = !secure;
	host->credentials = secure;
	host->lifetime_ns = LIFETIME_S * SIM_S;
	sim_host_start(host);
	return host;
}

static void make_hosts(struct sim *sim, struct sim_host *servers[SUPERNETS], unsigned int count)
{
	const struct world *world = sim->ctx;
	unsigned int i, supernet;

	for (i = 0; i < count; i++) {
		const struct varp_addr addr = host_addr(i);
		struct sim_host *host = make_host(sim, &addr, world->secure);

		if (i < SUPERNETS)
			servers[i] = host;
		for (supernet = 0; supernet < SUPERNETS; supernet++) {
			const struct varp_key key = node_key(supernet, 0);

			if (supernet == i)
				assert_int_equal(varp_engine_server_set(host->engine, sim->now_ns,
									&key.snid, TTL_S),
						 0);
			else if (i >= SUPERNETS)
				assert_int_equal(varp_engine_client_set(host->engine, sim->now_ns,
									&key.snid,
									&servers[supernet]->addr),
						 0);
		}
		sim_settle(host);
	}
}

/* Every lookup ends within its window, and no cache holds what is wrong. */
static void check_host(struct sim *sim, struct sim_host *host)
{
	struct sim_entry *entry;

	for (entry = host->entries; entry; entry = entry->hh.next) {
		if (entry->pending == VARP_PENDING_LOOKUP)
			assert_true(sim->now_ns - entry->asked_ns <= WINDOW_NS);
		if (entry->pending != VARP_PENDING_LOOKUP)
			assert_int_equal(entry->held, 0);
		if (sim_cached(host, &entry->key))
			assert_true(is_right(sim, &entry->key, &entry->mapping.raddr));
	}
	assert_int_equal(host->wrong, 0);
}

/* Nothing is asked any more. */
static void check_rest(struct sim *sim, struct sim_host *host)
{
	const struct world *world = sim->ctx;
	struct sim_entry *entry;

	for (entry = host->entries; entry; entry = entry->hh.next) {
		assert_int_not_equal(varp_engine_lookup_state(host->engine, &entry->key),
				     VARP_LOOKUP_OPEN);
		assert_int_not_equal(varp_engine_lookup_state(host->engine, &entry->key),
				     VARP_LOOKUP_REFRESH);
	}
	if (!world->secure)
		assert_true(varp_engine_next_ns(host->engine) == UINT64_MAX);
	else	/* no more than this one and the one before for each supernet and host */
		assert_true(varp_engine_session_count(host->engine) <=
			    2 * HASH_COUNT(sim->hosts));
}

/* A packet to the node, from one that is at this host if there is any, so that its server introduces it. */
static void send_packet(struct sim *sim, struct sim_host *host, unsigned int supernet,
			unsigned int node)
{
	const struct world *world = sim->ctx;
	const struct varp_key key = node_key(supernet, node);
	struct varp_key from;

	for (unsigned int i = 0; i < NODES; i++)
		if (varp_addr_equal(&world->places[supernet][i].now, &host->addr)) {
			from = node_key(supernet, i);
			sim_packet(host, &key, &from.vaddr);
			return;
		}
	sim_packet(host, &key, NULL);
}

static void run_round(struct sim *sim, struct sim_host *servers[SUPERNETS], unsigned int round)
{
	struct sim_host *host;
	unsigned int i;

	if (round % RESTARTS == RESTARTS - 1)
		sim_forget_sessions(servers[round / RESTARTS % SUPERNETS]);
	for (i = 0; i < SUPERNETS; i++)
		move_node(sim, servers[i], i, sim_random_below(sim, NODES));
	for (host = sim->hosts; host; host = host->hh.next) {
		unsigned int supernet = sim_random_below(sim, SUPERNETS);
		unsigned int node = sim_random_below(sim, 2 * NODES);

		if (sim_random_below(sim, 2))
			send_packet(sim, host, supernet, node);
	}
	sim_run(sim, SIM_S);
	for (host = sim->hosts; host; host = host->hh.next)
		check_host(sim, host);
}

static void free_requests(struct world *world)
{
	struct requests *requests, *next;

	HASH_ITER(hh, world->requests, requests, next) {
		HASH_DEL(world->requests, requests);
		free(requests);
	}
}

static unsigned int from_env(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

static void simulate(const struct sim_net *net, bool secure, unsigned int *delivered,
		     unsigned int *expired)
{
	struct sim *sim = sim_new(from_env("VARP_SIM_SEED", 20));
	struct sim_host *servers[SUPERNETS] = { NULL };
	struct world *world = calloc(1, sizeof(*world));
	struct sim_host *host;
	uint64_t introduced = 0;
	unsigned int i, node;

	assert_non_null(world);
	world->secure = secure;
	sim->ctx = world;
	sim->net = *net;
	make_hosts(sim, servers, from_env("VARP_SIM_HOSTS", 1000));
	sim->is_right = is_right;
	sim->on_request = on_request;
	for (i = 0; i < SUPERNETS; i++)
		for (node = 0; node < NODES; node++)
			move_node(sim, servers[i], i, node);
	for (i = 0; i < ROUNDS; i++)
		run_round(sim, servers, i);
	sim_run(sim, 3 * WINDOW_NS);	/* nobody sends any more: everything has to come to rest */
	*delivered = *expired = 0;
	for (host = sim->hosts; host; host = host->hh.next) {
		check_host(sim, host);
		check_rest(sim, host);
		*delivered += host->delivered;
		*expired += host->expired;
		introduced += varp_engine_stats(host->engine)->notifies_received;
	}
	print_message("# %u sessions, %u lookups, %llu datagrams, %llu lost, %llu doubled, "
		      "%llu introductions, %u packets delivered, %u expired\n",
		      sim_session_count(sim), world->lookups, (unsigned long long)sim->datagrams,
		      (unsigned long long)sim->lost, (unsigned long long)sim->doubled,
		      (unsigned long long)introduced, *delivered, *expired);
	assert_int_equal(world->repetitions_too_many, 0);
	assert_int_equal(world->windows_too_long, 0);
	assert_true(world->lookups > 0);
	assert_true(!introduced == !secure);
	free_requests(world);
	free(world);
	sim_free(sim);
}

static void test_simulation_bad_network_holds_its_invariants(void **state)
{
	const struct sim_net net = { .loss_percent = 20, .double_percent = 10,
				     .delay_min_ns = SIM_MS, .delay_max_ns = 800 * SIM_MS };
	unsigned int delivered, expired;

	(void)state;
	simulate(&net, false, &delivered, &expired);
	/*
	 * A lookup fails only if all five requests, or their answers, are lost or late:
	 * (1 - 0.8^2)^5 is 0.6 %.
	 */
	assert_true(delivered > 0);
	assert_true(expired * 50 < delivered);
}

static void test_simulation_good_network_loses_nothing(void **state)
{
	const struct sim_net net = { .delay_min_ns = SIM_MS / 10, .delay_max_ns = 2 * SIM_MS };
	unsigned int delivered, expired;

	(void)state;
	simulate(&net, false, &delivered, &expired);
	assert_true(delivered > 0);
	assert_int_equal(expired, 0);
}

/* Sessions begin, end, are renewed and get lost, and no lookup with them. */
static void test_simulation_secure_good_network_loses_nothing(void **state)
{
	const struct sim_net net = { .delay_min_ns = SIM_MS / 10, .delay_max_ns = 2 * SIM_MS };
	unsigned int delivered, expired;

	(void)state;
	simulate(&net, true, &delivered, &expired);
	assert_true(delivered > 0);
	assert_int_equal(expired, 0);
}

static void test_simulation_secure_bad_network_holds_its_invariants(void **state)
{
	const struct sim_net net = { .loss_percent = 20, .double_percent = 10,
				     .delay_min_ns = SIM_MS, .delay_max_ns = 800 * SIM_MS };
	unsigned int delivered, expired;

	(void)state;
	simulate(&net, true, &delivered, &expired);
	assert_true(delivered > 0);
	assert_true(expired * 50 < delivered);
}

/*
 * Every datagram is noise, or a good message with some octets changed: nothing is learnt, nothing
 * stays behind.
 */
static void make_noise(bool secure)
{
	struct sim *sim = sim_new(7);
	const struct varp_addr addr = v4(192, 0, 2, 1), from = v4(192, 0, 2, 9);
	struct sim_host *host = make_host(sim, &addr, secure);
	const struct varp_key key = node_key(1, 1);
	uint8_t data[2 * VARP_MSG_LEN];
	uint64_t drops = 0;
	unsigned int i, j;

	make_host(sim, &from, secure);
	assert_int_equal(varp_engine_client_set(host->engine, sim->now_ns, &key.snid, &from), 0);
	sim_settle(host);
	sim_run(sim, SIM_S);
	assert_true(!varp_engine_session_get(host->engine, sim->now_ns, &key.snid) == !secure);
	sim_packet(host, &key, NULL);
	for (i = 0; i < 200000; i++) {
		size_t len = i % 2 ? VARP_MSG_LEN : sim_random_below(sim, sizeof(data));

		for (j = 0; j < len; j++)
			data[j] = sim_random(sim);
		if (i % 4 == 1) {
			memcpy(data, host->request, VARP_MSG_LEN);
			data[1] = VARP_MSG_REPLY + sim_random_below(sim, 4);
			data[sim_random_below(sim, 24)] ^= 1 << sim_random_below(sim, 8);
		}
		if (len == VARP_MSG_LEN &&
		    (data[1] == VARP_MSG_NAK_NOTKNOWN || data[1] == VARP_MSG_NAK_NOAUTHORITY) &&
		    !memcmp(data + 16, host->request + 16, 8))
			data[16] ^= 1;	/* all but the nonce may be right by chance */
		sim_deliver(host, &from, VARPDB_VARP_PORT, data, len);
	}
	for (i = 0; i < VARP_DROP_COUNT; i++)
		drops += varp_engine_stats(host->engine)->drops[i];
	assert_int_equal(drops + varp_engine_stats(host->engine)->requests_received, 200000);
	assert_int_equal(varp_engine_lookup_state(host->engine, &key), VARP_LOOKUP_OPEN);
	assert_null(sim_cached(host, &key));
	assert_int_equal(host->delivered, 0);
	if (secure) {
		assert_int_equal(varp_engine_stats(host->engine)->requests_received, 0);
		assert_true(varp_engine_stats(host->engine)->drops[VARP_DROP_VARP_TAG] > 0);
	}
	sim_free(sim);
}

static void test_simulation_noise_changes_nothing(void **state)
{
	(void)state;
	make_noise(false);
}

static void test_simulation_secure_noise_changes_nothing(void **state)
{
	(void)state;
	make_noise(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simulation_good_network_loses_nothing),
		cmocka_unit_test(test_simulation_bad_network_holds_its_invariants),
		cmocka_unit_test(test_simulation_noise_changes_nothing),
		cmocka_unit_test(test_simulation_secure_good_network_loses_nothing),
		cmocka_unit_test(test_simulation_secure_bad_network_holds_its_invariants),
		cmocka_unit_test(test_simulation_secure_noise_changes_nothing),
	};

	return cmocka_run_group_tests_name("simulation", tests, NULL, NULL);
}
