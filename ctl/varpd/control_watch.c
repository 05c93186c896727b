// SPDX-License-Identifier: BSD-2-Clause
/*
 * resolve, lookup, register, monitor: whatever has to do with the outcome of lookups and with
 * watching events.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "addr.h"
#include "control_internal.h"
#include "keyx.h"
#include "net.h"

#define RESOLVE_TIMEOUT_MAX_MS	(3600 * 1000)
#define RESOLVE_WORTHWHILE_MS	250
#define WATCH_OUTPUT_MAX	(256 * 1024)	/* octets that wait before a watcher loses events */

#define conn_of(pointer, member) \
	((struct control_conn *)((char *)(pointer) - offsetof(struct control_conn, member)))

bool control_local_raddr(struct varpd *varpd, const struct varp_key *key, struct varp_addr *raddr)
{
	struct varp_local local;

	if (!datapath_is_local(varpd->datapath, key, &local))
		return false;
	*raddr = varp_addr_is_zero(&local.raddr4) ? local.raddr6 : local.raddr4;
	return true;
}

/* --- resolve --- */

static json_t *resolved_json(const struct varp_key *key, const struct varp_addr *raddr, json_t *ttl)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "snid", control_json_snid(&key->snid), "vaddr",
			 control_json_addr(&key->vaddr), "raddr", control_json_addr(raddr), "ttl_s",
			 ttl);
}

/* Whose answer it was, or (CONTROL_FAILED) why nobody was asked; and what to do. */
static int why_notknown(struct varpd *varpd, const struct varp_snid *snid, struct varpd_error *why)
{
	char name[VARP_SNID_TEXT], server[VARP_ADDR_TEXT];
	struct varp_addr addr;
	uint64_t since_ns;

	if (varp_table_serves(varp_engine_table(varpd->engine), snid, NULL))
		return varpd_fail(why, CONTROL_NOTKNOWN,
				  "it is not registered here; varpd_add does that");
	if (!varpd_may_speak(varpd, snid))
		return varpd_fail(why, CONTROL_FAILED,
				  "varpd has no credentials for the supernet, and was not started with "
				  "--insecure; `varpctl psk add` or `varpctl pki` gives it some");
	if (!varp_engine_client_get(varpd->engine, snid, &addr))
		return varpd_fail(why, CONTROL_FAILED,
				  "no server is configured; name one with join ... server, or "
				  "varpd_client_set");
	varp_addr_format(&addr, server);
	if (varp_engine_client_health(varpd->engine, snid, &since_ns) == VARP_SERVER_NOAUTHORITY)
		return varpd_fail(why, CONTROL_NOTKNOWN,
				  "server %s does not serve the supernet; name the right one with "
				  "varpd_client_set, or have it serve with varpd_server_set", server);
	return varpd_fail(why, CONTROL_NOTKNOWN,
			  "server %s has no such mapping; `varpd_add %s ...` there makes one",
			  server, varp_snid_format(snid, name));
}

/* "VADDR of supernet SNID is not known: WHY", or cannot be. Returns the status. */
static int fail_notknown(struct varpd *varpd, const struct varp_key *key, const char *how,
			 struct varpd_error *error)
{
	char vaddr[VARP_ADDR_TEXT], snid[VARP_SNID_TEXT];
	struct varpd_error why;
	int status = why_notknown(varpd, &key->snid, &why);

	return varpd_fail(error, status, "%s of supernet %s %s%s: %s",
			  varp_addr_format(&key->vaddr, vaddr), varp_snid_format(&key->snid, snid),
			  status == CONTROL_FAILED ? "cannot be looked up" : "is not known", how,
			  why.text);
}

static void answer_notknown(struct control_conn *conn)
{
	struct varpd_error error;
	int status = fail_notknown(conn->varpd, &conn->wait.key, "", &error);

	control_answer(conn, status, NULL, &error);
}

/* Without a session nothing was asked; with one, the server said nothing. */
static void why_silent(struct varpd *varpd, const struct varp_snid *snid, struct varpd_error *why)
{
	const char *failed = keyx_client_error(varpd->keyx, snid);
	char server[VARP_ADDR_TEXT];
	struct varp_addr addr;
	int err;

	if (!varp_engine_client_get(varpd->engine, snid, &addr)) {
		varpd_fail(why, 0, "its server was taken away meanwhile");
		return;
	}
	varp_addr_format(&addr, server);
	err = net_send_error(varpd->net, &addr);
	if (err)
		varpd_fail(why, 0, "requests to its server %s cannot be sent: %s", server, strerror(err));
	else if (varpd->config.insecure || varp_engine_session_get(varpd->engine, varpd_now_ns(), snid))
		varpd_fail(why, 0, "its server %s does not answer at UDP port %u: does varpd run there, "
			   "is the port open%s?", server, varpd->config.varp_port,
			   varpd->config.insecure ? ", is it insecure as well" : "");
	else if (failed)
		varpd_fail(why, 0, "no session with its server %s: %s", server, failed);
	else
		varpd_fail(why, 0, "no session with its server %s yet: the key exchange goes on; try "
			   "again", server);
}

static void answer_timeout(struct control_conn *conn)
{
	char vaddr[VARP_ADDR_TEXT], snid[VARP_SNID_TEXT];
	const struct varp_key *key = &conn->wait.key;
	struct varpd_error error, why;

	why_silent(conn->varpd, &key->snid, &why);
	varpd_fail(&error, 0, "%s of supernet %s: timed out, %s",
		   varp_addr_format(&key->vaddr, vaddr), varp_snid_format(&key->snid, snid),
		   why.text);
	control_answer(conn, CONTROL_TIMEOUT, NULL, &error);
}

/* Waits for the outcome of a lookup, which is begun if none goes on. */
static void look_up(struct control_conn *conn)
{
	struct varpd *varpd = conn->varpd;
	struct varpd_error error;

	resolve_wait(varpd->resolve, &conn->wait);
	/* The answer may come from within, when the supernet is served here. */
	if (varp_engine_lookup(varpd->engine, varpd_now_ns(), &conn->wait.key, NULL) &&
	    conn->state == CONTROL_WAITING) {
		varpd_fail(&error, 0, "too many lookups of this supernet are open; try again");
		control_answer(conn, CONTROL_FAILED, NULL, &error);
	}
	varpd_schedule(varpd);
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	if (control_is_gone(ctx))
		answer_timeout(ctx);
	else
		look_up(ctx);
}

/*
 * The lookup's window has ended. There may be time for another one, but not in here, where the
 * engine is still at work. Too little time for an answer is just waited for.
 */
static void look_up_again(struct control_conn *conn)
{
	if (conn->ends_ns >= varpd_now_ns() + RESOLVE_WORTHWHILE_MS * VARPD_NS_PER_MS)
		event_active(conn->again, 0, 0);
}

static void resolve_done(struct resolve_wait *wait, enum resolve_result result,
			 const struct varp_addr *raddr, uint32_t ttl_s)
{
	struct control_conn *conn = conn_of(wait, wait);

	if (result == RESOLVE_HIT)
		control_answer(conn, CONTROL_OK,
			       resolved_json(&wait->key, raddr, json_integer(ttl_s)), NULL);
	else if (result == RESOLVE_NOTKNOWN)
		answer_notknown(conn);
	else
		look_up_again(conn);
}

static void on_timeout(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	answer_timeout(ctx);
}

/* What can be said at once. CONTROL_LATER if nothing can. */
static int resolve_now(struct varpd *varpd, const struct varp_key *key, json_t **result,
		       struct varpd_error *error)
{
	struct datapath_entry entry;
	struct varp_addr raddr;
	bool cached;

	if (control_local_raddr(varpd, key, &raddr)) {
		*result = resolved_json(key, &raddr, json_null());
		return CONTROL_OK;
	}
	cached = !datapath_get(varpd->datapath, key, &entry);
	if (cached && entry.state == DATAPATH_RESOLVED) {
		*result = resolved_json(key, &entry.raddr,
					control_json_ttl(entry.deadline_ns, varpd_now_ns()));
		return CONTROL_OK;
	}
	if ((cached && entry.state == DATAPATH_NOTKNOWN) ||
	    varp_engine_lookup_state(varpd->engine, key) == VARP_LOOKUP_NOTKNOWN)
		return fail_notknown(varpd, key, " (this answer is cached)", error);
	return CONTROL_LATER;
}

int control_do_resolve(struct control_conn *conn, struct control_args *args, json_t **result,
		       struct varpd_error *error)
{
	struct varpd *varpd = conn->varpd;
	json_int_t timeout_ms = VARPDB_TTL_INITIAL_LOOKUP * 1000;
	struct timeval timeout;
	int status;

	control_arg_key(args, &conn->wait.key);
	control_arg_int(args, "timeout_ms", CONTROL_OPTIONAL, 1, RESOLVE_TIMEOUT_MAX_MS,
			&timeout_ms);
	if (args->bad)
		return CONTROL_FAILED;
	status = resolve_now(varpd, &conn->wait.key, result, error);
	if (status != CONTROL_LATER)
		return status;
	timeout = (struct timeval){ timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	conn->ends_ns = varpd_now_ns() + timeout_ms * VARPD_NS_PER_MS;
	conn->timeout = evtimer_new(varpd->base, on_timeout, conn);
	conn->again = evtimer_new(varpd->base, on_again, conn);
	if (!conn->timeout || !conn->again || event_add(conn->timeout, &timeout)) {
		varpd_fail(error, 0, "out of memory");
		control_answer(conn, CONTROL_FAILED, NULL, error);
		return CONTROL_LATER;
	}
	conn->state = CONTROL_WAITING;
	conn->wait.done = resolve_done;
	look_up(conn);
	return CONTROL_LATER;
}

/* --- lookup, register --- */

int control_do_lookup(struct control_conn *conn, struct control_args *args, json_t **result,
		      struct varpd_error *error)
{
	struct varpd *varpd = conn->varpd;
	struct datapath_entry entry;
	struct varp_addr raddr;
	struct varp_key key;
	int err;

	(void)error;
	if (!control_arg_key(args, &key))
		return CONTROL_FAILED;
	err = datapath_get(varpd->datapath, &key, &entry);
	if (!err && entry.state == DATAPATH_RESOLVED)
		raddr = entry.raddr;
	if ((!err && entry.state == DATAPATH_RESOLVED) ||
	    control_local_raddr(varpd, &key, &raddr)) {
		*result = json_pack("{s:s, s:o}", "state", "hit",
				    "raddr", control_json_addr(&raddr));
		return CONTROL_OK;
	}
	if ((!err && entry.state == DATAPATH_NOTKNOWN) ||
	    varp_engine_lookup_state(varpd->engine, &key) == VARP_LOOKUP_NOTKNOWN) {
		*result = json_pack("{s:s}", "state", "notknown");
		return CONTROL_OK;
	}
	resolve_watch(varpd->resolve, &key, conn->peer.uid, conn->peer.pid);
	if (varp_engine_lookup(varpd->engine, varpd_now_ns(), &key, NULL))
		resolve_unwatch(varpd->resolve, &key, conn->peer.uid, conn->peer.pid);
	varpd_schedule(varpd);
	*result = json_pack("{s:s}", "state", "miss");
	return CONTROL_OK;
}

static bool has_room(struct control_conn *conn)
{
	if (!conn->lost && control_pending(conn) < WATCH_OUTPUT_MAX)
		return true;
	conn->lost++;
	return false;
}

static void on_outcome(struct resolve_listener *listener, const struct varp_key *key,
		       enum resolve_result result, const struct varp_addr *raddr)
{
	struct control_conn *conn = conn_of(listener, listener);

	if (!control_sees(conn, &key->snid) || !has_room(conn))
		return;
	control_write_json(conn, json_pack("{s:s, s:o, s:o, s:o}",
					   "state", result == RESOLVE_HIT ? "hit" : "miss",
					   "snid", control_json_snid(&key->snid),
					   "vaddr", control_json_addr(&key->vaddr),
					   "raddr", control_json_addr(raddr)));
}

int control_do_register(struct control_conn *conn, struct control_args *args, json_t **result,
			struct varpd_error *error)
{
	(void)result;
	(void)error;
	conn->listener.all = control_arg_bool(args, "monitor");
	if (args->bad)
		return CONTROL_FAILED;
	conn->listener.uid = conn->peer.uid;
	conn->listener.pid = conn->peer.pid;
	conn->listener.outcome = on_outcome;
	control_watch(conn);
	resolve_listen(conn->varpd->resolve, &conn->listener);
	conn->listening = true;
	return CONTROL_LATER;
}

/* --- monitor --- */

static void deliver(struct monitor_subscriber *subscriber, const struct monitor_event *event,
		    const char *line, size_t len)
{
	struct control_conn *conn = conn_of(subscriber, subscriber);

	/* What is about no node is about the host, or about all supernets. */
	if (event->key ? !control_sees(conn, &event->key->snid) : !control_is_admin(conn))
		return;
	if (has_room(conn))
		control_write(conn, line, len);
}

int control_do_monitor(struct control_conn *conn, struct control_args *args, json_t **result,
		       struct varpd_error *error)
{
	(void)args;
	(void)result;
	(void)error;
	conn->subscriber.deliver = deliver;
	control_watch(conn);
	monitor_subscribe(conn->varpd->monitor, &conn->subscriber);
	conn->subscribed = true;
	return CONTROL_LATER;
}
