// SPDX-License-Identifier: BSD-2-Clause
/* command: what is a command, what its arguments may be, and how a stream is cut into commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <addr.h>
#include <command.h>

#define ROWS(rows)	(sizeof(rows) / sizeof((rows)[0]))
#define MGR		VARP_COMMAND_FROM_MANAGER
#define CLT		VARP_COMMAND_FROM_CLIENT

/* --- Parsing --- */

struct good_row {
	const char *line;
	enum varp_command_source source;
	enum varp_command_type type;
	const char *snid, *vaddr, *raddr;	/* NULL: none */
	int32_t ttl_s;
};

static void assert_addr(const struct varp_addr *addr, const char *expected, const char *line)
{
	char text[VARP_ADDR_TEXT];

	if (expected ? strcmp(varp_addr_format(addr, text), expected) : !varp_addr_is_zero(addr))
		fail_msg("%s: address %s", line, varp_addr_format(addr, text));
}

static void test_parse_good_rows(void **state)
{
	static const struct good_row rows[] = {
		{ "varpd_init", MGR, VARP_COMMAND_INIT, NULL, NULL, NULL, 0 },
		{ "varpd_init()", MGR, VARP_COMMAND_INIT, NULL, NULL, NULL, 0 },
		{ "varpd_add 0x1 10.0.0.2 192.0.2.2", MGR,
		  VARP_COMMAND_ADD, "0x00000000000000000001", "10.0.0.2",
		  "192.0.2.2", VARPDB_TTL_ALWAYS },
		{ "varpd_add() 0x1 10.0.0.2 192.0.2.2 60", MGR,
		  VARP_COMMAND_ADD, "0x00000000000000000001", "10.0.0.2",
		  "192.0.2.2", 60 },
		{ "\t varpd_add\t0x1 \t10.0.0.2\t\t192.0.2.2   65536 \t", MGR, VARP_COMMAND_ADD,
		  "0x00000000000000000001", "10.0.0.2", "192.0.2.2", 65536 },
		{ "varpd_add 0xcafeface fd00::2 2001:db8::2", MGR,
		  VARP_COMMAND_ADD, "0x000000000000cafeface", "fd00::2",
		  "2001:db8::2", VARPDB_TTL_ALWAYS },
		{ "varpd_remove 0x1 10.0.0.2", MGR,
		  VARP_COMMAND_REMOVE, "0x00000000000000000001", "10.0.0.2", NULL, 0 },
		{ "varpd_server_set 0x1", MGR,
		  VARP_COMMAND_SERVER_SET, "0x00000000000000000001", NULL, NULL,
		  VARPDB_TTL_INITIAL_CLIENT },
		{ "varpd_server_set() 0x1 1", MGR,
		  VARP_COMMAND_SERVER_SET, "0x00000000000000000001", NULL, NULL, 1 },
		{ "varpd_server_clear 0x1", MGR,
		  VARP_COMMAND_SERVER_CLEAR, "0x00000000000000000001", NULL, NULL, 0 },
		{ "varpd_client_set 0x1 192.0.2.9", CLT,
		  VARP_COMMAND_CLIENT_SET, "0x00000000000000000001", NULL,
		  "192.0.2.9", 0 },
		{ "varpd_client_set 0x1 127.0.0.1", CLT,
		  VARP_COMMAND_CLIENT_SET, "0x00000000000000000001", NULL,
		  "127.0.0.1", 0 },
		{ "varpd_client_set() 0x1 ::1", CLT,
		  VARP_COMMAND_CLIENT_SET, "0x00000000000000000001", NULL, "::1", 0 },
		{ "varpd_client_clear 0x1", CLT,
		  VARP_COMMAND_CLIENT_CLEAR, "0x00000000000000000001", NULL, NULL, 0 },
		{ "varpd_client_clear() 0x1 192.0.2.9", CLT,
		  VARP_COMMAND_CLIENT_CLEAR, "0x00000000000000000001", NULL,
		  "192.0.2.9", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		const struct good_row *row = &rows[i];
		struct varp_command command;
		struct varp_command_error error = { .text = "" };
		char snid[VARP_SNID_TEXT];

		if (varp_command_parse(row->line, strlen(row->line), row->source, &command, &error))
			fail_msg("%s: %s", row->line, error.text);
		if (command.type != row->type || command.ttl_s != row->ttl_s ||
		    command.has_raddr != (row->raddr != NULL))
			fail_msg("%s: type %d, ttl %d", row->line, command.type, command.ttl_s);
		if (row->snid)
			assert_string_equal(varp_snid_format(&command.snid, snid), row->snid);
		assert_addr(&command.vaddr, row->vaddr, row->line);
		assert_addr(&command.raddr, row->raddr, row->line);
	}
}

struct bad_row {
	const char *line;
	enum varp_command_source source;
	const char *word;
	const char *says;	/* is in the text */
};

static void assert_printable(const char *text)
{
	for (; *text; text++)
		assert_in_range((unsigned char)*text, ' ', '~');
}

static void test_parse_bad_rows_say_what_is_wrong(void **state)
{
	static const struct bad_row rows[] = {
		{ "nonsense", MGR, "unknown", "'nonsense'" },
		{ "varpd_", MGR, "unknown", "'varpd_'" },
		{ "VARPD_INIT", MGR, "unknown", "not a command" },
		{ "varpd_initx", MGR, "unknown", "" },
		{ "varpd_init(", MGR, "unknown", "" },
		{ "varpd_init()()", MGR, "unknown", "" },
		{ "()", MGR, "unknown", "'()'" },
		{ "varpd_init now", MGR, "arguments", "no arguments" },
		{ "varpd_add", MGR, "arguments", "too few" },
		{ "varpd_add 0x1 10.0.0.2", MGR, "arguments", "<snid> <vaddr> <raddr> [<ttl>]" },
		{ "varpd_add 0x1 10.0.0.2 192.0.2.2 60 70", MGR, "arguments", "too many" },
		{ "varpd_add 0x1 10.0.0.2 192.0.2.2 60 70 80 90 100",
		  MGR, "arguments", "too many" },
		{ "varpd_remove 0x1", MGR, "arguments", "too few" },
		{ "varpd_server_clear", MGR, "arguments", "too few" },
		{ "varpd_add 1 10.0.0.2 192.0.2.2", MGR, "snid", "0x and 1 to 20 hex digits" },
		{ "varpd_add 0x123456789012345678901 10.0.0.2 192.0.2.2", MGR, "snid", "" },
		{ "varpd_add 0x1 10.0.0 192.0.2.2", MGR, "vaddr", "'10.0.0'" },
		{ "varpd_add 0x1 224.0.0.1 192.0.2.2", MGR, "vaddr", "unicast" },
		{ "varpd_add 0x1 0.0.0.0 192.0.2.2", MGR, "vaddr", "unicast" },
		{ "varpd_add 0x1 255.255.255.255 192.0.2.2", MGR, "vaddr", "unicast" },
		{ "varpd_add 0x1 127.0.0.1 192.0.2.2", MGR, "vaddr", "unicast" },
		{ "varpd_add 0x1 10.0.0.2 127.0.0.1", MGR, "raddr", "unicast" },
		{ "varpd_add 0x1 10.0.0.2 ff02::1", MGR, "raddr", "unicast" },
		{ "varpd_add 0x1 10.0.0.2 example.net", MGR, "raddr", "'example.net'" },
		{ "varpd_add 0x1 10.0.0.2 192.0.2.2 0", MGR, "ttl", "1 to 65536" },
		{ "varpd_add 0x1 10.0.0.2 192.0.2.2 -1", MGR, "ttl", "1 to 65536" },
		{ "varpd_add 0x1 10.0.0.2 192.0.2.2 65537", MGR, "ttl", "'65537'" },
		{ "varpd_add 0x1 10.0.0.2 192.0.2.2 1e3", MGR, "ttl", "" },
		{ "varpd_add 0x1 10.0.0.2 192.0.2.2 +5", MGR, "ttl", "" },
		{ "varpd_server_set 0x1 65537", MGR, "ttl", "" },
		{ "varpd_server_set zzz", MGR, "snid", "'zzz'" },
		{ "varpd_client_set 0x1 224.0.0.1", CLT, "saddr", "'224.0.0.1'" },
		{ "varpd_client_set 0x1 0.0.0.0", CLT, "saddr", "" },
		{ "varpd_channel_set 0x1 0x2", MGR, "arguments", "<snid> <chid> <plain|auth|aead>" },
		{ "varpd_channel_set 0x1 0x2 auth 5", MGR, "arguments", "too many" },
		{ "varpd_channel_set 0x1 0x1234567890123 auth", MGR, "chid", "12 hex digits" },
		{ "varpd_channel_set 0x1 0x2 AUTH", MGR, "mode", "plain, auth or aead" },
		{ "varpd_channel_set x 0x2 auth", MGR, "snid", "20 hex digits" },
		{ "varpd_channel_set 0x1 0x2 auth", CLT, "source", "2500" },
		{ "varpd_channel_rotate 0x1", MGR, "arguments", "<snid> <chid>" },
		{ "varpd_channel_rotate 0x1 2", MGR, "chid", "12 hex digits" },
		{ "varpd_client_clear 0x1 ::", CLT, "saddr", "" },
		{ "varpd_client_set 0x1", CLT, "arguments", "<snid> <saddr>" },
		{ "varpd_client_set 0x1 192.0.2.1", MGR, "source", "2501" },
		{ "varpd_add 0x1 10.0.0.2 192.0.2.2", CLT, "source", "2500" },
		{ "varpd_init", CLT, "source", "2500" },
		{ "varpd_init\r", MGR, "character", "0x0d at position 11" },
		{ "varpd_\x01init", MGR, "character", "0x01" },
		{ "varpd_init \xc3\xa4", MGR, "character", "0xc3" },
		{ "varpd_init \x7f", MGR, "character", "0x7f" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct varp_command command;
		struct varp_command_error error = { .word = "none", .text = "" };
		int err = varp_command_parse(rows[i].line, strlen(rows[i].line), rows[i].source,
					     &command, &error);

		if (err != -EINVAL || strcmp(error.word, rows[i].word) ||
		    !strstr(error.text, rows[i].says))
			fail_msg("%s: %d %s %s", rows[i].line, err, error.word, error.text);
		assert_printable(error.text);
	}
}

static void test_parse_channel_rows(void **state)
{
	static const struct {
		const char *line;
		enum varp_command_type type;
		const char *chid;
		uint8_t mode;
	} rows[] = {
		{ "varpd_channel_set 0x1 0x0 plain", VARP_COMMAND_CHANNEL_SET, "0x000000000000",
		  VARP_CHANNEL_PLAIN },
		{ "varpd_channel_set() 0x1 0x7 auth", VARP_COMMAND_CHANNEL_SET, "0x000000000007",
		  VARP_CHANNEL_AUTH },
		{ "varpd_channel_set 0x1 0xffffffffffff aead", VARP_COMMAND_CHANNEL_SET, "0xffffffffffff",
		  VARP_CHANNEL_AEAD },
		{ "varpd_channel_rotate 0x1 0x7", VARP_COMMAND_CHANNEL_ROTATE, "0x000000000007", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct varp_command_error error = { .word = "none", .text = "" };
		struct varp_command command;
		char chid[VARP_CHID_TEXT];

		if (varp_command_parse(rows[i].line, strlen(rows[i].line), MGR, &command, &error))
			fail_msg("%s: %s", rows[i].line, error.text);
		assert_int_equal(command.type, rows[i].type);
		assert_int_equal(command.mode, rows[i].mode);
		assert_true(command.has_chid);
		assert_string_equal(varp_chid_format(&command.chid, chid), rows[i].chid);
		assert_int_equal(command.snid.b[9], 1);
	}
}

static void test_parse_empty_is_no_command(void **state)
{
	static const char *const rows[] = { "", " ", "\t", " \t \t " };
	struct varp_command_error error;
	struct varp_command command;
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++)
		assert_int_equal(
			varp_command_parse(rows[i], strlen(rows[i]), MGR, &command, &error),
			-ENODATA);
}

static void test_parse_nul_is_a_bad_character(void **state)
{
	static const char line[] = "varpd_init\0 and more";
	struct varp_command_error error;
	struct varp_command command;

	(void)state;
	assert_int_equal(varp_command_parse(line, sizeof(line) - 1, MGR, &command, &error),
			 -EINVAL);
	assert_string_equal(error.word, "character");
	assert_non_null(strstr(error.text, "0x00 at position 11"));
}

static void test_parse_length_255_and_256(void **state)
{
	char line[VARP_COMMAND_MAX + 1];
	struct varp_command_error error;
	struct varp_command command;

	(void)state;
	memset(line, ' ', sizeof(line));
	memcpy(line, "varpd_init", 10);
	assert_int_equal(varp_command_parse(line, VARP_COMMAND_MAX, MGR, &command, &error), 0);
	assert_int_equal(varp_command_parse(line, VARP_COMMAND_MAX + 1, MGR, &command, &error),
			 -EINVAL);
	assert_string_equal(error.word, "toolong");
}

static void test_parse_long_words_are_cut_in_the_error(void **state)
{
	char line[VARP_COMMAND_MAX];
	struct varp_command_error error;
	struct varp_command command;

	(void)state;
	memset(line, 'x', sizeof(line));
	assert_int_equal(varp_command_parse(line, sizeof(line), MGR, &command, &error), -EINVAL);
	assert_string_equal(error.word, "unknown");
	assert_non_null(strstr(error.text, "xxx...'"));
	assert_true(strlen(error.text) < 80);
	memcpy(line, "varpd_server_clear ", 19);
	assert_int_equal(varp_command_parse(line, sizeof(line), MGR, &command, &error), -EINVAL);
	assert_string_equal(error.word, "snid");
	assert_non_null(strstr(error.text, "20 hex digits"));
}

static void test_name_rows(void **state)
{
	(void)state;
	assert_string_equal(varp_command_name(VARP_COMMAND_INIT), "varpd_init");
	assert_string_equal(varp_command_name(VARP_COMMAND_CLIENT_CLEAR), "varpd_client_clear");
	assert_string_equal(varp_command_name(99), "unknown");
}

/* --- Cutting --- */

/*
 * Feeds the stream in pieces of every size; out has one line per command, "!" for one that is too
 * long.
 */
static void cut(const char *stream, size_t len, size_t piece, char *out, size_t out_len)
{
	struct varp_command_reader reader;
	size_t at = 0, used = 0;

	varp_command_reader_init(&reader);
	out[0] = '\0';
	while (at < len) {
		const char *data = stream + at;
		size_t left = len - at < piece ? len - at : piece;

		at += left;
		while (left) {
			enum varp_command_read read =
				varp_command_reader_next(&reader, &data, &left);

			if (read == VARP_COMMAND_READ_MORE)
				assert_int_equal(left, 0);
			else if (read == VARP_COMMAND_READ_TOO_LONG)
				used += snprintf(out + used, out_len - used, "!|");
			else
				used += snprintf(out + used, out_len - used, "%.*s|",
						 (int)reader.len, reader.line);
			assert_true(used < out_len);
		}
	}
}

static void test_reader_rows_any_pieces_give_the_same_commands(void **state)
{
	static const struct {
		const char *stream, *commands;
	} rows[] = {
		{ "", "" },
		{ "a", "" },					/* unterminated */
		{ "a\n", "a|" },
		{ "a;", "a|" },
		{ "a\r\n", "a|" },
		{ "a b\tc\nd;e\r\nf", "a b\tc|d|e|" },
		{ "\n;\r\n", "|||" },
		{ ";;;", "|||" },
		{ "a;b\nc\r\n;\nd;", "a|b|c|||d|" },
		/* a CR elsewhere stays, and is refused by the parser */
		{ "a\rb\n", "a\rb|" },
		{ "a\r;", "a\r|" },
		{ "a\r\r\n", "a\r|" },
	};
	size_t i, piece;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		for (piece = 1; piece <= strlen(rows[i].stream) + 1; piece++) {
			char out[256];

			cut(rows[i].stream, strlen(rows[i].stream), piece, out, sizeof(out));
			if (strcmp(out, rows[i].commands))
				fail_msg("row %zu in pieces of %zu: %s", i, piece, out);
		}
	}
}

static void test_reader_length_rows(void **state)
{
	static const struct {
		size_t len;
		const char *end;
		bool too_long;
	} rows[] = {
		{ 255, "\n", false }, { 255, ";", false }, { 255, "\r\n", false },
		{ 256, "\n", true }, { 256, ";", true },
		{ 256, "\r\n", true }, { 255, "\r;", true }, { 257, "\n", true },
		{ 100000, "\n", true }, { 254, "\r\r\n", false },
	};
	static char stream[100100], out[1024];
	size_t i, piece;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		for (piece = 1; piece < 600; piece += 97) {
			size_t len = rows[i].len + strlen(rows[i].end);

			memset(stream, 'x', rows[i].len);
			strcpy(stream + rows[i].len, rows[i].end);
			strcat(stream, "next\n");
			cut(stream, len + 5, piece, out, sizeof(out));
			if ((out[0] == '!') != rows[i].too_long ||
			    strcmp(strchr(out, '|'), "|next|"))
				fail_msg("%zu characters, row %zu: %s", rows[i].len, i, out);
		}
	}
}

static void test_reader_overlong_is_skipped_to_its_end_only(void **state)
{
	char stream[400], out[400];

	(void)state;
	memset(stream, 'x', 300);
	strcpy(stream + 300, ";varpd_init\n");
	cut(stream, strlen(stream), 7, out, sizeof(out));
	assert_string_equal(out, "!|varpd_init|");
}

static void test_reader_endless_line_takes_no_memory(void **state)
{
	static char block[65536];
	struct varp_command_reader reader;
	size_t i;

	(void)state;
	memset(block, 'y', sizeof(block));
	varp_command_reader_init(&reader);
	for (i = 0; i < 1600; i++) {	/* 100 MB */
		const char *data = block;
		size_t len = sizeof(block);

		assert_int_equal(varp_command_reader_next(&reader, &data, &len),
				 VARP_COMMAND_READ_MORE);
		assert_int_equal(len, 0);
	}
	assert_true(reader.len <= sizeof(reader.line));
	assert_true(reader.overlong);
}

/*
 * Random octets: nothing but a well-formed command is ever accepted, and every error can be
 * printed.
 */
static void test_random_octets_are_refused_cleanly(void **state)
{
	static const char alphabet[] = "varpd_init()add0x 1;\n\r\t\"%\\\x00\x80\xff:.";
	struct varp_command_reader reader;
	uint32_t random = 1;
	size_t i, j;

	(void)state;
	varp_command_reader_init(&reader);
	for (i = 0; i < 100000; i++) {
		char piece[16];
		const char *data = piece;
		size_t len = sizeof(piece);

		for (j = 0; j < len; j++) {
			random = random * 1664525 + 1013904223;
			piece[j] = alphabet[(random >> 16) % (sizeof(alphabet) - 1)];
		}
		while (len) {
			struct varp_command_error error = { .word = NULL, .text = "" };
			struct varp_command command;
			int err;

			if (varp_command_reader_next(&reader, &data, &len) !=
			    VARP_COMMAND_READ_LINE)
				continue;
			err = varp_command_parse(reader.line, reader.len, MGR, &command, &error);
			assert_true(err == -ENODATA || err == -EINVAL);
			if (err == -EINVAL) {
				assert_non_null(error.word);
				assert_printable(error.text);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_good_rows),
		cmocka_unit_test(test_parse_bad_rows_say_what_is_wrong),
		cmocka_unit_test(test_parse_channel_rows),
		cmocka_unit_test(test_parse_empty_is_no_command),
		cmocka_unit_test(test_parse_nul_is_a_bad_character),
		cmocka_unit_test(test_parse_length_255_and_256),
		cmocka_unit_test(test_parse_long_words_are_cut_in_the_error),
		cmocka_unit_test(test_name_rows),
		cmocka_unit_test(test_reader_rows_any_pieces_give_the_same_commands),
		cmocka_unit_test(test_reader_length_rows),
		cmocka_unit_test(test_reader_overlong_is_skipped_to_its_end_only),
		cmocka_unit_test(test_reader_endless_line_takes_no_memory),
		cmocka_unit_test(test_random_octets_are_refused_cleanly),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
