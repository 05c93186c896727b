// SPDX-License-Identifier: BSD-2-Clause
/*
 * Join: making this host a node of a supernet. Called by the control half of varpd;
 * datapath_leave.c undoes it.
 *
 * Nothing of a new node device may leave in the clear, so it comes up last: made down, records
 * written, programs attached, address given, up. The application's end may sit in another
 * namespace; the peer stays with the daemon.
 */
#include "datapath_internal.h"
#include "ethtool.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define NAME_TRIES	8

/* What a join works on. */
struct joining {
	const struct datapath_join *join;
	const char *netns;		/* as kept in records: empty for the daemon's own */
	bool here;
	int netns_fd;
	struct netlink *far;		/* in the node device's namespace */
	char name[VARP_IFNAME_LEN];
	struct varp_key key;
};

static int open_namespace(struct datapath *dp, struct joining *j, struct varpd_error *error)
{
	const char *wanted = j->join->netns && j->join->netns[0] ? j->join->netns : NULL;
	int err;

	j->netns_fd = wanted ? netns_open(wanted) :
			       open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (j->netns_fd < 0) {
		err = wanted ? j->netns_fd : -errno;
		return varpd_fail(error, err, "cannot open the network namespace %s: %s",
				  wanted ? wanted : "",
				  err == -EINVAL ? "this is not a namespace's file" :
						   strerror(-err));
	}
	j->here = netns_is_own(j->netns_fd);
	j->netns = j->here ? "" : wanted;
	if (strlen(j->netns) >= VARP_NETNS_LEN)
		return varpd_fail(error, -ENAMETOOLONG, "the network namespace's name is too long");
	if (j->here) {
		j->far = dp->nl;
		return 0;
	}
	err = netlink_open(&j->far, j->netns_fd);
	if (err)
		return varpd_fail(error, err, "cannot work in the network namespace %s: %s", wanted,
				  strerror(-err));
	return 0;
}

static void close_namespace(struct datapath *dp, struct joining *j)
{
	if (j->far && j->far != dp->nl)
		netlink_close(j->far);
	if (j->netns_fd >= 0)
		close(j->netns_fd);
}

static int choose_name(struct joining *j, struct varpd_error *error)
{
	struct netlink_link link;

	if (j->join->dev) {
		if (!varp_ifname_is_valid(j->join->dev))
			return varpd_fail(error, -EINVAL,
					  "\"%.40s\" cannot be the name of an interface",
					  j->join->dev);
		strcpy(j->name, j->join->dev);
		if (!netlink_link_get(j->far, j->name, 0, &link))
			return varpd_fail(error, -EBUSY,
					  "there is an interface %s already; choose "
					  "another name with dev, or leave dev away",
					  j->name);
		return 0;
	}
	for (unsigned int n = 0; n < VARP_MAX_NODES; n++) {
		snprintf(j->name, sizeof(j->name), "sn%u", n);
		if (netlink_link_get(j->far, j->name, 0, &link) == -ENODEV)
			return 0;
	}
	return varpd_fail(error, -ENOSPC, "sn0 to sn%d are all in use; name a device with dev",
			  VARP_MAX_NODES - 1);
}

/* Its peer is called after it where that tells them apart, else it gets a name that nobody has. */
static int make_pair(struct datapath *dp, struct joining *j, uint32_t mtu,
		     struct netlink_link *peer)
{
	char name[VARP_IFNAME_LEN];
	uint32_t number;
	int err = -EEXIST;

	for (int try = 0; err == -EEXIST && try < NAME_TRIES; try++) {
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -EIO;
		if (try == 0 && j->here && strlen(j->name) + 1 < sizeof(name))
			snprintf(name, sizeof(name), "%.14sp", j->name);
		else
			snprintf(name, sizeof(name), "v%08x", number);
		err = netlink_veth_create(dp->nl, name, dp_peer_group(dp), j->name, j->netns_fd,
					  mtu);
	}
	if (err)
		return err;
	err = netlink_link_get(dp->nl, name, 0, peer);
	if (err) {
		netlink_link_delete(dp->nl, if_nametoindex(name));
		return err;
	}
	dp_peer_mark(dp, peer->ifindex);
	return 0;
}

/*
 * Without ARP: inner packets are looked up by their IP address. Without IPv6 addresses of their own
 * the devices are silent. GRO and TCP's segmentation offloads stay as the kernel sets them.
 */
static int quieten(struct datapath *dp, struct joining *j, const struct netlink_link *peer,
		   const struct netlink_link *dev)
{
	int err;

	err = netlink_link_flags(dp->nl, peer->ifindex, IFF_NOARP, IFF_NOARP | IFF_MULTICAST);
	if (err)
		return err;
	err = netlink_link_flags(j->far, dev->ifindex, IFF_NOARP, IFF_NOARP);
	if (err)
		return err;
	dp_peer_quiet(dp, peer);
	netlink_link_quiet_ipv6(j->far, dev->ifindex);	/* fails where IPv6 is off altogether */
	/*
	 * Best effort: such a super-packet would arrive whole over a virtual underlay, where no
	 * kernel can cut it up any more (see varp_encap).
	 */
	ethtool_feature(j->netns_fd, dev->name, "tx-udp-segmentation", false);
	return 0;
}

static int address_failed(const struct joining *j, int err, struct varpd_error *error)
{
	char text[VARP_ADDR_TEXT];

	varp_addr_format(&j->join->vaddr, text);
	if (err == -EACCES || err == -EPERM || err == -EAFNOSUPPORT)
		return varpd_fail(error, err, "cannot give %s to %s: %s (is IPv6 disabled there?)",
				  text, j->name, strerror(-err));
	return varpd_fail(error, err, "cannot give %s/%u to %s: %s", text, j->join->plen, j->name,
			  strerror(-err));
}

static uint32_t least_mtu(const struct datapath_join *join)
{
	return varp_addr_is_v4(&join->vaddr) ? 0 : DP_IPV6_MTU;
}

/* Adds the node to a device whose programs are in place. Undoes its part on failure. */
static int add_node(struct datapath *dp, struct joining *j, struct dp_device *device,
		    struct varpd_error *error)
{
	struct dp_node *node = dp_node_add(dp, device, &j->key, j->join->plen);
	int err;

	if (!node)
		return varpd_fail(error, -ENOMEM, "out of memory");
	err = dp_node_store(dp, device, node);
	if (!err)
		err = dp_supernet_update(dp, &j->key.snid);
	if (err) {
		varpd_fail(error, err, "cannot record the node: %s",
			   err == -E2BIG ? "too many nodes on this host" : strerror(-err));
		goto remove_node;
	}
	if (device->mtu < least_mtu(j->join))
		dp_device_set_mtu(dp, device, least_mtu(j->join));
	err = netlink_address_add(j->far, device->record.dev, &j->join->vaddr, j->join->plen);
	if (err) {
		address_failed(j, err, error);
		goto remove_node;
	}
	return 0;

remove_node:
	dp_node_remove(dp, device, node);
	return err;
}

static int make_record(struct datapath *dp, const struct joining *j, struct varp_dev *record,
		       uint32_t *mtu, struct varpd_error *error)
{
	int supernet = dp_supernet_get(dp, &j->join->snid);

	if (supernet < 0)
		return varpd_fail(error, supernet,
				  "this host is in %d supernets, which is the limit",
				  VARP_MAX_SUPERNETS);
	memset(record, 0, sizeof(*record));
	record->snid = j->join->snid;
	record->chid = j->join->chid;
	record->mode = dp_channel_mode(dp, &record->snid, &record->chid);
	record->supernet = (uint32_t)supernet;
	record->raddr = j->join->raddr;
	record->is_peer = 1;
	record->here = j->here;
	strcpy(record->name, j->name);
	strcpy(record->netns, j->netns);
	*mtu = dp_device_bind(record, dp_device_choose(dp, record), 1500 - VARP_OVERHEAD_V4);
	if (*mtu < least_mtu(j->join))
		*mtu = least_mtu(j->join);
	return 0;
}

static int make_device(struct datapath *dp, struct joining *j, struct dp_device **out,
		       struct varpd_error *error)
{
	struct netlink_link peer, dev;
	struct dp_device *device;
	struct varp_dev record;
	uint32_t mtu = 0;
	int err;

	err = make_record(dp, j, &record, &mtu, error);
	if (err)
		return err;
	err = make_pair(dp, j, mtu, &peer);
	if (err)
		return varpd_fail(error, err, "cannot make the device %s: %s", j->name,
				  strerror(-err));
	err = netlink_link_get(j->far, j->name, 0, &dev);
	if (!err)
		err = quieten(dp, j, &peer, &dev);
	if (err)
		goto delete_pair;
	record.peer = peer.ifindex;
	record.dev = dev.ifindex;
	memcpy(record.mac, dev.mac, sizeof(record.mac));
	device = dp_device_new(dp, &record);
	if (!device) {
		err = -ENOMEM;
		goto delete_pair;
	}
	device->mtu = mtu;
	dp_device_seal(dp, device);
	err = dp_device_store(dp, device);
	if (!err)
		err = dp_device_attach(dp, device);
	if (err) {
		dp_device_free(dp, device);
		return varpd_fail(error, err, "cannot attach programs to %s: %s", j->name,
				  strerror(-err));
	}
	*out = device;
	return 0;

delete_pair:
	netlink_link_delete(dp->nl, peer.ifindex);
	return varpd_fail(error, err, "cannot set up the device %s: %s", j->name, strerror(-err));
}

static int bring_up(struct datapath *dp, struct joining *j, struct dp_device *device,
		    struct varpd_error *error)
{
	int err = netlink_link_flags(dp->nl, device->record.peer, IFF_UP, IFF_UP);

	if (!err)
		err = netlink_link_flags(j->far, device->record.dev, IFF_UP, IFF_UP);
	if (err)
		return varpd_fail(error, err, "cannot bring %s up: %s", j->name, strerror(-err));
	return 0;
}

static int check(struct datapath *dp, const struct datapath_join *join, const struct varp_key *key,
		 struct varpd_error *error)
{
	char snid[VARP_SNID_TEXT], vaddr[VARP_ADDR_TEXT];
	struct dp_device *device;

	varp_addr_format(&join->vaddr, vaddr);
	if (!varp_addr_is_unicast(&join->vaddr))
		return varpd_fail(error, -EINVAL,
				  "%s cannot be a vaddr: it is not a unicast address", vaddr);
	if (join->plen > (varp_addr_is_v4(&join->vaddr) ? 32 : 128))
		return varpd_fail(error, -EINVAL, "prefix length %u is too long for %s", join->plen,
				  vaddr);
	if (dp_node_find(dp, key, &device))
		return varpd_fail(error, -EEXIST, "%s in supernet %s is on %s already", vaddr,
				  varp_snid_format(&join->snid, snid), device->record.name);
	return dp_underlay_check(dp, &join->raddr, error);
}

static bool same_combo(const struct varp_dev *record, const struct datapath_join *join)
{
	return varp_snid_equal(&record->snid, &join->snid) &&
	       !memcmp(&record->chid, &join->chid, sizeof(join->chid));
}

static int join_device(struct datapath *dp, struct joining *j, struct varpd_error *error)
{
	const struct datapath_join *join = j->join;
	struct dp_device *device = NULL;
	int err;

	if (join->dev)
		device = dp_device_by_name(dp, join->dev, j->netns_fd);
	if (device) {
		if (!same_combo(&device->record, join))
			return varpd_fail(error, -EBUSY,
					  "%s is a device of another supernet or channel",
					  join->dev);
		strcpy(j->name, device->record.name);
		return add_node(dp, j, device, error);
	}
	err = choose_name(j, error);
	if (err)
		return err;
	err = make_device(dp, j, &device, error);
	if (err)
		return err;
	err = add_node(dp, j, device, error);
	if (!err)
		err = bring_up(dp, j, device, error);
	if (err)
		dp_device_free(dp, device);
	return err;
}

int datapath_join(struct datapath *dp, const struct datapath_join *join, struct datapath_node *out,
		  struct varpd_error *error)
{
	struct joining j = { .join = join, .netns_fd = -1 };
	char snid[VARP_SNID_TEXT], vaddr[VARP_ADDR_TEXT];
	struct varpd_error warning = { "" };
	struct dp_device *device;
	struct dp_node *node;
	int err;

	j.key = varp_key_make(&join->snid, &join->vaddr);
	err = check(dp, join, &j.key, error);
	if (err)
		return err;
	err = open_namespace(dp, &j, error);
	if (!err)
		err = join_device(dp, &j, error);
	/* Whoever is told that the join is done may count on the node being reached. */
	if (!err) {
		netlink_address_await(j.far, &join->vaddr);
		dp_node_find(dp, &j.key, &device);
		dp_warn_of_overlap(dp, j.far, device, &join->vaddr, join->plen, &warning);
	}
	close_namespace(dp, &j);
	if (err) {
		dp_supernet_update(dp, &join->snid);
		/* EEXIST is only for a node that is here. */
		return err == -EEXIST ? -EBUSY : err;
	}
	node = dp_node_find(dp, &j.key, &device);
	/* It may have been learned as another host's before; a local node is never in the cache. */
	datapath_remove(dp, &j.key);
	datapath_forget(dp, &j.key);
	dp_node_describe(device, node, out);
	out->warning = warning;
	if (*warning.text)
		varpd_log(VARPD_LOG_WARNING, "%s", warning.text);
	varpd_log(VARPD_LOG_INFO, "joined %s as %s on %s, MTU %u",
		  varp_snid_format(&join->snid, snid), varp_addr_format(&join->vaddr, vaddr),
		  device->record.name, device->mtu);
	dp_changed(dp, "attach", device->record.name, &j.key);
	return 0;
}
