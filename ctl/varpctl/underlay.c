// SPDX-License-Identifier: BSD-2-Clause
/* varpctl attach and detach: the datapath on an underlay interface. */
#include "ctl.h"
#include "print.h"

static enum control_status request(struct ctl *ctl, const char *command, const char *dev)
{
	enum control_status status;
	json_t *args = json_object(), *result;

	status = ctl_arg_device(ctl, dev, args);
	if (status) {
		json_decref(args);
		return status;
	}
	status = ctl_request(ctl, command, args, CTL_TIMEOUT_MS, &result);
	if (status)
		return status;
	if (ctl->json)
		ctl_json(ctl, result);
	else
		printf("%s %sed\n", dev, command);
	json_decref(result);
	return CONTROL_OK;
}

enum control_status ctl_attach(struct ctl *ctl, char **args, unsigned int count)
{
	(void)count;
	return request(ctl, "attach", args[0]);
}

enum control_status ctl_detach(struct ctl *ctl, char **args, unsigned int count)
{
	(void)count;
	return request(ctl, "detach", args[0]);
}
