// SPDX-License-Identifier: BSD-2-Clause
/*
 * Addresses of links: reading, adding, deleting. Called by datapath_node.c and datapath_watch.c.
 */
#include "netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"

#define READY_TRIES	100
#define READY_US	1000

struct walk {
	int (*visit)(const struct netlink_address *address, void *ctx);
	void *ctx;
};

struct attrs {
	const struct nlattr *address, *local, *flags;
};

static int parse_attr(const struct nlattr *attr, void *data)
{
	struct attrs *attrs = data;

	switch (mnl_attr_get_type(attr)) {
	case IFA_ADDRESS:
		attrs->address = attr;
		break;
	case IFA_LOCAL:
		attrs->local = attr;
		break;
	case IFA_FLAGS:
		attrs->flags = attr;
		break;
	}
	return MNL_CB_OK;
}

/*
 * On a point-to-point link IFA_ADDRESS is the other end's and IFA_LOCAL ours; elsewhere they agree
 * or LOCAL is missing.
 */
static int parse(const struct nlmsghdr *nlh, struct netlink_address *address)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct attrs attrs = { 0 };
	const struct nlattr *ours;
	uint16_t len;

	memset(address, 0, sizeof(*address));
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa))
		return -EINVAL;
	mnl_attr_parse(nlh, sizeof(*ifa), parse_attr, &attrs);
	ours = attrs.local ? attrs.local : attrs.address;
	len = ifa->ifa_family == AF_INET ? 4 : 16;
	if (!ours || mnl_attr_get_payload_len(ours) != len)
		return -EINVAL;
	address->ifindex = ifa->ifa_index;
	address->flags = attrs.flags ? mnl_attr_get_u32(attrs.flags) : ifa->ifa_flags;
	address->scope = ifa->ifa_scope;
	address->plen = ifa->ifa_prefixlen;
	if (len == 4)
		memset(&address->addr.b[10], 0xff, 2);
	memcpy(&address->addr.b[16 - len], mnl_attr_get_payload(ours), len);
	return 0;
}

static int visit_address(const struct nlmsghdr *nlh, void *ctx)
{
	const struct walk *walk = ctx;
	struct netlink_address address;
	int err;

	if (parse(nlh, &address))
		return MNL_CB_OK;	/* of a family that is none of ours */
	err = walk->visit(&address, walk->ctx);
	errno = -err;
	return err ? MNL_CB_ERROR : MNL_CB_OK;
}

int netlink_each_address(struct netlink *nl,
			 int (*visit)(const struct netlink_address *address, void *ctx), void *ctx)
{
	struct walk walk = { .visit = visit, .ctx = ctx };
	struct netlink_request request;

	netlink_request_init(&request, RTM_GETADDR, NLM_F_DUMP, sizeof(struct ifaddrmsg));
	return netlink_talk(nl, &request, visit_address, &walk);
}

static int change(struct netlink *nl, uint16_t type, uint16_t flags, uint32_t ifindex,
		  const struct varp_addr *addr, unsigned int plen)
{
	struct netlink_request request;
	bool v4 = varp_addr_is_v4(addr);
	uint16_t len = v4 ? 4 : 16;
	struct ifaddrmsg *ifa;

	ifa = netlink_request_init(&request, type, flags, sizeof(*ifa));
	ifa->ifa_family = v4 ? AF_INET : AF_INET6;
	ifa->ifa_prefixlen = (uint8_t)plen;
	ifa->ifa_index = ifindex;
	/* Nobody else can have it: the device is ours alone, and neighbours are not asked. */
	ifa->ifa_flags = v4 ? 0 : IFA_F_NODAD;
	mnl_attr_put(request.nlh, IFA_LOCAL, len, &addr->b[16 - len]);
	mnl_attr_put(request.nlh, IFA_ADDRESS, len, &addr->b[16 - len]);
	return netlink_talk(nl, &request, NULL, NULL);
}

int netlink_address_add(struct netlink *nl, uint32_t ifindex, const struct varp_addr *addr,
			unsigned int plen)
{
	return change(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, addr, plen);
}

int netlink_address_delete(struct netlink *nl, uint32_t ifindex, const struct varp_addr *addr,
			   unsigned int plen)
{
	return change(nl, RTM_DELADDR, 0, ifindex, addr, plen);
}

static int note_route_type(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	uint8_t *type = ctx;

	if (nlh->nlmsg_type == RTM_NEWROUTE && mnl_nlmsg_get_payload_len(nlh) >= sizeof(*rtm))
		*type = rtm->rtm_type;
	return MNL_CB_OK;
}

static bool is_ready(struct netlink *nl, const struct varp_addr *addr)
{
	struct netlink_request request;
	bool v4 = varp_addr_is_v4(addr);
	uint16_t len = v4 ? 4 : 16;
	uint8_t type = RTN_UNSPEC;
	struct rtmsg *rtm;

	rtm = netlink_request_init(&request, RTM_GETROUTE, 0, sizeof(*rtm));
	rtm->rtm_family = v4 ? AF_INET : AF_INET6;
	rtm->rtm_dst_len = (uint8_t)(len * 8);
	mnl_attr_put(request.nlh, RTA_DST, len, &addr->b[16 - len]);
	return !netlink_talk(nl, &request, note_route_type, &type) && type == RTN_LOCAL;
}

void netlink_address_await(struct netlink *nl, const struct varp_addr *addr)
{
	for (int try = 0; try < READY_TRIES && !is_ready(nl, addr); try++)
		usleep(READY_US);
}
