/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output of varpctl: colours, numbers and times for people, tables, JSON. Knows nothing of commands
 * or of varpd.
 */
#ifndef VARPCTL_PRINT_H
#define VARPCTL_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct ctl;

enum ctl_colour {
	CTL_PLAIN,
	CTL_BOLD,
	CTL_DIM,
	CTL_RED,
	CTL_GREEN,
	CTL_YELLOW,
	CTL_CYAN,
};

/*
 * when: "auto", "always", "never"; NO_COLOR and the terminal decide on auto. False: another word.
 */
bool ctl_colour_choose(struct ctl *ctl, const char *when);
/*
 * Prints text in a colour, padded to width by blanks that are not coloured: negative width for the
 * left.
 */
void ctl_paint(const struct ctl *ctl, enum ctl_colour colour, int width, const char *text);

/* --- For people; all return out --------------------------------------------------------------- */

#define CTL_NUMBER_LEN	32
char *ctl_number(uint64_t value, char out[CTL_NUMBER_LEN]);	/* 1,234,567 */
char *ctl_bytes(uint64_t value, char out[CTL_NUMBER_LEN]);	/* 1.2 MB */
char *ctl_duration(uint64_t seconds, char out[CTL_NUMBER_LEN]);	/* 3d 4h, 14m 32s, 5s */

/*
 * Fills lines of 80 columns, each indented, beginning at a column of the present line; an empty
 * line parts paragraphs, other line breaks are blanks.
 */
void ctl_print_filled(const char *text, unsigned int indent, unsigned int column);

/* --- JSON ------------------------------------------------------------------------------------- */

/* A document and a line break: compact, or pretty. NULL prints {}. */
void ctl_json(const struct ctl *ctl, const json_t *value);

/* An array written element by element. */
struct ctl_json_array {
	const struct ctl *ctl;
	uint64_t count;
};
void ctl_json_array_add(struct ctl_json_array *array, const json_t *value);
void ctl_json_array_end(struct ctl_json_array *array);

/* Members, with a default for what is missing or of another type. */
const char *ctl_text(const json_t *object, const char *key, const char *fallback);
uint64_t ctl_count(const json_t *object, const char *key);

/* --- Tables ----------------------------------------------------------------------------------- */

#define CTL_COLUMNS_MAX	8

struct ctl_column {
	const char *title;
	bool right;				/* numbers */
	unsigned int min_width;
	enum ctl_colour (*colour)(const char *cell);	/* NULL: plain */
};

/*
 * A table of any length in bounded memory: widths are taken from the first rows, which are kept
 * back until then. Zero it, then set ctl, columns and count.
 */
struct ctl_table {
	const struct ctl *ctl;
	const struct ctl_column *columns;
	unsigned int count;
	const char *indent;			/* NULL: none */
	char **cells;				/* rows kept back */
	unsigned int rows;
	unsigned int width[CTL_COLUMNS_MAX];
	bool flowing;				/* widths are fixed, rows go out at once */
};

void ctl_table_add(struct ctl_table *table, const char *const *cells);
/* Prints what was kept back; the heading, too, unless there was no row at all. */
void ctl_table_end(struct ctl_table *table);

#endif
