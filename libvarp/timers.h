/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers: a pairing heap of nodes that live inside what they time, so arming allocates nothing and
 * cannot fail. It has no clock: the caller says what time it is. Used by the engine only.
 */
#ifndef LIBVARP_TIMERS_H
#define LIBVARP_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: not armed. Must not move while armed. */
struct varp_timer {
	uint64_t due_ns;
	struct varp_timer *child;	/* first of those due no earlier */
	struct varp_timer *next;	/* sibling */
	struct varp_timer
		*prev; /* sibling before, or the parent of a first child; the root: itself */
};

/* All zero: empty. */
struct varp_timers {
	struct varp_timer *root;
};

/* Arms, or arms anew. */
void varp_timers_arm(struct varp_timers *timers, struct varp_timer *timer, uint64_t due_ns);
/* Does nothing if it is not armed. */
void varp_timers_cancel(struct varp_timers *timers, struct varp_timer *timer);
/* Takes out the earliest that is due (due_ns <= now_ns), or NULL. */
struct varp_timer *varp_timers_pop(struct varp_timers *timers, uint64_t now_ns);
/* When the earliest is due; UINT64_MAX if there is none. */
uint64_t varp_timers_next_ns(const struct varp_timers *timers);

static inline bool varp_timer_is_armed(const struct varp_timer *timer)
{
	return timer->prev;
}

#endif
