// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpdb_control(): the memo's ioctl requests and opcodes ("Interface internal if"), as requests to
 * varpd. Arguments are checked here, so that a program learns at once what it got wrong.
 */
#include <errno.h>
#include <string.h>

#include <varp/varp.h>

#include "addr.h"
#include "varpdb_internal.h"

#define CONTROL_WAIT_MS		1000

#define STATUS_TIMEOUT		4	/* "status" of an error answer */
#define STATUS_PERMISSION	5

static int check_unicast(const struct in6_addr *addr)
{
	struct varp_addr inner;

	memcpy(&inner, addr, sizeof(inner));
	return varp_addr_is_unicast(&inner) ? 0 : -EINVAL;
}

static json_t *addrset_to_json(const addrset_t *set)
{
	bool writes = set->op_code == VARPDB_OPCODE_INSERT || set->op_code == VARPDB_OPCODE_REPLY;
	char addr[VARP_ADDR_STRLEN];
	json_t *args = varpdb_vnode_to_json(&set->vnode);

	json_object_set_new(args, "op_code", json_integer(set->op_code));
	if (writes) {
		json_object_set_new(args, "raddr",
				    json_string(varp_addr_to_text(&set->vnode.raddr, addr)));
		json_object_set_new(args, "ttl", json_integer(set->ttl));
	} else if (set->op_code == VARPDB_OPCODE_LOOKUP) {
		json_object_set_new(args, "caddr",
				    json_string(varp_addr_to_text(&set->caddr, addr)));
	}
	return args;
}

static int check_addrset(const addrset_t *set)
{
	if (set->op_code < VARPDB_OPCODE_INSERT || set->op_code > VARPDB_OPCODE_NAK ||
	    check_unicast(&set->vnode.vaddr))
		return -EINVAL;
	if (set->op_code != VARPDB_OPCODE_INSERT && set->op_code != VARPDB_OPCODE_REPLY)
		return 0;
	if (set->ttl != VARPDB_TTL_ALWAYS &&
	    (set->ttl < VARPDB_TTL_MIN || set->ttl > VARPDB_TTL_MAX))
		return -EINVAL;
	return check_unicast(&set->vnode.raddr);
}

/* What a refusal means to a program. */
static int answer_to_errno(const json_t *answer)
{
	if (json_is_true(json_object_get(answer, "ok")))
		return 0;
	switch (json_integer_value(json_object_get(answer, "status"))) {
	case STATUS_TIMEOUT:
		return -ETIMEDOUT;
	case STATUS_PERMISSION:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

/* LOOKUP is answered over its question: RESULT with the raddr, or NAK; caddr stays. */
static int read_lookup_result(const json_t *result, addrset_t *set)
{
	json_int_t code = json_integer_value(json_object_get(result, "op_code"));

	if (code == VARPD_OPCODE_RESULT &&
	    varpdb_addr_from_json(json_object_get(result, "raddr"), &set->vnode.raddr))
		return -EPROTO;
	if (code != VARPD_OPCODE_RESULT && code != VARPD_OPCODE_NAK)
		return -EPROTO;
	set->op_code = (int)code;
	return 0;
}

/* What a question that got no answer means to a program. */
static int ask_to_errno(int err)
{
	switch (err) {
	case -EAGAIN:
		return -ETIMEDOUT;
	case -EACCES:
		return -EPERM;
	case -ETIMEDOUT:
	case -ENOMEM:
		return err;
	default:
		return -ENOTCONN;
	}
}

int varpdb_control(enum varpdb_request request, addrset_t *set)
{
	static const char *const commands[] = {
		[VARPDB_IOCTLXRESET] = "reset", [VARPDB_IOCTLXTIMSTART] = "timer",
		[VARPDB_IOCTLXTIMSTOP] = "timer", [VARPDB_IOCTLWCMD] = "opcode",
	};
	json_t *args, *answer;
	int err;

	if ((unsigned int)request > VARPDB_IOCTLWCMD)
		return -EINVAL;
	if (request == VARPDB_IOCTLWCMD) {
		if (!set || check_addrset(set))
			return -EINVAL;
		args = addrset_to_json(set);
	} else if (request == VARPDB_IOCTLXRESET) {
		args = json_object();
	} else {
		args = json_pack("{s:b}", "on", request == VARPDB_IOCTLXTIMSTART);
	}

	err = varpdb_ask(commands[request], args, CONTROL_WAIT_MS, &answer);
	if (err)
		return ask_to_errno(err);
	err = answer_to_errno(answer);
	if (!err && request == VARPDB_IOCTLWCMD && set->op_code == VARPDB_OPCODE_LOOKUP)
		err = read_lookup_result(json_object_get(answer, "result"), set);
	json_decref(answer);
	return err;
}
