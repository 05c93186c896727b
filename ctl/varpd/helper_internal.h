/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What helper.c (two processes and the messages between them) and helper_ops.c (what the privileged
 * one does) share. For nobody else but their test.
 */
#ifndef VARPD_HELPER_INTERNAL_H
#define VARPD_HELPER_INTERNAL_H

#include <stdint.h>

#include "helper.h"

#define HELPER_PATH_LEN	512

enum helper_what {
	HELPER_NETNS,
	HELPER_SOCKET,
	HELPER_FILE,
	HELPER_REMOVE_RUN_DIR,
	HELPER_REMOVE_PINS,
	HELPER_WHATS,
};

struct helper_request {
	uint32_t what;			/* enum helper_what */
	uint32_t arg;			/* SOCKET: enum helper_socket */
	char path[HELPER_PATH_LEN];	/* NETNS, FILE */
};

struct helper_answer {
	int32_t result;			/* 0 or -errno */
};

/* What the helper was told before it could be asked; requests cannot change it. */
struct helper_setup {
	const char *instance, *config_file, *credentials;
};

bool helper_makes_descriptor(const struct helper_request *request);
/* given: a descriptor that came with the request, or -1. A new descriptor, 0 or -errno. */
int helper_carry_out(const struct helper_setup *setup, const struct helper_request *request,
		     int given);

#endif
