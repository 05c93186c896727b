// SPDX-License-Identifier: BSD-2-Clause
/*
 * The message codec. The order of the fields is struct varp_wire_msg's; what may stand in them is
 * docs/PROTOCOL.md's. Knows nothing of who sent a message or whether anybody waits for it.
 */
#include <assert.h>
#include <errno.h>

#include "addr.h"
#include "buf.h"
#include "msg.h"

/* What differs between the types. */
static const struct type_limits {
	const char *name;
	uint32_t ttl_min, ttl_max;
	uint8_t raddrs_min, raddrs_max;
} types[] = {
	[VARP_MSG_REQUEST] = {"VARP_REQUEST", .raddrs_max = 1},
	[VARP_MSG_REPLY] = {"VARP_REPLY", VARPDB_TTL_MIN, VARPDB_TTL_MAX, 1, VARP_RADDR_MAX},
	[VARP_MSG_NAK_NOTKNOWN] = {.name = "VARP_NAK_NOTKNOWN"},
	[VARP_MSG_NAK_NOAUTHORITY] = {.name = "VARP_NAK_NOAUTHORITY"},
	[VARP_MSG_NOTIFY] = {"VARP_NOTIFY", VARPDB_TTL_MIN, VARPDB_TTL_MAX, 1, VARP_RADDR_MAX},
};

static const struct type_limits *limits_of(unsigned int type)
{
	return type < sizeof(types) / sizeof(types[0]) && types[type].name ? &types[type] : NULL;
}

const char *varp_msg_type_name(enum varp_msg_type type)
{
	const struct type_limits *limits = limits_of(type);

	return limits ? limits->name : "unknown";
}

static bool within_limits(const struct varp_msg *msg, const struct type_limits *limits)
{
	return msg->prefix_len == 128 && msg->ttl_s >= limits->ttl_min &&
	       msg->ttl_s <= limits->ttl_max && msg->raddr_count >= limits->raddrs_min &&
	       msg->raddr_count <= limits->raddrs_max && varp_addr_is_unicast(&msg->vaddr);
}

void varp_msg_encode(const struct varp_msg *msg, uint8_t out[VARP_MSG_LEN])
{
	static const struct varp_raddr unused;
	struct varp_writer w = varp_writer_init(out, VARP_MSG_LEN);
	static const uint8_t no_tag[VARP_TAG_LEN];
	size_t i;

	assert(limits_of(msg->type) && within_limits(msg, limits_of(msg->type)));
	varp_put_u8(&w, VARP_VERSION);
	varp_put_u8(&w, msg->type);
	varp_put_u16(&w, VARP_MSG_LEN);
	varp_put_u8(&w, msg->raddr_count);
	varp_put_u8(&w, msg->prefix_len);
	varp_put_u16(&w, 0);
	varp_put_u64(&w, msg->session);
	varp_put_u64(&w, msg->nonce);
	varp_put(&w, &msg->snid, sizeof(msg->snid));
	varp_put(&w, &msg->chid, sizeof(msg->chid));
	varp_put(&w, &msg->vaddr, sizeof(msg->vaddr));
	varp_put_u32(&w, msg->ttl_s);
	varp_put_u32(&w, 0);
	for (i = 0; i < VARP_RADDR_MAX; i++) {
		const struct varp_raddr *raddr = i < msg->raddr_count ? &msg->raddrs[i] : &unused;

		varp_put(&w, &raddr->addr, sizeof(raddr->addr));
		varp_put_u8(&w, raddr->priority);
		varp_put_u8(&w, raddr->weight);
		varp_put_u16(&w, 0);
	}
	varp_put(&w, no_tag, sizeof(no_tag));
	assert(!w.error && !w.left);
}

/* Locators in use are unicast and at least one may be used; the others are zero. An asker is an address and no more. */
static bool get_raddrs(struct varp_reader *r, struct varp_msg *msg)
{
	bool usable = false, right = true;
	size_t i;

	for (i = 0; i < VARP_RADDR_MAX; i++) {
		struct varp_raddr *raddr = &msg->raddrs[i];
		uint16_t reserved;

		varp_get(r, &raddr->addr, sizeof(raddr->addr));
		raddr->priority = varp_get_u8(r);
		raddr->weight = varp_get_u8(r);
		reserved = varp_get_u16(r);
		if (i < msg->raddr_count) {
			right &= varp_addr_is_unicast(&raddr->addr) && !reserved;
			usable |= raddr->priority != 255;
			right &= msg->type != VARP_MSG_REQUEST ||
				 (!raddr->priority && !raddr->weight);
		} else {
			right &= varp_addr_is_zero(&raddr->addr) && !raddr->priority &&
				 !raddr->weight && !reserved;
		}
	}
	return right && (usable || !msg->raddr_count);
}

/* The fields after the fixed start. */
static bool get_fields(struct varp_reader *r, struct varp_msg *msg,
		       const struct type_limits *limits)
{
	uint32_t reserved;

	msg->raddr_count = varp_get_u8(r);
	msg->prefix_len = varp_get_u8(r);
	reserved = varp_get_u16(r);
	msg->session = varp_get_u64(r);
	msg->nonce = varp_get_u64(r);
	varp_get(r, &msg->snid, sizeof(msg->snid));
	varp_get(r, &msg->chid, sizeof(msg->chid));
	varp_get(r, &msg->vaddr, sizeof(msg->vaddr));
	msg->ttl_s = varp_get_u32(r);
	reserved |= varp_get_u32(r);
	return !reserved && within_limits(msg, limits) && get_raddrs(r, msg) && !r->error;
}

int varp_msg_decode(const uint8_t *data, size_t len, struct varp_msg *msg, enum varp_drop *reason)
{
	struct varp_reader r = varp_reader_init(data, len);
	const struct type_limits *limits;
	uint8_t version = varp_get_u8(&r);
	uint8_t type = varp_get_u8(&r);
	uint16_t length = varp_get_u16(&r);

	/* The version comes first: only it says how long a message has to be. */
	limits = limits_of(type);
	*reason = VARP_DROP_VARP_TRUNCATED;
	if (r.error)
		return -EBADMSG;
	*reason = VARP_DROP_VARP_VERSION;
	if (version != VARP_VERSION)
		return -EBADMSG;
	*reason = VARP_DROP_VARP_TRUNCATED;
	if (len != VARP_MSG_LEN)
		return -EBADMSG;
	*reason = VARP_DROP_VARP_LENGTH;
	if (length != VARP_MSG_LEN)
		return -EBADMSG;
	*reason = VARP_DROP_VARP_TYPE;
	if (!limits)
		return -EBADMSG;
	*reason = VARP_DROP_VARP_FIELD;
	msg->type = type;
	return get_fields(&r, msg, limits) ? 0 : -EBADMSG;
}
