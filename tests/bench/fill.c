// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fills a running varpd's cache through its pinned map, as if it had resolved many vaddrs: for what
 * a full cache costs at a restart.
 *
 *   fill PINS SNID BASE COUNT RADDR
 *
 * Called by tests/bench/cases_control.py.
 */
#include "bench.h"

int main(int argc, char **argv)
{
	struct varp_addr base, raddr;
	struct varp_snid snid;
	char path[256];
	int fd;

	if (argc != 6)
		die("usage: fill PINS SNID BASE COUNT RADDR");
	snprintf(path, sizeof(path), "%s/varp_cache", argv[1]);
	fd = bpf_obj_get(path);
	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	snid = snid_arg(argv[2]);
	base = addr_arg(argv[3]);
	raddr = addr_arg(argv[5]);
	cache_fill(fd, &snid, &base, 0, number(argv[4]), &raddr);
	return 0;
}
