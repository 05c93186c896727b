// SPDX-License-Identifier: BSD-2-Clause
/*
 * Token buckets, each kept as the time at which it will be full again. See keyx_rate.h.
 *
 * A peer is remembered while its bucket is not full, and for a second at most beyond that. That
 * needs no bound of its own: only what passes the bucket that all share makes an entry.
 */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "keyx_rate.h"

#define NS_PER_S	1000000000ull
#define SWEEP_NS	NS_PER_S

struct keyx_rate_peer {
	struct varp_addr addr;
	uint64_t full_ns;
	UT_hash_handle hh;
};

struct varp_addr keyx_peer_of(const struct varp_addr *addr)
{
	struct varp_addr peer = *addr;

	if (!varp_addr_is_v4(addr))
		memset(&peer.b[8], 0, 8);
	return peer;
}

/* Takes one out. False: there is none, and nothing changes. */
static bool take(uint64_t *full_ns, uint64_t now_ns, unsigned int rate, unsigned int burst)
{
	uint64_t step_ns = NS_PER_S / rate, from_ns = *full_ns > now_ns ? *full_ns : now_ns;

	if (from_ns + step_ns > now_ns + burst * step_ns)
		return false;
	*full_ns = from_ns + step_ns;
	return true;
}

static void sweep(struct keyx_rate *rate, uint64_t now_ns)
{
	struct keyx_rate_peer *peer, *next;

	if (now_ns < rate->sweep_ns)
		return;
	rate->sweep_ns = now_ns + SWEEP_NS;
	HASH_ITER(hh, rate->peers, peer, next) {
		if (peer->full_ns > now_ns)
			continue;
		HASH_DEL(rate->peers, peer);
		free(peer);
	}
}

static bool take_peers(struct keyx_rate *rate, const struct varp_addr *from, uint64_t now_ns)
{
	struct varp_addr addr = keyx_peer_of(from);
	struct keyx_rate_peer *peer;

	HASH_FIND(hh, rate->peers, &addr, sizeof(addr), peer);
	if (!peer) {
		peer = calloc(1, sizeof(*peer));
		if (!peer)
			return false;
		peer->addr = addr;
		HASH_ADD(hh, rate->peers, addr, sizeof(peer->addr), peer);
	}
	return take(&peer->full_ns, now_ns, KEYX_RATE_PEER, KEYX_BURST_PEER);
}

bool keyx_rate_take(struct keyx_rate *rate, const struct varp_addr *from, uint64_t now_ns)
{
	uint64_t used_ns = rate->used_ns;

	sweep(rate, now_ns);
	/* First of all: a peer that finds nothing there is not even looked up. */
	if (take(&rate->used_ns, now_ns, KEYX_RATE_ALL, KEYX_BURST_ALL)) {
		if (take_peers(rate, from, now_ns))
			return true;
		/* One peer's excess is not at the others' cost. */
		rate->used_ns = used_ns;
	}
	rate->refused++;
	return false;
}

unsigned int keyx_rate_peers(const struct keyx_rate *rate)
{
	return HASH_COUNT(rate->peers);
}

void keyx_rate_close(struct keyx_rate *rate)
{
	struct keyx_rate_peer *peer, *next;

	HASH_ITER(hh, rate->peers, peer, next) {
		HASH_DEL(rate->peers, peer);
		free(peer);
	}
}
