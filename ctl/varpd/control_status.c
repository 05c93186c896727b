// SPDX-License-Identifier: BSD-2-Clause
/*
 * status: what is there and what is wrong with it, for a tired person at night. Warnings say what
 * to do.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "answer.h"
#include "apply.h"
#include "clients.h"
#include "control_internal.h"
#include "helper.h"
#include "keyx.h"
#include "net.h"
#include "nodes.h"
#include "store.h"
#include "textsock.h"

struct status {
	const struct control_conn *conn;
	struct varpd *varpd;
	json_t *underlays, *nodes, *clients, *servers, *warnings;
	size_t mappings;		/* of the supernets that are shown */
	unsigned int unserved;		/* supernets with mappings; the first of them: */
	struct varp_snid unserved_snid;
	size_t unserved_mappings;
};

static const char *const attach_names[] = {
	[VARP_ATTACH_NONE]	= "none",
	[VARP_ATTACH_TCX]	= "tcx",
	[VARP_ATTACH_CLSACT]	= "clsact",
};

static const char *attach_name(uint32_t attach)
{
	return attach <= VARP_ATTACH_CLSACT ? attach_names[attach] : "unknown";
}

__attribute__((format(printf, 2, 3)))
static void warn(struct status *status, const char *format, ...)
{
	char text[800];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(status->warnings, json_string(text));
}

#define IP_COMMAND_LEN	(VARP_NETNS_LEN + 32)

/* How to call ip(8) for a network namespace; empty: the daemon's. */
static const char *ip_command(const struct status *status, const char *netns,
			      char out[IP_COMMAND_LEN])
{
	if (!*netns)
		netns = status->varpd->config.netns;
	if (!*netns)
		snprintf(out, IP_COMMAND_LEN, "ip");
	else if (strchr(netns, '/'))
		snprintf(out, IP_COMMAND_LEN, "nsenter --net=%s ip", netns);
	else
		snprintf(out, IP_COMMAND_LEN, "ip -n %s", netns);
	return out;
}

static void add_underlay(const struct datapath_underlay *underlay, void *ctx)
{
	const struct varp_underlay *record = &underlay->record;
	struct status *status = ctx;
	char ip[IP_COMMAND_LEN];
	bool shared;
	const char *why, *how = answer_how(status->varpd->answer, underlay->ifindex, &shared, &why);

	json_array_append_new(status->underlays,
			      json_pack("{s:s, s:i, s:b, s:i, s:o, s:o, s:s, s:s, s:b, s:s?}",
					"dev", record->name,
					"ifindex", (int)underlay->ifindex,
					"up", record->up,
					"mtu", (int)record->mtu,
					"raddr4", control_json_addr(&record->raddr4),
					"raddr6", control_json_addr(&record->raddr6),
					"attached_by", attach_name(record->attach),
					"answers", how,
					"answers_shared", shared,
					"answers_why", *why ? why : NULL));
	if (!underlay->ifindex) {
		warn(status,
		     "underlay %s has gone, nothing is sent over it: `varpctl detach %s` forgets "
		     "it, unless an interface of that name comes back",
		     record->name, record->name);
		return;
	}
	if (!record->up)
		warn(status,
		     "underlay %s is down, nothing is sent over it: `%s link set %s up`, or see to "
		     "its cable",
		     record->name, ip_command(status, "", ip), record->name);
	if (varp_addr_is_zero(&record->raddr4) && varp_addr_is_zero(&record->raddr6))
		warn(status,
		     "underlay %s has no address, nothing is sent over it: "
		     "`%s address add ADDR/LEN dev %s`",
		     record->name, ip_command(status, "", ip), record->name);
}

/* What somebody may have done to the device since it was made. */
static void warn_device(struct status *status, const struct datapath_node *node, const char *vaddr,
			const char *snid)
{
	char ip[IP_COMMAND_LEN];

	/* Nothing of it is seen then, which is no sign that it is down. */
	if (*node->netns && helper_ended())
		return;
	ip_command(status, node->netns, ip);
	if (node->too_narrow)
		warn(status,
		     "node %s of %s: its underlay's MTU is too small for IPv6 in a supernet (1280 "
		     "octets inside); raise it",
		     vaddr, snid);
	else if (!node->up)
		warn(status, "node %s of %s: its device is down: `%s link set %s up`", vaddr, snid,
		     ip, node->dev);
	else if (!node->has_address)
		warn(status,
		     "node %s of %s: its device has not this address any more: "
		     "`%s address add %s/%u dev %s`, or `varpctl leave %s %s`",
		     vaddr, snid, ip, vaddr, node->plen, node->dev, snid, vaddr);
}

static void add_node(const struct datapath_node *node, void *ctx)
{
	struct status *status = ctx;
	struct varpd *varpd = status->varpd;
	char snid[VARP_SNID_TEXT], vaddr[VARP_ADDR_TEXT], text[VARP_ADDR_TEXT];
	struct varp_addr server;

	if (!control_sees(status->conn, &node->key.snid))
		return;
	json_array_append_new(status->nodes, control_json_node(node));
	varp_snid_format(&node->key.snid, snid);
	varp_addr_format(&node->key.vaddr, vaddr);
	warn_device(status, node, vaddr, snid);
	if (!*node->underlay)
		warn(status,
		     "node %s of %s has no underlay, nothing is sent from it: %s`varpctl attach IFACE`",
		     vaddr, snid,
		     json_array_size(status->underlays)
			     ? "see that one has an address, the node's raddr where it has one, or "
			     : "");
	if (!varpd_may_speak(varpd, &node->key.snid))
		warn(status,
		     "node %s of %s: no credentials, lookups are answered as not known: "
		     VARPD_HOW_CREDENTIALS,
		     vaddr, snid);
	else if (varp_engine_client_get(varpd->engine, &node->key.snid, &server) &&
		 nodes_hide(status->varpd, node, &server))
		warn(status, NODES_HIDDEN, varp_addr_format(&server, text), vaddr, node->plen);
	else if (!varp_engine_client_get(varpd->engine, &node->key.snid, NULL) &&
		 !varp_table_serves(varp_engine_table(varpd->engine), &node->key.snid, NULL))
		warn(status,
		     "node %s of %s: no VARP server is known, lookups are answered as not known: "
		     "name one with varpd_client_set on the group client's socket, or leave and "
		     "join again with server ADDR",
		     vaddr, snid);
}

static void add_problem(const char *text, void *ctx)
{
	warn(ctx, "%s", text);
}

/* HH:MM:SS of a time that is gone, of the clock of deadlines. */
static void time_of_day(uint64_t ns, char *out, size_t len)
{
	time_t seconds = time(NULL) - (time_t)((varpd_now_ns() - ns) / VARPD_NS_PER_S);
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(out, len, "%H:%M:%S", &tm);
}

static void warn_server(struct status *status, const struct varp_snid *snid_value,
			const struct varp_addr *addr)
{
	char snid[VARP_SNID_TEXT], server[VARP_ADDR_TEXT], since[16];
	const struct varpd *varpd = status->varpd;
	const char *no_session = keyx_client_error(varpd->keyx, snid_value);
	int err = net_send_error(varpd->net, addr);
	enum varp_server_health health;
	uint64_t since_ns;

	/* Nobody else is asked. */
	if (varp_table_serves(varp_engine_table(varpd->engine), snid_value, NULL))
		return;
	health = varp_engine_client_health(varpd->engine, snid_value, &since_ns);
	varp_snid_format(snid_value, snid);
	varp_addr_format(addr, server);
	if (no_session) {
		warn(status, "server %s of supernet %s: no new session: %s", server, snid, no_session);
	} else if (err) {
		warn(status, "server %s of supernet %s: requests cannot be sent: %s", server, snid,
		     strerror(err));
	} else if (health == VARP_SERVER_SILENT) {
		time_of_day(since_ns, since, sizeof(since));
		warn(status,
		     "server %s of supernet %s has not answered since %s: is varpd running there, "
		     "is UDP %u open?",
		     server, snid, since, varpd->config.varp_port);
	} else if (health == VARP_SERVER_NOAUTHORITY) {
		warn(status,
		     "server %s says it does not serve supernet %s: name the right one with "
		     "varpd_client_set, or have it serve with varpd_server_set",
		     server, snid);
	}
}

static bool add_client(const struct varp_snid *snid, const struct varp_addr *server, void *ctx)
{
	struct status *status = ctx;
	char text[VARP_SNID_TEXT];
	json_t *client;

	if (!control_sees(status->conn, snid))
		return true;
	client = json_pack("{s:o, s:o}",
			   "snid", control_json_snid(snid),
			   "server", control_json_addr(server));
	if (clients_by_join(status->varpd, snid) &&
	    !datapath_has_supernet(status->varpd->datapath, snid))
		warn(status,
		     "supernet %s has the server of a join, but no node here any more: was its device "
		     "deleted by hand? Join again, or `varpctl leave %s` forgets the server",
		     varp_snid_format(snid, text), text);
	json_object_update_new(client, keyx_client_json(status->varpd->keyx, snid));
	json_array_append_new(status->clients, client);
	warn_server(status, snid, server);
	return true;
}

static bool add_server(const struct varp_snid *snid, int32_t ttl_s, size_t mappings, void *ctx)
{
	struct status *status = ctx;
	char text[VARP_SNID_TEXT];
	json_t *server;

	if (!control_sees(status->conn, snid))
		return true;
	status->mappings += mappings;
	server = json_pack("{s:o, s:i, s:I, s:s}",
			   "snid", control_json_snid(snid),
			   "ttl_s", (int)ttl_s,
			   "mappings", (json_int_t)mappings,
			   "answers", answer_has(status->varpd->answer, snid) ? "xdp" : "userspace");
	json_object_update_new(server, keyx_server_json(status->varpd->keyx, snid));
	json_array_append_new(status->servers, server);
	if (keyx_server_lacks_role(status->varpd->keyx, snid))
		warn(status,
		     "supernet %s is served here, but this host's certificate does not permit it, so "
		     "clients will refuse: issue one with `server %s`",
		     varp_snid_format(snid, text), text);
	return true;
}

static bool add_unserved(const struct varp_snid *snid, size_t mappings, void *ctx)
{
	struct status *status = ctx;

	if (!control_sees(status->conn, snid))
		return true;
	if (!status->unserved++) {
		status->unserved_snid = *snid;
		status->unserved_mappings = mappings;
	}
	return true;
}

/* varpd_add is right before varpd_server_set, and answered OK; one that is forgotten shows here. */
static void warn_unserved(struct status *status)
{
	char snid[VARP_SNID_TEXT], more[48] = "";

	varp_table_each_unserved(varp_engine_table(status->varpd->engine), add_unserved, status);
	if (!status->unserved)
		return;
	if (status->unserved > 1)
		snprintf(more, sizeof(more), " (so are %u more supernets)", status->unserved - 1);
	varp_snid_format(&status->unserved_snid, snid);
	warn(status,
	     "supernet %s has %zu mapping%s here and is not served%s, so nobody is told them: "
	     "varpd_server_set %s serves it, varpd_remove takes them away",
	     snid, status->unserved_mappings, status->unserved_mappings == 1 ? "" : "s", more, snid);
}

/* Whose packets are dropped, in both directions. */
static void warn_channel(const struct varp_combo *combo, const struct varp_channel *channel, void *ctx)
{
	char snid[VARP_SNID_TEXT], chid[VARP_CHID_TEXT];
	uint64_t now_ns = varpd_now_ns();
	struct status *status = ctx;

	for (unsigned int i = 0; i < VARP_EPOCHS; i++)
		if (channel->epochs[i].ends_ns > now_ns)
			return;
	if (!control_sees(status->conn, &combo->snid))
		return;
	warn(status, "channel %s of supernet %s has no key that holds, so its packets are dropped: is its "
	     "server reached, and has it keys (varpd_channel_set)?",
	     varp_chid_format(&combo->chid, chid), varp_snid_format(&combo->snid, snid));
}

/* What the group manager says does not get to the disk, and so is refused. */
static void warn_storage(struct status *status)
{
	const char *failure = textsock_storage_failure(status->varpd->textsock);
	struct varpd_error error;

	if (store_check_place(status->varpd->store, &error))
		warn(status, "%s", error.text);
	else if (*failure)
		warn(status, "%s: the group manager's last commands were refused (ERR storage); see to the "
		     "disk and have them repeated", failure);
}

int control_do_status(struct control_conn *conn, struct control_args *args, json_t **result,
		      struct varpd_error *error)
{
	struct varpd *varpd = conn->varpd;
	const struct varpd_config *config = &varpd->config;
	uint64_t uptime_s = (varpd_now_ns() - varpd->started_ns) / VARPD_NS_PER_S;
	struct status status = {
		.conn = conn,
		.varpd = varpd,
		.underlays = json_array(),
		.nodes = json_array(),
		.clients = json_array(),
		.servers = json_array(),
		.warnings = json_array(),
	};

	(void)args;
	(void)error;
	datapath_each_underlay(varpd->datapath, add_underlay, &status);
	datapath_each_node(varpd->datapath, add_node, &status);
	if (control_is_admin(conn)) {
		if (helper_ended())
			warn(&status, HELPER_ENDED);
		warn_storage(&status);
		datapath_each_problem(varpd->datapath, add_problem, &status);
		apply_each_problem(varpd, add_problem, &status);
		keyx_each_problem(varpd->keyx, add_problem, &status);
	}
	varp_engine_each_client(varpd->engine, add_client, &status);
	datapath_each_channel(varpd->datapath, warn_channel, &status);
	varp_table_each_server(varp_engine_table(varpd->engine), add_server, &status);
	warn_unserved(&status);
	/* Also those of supernets that are not served any more. */
	if (control_is_admin(conn))
		status.mappings = varp_table_count(varp_engine_table(varpd->engine), NULL);
	*result = json_pack("{s:s, s:s, s:i, s:I, s:o, s:o, s:o, s:o, s:o}",
			    "version", VARP_RELEASE,
			    "instance", config->instance,
			    "pid", (int)getpid(),
			    "uptime_s", (json_int_t)uptime_s,
			    "underlays", status.underlays,
			    "nodes", status.nodes,
			    "clients", status.clients,
			    "servers", status.servers,
			    "warnings", status.warnings);
	json_object_update_missing_new(*result, control_settings_json(varpd, status.mappings));
	return CONTROL_OK;
}
