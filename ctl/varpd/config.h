/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What varpd is told by its command line and its configuration file. One table of keys serves the
 * file, the long options, --help and the manual page. Called by main.c; others only read struct
 * varpd_config.
 *
 * Precedence: built-in default, then the file, then the command line.
 */
#ifndef VARPD_CONFIG_H
#define VARPD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include <varp/abi.h>
#include "access.h"
#include "error.h"

/* Instance default; others: /etc/varp/varpd-NAME.conf */
#define CONFIG_FILE		"/etc/varp/varpd.conf"
#define CONFIG_PATH_LEN		256
#define CONFIG_NAME_LEN		64
#define CONFIG_INSTANCE_MAX	48	/* characters; it is part of socket and pin paths */
#define CONFIG_OVERRIDES_MAX	64

enum config_section {
	CONFIG_VARPD,
	CONFIG_UNDERLAY,	/* [underlay DEV] */
	CONFIG_NODE,		/* [node NAME] */
	CONFIG_CLIENT,		/* [client SNID] */
	CONFIG_SERVER,		/* [server SNID] */
	CONFIG_SUPERNET,	/* [supernet SNID] */
	CONFIG_SECTIONS,
};

/* How requests are answered, at underlays where that can be chosen. */
enum config_answers {
	CONFIG_ANSWERS_AUTO,
	CONFIG_ANSWERS_NATIVE,
	CONFIG_ANSWERS_GENERIC,
	CONFIG_ANSWERS_USERSPACE,
};

struct config_endpoint {
	struct sockaddr_storage addr;
	uint32_t len;		/* zero: do not listen */
};

/*
 * A section other than [varpd]: what is to be there once varpd runs. Fields that were not given are
 * zero.
 */
struct config_entry {
	enum config_section section;
	unsigned int line;		/* where it begins */
	/* Bit for each row of the key table: finds doubles and what is missing */
	uint64_t given;
	bool applied;			/* kept by apply.c, as is: */
	struct varpd_error problem;	/* why it is not; empty: it is, or was not tried yet */
	char name[CONFIG_NAME_LEN];	/* UNDERLAY: the device; NODE: for people */
	char dev[VARP_IFNAME_LEN];
	char netns[VARP_NETNS_LEN];
	struct varp_snid snid;
	struct varp_chid chid;
	struct varp_addr vaddr;
	uint32_t plen;			/* of vaddr, in its own family */
	struct varp_addr raddr;
	struct varp_addr server;
	int32_t ttl_s;			/* SERVER */
	char owner[ACCESS_LIST_LEN];	/* SUPERNET: users and @groups */
};

struct varpd_config {
	char instance[CONFIG_INSTANCE_MAX + 1];
	char file[CONFIG_PATH_LEN];
	bool file_given;		/* by -c: then it must exist */
	bool file_read;			/* there is one */
	char netns[VARP_NETNS_LEN];
	char state_dir[CONFIG_PATH_LEN];
	char user[CONFIG_NAME_LEN];	/* whom it runs as once it has started */
	bool insecure;
	char credentials[CONFIG_PATH_LEN];	/* directory */
	uint32_t credentials_check_s;
	uint32_t session_lifetime_s;
	uint32_t channel_epoch_s;	/* of channels whose keys this server hands out */
	uint32_t varp_port;
	uint32_t key_port;
	struct config_endpoint grp_mgr_listen;
	struct config_endpoint grp_clt_listen;
	/* Users and @groups who may give any command there; see access.h */
	char grp_mgr_allow[ACCESS_LIST_LEN];
	char grp_clt_allow[ACCESS_LIST_LEN];
	uint32_t max_connections;	/* of each text socket */
	uint32_t negative_ttl_s;
	bool merge;
	bool source_check;
	uint32_t cache_max;
	uint32_t pending_max;
	uint32_t pending_per_supernet;
	uint32_t held_bytes;
	uint32_t ring_bytes;
	uint32_t log_level;		/* enum varpd_log_level */
	uint32_t answers;		/* enum config_answers */
	uint32_t answers_max;
	uint64_t given;			/* as in config_entry, for [varpd] */
	struct config_entry *entries;
	unsigned int entry_count;
};

/* Settings of the command line, kept because they win again at each reload. */
struct config_overrides {
	char instance[CONFIG_INSTANCE_MAX + 1];
	const char *file;		/* -c, NULL: the default one */
	unsigned int count;
	struct {
		const char *key, *value;
	} set[CONFIG_OVERRIDES_MAX];
};

/*
 * Builds the whole configuration. Complaints are logged, each as one line "FILE:LINE: what is
 * wrong". 0, or -errno with *out freed.
 */
int config_load(struct varpd_config *out, const struct config_overrides *overrides);
void config_free(struct varpd_config *config);

const char *config_section_name(enum config_section section);

/* Instance names are limited to what may stand in paths, pins and unit names. */
int config_check_instance(const char *name, struct varpd_error *error);

/*
 * Takes over from `from` what a running daemon can change. Names of keys that differ but need a
 * restart go to `restart`, comma separated. Entries move from `from` to `to`.
 */
void config_reload(struct varpd_config *to, struct varpd_config *from, char *restart,
		   size_t restart_len);

/* For option parsing and help: rows of [varpd]. NULL past the end. */
struct config_option {
	const char *name, *argument, *def, *help;
};
const struct config_option *config_option(unsigned int index, struct config_option *option);
/* Every key of every section, tab-separated, for the manual page */
void config_print_keys(FILE *out);

/* "10.0.0.1:2500", "[::1]:2500" or "none". out holds at least 64 octets. */
char *config_endpoint_format(const struct config_endpoint *endpoint, char *out, size_t len);

#endif
