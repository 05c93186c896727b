/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VARP messages: struct varp_msg to and from the 160 octets of docs/PROTOCOL.md. Pure; used by the
 * engine, tests, fuzzers.
 */
#ifndef LIBVARP_MSG_H
#define LIBVARP_MSG_H

#include <stddef.h>
#include <stdint.h>

#include <varp/abi.h>

struct varp_raddr {
	struct varp_addr addr;
	uint8_t priority;	/* lowest first; 255 not to be used */
	uint8_t weight;
};

/* A message in host form. */
struct varp_msg {
	enum varp_msg_type type;
	uint64_t session;
	uint64_t nonce;
	struct varp_snid snid;
	struct varp_chid chid;
	struct varp_addr vaddr;
	uint8_t prefix_len;	/* 128 */
	uint32_t ttl_s;
	uint8_t raddr_count;
	/* REQUEST: the asker, if one is named, whose address is a vaddr */
	struct varp_raddr raddrs[VARP_RADDR_MAX];
};

/*
 * Always writes VARP_MSG_LEN octets, tag zero. The caller has filled msg within the limits
 * (asserted).
 */
void varp_msg_encode(const struct varp_msg *msg, uint8_t out[VARP_MSG_LEN]);

/*
 * 0, or -EBADMSG with *reason set to VARP_DROP_VARP_{TRUNCATED,VERSION,TYPE,LENGTH,FIELD}. Checks
 * everything that can be checked without state: sizes, reserved fields zero, ttl and count limits
 * by type, addresses unicast, unused locators zero.
 */
int varp_msg_decode(const uint8_t *data, size_t len, struct varp_msg *msg, enum varp_drop *reason);

/* "VARP_REQUEST" and so on. */
const char *varp_msg_type_name(enum varp_msg_type type);

#endif
