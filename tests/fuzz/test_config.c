// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzzes the configuration file: the input is the file. What is taken is within the limits of the
 * table of keys; what is not leaves nothing behind.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "addr.h"
#include "ctl/varpd/config.h"
#include "fuzz.h"

static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size);
}

static void check_entry(const struct config_entry *e)
{
	FUZZ_CHECK(e->section > CONFIG_VARPD && e->section < CONFIG_SECTIONS && e->line);
	FUZZ_CHECK(ends(e->name, sizeof(e->name)) && ends(e->dev, sizeof(e->dev)) &&
		   ends(e->netns, sizeof(e->netns)));
	FUZZ_CHECK(config_section_name(e->section));
	if (e->section == CONFIG_NODE)
		FUZZ_CHECK(varp_addr_is_host(&e->vaddr, e->plen));
	if (e->section == CONFIG_CLIENT)
		FUZZ_CHECK(!varp_addr_is_zero(&e->server));
	if (e->section == CONFIG_SERVER)
		FUZZ_CHECK(e->ttl_s >= VARPDB_TTL_MIN && e->ttl_s <= VARPDB_TTL_MAX);
	if (e->section == CONFIG_UNDERLAY || *e->dev)
		FUZZ_CHECK(varp_ifname_is_valid(*e->dev ? e->dev : e->name));
}

static void check_config(const struct varpd_config *c)
{
	char text[64];

	FUZZ_CHECK(c->varp_port >= 1 && c->varp_port <= 65535 && c->max_connections >= 1);
	FUZZ_CHECK(c->ring_bytes && !(c->ring_bytes & (c->ring_bytes - 1)));
	FUZZ_CHECK(ends(c->netns, sizeof(c->netns)) && ends(c->state_dir, sizeof(c->state_dir)));
	FUZZ_CHECK(*config_endpoint_format(&c->grp_mgr_listen, text, sizeof(text)));
	FUZZ_CHECK(*config_endpoint_format(&c->grp_clt_listen, text, sizeof(text)));
	for (unsigned int i = 0; i < c->entry_count; i++)
		check_entry(&c->entries[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_overrides overrides = { .instance = "default" };
	struct varpd_config config, running;
	char path[32], restart[256];
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("varpd.conf", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FUZZ_CHECK(!ftruncate(fd, 0) && pwrite(fd, data, size, 0) == (ssize_t)size);
	overrides.file = path;
	if (config_load(&config, &overrides)) {
		FUZZ_CHECK(!config.entries && !config.entry_count);
		return 0;
	}
	check_config(&config);
	/* As SIGHUP does, to a daemon that runs with the defaults. */
	overrides.file = "/dev/null";
	FUZZ_CHECK(!config_load(&running, &overrides));
	config_reload(&running, &config, restart, sizeof(restart));
	FUZZ_CHECK(ends(restart, sizeof(restart)));
	check_config(&running);
	config_free(&config);
	config_free(&running);
	return 0;
}
