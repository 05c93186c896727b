// SPDX-License-Identifier: BSD-2-Clause
/*
 * Listens to rtnetlink in the daemon's namespace. News that concern us, or lost news, start one
 * reconciliation (datapath_reconcile.c) a moment later. Set up by datapath.c.
 */
#include "datapath_internal.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NEWS_PER_TURN	64
#define SETTLE_MS	10	/* changes come in bursts */
#define AGAIN_MS	250	/* after a failure */

struct dp_watch {
	struct datapath *dp;
	struct mnl_socket *sock;
	struct event *readable;
	struct event *settled;
	bool scheduled;
	bool failing;		/* the last attempt failed, and the log says so */
	char buf[NETLINK_BUFFER] __attribute__((aligned(8)));	/* of netlink messages */
};

static void schedule(struct dp_watch *watch, unsigned int ms)
{
	const struct timeval wait = { .tv_usec = ms * 1000 };

	if (!watch->scheduled)
		event_add(watch->settled, &wait);
	watch->scheduled = true;
}

void dp_watch_again(struct datapath *dp)
{
	schedule(dp->watch, AGAIN_MS);
}

static void on_settled(evutil_socket_t fd, short what, void *ctx)
{
	struct dp_watch *watch = ctx;
	int err;

	(void)fd;
	(void)what;
	watch->scheduled = false;
	err = dp_reconcile(watch->dp);
	if (err)
		schedule(watch, AGAIN_MS);
	/* EINTR: things go on changing while they are read. */
	if (err && err != -EINTR && !watch->failing)
		varpd_log(VARPD_LOG_ERROR, "cannot follow the interfaces: %s; trying again",
			  strerror(-err));
	watch->failing = err && err != -EINTR;
}

static bool concerns_us(struct datapath *dp, const struct nlmsghdr *nlh)
{
	struct netlink_link link;

	switch (nlh->nlmsg_type) {
	case RTM_NEWADDR:
	case RTM_DELADDR: {
		const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);

		return mnl_nlmsg_get_payload_len(nlh) >= sizeof(*ifa) &&
		       dp_underlay_by_index(dp, ifa->ifa_index);
	}
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return !netlink_parse_link(nlh, &link) &&
		       (dp_underlay_by_index(dp, link.ifindex) || dp_underlay_find(dp, link.name) ||
			dp_device_find(dp, link.ifindex) || dp_merge_is(link.name));
	}
	return false;
}

static int on_message(const struct nlmsghdr *nlh, void *ctx)
{
	struct dp_watch *watch = ctx;

	if (nlh->nlmsg_type == RTM_DELLINK && dp_merge_port_freed(watch->dp, nlh))
		schedule(watch, SETTLE_MS);
	if (concerns_us(watch->dp, nlh))
		schedule(watch, SETTLE_MS);
	return MNL_CB_OK;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct dp_watch *watch = ctx;

	(void)fd;
	(void)what;
	for (int i = 0; i < NEWS_PER_TURN; i++) {
		ssize_t len = mnl_socket_recvfrom(watch->sock, watch->buf, sizeof(watch->buf));

		if (len > 0) {
			mnl_cb_run(watch->buf, (size_t)len, 0, 0, on_message, watch);
			continue;
		}
		if (len < 0 && errno == ENOBUFS) {	/* some news were lost */
			schedule(watch, SETTLE_MS);
			continue;
		}
		return;
	}
}

int dp_watch_open(struct datapath *dp, struct varpd_error *error)
{
	struct dp_watch *watch = calloc(1, sizeof(*watch));
	int err = -ENOMEM;

	if (!watch)
		goto fail;
	watch->dp = dp;
	dp->watch = watch;
	watch->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!watch->sock ||
	    mnl_socket_bind(watch->sock, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
			    MNL_SOCKET_AUTOPID)) {
		err = -errno;
		goto fail;
	}
	watch->readable = event_new(dp->base, mnl_socket_get_fd(watch->sock), EV_READ | EV_PERSIST,
				    on_readable, watch);
	watch->settled = evtimer_new(dp->base, on_settled, watch);
	if (!watch->readable || !watch->settled || event_add(watch->readable, NULL))
		goto fail;
	return 0;

fail:
	dp_watch_close(dp);
	return varpd_fail(error, err, "cannot follow the interfaces: %s", strerror(-err));
}

void dp_watch_close(struct datapath *dp)
{
	struct dp_watch *watch = dp->watch;

	if (!watch)
		return;
	if (watch->readable)
		event_free(watch->readable);
	if (watch->settled)
		event_free(watch->settled);
	if (watch->sock)
		mnl_socket_close(watch->sock);
	free(watch);
	dp->watch = NULL;
}
