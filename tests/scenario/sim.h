/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fake clock, a fake network and any number of hosts, each with an engine and a model of what the
 * datapath does around it: the cache, the pending map, held packets, the aging sweep. Everything
 * random comes from one seed.
 *
 * Used by the scenario runner and the simulation.
 */
#ifndef TESTS_SCENARIO_SIM_H
#define TESTS_SCENARIO_SIM_H

#include <addr.h>
#include <engine.h>
#include <hash.h>
#include <timers.h>

#define SIM_MS		1000000ull
#define SIM_S		1000000000ull
#define SIM_ACTIONS	(VARP_ACTION_LOG + 1)
#define SIM_NOTICES	(VARP_NOTICE_REFRESH + 1)
#define SIM_LOG_TEXT	512

struct sim;
struct sim_session;
struct exchange;

/* Something that will happen. */
struct sim_event {
	struct varp_timer timer;	/* first: a timer is cast to its event */
	void (*fire)(struct sim *sim, struct sim_event *event);
};

/* One node as a host's datapath knows it. */
struct sim_entry {
	struct varp_key key;
	bool cached;
	struct varp_mapping mapping;	/* valid if cached */
	int pending;			/* enum varp_pending_state, zero: none */
	uint64_t pending_deadline_ns;
	unsigned int held;
	bool check;			/* CHECK was emitted, not yet acted on */
	uint64_t asked_ns;		/* start of the last lookup */
	UT_hash_handle hh;
};

struct sim_host {
	struct sim *sim;
	char name[16];
	struct varp_addr addr;
	struct varp_engine *engine;
	struct varp_engine_config config;
	struct sim_event wake;		/* the engine's next tick */
	struct sim_entry *entries;
	bool down;			/* receives and sends nothing */
	bool checks;			/* some entry has check set */
	bool credentials;		/* for any supernet */
	uint64_t lifetime_ns;		/* of the sessions that it grants */
	uint64_t distrust_ns;		/* it ends its sessions after this by itself; zero: it does not */
	/* What happened to packets of applications. */
	unsigned int delivered, unreachable, expired, refused;
	unsigned int wrong; /* delivered to an address that the simulation says is wrong */
	unsigned int actions[SIM_ACTIONS];
	unsigned int notices[SIM_NOTICES], authoritative[SIM_NOTICES];
	char log[SIM_LOG_TEXT];		/* the last line */
	uint8_t request[VARP_MSG_LEN];	/* the last one sent */
	struct varp_addr sent_to;	/* and where to */
	struct varp_addr source;	/* and from where, zero: any */
	uint64_t session, former;	/* of the last request, and of the last in another */
	uint8_t answer[VARP_MSG_LEN];	/* the last answer sent */
	uint8_t told[VARP_MSG_LEN];	/* the last VARP_NOTIFY sent */
	struct varp_addr told_to;	/* and where to */
	UT_hash_handle hh;		/* by addr */
};

struct sim_net {
	unsigned int loss_percent, double_percent;
	uint64_t delay_min_ns, delay_max_ns;
	unsigned int drop_next; /* this many datagrams get lost, then the percentage counts again */
	bool no_exchange;	/* every key exchange fails */
};

struct sim {
	uint64_t now_ns;
	uint64_t seed;
	struct sim_net net;
	struct varp_timers timers;	/* hosts' wakes, datagrams' arrivals, the sweep */
	struct sim_event sweep;
	bool sweeping;
	struct sim_host *hosts;
	struct exchange *exchanges;	/* of keys, under way */
	struct sim_session *sessions;	/* all there ever were */
	uint64_t datagrams, lost, doubled;
	/* Is raddr a right place to deliver to? May be NULL. */
	bool (*is_right)(struct sim *sim, const struct varp_key *key,
			 const struct varp_addr *raddr);
	/* Sees every request that an engine sends. May be NULL. */
	void (*on_request)(struct sim_host *host, const struct varp_msg *msg);
	void *ctx;
};

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *sim);
uint64_t sim_random(struct sim *sim);		/* the engines' nonces and the network's whims */
unsigned int sim_random_below(struct sim *sim, unsigned int bound);

/* What varpd would configure; the host's engine is made by sim_host_start(). */
struct sim_host *sim_host_new(struct sim *sim, const char *name, const struct varp_addr *addr);
void sim_host_start(struct sim_host *host);
struct sim_host *sim_host_find(struct sim *sim, const struct varp_addr *addr);

/* An application sends one packet; from: its vaddr, NULL or zero if nobody need know. */
void sim_packet(struct sim_host *host, const struct varp_key *key, const struct varp_addr *from);
struct sim_entry *sim_entry_find(const struct sim_host *host, const struct varp_key *key);
/* The cache entry if its deadline has not passed. */
const struct varp_mapping *sim_cached(const struct sim_host *host, const struct varp_key *key);

/* Puts a datagram on the network (which may lose it) or, without one in between, to a host. */
void sim_send(struct sim *sim, const struct varp_addr *from, uint16_t from_port,
	      const struct varp_addr *to, const uint8_t *data, size_t len);
void sim_deliver(struct sim_host *host, const struct varp_addr *from, uint16_t from_port,
		 const uint8_t *data, size_t len);

/* --- sim_keys.c --- */

/* What varpd does at VARP_ACTION_SESSION. */
void sim_exchange(struct sim_host *host, const struct varp_action *action);
bool sim_credentials(void *ctx, const struct varp_snid *snid);
const struct varp_session *sim_session_find(const struct sim *sim, uint64_t id);
unsigned int sim_session_count(const struct sim *sim);
void sim_sessions_free(struct sim *sim);
/* As a server that was started again. */
void sim_forget_sessions(struct sim_host *server);

/* After every call into a host's engine: acts on CHECKs and sets the wake. */
void sim_settle(struct sim_host *host);
void sim_run(struct sim *sim, uint64_t duration_ns);

#endif
