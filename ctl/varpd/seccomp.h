/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls that varpd and its helper may make from some point on. Called by privileges.c,
 * last. Knows nothing of the rest.
 */
#ifndef VARPD_SECCOMP_H
#define VARPD_SECCOMP_H

enum seccomp_filter {
	SECCOMP_DAEMON,
	SECCOMP_HELPER,
	SECCOMP_HELPER_XDP,	/* it loads the program that answers, too */
};

/* For this process, for ever. 0 or -errno */
int seccomp_install(enum seccomp_filter filter);

#endif
