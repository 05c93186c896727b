/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * getopt_long() takes the beginning of a long option's name for the name. Ours do not: a typing error
 * would be obeyed, and what a beginning means would change with the next option that is added.
 */
#ifndef VARP_OPTION_H
#define VARP_OPTION_H

#include <getopt.h>
#include <stdbool.h>
#include <string.h>

/*
 * Right after getopt_long(): was the option that it returned written out? index: what it left there,
 * -1 (set before the call) for a short one. *text: as it was written.
 */
static inline bool option_is_whole(char **argv, const struct option *options, int index,
				   const char **text)
{
	/* Its value may be a word of its own. */
	int at = optarg && optarg == argv[optind - 1] ? optind - 2 : optind - 1;
	size_t len;

	if (index < 0)
		return true;
	len = strlen(options[index].name);
	*text = argv[at];
	return !strncmp(argv[at] + 2, options[index].name, len) &&
	       (!argv[at][2 + len] || argv[at][2 + len] == '=');
}

#endif
