// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sessions given out as a server: handed to the engine and to the kernel's answers, remembered with
 * what is needed to take them back, bounded for each client's address and for each holder of
 * credentials. Called by keyx_server.c and by the periodic look.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "answer.h"
#include "keyx_internal.h"

#define TRIES	8	/* for an id that is not taken */

/* Sessions of a supernet that are bounded together. */
struct group_key {
	struct varp_snid snid;
	uint8_t kind;			/* of holder; zero: an address */
	uint8_t pad[5];
	uint8_t who[16];		/* the address that a client uses them from, or holder */
};

struct keyx_group {
	struct group_key key;
	unsigned int count;
	struct keyx_session *sessions;		/* oldest first */
	UT_hash_handle hh;
};

/* NULL: no memory. */
static struct keyx_group *take_group(struct keyx_group **groups, const struct group_key *key)
{
	struct keyx_group *group;

	HASH_FIND(hh, *groups, key, sizeof(*key), group);
	if (group)
		return group;
	group = calloc(1, sizeof(*group));
	if (!group)
		return NULL;
	group->key = *key;
	HASH_ADD(hh, *groups, key, sizeof(group->key), group);
	return group;
}

/* It goes with its last session. */
static void release_group(struct keyx_group **groups, struct keyx_group *group)
{
	if (!group || group->count)
		return;
	HASH_DEL(*groups, group);
	free(group);
}

/*
 * Whose credentials they are: one certificate, from whatever addresses; who has a pre-shared key
 * can be told from others by the network alone that the address is of.
 */
static bool name_holder(const struct keyx_session *session, struct group_key *key)
{
	const struct credentials_identity *identity = &session->identity;
	struct varp_addr peer = keyx_peer_of(&session->client);
	uint8_t digest[EVP_MAX_MD_SIZE];

	memset(key, 0, sizeof(*key));
	key->snid = session->snid;
	key->kind = identity->kind;
	if (identity->kind == CREDENTIALS_PSK) {
		memcpy(key->who, &peer, sizeof(peer));
		return true;
	}
	if (!EVP_Digest(&identity->certs[0], sizeof(identity->certs[0]), digest, NULL,
			EVP_sha256(), NULL))
		return false;
	memcpy(key->who, digest, sizeof(key->who));
	return true;
}

/* The engine has forgotten it, or is about to go. */
static void forget(struct keyx *keyx, struct keyx_session *session)
{
	DL_DELETE(session->peer->sessions, session);
	session->peer->count--;
	release_group(&keyx->peers, session->peer);
	DL_DELETE2(session->holder->sessions, session, holder_prev, holder_next);
	session->holder->count--;
	release_group(&keyx->holders, session->holder);
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

static int find_groups(struct keyx *keyx, struct keyx_session *session)
{
	struct group_key peer = { .snid = session->snid }, holder;

	memcpy(peer.who, &session->client, sizeof(session->client));
	if (!name_holder(session, &holder))
		return -ENOMEM;
	session->peer = take_group(&keyx->peers, &peer);
	session->holder = take_group(&keyx->holders, &holder);
	return session->peer && session->holder ? 0 : -ENOMEM;
}

static void list_session(struct keyx *keyx, struct keyx_session *session)
{
	DL_APPEND(session->peer->sessions, session);
	session->peer->count++;
	DL_APPEND2(session->holder->sessions, session, holder_prev, holder_next);
	session->holder->count++;
	HASH_ADD(hh, keyx->sessions, id, sizeof(session->id), session);
}

/* Whose excess it is, at his cost it is: others keep theirs, and find room. */
static void trim(struct keyx *keyx, struct keyx_group *peer, struct keyx_group *holder)
{
	if (peer->count > KEYX_SESSIONS_PEER)
		keyx_session_drop(keyx, peer->sessions);
	if (holder->count > KEYX_SESSIONS_HOLDER || HASH_COUNT(keyx->sessions) > KEYX_SESSIONS_MAX)
		keyx_session_drop(keyx, holder->sessions);
}

int keyx_session_add(struct keyx_conn *conn, struct varp_session *session,
		     const struct credentials_identity *identity)
{
	struct keyx *keyx = conn->keyx;
	struct keyx_session *kept = calloc(1, sizeof(*kept));
	int err;

	if (!kept)
		return -ENOMEM;
	kept->snid = session->snid;
	kept->client = session->client;
	kept->ends_ns = session->ends_ns;
	kept->identity = *identity;
	err = find_groups(keyx, kept);
	if (!err && HASH_COUNT(keyx->sessions) >= KEYX_SESSIONS_MAX && !kept->holder->count)
		err = -ENOSPC;
	if (!err)
		err = give_to_engine(conn, session);
	if (err)
		goto fail;
	kept->id = session->id;
	list_session(keyx, kept);
	/* Where that fails the engine answers. */
	answer_session_add(keyx->varpd->answer, session);
	trim(keyx, kept->peer, kept->holder);
	return 0;
fail:
	release_group(&keyx->peers, kept->peer);
	release_group(&keyx->holders, kept->holder);
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
