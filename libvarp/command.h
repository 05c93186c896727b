/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text commands of the group manager (TCP 2500) and the group client (TCP 2501): cutting a byte
 * stream into commands, and commands into arguments. Pure; the sockets feed it, varpd executes what
 * comes out.
 *
 * Memo, "Interface grp_mgr if" and "Interface grpclt if"; at most 255 characters a command, ended
 * by LF, CR LF, or ';'.
 */
#ifndef LIBVARP_COMMAND_H
#define LIBVARP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <varp/abi.h>

#define VARP_COMMAND_MAX	255	/* characters, without the terminator */

enum varp_command_type {
	VARP_COMMAND_INIT,
	VARP_COMMAND_ADD,
	VARP_COMMAND_REMOVE,
	VARP_COMMAND_SERVER_SET,
	VARP_COMMAND_SERVER_CLEAR,
	VARP_COMMAND_CHANNEL_SET,
	VARP_COMMAND_CHANNEL_ROTATE,
	VARP_COMMAND_CLIENT_SET,
	VARP_COMMAND_CLIENT_CLEAR,
};

/* Which socket a command may come from. */
enum varp_command_source {
	VARP_COMMAND_FROM_MANAGER = 1,
	VARP_COMMAND_FROM_CLIENT = 2,
};

struct varp_command {
	enum varp_command_type type;
	struct varp_snid snid;
	struct varp_addr vaddr;
	/* ADD: raddr; CLIENT_SET, CLIENT_CLEAR: the server's address */
	struct varp_addr raddr;
	bool has_raddr;			/* CLIENT_CLEAR: saddr was given */
	/*
	 * ADD: VARPDB_TTL_ALWAYS if not given; SERVER_SET: VARPDB_TTL_INITIAL_CLIENT if not given
	 */
	int32_t ttl_s;
	struct varp_chid chid;		/* CHANNEL_SET, CHANNEL_ROTATE */
	bool has_chid;
	uint8_t mode;			/* CHANNEL_SET: enum varp_channel_mode */
};

/*
 * Why a command was refused: word is the stable second word of the ERR line, text the explanation.
 */
struct varp_command_error {
	/*
	 * "unknown", "source", "arguments", "snid", "vaddr", "raddr", "saddr", "ttl", "chid",
	 * "mode", "toolong", "character"
	 */
	const char *word;
	/* Printable ASCII, no line break: input quoted in it is escaped and cut */
	char text[160];
};

/*
 * Parses one command without its terminator. 0; -ENODATA for an empty one (blanks only: no answer
 * is due); -EINVAL with *error filled.
 */
int varp_command_parse(const char *line, size_t len, enum varp_command_source source,
		       struct varp_command *command,
		       struct varp_command_error *error);

/*
 * Cuts a stream into commands. Keeps at most one unfinished command; memory does not grow with
 * input.
 */
struct varp_command_reader {
	char line[VARP_COMMAND_MAX + 1];
	size_t len;
	bool overlong;		/* skipping to the end of a line that was too long */
	bool complete;		/* the line has been handed out: the next call starts afresh */
};

enum varp_command_read {
	VARP_COMMAND_READ_MORE,		/* input used up, nothing complete */
	/* reader->line[0..len) is a complete command; the next call starts afresh */
	VARP_COMMAND_READ_LINE,
	/* A command of more than 255 characters has ended; answer it with one ERR */
	VARP_COMMAND_READ_TOO_LONG,
};

void varp_command_reader_init(struct varp_command_reader *reader);
/* Consumes from *data (advancing *data and *len) up to the end of one command. */
enum varp_command_read varp_command_reader_next(struct varp_command_reader *reader,
						const char **data, size_t *len);

/* "varpd_add" and so on. */
const char *varp_command_name(enum varp_command_type type);

#endif
