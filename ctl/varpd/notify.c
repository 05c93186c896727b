// SPDX-License-Identifier: BSD-2-Clause
/*
 * sd_notify(3), and the only file that knows whether libsystemd is there.
 */
#include "notify.h"

#ifdef HAVE_LIBSYSTEMD

#include <inttypes.h>
#include <stdint.h>
#include <systemd/sd-daemon.h>
#include <time.h>

void varpd_notify_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void varpd_notify_reloading(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		   (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000);
}

void varpd_notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

#else

void varpd_notify_ready(const char *status)
{
	(void)status;
}

void varpd_notify_reloading(void)
{
}

void varpd_notify_stopping(void)
{
}

#endif
