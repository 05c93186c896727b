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

#define CLOCK_CHECK_NS	(100 * NSEC_PER_MSEC)
#define CLOCK_TICK_NS	(10 * NSEC_PER_MSEC)	/* of the slowest clock that a kernel can have */

enum verdict {
	VERDICT_OK	= -1,	/* go on */
	VERDICT_PASS	= -2,	/* none of our business */
	VERDICT_UNKNOWN	= -4,	/* nobody can tell yet */
	VERDICT_FOREIGN	= -3,	/* Geneve, but not ours, or another instance's: count it and leave it alone */
};

static __always_inline struct varp_stats *stats_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&varp_stats, &zero);
}

/*
 * Boot time, late by a tick of the kernel's clock or two and never early: reading the exact one costs 25 to 50 ns where the processor is a
 * virtual one. The coarse clock stands still while the machine sleeps; what it lacks is measured again ten times a
 * second, so that an entry may outlive its deadline by no more than that after a resume.
 */
static __always_inline __u64 clock_now(struct varp_stats *stats)
{
	__u64 coarse = bpf_ktime_get_coarse_ns();

	if (coarse - stats->clock_set_ns > CLOCK_CHECK_NS) {
		stats->clock_ahead_ns = bpf_ktime_get_boot_ns() - coarse - CLOCK_TICK_NS;
		stats->clock_set_ns = coarse;
	}
	return coarse + stats->clock_ahead_ns;
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
