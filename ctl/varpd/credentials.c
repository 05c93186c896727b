// SPDX-License-Identifier: BSD-2-Clause
/*
 * What credentials there are, and keeping that up to date with the directory. See credentials.h.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "credentials_internal.h"
#include "log.h"

#define NS_PER_S	1000000000ull
#define LOOK_NS		(NS_PER_S / 10)	/* between looks for what is missing */

static const char *const kind_names[CREDENTIALS_KINDS] = {
	[CREDENTIALS_NONE]		= "none",
	[CREDENTIALS_PSK]		= "psk",
	[CREDENTIALS_CERTIFICATE]	= "certificate",
};

const char *credentials_kind_name(enum credentials_kind kind)
{
	return kind_names[kind];
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* Files may be replaced one by one: until they fit together again, what fitted before goes on. */
static void read_certs(struct credentials *credentials)
{
	struct credentials_certs *certs;
	struct varpd_error problem = { "" };

	if (credentials_read_certs(credentials->dir, &certs, &problem)) {
		varpd_log(VARPD_LOG_ERROR, "%s%s", problem.text,
			  credentials->certs ? "; the certificates read before stay in use" : "");
		credentials->problem = problem;
		return;
	}
	credentials_free_certs(credentials->certs);
	credentials->certs = certs;
}

/* False: they cannot be reached; what was read before, as root say, stays in use. */
static bool read_all(struct credentials *credentials)
{
	SSL_CTX *tls;

	credentials->problem.text[0] = '\0';
	if (credentials_reach(credentials->dir, &credentials->problem)) {
		varpd_log(VARPD_LOG_ERROR, "%s", credentials->problem.text);
		return false;
	}
	credentials->generation++;
	credentials_free_psks(credentials->psks);
	credentials->psks = credentials_read_psks(credentials->dir, &credentials->problem);
	read_certs(credentials);
	tls = credentials_context(credentials);
	if (!tls) {
		varpd_fail(&credentials->problem, 0, "%s cannot be used for TLS: is its key too "
			   "short or its signature too old?", credentials->dir);
		varpd_log(VARPD_LOG_ERROR, "%s", credentials->problem.text);
		return true;
	}
	SSL_CTX_free(credentials->tls);
	credentials->tls = tls;
	return true;
}

struct credentials *credentials_open(const char *dir)
{
	struct credentials *credentials = calloc(1, sizeof(*credentials));

	if (!credentials)
		return NULL;
	strncpy(credentials->dir, dir, sizeof(credentials->dir) - 1);
	credentials->tls = credentials_context(credentials);
	if (!credentials->tls) {
		free(credentials);
		return NULL;
	}
	credentials->seen = credentials_look(dir);
	credentials->looked_ns = now_ns();
	read_all(credentials);
	return credentials;
}

void credentials_close(struct credentials *credentials)
{
	if (!credentials)
		return;
	SSL_CTX_free(credentials->tls);
	credentials_free_certs(credentials->certs);
	credentials_free_psks(credentials->psks);
	free(credentials);
}

bool credentials_refresh(struct credentials *credentials)
{
	uint64_t seen = credentials_look(credentials->dir);

	credentials->looked_ns = now_ns();
	if (seen == credentials->seen)
		return false;
	credentials->seen = seen;
	if (!read_all(credentials))
		return false;
	varpd_log(VARPD_LOG_INFO, "credentials were read again from %s: %s, %u pre-shared key%s",
		  credentials->dir, credentials->certs ? "a certificate" : "no certificate",
		  HASH_COUNT(credentials->psks), HASH_COUNT(credentials->psks) == 1 ? "" : "s");
	return true;
}

unsigned int credentials_generation(const struct credentials *credentials)
{
	return credentials->generation;
}

const struct credentials_psk *credentials_psk_find(const struct credentials *credentials,
						   const struct varp_snid *snid)
{
	struct credentials_psk *psk;

	HASH_FIND(hh, credentials->psks, snid, sizeof(*snid), psk);
	return psk;
}

static enum credentials_kind find_kind(const struct credentials *credentials,
				       const struct varp_snid *snid)
{
	if (credentials_psk_find(credentials, snid))
		return CREDENTIALS_PSK;
	return credentials->certs && grants_concern(credentials->certs->host, snid)
		       ? CREDENTIALS_CERTIFICATE
		       : CREDENTIALS_NONE;
}

enum credentials_kind credentials_for(struct credentials *credentials,
				      const struct varp_snid *snid)
{
	enum credentials_kind kind = find_kind(credentials, snid);

	if (kind == CREDENTIALS_NONE && now_ns() >= credentials->looked_ns + LOOK_NS &&
	    credentials_refresh(credentials))
		kind = find_kind(credentials, snid);
	return kind;
}

bool credentials_any(const struct credentials *credentials)
{
	return credentials->psks || credentials->certs;
}

const char *credentials_problem(const struct credentials *credentials)
{
	return *credentials->problem.text ? credentials->problem.text : NULL;
}

int64_t credentials_host_ends(const struct credentials *credentials)
{
	return credentials->certs ? credentials->certs->not_after : 0;
}

bool credentials_host_permits(const struct credentials *credentials, enum grant_role role,
			      const struct varp_snid *snid, const struct varp_addr *vaddr)
{
	return credentials->certs && grants_permit(credentials->certs->host, role, snid, vaddr);
}

static bool excludes(const struct credentials *credentials, const struct varp_snid *snid,
		     const struct varp_addr *vaddr)
{
	return find_kind(credentials, snid) == CREDENTIALS_CERTIFICATE &&
	       grants_exclude(credentials->certs->host, snid, vaddr);
}

bool credentials_exclude(struct credentials *credentials, const struct varp_snid *snid,
			 const struct varp_addr *vaddr)
{
	bool excluded = excludes(credentials, snid, vaddr);

	if (excluded && now_ns() >= credentials->looked_ns + LOOK_NS &&
	    credentials_refresh(credentials))
		excluded = excludes(credentials, snid, vaddr);
	return excluded;
}
