// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pairing heap. Arming is O(1); taking the earliest out is O(log n) amortized. No recursion:
 * children are merged in two passes over their list.
 */
#include <stddef.h>

#include "timers.h"

/*
 * Both are roots of their trees (no siblings). Returns the earlier, which has become the other's
 * parent.
 */
static struct varp_timer *merge(struct varp_timer *a, struct varp_timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->due_ns < a->due_ns) {
		struct varp_timer *swap = a;

		a = b;
		b = swap;
	}
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	b->prev = a;
	a->child = b;
	return a;
}

/*
 * Merges a list of siblings into one tree: pairs from left to right, then the pairs from right to
 * left.
 */
static struct varp_timer *merge_siblings(struct varp_timer *list)
{
	struct varp_timer *pairs = NULL, *tree = NULL;

	while (list) {
		struct varp_timer *a = list, *b = a->next, *pair;

		list = b ? b->next : NULL;
		a->next = NULL;
		if (b)
			b->next = NULL;
		pair = merge(a, b);
		pair->next = pairs;
		pairs = pair;
	}
	while (pairs) {
		struct varp_timer *next = pairs->next;

		pairs->next = NULL;
		tree = merge(tree, pairs);
		pairs = next;
	}
	return tree;
}

static void set_root(struct varp_timers *timers, struct varp_timer *root)
{
	timers->root = root;
	if (root) {
		root->prev = root;
		root->next = NULL;
	}
}

void varp_timers_cancel(struct varp_timers *timers, struct varp_timer *timer)
{
	struct varp_timer *rest;

	if (!varp_timer_is_armed(timer))
		return;
	rest = merge_siblings(timer->child);
	if (timer == timers->root) {
		set_root(timers, rest);
	} else {
		if (timer->prev->child == timer)
			timer->prev->child = timer->next;
		else
			timer->prev->next = timer->next;
		if (timer->next)
			timer->next->prev = timer->prev;
		set_root(timers, merge(timers->root, rest));
	}
	timer->child = timer->next = timer->prev = NULL;
}

void varp_timers_arm(struct varp_timers *timers, struct varp_timer *timer, uint64_t due_ns)
{
	varp_timers_cancel(timers, timer);
	timer->due_ns = due_ns;
	set_root(timers, merge(timers->root, timer));
}

struct varp_timer *varp_timers_pop(struct varp_timers *timers, uint64_t now_ns)
{
	struct varp_timer *timer = timers->root;

	if (!timer || timer->due_ns > now_ns)
		return NULL;
	varp_timers_cancel(timers, timer);
	return timer;
}

uint64_t varp_timers_next_ns(const struct varp_timers *timers)
{
	return timers->root ? timers->root->due_ns : UINT64_MAX;
}
