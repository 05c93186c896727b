// SPDX-License-Identifier: BSD-2-Clause
/*
 * Authentication of messages, called by the engine for each message that it receives or sends. Key
 * exchange is not here.
 */
#include <errno.h>
#include <string.h>

#include "auth.h"

bool varp_auth_have(bool insecure, const struct varp_snid *snid)
{
	(void)snid;
	return insecure;
}

uint64_t varp_auth_session(bool insecure, const struct varp_snid *snid)
{
	(void)insecure;
	(void)snid;
	return 0;
}

int varp_auth_check(bool insecure, const struct varp_msg *msg, const uint8_t data[VARP_MSG_LEN],
		    enum varp_drop *reason)
{
	static const uint8_t no_tag[VARP_TAG_LEN];

	*reason = VARP_DROP_VARP_SESSION;
	if (!insecure || msg->session)
		return -EACCES;
	*reason = VARP_DROP_VARP_TAG;
	return memcmp(data + VARP_MSG_TAGGED_LEN, no_tag, VARP_TAG_LEN) ? -EACCES : 0;
}

void varp_auth_sign(bool insecure, uint8_t data[VARP_MSG_LEN])
{
	(void)insecure;
	memset(data + VARP_MSG_TAGGED_LEN, 0, VARP_TAG_LEN);
}
