// SPDX-License-Identifier: BSD-2-Clause
/*
 * See peer_tcp.h. The kernel is asked for exactly one socket (sock_diag(7)), at the same price
 * however many there are; where it has no such service, its list in /proc is read.
 *
 * A socket that its process has closed is shown as root's. So only one that is connected and held
 * open by somebody (it has an inode) tells who he is.
 */
#include "peer_tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#define ALL_STATES	(~0u)

struct found {
	unsigned int state;
	uint32_t inode;
	uid_t uid;
};

static bool is_held_open(const struct found *found)
{
	return found->inode && (found->state == TCP_ESTABLISHED || found->state == TCP_FIN_WAIT1 ||
				found->state == TCP_FIN_WAIT2);
}

static void put(const struct sockaddr_storage *addr, __be32 out[4], __be16 *port)
{
	const struct sockaddr_in6 *in6 = (const void *)addr;
	const struct sockaddr_in *in = (const void *)addr;

	if (addr->ss_family == AF_INET6) {
		memcpy(out, &in6->sin6_addr, sizeof(in6->sin6_addr));
		*port = in6->sin6_port;
	} else {
		out[0] = in->sin_addr.s_addr;
		*port = in->sin_port;
	}
}

/* --- sock_diag --- */

static int on_answer(const struct nlmsghdr *nlh, void *ctx)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct found *found = ctx;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return MNL_CB_ERROR;
	*found = (struct found){ msg->idiag_state, msg->idiag_inode, msg->idiag_uid };
	return MNL_CB_STOP;
}

static int exchange(struct mnl_socket *sock, struct nlmsghdr *nlh, struct found *found)
{
	/* It answers within the call; should it ever not, the daemon must not stand still. */
	const struct timeval patience = { .tv_sec = 1 };
	char answer[4096] __attribute__((aligned(8)));
	ssize_t len;

	setsockopt(mnl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	len = mnl_socket_recvfrom(sock, answer, sizeof(answer));
	if (len < 0)
		return -errno;
	return mnl_cb_run(answer, len, nlh->nlmsg_seq, mnl_socket_get_portid(sock), on_answer,
			  found) < 0 ? -errno : 0;
}

static int ask_kernel(const struct sockaddr_storage *local, const struct sockaddr_storage *remote,
		      struct found *found)
{
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *request;
	int err;

	if (!sock)
		return -errno;
	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nlh->nlmsg_seq = 1;
	request = mnl_nlmsg_put_extra_header(nlh, sizeof(*request));
	request->sdiag_family = local->ss_family;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states = ALL_STATES;
	put(local, request->id.idiag_src, &request->id.idiag_sport);
	put(remote, request->id.idiag_dst, &request->id.idiag_dport);
	request->id.idiag_cookie[0] = request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	err = exchange(sock, nlh, found);
	mnl_socket_close(sock);
	return err;
}

/* --- /proc --- */

/* "0100007F:09C4": words in the host's order, as they lie in memory */
static bool parse_end(const char *text, int family, __be32 addr[4], __be16 *port)
{
	unsigned int words = family == AF_INET6 ? 4 : 1, value;

	if (strlen(text) != words * 8 + 5)
		return false;
	for (unsigned int i = 0; i < words; i++, text += 8) {
		if (sscanf(text, "%8x", &value) != 1)
			return false;
		addr[i] = value;
	}
	if (sscanf(text, ":%4x", &value) != 1)
		return false;
	*port = htons(value);
	return true;
}

static bool is_end(const char *text, const struct sockaddr_storage *addr)
{
	__be32 wanted[4] = { 0 }, got[4] = { 0 };
	__be16 wanted_port, port;

	put(addr, wanted, &wanted_port);
	return parse_end(text, addr->ss_family, got, &port) && port == wanted_port &&
	       !memcmp(wanted, got, sizeof(got));
}

static int read_list(const struct sockaddr_storage *local, const struct sockaddr_storage *remote,
		     struct found *found)
{
	FILE *file = fopen(local->ss_family == AF_INET6 ? "/proc/self/net/tcp6"
							: "/proc/self/net/tcp", "re");
	char line[512], here[64], there[64];
	int err = -ENOENT;

	if (!file)
		return -errno;
	while (err && fgets(line, sizeof(line), file))
		if (sscanf(line, " %*d: %63s %63s %x %*s %*s %*s %u %*d %" SCNu32, here, there,
			   &found->state, &found->uid, &found->inode) == 5 &&
		    is_end(here, local) && is_end(there, remote))
			err = 0;
	fclose(file);
	return err;
}

int peer_tcp_owner_listed(const struct sockaddr_storage *local,
			  const struct sockaddr_storage *remote, uid_t *uid)
{
	struct found found = { 0 };
	int err = read_list(local, remote, &found);

	if (err)
		return err;
	*uid = found.uid;
	return is_held_open(&found) ? 0 : -ENOENT;
}

int peer_tcp_owner(const struct sockaddr_storage *local, const struct sockaddr_storage *remote,
		   uid_t *uid)
{
	struct found found = { 0 };

	if (ask_kernel(local, remote, &found))
		return peer_tcp_owner_listed(local, remote, uid);
	*uid = found.uid;
	return is_held_open(&found) ? 0 : -ENOENT;
}
