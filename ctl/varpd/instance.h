/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What varpd needs of the system around it before its parts start: its namespace, its run directory
 * with the lock, descriptors.
 */
#ifndef VARPD_INSTANCE_H
#define VARPD_INSTANCE_H

#include <sys/types.h>

#include "error.h"

/*
 * Name under /run/netns, or path. /sys and the bpffs stay the caller's, which `ip netns exec` would
 * hide.
 */
int instance_enter_netns(const char *netns, struct varpd_error *error);
/*
 * Makes /run/varp/INSTANCE and takes its lock; *lock is the descriptor that holds it. -EBUSY:
 * another varpd runs.
 */
int instance_lock(const char *instance, int *lock, struct varpd_error *error);
void instance_unlock(const char *instance, int lock);	/* and leaves nothing below /run/varp */
/* What is empty of them; also called by the helper process. */
void instance_remove_dirs(const char *instance);
/* A unix socket at this path, in the place of what is there: the instance's lock is the caller's. */
int instance_bind(const char *path, mode_t mode, struct varpd_error *error);
void instance_raise_limits(void);

#endif
