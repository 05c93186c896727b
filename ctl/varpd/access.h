/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may command varpd, and what of it he may see. Called for every connection and request by the
 * control socket and the text sockets. Pure but for reading the user database when the
 * configuration is read.
 *
 *   administrators     root, the user whom varpd runs as, and the group of that user's name: all
 *   grp-mgr-allow,     users and @groups who may give any command on that text socket
 *   grp-clt-allow
 *   [supernet] owner   users and @groups who see and change that supernet
 *   certificates       role manager in a supernet, or in all: its commands on the text sockets
 */
#ifndef VARPD_ACCESS_H
#define VARPD_ACCESS_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <sys/types.h>

#include <varp/abi.h>

#include "command.h"
#include "error.h"
#include "peer.h"

#define ACCESS_LIST_LEN	192	/* "alice, @team" */

struct access;
struct varpd_config;

/*
 * user: whom varpd runs as. Names that nobody has are logged and mean nobody. NULL: out of memory.
 */
struct access *access_new(const struct varpd_config *config, uid_t user);
void access_free(struct access *access);

/* Is it "user, @group, ..." at all? For the configuration. 0 or -EINVAL with error. */
int access_list_check(const char *text, struct varpd_error *error);

bool access_is_admin(const struct access *access, const struct peer *peer);
/* Administrators and owners */
bool access_owns(const struct access *access, const struct peer *peer,
		 const struct varp_snid *snid);
bool access_owns_any(const struct access *access, const struct peer *peer);

/*
 * Walks the supernets he owns: the one after *snid, or with `first` the first. False: no more.
 */
bool access_next_owned(const struct access *access, const struct peer *peer, bool first,
		       struct varp_snid *snid);

/* A text socket: may he connect, and give this command? */
bool access_may_connect(const struct access *access, const struct peer *peer,
			enum varp_command_source source);
bool access_may_command(const struct access *access, const struct peer *peer,
			enum varp_command_source source, const struct varp_command *command);
/*
 * The same for who comes from elsewhere over TLS, with a certificate that was verified: a manager
 * commands the supernets that it names, on either socket.
 */
bool access_manager_may_connect(X509 *cert);
bool access_manager_may_command(X509 *cert, const struct varp_command *command);
/* Is anybody but administrators permitted there? */
bool access_is_delegated(const struct access *access, enum varp_command_source source);
/* The administrators' group; -1: there is none. */
gid_t access_group(const struct access *access);

#endif
