/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving away what varpd no longer needs once it has started: user, capabilities, system calls.
 * Called once each by varpd.c (after everything was opened) and by the helper process; and by their
 * test, which then tries what must fail. Knows nothing of the daemon's parts.
 */
#ifndef VARPD_PRIVILEGES_H
#define VARPD_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "error.h"

struct privileges {
	char user[64];		/* whom varpd runs as; a number where it has no name */
	uid_t uid;
	gid_t gid;
	bool own_user;		/* it is not root */
	bool missing;		/* the wished user does not exist: it stays who it is */
};

/* Finds out whom to run as: the wished user, or who it is already if it was not started by root. */
void privileges_find(const char *user, struct privileges *out);
/*
 * Becomes that user with CAP_NET_ADMIN alone, and the system calls of seccomp.c. What
 * was found not to be so in the end is an error: varpd must not run then.
 */
int privileges_drop(const struct privileges *privileges, struct varpd_error *error);
/* The helper stays who it is, and keeps what its requests need; xdp: those of answer_shared.h too. */
int privileges_limit_helper(bool xdp, struct varpd_error *error);

/* Lets the user read, and nobody else, what root has in a directory and those below it. */
void privileges_share(const struct privileges *privileges, const char *dir);
/* Gives files in a directory (not those below) and the directory itself to the user. */
int privileges_give(const struct privileges *privileges, const char *dir,
		    struct varpd_error *error);

#endif
