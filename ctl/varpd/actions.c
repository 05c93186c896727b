// SPDX-License-Identifier: BSD-2-Clause
/*
 * One handler for each type of action, in a table. The engine must not be called from within these,
 * but the datapath may have something to report while it carries one out (a packet queued meanwhile
 * is another miss): such reports wait in a short queue until the engine has returned.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <uthash.h>

#include "actions.h"
#include "addr.h"
#include "answer.h"
#include "keyx.h"
#include "log.h"
#include "monitor.h"
#include "net.h"
#include "resolve.h"

#define RANDOM_BLOCK 32	/* nonces: 256 octets */
#define QUEUE_MAX 1024	/* a report that is lost comes again with the next packet or sweep */

/* A supernet without a node here of which the cache has entries all the same, since a program asked
 * for them. */
struct foreign {
	struct varp_snid snid;
	UT_hash_handle hh;
};

struct report {
	struct varp_key key;
	struct varp_addr asker;
	bool check;		/* CHECK, else a miss */
};

struct actions {
	struct varpd *varpd;
	unsigned int emitting;
	uint32_t resolved_ttl_s;	/* of the RESOLVED that a HIT notice follows */
	struct foreign *foreign;
	struct event *later;
	struct report queue[QUEUE_MAX];
	unsigned int queued;
	uint64_t random[RANDOM_BLOCK];
	unsigned int random_left;
};

static void queue_report(struct actions *actions, const struct report *report)
{
	if (actions->queued == QUEUE_MAX)
		return;
	actions->queue[actions->queued++] = *report;
	event_active(actions->later, 0, 0);
}

/* --- From the datapath --- */

static void take_miss(struct actions *actions, const struct varp_key *key,
		      const struct varp_addr *asker)
{
	struct varpd *varpd = actions->varpd;

	if (datapath_is_local(varpd->datapath, key, NULL))
		return;
	/* The datapath has filtered already; a message about anything else must not exist. */
	if (!varp_addr_is_unicast(&key->vaddr))
		datapath_unanswered(varpd->datapath, key, VARP_DROP_MULTICAST);
	else if (varp_engine_lookup(varpd->engine, varpd_now_ns(), key, asker))
		datapath_unanswered(varpd->datapath, key, VARP_DROP_PENDING_FULL);
	varpd_schedule(varpd);
}

void actions_miss(void *ctx, const struct varp_key *key, const struct varp_addr *asker)
{
	struct actions *actions = ctx;

	if (actions->emitting)
		queue_report(actions, &(struct report){ .key = *key, .asker = *asker });
	else
		take_miss(actions, key, asker);
}

static void note_foreign(struct actions *actions, const struct varp_snid *snid)
{
	struct foreign *foreign;

	if (datapath_has_supernet(actions->varpd->datapath, snid))
		return;
	HASH_FIND(hh, actions->foreign, snid, sizeof(*snid), foreign);
	if (foreign)
		return;
	foreign = calloc(1, sizeof(*foreign));
	if (!foreign)
		return;
	foreign->snid = *snid;
	HASH_ADD(hh, actions->foreign, snid, sizeof(foreign->snid), foreign);
}

void actions_age(void *ctx, const struct varp_key *key, const struct varp_mapping *mapping)
{
	struct actions *actions = ctx;

	if (actions->emitting)
		return;		/* the next sweep finds it again */
	note_foreign(actions, &key->snid);
	varp_engine_age(actions->varpd->engine, varpd_now_ns(), key, mapping);
	varpd_schedule(actions->varpd);
}

void actions_changed(void *ctx, const char *event, const char *dev, const struct varp_key *node)
{
	struct actions *actions = ctx;

	monitor_publish(actions->varpd->monitor,
			&(struct monitor_event){.event = event, .key = node, .dev = dev});
	answer_underlays_changed(actions->varpd->answer);
}

static void run_queue(evutil_socket_t fd, short what, void *ctx)
{
	struct actions *actions = ctx;
	unsigned int count = actions->queued;
	struct report queue[QUEUE_MAX];

	(void)fd;
	(void)what;
	memcpy(queue, actions->queue, count * sizeof(queue[0]));
	actions->queued = 0;
	for (unsigned int i = 0; i < count; i++) {
		if (queue[i].check)
			datapath_check(actions->varpd->datapath, &queue[i].key);
		else
			take_miss(actions, &queue[i].key, &queue[i].asker);
	}
}

/* --- From the engine --- */

static void do_send(struct actions *actions, const struct varp_action *action)
{
	net_send(actions->varpd->net, &action->source, &action->raddr, action->port, action->data,
		 action->data_len);
}

static void do_resolved(struct actions *actions, const struct varp_action *action)
{
	note_foreign(actions, &action->key.snid);
	actions->resolved_ttl_s = action->ttl_s;
	datapath_answered(actions->varpd->datapath, &action->key, &action->raddr, action->ttl_s,
			  action->deadline_ns);
}

static void do_notknown(struct actions *actions, const struct varp_action *action)
{
	datapath_notknown(actions->varpd->datapath, &action->key, action->deadline_ns);
}

static void do_unanswered(struct actions *actions, const struct varp_action *action)
{
	datapath_unanswered(actions->varpd->datapath, &action->key, VARP_DROP_HELD_EXPIRED);
}

static void do_forget(struct actions *actions, const struct varp_action *action)
{
	datapath_forget(actions->varpd->datapath, &action->key);
}

/* Comes for each of perhaps a million mappings that the group manager adds: no system call where
 * nothing can be cached. */
static void do_remove(struct actions *actions, const struct varp_action *action)
{
	struct foreign *foreign = NULL;

	if (!datapath_has_supernet(actions->varpd->datapath, &action->key.snid)) {
		HASH_FIND(hh, actions->foreign, &action->key.snid, sizeof(action->key.snid),
			  foreign);
		if (!foreign)
			return;
	}
	datapath_remove(actions->varpd->datapath, &action->key);
}

static void do_check(struct actions *actions, const struct varp_action *action)
{
	queue_report(actions, &(struct report){ .key = action->key, .check = true });
}

static void do_session(struct actions *actions, const struct varp_action *action)
{
	keyx_want(actions->varpd->keyx, &action->key.snid, &action->raddr);
}

static void do_session_gone(struct actions *actions, const struct varp_action *action)
{
	keyx_gone(actions->varpd->keyx, action->session);
}

static const char *const notice_names[] = {
	[VARP_NOTICE_HIT]	= "hit",
	[VARP_NOTICE_MISS]	= "miss",
	[VARP_NOTICE_NOTKNOWN]	= "notknown",
	[VARP_NOTICE_INSERT]	= "insert",
	[VARP_NOTICE_REMOVE]	= "remove",
	[VARP_NOTICE_EXPIRE]	= "expire",
	[VARP_NOTICE_REFRESH]	= "refresh",
};

static void do_notify(struct actions *actions, const struct varp_action *action)
{
	struct varpd *varpd = actions->varpd;

	monitor_publish(varpd->monitor, &(struct monitor_event){
		.event = notice_names[action->notice],
		.key = &action->key,
		.raddr = varp_addr_is_zero(&action->raddr) ? NULL : &action->raddr,
		.authoritative = action->authoritative,
	});
	if (action->authoritative)
		return;
	if (action->notice == VARP_NOTICE_HIT)
		resolve_outcome(varpd->resolve, &action->key, RESOLVE_HIT, &action->raddr,
				actions->resolved_ttl_s);
	else if (action->notice == VARP_NOTICE_NOTKNOWN)
		resolve_outcome(varpd->resolve, &action->key, RESOLVE_NOTKNOWN, NULL, 0);
	else if (action->notice == VARP_NOTICE_EXPIRE &&
		 varp_addr_is_zero(&action->raddr)) /* else a cache entry's end */
		resolve_outcome(varpd->resolve, &action->key, RESOLVE_EXPIRED, NULL, 0);
}

static void do_log(struct actions *actions, const struct varp_action *action)
{
	(void)actions;
	varpd_log(action->error ? VARPD_LOG_ERROR : VARPD_LOG_WARNING, "%s", action->text);
}

static void (*const handlers[])(struct actions *actions, const struct varp_action *action) = {
	[VARP_ACTION_SEND]		= do_send,
	[VARP_ACTION_RESOLVED]		= do_resolved,
	[VARP_ACTION_NOTKNOWN]		= do_notknown,
	[VARP_ACTION_UNANSWERED]	= do_unanswered,
	[VARP_ACTION_FORGET]		= do_forget,
	[VARP_ACTION_REMOVE]		= do_remove,
	[VARP_ACTION_CHECK]		= do_check,
	[VARP_ACTION_SESSION]		= do_session,
	[VARP_ACTION_SESSION_GONE]	= do_session_gone,
	[VARP_ACTION_NOTIFY]		= do_notify,
	[VARP_ACTION_LOG]		= do_log,
};

void actions_emit(void *ctx, const struct varp_action *action)
{
	struct actions *actions = ctx;

	actions->emitting++;
	handlers[action->type](actions, action);
	actions->emitting--;
}

/*
 * A block from the kernel at a time; what was taken is wiped, so that a nonce is nowhere but in its
 * request.
 */
uint64_t actions_random(void *ctx)
{
	struct actions *actions = ctx;
	uint64_t value;

	if (!actions->random_left) {
		/* Up to 256 octets are never interrupted once the kernel's pool is ready, which it
		 * is when userland runs daemons. */
		if (getrandom(actions->random, sizeof(actions->random), 0) !=
		    sizeof(actions->random))
			abort();
		actions->random_left = RANDOM_BLOCK;
	}
	value = actions->random[--actions->random_left];
	explicit_bzero(&actions->random[actions->random_left], sizeof(value));
	return value;
}

bool actions_credentials(void *ctx, const struct varp_snid *snid)
{
	struct actions *actions = ctx;

	return varpd_may_speak(actions->varpd, snid);
}

int actions_new(struct actions **out, struct varpd *varpd)
{
	struct actions *actions = calloc(1, sizeof(*actions));

	if (!actions)
		return -ENOMEM;
	actions->varpd = varpd;
	actions->later = event_new(varpd->base, -1, EV_PERSIST, run_queue, actions);
	if (!actions->later) {
		free(actions);
		return -ENOMEM;
	}
	*out = actions;
	return 0;
}

void actions_free(struct actions *actions)
{
	struct foreign *foreign, *next;

	if (!actions)
		return;
	HASH_ITER(hh, actions->foreign, foreign, next) {
		HASH_DEL(actions->foreign, foreign);
		free(foreign);
	}
	event_free(actions->later);
	explicit_bzero(actions->random, sizeof(actions->random));
	free(actions);
}
