// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl psk: a supernet's pre-shared key, made here or brought from another host. varpd finds the
 * file by itself.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#include "pki.h"
#include "print.h"
#include "psk.h"

/* [dir DIR] */
static enum control_status parse(struct ctl *ctl, char **words, unsigned int count,
				 struct varp_snid *snid, const char **dir)
{
	*dir = PKI_HOST_DIR;
	if (varp_snid_parse(words[0], snid))
		return ctl_usage(ctl,
				 "'%s' is not a supernet identifier (0x and 1 to 20 hex digits)",
				 words[0]);
	if (count == 1)
		return CONTROL_OK;
	if (strcmp(words[1], "dir"))
		return ctl_usage(ctl, "unknown word '%s'", words[1]);
	if (count == 2)
		return ctl_usage(ctl, "dir needs a value");
	*dir = words[2];
	return CONTROL_OK;
}

static enum control_status store(struct ctl *ctl, const char *dir, const struct varp_snid *snid,
				 const uint8_t key[PSK_LEN], char path[PATH_MAX])
{
	char text[PSK_TEXT + 1], name[VARP_SNID_TEXT + sizeof(PSK_SUFFIX)], sub[PATH_MAX];
	enum control_status status;

	if (!pki_path(sub, dir, PSK_DIR))
		return CONTROL_USAGE;
	status = pki_make_dir(sub);
	if (status)
		return status;
	strcat(varp_snid_format(snid, name), PSK_SUFFIX);
	if (!pki_path(path, sub, name))
		return CONTROL_USAGE;
	strcat(psk_format(key, text), "\n");
	status = pki_write(path, text, strlen(text), PKI_HOST_SECRET, ctl->force);
	OPENSSL_cleanse(text, sizeof(text));
	return status;
}

/* made: the key is new, and is to be shown this once. */
static void tell(const struct ctl *ctl, const struct varp_snid *snid, const uint8_t key[PSK_LEN],
		 const char *path, bool made)
{
	char text[PSK_TEXT], snid_text[VARP_SNID_TEXT];
	json_t *result;

	varp_snid_format(snid, snid_text);
	psk_format(key, text);
	if (ctl->json) {
		result = json_pack("{s:s, s:s}", "snid", snid_text, "file", path);
		if (made)
			json_object_set_new(result, "key", json_string(text));
		ctl_json(ctl, result);
		json_decref(result);
	} else if (made) {
		printf("%s\n", text);
		fflush(stdout);
		fprintf(stderr,
			"stored in %s; copy the file to the supernet's server and members, or "
			"give them the key with `varpctl psk add %s`\n",
			path, snid_text);
	} else {
		printf("stored in %s\n", path);
	}
	OPENSSL_cleanse(text, sizeof(text));
}

enum control_status ctl_psk_new(struct ctl *ctl, char **words, unsigned int count)
{
	uint8_t key[PSK_LEN];
	char path[PATH_MAX];
	struct varp_snid snid;
	const char *dir;
	enum control_status status = parse(ctl, words, count, &snid, &dir);

	if (status)
		return status;
	if (RAND_priv_bytes(key, sizeof(key)) != 1)
		return ctl_fail(CONTROL_FAILED, "the system has no random numbers");
	status = store(ctl, dir, &snid, key, path);
	if (!status)
		tell(ctl, &snid, key, path, true);
	OPENSSL_cleanse(key, sizeof(key));
	return status;
}

/* Not an argument: every user of the host can read those. At a terminal it is asked for, unseen. */
static bool read_key(char *line, int len, const char *snid)
{
	char prompt[64];

	if (!isatty(STDIN_FILENO))
		return fgets(line, len, stdin) != NULL;
	snprintf(prompt, sizeof(prompt), "Key of %.40s (not shown): ", snid);
	/* It takes the most characters, and puts a NUL behind them. */
	return !EVP_read_pw_string(line, len - 1, prompt, 0);
}

enum control_status ctl_psk_add(struct ctl *ctl, char **words, unsigned int count)
{
	uint8_t key[PSK_LEN];
	char path[PATH_MAX], line[256];
	struct varp_snid snid;
	const char *dir;
	enum control_status status = parse(ctl, words, count, &snid, &dir);

	if (status)
		return status;
	if (!read_key(line, sizeof(line), words[0])) {
		status = ctl_fail(CONTROL_USAGE, "no key was given");
	} else if (psk_parse(line, key)) {
		OPENSSL_cleanse(line, sizeof(line));
		status = ctl_fail(CONTROL_USAGE, "what was given is not a key of 64 hex digits, as "
				  "`varpctl psk new` prints it");
	}
	if (status)
		return status;
	status = store(ctl, dir, &snid, key, path);
	if (!status)
		tell(ctl, &snid, key, path, false);
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(line, sizeof(line));
	return status;
}
