// SPDX-License-Identifier: BSD-2-Clause
/*
 * Text commands. The commands are rows of one table; each argument kind has one function that reads
 * it and one phrase that says what would have been right. Called by the daemon's text sockets;
 * knows nothing of what a command does.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "command.h"

#define ARGS_MAX	4
#define WORDS_MAX	(ARGS_MAX + 2)	/* the name, and one argument too many */
#define QUOTE_MAX	48		/* of the input, in an error's text */

enum arg_kind { ARG_SNID, ARG_VADDR, ARG_RADDR, ARG_SADDR, ARG_TTL, ARG_CHID, ARG_MODE };

static bool read_snid(const char *word, struct varp_command *command)
{
	return !varp_snid_parse(word, &command->snid);
}

static bool read_vaddr(const char *word, struct varp_command *command)
{
	return !varp_addr_parse(word, &command->vaddr) && varp_addr_is_unicast(&command->vaddr);
}

static bool read_raddr(const char *word, struct varp_command *command)
{
	command->has_raddr = true;
	return !varp_addr_parse(word, &command->raddr) && varp_addr_is_unicast(&command->raddr);
}

/* A server may well be on this host. */
static bool read_saddr(const char *word, struct varp_command *command)
{
	command->has_raddr = true;
	return !varp_addr_parse(word, &command->raddr) &&
	       (varp_addr_is_unicast(&command->raddr) || varp_addr_is_loopback(&command->raddr));
}

static bool read_ttl(const char *word, struct varp_command *command)
{
	return !varp_ttl_parse(word, &command->ttl_s);
}

static bool read_chid(const char *word, struct varp_command *command)
{
	command->has_chid = true;
	return !varp_chid_parse(word, &command->chid);
}

static bool read_mode(const char *word, struct varp_command *command)
{
	static const char *const modes[VARP_CHANNEL_MODES] = {
		[VARP_CHANNEL_PLAIN] = "plain",
		[VARP_CHANNEL_AUTH] = "auth",
		[VARP_CHANNEL_AEAD] = "aead",
	};

	for (command->mode = 0; command->mode < VARP_CHANNEL_MODES; command->mode++)
		if (!strcmp(word, modes[command->mode]))
			return true;
	return false;
}

static const struct arg_kind_row {
	const char *word;	/* of the ERR line */
	const char *right;
	bool (*read)(const char *word, struct varp_command *command);
} kinds[] = {
	[ARG_SNID]  = { "snid", "a supernet identifier: 0x and 1 to 20 hex digits", read_snid },
	[ARG_VADDR] = { "vaddr", "a unicast IPv4 or IPv6 address", read_vaddr },
	[ARG_RADDR] = { "raddr", "a unicast IPv4 or IPv6 address", read_raddr },
	[ARG_SADDR] = { "saddr", "a server's IPv4 or IPv6 address", read_saddr },
	[ARG_TTL]   = { "ttl", "a time to live: whole seconds, 1 to 65536", read_ttl },
	[ARG_CHID]  = { "chid", "a channel identifier: 0x and 1 to 12 hex digits", read_chid },
	[ARG_MODE]  = { "mode", "plain, auth or aead", read_mode },
};

static const struct command_row {
	const char *name;
	const char *usage;
	enum varp_command_source source;
	int32_t ttl_s;			/* when none is given */
	unsigned char args_min, args_max;
	unsigned char args[ARGS_MAX];	/* enum arg_kind */
} commands[] = {
	[VARP_COMMAND_INIT] = {
		.name = "varpd_init", .usage = "no arguments",
		.source = VARP_COMMAND_FROM_MANAGER,
	},
	[VARP_COMMAND_ADD] = {
		.name = "varpd_add", .usage = "<snid> <vaddr> <raddr> [<ttl>]",
		.source = VARP_COMMAND_FROM_MANAGER,
		.args = { ARG_SNID, ARG_VADDR, ARG_RADDR, ARG_TTL }, .args_min = 3, .args_max = 4,
		.ttl_s = VARPDB_TTL_ALWAYS,
	},
	[VARP_COMMAND_REMOVE] = {
		.name = "varpd_remove", .usage = "<snid> <vaddr>",
		.source = VARP_COMMAND_FROM_MANAGER,
		.args = { ARG_SNID, ARG_VADDR }, .args_min = 2, .args_max = 2,
	},
	[VARP_COMMAND_SERVER_SET] = {
		.name = "varpd_server_set", .usage = "<snid> [<ttl>]",
		.source = VARP_COMMAND_FROM_MANAGER,
		.args = { ARG_SNID, ARG_TTL }, .args_min = 1, .args_max = 2,
		.ttl_s = VARPDB_TTL_INITIAL_CLIENT,
	},
	[VARP_COMMAND_SERVER_CLEAR] = {
		.name = "varpd_server_clear", .usage = "<snid>",
		.source = VARP_COMMAND_FROM_MANAGER,
		.args = { ARG_SNID }, .args_min = 1, .args_max = 1,
	},
	[VARP_COMMAND_CHANNEL_SET] = {
		.name = "varpd_channel_set", .usage = "<snid> <chid> <plain|auth|aead>",
		.source = VARP_COMMAND_FROM_MANAGER,
		.args = { ARG_SNID, ARG_CHID, ARG_MODE }, .args_min = 3, .args_max = 3,
	},
	[VARP_COMMAND_CHANNEL_ROTATE] = {
		.name = "varpd_channel_rotate", .usage = "<snid> <chid>",
		.source = VARP_COMMAND_FROM_MANAGER,
		.args = { ARG_SNID, ARG_CHID }, .args_min = 2, .args_max = 2,
	},
	[VARP_COMMAND_CLIENT_SET] = {
		.name = "varpd_client_set", .usage = "<snid> <saddr>",
		.source = VARP_COMMAND_FROM_CLIENT,
		.args = { ARG_SNID, ARG_SADDR }, .args_min = 2, .args_max = 2,
	},
	[VARP_COMMAND_CLIENT_CLEAR] = {
		.name = "varpd_client_clear", .usage = "<snid> [<saddr>]",
		.source = VARP_COMMAND_FROM_CLIENT,
		.args = { ARG_SNID, ARG_SADDR }, .args_min = 1, .args_max = 2,
	},
};

#define COMMANDS	(sizeof(commands) / sizeof(commands[0]))

const char *varp_command_name(enum varp_command_type type)
{
	return (size_t)type < COMMANDS ? commands[type].name : "unknown";
}

__attribute__((format(printf, 3, 4)))
static int refuse(struct varp_command_error *error, const char *word, const char *format, ...)
{
	va_list args;

	error->word = word;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return -EINVAL;
}

/* Blanks, tabs and printable ASCII: what may be quoted afterwards without escaping. */
static int check_characters(const char *line, size_t len, struct varp_command_error *error)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = line[i];

		if (c != '\t' && (c < ' ' || c > '~'))
			return refuse(
				error, "character",
				"octet 0x%02x at position %zu is not printable ASCII, blank or tab",
				c, i + 1);
	}
	return 0;
}

/* Cuts text in place; returns the number of words, at most WORDS_MAX. */
static size_t split(char *text, char *words[WORDS_MAX])
{
	size_t count = 0;
	char *rest = NULL;
	char *word;

	for (word = strtok_r(text, " \t", &rest); word && count < WORDS_MAX;
	     word = strtok_r(NULL, " \t", &rest))
		words[count++] = word;
	return count;
}

static const struct command_row *find_command(char *name)
{
	size_t len = strlen(name);
	size_t i;

	if (len > 2 && !strcmp(name + len - 2, "()"))
		len -= 2;
	for (i = 0; i < COMMANDS; i++)
		if (strlen(commands[i].name) == len && !strncmp(commands[i].name, name, len))
			return &commands[i];
	return NULL;
}

static int read_args(const struct command_row *row, char *words[], size_t count,
		     struct varp_command *command, struct varp_command_error *error)
{
	size_t i;

	for (i = 0; i < count; i++) {
		const struct arg_kind_row *kind = &kinds[row->args[i]];

		if (!kind->read(words[i], command))
			return refuse(error, kind->word, "'%.*s%s' is not %s", QUOTE_MAX, words[i],
				      strlen(words[i]) > QUOTE_MAX ? "..." : "", kind->right);
	}
	return 0;
}

int varp_command_parse(const char *line, size_t len, enum varp_command_source source,
		       struct varp_command *command, struct varp_command_error *error)
{
	const struct command_row *row;
	char text[VARP_COMMAND_MAX + 1];
	char *words[WORDS_MAX];
	size_t count;

	if (len > VARP_COMMAND_MAX)
		return refuse(error, "toolong", "a command has %d characters at most",
			      VARP_COMMAND_MAX);
	if (check_characters(line, len, error))
		return -EINVAL;
	memcpy(text, line, len);
	text[len] = '\0';
	count = split(text, words);
	if (!count)
		return -ENODATA;
	row = find_command(words[0]);
	if (!row)
		return refuse(error, "unknown", "'%.*s%s' is not a command", QUOTE_MAX, words[0],
			      strlen(words[0]) > QUOTE_MAX ? "..." : "");
	if (row->source != source)
		return refuse(error, "source", "%s belongs to the group %s, by default TCP port %d",
			      row->name,
			      row->source == VARP_COMMAND_FROM_MANAGER ? "manager's socket"
								       : "client's socket",
			      row->source == VARP_COMMAND_FROM_MANAGER ? VARPDB_GRP_MGR_PORT
								       : VARPDB_GRP_CLT_PORT);
	count--;
	if (count < row->args_min || count > row->args_max)
		return refuse(error, "arguments", "too %s arguments: %s takes %s",
			      count < row->args_min ? "few" : "many", row->name, row->usage);
	memset(command, 0, sizeof(*command));
	command->type = row - commands;
	command->ttl_s = row->ttl_s;
	return read_args(row, words + 1, count, command, error);
}

void varp_command_reader_init(struct varp_command_reader *reader)
{
	reader->len = 0;
	reader->overlong = false;
	reader->complete = false;
}

/*
 * The buffer has room for one character more than a command may have: for the CR of a CR LF, which
 * is known to be part of the line break only once the LF is there.
 */
static enum varp_command_read end_command(struct varp_command_reader *reader, char terminator)
{
	reader->complete = true;
	if (terminator == '\n' && reader->len && reader->line[reader->len - 1] == '\r')
		reader->len--;
	return reader->overlong || reader->len > VARP_COMMAND_MAX ? VARP_COMMAND_READ_TOO_LONG
								  : VARP_COMMAND_READ_LINE;
}

enum varp_command_read varp_command_reader_next(struct varp_command_reader *reader,
						const char **data, size_t *len)
{
	const char *p = *data, *end = p + *len;
	enum varp_command_read result = VARP_COMMAND_READ_MORE;

	if (reader->complete)
		varp_command_reader_init(reader);
	while (p < end && result == VARP_COMMAND_READ_MORE) {
		char c = *p++;

		if (c == '\n' || c == ';')
			result = end_command(reader, c);
		else if (reader->len < sizeof(reader->line))
			reader->line[reader->len++] = c;
		else
			reader->overlong = true;
	}
	*len = end - p;
	*data = p;
	return result;
}
