/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What varpd tells systemd, if it was started by it and libsystemd was there at build time. Called
 * by main.c.
 */
#ifndef VARPD_NOTIFY_H
#define VARPD_NOTIFY_H

void varpd_notify_ready(const char *status);	/* also ends a reload */
void varpd_notify_reloading(void);
void varpd_notify_stopping(void);

#endif
