// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzzes the text commands. The first octet says which socket they come from and in what pieces; the
 * rest is the stream. However it is cut, the same commands come out; what parses means the same when
 * it is written anew; what does not is refused in printable words.
 */
#include <errno.h>
#include <string.h>

#include "addr.h"
#include "command.h"
#include "fuzz.h"

#define LINES_MAX	4096

struct result {
	enum varp_command_read what;
	size_t len;
	uint32_t sum;
};

static struct result whole[LINES_MAX], pieces[LINES_MAX];

static uint32_t sum_of(const char *text, size_t len)
{
	uint32_t sum = 0;

	while (len--)
		sum = sum * 31 + (unsigned char)*text++;
	return sum;
}

/* What the command says, in the words of the memo. */
static void write_anew(const struct varp_command *c, char out[VARP_COMMAND_MAX + 1])
{
	static const char *const modes[] = { "plain", "auth", "aead" };
	char snid[VARP_SNID_TEXT], vaddr[VARP_ADDR_TEXT], raddr[VARP_ADDR_TEXT], ttl[16] = "", chid[VARP_CHID_TEXT];
	bool has_vaddr = c->type == VARP_COMMAND_ADD || c->type == VARP_COMMAND_REMOVE;
	int len = snprintf(out, VARP_COMMAND_MAX + 1, "%s", varp_command_name(c->type));

	if (c->type == VARP_COMMAND_INIT)
		return;
	if ((c->type == VARP_COMMAND_ADD || c->type == VARP_COMMAND_SERVER_SET) && c->ttl_s != VARPDB_TTL_ALWAYS)
		snprintf(ttl, sizeof(ttl), "%d", c->ttl_s);
	if (c->has_chid) {
		snprintf(out + len, (size_t)(VARP_COMMAND_MAX + 1 - len), " %s %s %s", varp_snid_format(&c->snid, snid),
			 varp_chid_format(&c->chid, chid), c->type == VARP_COMMAND_CHANNEL_SET ? modes[c->mode] : "");
		return;
	}
	snprintf(out + len, (size_t)(VARP_COMMAND_MAX + 1 - len), " %s %s %s %s", varp_snid_format(&c->snid, snid),
		 has_vaddr ? varp_addr_format(&c->vaddr, vaddr) : "",
		 c->has_raddr ? varp_addr_format(&c->raddr, raddr) : "", ttl);
}

static void parse(const char *line, size_t len, enum varp_command_source source)
{
	struct varp_command command, again;
	struct varp_command_error error;
	char text[VARP_COMMAND_MAX + 1];
	int err = varp_command_parse(line, len, source, &command, &error);

	if (err == -ENODATA)
		return;
	if (err) {
		FUZZ_CHECK(err == -EINVAL && *error.word && memchr(error.text, '\0', sizeof(error.text)));
		for (const char *p = error.text; *p; p++)
			FUZZ_CHECK(*p >= ' ' && *p <= '~');
		return;
	}
	write_anew(&command, text);
	FUZZ_CHECK(!varp_command_parse(text, strlen(text), source, &again, &error));
	FUZZ_CHECK(again.type == command.type && again.ttl_s == command.ttl_s);
	FUZZ_CHECK(varp_snid_equal(&again.snid, &command.snid) && varp_addr_equal(&again.vaddr, &command.vaddr) &&
		   varp_addr_equal(&again.raddr, &command.raddr));
	FUZZ_CHECK(!memcmp(&again.chid, &command.chid, sizeof(again.chid)) && again.mode == command.mode);
}

static size_t cut(const uint8_t *data, size_t size, size_t piece, enum varp_command_source source,
		  struct result *results)
{
	struct varp_command_reader reader;
	size_t count = 0;

	varp_command_reader_init(&reader);
	while (size && count < LINES_MAX) {
		size_t len = piece < size ? piece : size;
		const char *at = (const char *)data;
		enum varp_command_read what;

		data += len;
		size -= len;
		while (count < LINES_MAX && (what = varp_command_reader_next(&reader, &at, &len)) != VARP_COMMAND_READ_MORE) {
			struct result *r = &results[count++];

			*r = (struct result){ .what = what };
			if (what != VARP_COMMAND_READ_LINE)
				continue;
			FUZZ_CHECK(reader.len <= VARP_COMMAND_MAX);
			r->len = reader.len;
			r->sum = sum_of(reader.line, reader.len);
			parse(reader.line, reader.len, source);
		}
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum varp_command_source source;
	size_t count;

	if (!size)
		return 0;
	source = data[0] & 1 ? VARP_COMMAND_FROM_CLIENT : VARP_COMMAND_FROM_MANAGER;
	count = cut(data + 1, size - 1, SIZE_MAX, source, whole);
	FUZZ_CHECK(cut(data + 1, size - 1, 1 + (data[0] >> 1), source, pieces) == count);
	for (size_t i = 0; i < count; i++)
		FUZZ_CHECK(whole[i].what == pieces[i].what && whole[i].len == pieces[i].len &&
			   whole[i].sum == pieces[i].sum);
	return 0;
}
