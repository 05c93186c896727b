/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What datapath*.c share. Nobody else includes it.
 *
 *   datapath.c            open, close, statistics
 *   datapath_load.c       the object: sizes, read-only data, pins of the maps
 *   datapath_pins.c       bpffs: mounting, directories, what other ABI versions left
 *   datapath_check.c      whether the pins are still there
 *   datapath_attach.c     programs on devices: TCX links, or filters of clsact
 *   datapath_underlay.c   attach, detach, the records of underlays
 *   datapath_device.c     node devices and their records
 *   datapath_peer.c       their links: whose they are, and that they keep silent
 *   datapath_node.c       join
 *   datapath_overlap.c    nodes that share a prefix with something else
 *   datapath_leave.c      leave, and what nodes there are
 *   datapath_former.c     what a varpd of another ABI version left
 *   datapath_adopt.c      what an earlier varpd left
 *   datapath_watch.c      rtnetlink's news
 *   datapath_reconcile.c  making records agree with interfaces and addresses
 *   datapath_supernet.c   slots of varp_supernets
 *   datapath_merge.c      the kernel socket that merges segments on receipt
 *   datapath_nexthop.c    by which device programs may ask the routes
 *   datapath_channel.c    keyed channels: keys, and what they ask of node devices
 *   datapath_shared.c     the one map that all instances of the machine share
 *   datapath_list.c       nodes as others are shown them
 *   datapath_ring.c       events from BPF
 *   datapath_send.c       packets out of a peer: held ones again, ICMP errors
 *   datapath_cache.c      entries of the cache and of open lookups
 *   datapath_settle.c     answers: held packets on their way, mappings into the cache
 *   datapath_walk.c       reading and flushing the maps
 *   datapath_sweep.c      aging, and path MTUs
 *
 * The maps are the truth that outlives the daemon; the lists here mirror them for the time it runs.
 */
#ifndef VARPD_DATAPATH_INTERNAL_H
#define VARPD_DATAPATH_INTERNAL_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "addr.h"
#include "datapath.h"
#include "held.h"
#include "log.h"
#include "netlink.h"
#include "offload.h"

#define NSEC_PER_MSEC	1000000ULL
#define NSEC_PER_SEC	1000000000ULL

#define DP_PATH_MAX	256
#define DP_INSTANCE_MAX	32
#define DP_FOUND	64	/* a power of two */
#define DP_CPUS_APART_NS NSEC_PER_MSEC	/* records of two CPUs may change places */
#define DP_IPV6_MTU	1280	/* RFC 8200, 5: least MTU of a link that carries IPv6 */

#define DP_BPFFS	"/sys/fs/bpf"
#define DP_BPFFS_VARP	DP_BPFFS "/varp"
#define DP_SHARED_PREFIX "shared-v"	/* what is not one instance's; no instance may be called so */

/*
 * Key into varp_underlays of one whose interface is gone. It is remembered by name, to be attached
 * again when it comes back; real indexes never have this bit.
 */
#define DP_ABSENT	0x80000000U

struct dp_underlay {
	uint32_t key;		/* in varp_underlays: the ifindex, or DP_ABSENT | n */
	struct varp_underlay record;
	struct dp_underlay *prev, *next;
};

/* One address of a node device: a node. */
struct dp_node {
	struct varp_key key;
	uint8_t plen;
	struct dp_device *device;	/* that it is an address of */
	struct dp_node *prev, *next;
	UT_hash_handle hh;
};

/* A key of varp_raddrs. */
struct dp_raddr {
	struct varp_addr addr;
	UT_hash_handle hh;
};

/* A node device and its peer. */
struct dp_device {
	struct varp_dev record;		/* as in varp_devs for the peer */
	uint32_t mtu;
	bool stranger;			/* what has its indexes now is another device: hands off */
	struct dp_node *nodes;
	UT_hash_handle hh_peer;		/* by record.peer */
	UT_hash_handle hh_dev;		/* by record.dev, if that is in the daemon's namespace */
};

/* Descriptors of the maps, valid while the object is loaded. */
struct dp_maps {
	int cache, pending, local, devs, underlays, raddrs, supernets, stats, events;
	int channels, senders;
	int joined;			/* shared by all instances */
};

struct varp_bpf;
struct dp_batch;
struct dp_ring;
struct dp_settle;
struct dp_sweep;
struct dp_watch;
struct ring_buffer;

struct datapath {
	struct datapath_config config;
	char instance[DP_INSTANCE_MAX + 1];
	char dir[DP_PATH_MAX];		/* .../INSTANCE/vN */
	int dir_fd;			/* the same */
	int lock_fd;			/* on DP_BPFFS, see datapath_shared.c */
	struct datapath_ops ops;
	struct event_base *base;
	struct varp_bpf *skel;
	struct dp_maps maps;
	int cpus;
	bool tcx;
	bool fresh;			/* nothing of an earlier varpd was there */
	bool open;			/* datapath_open() has returned: upcalls may be made */
	bool merging;			/* datapath_merge.c's: the socket is there */
	bool merge_failed;		/* and is not to be tried again until told so */
	char features[64];
	struct varp_supernet *supernets;	/* the mapped array, VARP_MAX_SUPERNETS long */
	unsigned int supernets_end;	/* slots from here on are free */
	bool joined[VARP_MAX_SUPERNETS];	/* the supernet in this slot has its mark in varp_local */
	uint16_t found[DP_FOUND];	/* slots that were found last, by hash of their SnId */
	uint32_t pending_room;		/* size of varp_pending */
	bool recount;			/* counts of open lookups are still to be checked */
	uint64_t netns_inode;
	uint32_t instance_id;		/* in varp_joined */
	struct netlink *nl;
	struct dp_underlay *underlays;	/* in order of attachment */
	struct dp_device *by_peer, *by_dev;
	struct dp_node *nodes;		/* of all devices, by key */
	struct dp_raddr *raddrs;
	struct dp_watch *watch;
	struct dp_ring *ring;
	struct dp_settle *settle;
	struct dp_sweep *sweep;
	struct dp_batch *batch;		/* room for dp_walk() */
	struct held *held;
	int packet_fd;			/* AF_PACKET, sends out of peers */
	struct varp_stats stats;	/* the daemon's own share */
};

static inline uint64_t dp_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static inline uint64_t dp_window_ns(const struct datapath *dp)
{
	return dp->config.window_ms * NSEC_PER_MSEC;
}

static inline void dp_count(struct datapath *dp, enum varp_drop reason, unsigned int n)
{
	dp->stats.drops[reason] += n;
}

static inline void dp_changed(struct datapath *dp, const char *event, const char *dev,
			      const struct varp_key *node)
{
	if (dp->open)
		dp->ops.changed(dp->ops.ctx, event, dev, node);
}

/* --- datapath_pins.c --- */

/* Mounts and makes directories. */
int dp_pins_prepare(struct datapath *dp, struct varpd_error *error);
void dp_pins_remove(struct datapath *dp);	/* everything of this instance and version */
void dp_pin_path(const struct datapath *dp, char path[DP_PATH_MAX], const char *name);

/* --- datapath_load.c --- */

int dp_load(struct datapath *dp, struct varpd_error *error);
void dp_unload(struct datapath *dp);
int dp_program_fd(const struct datapath *dp, const char *name);
const char *dp_pinned_name(unsigned int i);	/* of the maps; NULL: there are no more */

/* --- datapath_attach.c --- */

enum dp_hook {
	DP_HOOK_DECAP,		/* ingress of an underlay */
	DP_HOOK_ENCAP,		/* ingress of a peer */
	DP_HOOK_ENCAP_HERE,	/* egress of a node device in the daemon's namespace */
	DP_HOOK_REINJECT,	/* egress of a peer */
};

/*
 * How a program is attached. Our own devices' filters stand at a fixed place, underlays' where the
 * kernel had room.
 */
struct dp_attachment {
	enum varp_attach how;
	uint32_t handle, priority;
	bool made_clsact;
};

bool dp_tcx_supported(const struct datapath *dp);
int dp_hook_attach(struct datapath *dp, enum dp_hook hook, uint32_t ifindex,
		   struct dp_attachment *attachment);
/*
 * Puts this object's program in the place of an earlier one's. -ENOLINK: it is not attached any
 * more.
 */
int dp_hook_replace(struct datapath *dp, enum dp_hook hook, uint32_t ifindex,
		    struct dp_attachment *attachment);
/* Attached by a link whose pin is gone: then it is attached no more. */
bool dp_hook_unpinned(const struct datapath *dp, enum dp_hook hook, uint32_t ifindex, uint32_t how);
/* Also when the device has gone: then only the pin is left to remove. */
void dp_hook_detach(struct datapath *dp, enum dp_hook hook, uint32_t ifindex,
		    const struct dp_attachment *attachment);

/* --- datapath_underlay.c --- */

struct dp_underlay *dp_underlay_find(struct datapath *dp, const char *name);
struct dp_underlay *dp_underlay_by_index(struct datapath *dp, uint32_t ifindex);
/* Does this underlay have the address? */
bool dp_underlay_has(struct datapath *dp, const struct dp_underlay *underlay,
		     const struct varp_addr *addr);
/* Can a node be bound to it? Zero: to whatever underlay there is. */
int dp_underlay_check(struct datapath *dp, const struct varp_addr *raddr,
		      struct varpd_error *error);
/* Does any underlay? */
bool dp_raddr_is_own(struct datapath *dp, const struct varp_addr *addr);
/* After varp_raddrs was changed: reads it anew. */
void dp_raddrs_read(struct datapath *dp);
void dp_raddrs_free(struct datapath *dp);
static inline bool dp_underlay_present(const struct dp_underlay *underlay)
{
	return !(underlay->key & DP_ABSENT);
}
int dp_underlay_store(struct datapath *dp, struct dp_underlay *underlay);
/* Attaches to a link that exists; `underlay` is filled in and stored. */
int dp_underlay_bring(struct datapath *dp, struct dp_underlay *underlay,
		      const struct netlink_link *link);
/* Its interface has gone. */
void dp_underlay_lose(struct datapath *dp, struct dp_underlay *underlay);
/* NULL: no memory, or too many. */
struct dp_underlay *dp_underlay_new(struct datapath *dp, const char *name);
void dp_underlay_free(struct datapath *dp, struct dp_underlay *underlay);

/* --- datapath_device.c --- */

/* By the index of the peer, or of the node device if that is in the daemon's namespace. */
struct dp_device *dp_device_find(struct datapath *dp, uint32_t ifindex);
struct dp_device *dp_device_by_name(struct datapath *dp, const char *name, int netns_fd);
struct dp_device *dp_device_new(struct datapath *dp, const struct varp_dev *record);
/* Which underlay it should use now, by its pinned raddr or preference; NULL: none. */
struct dp_underlay *dp_device_choose(struct datapath *dp, const struct varp_dev *record);
/* Fills in what follows from the underlay; returns the MTU that the device should have. */
uint32_t dp_device_bind(struct varp_dev *record, const struct dp_underlay *underlay, uint32_t mtu);
/* The underlay cannot carry packets of DP_IPV6_MTU inside. */
bool dp_device_too_narrow(const struct varp_dev *record);
int dp_device_store(struct datapath *dp, const struct dp_device *device);
int dp_device_attach(struct datapath *dp, const struct dp_device *device);
int dp_device_replace(struct datapath *dp, const struct dp_device *device);
/* Takes programs, records and nodes away, the link too if it is there, and frees it. */
void dp_device_free(struct datapath *dp, struct dp_device *device);
int dp_device_set_mtu(struct datapath *dp, struct dp_device *device, uint32_t mtu);
/* Looks every device's underlay up anew and writes what changed. */
void dp_devices_rebind(struct datapath *dp);
struct dp_node *dp_node_find(struct datapath *dp, const struct varp_key *key,
			     struct dp_device **device);
struct dp_node *dp_node_add(struct datapath *dp, struct dp_device *device,
			    const struct varp_key *key, unsigned int plen);
int dp_node_store(struct datapath *dp, const struct dp_device *device, const struct dp_node *node);
void dp_node_remove(struct datapath *dp, struct dp_device *device, struct dp_node *node);

/* --- datapath_former.c --- */

void dp_former_remove(const char *instance_dir);

/* --- datapath_merge.c --- */

/* Makes the device or takes it away, as underlays ask for it, and writes dp->features. */
void dp_merge_update(struct datapath *dp);
/* Is that the device's name? */
bool dp_merge_is(const char *name);
/*
 * A link went: if it was another's, a port that was taken may be free now, and what failed is tried
 * again. Ours goes in vain attempts, which would have no end.
 */
bool dp_merge_port_freed(struct datapath *dp, const struct nlmsghdr *nlh);
/* What failed may be tried again. */
void dp_merge_retry(struct datapath *dp);

/* --- datapath_nexthop.c --- */

/* Merging's device as it is now, NULL: there is none. */
void dp_nexthop_device(struct datapath *dp, const struct netlink_link *link);

/* --- datapath_channel.c --- */

/* enum varp_channel_mode, as the keys that are there say */
uint8_t dp_channel_mode(const struct datapath *dp, const struct varp_snid *snid,
			const struct varp_chid *chid);
/* Features of a node device of a keyed channel and of its peer: what both must leave alone, and merging on receipt. */
void dp_device_seal(struct datapath *dp, const struct dp_device *device);

/* --- datapath_peer.c --- */

/* Of the links of this instance's peers, from when they are made on. */
uint32_t dp_peer_group(const struct datapath *dp);
void dp_peer_mark(struct datapath *dp, uint32_t ifindex);
/* Deletes what is marked as this instance's and is in no record. */
void dp_peers_reclaim(struct datapath *dp);
/* Best effort, like the next. */
void dp_peer_quiet(struct datapath *dp, const struct netlink_link *peer);
/* After its MTU came from below DP_IPV6_MTU, the kernel has given it an IPv6 address again. */
void dp_dev_quiet_again(struct netlink *nl, uint32_t ifindex);

/* --- datapath_overlap.c --- */

/* Says so if the new node's prefix is another link's too. far: in the device's namespace. */
void dp_warn_of_overlap(struct datapath *dp, struct netlink *far, const struct dp_device *device,
			const struct varp_addr *vaddr, unsigned int plen,
			struct varpd_error *warning);

/* --- datapath_list.c --- */

/* Without has_address and up, which datapath_each_node() looks up. */
void dp_node_describe(const struct dp_device *device, const struct dp_node *node,
		      struct datapath_node *out);

/* --- datapath_supernet.c --- */

/* Its index, or -ENOENT; get takes a free slot if there is none, or -ENOSPC. */
int dp_supernet_find(struct datapath *dp, const struct varp_snid *snid);
int dp_supernet_get(struct datapath *dp, const struct varp_snid *snid);
unsigned int dp_supernet_nodes(struct datapath *dp, const struct varp_snid *snid);
/* After a node came or went: the mark in varp_local, and what is left behind by the last one. */
int dp_supernet_update(struct datapath *dp, const struct varp_snid *snid);
void dp_pending_add(struct datapath *dp, uint32_t supernet);
void dp_pending_subtract(struct datapath *dp, uint32_t supernet, uint32_t n);
/* Corrects counts that are too high. False: some were changing, it is to be done again. */
bool dp_pending_recount(struct datapath *dp);

/* --- datapath_shared.c --- */

/* Opens or makes the map, and puts it into the object that is about to be loaded. */
int dp_shared_prepare(struct datapath *dp, struct varpd_error *error);
/* Takes out what this instance or one that is gone left there and is not true any more. */
void dp_shared_correct(struct datapath *dp);
/* After an instance's pins were removed: the map goes with the last one. */
void dp_shared_remove_if_last(void);
int dp_shared_give(uid_t uid);		/* to whom varpd is started as */
void dp_shared_join(struct datapath *dp, const struct varp_snid *snid);
void dp_shared_leave(struct datapath *dp, const struct varp_snid *snid);

/* --- datapath_adopt.c, datapath_watch.c, datapath_reconcile.c --- */

int dp_adopt(struct datapath *dp, struct varpd_error *error);
int dp_watch_open(struct datapath *dp, struct varpd_error *error);
void dp_watch_close(struct datapath *dp);
/* A reconciliation did not get through: it is made again soon. */
void dp_watch_again(struct datapath *dp);
/* Reads links and addresses and makes underlays, nodes and records agree with them. */
int dp_reconcile(struct datapath *dp);

/* --- datapath_ring.c, datapath_send.c --- */

int dp_ring_open(struct datapath *dp, struct varpd_error *error);
void dp_ring_close(struct datapath *dp);
/*
 * For answers: takes in all that has come until now, within bounds. Misses among it are not
 * reported from here but from the event loop. False: nothing came.
 */
bool dp_ring_consume(struct datapath *dp);
/* BPF began another window for this key before the engine ended its own: reported soon. */
void dp_ring_miss_again(struct datapath *dp, const struct varp_key *key);

int dp_send_open(struct datapath *dp, struct varpd_error *error);
void dp_send_close(struct datapath *dp);
/* Frees the packets. */
void dp_send_held(struct datapath *dp, struct held_packet *packets);
void dp_send_icmp(struct datapath *dp, bool too_big, uint32_t mtu, uint32_t ifindex,
		  const uint8_t *frame, size_t frame_len);

/* --- datapath_cache.c --- */

/* Removes the pending entry, if there is one, and accounts for it. */
void dp_pending_close(struct datapath *dp, const struct varp_key *key);
/* Is a lookup open, as BPF sees it? */
bool dp_pending_open(struct datapath *dp, const struct varp_key *key);
/* The same for several; their entries name their supernets' slots. */
void dp_pending_close_all(struct datapath *dp, const struct varp_key *keys, unsigned int count);
/* Where the cache says that key lives now; false: it does not say. */
bool dp_cached(struct datapath *dp, const struct varp_key *key, struct varp_mapping *mapping);
void dp_held_drop(struct datapath *dp, const struct varp_key *key, enum varp_drop reason);
/* bpf_map_update_elem() for a map that BPF uses at the same time. 0 or -errno. */
int dp_update(int fd, const struct varp_key *key, const void *value, uint64_t flags);
/* Ends a lookup like a negative answer; what is held is dropped for that reason. */
int dp_end_negative(struct datapath *dp, const struct varp_key *key, uint64_t deadline_ns,
		    enum varp_drop reason);

/* --- datapath_settle.c --- */

int dp_settle_open(struct datapath *dp, struct varpd_error *error);
void dp_settle_close(struct datapath *dp);
/*
 * Carries out the answers that wait for the end of the turn. To be called before anything else is
 * read from or changed in the cache or the open lookups.
 */
void dp_settle_now(struct datapath *dp);
/*
 * A packet missed the cache at since_ns: has an answer come since? Then what is held is sent and
 * the lookup closed.
 */
bool dp_settled_since(struct datapath *dp, const struct varp_key *key, uint64_t since_ns);

/* --- datapath_walk.c --- */

enum dp_table {
	DP_TABLE_CACHE,
	DP_TABLE_PENDING,
	DP_TABLE_COUNT,
};

#define DP_BATCH	1024

struct dp_entry {
	struct varp_key key;
	union {
		struct varp_mapping mapping;
		struct varp_pending pending;
	};
};

/*
 * The next entries of a table, expired ones too, up to max (at most DP_BATCH). *count is zero at
 * the end. A failure ends the walk too.
 */
int dp_walk_open(struct datapath *dp);
void dp_walk_close(struct datapath *dp);
void dp_walk(struct datapath *dp, enum dp_table table, struct datapath_cursor *cursor,
	     struct dp_entry *entries, unsigned int max, unsigned int *count);

/* --- datapath_sweep.c --- */

int dp_sweep_open(struct datapath *dp, struct varpd_error *error);
void dp_sweep_close(struct datapath *dp);
/*
 * Remembers an ICMP error's word about the path to a raddr, and sees to it that mappings learn of
 * it.
 */
void dp_pmtu_learn(struct datapath *dp, const struct varp_addr *raddr, uint32_t mtu);
/* The underlays' MTU changed to this: what was learned that is not below it is void. */
void dp_pmtu_cap(struct datapath *dp, uint32_t mtu);
/* Zero: nothing is known. */
uint16_t dp_pmtu_get(struct datapath *dp, const struct varp_addr *raddr);

#endif
