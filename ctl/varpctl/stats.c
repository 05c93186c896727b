// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl stats: counters for people, in groups; what is zero and means trouble is left out. -j
 * gives all as it came.
 */
#include <string.h>

#include <varp/abi.h>

#include "ctl.h"
#include "print.h"

static const struct {
	const char *name;
	const char *what;
} reasons[] = {
#define X(sym, name, what) { name, what },
	VARP_DROP_REASONS(X)
#undef X
};

/* A newer varpd may know reasons that this varpctl does not. */
static const char *reason_text(const char *name)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (!strcmp(reasons[i].name, name))
			return reasons[i].what;
	return "";
}

static void print_heading(const struct ctl *ctl, const char *title)
{
	ctl_paint(ctl, CTL_BOLD, 0, title);
	putchar('\n');
}

/* Counters of the datapath, in the order of a packet's way. */
static const struct {
	const char *title, *packets, *bytes;
	bool rare;	/* left out while zero */
} flows[] = {
	{ "encapsulated", "encap_packets", "encap_bytes", false },
	{ "decapsulated", "decap_packets", "decap_bytes", false },
	{ "hits", "hits", NULL, false },
	{ "misses", "misses", NULL, false },
	{ "held", "held_packets", NULL, false },
	{ "sent again", "reinjected_packets", NULL, false },
	{ "between nodes here", "local_packets", NULL, true },
	{ "not ours, passed on", "foreign_packets", NULL, true },
	{ "ICMP errors sent", "icmp_sent", NULL, true },
};

static bool is_flow(const char *key)
{
	for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++)
		if (!strcmp(key, flows[i].packets) ||
		    (flows[i].bytes && !strcmp(key, flows[i].bytes)))
			return true;
	return false;
}

static void print_count(const struct ctl *ctl, const char *title, uint64_t value)
{
	char number[CTL_NUMBER_LEN];

	printf("  ");
	ctl_paint(ctl, CTL_PLAIN, -22, title);
	ctl_paint(ctl, CTL_PLAIN, 18, ctl_number(value, number));
}

static void print_datapath(const struct ctl *ctl, json_t *datapath)
{
	char bytes[CTL_NUMBER_LEN], title[64];
	const char *key;
	json_t *value;

	print_heading(ctl, "Datapath (packets)");
	for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
		if (flows[i].rare && !ctl_count(datapath, flows[i].packets))
			continue;
		print_count(ctl, flows[i].title, ctl_count(datapath, flows[i].packets));
		if (flows[i].bytes)
			printf("  %s", ctl_bytes(ctl_count(datapath, flows[i].bytes), bytes));
		putchar('\n');
	}
	json_object_foreach(datapath, key, value) {
		if (is_flow(key) || !json_integer_value(value))
			continue;
		snprintf(title, sizeof(title), "%s", key);
		for (char *c = title; *c; c++)
			if (*c == '_')
				*c = ' ';
		print_count(ctl, title, ctl_count(datapath, key));
		putchar('\n');
	}
}

static void print_varp(const struct ctl *ctl, const json_t *varp)
{
	static const struct {
		const char *title, *sent, *received;
	} messages[] = {
		{ "request", "requests_sent", "requests_received" },
		{ "reply", "replies_sent", "replies_received" },
		{ "nak, not known", "nak_notknown_sent", "nak_notknown_received" },
		{ "nak, no authority", "nak_noauthority_sent", "nak_noauthority_received" },
		{ "notify", "notifies_sent", "notifies_received" },
	};
	char number[CTL_NUMBER_LEN];

	putchar('\n');
	ctl_paint(ctl, CTL_BOLD, -24, "VARP messages");
	ctl_paint(ctl, CTL_BOLD, 18, "sent");
	ctl_paint(ctl, CTL_BOLD, 18, "received");
	putchar('\n');
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		print_count(ctl, messages[i].title, ctl_count(varp, messages[i].sent));
		ctl_paint(ctl, CTL_PLAIN, 18,
			  ctl_number(ctl_count(varp, messages[i].received), number));
		putchar('\n');
	}
}

static void print_drops(const struct ctl *ctl, json_t *drops)
{
	const char *name;
	uint64_t sum = 0;
	json_t *value;
	char number[CTL_NUMBER_LEN];

	json_object_foreach(drops, name, value)
		sum += ctl_count(drops, name);
	putchar('\n');
	if (!sum) {
		ctl_paint(ctl, CTL_BOLD, 0, "Drops");
		puts(" none");
		return;
	}
	print_heading(ctl, "Drops");
	json_object_foreach(drops, name, value) {
		if (!json_integer_value(value))
			continue;
		printf("  ");
		ctl_paint(ctl, CTL_YELLOW, -17, name);
		ctl_paint(ctl, CTL_PLAIN, 14, ctl_number(ctl_count(drops, name), number));
		printf("  %s\n", reason_text(name));
	}
}

static const char *const accounts[] = { "misses", "requests", "suppressed", "dropped", "pending" };

#define ACCOUNTS	(sizeof(accounts) / sizeof(accounts[0]))

/*
 * Misses by supernet: each was a request, or waited with one (suppressed), or exceeded a bound
 * (dropped).
 */
static void print_supernets(const struct ctl *ctl, const json_t *supernets)
{
	static const struct ctl_column columns[] = {
		{ .title = "Supernet" },
		{ .title = "misses", .right = true },
		{ .title = "requests", .right = true },
		{ .title = "suppressed", .right = true },
		{ .title = "dropped", .right = true },
		{ .title = "pending", .right = true },
	};
	struct ctl_table table = { .ctl = ctl, .columns = columns, .count = 1 + ACCOUNTS };
	char number[ACCOUNTS][CTL_NUMBER_LEN];
	const json_t *supernet;
	size_t index;

	if (json_array_size(supernets))
		putchar('\n');
	json_array_foreach(supernets, index, supernet) {
		const char *cells[1 + ACCOUNTS] = { ctl_text(supernet, "snid", "?") };

		for (size_t i = 0; i < ACCOUNTS; i++)
			cells[1 + i] = ctl_number(ctl_count(supernet, accounts[i]), number[i]);
		ctl_table_add(&table, cells);
	}
	ctl_table_end(&table);
}

enum control_status ctl_stats(struct ctl *ctl, char **words, unsigned int count)
{
	enum control_status status;
	json_t *stats;

	(void)words;
	(void)count;
	status = ctl_request(ctl, "stats", NULL, CTL_TIMEOUT_MS, &stats);
	if (status)
		return status;
	if (ctl->json) {
		ctl_json(ctl, stats);
	} else {
		/* An owner of supernets is not told the sums of all. */
		if (json_object_size(json_object_get(stats, "datapath"))) {
			print_datapath(ctl, json_object_get(stats, "datapath"));
			print_varp(ctl, json_object_get(stats, "varp"));
			print_drops(ctl, json_object_get(stats, "drops"));
		}
		print_supernets(ctl, json_object_get(stats, "supernets"));
	}
	json_decref(stats);
	return CONTROL_OK;
}
