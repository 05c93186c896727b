// SPDX-License-Identifier: BSD-2-Clause
/*
 * The server's side of a key exchange: is the peer a member of a supernet that is served here? What
 * is refused is logged here, where it can be mended; a peer without credentials learns nothing.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <openssl/crypto.h>
#include <string.h>

#include "channel_keys.h"
#include "keyx_internal.h"

#define LOG_MS		5000	/* between lines of one kind: anybody can cause them */
#define LOG_KINDS	16	/* of failures, told apart by their text */

void keyx_server_failed(struct keyx_conn *conn, const char *why)
{
	static struct varpd_log_limit limits[LOG_KINDS];
	unsigned int kind = 0;
	char peer[192];

	/* One kind of failure, which somebody causes all the time, must not hide the others. */
	for (const char *c = why; *c; c++)
		kind = kind * 31 + (unsigned char)*c;
	varpd_log_limited(&limits[kind % LOG_KINDS], LOG_MS, VARPD_LOG_WARNING,
			  "key exchange with client %s failed: %s",
			  keyx_conn_peer(conn, peer, sizeof(peer)), why);
	/* An alert is on its way. */
	if (!conn->established)
		keyx_conn_linger(conn);
	else
		keyx_conn_free(conn);
}

static void log_refusal(struct keyx_conn *conn, const struct keyx_request *request,
			enum keyx_status status)
{
	static struct varpd_log_limit limits[KEYX_STATUSES];
	char peer[192], snid[VARP_SNID_TEXT], vaddr[VARP_ADDR_TEXT] = "";
	struct varpd_log_limit *limit = &limits[status];

	keyx_conn_peer(conn, peer, sizeof(peer));
	varp_snid_format(&request->snid, snid);
	if (!varp_addr_is_zero(&request->vaddr))
		varp_addr_format(&request->vaddr, vaddr);
	if (status == KEYX_NOT_PERMITTED)
		varpd_log_limited(limit, LOG_MS, VARPD_LOG_WARNING,
				  "client %s wants to be a member of supernet %s%s%s, which its "
				  "credentials do not permit: that takes urn:varp:%s:member in its "
				  "certificate, or the supernet's own pre-shared key",
				  peer, snid, *vaddr ? " as " : "", vaddr, snid);
	else if (status == KEYX_NOT_SERVED)
		varpd_log_limited(limit, LOG_MS, VARPD_LOG_ERROR,
				  "client %s asked for a session about supernet %s, which is not "
				  "served here: correct its server, or serve it with varpd_server_set",
				  peer, snid);
	else
		varpd_log_limited(limit, LOG_MS, VARPD_LOG_ERROR,
				  "no room for a session of client %s about supernet %s", peer, snid);
}

static enum keyx_status give_session(struct keyx_conn *conn, const struct keyx_request *request,
				     const struct credentials_identity *identity,
				     struct keyx_answer *answer)
{
	struct varpd *varpd = conn->keyx->varpd;
	uint64_t now_ns = varpd_now_ns(), until_ns;
	struct varp_session session = {
		.snid = request->snid,
		.client = conn->remote,
		.server = conn->local,
		.ends_ns = now_ns + varpd->config.session_lifetime_s * VARPD_NS_PER_S,
	};
	int err;

	until_ns = keyx_deadline_ns(identity->not_after, now_ns);
	if (until_ns < session.ends_ns)
		session.ends_ns = until_ns;
	session.granted_ns = session.ends_ns;
	answer->lifetime_s = (session.ends_ns - now_ns) / VARPD_NS_PER_S;
	if (!answer->lifetime_s)
		return KEYX_NOT_PERMITTED;	/* within its certificate's last second */
	err = keyx_session_add(conn, &session, identity);
	answer->session = session.id;
	OPENSSL_cleanse(&session, sizeof(session));
	return err ? KEYX_BUSY : KEYX_OK;
}

/* 0, or -EPROTO: the connection is to be closed without an answer. */
static int judge(struct keyx_conn *conn, const struct keyx_request *request,
		 struct keyx_answer *answer)
{
	struct varpd *varpd = conn->keyx->varpd;
	struct credentials_identity identity;
	int err = credentials_check(conn->keyx->credentials, conn->tls, GRANT_MEMBER,
				    &request->snid, &request->vaddr, &identity);

	if (err && err != -EACCES)
		return err;
	memset(answer, 0, sizeof(*answer));
	answer->client = conn->remote;
	answer->server = conn->local;
	/* Which supernets are served here is for their members to know. */
	if (err)
		answer->status = KEYX_NOT_PERMITTED;
	else if (!varp_table_serves(varp_engine_table(varpd->engine), &request->snid, NULL))
		answer->status = KEYX_NOT_SERVED;
	else
		answer->status = give_session(conn, request, &identity, answer);
	if (answer->status) {
		answer->lifetime_s = 0;
		answer->session = 0;
		log_refusal(conn, request, answer->status);
	}
	return 0;
}

void keyx_server_readable(struct keyx_conn *conn)
{
	struct evbuffer *input = bufferevent_get_input(conn->bev);
	uint8_t octets[KEYX_REQUEST_LEN], out[KEYX_ANSWER_MAX], records[KEYX_ANSWER_MAX];
	struct keyx_request request;
	struct keyx_answer answer;
	int len;

	if (evbuffer_get_length(input) < sizeof(octets))
		return;
	evbuffer_remove(input, octets, sizeof(octets));
	if (keyx_request_decode(octets, sizeof(octets), &request) ||
	    judge(conn, &request, &answer)) {
		keyx_server_failed(conn, "its request is malformed");
		return;
	}
	/* A member is told the keys of its supernet, nobody else is. */
	if (answer.status == KEYX_OK) {
		answer.records = records;
		answer.records_len = channel_keys_records(conn->keyx->varpd, &request.snid, records,
							  KEYX_ANSWER_MAX - KEYX_ANSWER_LEN);
	}
	len = keyx_answer_encode(&answer, out, sizeof(out));
	OPENSSL_cleanse(records, sizeof(records));
	if (len < 0 || bufferevent_write(conn->bev, out, len)) {
		keyx_server_failed(conn, "out of memory");
		return;
	}
	OPENSSL_cleanse(out, sizeof(out));
	keyx_conn_finish(conn);
}
