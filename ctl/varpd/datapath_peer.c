// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pair's ends as links: whose they are, and that they keep silent. Called by join, adoption and
 * whoever changes an MTU. Knows nothing of nodes.
 *
 * A pair belongs to no record until it is complete; so its peer carries the instance's name as its
 * alias, and from the very first a group that follows from it. What a varpd left that was killed
 * in the middle of a join is known by them.
 */
#include "datapath_internal.h"

#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ALIAS_PREFIX	"varp:"

/* --- Whose they are --- */

/* FNV-1a, never in the range that people give numbers in. */
uint32_t dp_peer_group(const struct datapath *dp)
{
	uint32_t group = 2166136261U;

	for (const char *c = dp->instance; *c; c++)
		group = (group ^ (uint8_t)*c) * 16777619U;
	return group % 0x3fffffffU + 0x40000000U;
}

static void alias_of(const struct datapath *dp, char alias[NETLINK_ALIAS_LEN])
{
	snprintf(alias, NETLINK_ALIAS_LEN, ALIAS_PREFIX "%s", dp->instance);
}

/* Best effort: the group says it too. */
void dp_peer_mark(struct datapath *dp, uint32_t ifindex)
{
	char alias[NETLINK_ALIAS_LEN];

	alias_of(dp, alias);
	netlink_link_alias(dp->nl, ifindex, alias);
}

/* Only the alias counts once the link is up: that was given by us or on purpose. */
static int reclaim(const struct netlink_link *link, void *ctx)
{
	char alias[NETLINK_ALIAS_LEN];
	struct datapath *dp = ctx;
	int err;

	alias_of(dp, alias);
	if (dp_device_find(dp, link->ifindex) ||
	    (strcmp(link->alias, alias) &&
	     ((link->flags & IFF_UP) || !link->peer || link->group != dp_peer_group(dp))))
		return 0;
	err = netlink_link_delete(dp->nl, link->ifindex);
	if (err)
		varpd_log(VARPD_LOG_WARNING, "cannot delete %s, left by a join that was cut "
			  "off: %s", link->name, strerror(-err));
	else
		varpd_log(VARPD_LOG_INFO, "deleted %s, left by a join that was cut off",
			  link->name);
	return 0;
}

void dp_peers_reclaim(struct datapath *dp)
{
	int err = netlink_each_link(dp->nl, reclaim, dp);

	if (err)
		varpd_log(VARPD_LOG_WARNING, "cannot look for devices that were left: %s",
			  strerror(-err));
}

/* --- Silence --- */

/* Best effort: the link has no IPv6 address to speak from even where this file is missing. */
static void disable_ipv6(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		varpd_log(VARPD_LOG_DEBUG, "cannot write %s", path);
	close(fd);
}

void dp_peer_quiet(struct datapath *dp, const struct netlink_link *peer)
{
	netlink_link_quiet_ipv6(dp->nl, peer->ifindex);	/* fails where IPv6 is off altogether */
	disable_ipv6(peer->name);
}

struct cleaning {
	struct netlink *nl;
	uint32_t ifindex;
};

static int delete_link_local(const struct netlink_address *address, void *ctx)
{
	const struct cleaning *cleaning = ctx;

	if (address->ifindex == cleaning->ifindex && address->addr.b[0] == 0xfe &&
	    (address->addr.b[1] & 0xc0) == 0x80)
		netlink_address_delete(cleaning->nl, address->ifindex, &address->addr,
				       address->plen);
	return 0;
}

void dp_dev_quiet_again(struct netlink *nl, uint32_t ifindex)
{
	struct cleaning cleaning = { .nl = nl, .ifindex = ifindex };

	netlink_link_quiet_ipv6(nl, ifindex);
	netlink_each_address(nl, delete_link_local, &cleaning);
}
