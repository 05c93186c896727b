// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sockets to rtnetlink in any namespace, and the one request/answer exchange that the rest is made
 * of. Called by netlink_link.c, netlink_address.c and netlink_tc.c. Knows nothing of the datapath.
 */
#include "netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/magic.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NETNS_DIR	"/run/netns/"
#define NETNS_SELF	"/proc/thread-self/ns/net"

/* A dump that was interrupted by a change is made again, at first without waiting. */
#define DUMP_TRIES		40
#define DUMP_TRIES_AT_ONCE	10
#define DUMP_PAUSE_NS		1000000

struct netlink {
	struct mnl_socket *sock;
	unsigned int seq;
	char buf[NETLINK_BUFFER] __attribute__((aligned(8)));	/* of netlink messages */
};

/* Anything may be at that path: a FIFO without a writer must not stop the daemon. */
int netns_open(const char *netns)
{
	char path[sizeof(NETNS_DIR) + VARP_NETNS_LEN];
	struct statfs fs;
	int fd;

	snprintf(path, sizeof(path), "%s%s", strchr(netns, '/') ? "" : NETNS_DIR, netns);
	if (helper_runs())
		return helper_open_netns(path);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) || fs.f_type != NSFS_MAGIC) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool netns_is_own(int netns_fd)
{
	struct stat own, other;

	return !stat(NETNS_SELF, &own) && !fstat(netns_fd, &other) && same_file(&own, &other);
}

bool netns_is(int netns_fd, const char *netns)
{
	struct stat one, other;
	bool same;
	int fd = netns_open(netns);

	if (fd < 0)
		return false;
	same = !fstat(netns_fd, &one) && !fstat(fd, &other) && same_file(&one, &other);
	close(fd);
	return same;
}

uint64_t netns_inode(void)
{
	struct stat own;

	return stat(NETNS_SELF, &own) ? 0 : own.st_ino;
}

static int open_here(enum helper_socket kind)
{
	int fd = kind == HELPER_SOCKET_ROUTE
			 ? socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)
			 : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* A socket belongs to the namespace its maker was in. varpd has one thread, so nobody else is
 * carried along. */
int netns_socket(int netns_fd, enum helper_socket kind)
{
	int own_fd, fd;

	if (netns_fd < 0)
		return open_here(kind);
	if (helper_runs())
		return helper_open_socket(netns_fd, kind);
	own_fd = open(NETNS_SELF, O_RDONLY | O_CLOEXEC);
	if (own_fd < 0)
		return -errno;
	if (setns(netns_fd, CLONE_NEWNET)) {
		fd = -errno;
		goto close_own;
	}
	fd = open_here(kind);
	/* Going on in a stranger's namespace would attach programs to the wrong devices. */
	if (setns(own_fd, CLONE_NEWNET))
		abort();
close_own:
	close(own_fd);
	return fd;
}

int netlink_open(struct netlink **out, int netns_fd)
{
	/*
	 * The kernel answers within the call; should it ever not, the daemon must not stand still.
	 */
	const struct timeval patience = { .tv_sec = 2 };
	struct netlink *nl = calloc(1, sizeof(*nl));
	int fd, err;

	if (!nl)
		return -ENOMEM;
	fd = netns_socket(netns_fd, HELPER_SOCKET_ROUTE);
	if (fd < 0) {
		err = fd;
		goto free_nl;
	}
	nl->sock = mnl_socket_fdopen(fd);
	if (!nl->sock) {
		err = -errno;
		close(fd);
		goto free_nl;
	}
	setsockopt(mnl_socket_get_fd(nl->sock), SOL_SOCKET, SO_RCVTIMEO, &patience,
		   sizeof(patience));
	if (mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID)) {
		err = -errno;
		goto close_sock;
	}
	*out = nl;
	return 0;

close_sock:
	mnl_socket_close(nl->sock);
free_nl:
	free(nl);
	return err;
}

void netlink_close(struct netlink *nl)
{
	if (!nl)
		return;
	mnl_socket_close(nl->sock);
	free(nl);
}

void *netlink_request_init(struct netlink_request *request, uint16_t type, uint16_t flags,
			   size_t header_len)
{
	request->nlh = mnl_nlmsg_put_header(request->buf);
	request->nlh->nlmsg_type = type;
	request->nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	return mnl_nlmsg_put_extra_header(request->nlh, header_len);
}

/* --- One message, one answer --- */

/*
 * Reads answers until the last. A callback's error ends the call; what it did not read is told
 * apart by its number.
 */
static int receive(struct netlink *nl, int (*cb)(const struct nlmsghdr *nlh, void *ctx), void *ctx)
{
	unsigned int portid = mnl_socket_get_portid(nl->sock);

	for (;;) {
		ssize_t len = mnl_socket_recvfrom(nl->sock, nl->buf, sizeof(nl->buf));
		int more;

		if (len < 0)
			return -errno;
		more = mnl_cb_run(nl->buf, (size_t)len, nl->seq, portid, cb, ctx);
		if (more < 0 && errno == EPROTO)
			continue;	/* of a request that was given up */
		if (more < 0)
			return -errno;
		if (more == MNL_CB_STOP)
			return 0;
	}
}

static int send_request(struct netlink *nl, struct netlink_request *request)
{
	request->nlh->nlmsg_seq = ++nl->seq;
	return mnl_socket_sendto(nl->sock, request->nlh, request->nlh->nlmsg_len) < 0 ? -errno : 0;
}

/* --- Dumps --- */

/*
 * A dump is collected to its end before anybody sees it. The kernel says at any point that things
 * changed meanwhile, and then all of it is void; and one that was left half read would keep the
 * socket busy for the next.
 */
struct dump {
	char *octets;
	size_t len, room;
	int err;		/* what became of it, once it has ended */
	bool ended;
};

static void keep(struct dump *dump, const struct nlmsghdr *nlh)
{
	size_t len = MNL_ALIGN(nlh->nlmsg_len);

	if (dump->len + len > dump->room) {
		size_t room = 2 * dump->room + len;
		char *more = realloc(dump->octets, room);

		if (!more) {
			dump->err = -ENOMEM;
			return;
		}
		dump->octets = more;
		dump->room = room;
	}
	memset(dump->octets + dump->len, 0, len);
	memcpy(dump->octets + dump->len, nlh, nlh->nlmsg_len);
	dump->len += len;
}

static void take_message(struct dump *dump, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *verdict = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		dump->err = -EINTR;
	if (nlh->nlmsg_type == NLMSG_DONE) {
		dump->ended = true;
	} else if (nlh->nlmsg_type == NLMSG_ERROR) {
		dump->ended = true;
		dump->err = mnl_nlmsg_get_payload_len(nlh) >= sizeof(*verdict) ? verdict->error :
										 -EBADMSG;
	} else if (nlh->nlmsg_type >= NLMSG_MIN_TYPE && !dump->err) {
		keep(dump, nlh);
	}
}

/* One attempt. What is left of an earlier request is skipped, and so got out of the way. */
static int dump_once(struct netlink *nl, struct netlink_request *request, struct dump *dump)
{
	unsigned int portid = mnl_socket_get_portid(nl->sock);
	int err = send_request(nl, request);

	dump->len = 0;
	dump->err = 0;
	dump->ended = false;
	while (!err && !dump->ended) {
		ssize_t got = mnl_socket_recvfrom(nl->sock, nl->buf, sizeof(nl->buf));
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)nl->buf;
		int len = (int)got;

		if (got < 0)
			err = -errno;
		for (; !err && mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq == nl->seq && nlh->nlmsg_pid == portid)
				take_message(dump, nlh);
		}
	}
	return err ? err : dump->err;
}

static int show(const struct dump *dump, int (*cb)(const struct nlmsghdr *nlh, void *ctx),
		void *ctx)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)dump->octets;
	int len = (int)dump->len;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (cb(nlh, ctx) == MNL_CB_ERROR)
			return -errno;
	}
	return 0;
}

static int dump_all(struct netlink *nl, struct netlink_request *request,
		    int (*cb)(const struct nlmsghdr *nlh, void *ctx), void *ctx)
{
	const struct timespec pause = { .tv_nsec = DUMP_PAUSE_NS };
	struct dump dump = { 0 };
	int err = -EINTR;

	for (int try = 0; (err == -EINTR || err == -EBUSY) && try < DUMP_TRIES; try++) {
		if (try >= DUMP_TRIES_AT_ONCE)
			nanosleep(&pause, NULL);
		err = dump_once(nl, request, &dump);
	}
	if (!err && dump.len)
		err = show(&dump, cb, ctx);
	free(dump.octets);
	return err;
}

int netlink_talk(struct netlink *nl, struct netlink_request *request,
		 int (*cb)(const struct nlmsghdr *nlh, void *ctx), void *ctx)
{
	int err;

	/* A dump ends by itself. Its two bits mean something else in requests that create. */
	if ((request->nlh->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP)
		return dump_all(nl, request, cb, ctx);
	request->nlh->nlmsg_flags |= NLM_F_ACK;
	err = send_request(nl, request);
	return err ? err : receive(nl, cb, ctx);
}
