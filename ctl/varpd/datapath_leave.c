// SPDX-License-Identifier: BSD-2-Clause
/*
 * Leave: undoing a join, node by node; the last one of a device takes the device along. Called by
 * the control half of varpd.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The device goes on with its other addresses; so only this one is taken off it. */
static int delete_address(struct datapath *dp, const struct dp_device *device,
			  const struct dp_node *node)
{
	const struct varp_dev *record = &device->record;
	struct netlink *nl;
	int fd, err;

	if (record->here)
		return netlink_address_delete(dp->nl, record->dev, &node->key.vaddr, node->plen);
	fd = netns_open(record->netns);
	if (fd < 0)
		return fd;
	err = netlink_open(&nl, fd);
	close(fd);
	if (err)
		return err;
	err = netlink_address_delete(nl, record->dev, &node->key.vaddr, node->plen);
	netlink_close(nl);
	return err;
}

static void leave_node(struct datapath *dp, struct dp_device *device, struct dp_node *node)
{
	char dev[VARP_IFNAME_LEN], snid[VARP_SNID_TEXT], vaddr[VARP_ADDR_TEXT];
	struct varp_key key = node->key;
	int err;

	memcpy(dev, device->record.name, sizeof(dev));
	if (node->next || node != device->nodes) {
		err = delete_address(dp, device, node);
		if (err && err != -EADDRNOTAVAIL)
			varpd_log(VARPD_LOG_WARNING, "cannot take the address off %s: %s", dev,
				  strerror(-err));
		dp_node_remove(dp, device, node);
		dp_supernet_update(dp, &key.snid);
		dp_devices_rebind(dp);	/* without its last IPv6 node it may have a lower MTU */
	} else {
		dp_device_free(dp, device);
	}
	varpd_log(VARPD_LOG_INFO, "left %s as %s on %s", varp_snid_format(&key.snid, snid),
		  varp_addr_format(&key.vaddr, vaddr), dev);
	dp_changed(dp, "detach", dev, &key);
}

static bool leave_any(struct datapath *dp, const struct varp_snid *snid)
{
	struct dp_device *device, *next;

	HASH_ITER(hh_peer, dp->by_peer, device, next) {
		if (device->nodes && varp_snid_equal(&device->record.snid, snid)) {
			leave_node(dp, device, device->nodes);
			return true;
		}
	}
	return false;
}

int datapath_leave(struct datapath *dp, const struct varp_snid *snid, const struct varp_addr *vaddr,
		   struct varpd_error *error)
{
	char snid_text[VARP_SNID_TEXT], vaddr_text[VARP_ADDR_TEXT];
	unsigned int left = 0;
	struct dp_device *device;
	struct dp_node *node;
	struct varp_key key;

	if (!vaddr) {
		/* Anew each time: an upcall may have changed the lists. */
		while (left < VARP_MAX_NODES && leave_any(dp, snid))
			left++;
		return left ? 0 : varpd_fail(error, -ENOENT, "no node of supernet %s is here",
					     varp_snid_format(snid, snid_text));
	}
	key = varp_key_make(snid, vaddr);
	node = dp_node_find(dp, &key, &device);
	if (!node)
		return varpd_fail(error, -ENOENT, "%s in supernet %s is not a node of this host",
				  varp_addr_format(vaddr, vaddr_text),
				  varp_snid_format(snid, snid_text));
	leave_node(dp, device, node);
	return 0;
}

bool datapath_is_local(struct datapath *dp, const struct varp_key *key, struct varp_local *local)
{
	/* The mark of a joined supernet is no node. */
	if (varp_addr_is_zero(&key->vaddr) || !dp_node_find(dp, key, NULL))
		return false;
	return !local || !bpf_map_lookup_elem(dp->maps.local, key, local);
}
