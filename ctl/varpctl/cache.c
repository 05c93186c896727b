// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl cache show, get, flush: varpdb; and db show: the server's mappings, which are told in the
 * same columns.
 */
#include <string.h>

#include "ctl.h"
#include "print.h"

/* Optional [SNID [VADDR]]. */
static enum control_status parse(const struct ctl *ctl, char **words, unsigned int count,
				 json_t *args)
{
	enum control_status status = CONTROL_OK;

	if (count > 0)
		status = ctl_arg_snid(ctl, words[0], args);
	if (!status && count > 1)
		status = ctl_arg_unicast(ctl, words[1], "vaddr", args);
	return status;
}

static enum ctl_colour state_colour(const char *state)
{
	switch (state[0]) {
	case 'r':
		return CTL_GREEN;
	case 'p':
		return CTL_YELLOW;
	default:
		return CTL_RED;
	}
}

static const struct ctl_column cache_columns[] = {
	{ .title = "SNID" },
	{ .title = "VADDR", .min_width = 15 },
	{ .title = "STATE", .colour = state_colour },
	{ .title = "RADDR", .min_width = 15 },
	{ .title = "TTL" },
};

static const struct ctl_column db_columns[] = {
	{ .title = "SNID" },
	{ .title = "VADDR", .min_width = 15 },
	{ .title = "RADDR", .min_width = 15 },
	{ .title = "TTL" },
};

struct listing {
	struct ctl_json_array array;
	struct ctl_table table;
};

static const char *ttl_text(const json_t *entry, char out[CTL_NUMBER_LEN])
{
	const json_t *ttl = json_object_get(entry, "ttl_s");

	return json_is_integer(ttl) ? ctl_duration(ctl_count(entry, "ttl_s"), out) : "always";
}

static void cache_row(struct ctl_table *table, const json_t *entry)
{
	char ttl[CTL_NUMBER_LEN];

	ctl_table_add(table, (const char *[]){
		ctl_text(entry, "snid", "?"), ctl_text(entry, "vaddr", "?"),
		ctl_text(entry, "state", "?"), ctl_text(entry, "raddr", "-"),
		ttl_text(entry, ttl),
	});
}

static void cache_entry(const json_t *entry, void *ctx)
{
	struct listing *listing = ctx;

	if (listing->array.ctl->json)
		ctl_json_array_add(&listing->array, entry);
	else
		cache_row(&listing->table, entry);
}

#define DB_TTL_LEN	(CTL_NUMBER_LEN + 16)

/* A varpd of before says nothing of defaults. */
static const char *db_ttl_text(const json_t *entry, char out[DB_TTL_LEN])
{
	const json_t *supernets = json_object_get(entry, "default_ttl_s");
	char ttl[CTL_NUMBER_LEN];

	if (json_is_integer(supernets))
		snprintf(out, DB_TTL_LEN, "%s (default)",
			 ctl_duration(ctl_count(entry, "default_ttl_s"), ttl));
	else
		snprintf(out, DB_TTL_LEN, "%s", supernets ? "default" : ttl_text(entry, ttl));
	return out;
}

static void db_entry(const json_t *entry, void *ctx)
{
	struct listing *listing = ctx;
	char ttl[DB_TTL_LEN];

	if (listing->array.ctl->json)
		ctl_json_array_add(&listing->array, entry);
	else
		ctl_table_add(&listing->table, (const char *[]){
			ctl_text(entry, "snid", "?"), ctl_text(entry, "vaddr", "?"),
			ctl_text(entry, "raddr", "?"), db_ttl_text(entry, ttl),
		});
}

static enum control_status show(struct ctl *ctl, const char *command, char **words,
				unsigned int count, struct listing *listing, ctl_entry_fn entry)
{
	json_t *args = json_object();
	enum control_status status = parse(ctl, words, count, args);

	if (status) {
		json_decref(args);
		return status;
	}
	status = ctl_stream(ctl, command, args, entry, listing);
	/* A document that was cut off is left without its end, lest it is taken for the whole. */
	if (ctl->json && !status)
		ctl_json_array_end(&listing->array);
	ctl_table_end(&listing->table);
	return status;
}

enum control_status ctl_cache_show(struct ctl *ctl, char **words, unsigned int count)
{
	struct listing listing = {
		.array = { .ctl = ctl },
		.table = { .ctl = ctl, .columns = cache_columns, .count = 5 },
	};

	return show(ctl, "cache_show", words, count, &listing, cache_entry);
}

enum control_status ctl_db_show(struct ctl *ctl, char **words, unsigned int count)
{
	struct listing listing = {
		.array = { .ctl = ctl },
		.table = { .ctl = ctl, .columns = db_columns, .count = 4 },
	};

	return show(ctl, "db_show", words, count, &listing, db_entry);
}

enum control_status ctl_cache_get(struct ctl *ctl, char **words, unsigned int count)
{
	struct ctl_table table = { .ctl = ctl, .columns = cache_columns, .count = 5 };
	json_t *args = json_object(), *entry;
	enum control_status status = parse(ctl, words, count, args);

	if (status) {
		json_decref(args);
		return status;
	}
	status = ctl_request(ctl, "cache_get", args, CTL_TIMEOUT_MS, &entry);
	if (status)
		return status;
	if (ctl->json) {
		ctl_json(ctl, entry);
	} else {
		cache_row(&table, entry);
		ctl_table_end(&table);
	}
	json_decref(entry);
	return CONTROL_OK;
}

enum control_status ctl_cache_flush(struct ctl *ctl, char **words, unsigned int count)
{
	char number[CTL_NUMBER_LEN];
	json_t *args = json_object(), *result;
	enum control_status status = parse(ctl, words, count, args);

	if (status) {
		json_decref(args);
		return status;
	}
	status = ctl_request(ctl, "cache_flush", args, CTL_TIMEOUT_MS, &result);
	if (status)
		return status;
	if (ctl->json)
		ctl_json(ctl, result);
	else
		printf("%s %s removed\n", ctl_number(ctl_count(result, "flushed"), number),
		       ctl_count(result, "flushed") == 1 ? "entry" : "entries");
	json_decref(result);
	return CONTROL_OK;
}
