/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program that answers as one of several on an interface, by libxdp's dispatcher, whose protocol
 * xdp-loader and others know. Joining loads a copy of the program that has the maps of one that is
 * loaded already. See docs/adr/0025.
 *
 * All of this needs CAP_SYS_ADMIN, so the helper process calls it (helper_ops.c), and root before
 * varpd runs. It works in the network namespace of the caller and keeps nothing between calls: whose
 * a program is can be read in a map of its own (VARP_ANSWER_ID_MAP).
 */
#ifndef VARPD_ANSWER_SHARED_H
#define VARPD_ANSWER_SHARED_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Puts a copy of that program on the interface, beside what is there, and takes off those of
 * earlier loads of this instance: first the one, then the others, so that the interface never is without.
 * Nothing if it is there already. 0 or -errno, with everything as it was:
 *   -EPERM       that is no program of this instance
 *   -ENOSYS      no dispatcher on this kernel, or with this libxdp
 *   -EOPNOTSUPP  this interface has no XDP in this mode
 *   -EALREADY    a program of this instance is there, but alone: take it off first
 *   -EBUSY       somebody else's is there alone, or the dispatcher is in the other mode
 */
int answer_shared_join(const char *instance, int program_fd, uint32_t ifindex, bool generic);
/* Takes all of this instance's off, whatever load they are of. 0 if there is none. */
int answer_shared_leave(const char *instance, uint32_t ifindex);
/* The same on all interfaces, but for copies of that program (-1: no exception). */
int answer_shared_sweep(const char *instance, int program_fd);

#endif
