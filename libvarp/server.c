// SPDX-License-Identifier: BSD-2-Clause
/*
 * The server role: answers requests from the table, and keeps this host's own cache in step when
 * the group manager changes it. It remembers nothing of its clients but their sessions (auth.c).
 */
#include <errno.h>

#include "state.h"

/*
 * The table may hold what a store read from disk: an answer's ttl is within the limits all the
 * same.
 */
static uint32_t told_ttl(int32_t ttl_s, int32_t default_s)
{
	if (ttl_s == VARPDB_TTL_ALWAYS)
		ttl_s = default_s;
	if (ttl_s < VARPDB_TTL_MIN)
		return VARPDB_TTL_INITIAL_CLIENT;
	return ttl_s > VARPDB_TTL_MAX ? VARPDB_TTL_MAX : ttl_s;
}

bool varp_server_find(const struct varp_engine *engine, const struct varp_key *key,
		      const struct varp_table_entry **entry, uint32_t *ttl_s)
{
	int32_t default_s;

	if (!varp_table_serves(engine->table, &key->snid, &default_s))
		return false;
	*entry = varp_table_find(engine->table, key);
	*ttl_s = *entry ? told_ttl((*entry)->ttl_s, default_s) : 0;
	return true;
}

static void log_noauthority(struct varp_engine *engine, uint64_t now_ns,
			    const struct varp_snid *snid, const struct varp_addr *client)
{
	char snid_text[VARP_SNID_TEXT], client_text[VARP_ADDR_TEXT];

	varp_engine_log(engine, now_ns, VARP_LOG_NOT_SERVED,
			"%s asked for supernet %s, which is not served here: correct its "
			"varpd_client_set, or serve it with varpd_server_set",
			varp_addr_format(client, client_text), varp_snid_format(snid, snid_text));
}

/*
 * Not so in insecure mode: what came unasked could be anybody's. A host that was not told, or does not believe it, asks
 * for itself.
 */
void varp_server_introduce(struct varp_engine *engine, uint64_t now_ns,
			   const struct varp_key *asker, const struct varp_addr *client,
			   const struct varp_addr *raddr)
{
	struct varp_msg msg = {
		.type = VARP_MSG_NOTIFY,
		.snid = asker->snid,
		.vaddr = asker->vaddr,
		.prefix_len = 128,
		.raddr_count = 1,
	};
	const struct varp_table_entry *entry = NULL;
	const struct varp_session *session;

	if (!varp_server_find(engine, asker, &entry, &msg.ttl_s) || !entry ||
	    (client && !varp_addr_equal(&entry->raddr, client)) ||
	    varp_addr_equal(&entry->raddr, raddr))
		return;
	session = varp_auth_server_tell(engine->auth, now_ns, &asker->snid, raddr, &msg.nonce);
	if (!session)
		return;
	msg.session = session->id;
	msg.raddrs[0].addr = entry->raddr;
	varp_engine_send(engine, &msg, session, raddr, engine->config.varp_port);
}

/* An answer is its request with another type: nonce, session, SnId, ChId and vaddr are echoed. */
void varp_server_request(struct varp_engine *engine, uint64_t now_ns, const struct varp_addr *from,
			 uint16_t from_port, const struct varp_msg *msg,
			 const struct varp_session *session)
{
	const struct varp_key key = varp_key_make(&msg->snid, &msg->vaddr);
	const struct varp_table_entry *entry = NULL;
	struct varp_msg answer = *msg;

	answer.raddr_count = 0;
	if (!from_port) {	/* RFC 768: the sender has no port to be answered at */
		varp_engine_drop(engine, VARP_DROP_VARP_FIELD);
		return;
	}
	engine->stats.requests_received++;
	if (!varp_server_find(engine, &key, &entry, &answer.ttl_s)) {
		log_noauthority(engine, now_ns, &key.snid, from);
		answer.type = VARP_MSG_NAK_NOAUTHORITY;
	} else if (entry) {
		answer.type = VARP_MSG_REPLY;
		answer.raddr_count = 1;
		answer.raddrs[0] = (struct varp_raddr){ .addr = entry->raddr };
	} else {
		answer.type = VARP_MSG_NAK_NOTKNOWN;
	}
	/* First, so that it is there when the packet comes that waits for the answer. */
	if (entry && session && msg->raddr_count) {
		const struct varp_key asker = varp_key_make(&msg->snid, &msg->raddrs[0].addr);

		varp_server_introduce(engine, now_ns, &asker, from, &entry->raddr);
	}
	varp_engine_send(engine, &answer, session, from, from_port);
}

/* --- The group manager's changes --- */

int varp_engine_server_set(struct varp_engine *engine, uint64_t now_ns,
			   const struct varp_snid *snid, int32_t ttl_s)
{
	int err;

	if (!varp_engine_may(engine, snid))
		return -EACCES;
	err = varp_table_server_set(engine->table, snid, ttl_s);
	if (!err)
		varp_client_settle(engine, now_ns, snid);
	return err;
}

int varp_engine_server_clear(struct varp_engine *engine, uint64_t now_ns,
			     const struct varp_snid *snid)
{
	(void)now_ns;
	return varp_table_server_clear(engine->table, snid);
}

static void remove_cached(struct varp_engine *engine, const struct varp_key *key)
{
	const struct varp_action action = { .type = VARP_ACTION_REMOVE, .key = *key };

	varp_engine_emit(engine, &action);
}

static bool is_same(const struct varp_table_entry *a, const struct varp_table_entry *b)
{
	return a && varp_addr_equal(&a->raddr, &b->raddr) && a->ttl_s == b->ttl_s;
}

/* What this host has cached about the node is void, and what it waits for is known. */
static void update_here(struct varp_engine *engine, uint64_t now_ns,
			const struct varp_table_entry *entry, uint32_t ttl_s)
{
	remove_cached(engine, &entry->key);
	if (varp_engine_lookup_state(engine, &entry->key) != VARP_LOOKUP_NONE)
		varp_lookup_resolved(engine, now_ns, &entry->key, &entry->raddr, ttl_s, true);
}

int varp_engine_add(struct varp_engine *engine, uint64_t now_ns,
		    const struct varp_table_entry *entry)
{
	int32_t default_s;
	bool changed = varp_table_serves(engine->table, &entry->key.snid, &default_s) &&
		       !is_same(varp_table_find(engine->table, &entry->key), entry);
	int err = varp_table_add(engine->table, entry);

	if (err)
		return err;
	varp_engine_notify(engine, VARP_NOTICE_INSERT, &entry->key, &entry->raddr, true);
	if (changed)
		update_here(engine, now_ns, entry, told_ttl(entry->ttl_s, default_s));
	return 0;
}

int varp_engine_remove(struct varp_engine *engine, uint64_t now_ns, const struct varp_key *key)
{
	const struct varp_key gone = *key;	/* key may point into the entry */
	int err = varp_table_remove(engine->table, key);

	(void)now_ns;
	if (err)
		return err;
	varp_engine_notify(engine, VARP_NOTICE_REMOVE, &gone, NULL, true);
	if (varp_table_serves(engine->table, &gone.snid, NULL))
		remove_cached(engine, &gone);
	return 0;
}
