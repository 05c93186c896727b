// SPDX-License-Identifier: BSD-2-Clause
/*
 * Arguments of varpctl's commands: checked here, before varpd is asked, so that a slip of the
 * finger needs no daemon to be found. Each goes into the request in its printed form.
 */
#include <string.h>

#include "addr.h"
#include "ctl.h"

static enum control_status put(json_t *args, const char *key, const char *text)
{
	json_t *value = json_string(text);

	/* A name that is not UTF-8 cannot be said to varpd. */
	if (!value || json_object_set_new(args, key, value))
		return ctl_fail(CONTROL_USAGE, "%s is not readable text", key);
	return CONTROL_OK;
}

enum control_status ctl_arg_snid(const struct ctl *ctl, const char *text, json_t *args)
{
	struct varp_snid snid;
	char out[VARP_SNID_TEXT];

	if (varp_snid_parse(text, &snid))
		return ctl_usage(ctl,
				 "'%s' is not a supernet identifier (0x and 1 to 20 hex digits)",
				 text);
	return put(args, "snid", varp_snid_format(&snid, out));
}

enum control_status ctl_arg_channel(const struct ctl *ctl, const char *text, json_t *args)
{
	struct varp_chid chid;
	char out[VARP_CHID_TEXT];

	if (varp_chid_parse(text, &chid))
		return ctl_usage(ctl,
				 "'%s' is not a channel identifier (0x and 1 to 12 hex digits)",
				 text);
	return put(args, "channel", varp_chid_format(&chid, out));
}

enum control_status ctl_arg_unicast(const struct ctl *ctl, const char *text, const char *key,
				    json_t *args)
{
	struct varp_addr addr;
	char out[VARP_ADDR_TEXT];

	if (varp_addr_parse(text, &addr))
		return ctl_usage(ctl, "%s '%s' is not an IPv4 or IPv6 address", key, text);
	if (!varp_addr_is_unicast(&addr))
		return ctl_usage(ctl,
				 "%s %s is not the address of a host (it is unspecified, "
				 "loopback, multicast or broadcast)",
				 key, text);
	return put(args, key, varp_addr_format(&addr, out));
}

enum control_status ctl_arg_device(const struct ctl *ctl, const char *text, json_t *args)
{
	if (!varp_ifname_is_valid(text))
		return ctl_usage(ctl, "'%s' is not the name of an interface (1 to 15 characters)",
				 text);
	return put(args, "dev", text);
}
