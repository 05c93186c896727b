/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the engine and the world: what the engine emits goes to the datapath, the network, those
 * who watch and the log; what the datapath reports goes to the engine.
 */
#ifndef VARPD_ACTIONS_H
#define VARPD_ACTIONS_H

#include "varpd.h"

int actions_new(struct actions **out, struct varpd *varpd);
void actions_free(struct actions *actions);

/* To be put into struct varp_engine_config, with struct actions as ctx. */
void actions_emit(void *ctx, const struct varp_action *action);
uint64_t actions_random(void *ctx);
bool actions_credentials(void *ctx, const struct varp_snid *snid);
/* To be put into struct datapath_ops, likewise. */
void actions_miss(void *ctx, const struct varp_key *key, const struct varp_addr *asker);
void actions_age(void *ctx, const struct varp_key *key, const struct varp_mapping *mapping);
void actions_changed(void *ctx, const char *event, const char *dev, const struct varp_key *node);

#endif
