// SPDX-License-Identifier: BSD-2-Clause
/*
 * Colours, numbers and JSON of varpctl's output, see print.h; tables are in table.c.
 */
#include "print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

#define TEXT_WIDTH	80

static const char *const escapes[] = {
	[CTL_PLAIN] = "",
	[CTL_BOLD] = "\033[1m",
	[CTL_DIM] = "\033[2m",
	[CTL_RED] = "\033[31m",
	[CTL_GREEN] = "\033[32m",
	[CTL_YELLOW] = "\033[33m",
	[CTL_CYAN] = "\033[36m",
};

bool ctl_colour_choose(struct ctl *ctl, const char *when)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (!strcmp(when, "always")) {
		ctl->colour = true;
	} else if (!strcmp(when, "never")) {
		ctl->colour = false;
	} else if (!strcmp(when, "auto")) {
		ctl->colour = isatty(STDOUT_FILENO) && !(no_color && no_color[0]) &&
			term && strcmp(term, "dumb");
	} else {
		return false;
	}
	return true;
}

void ctl_paint(const struct ctl *ctl, enum ctl_colour colour, int width, const char *text)
{
	int pad = abs(width) - (int)strlen(text);

	if (width > 0 && pad > 0)
		printf("%*s", pad, "");
	if (ctl->colour && colour != CTL_PLAIN)
		printf("%s%s\033[0m", escapes[colour], text);
	else
		fputs(text, stdout);
	if (width < 0 && pad > 0)
		printf("%*s", pad, "");
}

char *ctl_number(uint64_t value, char out[CTL_NUMBER_LEN])
{
	char digits[CTL_NUMBER_LEN];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, value);
	char *to = out;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return out;
}

char *ctl_bytes(uint64_t value, char out[CTL_NUMBER_LEN])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double scaled = (double)value;
	unsigned int unit = 0;

	while (scaled >= 999.95 && unit < sizeof(units) / sizeof(units[0]) - 1) {
		scaled /= 1000;
		unit++;
	}
	snprintf(out, CTL_NUMBER_LEN, unit ? "%.1f %s" : "%.0f %s", scaled, units[unit]);
	return out;
}

char *ctl_duration(uint64_t seconds, char out[CTL_NUMBER_LEN])
{
	static const struct {
		uint64_t seconds;
		char letter;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	unsigned int i = 0;
	uint64_t rest;

	while (i < 3 && seconds < units[i].seconds)
		i++;
	rest = i < 3 ? seconds % units[i].seconds / units[i + 1].seconds : 0;
	if (rest)
		snprintf(out, CTL_NUMBER_LEN, "%" PRIu64 "%c %" PRIu64 "%c",
			 seconds / units[i].seconds, units[i].letter, rest, units[i + 1].letter);
	else
		snprintf(out, CTL_NUMBER_LEN, "%" PRIu64 "%c", seconds / units[i].seconds,
			 units[i].letter);
	return out;
}

void ctl_print_filled(const char *text, unsigned int indent, unsigned int column)
{
	bool fresh = true;	/* nothing stands on this line yet */

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (text[0] == '\n' && text[1] == '\n') {
			fputs("\n\n", stdout);
			fresh = true;
			column = 0;
		} else if (len) {
			if (!fresh && column + 1 + len > TEXT_WIDTH) {
				putchar('\n');
				fresh = true;
				column = 0;
			}
			if (fresh && column < indent)
				column += (unsigned int)printf("%*s", (int)(indent - column), "");
			column += (unsigned int)printf("%s%.*s", fresh ? "" : " ", (int)len, text);
			fresh = false;
		}
		text += len;
		text += strspn(text, " ");
		if (text[0] == '\n' && text[1] != '\n')
			text++;
		else if (text[0] == '\n' && !len)
			text += 2;
	}
	if (!fresh)
		putchar('\n');
}

/* --- JSON ------------------------------------------------------------------------------------- */

void ctl_json(const struct ctl *ctl, const json_t *value)
{
	size_t flags = ctl->pretty ? JSON_INDENT(2) : JSON_COMPACT;

	if (!value || json_is_null(value))
		fputs("{}", stdout);
	else
		json_dumpf(value, stdout, flags | JSON_ENCODE_ANY);
	putchar('\n');
}

void ctl_json_array_add(struct ctl_json_array *array, const json_t *value)
{
	char *text = json_dumps(value, array->ctl->pretty ? JSON_INDENT(2) : JSON_COMPACT);

	if (!array->count++)
		putchar('[');
	else
		putchar(',');
	if (!array->ctl->pretty) {
		fputs(text ? text : "null", stdout);
	} else if (text) {
		char *save = NULL;

		/*
		 * Elements stand two blanks further in than the document that they would be alone.
		 */
		for (char *line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			printf("\n  %s", line);
	}
	free(text);
}

void ctl_json_array_end(struct ctl_json_array *array)
{
	if (!array->count)
		putchar('[');
	else if (array->ctl->pretty)
		putchar('\n');
	fputs("]\n", stdout);
}

const char *ctl_text(const json_t *object, const char *key, const char *fallback)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : fallback;
}

uint64_t ctl_count(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}
