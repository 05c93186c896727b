// SPDX-License-Identifier: BSD-2-Clause
/*
 * Puts the least possible tunnel between a device and an underlay until it is killed:
 *
 *   floor DEV UNDERLAY OWN-ADDRESS OTHER-ADDRESS OTHER-MAC	says "ready"
 *
 * What it is for: tests/bpf/progs/floor.bpf.c. Called by tests/bench/peers.py.
 */
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "floor.skel.h"

/* In <linux/bpf.h> from Linux 6.6. */
#define TCX_INGRESS	((enum bpf_attach_type)46)
#define TCX_EGRESS	((enum bpf_attach_type)47)

static uint32_t device(const char *name)
{
	uint32_t index = if_nametoindex(name);

	if (!index)
		die("there is no device %s", name);
	return index;
}

static uint32_t address(const char *text)
{
	struct in_addr addr;

	if (inet_pton(AF_INET, text, &addr) != 1)
		die("'%s' is not an IPv4 address", text);
	return addr.s_addr;
}

static void copy_mac(const char *dev, uint8_t *mac)
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = AF_UNSPEC };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr))
		die("%s: %s", dev, strerror(errno));
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	close(fd);
}

static void parse_mac(const char *text, uint8_t *mac)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
		die("'%s' is not a MAC address", text);
}

static void attach(const struct bpf_program *program, uint32_t ifindex, enum bpf_attach_type where)
{
	if (bpf_link_create(bpf_program__fd(program), (int)ifindex, where, NULL) < 0)
		die("cannot attach (TCX needs Linux 6.6): %s", strerror(errno));
}

int main(int argc, char **argv)
{
	struct floor_bpf *skel;

	if (argc != 6)
		die("usage: floor DEV UNDERLAY OWN-ADDRESS OTHER-ADDRESS OTHER-MAC");
	skel = floor_bpf__open();
	if (!skel)
		die("%s", strerror(errno));
	skel->rodata->node = device(argv[1]);
	skel->rodata->underlay = device(argv[2]);
	skel->rodata->here = address(argv[3]);
	skel->rodata->there = address(argv[4]);
	copy_mac(argv[1], (uint8_t *)skel->rodata->node_mac);
	parse_mac(argv[5], (uint8_t *)skel->rodata->macs);
	copy_mac(argv[2], (uint8_t *)skel->rodata->macs + 6);
	if (floor_bpf__load(skel))
		die("cannot load: %s", strerror(errno));
	attach(skel->progs.floor_out, device(argv[1]), TCX_EGRESS);
	attach(skel->progs.floor_in, device(argv[2]), TCX_INGRESS);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
