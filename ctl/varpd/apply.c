// SPDX-License-Identifier: BSD-2-Clause
/*
 * See apply.h. One function for each kind of section.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "apply.h"
#include "clients.h"
#include "log.h"
#include "mappings.h"
#include "nodes.h"

#define RETRY_S		5
#define PROBLEM_LEN	(CONFIG_PATH_LEN + CONFIG_NAME_LEN + sizeof(struct varpd_error) + 64)

static int apply_underlay(struct varpd *varpd, const struct config_entry *entry,
			  struct varpd_error *error)
{
	int err = datapath_attach(varpd->datapath, entry->name, error);

	return err == -EEXIST ? 0 : err;
}

static int set_server(struct varpd *varpd, const struct config_entry *entry,
		      enum clients_source source, struct varpd_error *error)
{
	int err = clients_set(varpd, &entry->snid, &entry->server, source);

	if (err == -EACCES)
		varpd_fail(error, err,
			   "no credentials for this supernet: " VARPD_HOW_CREDENTIALS);
	else if (err)
		varpd_fail(error, err, "cannot set the server: %s", strerror(-err));
	return err;
}

static int apply_client(struct varpd *varpd, const struct config_entry *entry,
			struct varpd_error *error)
{
	return set_server(varpd, entry, CLIENTS_BY_ITSELF, error);
}

/* Only -EEXIST says that the node is there; for any other reason its server is not set either. */
static int apply_node(struct varpd *varpd, const struct config_entry *entry,
		      struct varpd_error *error)
{
	bool has_server = !varp_addr_is_zero(&entry->server);
	struct datapath_join join = {
		.snid = entry->snid,
		.chid = entry->chid,
		.vaddr = entry->vaddr,
		.plen = entry->plen,
		.dev = *entry->dev ? entry->dev : NULL,
		.netns = *entry->netns ? entry->netns : NULL,
		.raddr = entry->raddr,
	};
	struct datapath_node node;
	struct varpd_error warning;
	int err = nodes_join(varpd, &join, has_server ? &entry->server : NULL, &node, &warning,
			     error);

	if (err == -EEXIST)
		return has_server ? set_server(varpd, entry, CLIENTS_BY_JOIN, error) : 0;
	if (!err && *warning.text)
		varpd_log(VARPD_LOG_WARNING, "[node %s]: %s", entry->name, warning.text);
	return err;
}

static int apply_server(struct varpd *varpd, const struct config_entry *entry,
			struct varpd_error *error)
{
	struct varp_command command = {
		.type = VARP_COMMAND_SERVER_SET, .snid = entry->snid, .ttl_s = entry->ttl_s};
	int32_t ttl_s;

	if (varp_table_serves(varp_engine_table(varpd->engine), &entry->snid, &ttl_s) &&
	    ttl_s == entry->ttl_s)
		return 0;
	return mappings_change(varpd, &command, error);
}

/* access.c has read it. */
static int apply_supernet(struct varpd *varpd, const struct config_entry *entry,
			  struct varpd_error *error)
{
	(void)varpd;
	(void)entry;
	(void)error;
	return 0;
}

static int (*const appliers[CONFIG_SECTIONS])(struct varpd *varpd, const struct config_entry *entry,
					      struct varpd_error *error) = {
	[CONFIG_UNDERLAY]	= apply_underlay,
	[CONFIG_NODE]		= apply_node,
	[CONFIG_CLIENT]		= apply_client,
	[CONFIG_SERVER]		= apply_server,
	[CONFIG_SUPERNET]	= apply_supernet,
};

static int entry_order(enum config_section section)
{
	/* Nodes need underlays, and complain of missing servers. */
	static const int order[CONFIG_SECTIONS] = {
		[CONFIG_UNDERLAY] = 0, [CONFIG_SERVER] = 1, [CONFIG_CLIENT] = 2, [CONFIG_NODE] = 3,
		[CONFIG_SUPERNET] = 4,
	};

	return order[section];
}

static void describe(const struct varpd_config *config, const struct config_entry *entry, char *out,
		     size_t len)
{
	snprintf(out, len, "%s:%u: [%s %s]: %s; trying again every %d s", config->file, entry->line,
		 config_section_name(entry->section), entry->name, entry->problem.text, RETRY_S);
}

static void apply_entry(struct varpd *varpd, struct config_entry *entry)
{
	struct varpd_error error = { "" };
	int err = appliers[entry->section](varpd, entry, &error);
	char text[PROBLEM_LEN];
	bool told;

	if (err && !*error.text)
		varpd_fail(&error, err, "%s", strerror(-err));
	told = !strcmp(entry->problem.text, error.text);
	entry->applied = !err;
	entry->problem = err ? error : (struct varpd_error){ "" };
	if (!err)
		return;
	describe(&varpd->config, entry, text, sizeof(text));
	varpd_log(told ? VARPD_LOG_DEBUG : VARPD_LOG_ERROR, "%s", text);
}

/* Returns how many failed. */
static unsigned int apply_entries(struct varpd *varpd)
{
	struct varpd_config *config = &varpd->config;
	unsigned int failures = 0;

	for (int pass = 0; pass < CONFIG_SECTIONS; pass++)
		for (unsigned int i = 0; i < config->entry_count; i++) {
			struct config_entry *entry = &config->entries[i];

			if (entry_order(entry->section) != pass || entry->applied)
				continue;
			apply_entry(varpd, entry);
			failures += !entry->applied;
		}
	varpd_schedule(varpd);
	return failures;
}

void apply_each_problem(const struct varpd *varpd, void (*visit)(const char *text, void *ctx),
			void *ctx)
{
	const struct varpd_config *config = &varpd->config;
	char text[PROBLEM_LEN];

	for (unsigned int i = 0; i < config->entry_count; i++)
		if (*config->entries[i].problem.text) {
			describe(config, &config->entries[i], text, sizeof(text));
			visit(text, ctx);
		}
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
	struct varpd *varpd = ctx;

	(void)fd;
	(void)what;
	if (!apply_entries(varpd)) {
		event_del(varpd->retry);
		varpd_log(VARPD_LOG_INFO, "all sections of %s are in effect now",
			  varpd->config.file);
	}
}

void apply_config(struct varpd *varpd)
{
	static const struct timeval period = { .tv_sec = RETRY_S };

	if (!varpd->retry)
		varpd->retry = event_new(varpd->base, -1, EV_PERSIST, on_retry, varpd);
	if (!varpd->retry)
		return;
	if (apply_entries(varpd))
		event_add(varpd->retry, &period);
	else
		event_del(varpd->retry);
}

void apply_stop(struct varpd *varpd)
{
	if (varpd->retry)
		event_free(varpd->retry);
	varpd->retry = NULL;
}
