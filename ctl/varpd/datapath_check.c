// SPDX-License-Identifier: BSD-2-Clause
/*
 * Are the pins still there? Somebody may have removed them under a running varpd. With those of
 * links the kernel has taken the programs off their interfaces; without those of maps there is
 * nothing for the next varpd to take over. Called for `varpctl status`; changes nothing.
 */
#include "datapath_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static bool is_gone(const struct datapath *dp, const char *name)
{
	return faccessat(dp->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
}

#define WHAT_TO_DO "leave and detach what is here, restart varpd, attach and join again"

void datapath_each_problem(const struct datapath *dp, void (*tell)(const char *text, void *ctx),
			   void *ctx)
{
	const struct dp_underlay *underlay;
	const char *name, *first = NULL;
	struct varpd_error text;

	for (unsigned int i = 0; !first && (name = dp_pinned_name(i)); i++)
		if (is_gone(dp, name))
			first = name;
	DL_FOREACH(dp->underlays, underlay)
		if (dp_underlay_present(underlay) &&
		    dp_hook_unpinned(dp, DP_HOOK_DECAP, underlay->key, underlay->record.attach)) {
			varpd_fail(&text, 0,
				   "nothing is forwarded over %s: somebody has removed the pin of its program "
				   "in %s, which took it off; " WHAT_TO_DO, underlay->record.name, dp->dir);
			tell(text.text, ctx);
		}
	if (!first)
		return;
	varpd_fail(&text, 0,
		   "somebody has removed pinned maps (%s first of all) from %s: once it is restarted, "
		   "varpd will not know its nodes any more; " WHAT_TO_DO, first, dp->dir);
	tell(text.text, ctx);
}
