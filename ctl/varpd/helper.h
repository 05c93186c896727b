/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few things that varpd needs privileges for after it has given them away, done by a process of
 * its own that was forked before. Its requests are a closed list and each is checked there, as one
 * that may come from a varpd that somebody has taken over. Called by netlink.c, config_file.c and
 * whoever removes what varpd leaves in directories of root.
 */
#ifndef VARPD_HELPER_H
#define VARPD_HELPER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"

#define HELPER_SOCKET_DIR	"/run/varp-helper"
#define HELPER_ENDED		"varpd's helper process has ended, so that other network namespaces, and " \
				"files that root alone may read, are out of reach: restart varpd, which " \
				"ends nothing that is forwarded"

/* Sockets that can be asked for, in any network namespace. */
enum helper_socket {
	HELPER_SOCKET_ROUTE,	/* rtnetlink */
	HELPER_SOCKET_DEVICE,	/* for ioctls on devices */
	HELPER_SOCKETS,
};

/* What the helper is told before it can be asked; requests cannot change it. */
struct helper_setup {
	const char *instance, *config_file, *credentials;
	bool xdp;	/* it may load the program that answers */
};

/* Forks it. It ends when the caller ends. */
int helper_start(const struct helper_setup *setup, struct varpd_error *error);
void helper_stop(void);
/* It was started. */
bool helper_runs(void);
/* Has it ended before varpd? That is logged once; requests fail with -EPIPE from then on. */
bool helper_ended(void);
/* Readable once it has ended. */
int helper_descriptor(void);
/*
 * The helper as a service of its own, for a varpd that is not started by root: systemd hands over
 * the socket, HELPER_SOCKET_DIR/INSTANCE.sock, where varpd finds it. Serves one varpd and returns when
 * that has gone, so that the next one's helper is of its version and configuration.
 */
int helper_serve(const struct helper_setup *setup, struct varpd_error *error);

/* Each returns a descriptor, or -errno. */

/* A network namespace by its path; -EINVAL: what is there is none. */
int helper_open_netns(const char *path);
int helper_open_socket(int netns_fd, enum helper_socket kind);
/* The configuration file, or one in the directory of credentials, for reading. -EPERM: neither */
int helper_open_file(const char *path);
/* The same as fopen(path, "re"), by the helper where the caller may not. NULL and errno */
FILE *helper_fopen(const char *path);

/* What is empty of the instance below /run/varp; and its pins. 0 or -errno */
int helper_remove_run_dir(void);
int helper_remove_pins(void);

/*
 * The program that answers, among others' on an interface: see answer_shared.h, whose errors these
 * return. -EPERM: the helper was told that there is none.
 */
int helper_xdp_join(int netns_fd, int program_fd, uint32_t ifindex, bool generic);
int helper_xdp_leave(int netns_fd, uint32_t ifindex);
int helper_xdp_sweep(int netns_fd, int program_fd);

#endif
