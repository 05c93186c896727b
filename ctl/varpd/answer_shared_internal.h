/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What answer_shared.c (the dispatcher) and answer_shared_pins.c (what libxdp has pinned) share.
 */
#ifndef VARPD_ANSWER_SHARED_INTERNAL_H
#define VARPD_ANSWER_SHARED_INTERNAL_H

#include <stdint.h>

#define ANSWER_SHARED_SLOTS	10	/* programs in a dispatcher: libxdp's MAX_DISPATCHER_ACTIONS */
#define ANSWER_SHARED_SWEPT	64	/* interfaces in one sweep */

/* Zero: it is not this instance's. Else an id that all copies of one load have in common. */
uint32_t answer_shared_load_of(int program_fd, const char *instance);

/* Interfaces for which this instance's programs of other loads are pinned; returns how many. */
unsigned int answer_shared_pinned(const char *instance, uint32_t load,
				  uint32_t ifindexes[ANSWER_SHARED_SWEPT]);
/*
 * Removes this instance's pins of dispatchers that are no longer on the interface: it was deleted,
 * or somebody took XDP off without libxdp. Others' pins stay.
 */
void answer_shared_unpin(const char *instance, uint32_t ifindex);

#endif
