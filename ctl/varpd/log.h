/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's log: lines on stderr, with the priority prefix of sd-daemon(3) when the journal
 * reads them. Called by every part of varpd. Whoever handles an error logs it, once.
 */
#ifndef VARPD_LOG_H
#define VARPD_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum varpd_log_level {
	VARPD_LOG_ERROR,
	VARPD_LOG_WARNING,
	VARPD_LOG_NOTICE,	/* audit lines */
	VARPD_LOG_INFO,
	VARPD_LOG_DEBUG,
	VARPD_LOG_LEVELS,
};

void varpd_log_init(void);	/* finds out who reads stderr */
void varpd_log_set_level(enum varpd_log_level level);
/* "error", "warning", "notice", "info", "debug"; -EINVAL. */
int varpd_log_level_parse(const char *text, enum varpd_log_level *level);
const char *varpd_log_level_name(enum varpd_log_level level);

/* One line. Control characters in it are replaced, so that nobody outside can forge lines. */
__attribute__((format(printf, 2, 3)))
void varpd_log(enum varpd_log_level level, const char *format, ...);

/*
 * For what others can trigger at will: at most one line every `interval_ms` for each limit, which
 * says how many were held back since the one before.
 */
struct varpd_log_limit {
	uint64_t next_ns;
	uint64_t suppressed;
};
__attribute__((format(printf, 4, 5)))
void varpd_log_limited(struct varpd_log_limit *limit, uint32_t interval_ms,
		       enum varpd_log_level level, const char *format, ...);

#endif
