// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tables of varpctl's output, see print.h. A million rows pass through in the memory of the first
 * few hundred.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "print.h"

#define ROWS_KEPT	500

static void print_row(const struct ctl_table *table, const char *const *cells, bool heading)
{
	fputs(table->indent ? table->indent : "", stdout);
	for (unsigned int i = 0; i < table->count; i++) {
		const struct ctl_column *column = &table->columns[i];
		int width = (int)table->width[i];
		enum ctl_colour colour = CTL_PLAIN;

		if (heading)
			colour = CTL_BOLD;
		else if (column->colour)
			colour = column->colour(cells[i]);
		/* Nothing follows the last cell, so it is not padded. */
		if (!column->right)
			width = i + 1 < table->count ? -width : 0;
		ctl_paint(table->ctl, colour, width, cells[i]);
		if (i + 1 < table->count)
			fputs("  ", stdout);
	}
	putchar('\n');
}

static void print_kept(struct ctl_table *table)
{
	const char *titles[CTL_COLUMNS_MAX];

	for (unsigned int i = 0; i < table->count; i++) {
		titles[i] = table->columns[i].title;
		if (table->width[i] < strlen(titles[i]))
			table->width[i] = (unsigned int)strlen(titles[i]);
		if (table->width[i] < table->columns[i].min_width)
			table->width[i] = table->columns[i].min_width;
	}
	print_row(table, titles, true);
	for (unsigned int row = 0; row < table->rows; row++) {
		char **cells = &table->cells[(size_t)row * table->count];

		print_row(table, (const char *const *)cells, false);
		for (unsigned int i = 0; i < table->count; i++)
			free(cells[i]);
	}
	free(table->cells);
	table->cells = NULL;
	table->rows = 0;
	table->flowing = true;
}

void ctl_table_add(struct ctl_table *table, const char *const *cells)
{
	if (!table->flowing && !table->cells) {
		table->cells = calloc((size_t)ROWS_KEPT * table->count, sizeof(char *));
		if (!table->cells)
			print_kept(table);
	}
	if (table->flowing) {
		print_row(table, cells, false);
		return;
	}
	for (unsigned int i = 0; i < table->count; i++) {
		char *copy = strdup(cells[i]);

		if (!copy)
			abort();
		table->cells[(size_t)table->rows * table->count + i] = copy;
		if (table->width[i] < strlen(copy))
			table->width[i] = (unsigned int)strlen(copy);
	}
	if (++table->rows == ROWS_KEPT)
		print_kept(table);
}

void ctl_table_end(struct ctl_table *table)
{
	if (!table->flowing && table->rows)
		print_kept(table);
}
