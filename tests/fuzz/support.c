// SPDX-License-Identifier: BSD-2-Clause
/*
 * See fuzz.h. Also takes the place of the daemon's log, whose lines would bury what a fuzzer reports:
 * they are put together, so that their arguments are looked at, and thrown away.
 */
#include "fuzz.h"

#include <stdarg.h>
#include <string.h>

#include "ctl/varpd/log.h"

/* The linker takes this one rather than the archive's. */
void varpd_log(enum varpd_log_level level, const char *format, ...)
{
	char line[2048];
	va_list args;

	(void)level;
	va_start(args, format);
	FUZZ_CHECK(vsnprintf(line, sizeof(line), format, args) >= 0);
	va_end(args);
}

void fuzz_skip(const char *reason)
{
	printf("1..0 # SKIP %s\n", reason);
	exit(0);
}

const uint8_t *fuzz_take(struct fuzz_input *in, size_t len, size_t *got)
{
	const uint8_t *start = in->at;

	*got = len < in->left ? len : in->left;
	in->at += *got;
	in->left -= *got;
	return start;
}

void fuzz_fill(struct fuzz_input *in, void *out, size_t len)
{
	size_t got;
	const uint8_t *data = fuzz_take(in, len, &got);

	memset(out, 0, len);
	if (got)
		memcpy(out, data, got);
}

uint8_t fuzz_u8(struct fuzz_input *in)
{
	uint8_t value;

	fuzz_fill(in, &value, sizeof(value));
	return value;
}

uint16_t fuzz_u16(struct fuzz_input *in)
{
	uint8_t b[2];

	fuzz_fill(in, b, sizeof(b));
	return (uint16_t)(b[0] << 8 | b[1]);
}
