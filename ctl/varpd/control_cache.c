// SPDX-License-Identifier: BSD-2-Clause
/*
 * cache_show, cache_get, cache_flush, db_show: varpdb's entries and the server's mappings. Listings
 * are made piece by piece as the peer reads them.
 */
#include <string.h>

#include "addr.h"
#include "control_internal.h"
#include "log.h"

#define PIECE 256	/* entries */
#define FLUSH_EVENTS_MAX 1000	/* told one by one; more are told as one */

static const char *const state_names[] = {
	[DATAPATH_RESOLVED]	= "resolved",
	[DATAPATH_PENDING]	= "pending",
	[DATAPATH_NOTKNOWN]	= "notknown",
};

json_t *control_json_ttl(uint64_t deadline_ns, uint64_t now_ns)
{
	uint64_t left_s;

	if (deadline_ns <= now_ns)
		return json_integer(0);
	left_s = (deadline_ns - now_ns + VARPD_NS_PER_S - 1) / VARPD_NS_PER_S;
	return left_s > VARPDB_TTL_MAX ? json_null() : json_integer(left_s);
}

static json_t *entry_json(const struct datapath_entry *entry, uint64_t now_ns)
{
	const struct varp_addr *raddr = entry->state == DATAPATH_RESOLVED ? &entry->raddr : NULL;

	return json_pack("{s:o, s:o, s:s, s:o, s:o}",
			 "snid", control_json_snid(&entry->key.snid),
			 "vaddr", control_json_addr(&entry->key.vaddr),
			 "state", state_names[entry->state],
			 "raddr", control_json_addr(raddr),
			 "ttl_s", control_json_ttl(entry->deadline_ns, now_ns));
}

/*
 * After the last entry of a supernet. For owners this takes the place of walking what is not
 * theirs, which may be long.
 */
static bool go_on(struct control_conn *conn)
{
	if (!conn->each_owned ||
	    !access_next_owned(conn->varpd->access, &conn->peer, false, &conn->snid))
		return false;
	conn->started = false;
	memset(&conn->cursor, 0, sizeof(conn->cursor));
	return true;
}

static bool more_cache(struct control_conn *conn)
{
	struct datapath_entry entries[PIECE];
	unsigned int count;
	uint64_t now_ns = varpd_now_ns();
	int err = datapath_next(conn->varpd->datapath, &conn->cursor,
				conn->one_supernet ? &conn->snid : NULL, entries, PIECE, &count);

	if (err)
		return false;
	if (!count)
		return go_on(conn);
	for (unsigned int i = 0; i < count; i++)
		if (control_sees(conn, &entries[i].key.snid))
			control_write_json(conn, entry_json(&entries[i], now_ns));
	return true;
}

/* Streams a table's entries: of one supernet where the request names it, else of all. */
static int show(struct control_conn *conn, struct control_args *args,
		bool (*more)(struct control_conn *conn))
{
	conn->one_supernet = control_arg_snid(args, CONTROL_OPTIONAL, &conn->snid);
	if (args->bad)
		return CONTROL_FAILED;
	conn->each_owned = !conn->one_supernet && !control_is_admin(conn);
	if (conn->each_owned)
		conn->one_supernet =
			access_next_owned(conn->varpd->access, &conn->peer, true, &conn->snid);
	control_stream(conn, more);
	return CONTROL_LATER;
}

int control_do_cache_show(struct control_conn *conn, struct control_args *args, json_t **result,
			  struct varpd_error *error)
{
	(void)result;
	(void)error;
	return show(conn, args, more_cache);
}

int control_do_cache_get(struct control_conn *conn, struct control_args *args, json_t **result,
			 struct varpd_error *error)
{
	char vaddr[VARP_ADDR_TEXT], snid[VARP_SNID_TEXT];
	struct datapath_entry entry;
	struct varp_key key;

	if (!control_arg_key(args, &key))
		return CONTROL_FAILED;
	if (datapath_get(conn->varpd->datapath, &key, &entry)) {
		varpd_fail(error, 0,
			   "%s of supernet %s is not in the cache; varpctl resolve looks it up",
			   varp_addr_format(&key.vaddr, vaddr), varp_snid_format(&key.snid, snid));
		return CONTROL_NOTKNOWN;
	}
	*result = entry_json(&entry, varpd_now_ns());
	return CONTROL_OK;
}

/* Mappings that a flush is about to take away. Stops when there are more than are told of. */
static unsigned int collect(struct varpd *varpd, const struct varp_snid *snid,
			    const struct varp_addr *vaddr, struct varp_key *keys)
{
	struct datapath_cursor cursor = { .stage = 0 };
	struct datapath_entry entries[PIECE];
	unsigned int found = 0, count;

	if (vaddr) {
		keys[0] = varp_key_make(snid, vaddr);
		return !datapath_get(varpd->datapath, &keys[0], entries) &&
		       entries[0].state == DATAPATH_RESOLVED;
	}
	while (!datapath_next(varpd->datapath, &cursor, snid, entries, PIECE, &count) && count)
		for (unsigned int i = 0; i < count; i++) {
			if (entries[i].state != DATAPATH_RESOLVED)
				continue;
			if (found == FLUSH_EVENTS_MAX)
				return found + 1;
			keys[found++] = entries[i].key;
		}
	return found;
}

static void publish_removed(struct varpd *varpd, const struct varp_key *keys, unsigned int count)
{
	struct monitor_event event = { .event = "remove" };

	if (count > FLUSH_EVENTS_MAX) {
		monitor_publish(varpd->monitor, &event);
		return;
	}
	for (unsigned int i = 0; i < count; i++) {
		event.key = &keys[i];
		monitor_publish(varpd->monitor, &event);
	}
}

int control_do_cache_flush(struct control_conn *conn, struct control_args *args, json_t **result,
			   struct varpd_error *error)
{
	struct varpd *varpd = conn->varpd;
	struct varp_snid snid;
	struct varp_addr vaddr;
	bool has_snid = control_arg_snid(args, CONTROL_OPTIONAL, &snid);
	bool has_vaddr = control_arg_vaddr(args, CONTROL_OPTIONAL, &vaddr);
	struct varp_key keys[FLUSH_EVENTS_MAX];
	unsigned int removed;
	int count;

	if (has_vaddr && !has_snid && !args->bad) {
		varpd_fail(error, 0, "a vaddr means nothing without its supernet");
		return CONTROL_FAILED;
	}
	if (args->bad)
		return CONTROL_FAILED;
	removed = collect(varpd, has_snid ? &snid : NULL, has_vaddr ? &vaddr : NULL, keys);
	count = datapath_flush(varpd->datapath, has_snid ? &snid : NULL, has_vaddr ? &vaddr : NULL);
	if (count < 0) {
		varpd_fail(error, 0, "cannot flush the cache: %s", strerror(-count));
		return CONTROL_FAILED;
	}
	varp_engine_flush(varpd->engine, varpd_now_ns(), has_snid ? &snid : NULL,
			  has_vaddr ? &vaddr : NULL);
	varpd_schedule(varpd);
	publish_removed(varpd, keys, removed);
	*result = json_pack("{s:i}", "flushed", count);
	return CONTROL_OK;
}

/* One without a ttl has its supernet's, as long as that is served. */
static json_t *mapping_json(struct varpd *varpd, const struct varp_table_entry *entry)
{
	bool own = entry->ttl_s != VARPDB_TTL_ALWAYS;
	json_t *json = json_pack("{s:o, s:o, s:o, s:o}",
				 "snid", control_json_snid(&entry->key.snid),
				 "vaddr", control_json_addr(&entry->key.vaddr),
				 "raddr", control_json_addr(&entry->raddr),
				 "ttl_s", own ? json_integer(entry->ttl_s) : json_null());
	int32_t default_s;

	if (!own)
		json_object_set_new(json, "default_ttl_s",
				    varp_table_serves(varp_engine_table(varpd->engine),
						      &entry->key.snid, &default_s)
					    ? json_integer(default_s) : json_null());
	return json;
}

static bool more_db(struct control_conn *conn)
{
	struct varp_table_entry entries[PIECE];
	struct varpd_error error;
	unsigned int count;

	if (store_next(conn->varpd->store, conn->one_supernet ? &conn->snid : NULL,
		       conn->started ? &conn->after : NULL, entries, PIECE, &count, &error)) {
		varpd_log(VARPD_LOG_ERROR, "%s", error.text);
		return false;
	}
	if (!count)
		return go_on(conn);
	for (unsigned int i = 0; i < count; i++)
		if (control_sees(conn, &entries[i].key.snid))
			control_write_json(conn, mapping_json(conn->varpd, &entries[i]));
	conn->after = entries[count - 1].key;
	conn->started = true;
	return true;
}

int control_do_db_show(struct control_conn *conn, struct control_args *args, json_t **result,
		       struct varpd_error *error)
{
	(void)result;
	(void)error;
	return show(conn, args, more_db);
}
