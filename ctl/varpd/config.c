// SPDX-License-Identifier: BSD-2-Clause
/*
 * The keys of the configuration: one row each, with type, limits, place in memory and help. Reading
 * the file is in config_file.c, which calls config_keys_set(); nothing here knows of files or of
 * the rest of the daemon.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/util.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "config_keys.h"
#include "log.h"

#define VARPD(field) offsetof(struct varpd_config, field), sizeof(((struct varpd_config *)0)->field)
#define ENTRY(field) offsetof(struct config_entry, field), sizeof(((struct config_entry *)0)->field)
#define MIB (1024u * 1024u)

const struct config_key config_keys[] = {
	{ CONFIG_VARPD, "netns", CONFIG_TEXT, 0, 0, VARPD(netns), 0, "NS", "",
	  "work in this network namespace: a name under /run/netns or a path" },
	{ CONFIG_VARPD, "state-dir", CONFIG_TEXT, 0, 0, VARPD(state_dir), 0, "DIR",
	  "/var/lib/varp/NAME", "where the server's mappings are kept" },
	{ CONFIG_VARPD, "user", CONFIG_TEXT, 0, 0, VARPD(user), 0, "USER", "varp",
	  "user whom varpd becomes once it has started" },
	{ CONFIG_VARPD, "insecure", CONFIG_BOOL, 0, 0, VARPD(insecure), 0, "", "no",
	  "accept and send unauthenticated VARP messages" },
	{ CONFIG_VARPD, "credentials", CONFIG_TEXT, 0, 0, VARPD(credentials), 0, "DIR",
	  "/etc/varp/pki", "certificates and pre-shared keys; see varpctl psk and pki" },
	{ CONFIG_VARPD, "credentials-check", CONFIG_UINT, 1, 60, VARPD(credentials_check_s),
	  CONFIG_LIVE, "S", "15", "seconds between looks at what changed there" },
	{ CONFIG_VARPD, "session-lifetime", CONFIG_UINT, 10, 86400, VARPD(session_lifetime_s),
	  CONFIG_LIVE, "S", "3600", "seconds for which a key exchange with this server holds" },
	{ CONFIG_VARPD, "channel-epoch", CONFIG_UINT, 8, 30 * 86400, VARPD(channel_epoch_s),
	  CONFIG_LIVE, "S", "3600", "seconds for which a key holds that this server hands out for a channel" },
	{ CONFIG_VARPD, "varp-port", CONFIG_UINT, 1, 65535, VARPD(varp_port), 0, "PORT", "2500",
	  "UDP port of VARP messages, here and at servers" },
	{ CONFIG_VARPD, "key-port", CONFIG_UINT, 1, 65535, VARPD(key_port), 0, "PORT", "2502",
	  "TCP port of the key exchange, here and at servers" },
	{ CONFIG_VARPD, "grp-mgr-listen", CONFIG_ENDPOINT, 0, 0, VARPD(grp_mgr_listen), 0,
	  "ADDR:PORT", "127.0.0.1:2500", "group manager's text socket, or none" },
	{ CONFIG_VARPD, "grp-clt-listen", CONFIG_ENDPOINT, 0, 0, VARPD(grp_clt_listen), 0,
	  "ADDR:PORT", "127.0.0.1:2501", "group client's text socket, or none" },
	{ CONFIG_VARPD, "grp-mgr-allow", CONFIG_USERS, 0, 0, VARPD(grp_mgr_allow), CONFIG_LIVE,
	  "USERS", "", "users and @groups who may command there, beside root and varpd's own" },
	{ CONFIG_VARPD, "grp-clt-allow", CONFIG_USERS, 0, 0, VARPD(grp_clt_allow), CONFIG_LIVE,
	  "USERS", "", "the same for the group client's text socket" },
	{ CONFIG_VARPD, "max-connections", CONFIG_UINT, 1, 65536, VARPD(max_connections),
	  CONFIG_LIVE, "N", "4096", "connections to each text socket; beyond, the longest idle one is closed" },
	{ CONFIG_VARPD, "negative-ttl", CONFIG_UINT, 1, 3600, VARPD(negative_ttl_s),
	  CONFIG_LIVE, "S", "5",
	  "seconds for which a negative answer is cached" },
	{ CONFIG_VARPD, "merge", CONFIG_BOOL, 0, 0, VARPD(merge), 0, "YES|NO", "yes",
	  "merge TCP segments on receipt, by a VXLAN socket on Geneve's port" },
	{ CONFIG_VARPD, "source-check", CONFIG_BOOL, 0, 0, VARPD(source_check), 0, "YES|NO", "yes",
	  "take packets only from where their source lives" },
	{ CONFIG_VARPD, "cache-max", CONFIG_UINT, 1024, 16 * MIB, VARPD(cache_max), 0, "N", "65536",
	  "mappings that the cache holds" },
	{ CONFIG_VARPD, "pending-max", CONFIG_UINT, 64, 4 * MIB, VARPD(pending_max), 0, "N",
	  "65536", "open and negatively answered lookups of all supernets together" },
	{ CONFIG_VARPD, "pending-per-supernet", CONFIG_UINT, 16, 4 * MIB,
	  VARPD(pending_per_supernet), 0, "N", "8192", "open and negatively answered lookups of one supernet" },
	{ CONFIG_VARPD, "held-bytes", CONFIG_UINT, 65536, 1024 * MIB, VARPD(held_bytes), 0, "N",
	  "8388608", "octets of packets that wait for answers, for one supernet" },
	{ CONFIG_VARPD, "ring-bytes", CONFIG_UINT, 262144, 256 * MIB, VARPD(ring_bytes),
	  CONFIG_POWER_OF_TWO, "N", "4194304", "size of the ring buffer from the kernel, a power of two" },
	{ CONFIG_VARPD, "answers", CONFIG_HOW, 0, 0, VARPD(answers), 0, "HOW", "auto",
	  "who answers requests: auto, xdp-native, xdp-generic or userspace" },
	{ CONFIG_VARPD, "answers-max", CONFIG_UINT, 1024, 16 * MIB, VARPD(answers_max), 0, "N",
	  "131072", "mappings that XDP answers for; twice what is stored at start, if that is more" },
	{ CONFIG_VARPD, "log-level", CONFIG_LEVEL, 0, 0, VARPD(log_level), CONFIG_LIVE, "LEVEL",
	  "info", "error, warning, notice, info or debug" },

	{ CONFIG_NODE, "snid", CONFIG_SNID, 0, 0, ENTRY(snid), CONFIG_REQUIRED, "SNID", NULL,
	  "supernet to join" },
	{ CONFIG_NODE, "vaddr", CONFIG_PREFIX, 0, 0, ENTRY(vaddr), CONFIG_REQUIRED, "VADDR/LEN",
	  NULL, "address of this host in the supernet, and its network's length" },
	{ CONFIG_NODE, "server", CONFIG_ADDR, 0, 0, ENTRY(server), 0, "ADDR", NULL,
	  "VARP server of the supernet" },
	{ CONFIG_NODE, "channel", CONFIG_CHID, 0, 0, ENTRY(chid), 0, "CHID", NULL,
	  "channel of the supernet" },
	{ CONFIG_NODE, "dev", CONFIG_DEV, 0, 0, ENTRY(dev), 0, "DEV", NULL,
	  "name of the node device; the first free of sn0, sn1 ... if not given" },
	{ CONFIG_NODE, "netns", CONFIG_TEXT, 0, 0, ENTRY(netns), 0, "NS", NULL,
	  "network namespace of the node device" },
	{ CONFIG_NODE, "raddr", CONFIG_ADDR, 0, 0, ENTRY(raddr), 0, "ADDR", NULL,
	  "address of the underlay to be reached at" },
	{ CONFIG_CLIENT, "server", CONFIG_ADDR, 0, 0, ENTRY(server), CONFIG_REQUIRED, "ADDR", NULL,
	  "VARP server of the supernet" },
	{ CONFIG_SERVER, "ttl", CONFIG_TTL, 0, 0, ENTRY(ttl_s), 0, "S", NULL,
	  "default ttl of the supernet's mappings, 900 if not given" },
	{ CONFIG_SUPERNET, "owner", CONFIG_USERS, 0, 0, ENTRY(owner), CONFIG_REQUIRED, "USERS",
	  NULL, "users and @groups of this host who see and change it" },
};
const unsigned int config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);

static int set_bool(const char *value, bool *out, struct varpd_error *error)
{
	static const struct {
		const char *text;
		bool value;
	} words[] = {
		{ "yes", true }, { "true", true }, { "on", true }, { "1", true },
		{ "no", false }, { "false", false }, { "off", false }, { "0", false },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(value, words[i].text)) {
			*out = words[i].value;
			return 0;
		}
	return varpd_fail(error, -EINVAL, "'%s' is neither yes nor no", value);
}

static int set_uint(const struct config_key *key, const char *value, uint32_t *out,
		    struct varpd_error *error)
{
	unsigned long long number;

	if (!*value || strspn(value, "0123456789") != strlen(value) || strlen(value) > 12)
		return varpd_fail(error, -EINVAL, "'%s' is not a number", value);
	number = strtoull(value, NULL, 10);
	if (number < key->min || number > key->max)
		return varpd_fail(error, -EINVAL, "%s is not within %u to %u", value, key->min,
				  key->max);
	if ((key->flags & CONFIG_POWER_OF_TWO) && (number & (number - 1)))
		return varpd_fail(error, -EINVAL, "%s is not a power of two", value);
	*out = number;
	return 0;
}

static int set_endpoint(const char *value, struct config_endpoint *out, struct varpd_error *error)
{
	int len = sizeof(out->addr);
	uint16_t port;

	memset(out, 0, sizeof(*out));
	if (!strcmp(value, "none"))
		return 0;
	if (evutil_parse_sockaddr_port(value, (struct sockaddr *)&out->addr, &len))
		return varpd_fail(error, -EINVAL,
				  "'%s' is not ADDR:PORT (an IPv6 address stands in brackets)",
				  value);
	port = out->addr.ss_family == AF_INET ? ((struct sockaddr_in *)&out->addr)->sin_port
					      : ((struct sockaddr_in6 *)&out->addr)->sin6_port;
	if (!port)
		return varpd_fail(error, -EINVAL, "'%s' has no port", value);
	out->len = len;
	return 0;
}

static int set_text(const struct config_key *key, const char *value, char *out,
		    struct varpd_error *error)
{
	if (!*value)
		return varpd_fail(error, -EINVAL, "value is empty");
	if (strlen(value) >= key->size)
		return varpd_fail(error, -EINVAL, "value is longer than %zu characters",
				  key->size - 1);
	memset(out, 0, key->size);
	strcpy(out, value);
	return 0;
}

static int set_dev(const struct config_key *key, const char *value, char *out,
		   struct varpd_error *error)
{
	if (*value && strlen(value) < key->size && !varp_ifname_is_valid(value))
		return varpd_fail(error, -EINVAL, "'%s' cannot be the name of an interface", value);
	return set_text(key, value, out, error);
}

static int set_address(const struct config_key *key, const char *value, void *out,
		       struct varpd_error *error)
{
	struct config_entry *entry;

	if (key->type == CONFIG_ADDR) {
		if (varp_addr_parse(value, out) || varp_addr_is_zero(out))
			return varpd_fail(error, -EINVAL, "'%s' is not an IPv4 or IPv6 address",
					  value);
		return 0;
	}
	entry = (struct config_entry *)((char *)out - key->offset);
	if (!strchr(value, '/') || varp_prefix_parse(value, &entry->vaddr, &entry->plen) ||
	    !varp_addr_is_unicast(&entry->vaddr))
		return varpd_fail(error, -EINVAL, "'%s' is not VADDR/LEN", value);
	if (!varp_addr_is_host(&entry->vaddr, entry->plen))
		return varpd_fail(error, -EINVAL,
				  "'%s' is not a host's address: LEN is 0, or it is its network's "
				  "own or broadcast address",
				  value);
	return 0;
}

static int set_level(const char *value, uint32_t *out, struct varpd_error *error)
{
	enum varpd_log_level level;

	if (varpd_log_level_parse(value, &level))
		return varpd_fail(error, -EINVAL, "'%s' is not one of error, warning, notice, info, debug",
				  value);
	*out = level;
	return 0;
}

static int set_answers(const char *value, uint32_t *out, struct varpd_error *error)
{
	static const char *const words[] = {
		[CONFIG_ANSWERS_AUTO] = "auto",
		[CONFIG_ANSWERS_NATIVE] = "xdp-native",
		[CONFIG_ANSWERS_GENERIC] = "xdp-generic",
		[CONFIG_ANSWERS_USERSPACE] = "userspace",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(value, words[i])) {
			*out = i;
			return 0;
		}
	return varpd_fail(error, -EINVAL,
			  "'%s' is not one of auto, xdp-native, xdp-generic, userspace", value);
}

int config_keys_set(const struct config_key *key, void *object, const char *value,
		    struct varpd_error *error)
{
	void *out = (char *)object + key->offset;

	switch (key->type) {
	case CONFIG_BOOL:
		return set_bool(value, out, error);
	case CONFIG_UINT:
		return set_uint(key, value, out, error);
	case CONFIG_TEXT:
		return set_text(key, value, out, error);
	case CONFIG_DEV:
		return set_dev(key, value, out, error);
	case CONFIG_ENDPOINT:
		return set_endpoint(value, out, error);
	case CONFIG_LEVEL:
		return set_level(value, out, error);
	case CONFIG_HOW:
		return set_answers(value, out, error);
	case CONFIG_ADDR:
	case CONFIG_PREFIX:
		return set_address(key, value, out, error);
	case CONFIG_SNID:
		return varp_snid_parse(value, out)
			       ? varpd_fail(error, -EINVAL, "'%s' is not 0x and 1 to 20 hex digits",
					    value)
			       : 0;
	case CONFIG_CHID:
		return varp_chid_parse(value, out)
			       ? varpd_fail(error, -EINVAL, "'%s' is not 0x and 1 to 12 hex digits",
					    value)
			       : 0;
	case CONFIG_USERS:
		return access_list_check(value, error) ? -EINVAL : set_text(key, value, out, error);
	case CONFIG_TTL:
		return varp_ttl_parse(value, out)
			       ? varpd_fail(error, -EINVAL, "'%s' is not within %d to %d", value,
					    VARPDB_TTL_MIN, VARPDB_TTL_MAX)
			       : 0;
	}
	return -EINVAL;
}

const struct config_key *config_keys_find(enum config_section section, const char *name)
{
	for (unsigned int i = 0; i < config_key_count; i++)
		if (config_keys[i].section == section && !strcmp(config_keys[i].name, name))
			return &config_keys[i];
	return NULL;
}

void config_reload(struct varpd_config *to, struct varpd_config *from, char *restart,
		   size_t restart_len)
{
	struct config_entry *entries = to->entries;

	restart[0] = '\0';
	for (unsigned int i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (key->section != CONFIG_VARPD ||
		    !memcmp((char *)to + key->offset, (char *)from + key->offset, key->size))
			continue;
		if (key->flags & CONFIG_LIVE) {
			memcpy((char *)to + key->offset, (char *)from + key->offset, key->size);
		} else {
			size_t used = strlen(restart);

			snprintf(restart + used, restart_len - used, "%s%s", used ? ", " : "",
				 key->name);
		}
	}
	to->entries = from->entries;
	to->entry_count = from->entry_count;
	from->entries = entries;
	from->entry_count = 0;
}

const struct config_option *config_option(unsigned int index, struct config_option *option)
{
	const struct config_key *key = &config_keys[index];

	if (index >= config_key_count || key->section != CONFIG_VARPD)
		return NULL;
	*option = (struct config_option){ key->name, key->argument, key->def, key->help };
	return option;
}

void config_print_keys(FILE *out)
{
	for (unsigned int i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		fprintf(out, "%s\t%s\t%s\t%s\t%s\n", config_section_name(key->section), key->name,
			key->type == CONFIG_BOOL ? "yes|no" : key->argument,
			key->def ? key->def : "", key->help);
	}
}

char *config_endpoint_format(const struct config_endpoint *endpoint, char *out, size_t len)
{
	const struct sockaddr_in6 *in6 = (const void *)&endpoint->addr;
	const struct sockaddr_in *in = (const void *)&endpoint->addr;
	char host[INET6_ADDRSTRLEN] = "";

	if (!endpoint->len) {
		snprintf(out, len, "none");
	} else if (endpoint->addr.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(out, len, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(out, len, "%s:%u", host, ntohs(in->sin_port));
	}
	return out;
}
