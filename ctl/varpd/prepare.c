// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpd --prepare: what root does before a varpd that is started as its own user, by systemd say.
 * One that is started by root does the same by itself, see varpd.c. Called by main.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answer_shared.h"
#include "log.h"
#include "varpd.h"

static int prepare(const struct varpd_config *config, struct varpd_error *error)
{
	struct privileges privileges;
	struct stat st;
	int err;

	if (geteuid())
		return varpd_fail(error, -EPERM, "--prepare is for root, before varpd is started as "
				  "user %s", config->user);
	privileges_find(config->user, &privileges);
	if (privileges.missing)
		return varpd_fail(error, -ENOENT, "there is no user %s: `useradd --system %s` makes "
				  "it, or set `user` in %s", config->user, config->user,
				  config->file);
	err = datapath_prepare(config->instance, privileges.uid, privileges.gid, error);
	if (!err && !stat(config->state_dir, &st))
		err = privileges_give(&privileges, config->state_dir, error);
	/* With answers by varpd alone nobody can do that later. */
	if (!err && config->answers == CONFIG_ANSWERS_USERSPACE)
		answer_shared_sweep(config->instance, -1);
	if (!err)
		privileges_share(&privileges, config->credentials);
	return err;
}

int varpd_prepare(const struct varpd_config *config)
{
	struct varpd_error error = { "" };
	int err = prepare(config, &error);

	if (err)
		varpd_log(VARPD_LOG_ERROR, "%s", error.text);
	return err;
}
