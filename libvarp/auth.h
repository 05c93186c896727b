/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * May this message be believed, and what makes ours believable: sessions and tags, and the one
 * place where a message's session and tag are looked at. Pure: keys come from outside (the key
 * exchange in varpd, or a test), and so does the time.
 *
 * A session is between one client and one server about one supernet, and has two keys, one per
 * direction. The tag of a message is SipHash-2-4-128, under the key of its direction, over octets 0
 * to 143 of the message, the address that it is sent from and the address it is sent to (16 octets
 * each, IPv4 mapped): docs/PROTOCOL.md.
 *
 * In insecure mode sessions and tags are zero; messages with a session are judged by it even then.
 */
#ifndef LIBVARP_AUTH_H
#define LIBVARP_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "msg.h"

/* What a key exchange leaves behind, the same at both ends. */
struct varp_session {
	uint64_t id;			/* never zero; chosen by the server, unpredictable */
	struct varp_snid snid;
	struct varp_addr client;	/* the addresses between which it is used */
	struct varp_addr server;
	uint8_t key_request[16];	/* client to server */
	uint8_t key_answer[16];		/* server to client */
	/*
	 * The caller's clock; not used from then on. A client counts from when the exchange began,
	 * so that its end comes no later than the server's.
	 */
	uint64_t ends_ns;
	/*
	 * The end that the server granted, on this end's clock; ends_ns is it, or earlier where a client's
	 * own reasons end the session before. Nonces of VARP_NOTIFY are measured by it.
	 */
	uint64_t granted_ns;
};

/* Sessions that a server keeps: about 300 octets each. */
#define VARP_AUTH_SERVER_MAX	(1u << 20)
/* Messages that a client has not asked for, in one second of its session. */
#define VARP_AUTH_TELL_MAX	1024
/* Ended ones that varp_auth_server_expire() forgets in one call. */
#define VARP_AUTH_EXPIRE_MAX	256

struct varp_auth;

/* insecure: messages without session and tag are believed and sent. NULL: no memory. */
struct varp_auth *varp_auth_new(bool insecure);
void varp_auth_free(struct varp_auth *auth);	/* keys are wiped, as with all that follows */

/* --- Sessions as a client: one per supernet, the newest --- */

/*
 * Takes the place of the former one, whose late answers are still believed until it ends. 0,
 * -ENOMEM
 */
int varp_auth_client_set(struct varp_auth *auth, const struct varp_session *session);
void varp_auth_client_clear(struct varp_auth *auth, const struct varp_snid *snid);
void varp_auth_client_clear_all(struct varp_auth *auth);
/* NULL: none, or it has ended, or it is with another server. */
const struct varp_session *varp_auth_client_get(const struct varp_auth *auth, uint64_t now_ns,
						const struct varp_snid *snid,
						const struct varp_addr *server);
/*
 * A message that was not asked for has come in this session, which is one of ours. False: it, or one that was sent
 * after it, has come before, or it was sent more than VARP_NOTIFY_LATE_MS ago.
 */
bool varp_auth_client_told(struct varp_auth *auth, uint64_t now_ns,
			   const struct varp_session *session, uint64_t nonce);

/* --- Sessions as a server: by id --- */

/* 0, -EEXIST (the id is taken: choose another), -ENOBUFS (VARP_AUTH_SERVER_MAX), -ENOMEM */
int varp_auth_server_add(struct varp_auth *auth, const struct varp_session *session);
int varp_auth_server_remove(struct varp_auth *auth, uint64_t id);	/* 0, -ENOENT */
size_t varp_auth_server_count(const struct varp_auth *auth);
/*
 * The latest session with this client, to tell it something that it has not asked for; NULL: there is none, or it has
 * been told VARP_AUTH_TELL_MAX things this second. *nonce says
 * when, and is greater than of all that was told in it before.
 */
const struct varp_session *varp_auth_server_tell(struct varp_auth *auth, uint64_t now_ns,
						 const struct varp_snid *snid,
						 const struct varp_addr *client, uint64_t *nonce);
/* When the first of them ends; UINT64_MAX: there is none. */
uint64_t varp_auth_server_next_ns(const struct varp_auth *auth);
/*
 * Forgets those that have ended, at most VARP_AUTH_EXPIRE_MAX at a time, each told to gone (or
 * NULL) before. Returns how many there are now.
 */
size_t varp_auth_server_expire(struct varp_auth *auth, uint64_t now_ns,
			       void (*gone)(const struct varp_session *session, void *ctx),
			       void *ctx);
/* Until visit returns false. It must not add or remove any. */
void varp_auth_server_each(const struct varp_auth *auth,
			   bool (*visit)(const struct varp_session *session, void *ctx), void *ctx);

/* --- Messages --- */

/*
 * data is what msg was decoded from, `from` whom it came from. 0 and *session (NULL: insecure), or
 * -EACCES with *reason VARP_DROP_VARP_SESSION (unknown, ended, of another supernet, from another
 * address than the session's, none in secure mode) or VARP_DROP_VARP_TAG.
 */
int varp_auth_check(const struct varp_auth *auth, uint64_t now_ns, const struct varp_msg *msg,
		    const uint8_t data[VARP_MSG_LEN], const struct varp_addr *from,
		    const struct varp_session **session, enum varp_drop *reason);

/* Writes the tag of an encoded message; session NULL: zero. answer: by the server's key. */
void varp_auth_sign(const struct varp_session *session, bool answer, uint8_t data[VARP_MSG_LEN]);

#endif
