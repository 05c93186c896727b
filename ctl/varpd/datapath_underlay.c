// SPDX-License-Identifier: BSD-2-Clause
/*
 * Underlays: interfaces on which our Geneve packets come in, and whose addresses and MTU nodes take
 * on. Called by the control half of varpd (attach, detach), by adoption and by the watch.
 *
 * An attached interface that goes away is remembered by name, also over a restart, and attached
 * again when one of that name comes back; only detach forgets it. Its record then stands in
 * varp_underlays under a key with the bit DP_ABSENT.
 */
#include "datapath_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <stdlib.h>
#include <string.h>

struct dp_underlay *dp_underlay_find(struct datapath *dp, const char *name)
{
	struct dp_underlay *underlay;

	DL_FOREACH(dp->underlays, underlay) {
		if (!strncmp(underlay->record.name, name, VARP_IFNAME_LEN))
			return underlay;
	}
	return NULL;
}

struct dp_underlay *dp_underlay_by_index(struct datapath *dp, uint32_t ifindex)
{
	struct dp_underlay *underlay;

	DL_FOREACH(dp->underlays, underlay) {
		if (underlay->key == ifindex)
			return underlay;
	}
	return NULL;
}

bool dp_underlay_has(struct datapath *dp, const struct dp_underlay *underlay,
		     const struct varp_addr *addr)
{
	uint32_t ifindex;

	return dp_underlay_present(underlay) &&
	       !bpf_map_lookup_elem(dp->maps.raddrs, addr, &ifindex) && ifindex == underlay->key;
}

bool dp_raddr_is_own(struct datapath *dp, const struct varp_addr *addr)
{
	struct dp_raddr *raddr;

	HASH_FIND(hh, dp->raddrs, addr, sizeof(*addr), raddr);
	return raddr;
}

void dp_raddrs_free(struct datapath *dp)
{
	struct dp_raddr *raddr, *next;

	HASH_ITER(hh, dp->raddrs, raddr, next) {
		HASH_DEL(dp->raddrs, raddr);
		free(raddr);
	}
}

/* A copy, since every answer is held against them. One that finds no memory is missing in it: a
 * loop is then broken by its packets' TTL. */
void dp_raddrs_read(struct datapath *dp)
{
	struct varp_addr addr, next;
	struct dp_raddr *raddr;
	int end = bpf_map_get_next_key(dp->maps.raddrs, NULL, &next);

	dp_raddrs_free(dp);
	while (!end) {
		addr = next;
		end = bpf_map_get_next_key(dp->maps.raddrs, &addr, &next);
		raddr = calloc(1, sizeof(*raddr));
		if (!raddr)
			return;
		raddr->addr = addr;
		HASH_ADD(hh, dp->raddrs, addr, sizeof(raddr->addr), raddr);
		if (!raddr->hh.tbl) {
			free(raddr);
			return;
		}
	}
}

static void list_raddr(char *text, size_t len, const struct varp_addr *addr)
{
	size_t used = strlen(text);
	char one[VARP_ADDR_TEXT];

	if (!varp_addr_is_zero(addr))
		snprintf(text + used, len - used, " %s", varp_addr_format(addr, one));
}

int dp_underlay_check(struct datapath *dp, const struct varp_addr *raddr, struct varpd_error *error)
{
	char there[160] = "", wanted[VARP_ADDR_TEXT];
	struct dp_underlay *underlay;

	if (!dp->underlays)
		return varpd_fail(error, -ENETDOWN,
				  "no interface is attached; first: varpctl attach IFACE");
	if (varp_addr_is_zero(raddr))
		return 0;
	DL_FOREACH(dp->underlays, underlay) {
		if (dp_underlay_has(dp, underlay, raddr))
			return 0;
		list_raddr(there, sizeof(there), &underlay->record.raddr4);
		list_raddr(there, sizeof(there), &underlay->record.raddr6);
	}
	return varpd_fail(error, -EADDRNOTAVAIL,
			  "%s is not an address of an attached interface; these are:%s",
			  varp_addr_format(raddr, wanted), there[0] ? there : " none");
}

/* A key for an underlay without an interface. */
static uint32_t absent_key(struct datapath *dp)
{
	uint32_t key = DP_ABSENT;

	while (dp_underlay_by_index(dp, key))
		key++;
	return key;
}

int dp_underlay_store(struct datapath *dp, struct dp_underlay *underlay)
{
	return bpf_map_update_elem(dp->maps.underlays, &underlay->key, &underlay->record,
				   BPF_ANY) ? -errno : 0;
}

struct dp_underlay *dp_underlay_new(struct datapath *dp, const char *name)
{
	struct dp_underlay *underlay, *other;
	unsigned int count;

	DL_COUNT(dp->underlays, other, count);
	if (count >= VARP_MAX_UNDERLAYS)
		return NULL;
	underlay = calloc(1, sizeof(*underlay));
	if (!underlay)
		return NULL;
	underlay->key = absent_key(dp);
	strncpy(underlay->record.name, name, VARP_IFNAME_LEN - 1);
	DL_APPEND(dp->underlays, underlay);
	return underlay;
}

static void drop_raddrs(struct datapath *dp, uint32_t ifindex)
{
	struct varp_addr addr, next;
	uint32_t of;
	int end = bpf_map_get_next_key(dp->maps.raddrs, NULL, &next);

	while (!end) {
		addr = next;
		end = bpf_map_get_next_key(dp->maps.raddrs, &addr, &next);
		if (!bpf_map_lookup_elem(dp->maps.raddrs, &addr, &of) && of == ifindex)
			bpf_map_delete_elem(dp->maps.raddrs, &addr);
	}
	dp_raddrs_read(dp);
}

void dp_underlay_free(struct datapath *dp, struct dp_underlay *underlay)
{
	bpf_map_delete_elem(dp->maps.underlays, &underlay->key);
	DL_DELETE(dp->underlays, underlay);
	free(underlay);
}

static struct dp_attachment attachment_of(const struct varp_underlay *record)
{
	struct dp_attachment attachment = {
		.how = record->attach,
		.handle = record->tc_handle,
		.priority = record->tc_priority,
		.made_clsact = record->made_clsact,
	};

	return attachment;
}

int dp_underlay_bring(struct datapath *dp, struct dp_underlay *underlay,
		      const struct netlink_link *link)
{
	uint32_t absent = underlay->key;
	struct dp_attachment attachment;
	int err;

	err = dp_hook_attach(dp, DP_HOOK_DECAP, link->ifindex, &attachment);
	if (err)
		return err;
	underlay->key = link->ifindex;
	underlay->record.mtu = link->mtu;
	underlay->record.up = (link->flags & IFF_UP) && (link->flags & IFF_RUNNING);
	underlay->record.attach = attachment.how;
	underlay->record.tc_handle = attachment.handle;
	underlay->record.tc_priority = attachment.priority;
	underlay->record.made_clsact = attachment.made_clsact;
	err = dp_underlay_store(dp, underlay);
	if (err) {
		dp_hook_detach(dp, DP_HOOK_DECAP, link->ifindex, &attachment);
		underlay->key = absent;
		return err;
	}
	bpf_map_delete_elem(dp->maps.underlays, &absent);
	return 0;
}

void dp_underlay_lose(struct datapath *dp, struct dp_underlay *underlay)
{
	struct dp_attachment attachment = attachment_of(&underlay->record);
	char name[VARP_IFNAME_LEN];

	/* The program went with the interface; the link's pin did not. */
	if (attachment.how == VARP_ATTACH_TCX)
		dp_hook_detach(dp, DP_HOOK_DECAP, underlay->key, &attachment);
	drop_raddrs(dp, underlay->key);
	bpf_map_delete_elem(dp->maps.underlays, &underlay->key);
	memcpy(name, underlay->record.name, sizeof(name));
	memset(&underlay->record, 0, sizeof(underlay->record));
	memcpy(underlay->record.name, name, sizeof(name));
	underlay->key = absent_key(dp);
	if (dp_underlay_store(dp, underlay))
		varpd_log(VARPD_LOG_ERROR, "underlay %s will be forgotten at the next restart: its "
			  "record cannot be written", name);
}

static int check_link(struct datapath *dp, const char *dev, struct netlink_link *link,
		      struct varpd_error *error)
{
	int err;

	if (!dev[0] || strlen(dev) >= VARP_IFNAME_LEN)
		return varpd_fail(error, -EINVAL, "\"%.40s\" is not the name of an interface", dev);
	err = netlink_link_get(dp->nl, dev, 0, link);
	if (err == -ENODEV)
		return varpd_fail(error, err, "there is no interface %s; `ip link` lists them",
				  dev);
	if (err)
		return varpd_fail(error, err, "cannot look at interface %s: %s", dev,
				  strerror(-err));
	if (link->type != ARPHRD_ETHER)
		return varpd_fail(error, -EOPNOTSUPP,
				  "%s is not an Ethernet interface; only those can be underlays",
				  dev);
	if (dp_device_find(dp, link->ifindex))
		return varpd_fail(error, -EINVAL,
				  "%s belongs to a node of a supernet and cannot carry one", dev);
	return 0;
}

static void warn_if_unusable(const struct dp_underlay *underlay)
{
	const struct varp_underlay *record = &underlay->record;

	if (varp_addr_is_zero(&record->raddr4) && varp_addr_is_zero(&record->raddr6))
		varpd_log(VARPD_LOG_WARNING,
			  "underlay %s has no address yet; it is used as soon as it "
			  "gets one",
			  record->name);
	if (!record->up)
		varpd_log(VARPD_LOG_WARNING, "underlay %s is down", record->name);
}

static int attach_failed(struct varpd_error *error, int err, const char *dev)
{
	if (err == -EPERM)
		return varpd_fail(error, err, "not permitted to attach to %s: varpd needs root, or "
				  "CAP_BPF and CAP_NET_ADMIN", dev);
	if (err == -EMFILE || err == -ENFILE)
		return varpd_fail(error, err,
				  "cannot attach to %s: out of file descriptors; raise the "
				  "limit (ulimit -n, LimitNOFILE=)",
				  dev);
	/* EEXIST would say that it is attached already. */
	return varpd_fail(error, err == -EEXIST ? -EBUSY : err, "cannot attach to %s: %s", dev,
			  strerror(-err));
}

int datapath_attach(struct datapath *dp, const char *dev, struct varpd_error *error)
{
	struct dp_underlay *underlay = dp_underlay_find(dp, dev);
	struct netlink_link link;
	int err;

	if (underlay && dp_underlay_present(underlay))
		return varpd_fail(error, -EEXIST, "%s is attached already", dev);
	err = check_link(dp, dev, &link, error);
	if (err)
		return err;
	if (!underlay)
		underlay = dp_underlay_new(dp, link.name);
	if (!underlay)
		return varpd_fail(error, -ENOSPC,
				  "cannot attach %s: %d interfaces are attached, which is "
				  "the limit, or memory is short",
				  dev, VARP_MAX_UNDERLAYS);
	err = dp_underlay_bring(dp, underlay, &link);
	if (err) {
		dp_underlay_free(dp, underlay);
		return attach_failed(error, err, dev);
	}
	dp_merge_retry(dp);
	err = dp_reconcile(dp);
	if (err) {
		datapath_detach(dp, dev, NULL);
		return attach_failed(error, err, dev);
	}
	warn_if_unusable(underlay);
	varpd_log(VARPD_LOG_INFO, "attached to %s by %s, MTU %u", dev,
		  underlay->record.attach == VARP_ATTACH_TCX ? "TCX" : "clsact", link.mtu);
	dp_changed(dp, "attach", underlay->record.name, NULL);
	return 0;
}

int datapath_detach(struct datapath *dp, const char *dev, struct varpd_error *error)
{
	struct dp_underlay *underlay = dp_underlay_find(dp, dev);
	struct dp_attachment attachment;
	char name[VARP_IFNAME_LEN];

	if (!underlay)
		return varpd_fail(error, -ENOENT, "%.15s is not attached", dev);
	memcpy(name, underlay->record.name, sizeof(name));
	attachment = attachment_of(&underlay->record);
	if (dp_underlay_present(underlay)) {
		dp_hook_detach(dp, DP_HOOK_DECAP, underlay->key, &attachment);
		drop_raddrs(dp, underlay->key);
	}
	dp_underlay_free(dp, underlay);
	dp_devices_rebind(dp);
	dp_merge_update(dp);
	varpd_log(VARPD_LOG_INFO, "detached from %s", name);
	dp_changed(dp, "detach", name, NULL);
	return 0;
}

void datapath_each_underlay(struct datapath *dp,
			    void (*visit)(const struct datapath_underlay *u, void *ctx), void *ctx)
{
	struct dp_underlay *underlay;

	DL_FOREACH(dp->underlays, underlay) {
		struct datapath_underlay u = {
			.ifindex = dp_underlay_present(underlay) ? underlay->key : 0,
			.record = underlay->record,
		};

		visit(&u, ctx);
	}
}
