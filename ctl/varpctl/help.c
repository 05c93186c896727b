// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl help, version, man-commands: what is told from the command table. Completion, too, is:
 * see completion.c.
 */
#include <ctype.h>
#include <string.h>

#include <varp/version.h>

#include "ctl.h"
#include "print.h"

#define MDOC_WIDTH	80

static const char intro[] =
	"Usage: varpctl [-i NAME] [-j] [-p] [--color WHEN] COMMAND ...\n"
	"\n"
	"Talks to varpd, which resolves the addresses of supernets for this host.\n"
	"\n";

static const char outro[] =
	"\n"
	"Options, before or after the command:\n"
	"  -i NAME       the instance of varpd, `default` unless given\n"
	"  -j            JSON: one document, or one per line from monitor\n"
	"  -p            JSON, indented\n"
	"  --color WHEN  auto (the default), always or never\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 done, 1 usage, 2 refused or failed, 3 no such mapping,\n"
	"4 timed out, 5 not permitted.\n";

void ctl_print_synopsis(FILE *out, const struct ctl_command *command)
{
	fprintf(out, "%s%s%s%s%s", command->name, command->sub ? " " : "",
		command->sub ? command->sub : "", command->args[0] ? " " : "", command->args);
}

/* Options and keywords would push the summaries off the screen: `help COMMAND` has them. */
static size_t short_args_len(const char *args)
{
	for (const char *c = args; *c; c++)
		if (c[0] == ' ' && c[1] == '[' && (c[2] == '-' || islower((unsigned char)c[2])))
			return (size_t)(c - args);
	return strlen(args);
}

static void print_summary_line(const struct ctl *ctl, const struct ctl_command *command)
{
	size_t len = short_args_len(command->args);
	char head[64];

	snprintf(head, sizeof(head), "%s%s%s%s%.*s%s", command->name, command->sub ? " " : "",
		 command->sub ? command->sub : "", len ? " " : "", (int)len, command->args,
		 command->args[len] ? " ..." : "");
	fputs("  ", stdout);
	ctl_paint(ctl, CTL_BOLD, -30, head);
	printf(" %s\n", command->summary);
}

static void print_command(const struct ctl *ctl, const struct ctl_command *command)
{
	char summary[128];

	fputs("Usage: varpctl ", stdout);
	ctl_print_synopsis(stdout, command);
	fputs("\n\n", stdout);
	snprintf(summary, sizeof(summary), "%c%s.", toupper((unsigned char)command->summary[0]),
		 command->summary + 1);
	ctl_paint(ctl, CTL_BOLD, 0, summary);
	putchar('\n');
	if (command->more[0])
		putchar('\n');
	ctl_print_filled(command->more, 0, 0);
}

enum control_status ctl_help(struct ctl *ctl, char **words, unsigned int count)
{
	unsigned int shown = 0;

	if (!count) {
		fputs(intro, stdout);
		for (const struct ctl_command *c = ctl_commands; c->name; c++)
			if (!c->hidden)
				print_summary_line(ctl, c);
		fputs(outro, stdout);
		return CONTROL_OK;
	}
	for (const struct ctl_command *c = ctl_commands; c->name; c++) {
		if (strcmp(c->name, words[0]) || (count > 1 && c->sub && strcmp(c->sub, words[1])))
			continue;
		if (shown++)
			fputs("\n\n", stdout);
		print_command(ctl, c);
	}
	if (shown)
		return CONTROL_OK;
	ctl->command = NULL;
	return ctl_usage(ctl, "unknown command '%s%s%s'", words[0], count > 1 ? " " : "",
			 count > 1 ? words[1] : "");
}

enum control_status ctl_version(struct ctl *ctl, char **words, unsigned int count)
{
	(void)words;
	(void)count;
	if (ctl->json) {
		json_t *version = json_pack("{s:s}", "version", VARP_VERSION_STRING);

		ctl_json(ctl, version);
		json_decref(version);
	} else {
		puts("varpctl " VARP_VERSION_STRING);
	}
	return CONTROL_OK;
}

/* --- The manual page -------------------------------------------------------------------------- */

/* A synopsis in mdoc: [ and ] become Oo and Oc, values Ar, options Fl, other words Cm. */
static void print_mdoc_args(const char *args)
{
	while (*args) {
		size_t len = strcspn(args, " []");

		if (*args == '[') {
			fputs(" Oo", stdout);
			len = 1;
		} else if (*args == ']') {
			fputs(" Oc", stdout);
			len = 1;
		} else if (len && args[0] == '-') {
			printf(" Fl %.*s", (int)len - 1, args + 1);
		} else if (len) {
			printf(" %s %.*s", isupper((unsigned char)args[0]) ? "Ar" : "Cm", (int)len,
			       args);
		} else {
			len = 1;
		}
		args += len;
	}
}

/*
 * Sentences begin on lines of their own, as mdoc wants them, and are folded; an empty line is .Pp.
 */
static void print_mdoc_text(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (!len && *text == '\n') {
			puts(".Pp");
		} else if (len) {
			if (column && column + 1 + len > MDOC_WIDTH) {
				putchar('\n');
				column = 0;
			}
			column += (size_t)printf("%s%.*s", column ? " " : "", (int)len, text);
		}
		text += len;
		if (*text == '\n' && column) {
			putchar('\n');
			column = 0;
		}
		text += *text != '\0';
	}
}

enum control_status ctl_man_commands(struct ctl *ctl, char **words, unsigned int count)
{
	(void)ctl;
	(void)words;
	(void)count;
	puts(".Bl -tag -width Ds");
	for (const struct ctl_command *c = ctl_commands; c->name; c++) {
		if (c->hidden)
			continue;
		printf(".It Cm %s%s%s", c->name, c->sub ? " " : "", c->sub ? c->sub : "");
		print_mdoc_args(c->args);
		printf("\n%c%s.\n", toupper((unsigned char)c->summary[0]), c->summary + 1);
		print_mdoc_text(c->more);
	}
	puts(".El");
	return CONTROL_OK;
}
