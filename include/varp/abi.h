/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the BPF programs and user space share: the maps' keys and values, the ring buffer's records,
 * counters and drop reasons. There is no second copy of these anywhere.
 *
 * The maps outlive the daemon (they are pinned below /sys/fs/bpf/varp/INSTANCE/vN). Whoever changes
 * the layout or the meaning of anything here raises VARP_ABI_VERSION, which is the N of the path.
 *
 * Addresses are struct varp_addr (network order, IPv4 mapped). Times are boot-time nanoseconds
 * (CLOCK_BOOTTIME, bpf_ktime_get_boot_ns). An entry whose deadline has passed does not exist.
 */
#ifndef VARP_ABI_H
#define VARP_ABI_H

#include <varp/wire.h>

#define VARP_ABI_VERSION	2

#define VARP_IFNAME_LEN		16	/* IFNAMSIZ */
/* Name or path of a network namespace, NUL-terminated; empty: the daemon's own */
#define VARP_NETNS_LEN		108
#define VARP_MAX_SUPERNETS	1024	/* supernets that one host can be in at the same time */
#define VARP_MAX_NODES		4096
#define VARP_MAX_UNDERLAYS	64
#define VARP_HELD_MAX		8	/* packets that wait for one destination */
#define VARP_PACKET_MAX		65549	/* octets of a captured frame: 14 + 65535 */

/*
 * Destination MAC address of a frame that varpd sends out of a node device's peer to have it
 * encapsulated.
 */
#define VARP_REINJECT_MAC	{ 0x02, 'V', 'A', 'R', 'P', 0x01 }

/* skb mark of VARP's own datagrams: a supernet never carries the messages that resolve it. */
#define VARP_SKIN_MARK		0x56415250

/* --- Drop reasons: X(symbol, name in `varpctl stats`, what happened) -------------------------- */

#define VARP_DROP_REASONS(X)										\
	X(RUNT,			"runt",			"frame too short for its headers")		\
	X(INNER_PROTO,		"inner_proto",		"inner packet is neither IPv4 nor IPv6")	\
	X(INNER_HEADER,		"inner_header",		"inner IP header is malformed")			\
	X(MULTICAST,		"multicast",		"destination is multicast or broadcast")	\
	X(NO_NODE,		"no_node",		"node device is not bound to a supernet")	\
	X(NO_UNDERLAY,		"no_underlay",		"no underlay interface with a fitting address")	\
	X(LOOP,			"loop",			"packet would enter the supernet that carries it")	\
	X(TOO_BIG,		"too_big",		"packet exceeds the path's MTU")		\
	X(TOO_LONG,		"too_long",		"packet too long to be held")			\
	X(NOTKNOWN,		"notknown",		"destination is cached as not known")		\
	X(PENDING_FULL,		"pending_full",		"supernet's bound of open lookups is reached")	\
	X(HELD_FULL,		"held_full",		"too many packets wait for this destination")	\
	X(RING_FULL,		"ring_full",		"ring buffer to varpd is full")			\
	X(REINJECT_STALE,	"reinject_stale",	"held packet's mapping had gone when it was sent")	\
	X(ENCAP_FAILED,		"encap_failed",		"kernel refused to make room for headers")	\
	X(GENEVE_HEADER,	"geneve_header",	"Geneve header or option lengths are wrong")	\
	X(GENEVE_VERSION,	"geneve_version",	"unknown Geneve version")			\
	X(GENEVE_CONTROL,	"geneve_control",	"Geneve control packet")			\
	X(GENEVE_CRITICAL,	"geneve_critical",	"unknown critical Geneve option")		\
	X(GENEVE_PROTO,		"geneve_proto",		"Geneve payload is neither IPv4 nor IPv6")	\
	X(OUTER_SOURCE,		"outer_source",		"outer source is no host's address")		\
	X(NOT_JOINED,		"not_joined",		"supernet is not joined here")			\
	X(NOT_LOCAL,		"not_local",		"vaddr does not live here")			\
	X(WRONG_CHANNEL,	"wrong_channel",	"channel is not the node's")			\
	X(ECN,			"ecn",			"outer CE on a packet that is not ECN-capable")	\
	X(CHANNEL_KEY,		"channel_key",		"no key for the packet's channel and epoch")	\
	X(CHANNEL_MODE,		"channel_mode",		"not protected as the channel demands")		\
	X(CHANNEL_TAG,		"channel_tag",		"tag of a keyed channel's packet is wrong")	\
	X(REPLAY,		"replay",		"keyed channel's packet came before")		\
	X(LATE,			"late",			"keyed channel's packet is behind the window")	\
	X(SENDER_STATE,		"sender_state",		"no room to remember a keyed channel's sender")	\
	X(SEAL_FAILED,		"seal_failed",		"too long for a keyed channel, or a super-packet") \
	X(SOURCE_MISMATCH,	"source_mismatch",	"inner source does not live at the outer source") \
	X(SOURCE_NOTKNOWN,	"source_notknown",	"inner source is not known in its supernet")	\
	X(DECAP_FAILED,		"decap_failed",		"kernel refused to remove headers")		\
	X(HELD_EXPIRED,		"held_expired",		"no answer within the lookup window")		\
	X(HELD_NOTKNOWN,	"held_notknown",	"held packet's destination is not known")	\
	X(HELD_BYTES,		"held_bytes",		"bound on held octets is reached")		\
	X(HELD_STALE,		"held_stale",		"packet waited longer than the window for varpd")	\
	X(HELD_GONE,		"held_gone",		"node left while the packet was held")		\
	X(REINJECT_FAILED,	"reinject_failed",	"held packet could not be sent again")		\
	X(VARP_TRUNCATED,	"varp_truncated",	"VARP message of the wrong size")		\
	X(VARP_VERSION,		"varp_version",		"VARP message of an unknown version")		\
	X(VARP_TYPE,		"varp_type",		"VARP message of an unknown type")		\
	X(VARP_LENGTH,		"varp_length",		"VARP message whose length field lies")		\
	X(VARP_FIELD,		"varp_field",		"VARP message with a field out of range")	\
	X(VARP_SESSION,		"varp_session",		"VARP message of an unknown session")		\
	X(VARP_TAG,		"varp_tag",		"VARP message with a wrong tag")		\
	X(VARP_UNASKED,		"varp_unasked",		"answer that nobody asked for")			\
	X(VARP_NONCE,		"varp_nonce",		"answer with another nonce than the request's")	\
	X(VARP_SERVER,		"varp_server",		"answer from another address than the server's")

enum varp_drop {
#define X(sym, name, what) VARP_DROP_##sym,
	VARP_DROP_REASONS(X)
#undef X
	VARP_DROP_COUNT,
};

/* --- Counters: X(symbol, name in `varpctl stats -j` under "datapath") ------------------------- */

#define VARP_COUNTERS(X)					\
	X(ENCAP_PACKETS,	"encap_packets")		\
	X(ENCAP_BYTES,		"encap_bytes")			\
	X(DECAP_PACKETS,	"decap_packets")		\
	X(DECAP_BYTES,		"decap_bytes")			\
	X(HITS,			"hits")				\
	X(MISSES,		"misses")			\
	X(HELD_PACKETS,		"held_packets")			\
	X(REINJECTED_PACKETS,	"reinjected_packets")		\
	X(LOCAL_PACKETS,	"local_packets")		\
	X(FOREIGN_PACKETS,	"foreign_packets")		\
	X(ICMP_SENT,		"icmp_sent")

enum varp_counter {
#define X(sym, name) VARP_COUNTER_##sym,
	VARP_COUNTERS(X)
#undef X
	VARP_COUNTER_COUNT,
};

/*
 * Map varp_stats, per-CPU array of one. Written by BPF; varpd adds its own to another, ordinary
 * struct.
 */
struct varp_stats {
	__u64 counters[VARP_COUNTER_COUNT];
	__u64 drops[VARP_DROP_COUNT];
	/* The programs' clock on this CPU: how far boot time is ahead of the coarse clock, and when that was measured */
	__u64 clock_ahead_ns;
	__u64 clock_set_ns;
};

/* --- varpdb: cache and lookups ---------------------------------------------------------------- */

/* Key of varp_cache, varp_pending and varp_local: a node. */
struct varp_key {
	struct varp_snid snid;
	__u8 pad[2];		/* zero */
	struct varp_addr vaddr;
};
_Static_assert(sizeof(struct varp_key) == 28, "a multiple of 4 takes the fast hash");

/*
 * Value of varp_cache (LRU hash): a resolved mapping. Only varpd inserts and removes. BPF writes
 * used_ns.
 */
struct varp_mapping {
	struct varp_addr raddr;
	__u64 deadline_ns;	/* the mapping is used strictly before this */
	/* Last hit, coarse (about a second); zero: not since it was written */
	__u64 used_ns;
	__u32 ttl_s;		/* as answered */
	/* Largest outer packet that the path to raddr carries; zero: the underlay's MTU */
	__u16 mtu;
	__u16 flags;		/* zero */
};
_Static_assert(sizeof(struct varp_mapping) == 40, "no holes");

enum varp_pending_state {
	/* A resolution is under way; packets go to varpd to be held */
	VARP_PENDING_LOOKUP	= 1,
	VARP_PENDING_NOTKNOWN	= 2,	/* negative answer */
	/* Answered; varpd sends the held packets again, new ones queue behind them */
	VARP_PENDING_DRAINING	= 3,
};

/*
 * Value of varp_pending (hash): open and negatively answered lookups. BPF creates an entry at the
 * first miss and counts packets; varpd changes state and removes entries. An entry past its
 * deadline is as good as none, and BPF reuses it for the next lookup of that vaddr.
 */
struct varp_pending {
	__u64 deadline_ns;
	__u64 icmp_ns;		/* when an ICMP error was last asked for; written by BPF */
	__u32 state;		/* enum varp_pending_state */
	__u32 held;		/* packets handed to varpd within this window */
	__u32 supernet;		/* index into varp_supernets */
	__u32 pad;
	struct varp_addr raddr;	/* DRAINING: where held packets go */
};
_Static_assert(sizeof(struct varp_pending) == 48, "no holes");

/*
 * Value of varp_supernets (array, index chosen by varpd): one supernet of this host, and who serves
 * it. This is also the daemon's memory: a restarted varpd reads its clients and nodes from the
 * pinned maps.
 */
struct varp_supernet {
	struct varp_snid snid;
	__u8 used;		/* zero: free slot */
	__u8 has_server;
	struct varp_addr server;	/* address of the VARP server, valid with has_server */
	__u32 pending_max;	/* bound of entries in varp_pending */
	__u32 pending;		/* entries now; BPF adds, varpd subtracts (both atomically) */
	/*
	 * Accounts of the misses: misses == requests + suppressed + dropped. Written by BPF,
	 * atomically.
	 */
	__u64 misses;
	__u64 requests;		/* first packet of a window: asked varpd to resolve */
	__u64 suppressed;	/* another packet of an open window, held or answered negatively */
	__u64 dropped;		/* bound reached or ring buffer full */
};
_Static_assert(sizeof(struct varp_supernet) == 72, "no holes");

/* --- Nodes and underlays ---------------------------------------------------------------------- */

/*
 * Value of varp_devs (hash, key: __u32 ifindex in the daemon's namespace). One record per device at
 * which inner packets appear: the node device's peer, and the node device itself where it lives in
 * the daemon's namespace. All written by varpd.
 */
struct varp_dev {
	struct varp_snid snid;
	struct varp_chid chid;
	__u32 supernet;		/* index into varp_supernets */
	/* Ifindex of the underlay, zero: none at present, nothing is sent */
	__u32 underlay;
	__u32 underlay_mtu;
	__u32 peer;		/* ifindex of the peer */
	__u32 dev;		/* ifindex of the node device, in its own namespace */
	__u8 mac[6];		/* of the node device */
	__u8 is_peer;		/* this record is the peer's */
	__u8 here;		/* the node device is in the daemon's namespace */
	__u8 mode;		/* enum varp_channel_mode of chid */
	__u8 pad[3];
	struct varp_addr raddr4;	/* outer source for IPv4, zero: none */
	struct varp_addr raddr6;	/* outer source for IPv6, zero: none */
	/* As pinned down by `join ... raddr`, zero: taken from the underlay */
	struct varp_addr raddr;
	char name[VARP_IFNAME_LEN];
	char underlay_name[VARP_IFNAME_LEN];
	char netns[VARP_NETNS_LEN];
};
_Static_assert(sizeof(struct varp_dev) == 236, "no holes");

/*
 * Value of varp_local (hash, key struct varp_key): a node of this host. Read on decapsulation, and
 * on encapsulation to deliver between two nodes of one host. Written by varpd.
 */
struct varp_local {
	struct varp_chid chid;
	__u8 mac[6];		/* of the node device */
	__u32 peer;		/* ifindex of the peer, in the daemon's namespace */
	/* Ifindex of the node device if it is in the daemon's namespace, else zero */
	__u32 dev;
	struct varp_addr raddr4;	/* outer destinations that this node is reached at */
	struct varp_addr raddr6;
	/* Prefix length of the node's address, in its own family (0..32 or 0..128) */
	__u8 plen;
	__u8 mode;		/* enum varp_channel_mode of chid */
	__u8 pad[2];
};
_Static_assert(sizeof(struct varp_local) == 56, "no holes");

enum varp_attach {
	VARP_ATTACH_NONE	= 0,
	VARP_ATTACH_TCX		= 1,	/* a pinned link */
	VARP_ATTACH_CLSACT	= 2,	/* a filter of the clsact qdisc */
};

/*
 * Value of varp_underlays (hash, key: __u32 ifindex): where decapsulation is attached. Written by
 * varpd.
 */
struct varp_underlay {
	char name[VARP_IFNAME_LEN];
	struct varp_addr raddr4;	/* first address of each family, zero: none */
	struct varp_addr raddr6;
	__u32 mtu;
	__u32 attach;		/* enum varp_attach */
	__u32 tc_handle;	/* CLSACT: what identifies our filter */
	__u32 tc_priority;
	/* The qdisc is ours: take it away on detach if nobody else uses it */
	__u8 made_clsact;
	__u8 up;		/* administratively up with carrier */
	__u8 pad[2];
};
_Static_assert(sizeof(struct varp_underlay) == 68, "no holes");

/*
 * Key of varp_raddrs (hash, value __u32 ifindex): every address of every underlay. Tells our
 * packets from transit.
 */

/* --- Keyed channels --------------------------------------------------------------------------- */

#define VARP_EPOCHS		4	/* keys that a channel has at once; an epoch's place is epoch % 4 */

/* Times are boot-time nanoseconds. */
struct varp_epoch {
	__u64 key[VARP_CHANNEL_KEY_LEN / 8];	/* octets as they lie */
	__u64 send_ns;		/* packets are sealed with it from then on, until a later one's begin */
	__u64 ends_ns;		/* from then on not accepted either; zero: there is no such epoch */
	__u32 epoch;		/* 16 bits of it go into packets */
	__u32 senders;		/* windows of it in varp_senders; counted by BPF, atomically */
};
_Static_assert(sizeof(struct varp_epoch) == 56, "no holes");

/* Key of varp_channels. */
struct varp_combo {
	struct varp_snid snid;
	struct varp_chid chid;
};
_Static_assert(sizeof(struct varp_combo) == 16, "a multiple of 4 takes the fast hash");

/* Value of varp_channels (hash): a keyed channel. Written by varpd; no entry: plain. */
struct varp_channel {
	/*
	 * The key once more, in front. The kernel may give an entry's memory to another channel while a
	 * program still reads it: a key that was copied counts only if this is right after it
	 */
	struct varp_combo combo;
	struct varp_epoch epochs[VARP_EPOCHS];
	__u32 mode;		/* enum varp_channel_mode */
	/* Where the keys come from, for a restarted varpd. Seconds of an epoch; zero: not from secret */
	__u32 rotate_s;
	__u8 secret[VARP_CHANNEL_KEY_LEN];
};
_Static_assert(sizeof(struct varp_channel) == 280, "no holes");

/*
 * Senders that an epoch of a channel can have, and all of them together. Nobody's window makes room
 * for another, or whoever has one channel's key could have another channel's packets taken again.
 */
#define VARP_EPOCH_SENDERS	2048
#define VARP_MAX_SENDERS	65536

/*
 * Key of varp_senders (hash). Begins with a struct varp_combo. The outer source is part of it, or a
 * member could use up another's sequence numbers in its name.
 */
struct varp_sender_key {
	struct varp_snid snid;
	struct varp_chid chid;
	__u32 epoch;
	__u8 salt[VARP_SALT_LEN];
	struct varp_addr src;	/* outer */
};
_Static_assert(sizeof(struct varp_sender_key) == 52, "a multiple of 4 takes the fast hash");

#define VARP_WINDOW_SLOTS	256
#define VARP_WINDOW_BITS	32	/* packets that one slot tells of */
/* Packets behind the newest that are still taken: all slots but the one being filled */
#define VARP_WINDOW		((VARP_WINDOW_SLOTS - 1) * VARP_WINDOW_BITS)

/*
 * Value of varp_senders: what came from one sender in one epoch. Made by BPF once a tag has proved
 * the sender; where key is not the channel's any more, it starts anew. Removed by varpd once the
 * epoch is over.
 */
struct varp_sender {
	__u64 key[VARP_CHANNEL_KEY_LEN / 8];	/* of the channel */
	__u64 subkey[VARP_CHANNEL_KEY_LEN / 8];	/* HChaCha20 of it and the salt */
	__u64 newest;		/* highest sequence number */
	__u64 ends_ns;		/* the epoch's, as it was when this was made */
	/* Block of sequence numbers (seq / 32, its low 32 bits), and a bit for each one of it */
	__u64 slots[VARP_WINDOW_SLOTS];
};
_Static_assert(sizeof(struct varp_sender) == 80 + 8 * VARP_WINDOW_SLOTS, "no holes");

/* --- Several instances --------------------------------------------------------------------------------------------- */

#define VARP_SHARED_VERSION	1	/* of the map below; it has a path, and so a version, of its own */
#define VARP_JOINED_MAX		8	/* instances that can be in one supernet in one network namespace */

/*
 * Key of varp_joined (hash, one for all instances of the machine): a supernet in a network namespace. Instances whose
 * underlay is the same interface see each other's packets; this tells whose a packet may be that is none of ours.
 */
struct varp_joined_key {
	__u64 netns;		/* inode of the network namespace that the underlays are in */
	struct varp_snid snid;
	__u8 pad[6];		/* zero */
};
_Static_assert(sizeof(struct varp_joined_key) == 24, "no holes");

/* Value of varp_joined: who has joined it. Each varpd writes its own, one at a time. */
struct varp_joined {
	__u32 instances[VARP_JOINED_MAX];	/* hash of the instance's name; zero: none */
};

/* --- Answers from XDP ------------------------------------------------------------------------- */

/*
 * Key of varp_answers (hash) is struct varp_key. Value: an authoritative mapping of a supernet
 * that is served here. Written by varpd.
 */
struct varp_answer {
	struct varp_addr raddr;
	__u32 ttl_s;		/* as told; zero: the supernet's default */
	/*
	 * varp_answer_check(). The kernel may give an entry's memory to another key while a program
	 * still reads it: what was read does not fit its key then
	 */
	__u32 check;
};
_Static_assert(sizeof(struct varp_answer) == 24, "no holes");

static inline __attribute__((always_inline)) __u32
varp_answer_check(const struct varp_key *key, const struct varp_answer *answer)
{
	typedef __u32 __attribute__((may_alias)) word;
	const word *k = (const word *)key, *a = (const word *)answer;
	__u64 sum = answer->ttl_s;
	unsigned int i;

	for (i = 0; i < sizeof(*key) / sizeof(*k); i++)
		sum = (sum ^ k[i]) * 0x9e3779b97f4a7c15ULL;
	for (i = 0; i < sizeof(answer->raddr) / sizeof(*a); i++)
		sum = (sum ^ a[i]) * 0x9e3779b97f4a7c15ULL;
	return sum >> 32;
}

struct varp_served_key {
	struct varp_snid snid;
	__u8 pad[2];		/* zero */
};
_Static_assert(sizeof(struct varp_served_key) == 12, "a multiple of 4 takes the fast hash");

/* Value of varp_served (hash): a supernet that is served here. Written by varpd. */
struct varp_served {
	__u32 ttl_s;		/* as told for mappings without one of their own */
	/* varp_answers has all mappings of it; zero: varpd has to be asked */
	__u32 complete;
};
_Static_assert(sizeof(struct varp_served) == 8, "no holes");

/*
 * Name and value's size of the read-only map that tells whose a program that answers is: the
 * instance's name, zeros behind it. The same in every version, so that each finds the others'.
 */
#define VARP_ANSWER_ID_MAP	".rodata.varp_id"
#define VARP_ANSWER_ID_LEN	64

/* Room of varp_sessions; requests in sessions beyond it are answered by varpd. */
#define VARP_ANSWER_SESSIONS	65536

/*
 * Value of varp_sessions (hash, key: __u64 session as in the message): a session of the server
 * role. Written by varpd.
 */
struct varp_session_keys {
	struct varp_snid snid;
	__u8 pad[6];		/* zero */
	struct varp_addr client;
	struct varp_addr server;
	__u64 key_request[2];	/* octets as exported, client to server */
	__u64 key_answer[2];	/* server to client */
	__u64 ends_ns;		/* not used from then on */
};
_Static_assert(sizeof(struct varp_session_keys) == 88, "no holes");

/* Value of varp_answer_devs (hash, key: __u32 ifindex): an interface with the program. */
struct varp_answer_dev {
	__u8 mac[6];		/* frames to others' are only overheard */
	__u8 generic;		/* the program runs on an skb */
	__u8 pad;
};
_Static_assert(sizeof(struct varp_answer_dev) == 8, "no holes");

/* Map varp_answer_stats, per-CPU array of one. Written by BPF. */
struct varp_answer_stats {
	__u64 replies;
	__u64 nak_notknown;
};

/* --- Ring buffer ------------------------------------------------------------------------------ */

enum varp_event_type {
	VARP_EVENT_MISS		= 1,	/* first packet of a window: resolve and hold */
	VARP_EVENT_HOLD		= 2,	/* a further packet of an open window: hold */
	VARP_EVENT_NOTKNOWN	= 3,	/* packet to a negative entry: answer host unreachable */
	/* Packet too big: answer fragmentation needed / packet too big with mtu */
	VARP_EVENT_TOO_BIG	= 4,
	/* An ICMP error on the underlay says the path to key.vaddr (a raddr) carries mtu */
	VARP_EVENT_PMTU		= 5,
};

/*
 * Followed by frame_len octets: the frame with its Ethernet header, as at the device; at most
 * VARP_PACKET_MAX.
 */
struct varp_event {
	__u64 time_ns;
	__u32 type;		/* enum varp_event_type */
	__u32 ifindex;		/* key into varp_devs */
	struct varp_key key;
	__u32 frame_len;
	__u32 mtu;		/* TOO_BIG: largest inner packet; PMTU: largest outer packet */
	__u16 gso_size;		/* of a super-packet, else zero */
	__u16 gso_segs;
	/*
	 * MISS, HOLD: not zero, and the packet came from `from` and key is its source, to be looked
	 * up and compared; ifindex is the peer of the node it is for. Zero: it is a node's own, key
	 * is where it goes.
	 */
	__u32 arrived;
	__u32 pad;
	struct varp_addr from;	/* outer source of what arrived */
};
_Static_assert(sizeof(struct varp_event) == 80, "no holes");

#endif
