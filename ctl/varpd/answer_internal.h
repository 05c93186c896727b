/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What answer*.c share. The parts are listed in answer.h.
 *
 * The object is loaded once, at start, when varpd may still load programs and make maps. Later it
 * only attaches, and writes to maps.
 */
#ifndef VARPD_ANSWER_INTERNAL_H
#define VARPD_ANSWER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "answer.h"
#include "netlink.h"
#include "varpd.h"

enum answer_how {
	ANSWER_USERSPACE,
	ANSWER_XDP_NATIVE,
	ANSWER_XDP_GENERIC,
};

/* An underlay that is there. */
struct answer_dev {
	uint32_t ifindex;
	char name[VARP_IFNAME_LEN];
	enum answer_how how;
	bool shared;			/* by a dispatcher; else not USERSPACE: by a link of ours */
	uint32_t xdp_id;		/* shared: the dispatcher that we are in */
	char why_not[160];		/* USERSPACE, or not shared: for people */
	uint64_t retry_ns;		/* USERSPACE: not tried again before */
	struct varp_answer_dev record;	/* as in the map */
	bool seen;			/* in the walk that is going on */
};

/* A supernet that the mirror knows of. */
struct answer_supernet {
	struct varp_snid snid;
	bool served;		/* no: its mappings are being taken out */
	bool left_out;		/* no: there was no room for them, and is not tried again */
	bool complete;
	size_t queued;		/* of its keys */
	UT_hash_handle hh;
};

/*
 * Every key in the map is in the table or in the queue, unless the mirror is dirty. Keys in the
 * queue are to be made as the table says when their turn comes.
 */
struct answer_mirror {
	struct answer_supernet *supernets;
	struct varp_key *queue;		/* from head to len */
	size_t head, len, room;
	bool lost;			/* some could not be queued */
	bool running;
	bool dirty;			/* what it held when it was last stopped is still there */
	uint32_t position;		/* dirty: how far it has been emptied */
	unsigned int changes;		/* since the timer last fired */
	struct event *timer;
};

struct answer_bpf;

struct answer {
	struct varpd *varpd;
	struct answer_bpf *skel;	/* NULL: answers are given by the engine alone */
	char why_not[160];		/* then: for people */
	char links[64];			/* directory of the pins */
	int netns;			/* varpd's own */
	bool alone;			/* no dispatcher here: not tried again */
	struct netlink *nl;
	struct answer_dev devs[VARP_MAX_UNDERLAYS];
	unsigned int dev_count;
	struct event *tick;
	struct answer_mirror mirror;
	int cpus;
};

/* --- answer_load.c --- */

/* Not an error if it cannot be: then why_not says so. */
void answer_load(struct answer *answer);
void answer_unload(struct answer *answer);
int answer_fd_served(const struct answer *answer);
int answer_fd_answers(const struct answer *answer);
int answer_fd_devs(const struct answer *answer);
int answer_fd_program(const struct answer *answer);

/* --- answer_attach.c --- */

const char *answer_how_name(enum answer_how how);
/* Would a program of this kind keep packets from nodes of this host? */
bool answer_blinds(const struct answer *answer, enum answer_how how);
/* Takes over a link that is there. dev->how and why_not tell how it went. */
void answer_attach(struct answer *answer, struct answer_dev *dev, const struct netlink_link *link);
void answer_detach(struct answer *answer, struct answer_dev *dev);
/*
 * Its MAC address may have changed; somebody may have put a dispatcher in the place of the one that we
 * are in, which he should have taken us along to.
 */
void answer_look_after(struct answer *answer, struct answer_dev *dev,
		       const struct netlink_link *link);
/* Removes what an earlier varpd left and nobody has taken over. */
void answer_detach_others(struct answer *answer);

/* --- answer_mirror.c --- */

int answer_mirror_open(struct answer *answer);
void answer_mirror_close(struct answer *answer);
/* Begins to mirror what is served; nothing if that goes on already. */
void answer_mirror_start(struct answer *answer);
/* The program knows of nothing any more. */
void answer_mirror_stop(struct answer *answer);
void answer_mirror_key(struct answer *answer, const struct varp_key *key);
void answer_mirror_serve(struct answer *answer, const struct varp_snid *snid);
void answer_mirror_clear(struct answer *answer, const struct varp_snid *snid);

/* --- answer_queue.c --- */

#define ANSWER_BATCH	512

struct answer_supernet *answer_supernet_find(const struct answer_mirror *mirror,
					     const struct varp_snid *snid);
uint32_t answer_told_ttl(int32_t ttl_s);
void answer_queue_push(struct answer_mirror *mirror, struct answer_supernet *supernet,
		       const struct varp_key *key);
/* Every key of the supernet that is in the table. */
void answer_queue_all(struct answer *answer, struct answer_supernet *supernet);
void answer_queue_empty(struct answer_mirror *mirror);
int answer_queue_write_now(struct answer *answer, const struct answer_supernet *supernet,
			   const struct varp_key *key);
/*
 * Makes the next keys, at most ANSWER_BATCH, as the table says, and leaves them in the queue. 0 or
 * -errno; -E2BIG: the map has no room for a mapping of *full.
 */
int answer_queue_write(struct answer *answer, size_t count, struct answer_supernet **full);
/* Takes out some of what was there before; dirty is cleared at the end. 0 or -errno. */
int answer_queue_purge(struct answer *answer);

#endif
