// SPDX-License-Identifier: BSD-2-Clause
/*
 * Keeps the engine's clients and the pinned maps in step. See clients.h.
 */
#include <errno.h>
#include <string.h>

#include "addr.h"
#include "clients.h"
#include "log.h"

int clients_set(struct varpd *varpd, const struct varp_snid *snid, const struct varp_addr *server)
{
	uint64_t now_ns = varpd_now_ns();
	struct varp_addr former;
	bool had = varp_engine_client_get(varpd->engine, snid, &former);
	int err = varp_engine_client_set(varpd->engine, now_ns, snid, server);

	if (err)
		return err;
	err = datapath_server_set(varpd->datapath, snid, server);
	if (err && had)
		varp_engine_client_set(varpd->engine, now_ns, snid, &former);
	else if (err)
		varp_engine_client_clear(varpd->engine, now_ns, snid, NULL);
	return err;
}

int clients_clear(struct varpd *varpd, const struct varp_snid *snid, const struct varp_addr *server)
{
	int err = varp_engine_client_clear(varpd->engine, varpd_now_ns(), snid, server);

	return err ? err : datapath_server_set(varpd->datapath, snid, NULL);
}

static void adopt(const struct varp_supernet *supernet, void *ctx)
{
	char snid[VARP_SNID_TEXT], server[VARP_ADDR_TEXT];
	struct varpd *varpd = ctx;
	int err;

	if (!supernet->has_server)
		return;
	err = varp_engine_client_set(varpd->engine, varpd_now_ns(), &supernet->snid,
				     &supernet->server);
	varp_snid_format(&supernet->snid, snid);
	varp_addr_format(&supernet->server, server);
	if (err == -EACCES)
		varpd_log(VARPD_LOG_ERROR,
			  "no credentials for supernet %s: its server %s is not asked (or start "
			  "with --insecure)",
			  snid, server);
	else if (err)
		varpd_log(VARPD_LOG_ERROR, "supernet %s: cannot adopt its server %s: %s", snid,
			  server, strerror(-err));
}

void clients_adopt(struct varpd *varpd)
{
	datapath_each_supernet(varpd->datapath, adopt, varpd);
}

struct forget {
	struct varp_snid snids[VARP_MAX_SUPERNETS];
	unsigned int count;
};

static void collect(const struct varp_supernet *supernet, void *ctx)
{
	struct forget *forget = ctx;

	if (supernet->has_server && forget->count < VARP_MAX_SUPERNETS)
		forget->snids[forget->count++] = supernet->snid;
}

void clients_forget(struct varpd *varpd)
{
	struct forget forget = { .count = 0 };

	datapath_each_supernet(varpd->datapath, collect, &forget);
	for (unsigned int i = 0; i < forget.count; i++)
		datapath_server_set(varpd->datapath, &forget.snids[i], NULL);
}
