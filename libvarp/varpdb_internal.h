/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What varpdb.c and varpdb_control.c share: one question to varpd over the process's connection.
 */
#ifndef LIBVARP_VARPDB_INTERNAL_H
#define LIBVARP_VARPDB_INTERNAL_H

#include <jansson.h>

#include <varp/varp.h>

/*
 * Asks and waits up to timeout_ms, connecting when needed, and once more when varpd was restarted
 * since the last question. Drops args in any case. 0 with the whole answer in *out; -ETIMEDOUT;
 * -EAGAIN: varpd has left too many questions unanswered to be asked another; what connecting fails
 * with; -ENOMEM.
 */
int varpdb_ask(const char *command, json_t *args, int timeout_ms, json_t **out);

/* 0 or -EINVAL. text may be NULL. */
int varpdb_addr_from_json(const json_t *text, struct in6_addr *addr);
/* A new {"snid", "vaddr"}; NULL when out of memory. */
json_t *varpdb_vnode_to_json(const vnode_t *vnode);

#endif
