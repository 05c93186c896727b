// SPDX-License-Identifier: BSD-2-Clause
/*
 * See grant.h. Nothing in here decides whether a certificate is genuine: that is done before.
 */
#include <errno.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "grant.h"

#define PREFIX		"urn:varp:"
#define GRANTS_MAX	256	/* of one certificate; further ones do not count */

static const char *const role_names[GRANT_ROLES] = {
	[GRANT_MEMBER]	= "member",
	[GRANT_SERVER]	= "server",
	[GRANT_MANAGER]	= "manager",
};

const char *grant_role_name(enum grant_role role)
{
	return role_names[role];
}

static int parse_snid(const char *text, struct grant *grant)
{
	grant->every = !strcmp(text, "*");
	return grant->every ? 0 : varp_snid_parse(text, &grant->snid);
}

static int parse_role(const char *text, struct grant *grant)
{
	for (int role = 0; role < GRANT_ROLES; role++)
		if (!strcmp(text, role_names[role])) {
			grant->role = role;
			return 0;
		}
	return -EINVAL;
}

int grant_parse(const char *uri, struct grant *grant)
{
	char text[GRANT_TEXT], *role, *vaddr;

	memset(grant, 0, sizeof(*grant));
	if (strncasecmp(uri, PREFIX, strlen(PREFIX)))
		return -ENOENT;
	uri += strlen(PREFIX);
	if (strlen(uri) >= sizeof(text))
		return -EINVAL;
	strcpy(text, uri);
	role = strchr(text, ':');
	if (!role)
		return -EINVAL;
	*role++ = '\0';
	vaddr = strchr(role, ':');
	if (vaddr)
		*vaddr++ = '\0';
	if (parse_snid(text, grant) || parse_role(role, grant))
		return -EINVAL;
	if (!vaddr)
		return 0;
	grant->bound = true;
	if (grant->role != GRANT_MEMBER || varp_addr_parse(vaddr, &grant->vaddr) ||
	    !varp_addr_is_unicast(&grant->vaddr))
		return -EINVAL;
	return 0;
}

char *grant_format(const struct grant *grant, char out[GRANT_TEXT])
{
	char snid[VARP_SNID_TEXT] = "*", vaddr[VARP_ADDR_TEXT] = "";

	if (!grant->every)
		varp_snid_format(&grant->snid, snid);
	if (grant->bound)
		varp_addr_format(&grant->vaddr, vaddr);
	snprintf(out, GRANT_TEXT, PREFIX "%s:%s%s%s", snid, role_names[grant->role],
		 grant->bound ? ":" : "", vaddr);
	return out;
}

size_t grants_of(X509 *cert, struct grant *grants, size_t max, size_t *malformed)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	size_t count = 0, bad = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && count < max; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
		char text[sizeof(PREFIX) + GRANT_TEXT];
		int err, len;

		if (name->type != GEN_URI)
			continue;
		len = ASN1_STRING_length(uri);
		/* One that is too long, or goes on behind a NUL, is nothing that we wrote. */
		if (len < (int)strlen(PREFIX) || len >= (int)sizeof(text) ||
		    memchr(ASN1_STRING_get0_data(uri), '\0', len))
			continue;
		memcpy(text, ASN1_STRING_get0_data(uri), len);
		text[len] = '\0';
		err = grant_parse(text, &grants[count]);
		count += !err;
		bad += err == -EINVAL;
	}
	GENERAL_NAMES_free(names);
	if (malformed)
		*malformed = bad;
	return count;
}

static bool permits(const struct grant *grant, enum grant_role role, const struct varp_snid *snid,
		    const struct varp_addr *vaddr)
{
	return grant->role == role && (grant->every || varp_snid_equal(&grant->snid, snid)) &&
	       (!grant->bound || (vaddr && varp_addr_equal(&grant->vaddr, vaddr)));
}

bool grants_permit(X509 *cert, enum grant_role role, const struct varp_snid *snid,
		   const struct varp_addr *vaddr)
{
	struct grant grants[GRANTS_MAX];
	size_t count = grants_of(cert, grants, GRANTS_MAX, NULL);

	for (size_t i = 0; i < count; i++)
		if (permits(&grants[i], role, snid, vaddr))
			return true;
	return false;
}

bool grants_exclude(X509 *cert, const struct varp_snid *snid, const struct varp_addr *vaddr)
{
	struct grant grants[GRANTS_MAX];
	size_t count = grants_of(cert, grants, GRANTS_MAX, NULL);
	bool member = false;

	for (size_t i = 0; i < count; i++) {
		if (permits(&grants[i], GRANT_MEMBER, snid, vaddr))
			return false;
		member |= grants[i].role == GRANT_MEMBER &&
			  (grants[i].every || varp_snid_equal(&grants[i].snid, snid));
	}
	return member;
}

bool grants_concern(X509 *cert, const struct varp_snid *snid)
{
	struct grant grants[GRANTS_MAX];
	size_t count = grants_of(cert, grants, GRANTS_MAX, NULL);

	for (size_t i = 0; i < count; i++)
		if (grants[i].role != GRANT_MANAGER &&
		    (grants[i].every || varp_snid_equal(&grants[i].snid, snid)))
			return true;
	return false;
}
