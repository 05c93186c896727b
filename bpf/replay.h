/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Which sequence numbers of a sender have come: each is taken once, however many CPUs ask at the same time. Called by
 * open.h, once before a tag is computed and once after it was right; knows nothing of packets.
 *
 * A slot holds 32 of a block's bits and the block's number in one word, and is only ever changed by compare-and-swap. A
 * block in the place of an older one needs no clearing, and nobody can bring an older one back: before it is replaced
 * `newest` has moved past it, and whoever finds another block than its own looks there again.
 */
#ifndef VARP_BPF_REPLAY_H
#define VARP_BPF_REPLAY_H

#include "stats.h"

#define REPLAY_TRIES	8	/* CPUs that may come between */

#define REPLAY_BLOCK(seq)	((seq) / VARP_WINDOW_BITS)

static __always_inline bool block_is_late(__u64 newest, __u64 seq)
{
	return REPLAY_BLOCK(newest) >= REPLAY_BLOCK(seq) + VARP_WINDOW_SLOTS;
}

static __always_inline __u64 *replay_slot(struct varp_sender *s, __u64 seq)
{
	return &s->slots[REPLAY_BLOCK(seq) % VARP_WINDOW_SLOTS];
}

/* Could it be taken? Saves the tag's computation; binding is only what replay_take() says. */
static __always_inline int replay_look(struct varp_sender *s, __u64 seq)
{
	__u64 slot = *(volatile __u64 *)replay_slot(s, seq);

	if (block_is_late(*(volatile __u64 *)&s->newest, seq))
		return VARP_DROP_LATE;
	if (slot >> 32 == (__u32)REPLAY_BLOCK(seq) && slot & 1ULL << seq % VARP_WINDOW_BITS)
		return VARP_DROP_REPLAY;
	return VERDICT_OK;
}

/* False: another CPU kept coming between. */
static __always_inline bool replay_advance(struct varp_sender *s, __u64 seq)
{
	__u64 newest = *(volatile __u64 *)&s->newest, found;
	int i;

	for (i = 0; i < REPLAY_TRIES; i++) {
		if (newest >= seq)
			return true;
		found = __sync_val_compare_and_swap(&s->newest, newest, seq);
		if (found == newest)
			return true;
		newest = found;
	}
	return false;
}

static __noinline int replay_take(struct varp_sender *s, __u64 seq)
{
	__u64 block = (__u64)(__u32)REPLAY_BLOCK(seq) << 32, bit = 1ULL << seq % VARP_WINDOW_BITS;
	__u64 *slot = replay_slot(s, seq), old, new;
	int i;

	if (!replay_advance(s, seq))
		return VARP_DROP_LATE;
	for (i = 0; i < REPLAY_TRIES; i++) {
		old = *(volatile __u64 *)slot;
		if (old >> 32 == block >> 32) {
			if (old & bit)
				return VARP_DROP_REPLAY;
			new = old | bit;
		} else {
			/* An addition, for it orders this look after the one at the slot on every machine. */
			if (block_is_late(__sync_fetch_and_add(&s->newest, 0), seq))
				return VARP_DROP_LATE;
			new = block | bit;
		}
		if (__sync_val_compare_and_swap(slot, old, new) == old)
			return VERDICT_OK;
	}
	return VARP_DROP_LATE;
}

#endif
