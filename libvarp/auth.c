// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sessions and tags. Called by the engine for each message that it receives or sends, and with what
 * the key exchange brings. How keys are agreed on, and when a session is wanted, is not here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <varp/siphash.h>

#include "addr.h"
#include "auth.h"
#include "hash.h"
#include "timers.h"

#define NS_PER_MS	1000000ull
#define NS_PER_S	1000000000ull
#define TAGGED_LEN	(VARP_MSG_TAGGED_LEN + 2 * sizeof(struct varp_addr))

_Static_assert(VARP_MSG_TAGGED_LEN % sizeof(uint64_t) == 0, "the hash takes whole words");
_Static_assert(VARP_TAG_LEN == VARP_SIPHASH_TAG_LEN, "a tag is one hash");

struct client_session {
	struct varp_session session;	/* id zero: none */
	uint64_t told;			/* greatest nonce of what was not asked for */
};

/* As a client: what a supernet is asked in, and what it was asked in before. */
struct client_sessions {
	struct varp_snid snid;
	struct client_session now, former;
	UT_hash_handle hh;
};

struct server_session {
	struct varp_timer end;		/* first: a timer is cast to its session */
	struct varp_session session;
	struct varp_key peer;		/* the supernet and the client's address */
	uint64_t told;			/* nonce of the last that was not asked for */
	uint64_t second_ns;		/* beginning of the second in which so many were told: */
	uint32_t told_in_second;
	UT_hash_handle hh;
	UT_hash_handle hh_peer;
};

struct varp_auth {
	bool insecure;
	struct client_sessions *clients;	/* hash by snid */
	struct server_session *servers;		/* hash by session.id */
	struct server_session *peers;		/* hash by peer: of each client's the latest */
	struct varp_timers ends;
};

static void wipe_and_free(void *record, size_t len)
{
	explicit_bzero(record, len);
	free(record);
}

/* The least nonce of what is told at this time in a session: wire.h, VARP_NOTIFY_LATE_MS. */
static uint64_t nonce_at(const struct varp_session *session, uint64_t now_ns)
{
	return ((1ull << 47) - (session->granted_ns - now_ns) / NS_PER_MS) << 16;
}

/* --- As a client --- */

static struct client_sessions *find_client(const struct varp_auth *auth,
					   const struct varp_snid *snid)
{
	struct client_sessions *record;

	HASH_FIND(hh, auth->clients, snid, sizeof(*snid), record);
	return record;
}

int varp_auth_client_set(struct varp_auth *auth, const struct varp_session *session)
{
	struct client_sessions *record = find_client(auth, &session->snid);

	if (!record) {
		record = calloc(1, sizeof(*record));
		if (!record)
			return -ENOMEM;
		record->snid = session->snid;
		HASH_ADD(hh, auth->clients, snid, sizeof(record->snid), record);
		if (!record->hh.tbl) {
			free(record);
			return -ENOMEM;
		}
	}
	if (record->now.session.id != session->id) {
		record->former = record->now;
		record->now.told = 0;
	}
	record->now.session = *session;
	return 0;
}

static void drop_client(struct varp_auth *auth, struct client_sessions *record)
{
	HASH_DEL(auth->clients, record);
	wipe_and_free(record, sizeof(*record));
}

void varp_auth_client_clear(struct varp_auth *auth, const struct varp_snid *snid)
{
	struct client_sessions *record = find_client(auth, snid);

	if (record)
		drop_client(auth, record);
}

void varp_auth_client_clear_all(struct varp_auth *auth)
{
	struct client_sessions *record, *next;

	HASH_ITER(hh, auth->clients, record, next)
		drop_client(auth, record);
}

const struct varp_session *varp_auth_client_get(const struct varp_auth *auth, uint64_t now_ns,
						const struct varp_snid *snid,
						const struct varp_addr *server)
{
	const struct client_sessions *record = find_client(auth, snid);

	if (!record || now_ns >= record->now.session.ends_ns ||
	    !varp_addr_equal(&record->now.session.server, server))
		return NULL;
	return &record->now.session;
}

bool varp_auth_client_told(struct varp_auth *auth, uint64_t now_ns,
			   const struct varp_session *session, uint64_t nonce)
{
	struct client_sessions *record = find_client(auth, &session->snid);
	struct client_session *in;

	if (!record)
		return false;
	in = record->now.session.id == session->id ? &record->now : &record->former;
	if (nonce <= in->told ||
	    nonce < nonce_at(session, now_ns) - ((uint64_t)VARP_NOTIFY_LATE_MS << 16))
		return false;
	in->told = nonce;
	return true;
}

/* --- As a server --- */

static struct server_session *find_server(const struct varp_auth *auth, uint64_t id)
{
	struct server_session *record;

	HASH_FIND(hh, auth->servers, &id, sizeof(id), record);
	return record;
}

static struct server_session *find_peer(const struct varp_auth *auth, const struct varp_key *peer)
{
	struct server_session *record;

	HASH_FIND(hh_peer, auth->peers, peer, sizeof(*peer), record);
	return record;
}

/* Without memory there is a session that is never told anything. */
static void set_latest(struct varp_auth *auth, struct server_session *record)
{
	struct server_session *former = find_peer(auth, &record->peer);

	if (former)
		HASH_DELETE(hh_peer, auth->peers, former);
	HASH_ADD(hh_peer, auth->peers, peer, sizeof(record->peer), record);
}

/* Whoever overhears a request can have it answered again and again: that must not keep a third host busy. */
static bool may_tell(struct server_session *record, uint64_t now_ns)
{
	if (now_ns - record->second_ns >= NS_PER_S) {
		record->second_ns = now_ns;
		record->told_in_second = 0;
	}
	return record->told_in_second++ < VARP_AUTH_TELL_MAX;
}

const struct varp_session *varp_auth_server_tell(struct varp_auth *auth, uint64_t now_ns,
						 const struct varp_snid *snid,
						 const struct varp_addr *client, uint64_t *nonce)
{
	const struct varp_key peer = varp_key_make(snid, client);
	struct server_session *record = find_peer(auth, &peer);

	if (!record || now_ns >= record->session.ends_ns || !may_tell(record, now_ns))
		return NULL;
	*nonce = nonce_at(&record->session, now_ns);
	if (*nonce <= record->told)
		*nonce = record->told + 1;
	record->told = *nonce;
	return &record->session;
}

int varp_auth_server_add(struct varp_auth *auth, const struct varp_session *session)
{
	struct server_session *record = find_server(auth, session->id);

	if (record || !session->id)
		return -EEXIST;
	if (HASH_COUNT(auth->servers) >= VARP_AUTH_SERVER_MAX)
		return -ENOBUFS;
	record = calloc(1, sizeof(*record));
	if (!record)
		return -ENOMEM;
	record->session = *session;
	record->peer = varp_key_make(&session->snid, &session->client);
	HASH_ADD(hh, auth->servers, session.id, sizeof(record->session.id), record);
	if (!record->hh.tbl) {
		wipe_and_free(record, sizeof(*record));
		return -ENOMEM;
	}
	set_latest(auth, record);
	varp_timers_arm(&auth->ends, &record->end, session->ends_ns);
	return 0;
}

static void drop_server(struct varp_auth *auth, struct server_session *record)
{
	varp_timers_cancel(&auth->ends, &record->end);
	if (find_peer(auth, &record->peer) == record)
		HASH_DELETE(hh_peer, auth->peers, record);
	HASH_DEL(auth->servers, record);
	wipe_and_free(record, sizeof(*record));
}

int varp_auth_server_remove(struct varp_auth *auth, uint64_t id)
{
	struct server_session *record = find_server(auth, id);

	if (!record)
		return -ENOENT;
	drop_server(auth, record);
	return 0;
}

size_t varp_auth_server_count(const struct varp_auth *auth)
{
	return HASH_COUNT(auth->servers);
}

uint64_t varp_auth_server_next_ns(const struct varp_auth *auth)
{
	return varp_timers_next_ns(&auth->ends);
}

size_t varp_auth_server_expire(struct varp_auth *auth, uint64_t now_ns,
			       void (*gone)(const struct varp_session *session, void *ctx),
			       void *ctx)
{
	struct varp_timer *timer;
	unsigned int count = 0;

	while (count++ < VARP_AUTH_EXPIRE_MAX && (timer = varp_timers_pop(&auth->ends, now_ns))) {
		struct server_session *record = (struct server_session *)timer;

		if (gone)
			gone(&record->session, ctx);
		drop_server(auth, record);
	}
	return varp_auth_server_count(auth);
}

void varp_auth_server_each(const struct varp_auth *auth,
			   bool (*visit)(const struct varp_session *session, void *ctx), void *ctx)
{
	const struct server_session *record;

	for (record = auth->servers; record; record = record->hh.next)
		if (!visit(&record->session, ctx))
			return;
}

/* --- Both --- */

struct varp_auth *varp_auth_new(bool insecure)
{
	struct varp_auth *auth = calloc(1, sizeof(*auth));

	if (auth)
		auth->insecure = insecure;
	return auth;
}

void varp_auth_free(struct varp_auth *auth)
{
	struct server_session *record, *next;

	if (!auth)
		return;
	varp_auth_client_clear_all(auth);
	HASH_ITER(hh, auth->servers, record, next)
		drop_server(auth, record);
	free(auth);
}

/* --- Tags --- */

static void hash_words(struct varp_siphash *hash, const uint8_t *data, size_t len)
{
	for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, data + at, sizeof(word));
		varp_siphash_word(hash, word);
	}
}

/* The addresses are the session's, whatever the datagram's: one that was sent elsewhere has another
 * tag. */
static void make_tag(const struct varp_session *session, bool answer,
		     const uint8_t data[VARP_MSG_LEN], __u64 tag[2])
{
	struct varp_siphash hash;
	__u64 key[2];

	memcpy(key, answer ? session->key_answer : session->key_request, sizeof(key));
	varp_siphash_init(&hash, key);
	hash_words(&hash, data, VARP_MSG_TAGGED_LEN);
	hash_words(&hash, (answer ? &session->server : &session->client)->b,
		   sizeof(struct varp_addr));
	hash_words(&hash, (answer ? &session->client : &session->server)->b,
		   sizeof(struct varp_addr));
	varp_siphash_final(&hash, TAGGED_LEN, tag);
	explicit_bzero(key, sizeof(key));
}

void varp_auth_sign(const struct varp_session *session, bool answer, uint8_t data[VARP_MSG_LEN])
{
	__u64 tag[2] = { 0, 0 };

	if (session)
		make_tag(session, answer, data, tag);
	memcpy(data + VARP_MSG_TAGGED_LEN, tag, sizeof(tag));
}

/* In a time that does not tell how much of it is right. */
static bool has_tag(const uint8_t data[VARP_MSG_LEN], const __u64 expected[2])
{
	__u64 is[2];

	memcpy(is, data + VARP_MSG_TAGGED_LEN, sizeof(is));
	return !((is[0] ^ expected[0]) | (is[1] ^ expected[1]));
}

static const struct varp_session *find_session(const struct varp_auth *auth,
					       const struct varp_msg *msg)
{
	const struct server_session *server;
	const struct client_sessions *client;

	if (msg->type == VARP_MSG_REQUEST) {
		server = find_server(auth, msg->session);
		return server ? &server->session : NULL;
	}
	client = find_client(auth, &msg->snid);
	if (!client)
		return NULL;
	if (client->now.session.id == msg->session)
		return &client->now.session;
	return client->former.session.id == msg->session ? &client->former.session : NULL;
}

int varp_auth_check(const struct varp_auth *auth, uint64_t now_ns, const struct varp_msg *msg,
		    const uint8_t data[VARP_MSG_LEN], const struct varp_addr *from,
		    const struct varp_session **session, enum varp_drop *reason)
{
	bool answer = msg->type != VARP_MSG_REQUEST;
	const struct varp_session *found = NULL;
	__u64 tag[2] = { 0, 0 };

	*reason = VARP_DROP_VARP_SESSION;
	if (msg->session) {
		found = find_session(auth, msg);
		if (!found || now_ns >= found->ends_ns ||
		    !varp_snid_equal(&found->snid, &msg->snid) ||
		    !varp_addr_equal(answer ? &found->server : &found->client, from))
			return -EACCES;
		make_tag(found, answer, data, tag);
	} else if (!auth->insecure) {
		return -EACCES;
	}
	*reason = VARP_DROP_VARP_TAG;
	if (!has_tag(data, tag))
		return -EACCES;
	*session = found;
	return 0;
}
