// SPDX-License-Identifier: BSD-2-Clause
/*
 * The interpreter of scenario files: lines of words, the first of which is looked up in a table.
 * What steps and expectations there are is in steps.c and expect.c; README.md here describes the
 * language.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"
#include "words.h"

#define WORDS_MAX	24

int script_wrong(struct script *script, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(script->why, script->why_len, format, args);
	va_end(args);
	return -EINVAL;
}

/* --- Words --- */

const char *script_word(const struct script *script, size_t i)
{
	return i < script->count ? script->words[i] : "";
}

/* The value of a word "name=value", or NULL. */
const char *script_option(const struct script *script, const char *name)
{
	size_t len = strlen(name);
	size_t i;

	for (i = 0; i < script->count; i++)
		if (!strncmp(script->words[i], name, len) && script->words[i][len] == '=')
			return script->words[i] + len + 1;
	return NULL;
}

uint64_t script_number(const char *text, uint64_t otherwise)
{
	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* "250ms", "3s", "2m": nanoseconds; UINT64_MAX if it is none of them. */
uint64_t script_duration(const char *text)
{
	static const struct { const char *unit; uint64_t ns; } units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "ms", SIM_MS }, { "s", SIM_S }, { "m", 60 * SIM_S },
	};
	char *unit;
	uint64_t value = strtoull(text, &unit, 10);
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(unit, units[i].unit))
			return value * units[i].ns;
	return UINT64_MAX;
}

struct sim_host *script_host(const struct script *script, const char *name)
{
	struct sim_host *host;

	for (host = script->sim->hosts; host; host = host->hh.next)
		if (!strcmp(host->name, name))
			return host;
	return NULL;
}

/* A host's name or an address. */
int script_address(struct script *script, const char *text, struct varp_addr *addr)
{
	const struct sim_host *host = script_host(script, text);

	if (host) {
		*addr = host->addr;
		return 0;
	}
	return varp_addr_parse(text, addr)
		       ? script_wrong(script, "'%s' is neither a host nor an address", text)
		       : 0;
}

int script_snid(struct script *script, size_t i, struct varp_snid *snid)
{
	return varp_snid_parse(script_word(script, i), snid)
		       ? script_wrong(script, "'%s' is not a snid", script_word(script, i))
		       : 0;
}

/* Two words from i on: snid, vaddr. */
int script_key(struct script *script, size_t i, struct varp_key *key)
{
	memset(key, 0, sizeof(*key));
	return script_snid(script, i, &key->snid)
		       ? -EINVAL
		       : script_address(script, script_word(script, i + 1), &key->vaddr);
}

/* --- Lines --- */

/* STEP and EXPECT: the host's name, then what; that and what follows become the words. */
static struct sim_host *shift_to_host(struct script *script)
{
	struct sim_host *host = script_host(script, script_word(script, 1));

	if (!host || script->count < 3) {
		script_wrong(script, "'%s' is not a host, or nothing follows",
			     script_word(script, 1));
		return NULL;
	}
	script->words += 2;
	script->count -= 2;
	return host;
}

static int line_step(struct script *script)
{
	struct sim_host *host = shift_to_host(script);
	int err = host ? script_step(script, host) : -EINVAL;

	if (host)
		sim_settle(host);
	return err;
}

static int line_expect(struct script *script)
{
	const struct sim_host *host = shift_to_host(script);

	return host ? script_expect(script, host) : -EINVAL;
}

/*
 * HOST NAME ADDR [insecure=no|secure=yes] [lookups_max=N] [negative=DURATION] [lifetime=DURATION]
 * [distrust=DURATION]
 */
static int line_host(struct script *script)
{
	const char *insecure = script_option(script, "insecure"),
		   *secure = script_option(script, "secure"),
		   *negative = script_option(script, "negative"),
		   *lifetime = script_option(script, "lifetime"),
		   *distrust = script_option(script, "distrust");
	struct sim_host *host;
	struct varp_addr addr;

	if (script_address(script, script_word(script, 2), &addr))
		return -EINVAL;
	host = sim_host_new(script->sim, script_word(script, 1), &addr);
	host->credentials = secure && !strcmp(secure, "yes");
	host->config.insecure = !host->credentials && (!insecure || strcmp(insecure, "no"));
	if (lifetime)
		host->lifetime_ns = script_duration(lifetime);
	if (distrust)
		host->distrust_ns = script_duration(distrust);
	host->config.lookups_max =
		script_number(script_option(script, "lookups_max"), host->config.lookups_max);
	if (negative)
		host->config.negative_ttl_ms = script_duration(negative) / SIM_MS;
	sim_host_start(host);
	return 0;
}

/* NET [loss=PERCENT] [double=PERCENT] [delay=DURATION[..DURATION]] [drop=N] [exchange=no|yes] */
static int line_net(struct script *script)
{
	struct sim_net *net = &script->sim->net;
	const char *delay = script_option(script, "delay"),
		   *exchange = script_option(script, "exchange");

	if (exchange)
		net->no_exchange = !strcmp(exchange, "no");
	net->loss_percent = script_number(script_option(script, "loss"), net->loss_percent);
	net->double_percent = script_number(script_option(script, "double"), net->double_percent);
	net->drop_next = script_number(script_option(script, "drop"), net->drop_next);
	if (delay) {
		char first[32];
		const char *dots = strstr(delay, "..");

		snprintf(first, sizeof(first), "%.*s",
			 (int)(dots ? dots - delay : (long)strlen(delay)), delay);
		net->delay_min_ns = script_duration(first);
		net->delay_max_ns = dots ? script_duration(dots + 2) : net->delay_min_ns;
		if (net->delay_min_ns == UINT64_MAX || net->delay_max_ns == UINT64_MAX)
			return script_wrong(script, "'%s' is not a delay", delay);
	}
	return 0;
}

static int line_time_passes(struct script *script)
{
	uint64_t ns = script_duration(script_word(script, 1));

	if (ns == UINT64_MAX)
		return script_wrong(script, "'%s' is not a duration", script_word(script, 1));
	sim_run(script->sim, ns);
	return 0;
}

/* SWEEP on|off: the aging sweep of all hosts. */
static int line_sweep(struct script *script)
{
	script->sim->sweeping = !strcmp(script_word(script, 1), "on");
	return 0;
}

static const struct line {
	const char *name;
	int (*run)(struct script *script);
} lines[] = {
	{ "HOST", line_host }, { "NET", line_net }, { "STEP", line_step },
	{ "TIME_PASSES", line_time_passes },
	{ "EXPECT", line_expect }, { "SWEEP", line_sweep },
};

static int run_line(struct script *script, char *text)
{
	char *words[WORDS_MAX + 1] = { NULL };
	char *rest = NULL, *next;
	size_t i;

	script->words = words;
	script->count = 0;
	text[strcspn(text, "#\n")] = '\0';
	for (next = strtok_r(text, " \t", &rest); next && script->count < WORDS_MAX;
	     next = strtok_r(NULL, " \t", &rest))
		words[script->count++] = next;
	if (!script->count)
		return 0;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!strcmp(lines[i].name, words[0]))
			return lines[i].run(script);
	return script_wrong(script, "unknown line '%s'", words[0]);
}

int script_run(const char *path, char *why, size_t why_len)
{
	char text[512], what[256] = "";
	struct script script = { .why = what, .why_len = sizeof(what) };
	FILE *file = fopen(path, "r");
	unsigned int number_of_line = 0, expected = 0;
	int err = 0;

	if (!file) {
		snprintf(why, why_len, "%s: %s", path, strerror(errno));
		return -EINVAL;
	}
	script.sim = sim_new(1);
	while (!err && fgets(text, sizeof(text), file)) {
		number_of_line++;
		expected += !strncmp(text, "EXPECT", 6);
		err = run_line(&script, text);
	}
	if (!err && !expected)
		err = script_wrong(&script, "expects nothing");
	if (err)
		snprintf(why, why_len, "%s:%u: %s", path, number_of_line, what);
	sim_free(script.sim);
	fclose(file);
	return err;
}
