/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * May this message be believed, and what makes ours believable: the one place where session
 * identifier and tag are looked at.
 *
 * Today there is only insecure mode, in which both are zero. Without it there are no sessions, and
 * so nothing is believed or sent.
 */
#ifndef LIBVARP_AUTH_H
#define LIBVARP_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "msg.h"

/* Are there credentials to talk about this supernet at all? */
bool varp_auth_have(bool insecure, const struct varp_snid *snid);

/* The session to speak in about this supernet. */
uint64_t varp_auth_session(bool insecure, const struct varp_snid *snid);

/*
 * data is what msg was decoded from. 0, or -EACCES with *reason VARP_DROP_VARP_SESSION or
 * VARP_DROP_VARP_TAG.
 */
int varp_auth_check(bool insecure, const struct varp_msg *msg, const uint8_t data[VARP_MSG_LEN],
		    enum varp_drop *reason);

/* Writes the tag of an encoded message. */
void varp_auth_sign(bool insecure, uint8_t data[VARP_MSG_LEN]);

#endif
