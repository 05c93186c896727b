// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpd's command line. Long options are the rows of [varpd] in the table of configuration keys,
 * and so is their help.
 */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "credentials.h"
#include "helper.h"
#include "log.h"
#include "notify.h"
#include "option.h"
#include "varpd.h"

#define EXIT_CONFIG	1
#define EXIT_START	2
#define LARGE_BLOCK	(1 << 20)
#define OPTIONS_MAX	CONFIG_OVERRIDES_MAX

enum own_option {
	OPT_INSTANCE = 'i',
	OPT_FILE = 'c',
	OPT_HELP = 'h',
	OPT_VERSION = 'V',
	OPT_KEY = 0x100,	/* an option of the table; more are index + OPT_KEY */
	OPT_CHECK = 0x1000,
	OPT_CONFIG_KEYS,
	OPT_PREPARE,
	OPT_HELPER,
};

struct arguments {
	struct config_overrides overrides;
	bool check, prepare, helper;
};

static const struct {
	const char *text, *help;
} own_help[] = {
	{ "-i, --instance NAME", "name of this instance [default]" },
	{ "-c, --config FILE", "configuration file [" CONFIG_FILE ", if it is there]" },
	{ "    --check", "check the configuration and exit" },
	{ "    --prepare", "as root: make ready for a varpd that is started as its user" },
	{ "    --helper", "be the helper process of such a varpd; started by systemd" },
	{ "-h, --help", "this help" },
	{ "-V, --version", "print the version" },
};

static void print_help(void)
{
	struct config_option option;
	char text[64];

	printf("Usage: varpd [OPTION]...\n"
	       "Resolves virtual addresses in supernets: client of every supernet that this host "
	       "joined, server of\n"
	       "those that the group manager tells it to serve. Runs in the foreground. See "
	       "varpd(8).\n\n");
	for (size_t i = 0; i < sizeof(own_help) / sizeof(own_help[0]); i++)
		printf("  %-32s %s\n", own_help[i].text, own_help[i].help);
	for (unsigned int i = 0; config_option(i, &option); i++) {
		snprintf(text, sizeof(text), "    --%s%s%s", option.name,
			 *option.argument ? " " : "", option.argument);
		printf("  %-32s %s%s%s%s\n", text, option.help,
		       *option.def && *option.argument ? " [" : "",
		       *option.argument ? option.def : "",
		       *option.def && *option.argument ? "]" : "");
	}
}

static void fill_options(struct option options[OPTIONS_MAX])
{
	static const struct option own[] = {
		{ "instance", required_argument, NULL, OPT_INSTANCE },
		{ "config", required_argument, NULL, OPT_FILE },
		{ "check", no_argument, NULL, OPT_CHECK },
		{ "prepare", no_argument, NULL, OPT_PREPARE },
		{ "helper", no_argument, NULL, OPT_HELPER },
		{ "help", no_argument, NULL, OPT_HELP },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "config-keys", no_argument, NULL, OPT_CONFIG_KEYS },
	};
	unsigned int count = sizeof(own) / sizeof(own[0]);
	struct config_option option;

	memset(options, 0, OPTIONS_MAX * sizeof(*options));
	memcpy(options, own, sizeof(own));
	for (unsigned int i = 0; config_option(i, &option) && count < OPTIONS_MAX - 1; i++)
		options[count++] = (struct option){
			option.name,
			*option.argument ? required_argument : no_argument,
			NULL,
			OPT_KEY + i,
		};
}

static void set_override(struct arguments *arguments, unsigned int index, const char *value)
{
	struct config_overrides *overrides = &arguments->overrides;
	struct config_option option;

	if (overrides->count == CONFIG_OVERRIDES_MAX || !config_option(index, &option)) {
		fprintf(stderr, "varpd: too many options\n");
		exit(EXIT_CONFIG);
	}
	overrides->set[overrides->count].key = option.name;
	overrides->set[overrides->count++].value = value ? value : "yes";
}

static void set_instance(struct arguments *arguments, const char *name)
{
	struct varpd_error error;

	if (config_check_instance(name, &error)) {
		fprintf(stderr, "varpd: %s\n", error.text);
		exit(EXIT_CONFIG);
	}
	strcpy(arguments->overrides.instance, name);
}

/* Exits by itself where there is nothing more to do. */
static void parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	struct option options[OPTIONS_MAX];
	const char *text;
	int opt, index;

	fill_options(options);
	while (index = -1, (opt = getopt_long(argc, argv, "i:c:hV", options, &index)) >= 0) {
		if (opt != '?' && !option_is_whole(argv, options, index, &text)) {
			fprintf(stderr, "varpd: unrecognized option '%s'\n", text);
			opt = '?';
		}
		switch (opt) {
		case OPT_INSTANCE:
			set_instance(arguments, optarg);
			break;
		case OPT_FILE:
			arguments->overrides.file = optarg;
			break;
		case OPT_CHECK:
			arguments->check = true;
			break;
		case OPT_PREPARE:
			arguments->prepare = true;
			break;
		case OPT_HELPER:
			arguments->helper = true;
			break;
		case OPT_HELP:
			print_help();
			exit(0);
		case OPT_VERSION:
			printf("varpd %s\n", VARP_RELEASE);
			exit(0);
		case OPT_CONFIG_KEYS:
			config_print_keys(stdout);
			exit(0);
		case '?':
			fprintf(stderr, "varpd: try 'varpd --help'\n");
			exit(EXIT_CONFIG);
		default:
			set_override(arguments, opt - OPT_KEY, optarg);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "varpd: unexpected argument '%s'; try 'varpd --help'\n",
			argv[optind]);
		exit(EXIT_CONFIG);
	}
}

/* As which this process does not become the daemon. Returns the exit status. */
static int run_otherwise(const struct arguments *arguments, const struct varpd_config *config)
{
	const struct helper_setup helper = varpd_helper_setup(config);
	struct varpd_error error;

	if (arguments->check) {
		printf(config->file_read ? "configuration is right: %s\n"
					 : "configuration is right: there is no %s, defaults apply\n",
		       config->file);
		return 0;
	}
	if (arguments->prepare)
		return varpd_prepare(config) ? EXIT_START : 0;
	if (helper_serve(&helper, &error)) {
		varpd_log(VARPD_LOG_ERROR, "%s", error.text);
		return EXIT_START;
	}
	return 0;
}

/*
 * A table of a million mappings grows without being copied only where it has pages of its own, which
 * the kernel moves: glibc would give up on that for larger and larger blocks, and for threads.
 */
static void set_up_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	mallopt(M_ARENA_MAX, 1);
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .overrides.instance = "default" };
	static struct varpd varpd;
	int status;

	set_up_memory();
	varpd_log_init();
	parse_arguments(argc, argv, &arguments);
	if (config_load(&varpd.config, &arguments.overrides))
		return EXIT_CONFIG;
	if (arguments.check || arguments.prepare || arguments.helper) {
		status = run_otherwise(&arguments, &varpd.config);
		config_free(&varpd.config);
		return status;
	}
	varpd.overrides = arguments.overrides;
	varpd_log_set_level(varpd.config.log_level);
	if (varpd_start(&varpd)) {
		config_free(&varpd.config);
		return EXIT_START;
	}
	varpd_log(VARPD_LOG_INFO, "version %s, instance %s, runs %s", VARP_RELEASE,
		  varpd.config.instance,
		  varpd.config.insecure
			  ? "insecure: VARP messages are not authenticated"
		  : credentials_any(varpd.credentials)
			  ? "secure"
			  : "without credentials: it neither serves supernets nor asks servers; "
			    VARPD_HOW_CREDENTIALS);
	varpd_notify_ready("running");
	event_base_dispatch(varpd.base);
	varpd_notify_stopping();
	varpd_stop(&varpd);
	config_free(&varpd.config);
	return 0;
}
