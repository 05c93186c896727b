// SPDX-License-Identifier: BSD-2-Clause
/*
 * Arguments of control requests, and values of answers. See control_internal.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "control_internal.h"

__attribute__((format(printf, 2, 3)))
static bool refuse(struct control_args *args, const char *format, ...)
{
	va_list list;

	if (!args->bad) {
		va_start(list, format);
		vsnprintf(args->error->text, sizeof(args->error->text), format, list);
		va_end(list);
	}
	args->bad = true;
	return false;
}

static bool is_listed(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = names; *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (strcspn(p, " ") == len && !strncmp(p, name, len))
			return true;
	return false;
}

void control_args_check(struct control_args *args, const char *names)
{
	const char *name;
	json_t *value;

	if (args->json && !json_is_object(args->json)) {
		refuse(args, "\"args\" is not an object");
		return;
	}
	json_object_foreach(args->json, name, value)
		if (!is_listed(names, name))
			refuse(args, "unknown argument '%.40s'", name);
}

static const char *text_of(struct control_args *args, const char *name, bool required)
{
	json_t *value = json_object_get(args->json, name);

	if (!value || json_is_null(value)) {
		if (required)
			refuse(args, "argument '%s' is missing", name);
		return NULL;
	}
	if (!json_is_string(value) ||
	    strlen(json_string_value(value)) != json_string_length(value)) {
		refuse(args, "argument '%s' is not a string", name);
		return NULL;
	}
	return json_string_value(value);
}

bool control_arg_snid(struct control_args *args, bool required, struct varp_snid *snid)
{
	const char *text = text_of(args, "snid", required);

	if (!text)
		return false;
	if (varp_snid_parse(text, snid))
		return refuse(args, "'%.40s' is not a SnId: 0x and 1 to 20 hex digits", text);
	return true;
}

bool control_arg_chid(struct control_args *args, const char *name, struct varp_chid *chid)
{
	const char *text = text_of(args, name, false);

	if (!text)
		return false;
	if (varp_chid_parse(text, chid))
		return refuse(args, "'%.40s' is not a ChId: 0x and 1 to 12 hex digits", text);
	return true;
}

bool control_arg_addr(struct control_args *args, const char *name, bool required,
		      struct varp_addr *addr)
{
	const char *text = text_of(args, name, required);

	if (!text)
		return false;
	if (varp_addr_parse(text, addr))
		return refuse(args, "'%.60s' is not an IPv4 or IPv6 address (%s)", text, name);
	return true;
}

bool control_arg_vaddr(struct control_args *args, bool required, struct varp_addr *vaddr)
{
	char text[VARP_ADDR_TEXT];

	if (!control_arg_addr(args, "vaddr", required, vaddr))
		return false;
	if (!varp_addr_is_unicast(vaddr))
		return refuse(args, "%s cannot be the address of a node",
			      varp_addr_format(vaddr, text));
	return true;
}

bool control_arg_key(struct control_args *args, struct varp_key *key)
{
	struct varp_snid snid;
	struct varp_addr vaddr;

	if (!control_arg_snid(args, CONTROL_REQUIRED, &snid) ||
	    !control_arg_vaddr(args, CONTROL_REQUIRED, &vaddr))
		return false;
	*key = varp_key_make(&snid, &vaddr);
	return true;
}

bool control_arg_int(struct control_args *args, const char *name, bool required, json_int_t min,
		     json_int_t max, json_int_t *value)
{
	json_t *json = json_object_get(args->json, name);

	if (!json || json_is_null(json))
		return required ? refuse(args, "argument '%s' is missing", name) : false;
	if (!json_is_integer(json) || json_integer_value(json) < min ||
	    json_integer_value(json) > max)
		return refuse(args, "argument '%s' is not a number within %lld to %lld", name,
			      (long long)min, (long long)max);
	*value = json_integer_value(json);
	return true;
}

bool control_arg_bool(struct control_args *args, const char *name)
{
	json_t *json = json_object_get(args->json, name);

	if (json && !json_is_null(json) && !json_is_boolean(json))
		refuse(args, "argument '%s' is neither true nor false", name);
	return json_is_true(json);
}

const char *control_arg_text(struct control_args *args, const char *name, bool required,
			     size_t max_len)
{
	const char *text = text_of(args, name, required);

	if (text && (!*text || strlen(text) > max_len)) {
		refuse(args, "argument '%s' has not 1 to %zu characters", name, max_len);
		return NULL;
	}
	return text;
}

const char *control_arg_dev(struct control_args *args, bool required)
{
	const char *text = control_arg_text(args, "dev", required, VARP_IFNAME_LEN - 1);

	if (text && !varp_ifname_is_valid(text)) {
		refuse(args, "'%s' cannot be the name of an interface", text);
		return NULL;
	}
	return text;
}

json_t *control_json_snid(const struct varp_snid *snid)
{
	char text[VARP_SNID_TEXT];

	return json_string(varp_snid_format(snid, text));
}

json_t *control_json_chid(const struct varp_chid *chid)
{
	char text[VARP_CHID_TEXT];

	return json_string(varp_chid_format(chid, text));
}

json_t *control_json_addr(const struct varp_addr *addr)
{
	char text[VARP_ADDR_TEXT];

	return addr && !varp_addr_is_zero(addr) ? json_string(varp_addr_format(addr, text))
						: json_null();
}

json_t *control_json_text(const char *text)
{
	char plain[sizeof(((struct varpd_error *)0)->text)];
	json_t *json = json_string(text);
	size_t len;

	if (json)
		return json;
	for (len = 0; text[len] && len < sizeof(plain); len++)
		plain[len] = text[len] & 0x80 ? '?' : text[len];
	return json_stringn(plain, len);
}

int control_status_of(int err)
{
	if (!err)
		return CONTROL_OK;
	/* -EACCES says that a host's own settings refuse it: no credentials, IPv6 switched off. */
	return err == -EPERM ? CONTROL_PERMISSION : CONTROL_FAILED;
}
