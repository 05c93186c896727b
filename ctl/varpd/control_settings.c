// SPDX-License-Identifier: BSD-2-Clause
/*
 * The part of status that says how varpd was told to run. Called by control_status.c.
 */
#include "control_internal.h"
#include "textsock.h"

static json_t *listeners_json(const struct varpd_config *config)
{
	char manager[80], client[80];

	config_endpoint_format(&config->grp_mgr_listen, manager, sizeof(manager));
	config_endpoint_format(&config->grp_clt_listen, client, sizeof(client));
	return json_pack("{s:i, s:i, s:s, s:s}",
			 "varp_port", (int)config->varp_port,
			 "key_port", (int)config->key_port,
			 "grp_mgr", manager,
			 "grp_clt", client);
}

static json_t *limits_json(const struct varpd_config *config)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}",
			 "cache_max", (json_int_t)config->cache_max,
			 "pending_max", (json_int_t)config->pending_max,
			 "pending_per_supernet", (json_int_t)config->pending_per_supernet,
			 "held_bytes", (json_int_t)config->held_bytes,
			 "negative_ttl_s", (json_int_t)config->negative_ttl_s,
			 "max_connections", (json_int_t)config->max_connections);
}

static json_t *connections_json(struct varpd *varpd)
{
	unsigned int manager, client;

	textsock_count(varpd->textsock, &manager, &client);
	return json_pack("{s:i, s:i, s:i}", "grp_mgr", (int)manager, "grp_clt", (int)client,
			 "control", (int)control_count(varpd->control));
}

json_t *control_settings_json(struct varpd *varpd, size_t mappings)
{
	const struct varpd_config *config = &varpd->config;

	return json_pack("{s:b, s:s, s:s, s:s?, s:s, s:I, s:o, s:o, s:o}",
			 "insecure", config->insecure,
			 "user", varpd->privileges.user,
			 "features", datapath_features(varpd->datapath),
			 "netns", *config->netns ? config->netns : NULL,
			 "state_dir", config->state_dir,
			 "mappings", (json_int_t)mappings,
			 "listeners", listeners_json(config),
			 "limits", limits_json(config),
			 "connections", connections_json(varpd));
}
