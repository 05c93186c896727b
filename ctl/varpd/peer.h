/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is at the other end of a connection: a user of this host, as the kernel knows him, or
 * somebody elsewhere. Called when a connection is accepted; access.c says what he may do. Knows
 * nothing of rights.
 */
#ifndef VARPD_PEER_H
#define VARPD_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#define PEER_GROUPS_MAX	64
#define PEER_TEXT	128

struct peer {
	bool known;		/* a user of this host: what follows is his */
	bool remote;		/* connected from another host */
	uid_t uid;
	gid_t groups[PEER_GROUPS_MAX];
	unsigned int group_count;
	pid_t pid;		/* 0: cannot be told */
	char text[PEER_TEXT];	/* for people: "uid 1000 pid 77", "uid 0 from 127.0.0.1:4711" */
};

/* fd: an accepted connection, unix or TCP. Without `known` nobody knows who it is, or was. */
void peer_of(int fd, struct peer *peer);
bool peer_in_group(const struct peer *peer, gid_t gid);

#endif
