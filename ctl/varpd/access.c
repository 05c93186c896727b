// SPDX-License-Identifier: BSD-2-Clause
/*
 * See access.h. Names become numbers once, when the configuration is read; what a request costs is
 * a look-up by supernet and a walk over a few numbers.
 */
#include "access.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "config.h"
#include "credentials.h"
#include "log.h"

#define LIST_MAX	(ACCESS_LIST_LEN / 2)

struct list {
	unsigned int count;
	struct member {
		bool group;
		uint32_t id;
	} members[LIST_MAX];
};

struct owned {
	struct varp_snid snid;
	struct list owners;
	UT_hash_handle hh;
};

struct access {
	uid_t user;
	bool has_group;
	gid_t group;
	bool open;		/* insecure: whoever comes from another host may command */
	struct list manager, client;
	struct owned *supernets;
};

/* --- Lists --- */

/* Cuts the next name off *text; NULL: there is none. */
static const char *next_name(const char **text, char *out, size_t len)
{
	const char *start = *text + strspn(*text, " \t,");
	size_t n = strcspn(start, " \t,");

	*text = start + n;
	if (!n)
		return NULL;
	snprintf(out, len, "%.*s", (int)n, start);
	return out;
}

int access_list_check(const char *text, struct varpd_error *error)
{
	char name[ACCESS_LIST_LEN];
	unsigned int count = 0;

	if (strlen(text) >= ACCESS_LIST_LEN)
		return varpd_fail(error, -EINVAL, "value is longer than %d characters",
				  ACCESS_LIST_LEN - 1);
	while (next_name(&text, name, sizeof(name))) {
		const char *bare = name + (*name == '@');

		count++;
		for (const char *c = bare; *c; c++)
			if (!isalnum((unsigned char)*c) && !strchr("._-$", *c))
				bare = "";
		if (!*bare)
			return varpd_fail(error, -EINVAL, "'%s' is neither USER nor @GROUP", name);
	}
	return count ? 0 : varpd_fail(error, -EINVAL, "nobody is named");
}

static void add_member(struct list *list, const char *name, const char *key)
{
	bool group = *name == '@', found;
	uint32_t id = 0;

	if (group) {
		const struct group *entry = getgrnam(name + 1);

		found = entry;
		id = entry ? entry->gr_gid : 0;
	} else {
		const struct passwd *entry = getpwnam(name);

		found = entry;
		id = entry ? entry->pw_uid : 0;
	}
	if (found && list->count < LIST_MAX)
		list->members[list->count++] = (struct member){ group, id };
	else
		varpd_log(VARPD_LOG_WARNING,
			  "%s: there is no %s %s, who is permitted nothing; once it is there, have "
			  "varpd read its configuration again", key, group ? "group" : "user",
			  name + group);
}

static void fill(struct list *list, const char *text, const char *key)
{
	char name[ACCESS_LIST_LEN];

	while (next_name(&text, name, sizeof(name)))
		add_member(list, name, key);
}

static bool is_in(const struct list *list, const struct peer *peer)
{
	for (unsigned int i = 0; i < list->count; i++) {
		const struct member *member = &list->members[i];

		if (member->group ? peer_in_group(peer, member->id) : peer->uid == member->id)
			return true;
	}
	return false;
}

/* --- Made from the configuration --- */

static int add_supernet(struct access *access, const struct config_entry *entry)
{
	struct owned *owned = calloc(1, sizeof(*owned));

	if (!owned)
		return -ENOMEM;
	owned->snid = entry->snid;
	fill(&owned->owners, entry->owner, "owner");
	HASH_ADD(hh, access->supernets, snid, sizeof(owned->snid), owned);
	return 0;
}

struct access *access_new(const struct varpd_config *config, uid_t user)
{
	struct access *access = calloc(1, sizeof(*access));
	const struct group *group = getgrnam(config->user);
	int err = 0;

	if (!access)
		return NULL;
	access->user = user;
	access->open = config->insecure;
	access->has_group = group;
	access->group = group ? group->gr_gid : 0;
	fill(&access->manager, config->grp_mgr_allow, "grp-mgr-allow");
	fill(&access->client, config->grp_clt_allow, "grp-clt-allow");
	for (unsigned int i = 0; !err && i < config->entry_count; i++)
		if (config->entries[i].section == CONFIG_SUPERNET)
			err = add_supernet(access, &config->entries[i]);
	if (!err)
		return access;
	access_free(access);
	return NULL;
}

void access_free(struct access *access)
{
	struct owned *owned, *next;

	if (!access)
		return;
	HASH_ITER(hh, access->supernets, owned, next) {
		HASH_DEL(access->supernets, owned);
		free(owned);
	}
	free(access);
}

/* --- Questions --- */

bool access_is_admin(const struct access *access, const struct peer *peer)
{
	if (!peer->known)
		return false;
	return !peer->uid || peer->uid == access->user ||
	       (access->has_group && peer_in_group(peer, access->group));
}

bool access_owns(const struct access *access, const struct peer *peer,
		 const struct varp_snid *snid)
{
	const struct owned *owned;

	if (access_is_admin(access, peer))
		return true;
	HASH_FIND(hh, access->supernets, snid, sizeof(*snid), owned);
	return peer->known && owned && is_in(&owned->owners, peer);
}

bool access_next_owned(const struct access *access, const struct peer *peer, bool first,
		       struct varp_snid *snid)
{
	const struct owned *owned = access->supernets;

	if (!first) {
		HASH_FIND(hh, access->supernets, snid, sizeof(*snid), owned);
		owned = owned ? owned->hh.next : NULL;
	}
	for (; owned; owned = owned->hh.next)
		if (peer->known && is_in(&owned->owners, peer)) {
			*snid = owned->snid;
			return true;
		}
	return false;
}

bool access_owns_any(const struct access *access, const struct peer *peer)
{
	struct varp_snid snid;

	return access_is_admin(access, peer) || access_next_owned(access, peer, true, &snid);
}

/* Whom the socket is open to, whatever supernet a command names. */
static bool may_all(const struct access *access, const struct peer *peer,
		    enum varp_command_source source)
{
	if (peer->remote)
		return access->open;
	return access_is_admin(access, peer) ||
	       (peer->known && is_in(source == VARP_COMMAND_FROM_MANAGER ? &access->manager
									 : &access->client, peer));
}

bool access_may_connect(const struct access *access, const struct peer *peer,
			enum varp_command_source source)
{
	return may_all(access, peer, source) || access_owns_any(access, peer);
}

bool access_may_command(const struct access *access, const struct peer *peer,
			enum varp_command_source source, const struct varp_command *command)
{
	if (may_all(access, peer, source))
		return true;
	/* It names no supernet and concerns all. */
	return command->type != VARP_COMMAND_INIT && access_owns(access, peer, &command->snid);
}

bool access_manager_may_connect(X509 *cert)
{
	return credentials_may_manage_any(cert);
}

bool access_manager_may_command(X509 *cert, const struct varp_command *command)
{
	bool all = command->type == VARP_COMMAND_INIT;

	return credentials_may_manage(cert, all ? NULL : &command->snid);
}

bool access_is_delegated(const struct access *access, enum varp_command_source source)
{
	const struct list *list =
		source == VARP_COMMAND_FROM_MANAGER ? &access->manager : &access->client;

	return list->count || access->supernets;
}

gid_t access_group(const struct access *access)
{
	return access->has_group ? access->group : (gid_t)-1;
}
