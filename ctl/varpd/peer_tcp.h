/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose a TCP socket of this network namespace is. For peer.c alone.
 */
#ifndef VARPD_PEER_TCP_H
#define VARPD_PEER_TCP_H

#include <sys/socket.h>
#include <sys/types.h>

/*
 * The user who made the socket that is bound to `local` and connected to `remote` (same family).
 * -ENOENT: there is none, or nobody holds it open any more.
 */
int peer_tcp_owner(const struct sockaddr_storage *local, const struct sockaddr_storage *remote,
		   uid_t *uid);
/* The same by the list in /proc alone, for a kernel that has nothing better. */
int peer_tcp_owner_listed(const struct sockaddr_storage *local,
			  const struct sockaddr_storage *remote, uid_t *uid);

#endif
