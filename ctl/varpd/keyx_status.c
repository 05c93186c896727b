// SPDX-License-Identifier: BSD-2-Clause
/*
 * What `varpctl status` tells of keys: for each client and server whether and how it is protected,
 * and what is wrong with the credentials. Reads, and changes nothing.
 */
#include <time.h>

#include "keyx_internal.h"

#define SOON_S	(14 * 86400)	/* before a certificate's end: time to issue another */

json_t *keyx_client_json(const struct keyx *keyx, const struct varp_snid *snid)
{
	uint64_t now_ns = varpd_now_ns();
	const struct varp_session *session =
		varp_engine_session_get(keyx->varpd->engine, now_ns, snid);
	const struct keyx_want *want = keyx_client_find(keyx, snid);
	const char *how = credentials_kind_name(session && want ? want->kind : CREDENTIALS_NONE);

	if (!session && keyx->varpd->config.insecure)
		how = "insecure";
	return json_pack("{s:s, s:o, s:s?}",
			 "protection", how,
			 "session_s", session ? json_integer((session->ends_ns - now_ns) /
							     VARPD_NS_PER_S)
					      : json_null(),
			 "session_error", keyx_client_error(keyx, snid));
}

uint64_t keyx_limited(const struct keyx *keyx)
{
	return keyx ? keyx->rate.refused : 0;
}

const char *keyx_client_error(const struct keyx *keyx, const struct varp_snid *snid)
{
	const struct keyx_want *want = keyx_client_find(keyx, snid);

	return want && *want->error.text ? want->error.text : NULL;
}

json_t *keyx_server_json(const struct keyx *keyx, const struct varp_snid *snid)
{
	enum credentials_kind kind = credentials_for(keyx->credentials, snid);
	bool open = kind == CREDENTIALS_NONE && keyx->varpd->config.insecure;

	return json_pack("{s:s, s:i}",
			 "protection", open ? "insecure" : credentials_kind_name(kind),
			 "sessions", (int)keyx_session_count(keyx, snid));
}

static void tell_host_cert(const struct keyx *keyx, void (*tell)(const char *text, void *ctx),
			   void *ctx)
{
	int64_t ends = credentials_host_ends(keyx->credentials), now = time(NULL);
	struct varpd_error text;

	if (!ends || ends - now > SOON_S)
		return;
	if (ends <= now)
		varpd_fail(&text, 0,
			   "this host's certificate (%s/host.crt) has expired: issue another "
			   "with `varpctl pki issue`, or mend the clock",
			   keyx->varpd->config.credentials);
	else
		varpd_fail(&text, 0,
			   "this host's certificate (%s/host.crt) ends in %lld days: issue "
			   "another with `varpctl pki issue`",
			   keyx->varpd->config.credentials, (long long)(ends - now) / 86400);
	tell(text.text, ctx);
}

void keyx_each_problem(const struct keyx *keyx, void (*tell)(const char *text, void *ctx),
		       void *ctx)
{
	const char *problem = credentials_problem(keyx->credentials);

	if (problem)
		tell(problem, ctx);
	if (*keyx->listen_error.text)
		tell(keyx->listen_error.text, ctx);
	tell_host_cert(keyx, tell, ctx);
}

/* Serving takes a role of its own; a member's certificate alone does not do. */
bool keyx_server_lacks_role(const struct keyx *keyx, const struct varp_snid *snid)
{
	return !keyx->varpd->config.insecure &&
	       credentials_for(keyx->credentials, snid) == CREDENTIALS_CERTIFICATE &&
	       !credentials_host_permits(keyx->credentials, GRANT_SERVER, snid, NULL);
}
