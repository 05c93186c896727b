// SPDX-License-Identifier: BSD-2-Clause
/*
 * opcode, reset, timer: the memo's "Interface internal if", which programs reach by
 * varpdb_control(). The opcodes act on varpdb, the cache; the server's registered mappings are the
 * group manager's alone.
 */
#include <string.h>
#include <varp/varp.h>

#include "addr.h"
#include "control_internal.h"
#include "log.h"

struct opcode {
	struct varp_key key;
	struct varp_addr raddr, caddr;
	bool has_raddr, has_caddr;
	json_int_t ttl_s;
};

static void publish(struct varpd *varpd, const char *event, const struct varp_key *key,
		    const struct varp_addr *raddr)
{
	monitor_publish(varpd->monitor,
			&(struct monitor_event){.event = event, .key = key, .raddr = raddr});
}

static int do_insert(struct control_conn *conn, const struct opcode *op, json_t **result,
		     struct varpd_error *error)
{
	bool always = op->ttl_s == VARPDB_TTL_ALWAYS;
	uint64_t deadline_ns = always ? UINT64_MAX : varpd_now_ns() + op->ttl_s * VARPD_NS_PER_S;
	int err;

	(void)result;
	if (!op->has_raddr) {
		varpd_fail(error, 0, "argument 'raddr' is missing");
		return CONTROL_FAILED;
	}
	err = datapath_resolved(conn->varpd->datapath, &op->key, &op->raddr, always ? 0 : op->ttl_s,
				deadline_ns);
	if (err) {
		varpd_fail(error, err, "cannot write the mapping: %s", strerror(-err));
		return control_status_of(err);
	}
	publish(conn->varpd, "insert", &op->key, &op->raddr);
	return CONTROL_OK;
}

static int do_reply(struct control_conn *conn, const struct opcode *op, json_t **result,
		    struct varpd_error *error)
{
	int status = do_insert(conn, op, result, error);

	if (status == CONTROL_OK) {
		publish(conn->varpd, "hit", &op->key, &op->raddr);
		resolve_outcome(conn->varpd->resolve, &op->key, RESOLVE_HIT, &op->raddr, op->ttl_s);
	}
	return status;
}

/* Is it there, in the cache or among the mappings registered here? Asks nobody else. */
static int do_lookup(struct control_conn *conn, const struct opcode *op, json_t **result,
		     struct varpd_error *error)
{
	struct varpd *varpd = conn->varpd;
	const struct varp_table_entry *mapping =
		varp_table_find(varp_engine_table(varpd->engine), &op->key);
	const struct varp_addr *raddr = NULL;
	struct datapath_entry entry;
	struct varp_addr local;

	(void)error;
	if (!datapath_get(varpd->datapath, &op->key, &entry) && entry.state == DATAPATH_RESOLVED)
		raddr = &entry.raddr;
	else if (mapping)
		raddr = &mapping->raddr;
	else if (control_local_raddr(varpd, &op->key, &local))
		raddr = &local;
	*result = json_pack("{s:i}", "op_code", raddr ? VARPD_OPCODE_RESULT : VARPD_OPCODE_NAK);
	if (raddr)
		json_object_set_new(*result, "raddr", control_json_addr(raddr));
	if (op->has_caddr)
		json_object_set_new(*result, "caddr", control_json_addr(&op->caddr));
	return CONTROL_OK;
}

static int do_remove(struct control_conn *conn, const struct opcode *op, json_t **result,
		     struct varpd_error *error)
{
	(void)result;
	(void)error;
	datapath_remove(conn->varpd->datapath, &op->key);
	publish(conn->varpd, "remove", &op->key, NULL);
	return CONTROL_OK;
}

static int do_nak(struct control_conn *conn, const struct opcode *op, json_t **result,
		  struct varpd_error *error)
{
	struct varpd *varpd = conn->varpd;

	(void)result;
	(void)error;
	datapath_notknown(varpd->datapath, &op->key,
			  varpd_now_ns() + varpd->config.negative_ttl_s * VARPD_NS_PER_S);
	publish(varpd, "notknown", &op->key, NULL);
	resolve_outcome(varpd->resolve, &op->key, RESOLVE_NOTKNOWN, NULL, 0);
	return CONTROL_OK;
}

static int (*const opcodes[])(struct control_conn *conn, const struct opcode *op, json_t **result,
			      struct varpd_error *error) = {
	[VARPDB_OPCODE_INSERT]	= do_insert,
	[VARPDB_OPCODE_REPLY]	= do_reply,
	[VARPDB_OPCODE_LOOKUP]	= do_lookup,
	[VARPDB_OPCODE_REMOVE]	= do_remove,
	[VARPDB_OPCODE_NAK]	= do_nak,
};

int control_do_opcode(struct control_conn *conn, struct control_args *args, json_t **result,
		      struct varpd_error *error)
{
	struct opcode op = { .ttl_s = VARPDB_TTL_ALWAYS };
	json_int_t code = 0;
	int status;

	control_arg_int(args, "op_code", CONTROL_REQUIRED, VARPDB_OPCODE_INSERT, VARPDB_OPCODE_NAK,
			&code);
	control_arg_key(args, &op.key);
	op.has_raddr = control_arg_addr(args, "raddr", CONTROL_OPTIONAL, &op.raddr);
	op.has_caddr = control_arg_addr(args, "caddr", CONTROL_OPTIONAL, &op.caddr);
	control_arg_int(args, "ttl", CONTROL_OPTIONAL, VARPDB_TTL_ALWAYS, VARPDB_TTL_MAX,
			&op.ttl_s);
	if (args->bad)
		return CONTROL_FAILED;
	if (!op.ttl_s) {
		varpd_fail(error, 0, "argument 'ttl' is not within 1 to %d", VARPDB_TTL_MAX);
		return CONTROL_FAILED;
	}
	if (op.has_raddr && !varp_addr_is_unicast(&op.raddr) && code <= VARPDB_OPCODE_REPLY) {
		varpd_fail(error, 0, "raddr is not a unicast address");
		return CONTROL_FAILED;
	}
	status = opcodes[code](conn, &op, result, error);
	if (status == CONTROL_OK && !*result)
		*result = json_pack("{s:i}", "op_code", (int)code);
	return status;
}

int control_do_reset(struct control_conn *conn, struct control_args *args, json_t **result,
		     struct varpd_error *error)
{
	struct varpd *varpd = conn->varpd;
	int count = datapath_flush(varpd->datapath, NULL, NULL);

	(void)args;
	(void)error;
	varp_engine_flush(varpd->engine, varpd_now_ns(), NULL, NULL);
	varpd_schedule(varpd);
	*result = json_pack("{s:i}", "flushed", count);
	varpd_log(VARPD_LOG_INFO, "varpdb was reset by pid %d", (int)conn->peer.pid);
	return CONTROL_OK;
}

int control_do_timer(struct control_conn *conn, struct control_args *args, json_t **result,
		     struct varpd_error *error)
{
	bool on = control_arg_bool(args, "on");

	(void)result;
	if (!json_object_get(args->json, "on"))
		varpd_fail(error, 0, "argument 'on' is missing");
	if (args->bad || !json_object_get(args->json, "on"))
		return CONTROL_FAILED;
	datapath_sweep_enable(conn->varpd->datapath, on);
	varpd_log(VARPD_LOG_INFO, "aging sweep was switched %s by pid %d", on ? "on" : "off",
		  (int)conn->peer.pid);
	return CONTROL_OK;
}
