// SPDX-License-Identifier: BSD-2-Clause
/*
 * Looks up vaddrs of a supernet in the varpdb of this host, and waits for the answers that were not
 * there yet:
 *
 *	lookup [-i INSTANCE] SNID VADDR...
 *
 * Prints one line per vaddr: "VADDR hit RADDR" or "VADDR notknown" from the cache; "VADDR miss",
 * and later "VADDR callback hit RADDR" or "VADDR callback miss", for the others. Exit status: 0 all
 * have a raddr, 3 some have not, 4 some remained unanswered, 1 usage, 2 varpd is not there.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <varp/varp.h>

static unsigned int waiting;	/* lookups whose callback has not come */
static unsigned int unknown;	/* vaddrs that have no mapping */

static void answered(vnode_t *vnodep, vstatus_t *statusp)
{
	char vaddr[VARP_ADDR_STRLEN], raddr[VARP_ADDR_STRLEN];

	varp_addr_to_text(&vnodep->vaddr, vaddr);
	if (*statusp == VARPDB_HIT) {
		printf("%s callback hit %s\n", vaddr, varp_addr_to_text(&vnodep->raddr, raddr));
	} else {
		printf("%s callback miss\n", vaddr);
		unknown++;
	}
	if (waiting)
		waiting--;
}

static void look_up(vnode_t *vnode, const char *text)
{
	char raddr[VARP_ADDR_STRLEN];
	vstatus_t status;

	varpdb_lookup(vnode, &status);
	switch (status) {
	case VARPDB_HIT:
		printf("%s hit %s\n", text, varp_addr_to_text(&vnode->raddr, raddr));
		break;
	case VARPDB_NOTKNOWN:
		printf("%s notknown\n", text);
		unknown++;
		break;
	default:
		printf("%s miss\n", text);
		waiting++;
		break;
	}
}

int main(int argc, char **argv)
{
	const char *instance = NULL;
	vnode_t vnode;
	time_t deadline;
	int first = 1, err;

	if (argc > 2 && !strcmp(argv[1], "-i")) {
		instance = argv[2];
		first = 3;
	}
	if (argc < first + 2 || varp_snid_from_text(argv[first], &vnode.vid)) {
		fprintf(stderr, "usage: lookup [-i INSTANCE] SNID VADDR...\n");
		return 1;
	}
	err = varpdb_open(instance);
	if (err) {
		fprintf(stderr, "lookup: no varpd: %s\n", strerror(-err));
		return 2;
	}

	varpdb_register(answered);
	for (int i = first + 1; i < argc; i++) {
		if (varp_addr_from_text(argv[i], &vnode.vaddr)) {
			fprintf(stderr, "lookup: '%s' is not an address\n", argv[i]);
			return 1;
		}
		look_up(&vnode, argv[i]);
	}

	/* Answers are best effort: one may never come, so there is an end to waiting. */
	deadline = time(NULL) + VARPDB_TTL_INITIAL_LOOKUP + 1;
	while (waiting && time(NULL) < deadline && varpdb_dispatch(1000) >= 0)
		;
	varpdb_close();
	return waiting ? 4 : unknown ? 3 : 0;
}
