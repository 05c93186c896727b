/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Counting, and the ways a packet ends here. Every program looks the counters of its CPU up once and hands them down.
 *
 * A step that can reject a packet returns a verdict: one of the negative values below, or the enum varp_drop to count.
 */
#ifndef VARP_BPF_STATS_H
#define VARP_BPF_STATS_H

#include <linux/pkt_cls.h>
#include "maps.h"

enum verdict {
	VERDICT_OK	= -1,	/* go on */
	VERDICT_PASS	= -2,	/* none of our business */
	VERDICT_FOREIGN	= -3,	/* Geneve, but not ours, or another instance's: count it and leave it alone */
};

static __always_inline struct varp_stats *stats_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&varp_stats, &zero);
}

static __always_inline int drop(struct varp_stats *stats, __u32 reason)
{
	if (reason < VARP_DROP_COUNT)
		stats->drops[reason]++;
	return TC_ACT_SHOT;
}

/*
 * End a packet without the sender noticing. TC_ACT_SHOT at egress becomes NET_XMIT_DROP: local TCP takes it for
 * congestion, sendmsg() may fail with ENOBUFS; wrong for a packet that was taken in to be held or that is about to
 * be answered by an ICMP error. TC_ACT_STOLEN would do with clsact, but TCX takes it for "next" and lets the packet
 * go. A redirect to no device frees the packet and reports success with both.
 */
static __always_inline int swallow(void)
{
	return bpf_redirect(0, 0);
}

static __always_inline int drop_quietly(struct varp_stats *stats, __u32 reason)
{
	drop(stats, reason);
	return swallow();
}

#endif
