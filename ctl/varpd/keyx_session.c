// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sessions given out as a server: handed to the engine and to the kernel's answers, remembered with
 * what is needed to take them back, bounded for each client. Called by keyx_server.c and by the
 * periodic look.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "answer.h"
#include "keyx_internal.h"

#define TRIES	8	/* for an id that is not taken */

/* A client of a supernet, by the address that it uses its sessions from. */
struct peer_key {
	struct varp_snid snid;
	uint8_t pad[6];
	struct varp_addr client;
};

struct keyx_peer {
	struct peer_key key;
	unsigned int count;
	struct keyx_session *sessions;		/* oldest first */
	UT_hash_handle hh;
};

static struct keyx_peer *find_peer(struct keyx *keyx, const struct varp_snid *snid,
				   const struct varp_addr *client)
{
	struct peer_key key = { .snid = *snid, .client = *client };
	struct keyx_peer *peer;

	HASH_FIND(hh, keyx->peers, &key, sizeof(key), peer);
	return peer;
}

static struct keyx_peer *take_peer(struct keyx *keyx, const struct varp_snid *snid,
				   const struct varp_addr *client)
{
	struct keyx_peer *peer = find_peer(keyx, snid, client);

	if (peer)
		return peer;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->key.snid = *snid;
	peer->key.client = *client;
	HASH_ADD(hh, keyx->peers, key, sizeof(peer->key), peer);
	return peer;
}

/* The engine has forgotten it, or is about to go. */
static void forget(struct keyx *keyx, struct keyx_session *session)
{
	struct keyx_peer *peer = find_peer(keyx, &session->snid, &session->client);

	DL_DELETE(peer->sessions, session);
	if (!--peer->count) {
		HASH_DEL(keyx->peers, peer);
		free(peer);
	}
	HASH_DEL(keyx->sessions, session);
	free(session);
}

void keyx_session_drop(struct keyx *keyx, struct keyx_session *session)
{
	varp_engine_session_remove(keyx->varpd->engine, session->id);
	answer_session_remove(keyx->varpd->answer, session->id);
	forget(keyx, session);
}

void keyx_gone(struct keyx *keyx, uint64_t id)
{
	struct keyx_session *session;

	answer_session_remove(keyx->varpd->answer, id);
	HASH_FIND(hh, keyx->sessions, &id, sizeof(id), session);
	if (session)
		forget(keyx, session);
}

/*
 * Ids cannot be guessed, so that nobody can name another's session without having seen its traffic.
 * The keys depend on the id.
 */
static int give_to_engine(struct keyx_conn *conn, struct varp_session *session)
{
	int err = -EEXIST;

	for (int i = 0; err == -EEXIST && i < TRIES; i++) {
		if (getrandom(&session->id, sizeof(session->id), 0) != sizeof(session->id))
			return -EIO;
		if (!session->id)
			continue;
		err = keyx_conn_export(conn, session);
		if (!err)
			err = varp_engine_session_add(conn->keyx->varpd->engine, session);
	}
	return err;
}

int keyx_session_add(struct keyx_conn *conn, struct varp_session *session,
		     const struct credentials_identity *identity)
{
	struct keyx *keyx = conn->keyx;
	struct keyx_session *kept;
	struct keyx_peer *peer;
	int err;

	if (HASH_COUNT(keyx->sessions) >= KEYX_SESSIONS_MAX)
		return -ENOSPC;
	kept = calloc(1, sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	err = give_to_engine(conn, session);
	if (err)
		goto fail;
	peer = take_peer(keyx, &session->snid, &session->client);
	if (!peer) {
		err = -ENOMEM;
		goto remove;
	}
	kept->id = session->id;
	kept->snid = session->snid;
	kept->client = session->client;
	kept->ends_ns = session->ends_ns;
	kept->identity = *identity;
	DL_APPEND(peer->sessions, kept);
	peer->count++;
	HASH_ADD(hh, keyx->sessions, id, sizeof(kept->id), kept);
	/* Where that fails the engine answers. */
	answer_session_add(keyx->varpd->answer, session);
	if (peer->count > KEYX_SESSIONS_PEER)
		keyx_session_drop(keyx, peer->sessions);
	return 0;
remove:
	varp_engine_session_remove(keyx->varpd->engine, session->id);
fail:
	free(kept);
	return err;
}

void keyx_session_sweep(struct keyx *keyx)
{
	uint64_t now_ns = varpd_now_ns();
	struct keyx_session *session, *next;
	unsigned int taken = 0;
	int64_t now = time(NULL);

	HASH_ITER(hh, keyx->sessions, session, next) {
		if (session->ends_ns <= now_ns) {
			keyx_session_drop(keyx, session);
		} else if (!credentials_still(keyx->credentials, &session->snid,
					      &session->identity, now)) {
			keyx_session_drop(keyx, session);
			taken++;
		}
	}
	if (taken)
		varpd_log(
			VARPD_LOG_INFO,
			"%u session%s of clients ended: their credentials are revoked, expired or "
			"gone",
			taken, taken == 1 ? "" : "s");
}

void keyx_session_close(struct keyx *keyx)
{
	struct keyx_session *session, *next;

	HASH_ITER(hh, keyx->sessions, session, next)
		forget(keyx, session);
}

unsigned int keyx_session_count(const struct keyx *keyx, const struct varp_snid *snid)
{
	const struct keyx_session *session;
	unsigned int count = 0;

	for (session = keyx->sessions; session; session = session->hh.next)
		count += varp_snid_equal(&session->snid, snid);
	return count;
}

uint64_t keyx_deadline_ns(int64_t not_after, uint64_t now_ns)
{
	int64_t left_s = not_after - time(NULL);

	if (left_s <= 0)
		return now_ns;
	return left_s > INT32_MAX ? UINT64_MAX : now_ns + left_s * VARPD_NS_PER_S;
}
