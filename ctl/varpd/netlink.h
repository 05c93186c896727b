/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the datapath asks of rtnetlink, in the daemon's network namespace or another one: links,
 * addresses, veth pairs, filters. A thin layer over libmnl; it keeps no state and logs nothing.
 * Functions return 0 or the kernel's -errno.
 */
#ifndef VARPD_NETLINK_H
#define VARPD_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <varp/abi.h>
#include "helper.h"

struct netlink;
struct nlmsghdr;

/*
 * Opens a namespace by its name under /run/netns or by a path; a descriptor or -errno. -EINVAL:
 * what is there is no namespace.
 */
int netns_open(const char *netns);
/* Is it the one the caller is in? */
bool netns_is_own(int netns_fd);
/* Is it the one of that name or path, however it is called? */
bool netns_is(int netns_fd, const char *netns);
/* Of the one the caller is in; zero: cannot be told. */
uint64_t netns_inode(void);
/* Opens a socket inside a namespace (-1: the caller's own). A descriptor or -errno. */
int netns_socket(int netns_fd, enum helper_socket kind);

/*
 * netns_fd -1: the caller's own. The socket is opened inside and stays there; the caller ends up
 * where it was.
 */
int netlink_open(struct netlink **out, int netns_fd);
void netlink_close(struct netlink *nl);

#define NETLINK_ALIAS_LEN	64

struct netlink_link {
	uint32_t ifindex;
	uint32_t peer;		/* IFLA_LINK: of a veth, the other end's index over there */
	uint32_t mtu;
	uint32_t flags;		/* IFF_* */
	uint32_t group;
	uint16_t type;		/* ARPHRD_* */
	uint8_t mac[6];
	char name[VARP_IFNAME_LEN];
	char alias[NETLINK_ALIAS_LEN];	/* cut off if it is longer */
};

/* By name if that is not NULL, else by index. -ENODEV */
int netlink_link_get(struct netlink *nl, const char *name, uint32_t ifindex,
		     struct netlink_link *link);
/* visit returns 0 to go on, or an error that ends the walk. */
int netlink_each_link(struct netlink *nl, int (*visit)(const struct netlink_link *link, void *ctx),
		      void *ctx);
/* Reads a RTM_NEWLINK or RTM_DELLINK message; -EINVAL. */
int netlink_parse_link(const struct nlmsghdr *nlh, struct netlink_link *link);

/*
 * Both ends down; `peer` in the caller's namespace and of this group, `dev` in that of netns_fd.
 * -EEXIST: one of the names is taken.
 */
int netlink_veth_create(struct netlink *nl, const char *peer, uint32_t group, const char *dev,
			int netns_fd, uint32_t mtu);
/*
 * Of both families, without a VNI that it accepts, down. -EEXIST; -EOPNOTSUPP: the kernel has no
 * VXLAN. That the port is taken shows when the link is set up: -EADDRINUSE.
 */
int netlink_vxlan_create(struct netlink *nl, const char *name, uint16_t port);
int netlink_link_alias(struct netlink *nl, uint32_t ifindex, const char *alias);
int netlink_link_delete(struct netlink *nl, uint32_t ifindex);
int netlink_link_mtu(struct netlink *nl, uint32_t ifindex, uint32_t mtu);
int netlink_link_flags(struct netlink *nl, uint32_t ifindex, uint32_t flags, uint32_t mask);
/* No IPv6 address by itself, so no router solicitation or duplicate detection either. */
int netlink_link_quiet_ipv6(struct netlink *nl, uint32_t ifindex);
/* Packets that come in there are forwarded, IPv4's. */
int netlink_link_forward(struct netlink *nl, uint32_t ifindex);

struct netlink_address {
	uint32_t ifindex;
	uint32_t flags;		/* IFA_F_* */
	uint8_t scope;		/* RT_SCOPE_* */
	uint8_t plen;		/* in the address's own family */
	struct varp_addr addr;
};

int netlink_each_address(struct netlink *nl,
			 int (*visit)(const struct netlink_address *address, void *ctx), void *ctx);
int netlink_address_add(struct netlink *nl, uint32_t ifindex, const struct varp_addr *addr,
			unsigned int plen);
/*
 * Waits, a tenth of a second at most, until packets to the address are taken in: the kernel finishes
 * adding an IPv6 address a moment after it says so.
 */
void netlink_address_await(struct netlink *nl, const struct varp_addr *addr);
int netlink_address_delete(struct netlink *nl, uint32_t ifindex, const struct varp_addr *addr,
			   unsigned int plen);

/* How many filters hang on a clsact qdisc, both directions. */
int netlink_count_filters(struct netlink *nl, uint32_t ifindex, unsigned int *count);

/* --- For netlink_*.c -------------------------------------------------------------------------- */

#define NETLINK_BUFFER	32768

struct netlink_request {
	struct nlmsghdr *nlh;
	char buf[2048] __attribute__((aligned(8)));
};

/* Starts a message of `type` with a zeroed family header of that length, and returns the header. */
void *netlink_request_init(struct netlink_request *request, uint16_t type, uint16_t flags,
			   size_t header_len);
/* Sends it and hands each answer to `cb` (libmnl's convention; NULL: only the verdict counts). */
int netlink_talk(struct netlink *nl, struct netlink_request *request,
		 int (*cb)(const struct nlmsghdr *nlh, void *ctx), void *ctx);

#endif
