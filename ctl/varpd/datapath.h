/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's side of the datapath: loading or adopting the pinned programs and maps, underlays,
 * nodes, held packets, and the varpdb maps. Only datapath*.c know libbpf and the skeleton; the rest
 * of varpd calls what is declared here.
 *
 * Functions return 0 or -errno. Those with a struct varpd_error fill in one line for a person: what
 * is wrong and what to do.
 */
#ifndef VARPD_DATAPATH_H
#define VARPD_DATAPATH_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <varp/abi.h>
#include "error.h"

struct datapath;

struct datapath_config {
	const char *instance;		/* pins below /sys/fs/bpf/varp/INSTANCE/vN */
	uint32_t cache_max;		/* mappings */
	uint32_t pending_max;		/* open and negative lookups, all supernets */
	uint32_t pending_per_supernet;
	uint32_t ring_bytes;		/* power of two */
	uint32_t held_bytes_per_supernet;
	uint32_t window_ms;
	bool source_check;	/* take packets only from where their source lives */
	bool merge;	/* TCP segments on receipt, by a VXLAN socket on Geneve's port */
};

/* Upcalls, from the event loop. */
struct datapath_ops {
	/* asker: the source of the packet that missed; zero: not one that a node here sent */
	void (*miss)(void *ctx, const struct varp_key *key, const struct varp_addr *asker);
	/*
	 * The sweep (or datapath_check) found this entry: a call for each, every VARPDB_TTL_UPDATE
	 * seconds, in batches.
	 */
	void (*age)(void *ctx, const struct varp_key *key, const struct varp_mapping *mapping);
	/*
	 * An underlay or node appeared or went: "attach", "detach"; dev is the interface, node NULL
	 * for underlays.
	 */
	void (*changed)(void *ctx, const char *event, const char *dev, const struct varp_key *node);
	void *ctx;
};

/*
 * Adopts what an earlier varpd of this instance left pinned (maps kept, programs replaced in
 * place), or loads anew. On error nothing is left behind that was not there before.
 */
int datapath_open(struct datapath **out, const struct datapath_config *config,
		  struct event_base *base,
		  const struct datapath_ops *ops, struct varpd_error *error);
/* What is wrong with the instance's pins, for a person. */
void datapath_each_problem(const struct datapath *dp, void (*tell)(const char *text, void *ctx),
			   void *ctx);
/* Lets go; pins, programs and devices stay and go on forwarding what is cached. */
void datapath_close(struct datapath *dp);

/* --- Underlays and nodes --- */

/* -EEXIST: already */
int datapath_attach(struct datapath *dp, const char *dev, struct varpd_error *error);
/* -ENOENT: not attached */
int datapath_detach(struct datapath *dp, const char *dev, struct varpd_error *error);

struct datapath_join {
	struct varp_snid snid;
	struct varp_chid chid;
	struct varp_addr vaddr;
	unsigned int plen;		/* in vaddr's own family */
	/*
	 * NULL: the first free snN; an existing node device of the same combo takes the address too
	 */
	const char *dev;
	const char *netns;		/* NULL: the daemon's own */
	struct varp_addr raddr;		/* zero: from the underlay */
};

struct datapath_node {
	struct varp_key key;
	struct varp_chid chid;
	unsigned int plen;
	uint32_t mode;		/* enum varp_channel_mode */
	char dev[VARP_IFNAME_LEN];
	char netns[VARP_NETNS_LEN];
	char underlay[VARP_IFNAME_LEN];	/* empty: none at present */
	struct varp_addr raddr4, raddr6;
	uint32_t mtu;
	bool too_narrow;	/* IPv6, and the underlay cannot carry 1280 octets inside */
	/* As they are now in the device's namespace; only datapath_each_node() fills these in. */
	bool has_address;
	bool up;
	/* Only datapath_join() fills it in: what a person should know about it; empty: nothing. */
	struct varpd_error warning;
};

/*
 * -EEXIST: this very (snid, vaddr) is a node here already. Whatever else is in the way (an interface
 * of that name, a device of another supernet or channel) is -EBUSY.
 */
int datapath_join(struct datapath *dp, const struct datapath_join *join, struct datapath_node *node,
		  struct varpd_error *error);
/* vaddr NULL: every node of the supernet. -ENOENT: no such node. */
int datapath_leave(struct datapath *dp, const struct varp_snid *snid, const struct varp_addr *vaddr,
		   struct varpd_error *error);
bool datapath_has_nodes(const struct datapath *dp);
/* A node of it is here */
bool datapath_has_supernet(struct datapath *dp, const struct varp_snid *snid);
/* Is (snid, vaddr) a node of this host? */
bool datapath_is_local(struct datapath *dp, const struct varp_key *key, struct varp_local *local);

struct datapath_underlay {
	uint32_t ifindex;
	struct varp_underlay record;
};
void datapath_each_underlay(struct datapath *dp,
			    void (*visit)(const struct datapath_underlay *u, void *ctx), void *ctx);
void datapath_each_node(struct datapath *dp,
			void (*visit)(const struct datapath_node *n, void *ctx), void *ctx);

/*
 * --- Who serves a supernet ---
 *
 * Kept in the pinned maps, so that a restarted varpd still knows. server NULL: nobody.
 */
int datapath_server_set(struct datapath *dp, const struct varp_snid *snid,
			const struct varp_addr *server);
void datapath_each_supernet(struct datapath *dp,
			    void (*visit)(const struct varp_supernet *s, void *ctx), void *ctx);

/* --- Keyed channels --- */

/* channel->mode plain: there are no keys any more. Nodes that are here follow at once. */
int datapath_channel_set(struct datapath *dp, const struct varp_combo *combo,
			 const struct varp_channel *channel, struct varpd_error *error);
/* What it is set to; false: it is plain. */
bool datapath_channel_get(const struct datapath *dp, const struct varp_combo *combo,
			  struct varp_channel *channel);
/* The visitor may set the channel that it is shown. */
void datapath_each_channel(struct datapath *dp,
			   void (*visit)(const struct varp_combo *combo,
					 const struct varp_channel *channel, void *ctx),
			   void *ctx);

/* --- varpdb --- */

/* Sends held packets in order, then writes the mapping and removes the pending entry. */
int datapath_resolved(struct datapath *dp, const struct varp_key *key,
		      const struct varp_addr *raddr, uint32_t ttl_s,
		      uint64_t deadline_ns);
/*
 * The same, but not necessarily at once: at the end of this turn of the event loop, or before the
 * next of these functions does its part. Failures are logged.
 */
void datapath_answered(struct datapath *dp, const struct varp_key *key,
		       const struct varp_addr *raddr, uint32_t ttl_s, uint64_t deadline_ns);
/*
 * Marks not known until deadline_ns, removes the mapping, answers held packets with ICMP host
 * unreachable.
 */
int datapath_notknown(struct datapath *dp, const struct varp_key *key, uint64_t deadline_ns);
/*
 * Ends a lookup without an answer: removes the pending entry, drops held packets with the reason.
 */
void datapath_unanswered(struct datapath *dp, const struct varp_key *key, enum varp_drop reason);
/* Removes the pending entry unless a lookup is open */
void datapath_forget(struct datapath *dp, const struct varp_key *key);
void datapath_remove(struct datapath *dp, const struct varp_key *key);	/* removes the mapping */
/* Calls ops->age if the mapping exists */
void datapath_check(struct datapath *dp, const struct varp_key *key);

enum datapath_state {
	DATAPATH_RESOLVED,
	DATAPATH_PENDING,
	DATAPATH_NOTKNOWN,
};
struct datapath_entry {
	struct varp_key key;
	enum datapath_state state;
	struct varp_addr raddr;		/* RESOLVED */
	uint64_t deadline_ns;
};
/* 0, or -ENOENT. Expired entries do not exist. */
int datapath_get(struct datapath *dp, const struct varp_key *key, struct datapath_entry *entry);
/*
 * Walks cache and pending entries in batches. Zero a cursor and call until *count comes back 0;
 * entries[] takes up to max. snid NULL: all.
 */
struct datapath_cursor {
	unsigned int stage;
	bool started;
	uint8_t position[64];
};
int datapath_next(struct datapath *dp, struct datapath_cursor *cursor, const struct varp_snid *snid,
		  struct datapath_entry *entries, unsigned int max, unsigned int *count);
/* snid NULL: all; vaddr NULL: the whole supernet. Returns how many entries went. */
int datapath_flush(struct datapath *dp, const struct varp_snid *snid,
		   const struct varp_addr *vaddr);

/* Memo, VARPDB_IOCTLXTIMSTART and XTIMSTOP */
void datapath_sweep_enable(struct datapath *dp, bool on);

/* Gives the instance's pins, and their directories, to whom varpd will run as. */
int datapath_give(struct datapath *dp, uid_t uid, struct varpd_error *error);
/*
 * For a varpd that is started as this user: in the BPF file system its directory, and what an
 * earlier run left there, become his to use; that of all instances is to be looked at. As root.
 */
int datapath_prepare(const char *instance, uid_t uid, gid_t gid, struct varpd_error *error);
/* Everything of the instance in the BPF file system; by whoever may, which is the helper process. */
void datapath_remove_pins(const char *instance);

/* What the program that answers has in common with the datapath's. */
struct datapath_shared {
	int raddrs, stats;	/* maps, see <varp/abi.h> */
	char links[64];		/* directory for pinned links */
};
void datapath_share(const struct datapath *dp, struct datapath_shared *out);

/* Sums over CPUs, and the daemon's own share (held packets). */
void datapath_stats(struct datapath *dp, struct varp_stats *out);
/* Names of kernel features in use, for `status`: "tcx" or "clsact", ... comma-separated. */
const char *datapath_features(const struct datapath *dp);

#endif
