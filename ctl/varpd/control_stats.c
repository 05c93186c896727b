// SPDX-License-Identifier: BSD-2-Clause
/*
 * stats: counters of datapath and engine, drops by reason, and each supernet's account of its
 * misses.
 */
#include <stddef.h>

#include "addr.h"
#include "answer.h"
#include "control_internal.h"
#include "keyx.h"
#include "net.h"

static const char *const counter_names[] = {
#define X(sym, name) [VARP_COUNTER_##sym] = name,
	VARP_COUNTERS(X)
#undef X
};

static const char *const drop_names[] = {
#define X(sym, name, what) [VARP_DROP_##sym] = name,
	VARP_DROP_REASONS(X)
#undef X
};

static const struct {
	const char *name;
	size_t offset;
} engine_counters[] = {
#define ENGINE(field) { #field, offsetof(struct varp_engine_stats, field) }
	ENGINE(requests_sent),	      ENGINE(requests_received),
	ENGINE(replies_sent),	      ENGINE(replies_received),
	ENGINE(nak_notknown_sent),    ENGINE(nak_notknown_received),
	ENGINE(nak_noauthority_sent), ENGINE(nak_noauthority_received),
	ENGINE(notifies_sent),	      ENGINE(notifies_received),
	ENGINE(requests_repeated),    ENGINE(refreshes),
#undef ENGINE
};

struct supernets {
	const struct control_conn *conn;
	json_t *json;
};

static void add_supernet(const struct varp_supernet *supernet, void *ctx)
{
	struct supernets *supernets = ctx;

	if (!control_sees(supernets->conn, &supernet->snid))
		return;
	json_array_append_new(supernets->json, json_pack("{s:o, s:I, s:I, s:I, s:I, s:i, s:i}",
					     "snid", control_json_snid(&supernet->snid),
					     "misses", (json_int_t)supernet->misses,
					     "requests", (json_int_t)supernet->requests,
					     "suppressed", (json_int_t)supernet->suppressed,
					     "dropped", (json_int_t)supernet->dropped,
					     "pending", (int)supernet->pending,
					     "pending_max", (int)supernet->pending_max));
}

/* The engine's, and what the kernel has answered in its place. */
static void sum_answers(const struct varpd *varpd, struct varp_engine_stats *engine, uint64_t *by_xdp)
{
	struct answer_stats stats;

	answer_stats(varpd->answer, &stats);
	*by_xdp = stats.replies + stats.nak_notknown;
	*engine = *varp_engine_stats(varpd->engine);
	engine->requests_received += *by_xdp;
	engine->replies_sent += stats.replies;
	engine->nak_notknown_sent += stats.nak_notknown;
}

/* Sums over all supernets: what others do is nobody's business but an administrator's. */
static void add_sums(const struct control_conn *conn, json_t *datapath, json_t *drops, json_t *varp)
{
	struct varp_engine_stats engine;
	struct varp_stats stats;
	uint64_t by_xdp;

	sum_answers(conn->varpd, &engine, &by_xdp);
	datapath_stats(conn->varpd->datapath, &stats);
	for (size_t i = 0; i < VARP_COUNTER_COUNT; i++)
		json_object_set_new(datapath, counter_names[i], json_integer(stats.counters[i]));
	for (size_t i = 0; i < VARP_DROP_COUNT; i++)
		json_object_set_new(drops, drop_names[i],
				    json_integer(stats.drops[i] + engine.drops[i]));
	for (size_t i = 0; i < sizeof(engine_counters) / sizeof(engine_counters[0]); i++)
		json_object_set_new(varp, engine_counters[i].name,
				    json_integer(*(const uint64_t *)((const char *)&engine +
								     engine_counters[i].offset)));
	json_object_set_new(varp, "answered_by_xdp", json_integer(by_xdp));
	json_object_set_new(varp, "send_failed",
			    json_integer(net_stats(conn->varpd->net)->send_failed));
	json_object_set_new(varp, "key_exchanges_limited",
			    json_integer(keyx_limited(conn->varpd->keyx)));
}

int control_do_stats(struct control_conn *conn, struct control_args *args, json_t **result,
		     struct varpd_error *error)
{
	json_t *datapath = json_object(), *drops = json_object(), *varp = json_object();
	struct supernets supernets = { .conn = conn, .json = json_array() };

	(void)args;
	(void)error;
	if (control_is_admin(conn))
		add_sums(conn, datapath, drops, varp);
	datapath_each_supernet(conn->varpd->datapath, add_supernet, &supernets);
	*result = json_pack("{s:o, s:o, s:o, s:o}", "datapath", datapath, "drops", drops,
			    "varp", varp, "supernets", supernets.json);
	return CONTROL_OK;
}
