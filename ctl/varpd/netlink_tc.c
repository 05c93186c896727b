// SPDX-License-Identifier: BSD-2-Clause
/*
 * Counts the filters of a clsact qdisc, so that detaching takes the qdisc away only when nobody
 * else uses it. Called by datapath_attach.c.
 */
#include "netlink.h"

#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

/*
 * The kernel also reports each filter's classifier without an instance, which has no handle; those
 * do not count.
 */
static int count_filter(const struct nlmsghdr *nlh, void *ctx)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	unsigned int *count = ctx;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(*tcm) && tcm->tcm_handle)
		++*count;
	return MNL_CB_OK;
}

int netlink_count_filters(struct netlink *nl, uint32_t ifindex, unsigned int *count)
{
	static const uint32_t directions[] = { TC_H_MIN_INGRESS, TC_H_MIN_EGRESS };
	struct netlink_request request;
	struct tcmsg *tcm;
	int err;

	*count = 0;
	for (unsigned int i = 0; i < sizeof(directions) / sizeof(directions[0]); i++) {
		tcm = netlink_request_init(&request, RTM_GETTFILTER, NLM_F_DUMP, sizeof(*tcm));
		tcm->tcm_ifindex = (int)ifindex;
		tcm->tcm_parent = TC_H_MAKE(TC_H_CLSACT, directions[i]);
		err = netlink_talk(nl, &request, count_filter, count);
		if (err)
			return err;
	}
	return 0;
}
