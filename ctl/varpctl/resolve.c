// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl resolve: one vaddr, looked up as the datapath would; the raddr alone on stdout, for
 * scripts.
 */
#include "ctl.h"
#include "print.h"

#define MARGIN_MS \
	2000 /* varpd says itself that the time is up; this is for a varpd that does not */

enum control_status ctl_resolve(struct ctl *ctl, char **words, unsigned int count)
{
	json_t *args = json_object(), *result;
	enum control_status status = ctl_arg_snid(ctl, words[0], args);

	(void)count;
	if (!status)
		status = ctl_arg_unicast(ctl, words[1], "vaddr", args);
	if (status) {
		json_decref(args);
		return status;
	}
	json_object_set_new(args, "timeout_ms", json_integer(ctl->timeout_ms));
	status = ctl_request(ctl, "resolve", args, ctl->timeout_ms + MARGIN_MS, &result);
	if (status)
		return status;
	if (ctl->json)
		ctl_json(ctl, result);
	else
		puts(ctl_text(result, "raddr", ""));
	json_decref(result);
	return CONTROL_OK;
}
