// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzzes the message codec: what decodes is within docs/PROTOCOL.md's limits and encodes to the same
 * octets again, what does not has a reason.
 */
#include <string.h>

#include "addr.h"
#include "fuzz.h"
#include "msg.h"

static void check_limits(const struct varp_msg *msg)
{
	bool tells = msg->type == VARP_MSG_REPLY || msg->type == VARP_MSG_NOTIFY;
	bool asks = msg->type == VARP_MSG_REQUEST;

	FUZZ_CHECK(msg->type >= VARP_MSG_REQUEST && msg->type <= VARP_MSG_NOTIFY);
	FUZZ_CHECK(strcmp(varp_msg_type_name(msg->type), "unknown"));
	FUZZ_CHECK(msg->prefix_len == 128 && varp_addr_is_unicast(&msg->vaddr));
	FUZZ_CHECK(tells ? msg->raddr_count >= 1 && msg->raddr_count <= VARP_RADDR_MAX
			 : msg->raddr_count <= asks);
	FUZZ_CHECK(tells ? msg->ttl_s >= VARPDB_TTL_MIN && msg->ttl_s <= VARPDB_TTL_MAX : !msg->ttl_s);
	for (int i = 0; i < msg->raddr_count; i++)
		FUZZ_CHECK(varp_addr_is_unicast(&msg->raddrs[i].addr) &&
			   (!asks || (!msg->raddrs[i].priority && !msg->raddrs[i].weight)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum varp_drop reason = VARP_DROP_COUNT;
	uint8_t again[VARP_MSG_LEN];
	struct varp_msg msg;

	if (varp_msg_decode(data, size, &msg, &reason)) {
		FUZZ_CHECK(reason >= VARP_DROP_VARP_TRUNCATED && reason <= VARP_DROP_VARP_FIELD);
		return 0;
	}
	FUZZ_CHECK(size == VARP_MSG_LEN);
	check_limits(&msg);
	varp_msg_encode(&msg, again);
	FUZZ_CHECK(!memcmp(again, data, VARP_MSG_TAGGED_LEN));
	return 0;
}
