/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a certificate permits: URIs among its subject's alternative names.
 *
 *   urn:varp:SNID:member           to be a client of the supernet
 *   urn:varp:SNID:member:VADDR     the same, as that node only
 *   urn:varp:SNID:server           to serve it
 *   urn:varp:SNID:manager          to manage it
 *
 * `*` in place of SNID stands for every supernet. Other names in a certificate mean nothing here.
 * Used by varpd, which obeys, and by varpctl, which issues and shows.
 */
#ifndef VARP_GRANT_H
#define VARP_GRANT_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "addr.h"

#define GRANT_TEXT	96	/* octets that hold any of them, with NUL */

enum grant_role {
	GRANT_MEMBER,
	GRANT_SERVER,
	GRANT_MANAGER,
	GRANT_ROLES,
};

struct grant {
	enum grant_role role;
	bool every;			/* supernet; snid is zero then */
	struct varp_snid snid;
	bool bound;			/* MEMBER: to vaddr, else that is zero */
	struct varp_addr vaddr;
};

const char *grant_role_name(enum grant_role role);

/* 0; -ENOENT: not about VARP; -EINVAL: it is, and is malformed. */
int grant_parse(const char *uri, struct grant *grant);
char *grant_format(const struct grant *grant, char out[GRANT_TEXT]);

/*
 * Those of a certificate, in order, at most max. Returns how many; *malformed (may be NULL) counts
 * those that begin with urn:varp: and grant nothing.
 */
size_t grants_of(X509 *cert, struct grant *grants, size_t max, size_t *malformed);

/*
 * Does the certificate permit the role in the supernet? vaddr, for MEMBER: the node that it would
 * be; zero or NULL: none, which a bound grant does not permit.
 */
bool grants_permit(X509 *cert, enum grant_role role, const struct varp_snid *snid,
		   const struct varp_addr *vaddr);
/* Does it make its holder a member of the supernet as certain nodes only, of which vaddr is none? */
bool grants_exclude(X509 *cert, const struct varp_snid *snid, const struct varp_addr *vaddr);
/* Does it make its holder a member or server of the supernet, as whichever node? */
bool grants_concern(X509 *cert, const struct varp_snid *snid);

#endif
