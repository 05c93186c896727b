// SPDX-License-Identifier: BSD-2-Clause
/*
 * See peer.h. A unix socket's peer is told by the kernel, process and groups included. Of a TCP
 * connection over loopback the user is known who made the other socket; his groups are those of the
 * user database.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "peer_tcp.h"

static void of_unix(int fd, struct peer *peer)
{
	socklen_t groups_len = sizeof(peer->groups), len = sizeof(struct ucred);
	struct ucred user;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &len)) {
		snprintf(peer->text, sizeof(peer->text), "somebody");
		return;
	}
	peer->known = true;
	peer->uid = user.uid;
	peer->pid = user.pid;
	/* One who is in more groups than that counts as in his first alone. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &groups_len))
		groups_len = 0;
	peer->group_count = groups_len / sizeof(peer->groups[0]);
	if (peer->group_count < PEER_GROUPS_MAX)
		peer->groups[peer->group_count++] = user.gid;
	snprintf(peer->text, sizeof(peer->text), "uid %u pid %d", (unsigned int)user.uid,
		 (int)user.pid);
}

static bool is_loopback(const struct sockaddr_storage *addr)
{
	const struct sockaddr_in6 *in6 = (const void *)addr;
	const struct sockaddr_in *in = (const void *)addr;

	if (addr->ss_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static void format(const struct sockaddr_storage *addr, char *out, size_t len)
{
	const struct sockaddr_in6 *in6 = (const void *)addr;
	const struct sockaddr_in *in = (const void *)addr;
	bool six = addr->ss_family == AF_INET6;
	char host[INET6_ADDRSTRLEN] = "?";

	inet_ntop(addr->ss_family, six ? (const void *)&in6->sin6_addr : &in->sin_addr, host,
		  sizeof(host));
	snprintf(out, len, six ? "[%s]:%u" : "%s:%u", host,
		 ntohs(six ? in6->sin6_port : in->sin_port));
}

static void groups_of_user(struct peer *peer)
{
	const struct passwd *entry = getpwuid(peer->uid);
	int count = PEER_GROUPS_MAX;

	if (entry && getgrouplist(entry->pw_name, entry->pw_gid, peer->groups, &count) >= 0)
		peer->group_count = count;
	else if (entry)
		peer->groups[peer->group_count++] = entry->pw_gid;
}

static void of_tcp(int fd, const struct sockaddr_storage *there, struct peer *peer)
{
	struct sockaddr_storage here = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(here);
	char from[80];

	format(there, from, sizeof(from));
	peer->remote = !is_loopback(there);
	if (peer->remote || getsockname(fd, (struct sockaddr *)&here, &len) ||
	    here.ss_family != there->ss_family || peer_tcp_owner(there, &here, &peer->uid)) {
		snprintf(peer->text, sizeof(peer->text), "somebody from %s", from);
		return;
	}
	peer->known = true;
	groups_of_user(peer);
	snprintf(peer->text, sizeof(peer->text), "uid %u from %s", (unsigned int)peer->uid, from);
}

void peer_of(int fd, struct peer *peer)
{
	struct sockaddr_storage there = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(there);

	memset(peer, 0, sizeof(*peer));
	if (getpeername(fd, (struct sockaddr *)&there, &len))
		snprintf(peer->text, sizeof(peer->text), "somebody who has gone");
	else if (there.ss_family == AF_UNIX)
		of_unix(fd, peer);
	else
		of_tcp(fd, &there, peer);
}

bool peer_in_group(const struct peer *peer, gid_t gid)
{
	for (unsigned int i = 0; i < peer->group_count; i++)
		if (peer->groups[i] == gid)
			return true;
	return false;
}
