// SPDX-License-Identifier: BSD-2-Clause
/* varpctl join and leave: this host as a node of a supernet. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "ctl.h"
#include "print.h"

static enum control_status arg_prefix(const struct ctl *ctl, const char *text, json_t *args)
{
	struct varp_addr vaddr;
	char out[VARP_ADDR_TEXT];
	unsigned int plen;

	if (varp_prefix_parse(text, &vaddr, &plen))
		return ctl_usage(ctl, "'%s' is not VADDR/LEN, as in 10.1.0.1/24", text);
	if (!strchr(text, '/'))
		return ctl_usage(ctl, "%s has no prefix length: write the supernet's, as in %s/%d",
				 text, text, varp_addr_is_v4(&vaddr) ? 24 : 64);
	if (!varp_addr_is_unicast(&vaddr))
		return ctl_usage(ctl, "vaddr %s is not the address of a host", text);
	if (!plen)
		return ctl_usage(ctl, "%s has no network: a prefix of length 0 is everything",
				 text);
	if (!varp_addr_is_host(&vaddr, plen))
		return ctl_usage(ctl,
				 "vaddr %s is its network's own or broadcast address, not that of "
				 "a host",
				 text);
	json_object_set_new(args, "vaddr", json_string(varp_addr_format(&vaddr, out)));
	json_object_set_new(args, "plen", json_integer(plen));
	return CONTROL_OK;
}

/* A server may be on this host, so loopback is fine. */
static enum control_status arg_server(const struct ctl *ctl, const char *text, json_t *args)
{
	struct varp_addr server;
	char out[VARP_ADDR_TEXT];

	if (varp_addr_parse(text, &server))
		return ctl_usage(ctl, "server '%s' is not an IPv4 or IPv6 address", text);
	json_object_set_new(args, "server", json_string(varp_addr_format(&server, out)));
	return CONTROL_OK;
}

static enum control_status arg_raddr(const struct ctl *ctl, const char *text, json_t *args)
{
	return ctl_arg_unicast(ctl, text, "raddr", args);
}

/* A name goes as it is; a path is made absolute, since varpd has another working directory. */
static enum control_status arg_netns(const struct ctl *ctl, const char *text, json_t *args)
{
	char path[PATH_MAX];
	json_t *value;

	if (strchr(text, '/') && text[0] != '/') {
		if (!realpath(text, path))
			return ctl_usage(ctl, "netns '%s' does not exist", text);
		text = path;
	}
	if (!text[0] || strlen(text) >= VARP_NETNS_LEN)
		return ctl_usage(ctl, "netns is a name or path of 1 to %d characters",
				 VARP_NETNS_LEN - 1);
	value = json_string(text);
	if (!value)
		return ctl_usage(ctl, "netns is not readable text");
	json_object_set_new(args, "netns", value);
	return CONTROL_OK;
}

static const struct keyword {
	const char *name;
	enum control_status (*parse)(const struct ctl *ctl, const char *text, json_t *args);
} keywords[] = {
	{ "server", arg_server },	{ "channel", ctl_arg_channel },	{ "dev", ctl_arg_device },
	{ "netns", arg_netns },		{ "raddr", arg_raddr },
};

static const struct keyword *find_keyword(const char *name)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (!strcmp(keywords[i].name, name))
			return &keywords[i];
	return NULL;
}

static enum control_status parse_join(const struct ctl *ctl, char **args, unsigned int count,
				      json_t *out)
{
	enum control_status status = ctl_arg_snid(ctl, args[0], out);

	if (!status)
		status = arg_prefix(ctl, args[1], out);
	for (unsigned int i = 2; i < count && !status; i += 2) {
		const struct keyword *keyword = find_keyword(args[i]);

		if (!keyword)
			return ctl_usage(ctl, "unknown word '%s'", args[i]);
		if (json_object_get(out, keyword->name))
			return ctl_usage(ctl, "%s is given twice", keyword->name);
		if (i + 1 == count)
			return ctl_usage(ctl, "%s needs a value", keyword->name);
		status = keyword->parse(ctl, args[i + 1], out);
	}
	return status;
}

static void print_node(const struct ctl *ctl, const json_t *node, const json_t *args)
{
	const char *netns = ctl_text(node, "netns", ""), *underlay = ctl_text(node, "underlay", "");
	const char *raddr = ctl_text(node, "raddr4", ctl_text(node, "raddr6", "?"));

	ctl_paint(ctl, CTL_BOLD, 0, ctl_text(node, "dev", "node"));
	printf("%s%s: %s/%d in supernet %s\n", netns[0] ? " in namespace " : "", netns,
	       ctl_text(args, "vaddr", "?"), (int)ctl_count(args, "plen"),
	       ctl_text(args, "snid", "?"));
	if (underlay[0])
		printf("  reached at %s through %s, mtu %d\n", raddr, underlay,
		       (int)ctl_count(node, "mtu"));
}

enum control_status ctl_join(struct ctl *ctl, char **words, unsigned int count)
{
	json_t *args = json_object(), *result = NULL;
	enum control_status status = parse_join(ctl, words, count, args);
	const char *warning;

	if (!status)
		status = ctl_request(ctl, "join", json_incref(args), CTL_TIMEOUT_MS, &result);
	if (!status && ctl->json)
		ctl_json(ctl, result);
	else if (!status)
		print_node(ctl, result, args);
	warning = ctl_text(result, "warning", NULL);
	if (warning) {
		fflush(stdout);
		fprintf(stderr, "varpctl: warning: %s\n", warning);
	}
	json_decref(result);
	json_decref(args);
	return status;
}

enum control_status ctl_leave(struct ctl *ctl, char **words, unsigned int count)
{
	json_t *args = json_object(), *result;
	enum control_status status = ctl_arg_snid(ctl, words[0], args);

	if (!status && count > 1)
		status = ctl_arg_unicast(ctl, words[1], "vaddr", args);
	if (!status)
		status = ctl_request(ctl, "leave", json_incref(args), CTL_TIMEOUT_MS, &result);
	if (!status) {
		if (ctl->json)
			ctl_json(ctl, result);
		else
			printf("left supernet %s%s%s\n", ctl_text(args, "snid", ""),
			       count > 1 ? " with " : "", ctl_text(args, "vaddr", ""));
		json_decref(result);
	}
	json_decref(args);
	return status;
}
