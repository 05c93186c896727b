// SPDX-License-Identifier: BSD-2-Clause
/*
 * See psk.h.
 */
#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "psk.h"

#define FILE_MAX	256

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

int psk_parse(const char *text, uint8_t key[PSK_LEN])
{
	uint8_t any = 0;

	text += strspn(text, " \t\r\n");
	for (size_t i = 0; i < PSK_LEN; i++, text += 2) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0)
			return -EINVAL;
		key[i] = high << 4 | low;
		any |= key[i];
	}
	if (text[strspn(text, " \t\r\n")])
		return -EINVAL;
	return any ? 0 : -EKEYREJECTED;
}

char *psk_format(const uint8_t key[PSK_LEN], char out[PSK_TEXT])
{
	for (size_t i = 0; i < PSK_LEN; i++)
		snprintf(out + 2 * i, 3, "%02x", key[i]);
	return out;
}

static gid_t trusted = (gid_t)-1;	/* none, unless somebody says which */

void psk_trust_group(gid_t group)
{
	trusted = group;
}

int psk_check_mode(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((st.st_mode & (S_IWGRP | S_IRWXO)) || (st.st_uid && st.st_uid != geteuid()))
		return -EPERM;
	if (!(st.st_mode & S_IRGRP) || !st.st_gid || st.st_gid == getegid())
		return 0;
	return st.st_gid == trusted ? 0 : -EPERM;
}

int psk_read(int fd, uint8_t key[PSK_LEN])
{
	int err = psk_check_mode(fd);
	char text[FILE_MAX + 1];
	ssize_t len;

	if (err)
		return err;
	len = read(fd, text, FILE_MAX);
	err = len < 0 ? -errno : 0;
	if (!err) {
		text[len] = '\0';
		err = psk_parse(text, key);
	}
	OPENSSL_cleanse(text, sizeof(text));
	return err;
}

int psk_file_snid(const char *name, struct varp_snid *snid)
{
	char text[VARP_SNID_TEXT], again[VARP_SNID_TEXT];
	size_t len = strlen(name), suffix = strlen(PSK_SUFFIX);

	if (len <= suffix || len - suffix >= sizeof(text) ||
	    strcmp(name + len - suffix, PSK_SUFFIX))
		return -EINVAL;
	memcpy(text, name, len - suffix);
	text[len - suffix] = '\0';
	/* One file per supernet: no 0x10.psk beside 0x00000000000000000010.psk. */
	if (varp_snid_parse(text, snid) || strcmp(varp_snid_format(snid, again), text))
		return -EINVAL;
	return 0;
}

void psk_fingerprint(const uint8_t key[PSK_LEN], uint8_t *out, size_t len)
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	memset(digest, 0, sizeof(digest));
	EVP_Digest(key, PSK_LEN, digest, NULL, EVP_sha256(), NULL);
	memcpy(out, digest, len);
}
