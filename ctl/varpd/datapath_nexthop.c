// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lets the programs ask the routes: bpf_fib_lookup answers for packets of a device that forwards, so
 * one is made to. It is merging's device, at which nothing ever comes in; no packet is forwarded that
 * was not before. Called by datapath_merge.c. What the programs do with it: bpf/nexthop.h.
 */
#include "datapath_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "varp.skel.h"

/* Best effort: where it cannot be written, the kernel looks up each IPv6 packet's route. */
static void forward_ipv6(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/forwarding", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		varpd_log(VARPD_LOG_DEBUG, "cannot write %s", path);
	close(fd);
}

void dp_nexthop_device(struct datapath *dp, const struct netlink_link *link)
{
	int err;

	if (!link || dp->skel->bss->route_dev == link->ifindex) {
		dp->skel->bss->route_dev = link ? link->ifindex : 0;
		return;
	}
	err = netlink_link_forward(dp->nl, link->ifindex);
	if (err) {
		varpd_log(VARPD_LOG_DEBUG, "cannot make %s forward: %s", link->name, strerror(-err));
		return;
	}
	forward_ipv6(link->name);
	dp->skel->bss->route_dev = link->ifindex;
}
