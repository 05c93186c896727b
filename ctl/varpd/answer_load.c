// SPDX-License-Identifier: BSD-2-Clause
/*
 * The object of the program that answers: settings in, the datapath's maps shared, counters and
 * sessions. The only includer of its skeleton in the daemon.
 */
#include "answer_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.skel.h"
#include "auth.h"
#include "log.h"

#define SIZE_MAX_MAPPINGS	(1u << 25)

/* As configured, or for twice what is stored: a map cannot grow later. */
static uint32_t size(const struct answer *answer)
{
	size_t stored = varp_table_count(varp_engine_table(answer->varpd->engine), NULL);
	uint32_t size = answer->varpd->config.answers_max;

	while (size < 2 * stored && size < SIZE_MAX_MAPPINGS)
		size *= 2;
	return size;
}

static int prepare(struct answer *answer)
{
	struct answer_bpf *skel = answer->skel;
	struct datapath_shared shared;
	int err;

	datapath_share(answer->varpd->datapath, &shared);
	skel->rodata->varp_port = answer->varpd->config.varp_port;
	skel->rodata->insecure = answer->varpd->config.insecure;
	snprintf((char *)skel->rodata_varp_id->varp_id, VARP_ANSWER_ID_LEN, "%s",
		 answer->varpd->config.instance);
	err = bpf_map__set_max_entries(skel->maps.varp_answers, size(answer));
	if (!err)
		err = bpf_map__reuse_fd(skel->maps.varp_raddrs, shared.raddrs);
	return err ? err : bpf_map__reuse_fd(skel->maps.varp_stats, shared.stats);
}

void answer_load(struct answer *answer)
{
	int err;

	answer->cpus = libbpf_num_possible_cpus();
	answer->skel = answer_bpf__open();
	err = answer->skel ? prepare(answer) : -errno;
	if (!err)
		err = answer_bpf__load(answer->skel);
	if (!err)
		return;
	answer_unload(answer);
	snprintf(answer->why_not, sizeof(answer->why_not),
		 "the kernel refused it: %s", strerror(-err));
	varpd_log(VARPD_LOG_WARNING,
		  "the kernel refused the program that answers, so varpd does (log-level debug "
		  "shows why): %s", strerror(-err));
}

void answer_unload(struct answer *answer)
{
	answer_bpf__destroy(answer->skel);
	answer->skel = NULL;
}

int answer_fd_served(const struct answer *answer)
{
	return bpf_map__fd(answer->skel->maps.varp_served);
}

int answer_fd_answers(const struct answer *answer)
{
	return bpf_map__fd(answer->skel->maps.varp_answers);
}

int answer_fd_devs(const struct answer *answer)
{
	return bpf_map__fd(answer->skel->maps.varp_answer_devs);
}

int answer_fd_program(const struct answer *answer)
{
	return bpf_program__fd(answer->skel->progs.varp_answer);
}

void answer_stats(const struct answer *answer, struct answer_stats *out)
{
	struct varp_answer_stats *cpus;
	uint32_t zero = 0;

	*out = (struct answer_stats){ 0 };
	if (!answer || !answer->skel)
		return;
	cpus = calloc((size_t)answer->cpus, sizeof(*cpus));
	if (!cpus || bpf_map_lookup_elem(bpf_map__fd(answer->skel->maps.varp_answer_stats), &zero,
					 cpus))
		goto free_cpus;
	for (int i = 0; i < answer->cpus; i++) {
		out->replies += cpus[i].replies;
		out->nak_notknown += cpus[i].nak_notknown;
	}
free_cpus:
	free(cpus);
}

/* --- Sessions --- */

int answer_session_add(struct answer *answer, const struct varp_session *session)
{
	struct varp_session_keys keys = {
		.snid = session->snid,
		.client = session->client,
		.server = session->server,
		.ends_ns = session->ends_ns,
	};
	uint64_t id = htobe64(session->id);
	int err;

	if (!answer || !answer->skel)
		return 0;
	_Static_assert(sizeof(keys.key_request) == sizeof(session->key_request) &&
		       sizeof(keys.key_answer) == sizeof(session->key_answer), "one length");
	memcpy(keys.key_request, session->key_request, sizeof(keys.key_request));
	memcpy(keys.key_answer, session->key_answer, sizeof(keys.key_answer));
	err = bpf_map_update_elem(bpf_map__fd(answer->skel->maps.varp_sessions), &id, &keys,
				  BPF_ANY) ? -errno : 0;
	explicit_bzero(&keys, sizeof(keys));
	return err;
}

void answer_session_remove(struct answer *answer, uint64_t session)
{
	uint64_t id = htobe64(session);

	if (answer && answer->skel)
		bpf_map_delete_elem(bpf_map__fd(answer->skel->maps.varp_sessions), &id);
}
