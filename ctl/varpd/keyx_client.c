// SPDX-License-Identifier: BSD-2-Clause
/*
 * The client's side: sessions that the engine asked for. One exchange for each supernet at a time;
 * the engine decides when to try again. What became of the last one is kept for `varpctl status`.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "actions.h"
#include "channel_keys.h"
#include "keyx_internal.h"
#include "net.h"

#define TELL_AGAIN_NS	(60 * VARPD_NS_PER_S)	/* what is still wrong is logged again */
#define TRY_AGAIN_NS	(30 * VARPD_NS_PER_S)	/* what failed, while the engine needs nothing */

struct keyx_want *keyx_client_find(const struct keyx *keyx, const struct varp_snid *snid)
{
	struct keyx_want *want;

	HASH_FIND(hh, keyx->wants, snid, sizeof(*snid), want);
	return want;
}

/* --- The end of an exchange --- */

static void stop(struct keyx_want *want)
{
	if (want->conn)
		keyx_conn_free(want->conn);
	if (want->connecting)
		event_free(want->connecting);
	if (want->fd >= 0)
		close(want->fd);
	want->connecting = NULL;
	want->fd = -1;
	want->busy = false;
}

/* At a time of its own, so that the members of a server do not all come at once. */
static void set_again(struct keyx_want *want)
{
	uint64_t random = actions_random(want->keyx->varpd->actions) % (want->again_ms / 2 + 1);
	uint64_t ms = want->again_ms / 2 + random;
	struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (!want->again_ms)
		event_del(want->again);
	else if (event_add(want->again, &wait))
		varpd_log(VARPD_LOG_ERROR, "out of memory: keys of channels are fetched with the "
			  "session's next renewal only");
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	struct keyx_want *want = ctx;
	struct varp_addr server = want->server;

	(void)fd;
	(void)what;
	keyx_want(want->keyx, &want->snid, &server);
}

__attribute__((format(printf, 2, 3)))
static void failed(struct keyx_want *want, const char *format, ...)
{
	struct varpd *varpd = want->keyx->varpd;
	char snid[VARP_SNID_TEXT], server[VARP_ADDR_TEXT];
	uint64_t now_ns = varpd_now_ns();
	struct varpd_error error;
	va_list args;

	va_start(args, format);
	vsnprintf(error.text, sizeof(error.text), format, args);
	va_end(args);
	stop(want);
	if (strcmp(error.text, want->error.text) || now_ns >= want->told_ns + TELL_AGAIN_NS) {
		varpd_log(VARPD_LOG_ERROR, "no session with server %s for supernet %s: %s",
			  varp_addr_format(&want->server, server),
			  varp_snid_format(&want->snid, snid), error.text);
		want->told_ns = now_ns;
	}
	want->error = error;
	set_again(want);
	varp_engine_session_failed(varpd->engine, now_ns, &want->snid, &want->server);
	varpd_schedule(varpd);
}

void keyx_client_failed(struct keyx_conn *conn, const char *why)
{
	failed(conn->want, "%s", why);
}

static void succeeded(struct keyx_want *want, const struct varp_session *session)
{
	struct varpd *varpd = want->keyx->varpd;
	char snid[VARP_SNID_TEXT], server[VARP_ADDR_TEXT];
	bool renewed = want->ends_ns && !*want->error.text;

	stop(want);
	want->ends_ns = session->ends_ns;
	want->kind = want->identity.kind;
	want->error.text[0] = '\0';
	set_again(want);
	varpd_log(renewed ? VARPD_LOG_DEBUG : VARPD_LOG_INFO,
		  "session with server %s for supernet %s, by %s",
		  varp_addr_format(&want->server, server), varp_snid_format(&want->snid, snid),
		  credentials_kind_name(want->kind));
	varp_engine_session_set(varpd->engine, varpd_now_ns(), session);
	varpd_schedule(varpd);
}

/* --- Over TLS --- */

void keyx_client_established(struct keyx_conn *conn)
{
	struct keyx_want *want = conn->want;
	struct keyx *keyx = conn->keyx;
	uint8_t octets[KEYX_REQUEST_LEN];
	char snid[VARP_SNID_TEXT], peer[192];
	struct keyx_request request = { .snid = want->snid };
	struct varpd_error error;
	int err = credentials_check(keyx->credentials, conn->tls, GRANT_SERVER, &want->snid, NULL,
				    &want->identity);

	if (err == -EACCES) {
		varp_snid_format(&want->snid, snid);
		failed(want,
		       "%s is not permitted to serve it: that takes urn:varp:%s:server in its "
		       "certificate",
		       keyx_conn_peer(conn, peer, sizeof(peer)), snid);
		return;
	}
	if (err) {
		failed(want, "it does not speak the VARP key exchange");
		return;
	}
	if (keyx_node_choose(keyx, &want->snid, &request.vaddr, &error)) {
		failed(want, "%s", error.text);
		return;
	}
	keyx_request_encode(&request, octets);
	if (bufferevent_write(conn->bev, octets, sizeof(octets)))
		failed(want, "out of memory");
}

static void refused(struct keyx_want *want, unsigned int status)
{
	char snid[VARP_SNID_TEXT];

	varp_snid_format(&want->snid, snid);
	if (status == KEYX_NOT_PERMITTED)
		failed(want,
		       "the server does not take this host for a member: that takes "
		       "urn:varp:%s:member in %s/host.crt, for the vaddr of its node if it names "
		       "one (varpctl pki show)",
		       snid, want->keyx->varpd->config.credentials);
	else if (status == KEYX_NOT_SERVED)
		failed(want, "the server does not serve it: name the right one with "
		       "varpd_client_set, or have it serve with varpd_server_set");
	else if (status == KEYX_BUSY)
		failed(want, "the server has no room for more sessions");
	else
		failed(want, "the server refuses for a reason of a later version (%u)", status);
}

static void take_session(struct keyx_conn *conn, const struct keyx_answer *answer)
{
	struct keyx_want *want = conn->want;
	struct varp_session session = {
		.id = answer->session,
		.snid = want->snid,
		.client = conn->local,
		.server = conn->remote,
		/* From before the server began to count: ours never ends later than its. */
		.granted_ns = want->began_ns + answer->lifetime_s * VARPD_NS_PER_S,
	};
	uint64_t until_ns = keyx_deadline_ns(want->identity.not_after, varpd_now_ns());
	char here[VARP_ADDR_TEXT], there[VARP_ADDR_TEXT];
	struct varpd_error error;

	if (!varp_addr_equal(&answer->client, &conn->local) ||
	    !varp_addr_equal(&answer->server, &conn->remote)) {
		failed(want,
		       "addresses are translated on the way (the server sees this host as %s, "
		       "which is %s): VARP needs a path without NAT",
		       varp_addr_format(&answer->client, there),
		       varp_addr_format(&conn->local, here));
		return;
	}
	session.ends_ns = until_ns < session.granted_ns ? until_ns : session.granted_ns;
	/* Keys come before the session, without which no packet is sent: none goes out in plain. */
	if (channel_keys_take(want->keyx->varpd, &want->snid, answer->records, answer->records_len,
			      &want->again_ms, &error))
		failed(want, "%s", error.text);
	else if (keyx_conn_export(conn, &session))
		failed(want, "out of memory");
	else
		succeeded(want, &session);
	OPENSSL_cleanse(&session, sizeof(session));
}

void keyx_client_readable(struct keyx_conn *conn)
{
	struct evbuffer *input = bufferevent_get_input(conn->bev);
	size_t have = evbuffer_get_length(input);
	struct keyx_answer answer;
	uint8_t *data = evbuffer_pullup(input, -1);
	int len = data ? keyx_answer_length(data, have) : 0;

	if (len < 0 || (size_t)len > KEYX_ANSWER_MAX) {
		failed(conn->want, "its answer is malformed");
		return;
	}
	if (!len || have < (size_t)len)
		return;
	if (keyx_answer_decode(data, len, &answer))
		failed(conn->want, "its answer is malformed");
	else if (answer.status != KEYX_OK)
		refused(conn->want, answer.status);
	else
		take_session(conn, &answer);
}

/* --- Connecting --- */

static void tell_socket_error(struct keyx_want *want, int err)
{
	uint16_t port = want->keyx->varpd->config.key_port;

	if (err == ECONNREFUSED)
		failed(want, "nothing listens at its TCP port %u: is varpd running there, with "
		       "credentials?", port);
	else if (err == ETIMEDOUT)
		failed(want, "its TCP port %u does not answer: is the host up, is the port open?",
		       port);
	else
		failed(want, "its TCP port %u cannot be reached: %s", port, strerror(err));
}

static void on_connected(evutil_socket_t fd, short what, void *ctx)
{
	struct keyx_want *want = ctx;
	struct varp_addr local, remote;
	int err = ETIMEDOUT;
	socklen_t len = sizeof(err);

	if ((what & EV_WRITE) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	if (!err)
		err = -keyx_socket_ends(fd, &local, &remote);
	if (err) {
		tell_socket_error(want, err);
		return;
	}
	event_free(want->connecting);
	want->connecting = NULL;
	want->fd = -1;
	want->conn = keyx_conn_new(want->keyx, fd, &local, &remote, want);
	if (!want->conn)
		failed(want, "out of memory");
}

static int begin_connect(struct keyx_want *want)
{
	int family = varp_addr_is_v4(&want->server) ? AF_INET : AF_INET6, err;
	uint16_t port = want->keyx->varpd->config.key_port;
	struct timeval deadline = { .tv_sec = KEYX_DEADLINE_S };
	struct sockaddr_storage name;
	socklen_t len;

	want->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (want->fd < 0)
		return -errno;
	err = keyx_socket_mark(want->fd);
	if (!err)
		err = net_name(family, &want->server, port, &name, &len);
	if (err)
		return err;
	if (connect(want->fd, (struct sockaddr *)&name, len) && errno != EINPROGRESS)
		return -errno;
	event_free(want->connecting);
	want->connecting =
		event_new(want->keyx->varpd->base, want->fd, EV_WRITE, on_connected, want);
	return !want->connecting || event_add(want->connecting, &deadline) ? -ENOMEM : 0;
}

static void on_start(evutil_socket_t fd, short what, void *ctx)
{
	struct keyx_want *want = ctx;
	int err;

	(void)fd;
	(void)what;
	want->began_ns = varpd_now_ns();
	if (credentials_for(want->keyx->credentials, &want->snid) == CREDENTIALS_NONE) {
		failed(want, "there are no credentials for it: " VARPD_HOW_CREDENTIALS);
		return;
	}
	err = begin_connect(want);
	if (err)
		tell_socket_error(want, -err);
}

void keyx_want(struct keyx *keyx, const struct varp_snid *snid, const struct varp_addr *server)
{
	struct keyx_want *want = keyx_client_find(keyx, snid);

	if (want && want->busy && varp_addr_equal(&want->server, server))
		return;
	if (!want) {
		want = calloc(1, sizeof(*want));
		if (!want)
			return;		/* the engine asks again */
		want->keyx = keyx;
		want->snid = *snid;
		want->fd = -1;
		want->again = evtimer_new(keyx->varpd->base, on_again, want);
		if (!want->again) {
			free(want);
			return;
		}
		HASH_ADD(hh, keyx->wants, snid, sizeof(want->snid), want);
	}
	stop(want);
	if (!varp_addr_equal(&want->server, server)) {
		want->ends_ns = 0;
		want->error.text[0] = '\0';
	}
	want->server = *server;
	want->connecting = event_new(keyx->varpd->base, -1, 0, on_start, want);
	if (!want->connecting)
		return;
	want->busy = true;
	event_active(want->connecting, 0, 0);
}

/* --- Keeping --- */

static void drop(struct keyx_want *want)
{
	stop(want);
	HASH_DEL(want->keyx->wants, want);
	event_free(want->again);
	free(want);
}

void keyx_forget(struct keyx *keyx, const struct varp_snid *snid)
{
	struct keyx_want *want = keyx_client_find(keyx, snid);

	if (want)
		drop(want);
}

static void end_session(struct keyx_want *want, uint64_t now_ns)
{
	want->ends_ns = 0;
	varp_engine_session_clear(want->keyx->varpd->engine, now_ns, &want->snid);
}

/* This host's certificate is another one: it may bind to nodes that this host is not. */
static void check_nodes(struct keyx_want *want, uint64_t now_ns)
{
	struct varpd_error error;
	struct varp_addr vaddr;

	if (!keyx_node_choose(want->keyx, &want->snid, &vaddr, &error))
		return;
	end_session(want, now_ns);
	want->began_ns = now_ns;
	failed(want, "%s", error.text);
}

void keyx_client_sweep(struct keyx *keyx, bool changed)
{
	uint64_t now_ns = varpd_now_ns();
	struct keyx_want *want, *next;
	struct varp_addr server;

	HASH_ITER(hh, keyx->wants, want, next) {
		if (!varp_engine_client_get(keyx->varpd->engine, &want->snid, &server)) {
			drop(want);
			continue;
		}
		if (want->ends_ns > now_ns && !credentials_still(keyx->credentials, &want->snid,
								 &want->identity, time(NULL)))
			end_session(want, now_ns);
		if (want->ends_ns > now_ns && changed)
			check_nodes(want, now_ns);
		if (*want->error.text && !want->busy &&
		    (changed || now_ns >= want->began_ns + TRY_AGAIN_NS))
			keyx_want(keyx, &want->snid, &server);
	}
}

void keyx_client_close(struct keyx *keyx)
{
	struct keyx_want *want, *next;

	HASH_ITER(hh, keyx->wants, want, next)
		drop(want);
}
