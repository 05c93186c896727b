/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server role's changes: what the group manager says goes to the store first, and to the
 * engine's table once it is safe there. So the table never holds what the disk does not. Called by
 * textsock.c and for the configuration's [server] sections.
 *
 *   mappings_begin, any number of mappings_stage, mappings_commit, and then mappings_apply for each
 *   that was staged with 0
 */
#ifndef VARPD_MAPPINGS_H
#define VARPD_MAPPINGS_H

#include "command.h"
#include "varpd.h"

/*
 * At start: the store's contents into the engine's table. A million mappings take as long as the
 * kernel takes to check the programs, so both are done at once: between begin and end a thread of
 * its own has the store, which nobody else may use. The engine has them from the end on; what went
 * wrong is told then.
 */
int mappings_load_begin(struct varpd *varpd, struct varpd_error *error);
int mappings_load_end(struct varpd *varpd, struct varpd_error *error);

/* Of the server's data; the client's commands are not */
bool mappings_is_change(const struct varp_command *command);
int mappings_begin(struct varpd *varpd, struct varpd_error *error);
/*
 * 0; -ENOENT, -EACCES and -E2BIG refuse this command only; anything else is a failure of the store, and the
 * transaction is lost.
 */
int mappings_stage(struct varpd *varpd, const struct varp_command *command,
		   struct varpd_error *error);
int mappings_commit(struct varpd *varpd, struct varpd_error *error);
void mappings_rollback(struct varpd *varpd);
int mappings_apply(struct varpd *varpd, const struct varp_command *command);	/* 0, -ENOMEM */
/* A hint: this will be applied shortly. */
void mappings_expect(struct varpd *varpd, const struct varp_command *command);

/* One change in a transaction of its own. */
int mappings_change(struct varpd *varpd, const struct varp_command *command,
		    struct varpd_error *error);

#endif
