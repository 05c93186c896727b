/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What VARP puts on the wire: the VARP message, the Geneve option, and the protocol's constants.
 *
 * Included by the BPF programs, by libvarp and by the daemon. It holds layouts and numbers only;
 * docs/PROTOCOL.md is the reference for what they mean and what a receiver does with each
 * violation.
 */
#ifndef VARP_WIRE_H
#define VARP_WIRE_H

#include <linux/types.h>

/* --- Constants of the memo ("System Constants") ----------------------------------------------- */

#define VARPDB_TTL_UPDATE		3	/* s, period of the aging sweep */
#define VARPDB_TTL_ALWAYS		(-1)	/* a mapping that does not time out */
/* Seconds: window of one resolution; also the life of a negative answer */
#define VARPDB_TTL_INITIAL_LOOKUP	5
#define VARPDB_TTL_INITIAL_CLIENT	900	/* s, default ttl of an answer */
#define VARPDB_TTL_INITIAL_SERVER	VARPDB_TTL_ALWAYS
#define VARPDB_TTL_MIN			1	/* s */
#define VARPDB_TTL_MAX			65536	/* s, 2^16, "a little over 18 hours" */
#define VARPDB_TTL_CLT_PORT_ACCESS	3	/* s, longest life of a group client's connection */

#define VARPDB_GRP_MGR_PORT		2500	/* TCP */
#define VARPDB_GRP_CLT_PORT		2501	/* TCP */
#define VARPDB_VARP_PORT		2500	/* UDP */
#define VARPDB_KEY_PORT			2502	/* TCP, key exchange */

/* --- Identifiers ------------------------------------------------------------------------------ */

#define VARP_SNID_LEN			10	/* octets, network order */
#define VARP_CHID_LEN			6	/* octets, network order */

struct varp_snid {
	__u8 b[VARP_SNID_LEN];
};

struct varp_chid {
	__u8 b[VARP_CHID_LEN];
};

/* An IPv6 address, or an IPv4 address as ::ffff:a.b.c.d; network order. */
struct varp_addr {
	union {
		__u8 b[16];
		__be32 w[4];
	};
};

/* --- The VARP message (UDP 2500) -------------------------------------------------------------- */

#define VARP_VERSION			1
/* Octets: every message of version 1 is exactly this long */
#define VARP_MSG_LEN			160
#define VARP_RADDR_MAX			4	/* locators in one answer */
#define VARP_TAG_LEN			16	/* octets, SipHash-2-4-128; zero with --insecure */
#define VARP_MSG_TAGGED_LEN		(VARP_MSG_LEN - VARP_TAG_LEN)

enum varp_msg_type {
	VARP_MSG_REQUEST		= 1,
	VARP_MSG_REPLY			= 2,
	VARP_MSG_NAK_NOTKNOWN		= 3,
	VARP_MSG_NAK_NOAUTHORITY	= 4,
	VARP_MSG_NOTIFY			= 5,
};

/*
 * One real address of an answer. The lowest priority value is used first; weight shares load within
 * one priority.
 */
struct varp_wire_raddr {
	struct varp_addr raddr;
	__u8 priority;		/* 0 most preferred ... 255 not to be used */
	__u8 weight;		/* share within one priority, 0..255 */
	__be16 reserved;	/* zero */
};

/*
 * All types share one layout, so an answer can be written over its request: no answer is larger
 * than what asked for it.
 */
struct varp_wire_msg {
	__u8 version;		/* VARP_VERSION */
	__u8 type;		/* enum varp_msg_type */
	__be16 length;		/* VARP_MSG_LEN */
	__u8 raddr_count;	/* locators in use: REPLY, NOTIFY 1..VARP_RADDR_MAX; REQUEST 0 or 1; NAKs 0 */
	__u8 prefix_len;	/* of vaddr as a 128-bit address: 128, one node */
	__be16 reserved;	/* zero */
	__be64 session;		/* session id, zero with --insecure */
	__be64 nonce;		/* chosen by the client for each resolution, echoed; NOTIFY: a time */
	struct varp_snid snid;
	struct varp_chid chid;	/* zero: any channel */
	struct varp_addr vaddr;
	__be32 ttl;		/* s; REPLY, NOTIFY: 1..65536; zero in the others */
	__be32 reserved2;	/* zero */
	/* In a REQUEST no raddr stands here but the asker: the vaddr on whose behalf it is sent */
	struct varp_wire_raddr raddr[VARP_RADDR_MAX];
	__u8 tag[VARP_TAG_LEN];
} __attribute__((packed));

_Static_assert(sizeof(struct varp_wire_raddr) == 20, "locator is 20 octets");
_Static_assert(sizeof(struct varp_wire_msg) == VARP_MSG_LEN, "a message has no holes");

/*
 * A NOTIFY's nonce says when it was sent, so that it cannot be kept for later: the upper 48 bits are 2^47 less what was
 * left of the session's life at the server, in ms; the lower 16 tell apart what is sent in one of them. Both ends know
 * the session's end, the client's being earlier by what the key exchange took, 5 s at most.
 */
#define VARP_NOTIFY_LATE_MS		10000

/* --- Encapsulation: Geneve (RFC 8926) with one critical option -------------------------------- */

#define VARP_GENEVE_PORT		6081	/* UDP */
/* Of the range for experiments, RFC 8926 section 7 */
#define VARP_GENEVE_OPT_CLASS		0xff56
#define VARP_GENEVE_OPT_TYPE		0x81	/* critical bit | 1 */
#define VARP_GENEVE_OPT_WORDS		6	/* length of the option's data in 4-octet words */

struct varp_geneve {
	/* Version (2 bits, 0), length of options in 4-octet words (6 bits) */
	__u8 ver_optlen;
	__u8 flags;		/* O (0x80) control, C (0x40) critical options present, rest zero */
	__be16 proto;		/* ETH_P_IP or ETH_P_IPV6: no inner Ethernet header */
	__u8 vni[3];		/* zero: the option names the supernet */
	__u8 reserved;
};

/*
 * The option, and with it the whole header, is laid out so that a kernel's VXLAN socket takes it for two Ethernet
 * headers, one inside the other (their types are `bridge` and `proto`), and merges TCP segments behind it on receipt
 * (GRO). Nothing but that merging depends on it. See docs/PROTOCOL.md, "The option's layout".
 */
struct varp_geneve_opt {
	__be16 opt_class;
	__u8 type;
	__u8 rsvd_words;	/* 3 reserved bits, length of data in 4-octet words (5 bits) */
	struct varp_chid chid;
	__be16 reserved;	/* zero; not looked at on receipt, like the other three that are no identifiers */
	__be16 bridge;		/* VARP_GENEVE_OPT_BRIDGE */
	__be16 reserved2;	/* zero */
	struct varp_snid snid;
	__be16 proto;		/* as in the Geneve header */
};

#define VARP_GENEVE_OPT_BRIDGE		0x6558	/* ETH_P_TEB: an Ethernet frame follows */

/*
 * The option of a keyed channel stands in the place of the other; all but the tag is under the tag. Where a VXLAN socket
 * would look for an Ethernet type are mode and reserved, which are none: nothing is merged.
 */
#define VARP_GENEVE_KEYED_TYPE		0x82	/* critical bit | 2 */
#define VARP_GENEVE_KEYED_WORDS		15
#define VARP_SALT_LEN			16
#define VARP_CHANNEL_KEY_LEN		32

enum varp_channel_mode {
	VARP_CHANNEL_PLAIN	= 0,	/* no key; the plain option */
	VARP_CHANNEL_AUTH	= 1,	/* SipHash-2-4-128 */
	VARP_CHANNEL_AEAD	= 2,	/* XChaCha20-Poly1305 */
	VARP_CHANNEL_MODES,
};

struct varp_geneve_keyed {
	__be16 opt_class;
	__u8 type;
	__u8 rsvd_words;
	struct varp_chid chid;
	__be16 epoch;		/* which of the channel's keys */
	__u8 mode;		/* enum varp_channel_mode, never VARP_CHANNEL_PLAIN */
	__u8 reserved;		/* zero; not looked at on receipt */
	struct varp_snid snid;
	__u8 salt[VARP_SALT_LEN];	/* random, one for each load of a sender's programs */
	__be64 seq;		/* never the same twice with one salt */
	__u8 tag[VARP_TAG_LEN];
} __attribute__((packed));
#define VARP_GENEVE_KEYED_TAGGED_LEN	48	/* octets in front of the tag */

#define VARP_GENEVE_F_CONTROL		0x80
#define VARP_GENEVE_F_CRITICAL		0x40
#define VARP_GENEVE_OPT_CRITICAL	0x80

_Static_assert(sizeof(struct varp_geneve) == 8, "Geneve header is 8 octets");
_Static_assert(sizeof(struct varp_geneve_opt) == 28, "our option is 4 + 24 octets");
_Static_assert(sizeof(struct varp_geneve_keyed) == 4 + 4 * VARP_GENEVE_KEYED_WORDS,
	       "a keyed channel's option is 4 + 60 octets");

/* Octets that encapsulation adds: outer IP, UDP, Geneve, our option. */
#define VARP_OVERHEAD_V4		(20 + 8 + 8 + 28)
#define VARP_OVERHEAD_V6		(40 + 8 + 8 + 28)
#define VARP_OVERHEAD_KEYED		(64 - 28)	/* more in a keyed channel */
/* Longest inner packet that a keyed channel carries */
#define VARP_KEYED_MAX			9216

#endif
