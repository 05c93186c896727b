// SPDX-License-Identifier: BSD-2-Clause
/*
 * Keeps the engine's clients and the pinned maps in step. See clients.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "addr.h"
#include "clients.h"
#include "keyx.h"
#include "log.h"

/* A supernet whose server was set by itself: it stays when the last node goes. */
struct client_kept {
	struct varp_snid snid;
	UT_hash_handle hh;
};

static struct client_kept *find_kept(struct varpd *varpd, const struct varp_snid *snid)
{
	struct client_kept *kept;

	HASH_FIND(hh, varpd->clients_kept, snid, sizeof(*snid), kept);
	return kept;
}

static int keep(struct varpd *varpd, const struct varp_snid *snid)
{
	struct client_kept *kept;

	if (find_kept(varpd, snid))
		return 0;
	kept = calloc(1, sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	kept->snid = *snid;
	HASH_ADD(hh, varpd->clients_kept, snid, sizeof(kept->snid), kept);
	return 0;
}

static void drop_kept(struct varpd *varpd, struct client_kept *kept)
{
	if (!kept)
		return;
	HASH_DEL(varpd->clients_kept, kept);
	free(kept);
}

void clients_stop(struct varpd *varpd)
{
	struct client_kept *kept, *next;

	HASH_ITER(hh, varpd->clients_kept, kept, next)
		drop_kept(varpd, kept);
}

static int set_server(struct varpd *varpd, const struct varp_snid *snid,
		      const struct varp_addr *server)
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

int clients_set(struct varpd *varpd, const struct varp_snid *snid, const struct varp_addr *server,
		enum clients_source source)
{
	struct varp_addr former;
	bool same = varp_engine_client_get(varpd->engine, snid, &former) &&
		    varp_addr_equal(&former, server);
	int err = set_server(varpd, snid, server);

	if (err)
		return err;
	if (source == CLIENTS_BY_ITSELF)
		return keep(varpd, snid);
	/* A join that names the server that is set already does not make it its own. */
	if (!same)
		drop_kept(varpd, find_kept(varpd, snid));
	return 0;
}

bool clients_by_join(struct varpd *varpd, const struct varp_snid *snid)
{
	return varp_engine_client_get(varpd->engine, snid, NULL) && !find_kept(varpd, snid);
}

void clients_left(struct varpd *varpd, const struct varp_snid *snid)
{
	if (!find_kept(varpd, snid))
		clients_clear(varpd, snid, NULL);
}

int clients_clear(struct varpd *varpd, const struct varp_snid *snid, const struct varp_addr *server)
{
	int err = varp_engine_client_clear(varpd->engine, varpd_now_ns(), snid, server);

	if (err)
		return err;
	keyx_forget(varpd->keyx, snid);
	drop_kept(varpd, find_kept(varpd, snid));
	return datapath_server_set(varpd->datapath, snid, NULL);
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
	if (!err && !datapath_has_supernet(varpd->datapath, &supernet->snid))
		err = keep(varpd, &supernet->snid);
	varp_snid_format(&supernet->snid, snid);
	varp_addr_format(&supernet->server, server);
	if (err == -EACCES)
		varpd_log(VARPD_LOG_ERROR,
			  "no credentials for supernet %s: its server %s is not asked; "
			  VARPD_HOW_CREDENTIALS,
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

	clients_stop(varpd);
	datapath_each_supernet(varpd->datapath, collect, &forget);
	for (unsigned int i = 0; i < forget.count; i++)
		datapath_server_set(varpd->datapath, &forget.snids[i], NULL);
}
