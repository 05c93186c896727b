// SPDX-License-Identifier: BSD-2-Clause
/*
 * See monitor.h. Costs nothing while nobody watches.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <utlist.h>

#include "addr.h"
#include "monitor.h"

struct monitor {
	struct monitor_subscriber *subscribers;
};

struct monitor *monitor_new(void)
{
	return calloc(1, sizeof(struct monitor));
}

void monitor_free(struct monitor *monitor)
{
	free(monitor);
}

void monitor_subscribe(struct monitor *monitor, struct monitor_subscriber *subscriber)
{
	DL_APPEND(monitor->subscribers, subscriber);
}

void monitor_unsubscribe(struct monitor *monitor, struct monitor_subscriber *subscriber)
{
	DL_DELETE(monitor->subscribers, subscriber);
}

/* RFC 3339, UTC, milliseconds. */
static void format_time(char *out, size_t len)
{
	struct timespec ts;
	struct tm tm;
	size_t used;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	used = strftime(out, len, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + used, len - used, ".%03ldZ", ts.tv_nsec / 1000000);
}

static json_t *event_json(const struct monitor_event *event)
{
	char time[40], snid[VARP_SNID_TEXT], vaddr[VARP_ADDR_TEXT], raddr[VARP_ADDR_TEXT];
	json_t *json;

	format_time(time, sizeof(time));
	json = json_pack("{s:s, s:s, s:s?, s:s?, s:s?}", "time", time, "event", event->event,
			 "snid", event->key ? varp_snid_format(&event->key->snid, snid) : NULL,
			 "vaddr", event->key ? varp_addr_format(&event->key->vaddr, vaddr) : NULL,
			 "raddr", event->raddr ? varp_addr_format(event->raddr, raddr) : NULL);
	if (event->dev)
		json_object_set_new(json, "dev", json_string(event->dev));
	if (event->authoritative)
		json_object_set_new(json, "authoritative", json_true());
	return json;
}

void monitor_publish(struct monitor *monitor, const struct monitor_event *event)
{
	struct monitor_subscriber *subscriber;
	char line[512];
	json_t *json;
	size_t len;

	if (!monitor->subscribers)
		return;
	json = event_json(event);
	len = json_dumpb(json, line, sizeof(line) - 1, JSON_COMPACT);
	json_decref(json);
	if (!len || len >= sizeof(line))
		return;
	line[len++] = '\n';
	DL_FOREACH(monitor->subscribers, subscriber)
		subscriber->deliver(subscriber, event, line, len);
}
