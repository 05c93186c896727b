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
#define HELPER_GIVEN_MAX	2

enum helper_what {
	HELPER_NETNS,
	HELPER_SOCKET,
	HELPER_FILE,
	HELPER_REMOVE_RUN_DIR,
	HELPER_REMOVE_PINS,
	HELPER_XDP_JOIN,
	HELPER_XDP_LEAVE,
	HELPER_XDP_SWEEP,
	HELPER_WHATS,
};

struct helper_request {
	uint32_t what;			/* enum helper_what */
	uint32_t arg;			/* SOCKET: enum helper_socket; XDP_JOIN, _LEAVE: ifindex */
	uint32_t generic;		/* XDP_JOIN: 0 in the driver, 1 generic XDP */
	char path[HELPER_PATH_LEN];	/* NETNS, FILE */
};

struct helper_answer {
	int32_t result;			/* 0 or -errno */
};

bool helper_makes_descriptor(const struct helper_request *request);
/* given: descriptors that came with the request, or -1. A new descriptor, 0 or -errno. */
int helper_carry_out(const struct helper_setup *setup, const struct helper_request *request,
		     const int given[HELPER_GIVEN_MAX]);

#endif
