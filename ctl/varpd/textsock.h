/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two text sockets: group manager (TCP 2500) and group client (TCP 2501). What a command looks
 * like is libvarp's command.h.
 */
#ifndef VARPD_TEXTSOCK_H
#define VARPD_TEXTSOCK_H

#include "varpd.h"

int textsock_open(struct textsock **out, struct varpd *varpd, struct varpd_error *error);
void textsock_close(struct textsock *textsock);
/* The rights were read again. */
void textsock_access_changed(struct textsock *textsock);
/* Credentials may have changed: looks, and closes what came with certificates that do not hold. */
void textsock_credentials_changed(struct textsock *textsock);
/* How many connections are open now on the manager's and the client's socket. */
void textsock_count(const struct textsock *textsock, unsigned int *manager, unsigned int *client);
/* Why the last changes were refused with ERR storage; empty: they were not. */
const char *textsock_storage_failure(const struct textsock *textsock);

#endif
