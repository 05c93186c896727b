/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of configuration keys, shared by config.c (the keys) and config_file.c (the file). For
 * nobody else.
 */
#ifndef VARPD_CONFIG_KEYS_H
#define VARPD_CONFIG_KEYS_H

#include "config.h"

enum config_type {
	CONFIG_BOOL,		/* bool */
	CONFIG_UINT,		/* uint32_t within min..max */
	CONFIG_TEXT,		/* char[size] */
	CONFIG_DEV,		/* char[size], an interface's name */
	CONFIG_ENDPOINT,	/* struct config_endpoint */
	CONFIG_LEVEL,		/* uint32_t, enum varpd_log_level */
	CONFIG_HOW,		/* uint32_t, enum config_answers */
	CONFIG_SNID,		/* struct varp_snid */
	CONFIG_CHID,		/* struct varp_chid */
	CONFIG_ADDR,		/* struct varp_addr */
	CONFIG_PREFIX,		/* vaddr and plen of struct config_entry */
	CONFIG_TTL,		/* int32_t */
	CONFIG_USERS,		/* char[size], users and @groups */
};

enum config_flags {
	CONFIG_REQUIRED		= 1,
	CONFIG_LIVE		= 2,	/* a running daemon can change it */
	CONFIG_POWER_OF_TWO	= 4,
};

struct config_key {
	enum config_section section;
	const char *name;
	enum config_type type;
	uint32_t min, max;
	size_t offset, size;	/* within struct varpd_config or struct config_entry */
	unsigned int flags;
	const char *argument;	/* in help; empty: the option takes none */
	const char *def;	/* default, as text; NULL: none */
	const char *help;
};

extern const struct config_key config_keys[];
extern const unsigned int config_key_count;

const struct config_key *config_keys_find(enum config_section section, const char *name);
/* object: struct varpd_config or struct config_entry. 0 or -EINVAL with error. */
int config_keys_set(const struct config_key *key, void *object, const char *value,
		    struct varpd_error *error);

#endif
