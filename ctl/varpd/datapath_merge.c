// SPDX-License-Identifier: BSD-2-Clause
/*
 * Merging on receipt: a kernel VXLAN socket on Geneve's port, whose receive callback merges the TCP
 * segments in our packets before decapsulation sees them (GRO). Nothing is ever received by it: our
 * packets are taken before, and the device has no VNI that it would accept. Called whenever underlays
 * or links changed. Why a VXLAN socket can do it: docs/adr/0023-merging-on-receipt.md.
 *
 * One device serves all instances of a namespace. The one that made it takes it away with its last
 * underlay; another that still needs one sees it go, and makes its own.
 */
#include "datapath_internal.h"

#include <errno.h>
#include <linux/if.h>
#include <stdio.h>
#include <string.h>

#define ALIAS_PREFIX	"varp-merge:"

static void name_of(char name[VARP_IFNAME_LEN])
{
	snprintf(name, VARP_IFNAME_LEN, "varpgro%u", VARP_GENEVE_PORT);
}

bool dp_merge_is(const char *name)
{
	char ours[VARP_IFNAME_LEN];

	name_of(ours);
	return !strcmp(name, ours);
}

static void alias_of(const struct datapath *dp, char alias[NETLINK_ALIAS_LEN])
{
	snprintf(alias, NETLINK_ALIAS_LEN, ALIAS_PREFIX "%s", dp->instance);
}

static bool is_wanted(struct datapath *dp)
{
	struct dp_underlay *underlay;

	if (!dp->config.merge)
		return false;
	DL_FOREACH(dp->underlays, underlay) {
		if (dp_underlay_present(underlay))
			return true;
	}
	return false;
}

/* Down until it is known for ours and silent. */
static int make(struct datapath *dp, const char *name)
{
	char alias[NETLINK_ALIAS_LEN];
	struct netlink_link link;
	int err;

	err = netlink_vxlan_create(dp->nl, name, VARP_GENEVE_PORT);
	if (err)
		return err;
	err = netlink_link_get(dp->nl, name, 0, &link);
	if (err)
		return err;
	alias_of(dp, alias);
	netlink_link_quiet_ipv6(dp->nl, link.ifindex);	/* fails where IPv6 is off altogether */
	err = netlink_link_alias(dp->nl, link.ifindex, alias);
	if (!err)
		err = netlink_link_flags(dp->nl, link.ifindex, IFF_UP | IFF_NOARP,
					 IFF_UP | IFF_NOARP);
	if (err)
		netlink_link_delete(dp->nl, link.ifindex);
	return err;
}

/* Somebody's device of that name; it is good if it is an instance's and up. */
static int take(struct datapath *dp, const struct netlink_link *link)
{
	if (strncmp(link->alias, ALIAS_PREFIX, strlen(ALIAS_PREFIX)))
		return -EEXIST;
	return link->flags & IFF_UP ? 0 :
	       netlink_link_flags(dp->nl, link->ifindex, IFF_UP, IFF_UP);
}

static void tell(const char *name, int err)
{
	if (err == -EADDRINUSE)
		varpd_log(VARPD_LOG_WARNING,
			  "UDP port %u is another program's or tunnel's, so TCP segments are not "
			  "merged on receipt, which costs throughput; `merge = no` silences this",
			  VARP_GENEVE_PORT);
	else
		varpd_log(VARPD_LOG_WARNING,
			  "cannot make %s (%s), so TCP segments are not merged on receipt, which "
			  "costs throughput; `merge = no` silences this",
			  name, err == -EOPNOTSUPP ? "the kernel has no VXLAN" : strerror(-err));
}

/* What fails is not tried again by itself: making and deleting a link is news that leads back here. */
static void ensure(struct datapath *dp, const char *name, const struct netlink_link *there)
{
	int err;

	if (dp->merge_failed)
		return;
	err = there ? take(dp, there) : make(dp, name);
	dp->merging = !err;
	dp->merge_failed = err && err != -ENODEV;
	if (dp->merge_failed)
		tell(name, err);
}

void dp_merge_update(struct datapath *dp)
{
	char name[VARP_IFNAME_LEN], alias[NETLINK_ALIAS_LEN];
	struct netlink_link link;
	bool there;

	name_of(name);
	alias_of(dp, alias);
	there = !netlink_link_get(dp->nl, name, 0, &link);
	if (is_wanted(dp)) {
		ensure(dp, name, there ? &link : NULL);
	} else {
		dp->merging = false;
		if (there && !strcmp(link.alias, alias))
			netlink_link_delete(dp->nl, link.ifindex);
	}
	there = dp->merging && !netlink_link_get(dp->nl, name, 0, &link);
	dp_nexthop_device(dp, there ? &link : NULL);
	snprintf(dp->features, sizeof(dp->features), "%s%s", dp->tcx ? "tcx" : "clsact",
		 dp->merging ? ",merge" : "");
}

bool dp_merge_port_freed(struct datapath *dp, const struct nlmsghdr *nlh)
{
	struct netlink_link link;

	if (!dp->merge_failed || netlink_parse_link(nlh, &link) || dp_merge_is(link.name))
		return false;
	dp->merge_failed = false;
	return true;
}

void dp_merge_retry(struct datapath *dp)
{
	dp->merge_failed = false;
}
