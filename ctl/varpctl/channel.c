// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl channel set and show: which protection a channel has. A key is read from a file, for every user
 * of the host can read arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "print.h"
#include "psk.h"

static enum control_status arg_key(const struct ctl *ctl, const char *text, json_t *args)
{
	uint8_t key[PSK_LEN];
	char digits[PSK_TEXT];
	int fd = open(text, O_RDONLY | O_CLOEXEC), err;

	(void)ctl;
	if (fd < 0)
		return ctl_fail(ctl_status_of(errno), "cannot open %s: %s", text, strerror(errno));
	err = psk_read(fd, key);
	close(fd);
	if (err == -EPERM)
		return ctl_fail(CONTROL_FAILED,
				"others may read the key in %s: chown root and chmod 600 it", text);
	if (err == -EINVAL)
		return ctl_fail(CONTROL_FAILED,
				"%s is not a key of 64 hex digits, as `openssl rand -hex 32` makes one",
				text);
	if (err == -EKEYREJECTED)
		return ctl_fail(CONTROL_FAILED, "%s: " PSK_REJECTED ", `openssl rand -hex 32` makes one",
				text);
	if (err)
		return ctl_fail(CONTROL_FAILED, "cannot read %s: %s", text, strerror(-err));
	json_object_set_new(args, "key", json_string(psk_format(key, digits)));
	explicit_bzero(key, sizeof(key));
	explicit_bzero(digits, sizeof(digits));
	return CONTROL_OK;
}

static enum control_status arg_rotate(const struct ctl *ctl, const char *text, json_t *args)
{
	char *end;
	long seconds = strtol(text, &end, 10);

	if (*end || end == text || seconds <= 0)
		return ctl_usage(ctl, "rotate '%s' is not a number of seconds", text);
	json_object_set_new(args, "rotate_s", json_integer(seconds));
	return CONTROL_OK;
}

static const struct keyword {
	const char *name;
	enum control_status (*parse)(const struct ctl *ctl, const char *text, json_t *args);
} keywords[] = {
	{ "key", arg_key },
	{ "rotate", arg_rotate },
};
#define KEYWORDS (sizeof(keywords) / sizeof(keywords[0]))

static enum control_status parse(const struct ctl *ctl, char **words, unsigned int count, json_t *args)
{
	enum control_status status = ctl_arg_snid(ctl, words[0], args);
	size_t k;

	if (!status)
		status = ctl_arg_channel(ctl, words[1], args);
	if (!status && strcmp(words[2], "plain") && strcmp(words[2], "auth") && strcmp(words[2], "aead"))
		status = ctl_usage(ctl, "'%s' is not plain, auth or aead", words[2]);
	json_object_set_new(args, "mode", json_string(words[2]));
	for (unsigned int i = 3; !status && i < count; i += 2) {
		for (k = 0; k < KEYWORDS && strcmp(words[i], keywords[k].name); k++)
			;
		if (k == KEYWORDS)
			status = ctl_usage(ctl, "unknown word '%s'", words[i]);
		else if (i + 1 == count)
			status = ctl_usage(ctl, "%s needs a value", words[i]);
		else
			status = keywords[k].parse(ctl, words[i + 1], args);
	}
	if (!status && strcmp(words[2], "plain") && !json_object_get(args, "key"))
		status = ctl_usage(ctl, "a channel with %s needs `key FILE`: the same on all its members",
				   words[2]);
	return status;
}

enum control_status ctl_channel_set(struct ctl *ctl, char **words, unsigned int count)
{
	json_t *args = json_object(), *result;
	enum control_status status = parse(ctl, words, count, args);

	if (status) {
		json_decref(args);
		return status;
	}
	status = ctl_request(ctl, "channel_set", args, CTL_TIMEOUT_MS, &result);
	if (status)
		return status;
	if (ctl->json)
		ctl_json(ctl, result);
	else if (!strcmp(words[2], "plain"))
		printf("channel %s of %s has no key of its own here now: it is plain, unless its server has "
		       "keys for it\n", words[1], words[0]);
	else
		printf("channel %s of %s is %s now\n", words[1], words[0], words[2]);
	json_decref(result);
	return CONTROL_OK;
}

static const struct ctl_column columns[] = {
	{ .title = "SNID" },
	{ .title = "CHANNEL" },
	{ .title = "MODE" },
	{ .title = "EPOCH" },
	{ .title = "NEXT KEY IN" },
	{ .title = "KEYS FROM" },
	{ .title = "KEYS UNTIL" },
};

static void add_row(struct ctl_table *table, const json_t *entry)
{
	char epoch[CTL_NUMBER_LEN] = "none", next[CTL_NUMBER_LEN] = "-";
	char until[CTL_NUMBER_LEN];

	if (json_is_integer(json_object_get(entry, "epoch")))
		snprintf(epoch, sizeof(epoch), "%llu",
			 (unsigned long long)ctl_count(entry, "epoch"));
	if (json_is_integer(json_object_get(entry, "next_s")))
		ctl_duration(ctl_count(entry, "next_s"), next);
	ctl_duration(ctl_count(entry, "until_s"), until);
	ctl_table_add(table, (const char *[]){
		ctl_text(entry, "snid", "?"), ctl_text(entry, "chid", "?"),
		ctl_text(entry, "mode", "?"), epoch, next,
		ctl_text(entry, "keys", "?"), ctl_count(entry, "until_s") ? until : "over",
	});
}

enum control_status ctl_channel_show(struct ctl *ctl, char **words, unsigned int count)
{
	struct ctl_table table = { .ctl = ctl, .columns = columns, .count = 7 };
	json_t *args = json_object(), *result, *entry;
	enum control_status status = CONTROL_OK;
	size_t i;

	if (count)
		status = ctl_arg_snid(ctl, words[0], args);
	if (status) {
		json_decref(args);
		return status;
	}
	status = ctl_request(ctl, "channel_show", args, CTL_TIMEOUT_MS, &result);
	if (status)
		return status;
	if (ctl->json) {
		ctl_json(ctl, result);
	} else {
		json_array_foreach(result, i, entry)
			add_row(&table, entry);
		ctl_table_end(&table);
	}
	json_decref(result);
	return CONTROL_OK;
}
