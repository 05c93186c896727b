// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl psk: a supernet's pre-shared key, made here or brought from another host. varpd finds the
 * file by itself.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ui.h>
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

/* The key's file, where there may be none yet unless it is to be replaced. */
static enum control_status find_place(const struct ctl *ctl, const char *dir,
				      const struct varp_snid *snid, char path[PATH_MAX])
{
	char name[sizeof(PSK_DIR "/") + VARP_SNID_TEXT + sizeof(PSK_SUFFIX)] = PSK_DIR "/";

	varp_snid_format(snid, name + strlen(name));
	strcat(name, PSK_SUFFIX);
	return pki_path(path, dir, name) ? pki_check_free(path, ctl->force) : CONTROL_USAGE;
}

static enum control_status store(struct ctl *ctl, const char *dir, const char *path,
				 const uint8_t key[PSK_LEN])
{
	char text[PSK_TEXT + 1], sub[PATH_MAX];
	enum control_status status;

	if (!pki_path(sub, dir, PSK_DIR))
		return CONTROL_USAGE;
	status = pki_make_dir(sub);
	if (status)
		return status;
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

	if (!status)
		status = find_place(ctl, dir, &snid, path);
	if (status)
		return status;
	if (RAND_priv_bytes(key, sizeof(key)) != 1)
		return ctl_fail(CONTROL_FAILED, "the system has no random numbers");
	status = store(ctl, dir, path, key);
	if (!status)
		tell(ctl, &snid, key, path, true);
	OPENSSL_cleanse(key, sizeof(key));
	return status;
}

/*
 * Not an argument: every user of the host can read those. At a terminal it is asked for, unseen. No
 * line is as good as an empty one; of one that is too long there is enough to see that.
 */
static void read_line(char *line, int len, const char *snid)
{
	char prompt[64];

	*line = '\0';
	if (!isatty(STDIN_FILENO)) {
		if (!fgets(line, len, stdin))
			*line = '\0';
		return;
	}
	snprintf(prompt, sizeof(prompt), "Key of %.40s (not shown): ", snid);
	/* It takes the most characters, and puts a NUL behind them. */
	if (!EVP_read_pw_string(line, len - 1, prompt, 0))
		return;
	snprintf(line, len, "%s",
		 ERR_GET_REASON(ERR_peek_error()) == UI_R_RESULT_TOO_LARGE ? "too long" : "");
}

static enum control_status read_key(const char *snid, uint8_t key[PSK_LEN])
{
	char line[256];
	int err;

	read_line(line, sizeof(line), snid);
	err = line[strspn(line, " \t\r\n")] ? psk_parse(line, key) : -ENODATA;
	OPENSSL_cleanse(line, sizeof(line));
	if (err)
		OPENSSL_cleanse(key, PSK_LEN);
	if (err == -ENODATA)
		return ctl_fail(CONTROL_USAGE, "no key was given");
	if (err == -EKEYREJECTED)
		return ctl_fail(CONTROL_USAGE, PSK_REJECTED ": `varpctl psk new` on the supernet's "
				"server makes one");
	return err ? ctl_fail(CONTROL_USAGE, "what was given is not a key of 64 hex digits, as "
			      "`varpctl psk new` prints it")
		   : CONTROL_OK;
}

enum control_status ctl_psk_add(struct ctl *ctl, char **words, unsigned int count)
{
	uint8_t key[PSK_LEN];
	char path[PATH_MAX];
	struct varp_snid snid;
	const char *dir;
	enum control_status status = parse(ctl, words, count, &snid, &dir);

	/* Before it is asked for: nobody types one to be refused. */
	if (!status)
		status = find_place(ctl, dir, &snid, path);
	if (!status)
		status = read_key(words[0], key);
	if (status)
		return status;
	status = store(ctl, dir, path, key);
	if (!status)
		tell(ctl, &snid, key, path, false);
	OPENSSL_cleanse(key, sizeof(key));
	return status;
}
