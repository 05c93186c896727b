// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl status: what is wrong, if anything, and then what there is: underlays, and supernets with
 * their nodes. Made to fit 80 columns; what is longer (IPv6 addresses) continues on the next line.
 */
#include <string.h>

#include "ctl.h"
#include "print.h"

#define LABEL_WIDTH	11
#define SCREEN_WIDTH	80
#define STATUS_TIMEOUT_MS	10000	/* whoever asks wants to know whether varpd lives */

static void print_label(const struct ctl *ctl, const char *label)
{
	ctl_paint(ctl, CTL_BOLD, -LABEL_WIDTH, label);
}

static void print_verdict(const struct ctl *ctl, const json_t *status)
{
	const json_t *warnings = json_object_get(status, "warnings"), *warning;
	size_t count = json_array_size(warnings), index;
	char verdict[32];

	printf("varpd %s: ", ctl_text(status, "instance", ctl->instance));
	if (!count) {
		ctl_paint(ctl, CTL_GREEN, 0, "OK");
		putchar('\n');
		return;
	}
	snprintf(verdict, sizeof(verdict), "%zu warning%s", count, count == 1 ? "" : "s");
	ctl_paint(ctl, CTL_YELLOW, 0, verdict);
	putchar('\n');
	json_array_foreach(warnings, index, warning) {
		fputs("  ", stdout);
		ctl_paint(ctl, CTL_YELLOW, 0, "!");
		ctl_print_filled(json_is_string(warning) ? json_string_value(warning) : "?", 4, 3);
	}
}

static void print_daemon(const struct ctl *ctl, const json_t *status)
{
	const char *features = ctl_text(status, "features", "");
	char up[CTL_NUMBER_LEN];

	print_label(ctl, "Daemon");
	printf("%s, pid %d, up %s%s%s", ctl_text(status, "version", "?"),
	       (int)ctl_count(status, "pid"), ctl_duration(ctl_count(status, "uptime_s"), up),
	       features[0] ? ", " : "", features);
	if (!strcmp(ctl_text(status, "user", ""), "root")) {
		fputs(", ", stdout);
		ctl_paint(ctl, CTL_YELLOW, 0, "as root");
	}
	if (json_is_true(json_object_get(status, "insecure"))) {
		fputs(", ", stdout);
		ctl_paint(ctl, CTL_YELLOW, 0, "insecure");
	}
	putchar('\n');
}

/* Who answers requests that come in there. */
static void print_answers(const struct ctl *ctl, const json_t *underlay)
{
	const char *how = ctl_text(underlay, "answers", ""), *why = ctl_text(underlay, "answers_why", "");

	if (!how[0])
		return;
	print_label(ctl, "");
	printf("answers by %s%s%s%s\n", strcmp(how, "userspace") ? how : "varpd",
	       why[0] ? " (" : "", why, why[0] ? ")" : "");
}

/* Of the column with the interfaces' names. */
static int name_width(const json_t *underlays)
{
	const json_t *underlay;
	int width = 10, len;
	size_t index;

	json_array_foreach(underlays, index, underlay) {
		len = (int)strlen(ctl_text(underlay, "dev", "?")) + 1;
		width = len > width ? len : width;
	}
	return width;
}

static void print_underlays(const struct ctl *ctl, const json_t *underlays, bool serving)
{
	const int width = name_width(underlays);
	const json_t *underlay;
	size_t index;

	if (!json_array_size(underlays)) {
		print_label(ctl, "Underlays");
		puts("none: attach one with `varpctl attach IFACE`");
	}
	json_array_foreach(underlays, index, underlay) {
		bool up = json_is_true(json_object_get(underlay, "up"));
		const char *raddr4 = ctl_text(underlay, "raddr4", ""),
			   *raddr6 = ctl_text(underlay, "raddr6", "");

		print_label(ctl, index ? "" : "Underlays");
		ctl_paint(ctl, CTL_PLAIN, -width, ctl_text(underlay, "dev", "?"));
		ctl_paint(ctl, up ? CTL_GREEN : CTL_RED, -5, up ? "up" : "down");
		printf("mtu %-6d%s%s%s\n", (int)ctl_count(underlay, "mtu"), raddr4,
		       raddr4[0] && raddr6[0] ? " " : "",
		       raddr4[0] || raddr6[0] ? raddr6 : "no address");
		if (serving)
			print_answers(ctl, underlay);
	}
}

/* Counts of that name in an object, or in all objects of an array; name NULL: all counts. */
static uint64_t sum(json_t *group, const char *name)
{
	const char *key;
	uint64_t total = 0;
	json_t *value;
	size_t index;

	json_array_foreach(group, index, value)
		total += ctl_count(value, name);
	json_object_foreach(group, key, value)
		if (!name || !strcmp(key, name))
			total += ctl_count(group, key);
	return total;
}

static void print_traffic(const struct ctl *ctl, const json_t *stats)
{
	static const struct {
		const char *group,
			*name; /* group: an object of counts, or an array of such objects */
		const char *what;
	} sums[] = {
		{ "datapath", "hits", "hits" }, { "datapath", "misses", "misses" },
		{ "supernets", "pending", "pending" }, { "drops", NULL, "drops" },
	};
	char number[CTL_NUMBER_LEN];

	print_label(ctl, "Traffic");
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		uint64_t count = sum(json_object_get(stats, sums[i].group), sums[i].name);

		printf("%s%s %s", i ? ", " : "", sums[i].what, ctl_number(count, number));
	}
	puts("  (varpctl stats)");
}

/* --- Supernets -------------------------------------------------------------------------------- */

/* The object of an array that is about a supernet; NULL: none. */
static const json_t *find(const json_t *array, const char *snid)
{
	const json_t *object;
	size_t index;

	json_array_foreach(array, index, object)
		if (!strcmp(ctl_text(object, "snid", ""), snid))
			return object;
	return NULL;
}

/* Whether and how it is protected. A varpd of before says nothing of it. */
static void print_protection(const struct ctl *ctl, const json_t *role)
{
	const char *protection = ctl_text(role, "protection", "");
	const json_t *left = json_object_get(role, "session_s");
	char text[CTL_NUMBER_LEN];

	if (!*protection)
		return;
	fputs(", ", stdout);
	if (!strcmp(protection, "none"))
		ctl_paint(ctl, CTL_RED, 0, json_object_get(role, "session_s") ? "no session"
									    : "no credentials");
	else
		ctl_paint(ctl, strcmp(protection, "insecure") ? CTL_GREEN : CTL_YELLOW, 0,
			  protection);
	if (json_is_integer(left))
		printf(", session %s", ctl_duration(ctl_count(role, "session_s"), text));
	else if (json_object_get(role, "sessions"))
		printf(", %d session%s", (int)ctl_count(role, "sessions"),
		       ctl_count(role, "sessions") == 1 ? "" : "s");
}

static void print_role(const struct ctl *ctl, const json_t *status, const char *snid)
{
	const json_t *server = find(json_object_get(status, "servers"), snid);
	const json_t *client = find(json_object_get(status, "clients"), snid);
	char ttl[CTL_NUMBER_LEN], mappings[CTL_NUMBER_LEN];

	ctl_paint(ctl, CTL_BOLD, 0, snid);
	if (server)
		printf("  served here, %s mapping%s, ttl %s",
		       ctl_number(ctl_count(server, "mappings"), mappings),
		       ctl_count(server, "mappings") == 1 ? "" : "s",
		       ctl_duration(ctl_count(server, "ttl_s"), ttl));
	else if (client)
		printf("  server %s", ctl_text(client, "server", "?"));
	else
		ctl_paint(ctl, CTL_YELLOW, 0, "  no server");
	print_protection(ctl, server ? server : client);
	putchar('\n');
}

static void print_node(const json_t *node)
{
	const char *netns = ctl_text(node, "netns", ""), *underlay = ctl_text(node, "underlay", "");
	const char *chid = ctl_text(node, "chid", ""), *mode = ctl_text(node, "mode", "plain");
	char vaddr[64], where[160], outer[128], channel[64] = "";
	size_t len;

	snprintf(vaddr, sizeof(vaddr), "%s/%d", ctl_text(node, "vaddr", "?"),
		 (int)ctl_count(node, "prefix_len"));
	snprintf(where, sizeof(where), "%s%s%s", ctl_text(node, "dev", "?"), netns[0] ? " in " : "",
		 netns);
	if (underlay[0])
		snprintf(outer, sizeof(outer), "%s %s  mtu %d", underlay,
			 ctl_text(node, "raddr4", ctl_text(node, "raddr6", "?")),
			 (int)ctl_count(node, "mtu"));
	else
		snprintf(outer, sizeof(outer), "no underlay");
	if (strspn(chid, "0x") != strlen(chid))
		snprintf(channel, sizeof(channel), "channel %s", chid);
	if (strcmp(mode, "plain"))
		snprintf(channel + strlen(channel), sizeof(channel) - strlen(channel), "%s%s",
			 channel[0] ? " " : "", mode);

	len = (size_t)printf("    %-18s  %s", vaddr, where);
	/* In columns where it fits, else on a line of its own. */
	if (len < 40 && 42 + strlen(outer) <= SCREEN_WIDTH)
		len += (size_t)printf("%*s%s", 42 - (int)len, "", outer);
	else
		len = (size_t)printf("\n        %s", outer) - 1;
	if (channel[0])
		printf("%s%s", len + 2 + strlen(channel) > SCREEN_WIDTH ? "\n        " : "  ",
		       channel);
	putchar('\n');
}

/*
 * Every supernet once, however many arrays name it: nodes first, then what is only served or only
 * configured.
 */
static void print_supernets(const struct ctl *ctl, const json_t *status)
{
	static const char *const arrays[] = { "nodes", "servers", "clients" };
	json_t *seen = json_object();
	const json_t *object, *node;
	size_t index, at;

	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
		json_array_foreach(json_object_get(status, arrays[i]), index, object) {
			const char *snid = ctl_text(object, "snid", "?");

			if (json_object_get(seen, snid))
				continue;
			if (!json_object_size(seen)) {
				ctl_paint(ctl, CTL_BOLD, 0, "Supernets");
				putchar('\n');
			}
			json_object_set_new(seen, snid, json_true());
			fputs("  ", stdout);
			print_role(ctl, status, snid);
			json_array_foreach(json_object_get(status, "nodes"), at, node)
				if (!strcmp(ctl_text(node, "snid", ""), snid))
					print_node(node);
		}
	}
	if (!json_object_size(seen)) {
		print_label(ctl, "Supernets");
		puts("none: join one with `varpctl join SNID VADDR/LEN server ADDR`");
	}
	json_decref(seen);
}

enum control_status ctl_status(struct ctl *ctl, char **words, unsigned int count)
{
	enum control_status failure;
	json_t *status, *stats = NULL;

	(void)words;
	(void)count;
	failure = ctl_request(ctl, "status", NULL, STATUS_TIMEOUT_MS, &status);
	if (!failure && !ctl->json) {
		failure = ctl_request(ctl, "stats", NULL, STATUS_TIMEOUT_MS, &stats);
		if (failure)
			json_decref(status);
	}
	if (failure)
		return failure;
	if (ctl->json) {
		ctl_json(ctl, status);
	} else {
		print_verdict(ctl, status);
		print_daemon(ctl, status);
		print_underlays(ctl, json_object_get(status, "underlays"),
				json_array_size(json_object_get(status, "servers")));
		if (json_object_size(json_object_get(stats, "datapath")))
			print_traffic(ctl, stats);
		print_supernets(ctl, status);
	}
	json_decref(status);
	json_decref(stats);
	return CONTROL_OK;
}
