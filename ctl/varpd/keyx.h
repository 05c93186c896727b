/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The key exchange: sessions for the engine, made over TLS 1.3 on TCP port 2502 (docs/PROTOCOL.md,
 * "Key exchange"). As a client when the engine asks for one (VARP_ACTION_SESSION), as a server for
 * whoever proves to be a member of a supernet that is served here. After an exchange nothing is
 * left of TLS; as a server we remember with whom each session was made, to end it when that does
 * not hold any more.
 *
 *   keyx.c           the listening socket, limits, the periodic look at credentials
 *   keyx_rate.c      how many may come in a second
 *   keyx_conn.c      one connection: TLS, its deadline, its end
 *   keyx_client.c    exchanges that the engine asked for
 *   keyx_server.c    judging requests, and answers
 *   keyx_session.c   sessions given out as a server
 *   keyx_status.c    what varpctl status tells
 *   keyx_msg.c       the messages
 */
#ifndef VARPD_KEYX_H
#define VARPD_KEYX_H

#include <jansson.h>

#include "varpd.h"

struct keyx;

int keyx_open(struct keyx **out, struct varpd *varpd, struct varpd_error *error);
void keyx_close(struct keyx *keyx);

/* Looks at the credentials now, and drops what they do not bear any more. */
void keyx_reload(struct keyx *keyx);

/*
 * The engine needs a session with this server. Returns at once; the engine is told later, from the
 * event loop. One exchange goes on for each supernet; asking again changes nothing.
 */
void keyx_want(struct keyx *keyx, const struct varp_snid *snid, const struct varp_addr *server);

/* The supernet has no server any more: an exchange that goes on is given up. */
void keyx_forget(struct keyx *keyx, const struct varp_snid *snid);

/* As server: the engine has forgotten this session, whose end has come. */
void keyx_gone(struct keyx *keyx, uint64_t id);

/* --- For status (keyx_status.c) --- */

/*
 * Members of the status object of a client: "protection" (none, insecure, psk, certificate),
 * "session_s" (what is left of its session, or null) and "session_error" (why the last exchange
 * failed, or null).
 */
json_t *keyx_client_json(const struct keyx *keyx, const struct varp_snid *snid);
/* Of a server: "protection", and how many "sessions" clients have. */
json_t *keyx_server_json(const struct keyx *keyx, const struct varp_snid *snid);
/* Connections of clients that were closed because too many came in a second (keyx_rate.h). */
uint64_t keyx_limited(const struct keyx *keyx);
/* Why the last exchange about it failed; NULL: it did not. */
const char *keyx_client_error(const struct keyx *keyx, const struct varp_snid *snid);
/* This host's certificate makes it a member only, so clients will refuse it as server. */
bool keyx_server_lacks_role(const struct keyx *keyx, const struct varp_snid *snid);
/* What is wrong with credentials or port, each as a line for a person. */
void keyx_each_problem(const struct keyx *keyx, void (*tell)(const char *text, void *ctx),
		       void *ctx);

#endif
