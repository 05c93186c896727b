// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl: talks to a running varpd for people and scripts. This file reads the options, finds the
 * command in the table (commands.c) and runs it; it knows none of them.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "option.h"
#include "print.h"

#define TIMEOUT_DEFAULT_MS	5000
#define TIMEOUT_MAX_S		3600

enum { OPT_COLOR = 256, OPT_TIMEOUT, OPT_FORCE };

static const struct option options[] = {
	{ "instance", required_argument, NULL, 'i' },
	{ "json", no_argument, NULL, 'j' },
	{ "pretty", no_argument, NULL, 'p' },
	{ "color", required_argument, NULL, OPT_COLOR },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

enum control_status ctl_fail(enum control_status status, const char *format, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("varpctl: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

enum control_status ctl_status_of(int err)
{
	return err == EACCES || err == EPERM ? CONTROL_PERMISSION : CONTROL_FAILED;
}

enum control_status ctl_usage(const struct ctl *ctl, const char *format, ...)
{
	va_list ap;

	fputs("varpctl: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	if (ctl->command) {
		fputs("; usage: varpctl ", stderr);
		ctl_print_synopsis(stderr, ctl->command);
		fputc('\n', stderr);
	} else {
		fputs("; see `varpctl help`\n", stderr);
	}
	return CONTROL_USAGE;
}

/* Finds the row, and tells how many words name it. */
static const struct ctl_command *find_command(char **words, unsigned int count, unsigned int *used,
					      bool *has_subs)
{
	*has_subs = false;
	for (const struct ctl_command *c = ctl_commands; c->name && count; c++) {
		if (strcmp(c->name, words[0]))
			continue;
		if (!c->sub) {
			*used = 1;
			return c;
		}
		*has_subs = true;
		if (count > 1 && !strcmp(c->sub, words[1])) {
			*used = 2;
			return c;
		}
	}
	return NULL;
}

/* What comes after a command with subcommands when the second word is none of them. */
static enum control_status sub_error(const struct ctl *ctl, char **words, unsigned int count)
{
	char subs[128] = "";

	for (const struct ctl_command *c = ctl_commands; c->name; c++)
		if (!strcmp(c->name, words[0]))
			snprintf(subs + strlen(subs), sizeof(subs) - strlen(subs), "%s%s",
				 subs[0] ? ", " : "", c->sub);
	if (count > 1)
		return ctl_usage(ctl, "unknown command '%s %s': %s has %s", words[0], words[1],
				 words[0], subs);
	return ctl_usage(ctl, "%s needs one of: %s", words[0], subs);
}

static bool parse_timeout(const char *text, int *timeout_ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (!text[0] || *end || strspn(text, "0123456789.") != strlen(text) ||
	    !(seconds >= 0.001 && seconds <= TIMEOUT_MAX_S))
		return false;
	*timeout_ms = (int)(seconds * 1000 + 0.5);
	return true;
}

static enum control_status parse_options(struct ctl *ctl, int argc, char **argv, bool *timed,
					 const char **instead)
{
	const char *when = "auto", *text;
	int opt, index;

	opterr = 0;
	while (index = -1, (opt = getopt_long(argc, argv, ":i:jphV", options, &index)) != -1) {
		if (opt != ':' && opt != '?' && !option_is_whole(argv, options, index, &text))
			return ctl_usage(ctl, "unknown option %s", text);
		switch (opt) {
		case 'i':
			ctl->instance = optarg;
			break;
		case 'p':
			ctl->pretty = true;
			__attribute__((fallthrough));
		case 'j':
			ctl->json = true;
			break;
		case OPT_COLOR:
			when = optarg;
			break;
		case OPT_TIMEOUT:
			*timed = true;
			if (!parse_timeout(optarg, &ctl->timeout_ms))
				return ctl_usage(ctl,
						 "--timeout '%s' is not a number of seconds "
						 "(0.001 to %d)",
						 optarg, TIMEOUT_MAX_S);
			break;
		case OPT_FORCE:
			ctl->force = true;
			break;
		case 'h':
			*instead = "help";
			break;
		case 'V':
			*instead = "version";
			break;
		case ':':
			return ctl_usage(ctl, "option %s needs a value", argv[optind - 1]);
		default:
			return ctl_usage(ctl, "unknown option %s", argv[optind - 1]);
		}
	}
	if (!ctl_colour_choose(ctl, when))
		return ctl_usage(ctl, "--color '%s' is not auto, always or never", when);
	if (varpdb_conn_path(ctl->instance, ctl->path))
		return ctl_usage(ctl,
				 "-i '%s' is not the name of an instance (letters, digits, '.', "
				 "'_', '-')",
				 ctl->instance);
	return CONTROL_OK;
}

static enum control_status run(struct ctl *ctl, char **words, unsigned int count, bool timed)
{
	unsigned int used = 0;
	bool has_subs;

	if (!count)
		return ctl_usage(ctl, "no command given");
	ctl->command = find_command(words, count, &used, &has_subs);
	if (!ctl->command)
		return has_subs ? sub_error(ctl, words, count)
				: ctl_usage(ctl, "unknown command '%s'", words[0]);
	words += used;
	count -= used;
	if (timed && ctl->command->run != ctl_resolve)
		return ctl_usage(ctl, "--timeout is for resolve");
	if (ctl->force && !ctl->command->force)
		return ctl_usage(ctl, "--force is for psk and pki");
	if (count < ctl->command->min_args)
		return ctl_usage(ctl, "too few arguments");
	if (count > ctl->command->max_args)
		return ctl_usage(ctl, "too many arguments, beginning with '%s'",
				 words[ctl->command->max_args]);
	return ctl->command->run(ctl, words, count);
}

int main(int argc, char **argv)
{
	struct ctl ctl = {
		.instance = VARPDB_INSTANCE_DEFAULT,
		.timeout_ms = TIMEOUT_DEFAULT_MS,
		.conn = VARPDB_CONN_INIT,
	};
	const char *instead = NULL;
	enum control_status status;
	bool timed = false;

	status = parse_options(&ctl, argc, argv, &timed, &instead);
	if (!status && instead) {
		/* `varpctl join --help` is `varpctl help join`. */
		bool version = !strcmp(instead, "version");

		status = version ? ctl_version(&ctl, NULL, 0)
				 : ctl_help(&ctl, argv + optind,
					    argc - optind > 2 ? 2 : (unsigned int)(argc - optind));
	} else if (!status) {
		status = run(&ctl, argv + optind, (unsigned int)(argc - optind), timed);
	}
	varpdb_conn_close(&ctl.conn);

	/* Output that got lost is a failure, unless the reader had enough. */
	if (fflush(stdout) || ferror(stdout)) {
		if (errno != EPIPE && !status)
			status = ctl_fail(CONTROL_FAILED, "cannot write output: %s",
					  strerror(errno));
	}
	return status;
}
