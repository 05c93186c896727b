/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events for those who watch (`varpctl monitor`, the memo's varpmon). One line of JSON for each
 * event, written once for all.
 */
#ifndef VARPD_MONITOR_H
#define VARPD_MONITOR_H

#include <stdbool.h>
#include <stddef.h>

#include <varp/abi.h>

struct monitor;

struct monitor_event {
	/* hit, miss, notknown, insert, remove, expire, refresh, attach, detach */
	const char *event;
	const struct varp_key *key;	/* NULL: about no node */
	const struct varp_addr *raddr;	/* NULL: none */
	const char *dev;		/* attach, detach: the interface; else NULL */
	bool authoritative;		/* about the server's table */
};

/*
 * Embedded by who watches. deliver gets whole lines, line break included, and must not unsubscribe.
 */
struct monitor_subscriber {
	void (*deliver)(struct monitor_subscriber *subscriber, const struct monitor_event *event,
			const char *line, size_t len);
	struct monitor_subscriber *prev, *next;
};

struct monitor *monitor_new(void);	/* NULL: out of memory */
void monitor_free(struct monitor *monitor);
void monitor_subscribe(struct monitor *monitor, struct monitor_subscriber *subscriber);
void monitor_unsubscribe(struct monitor *monitor, struct monitor_subscriber *subscriber);
void monitor_publish(struct monitor *monitor, const struct monitor_event *event);

#endif
