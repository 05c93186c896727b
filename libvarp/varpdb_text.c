// SPDX-License-Identifier: BSD-2-Clause
/*
 * The public text forms of identifiers and addresses: struct in6_addr outside, struct varp_addr
 * inside. Both are the same 16 octets.
 */
#include <string.h>

#include <varp/varp.h>

#include "addr.h"

_Static_assert(sizeof(struct in6_addr) == sizeof(struct varp_addr), "the same octets");
_Static_assert(VARP_SNID_STRLEN == VARP_SNID_TEXT && VARP_CHID_STRLEN == VARP_CHID_TEXT &&
	       VARP_ADDR_STRLEN == VARP_ADDR_TEXT, "public and internal lengths agree");

int varp_snid_from_text(const char *text, vid_t *vid)
{
	return varp_snid_parse(text, vid);
}

char *varp_snid_to_text(const vid_t *vid, char out[VARP_SNID_STRLEN])
{
	return varp_snid_format(vid, out);
}

int varp_addr_from_text(const char *text, struct in6_addr *addr)
{
	struct varp_addr parsed;
	int err;

	err = varp_addr_parse(text, &parsed);
	if (err)
		return err;
	memcpy(addr, &parsed, sizeof(*addr));
	return 0;
}

char *varp_addr_to_text(const struct in6_addr *addr, char out[VARP_ADDR_STRLEN])
{
	struct varp_addr inner;

	memcpy(&inner, addr, sizeof(inner));
	return varp_addr_format(&inner, out);
}
