/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers from the kernel: the table of the supernets served here is mirrored into BPF maps, and an
 * XDP program at each underlay answers requests from it (bpf/answer.bpf.c). Whatever the program
 * is not sure of goes up to the socket, so nothing depends on this: without it, or while the
 * mirror is behind, the engine answers.
 *
 *   answer.c          when there is a program, and the timers
 *   answer_load.c     the object: settings, maps, counters, sessions
 *   answer_attach.c   putting it on interfaces and taking it off
 *   answer_shared.c   beside others' programs: what the helper process does for answer_attach.c
 *   answer_mirror.c   what the program is told of the table, and when
 *   answer_queue.c    what is still to be written, and writing it
 *
 * All calls but answer_open() take NULL, of a varpd that is starting.
 */
#ifndef VARPD_ANSWER_H
#define VARPD_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct answer;
struct varp_command;
struct varp_session;
struct varp_snid;
struct varpd;

/* What the program has done since varpd started. */
struct answer_stats {
	uint64_t replies;
	uint64_t nak_notknown;
};

int answer_open(struct answer **out, struct varpd *varpd, struct varpd_error *error);
/* What is attached stays and goes on answering. */
void answer_close(struct answer *answer);

/*
 * The engine has taken the group manager's change; the group manager is told once this returns,
 * and no older answer leaves from then on.
 */
void answer_change(struct answer *answer, const struct varp_command *command);
/* An underlay came or went. */
void answer_underlays_changed(struct answer *answer);

/*
 * A session of the server role, to be known to the program too. 0, or -errno: the engine answers
 * its requests. An id that is there already is overwritten.
 */
int answer_session_add(struct answer *answer, const struct varp_session *session);
void answer_session_remove(struct answer *answer, uint64_t id);

void answer_stats(const struct answer *answer, struct answer_stats *out);
/*
 * How requests that come in by this interface are answered: xdp-native, xdp-generic or userspace;
 * whether others' XDP programs may be there too; and why not better, for a person (empty: there is no
 * reason to tell).
 */
const char *answer_how(const struct answer *answer, uint32_t ifindex, bool *shared,
		       const char **why);
/* Can the kernel answer for this supernet now, wherever it does? */
bool answer_has(const struct answer *answer, const struct varp_snid *snid);

#endif
