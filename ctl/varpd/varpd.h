/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's parts and how they hang together. varpd.c fills this in; each part gets what it
 * needs from here.
 */
#ifndef VARPD_H
#define VARPD_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "access.h"
#include "audit.h"
#include "config.h"
#include "datapath.h"
#include "engine.h"
#include "helper.h"
#include "privileges.h"
#include "store.h"

/* What to do about a lack of credentials. */
#define VARPD_HOW_CREDENTIALS \
	"give this host the supernet's key with `varpctl psk add` (its server makes one with " \
	"`varpctl psk new`) or a certificate (`varpctl pki`); where the whole network is trusted, " \
	"start varpd with --insecure"

/* Credentials' directory, SnId, vaddr, and the last two again. */
#define VARPD_OTHER_NODE \
	"%s/host.crt makes this host a member of supernet %s as other nodes only, not as %s: " \
	"issue one with urn:varp:%s:member:%s (varpctl pki issue)"

#define VARPD_NS_PER_MS		1000000ull
#define VARPD_NS_PER_S		1000000000ull

struct actions;
struct answer;
struct channels;
struct channel_keys;
struct client_kept;
struct control;
struct credentials;
struct keyx;
struct mappings_loading;
struct monitor;
struct net;
struct resolve;
struct textsock;

struct varpd {
	struct varpd_config config;
	struct config_overrides overrides;	/* of the command line, for reloads */
	struct event_base *base;
	struct event *timer;		/* the engine's next deadline */
	uint64_t timer_ns;		/* what it is set to; UINT64_MAX: not set */
	struct event *signals[3];
	struct event *helper;		/* its end */
	/* Of configuration sections that could not be applied yet */
	struct event *retry;
	struct client_kept *clients_kept; /* clients.c's */
	struct varp_engine *engine;	/* protocol; its actions arrive in actions.c */
	struct actions *actions;
	struct datapath *datapath;
	struct channels *channels;	/* keys of keyed channels */
	struct channel_keys *channel_keys; /* those that are handed out */
	struct store *store;
	struct mappings_loading *loading; /* while varpd starts */
	struct credentials *credentials; /* what this host can prove with */
	struct net *net;		/* VARP's UDP socket */
	struct answer *answer;		/* the kernel's answers */
	struct keyx *keyx;		/* sessions for the engine */
	struct control *control;	/* varpctl and libvarp */
	struct monitor *monitor;	/* who watches events */
	struct resolve *resolve;	/* who waits for answers */
	struct textsock *textsock;	/* group manager and group client */
	struct access *access;		/* who may do and see what */
	struct audit *audit;
	struct privileges privileges;	/* whom it runs as */
	int lock;			/* descriptor of the instance's lock; zero: none yet */
	uint64_t started_ns;		/* boot time */
};

/* Starts every part in order. 0, or -errno with the reason logged and everything undone. */
int varpd_start(struct varpd *varpd);
/* As root, for a varpd that is started as another user: makes his what he needs. 0 or -errno. */
int varpd_prepare(const struct varpd_config *config);
struct helper_setup varpd_helper_setup(const struct varpd_config *config);
void varpd_stop(struct varpd *varpd);	/* what is pinned goes on forwarding */
/* Reads the configuration again; a bad one changes nothing. */
void varpd_reload(struct varpd *varpd);

uint64_t varpd_now_ns(void);		/* CLOCK_BOOTTIME, the clock of deadlines in the maps */
/* Are there credentials for the supernet, or does varpd run insecure? */
bool varpd_may_speak(const struct varpd *varpd, const struct varp_snid *snid);
/* Call after every engine event: arms the timer for the engine's next deadline. */
void varpd_schedule(struct varpd *varpd);

#endif
