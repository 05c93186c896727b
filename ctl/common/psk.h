/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pre-shared keys as files: DIR/psk/SNID.psk, SNID in its printed form, 64 hex digits in it. Read
 * by varpd, written by varpctl; both refuse what others on the host may read.
 */
#ifndef VARP_PSK_H
#define VARP_PSK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "addr.h"

#define PSK_LEN		32		/* octets */
#define PSK_TEXT	(2 * PSK_LEN + 1)
#define PSK_DIR		"psk"
#define PSK_SUFFIX	".psk"
#define PSK_PRINT_LEN	8		/* octets of a key's fingerprint that people compare */

#define PSK_REJECTED	"a key of zeros alone is no secret"	/* -EKEYREJECTED */

/* Blanks and line breaks around the digits are nothing. 0, -EINVAL or -EKEYREJECTED. */
int psk_parse(const char *text, uint8_t key[PSK_LEN]);
char *psk_format(const uint8_t key[PSK_LEN], char out[PSK_TEXT]);
/* Whose members may read secrets too, beside root's and our own: that of varpd's user. */
void psk_trust_group(gid_t group);
/* As psk_parse(), -EPERM (others may read it, or it is not root's or ours), or another -errno. */
int psk_read(int fd, uint8_t key[PSK_LEN]);
/* The same for private keys: 0, -EPERM, or another -errno. */
int psk_check_mode(int fd);
/* "0x...0010.psk" to the supernet; 0 or -EINVAL. */
int psk_file_snid(const char *name, struct varp_snid *snid);
/* Tells keys apart without telling them: the beginning of SHA-256. */
void psk_fingerprint(const uint8_t key[PSK_LEN], uint8_t *out, size_t len);

#endif
