/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's parts and how they hang together. main.c fills this in; each part gets what it needs from here.
 */
#ifndef VARPD_H
#define VARPD_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "datapath.h"
#include "engine.h"
#include "store.h"

struct net;
struct control;
struct textsock;

struct varpd {
	struct varpd_config config;
	struct event_base *base;
	struct varp_engine *engine;	/* protocol; its actions arrive in actions.c */
	struct datapath *datapath;
	struct store *store;
	struct net *net;		/* VARP's UDP socket */
	struct control *control;	/* varpctl and libvarp */
	struct textsock *textsock;	/* group manager and group client */
	uint64_t started_ns;		/* boot time */
};

uint64_t varpd_now_ns(void);		/* CLOCK_BOOTTIME, the clock of deadlines in the maps */
/* Call after every engine event: arms the timer for the engine's next deadline. */
void varpd_schedule(struct varpd *varpd);

#endif
