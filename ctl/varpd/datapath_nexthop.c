// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lets the programs ask the routes: bpf_fib_lookup answers for packets of a device that forwards, so
 * one is made to. It is merging's device, at which nothing ever comes in; no packet is forwarded that
 * was not before. Called by datapath_merge.c. What the programs do with it: bpf/nexthop.h.
 *
 * IPv4 only: a device that begins to forward IPv6 has the kernel throw away all default routes that
 * came by router advertisements, whichever device it is.
 */
#include "datapath_internal.h"

#include <string.h>

#include "varp.skel.h"

void dp_nexthop_device(struct datapath *dp, const struct netlink_link *link)
{
	uint32_t *now = &dp->skel->bss->route_dev, wanted = link ? link->ifindex : 0;
	int err;

	/* Making it forward is news of a link, which leads back here. */
	if (*now == wanted)
		return;
	*now = 0;
	err = link ? netlink_link_forward(dp->nl, link->ifindex) : 0;
	if (err)
		varpd_log(VARPD_LOG_DEBUG, "cannot make %s forward: %s", link->name, strerror(-err));
	else
		*now = wanted;
}
