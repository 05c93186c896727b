// SPDX-License-Identifier: BSD-2-Clause
/*
 * Links: reading them, making veth pairs, and their flags and MTU. Called by datapath_device.c,
 * datapath_node.c and datapath_watch.c.
 */
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>

struct walk {
	int (*visit)(const struct netlink_link *link, void *ctx);
	void *ctx;
};

static int parse_attr(const struct nlattr *attr, void *data)
{
	struct netlink_link *link = data;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		strncpy(link->name, mnl_attr_get_str(attr), sizeof(link->name) - 1);
		break;
	case IFLA_MTU:
		link->mtu = mnl_attr_get_u32(attr);
		break;
	case IFLA_LINK:
		link->peer = mnl_attr_get_u32(attr);
		break;
	case IFLA_GROUP:
		link->group = mnl_attr_get_u32(attr);
		break;
	case IFLA_IFALIAS:
		strncpy(link->alias, mnl_attr_get_str(attr), sizeof(link->alias) - 1);
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(attr) == sizeof(link->mac))
			memcpy(link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
		break;
	}
	return MNL_CB_OK;
}

int netlink_parse_link(const struct nlmsghdr *nlh, struct netlink_link *link)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	memset(link, 0, sizeof(*link));
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi))
		return -EINVAL;
	link->ifindex = (uint32_t)ifi->ifi_index;
	link->flags = ifi->ifi_flags;
	link->type = ifi->ifi_type;
	mnl_attr_parse(nlh, sizeof(*ifi), parse_attr, link);
	return 0;
}

static int store_link(const struct nlmsghdr *nlh, void *ctx)
{
	return netlink_parse_link(nlh, ctx) ? MNL_CB_ERROR : MNL_CB_OK;
}

int netlink_link_get(struct netlink *nl, const char *name, uint32_t ifindex,
		     struct netlink_link *link)
{
	struct netlink_request request;
	struct ifinfomsg *ifi;

	ifi = netlink_request_init(&request, RTM_GETLINK, 0, sizeof(*ifi));
	if (name)
		mnl_attr_put_strz(request.nlh, IFLA_IFNAME, name);
	else
		ifi->ifi_index = (int)ifindex;
	return netlink_talk(nl, &request, store_link, link);
}

static int visit_link(const struct nlmsghdr *nlh, void *ctx)
{
	const struct walk *walk = ctx;
	struct netlink_link link;
	int err = netlink_parse_link(nlh, &link);

	if (!err)
		err = walk->visit(&link, walk->ctx);
	errno = -err;
	return err ? MNL_CB_ERROR : MNL_CB_OK;
}

int netlink_each_link(struct netlink *nl, int (*visit)(const struct netlink_link *link, void *ctx),
		      void *ctx)
{
	struct walk walk = { .visit = visit, .ctx = ctx };
	struct netlink_request request;

	netlink_request_init(&request, RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg));
	/* Half as long without statistics, and less likely to be interrupted. */
	mnl_attr_put_u32(request.nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return netlink_talk(nl, &request, visit_link, &walk);
}

int netlink_veth_create(struct netlink *nl, const char *peer, uint32_t group, const char *dev,
			int netns_fd, uint32_t mtu)
{
	struct nlattr *info, *data, *other;
	struct netlink_request request;

	netlink_request_init(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
			     sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request.nlh, IFLA_IFNAME, peer);
	mnl_attr_put_u32(request.nlh, IFLA_MTU, mtu);
	mnl_attr_put_u32(request.nlh, IFLA_GROUP, group);
	info = mnl_attr_nest_start(request.nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(request.nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(request.nlh, IFLA_INFO_DATA);
	other = mnl_attr_nest_start(request.nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(request.nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request.nlh, IFLA_IFNAME, dev);
	mnl_attr_put_u32(request.nlh, IFLA_MTU, mtu);
	mnl_attr_put_u32(request.nlh, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	mnl_attr_nest_end(request.nlh, other);
	mnl_attr_nest_end(request.nlh, data);
	mnl_attr_nest_end(request.nlh, info);
	return netlink_talk(nl, &request, NULL, NULL);
}

int netlink_vxlan_create(struct netlink *nl, const char *name, uint16_t port)
{
	struct netlink_request request;
	struct nlattr *info, *data;

	netlink_request_init(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
			     sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request.nlh, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(request.nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(request.nlh, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(request.nlh, IFLA_INFO_DATA);
	mnl_attr_put_u8(request.nlh, IFLA_VXLAN_COLLECT_METADATA, 1);
	mnl_attr_put_u8(request.nlh, IFLA_VXLAN_VNIFILTER, 1);
	mnl_attr_put_u8(request.nlh, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_put_u16(request.nlh, IFLA_VXLAN_PORT, htons(port));
	mnl_attr_nest_end(request.nlh, data);
	mnl_attr_nest_end(request.nlh, info);
	return netlink_talk(nl, &request, NULL, NULL);
}

int netlink_link_delete(struct netlink *nl, uint32_t ifindex)
{
	struct netlink_request request;
	struct ifinfomsg *ifi;

	ifi = netlink_request_init(&request, RTM_DELLINK, 0, sizeof(*ifi));
	ifi->ifi_index = (int)ifindex;
	return netlink_talk(nl, &request, NULL, NULL);
}

int netlink_link_alias(struct netlink *nl, uint32_t ifindex, const char *alias)
{
	struct netlink_request request;
	struct ifinfomsg *ifi;

	ifi = netlink_request_init(&request, RTM_SETLINK, 0, sizeof(*ifi));
	ifi->ifi_index = (int)ifindex;
	mnl_attr_put_strz(request.nlh, IFLA_IFALIAS, alias);
	return netlink_talk(nl, &request, NULL, NULL);
}

int netlink_link_mtu(struct netlink *nl, uint32_t ifindex, uint32_t mtu)
{
	struct netlink_request request;
	struct ifinfomsg *ifi;

	ifi = netlink_request_init(&request, RTM_SETLINK, 0, sizeof(*ifi));
	ifi->ifi_index = (int)ifindex;
	mnl_attr_put_u32(request.nlh, IFLA_MTU, mtu);
	return netlink_talk(nl, &request, NULL, NULL);
}

int netlink_link_flags(struct netlink *nl, uint32_t ifindex, uint32_t flags, uint32_t mask)
{
	struct netlink_request request;
	struct ifinfomsg *ifi;

	ifi = netlink_request_init(&request, RTM_SETLINK, 0, sizeof(*ifi));
	ifi->ifi_index = (int)ifindex;
	ifi->ifi_flags = flags;
	ifi->ifi_change = mask;
	return netlink_talk(nl, &request, NULL, NULL);
}

int netlink_link_quiet_ipv6(struct netlink *nl, uint32_t ifindex)
{
	struct netlink_request request;
	struct nlattr *spec, *inet6;
	struct ifinfomsg *ifi;

	ifi = netlink_request_init(&request, RTM_SETLINK, 0, sizeof(*ifi));
	ifi->ifi_index = (int)ifindex;
	spec = mnl_attr_nest_start(request.nlh, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(request.nlh, AF_INET6);
	mnl_attr_put_u8(request.nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(request.nlh, inet6);
	mnl_attr_nest_end(request.nlh, spec);
	return netlink_talk(nl, &request, NULL, NULL);
}

int netlink_link_forward(struct netlink *nl, uint32_t ifindex)
{
	struct nlattr *spec, *inet, *conf;
	struct netlink_request request;
	struct ifinfomsg *ifi;

	ifi = netlink_request_init(&request, RTM_SETLINK, 0, sizeof(*ifi));
	ifi->ifi_index = (int)ifindex;
	spec = mnl_attr_nest_start(request.nlh, IFLA_AF_SPEC);
	inet = mnl_attr_nest_start(request.nlh, AF_INET);
	conf = mnl_attr_nest_start(request.nlh, IFLA_INET_CONF);
	mnl_attr_put_u32(request.nlh, IPV4_DEVCONF_FORWARDING, 1);
	mnl_attr_nest_end(request.nlh, conf);
	mnl_attr_nest_end(request.nlh, inet);
	mnl_attr_nest_end(request.nlh, spec);
	return netlink_talk(nl, &request, NULL, NULL);
}
