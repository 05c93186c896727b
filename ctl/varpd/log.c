// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writes log lines to stderr, each with a single write(2) so that lines of several daemons do not
 * mix. Knows nothing of the rest of varpd.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define LINE_MAX_LEN 1024

static const struct {
	const char *name;
	int priority;		/* of syslog(3) */
} levels[VARPD_LOG_LEVELS] = {
	[VARPD_LOG_ERROR]	= { "error", 3 },
	[VARPD_LOG_WARNING]	= { "warning", 4 },
	[VARPD_LOG_NOTICE]	= { "notice", 5 },
	[VARPD_LOG_INFO]	= { "info", 6 },
	[VARPD_LOG_DEBUG]	= { "debug", 7 },
};

static enum varpd_log_level threshold = VARPD_LOG_INFO;
static bool journal;

void varpd_log_init(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	/* The variable is inherited by children whose stderr has gone elsewhere: compare what it
	 * names. */
	journal = stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
		  fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void varpd_log_set_level(enum varpd_log_level level)
{
	threshold = level;
}

int varpd_log_level_parse(const char *text, enum varpd_log_level *level)
{
	for (int i = 0; i < VARPD_LOG_LEVELS; i++)
		if (!strcmp(text, levels[i].name)) {
			*level = i;
			return 0;
		}
	return -EINVAL;
}

const char *varpd_log_level_name(enum varpd_log_level level)
{
	return levels[level].name;
}

void varpd_log(enum varpd_log_level level, const char *format, ...)
{
	char line[LINE_MAX_LEN];
	size_t start, len;
	va_list args;
	bool named;
	int n;

	if (level > threshold)
		return;
	named = level != VARPD_LOG_INFO && level != VARPD_LOG_NOTICE;
	n = journal ? snprintf(line, sizeof(line), "<%d>", levels[level].priority)
		    : snprintf(line, sizeof(line), "varpd: %s%s", named ? levels[level].name : "",
			       named ? ": " : "");
	start = n;
	va_start(args, format);
	n = vsnprintf(line + start, sizeof(line) - start - 1, format, args);
	va_end(args);
	if (n < 0)
		return;
	len = start + n;
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	for (size_t i = start; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return;		/* there is nowhere left to say so */
}

void varpd_log_limited(struct varpd_log_limit *limit, uint32_t interval_ms,
		       enum varpd_log_level level, const char *format, ...)
{
	char text[LINE_MAX_LEN - 64], more[48] = "";
	uint64_t now_ns, suppressed = limit->suppressed;
	struct timespec ts;
	va_list args;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	now_ns = ts.tv_sec * 1000000000ull + ts.tv_nsec;
	if (now_ns < limit->next_ns) {
		limit->suppressed++;
		return;
	}
	limit->next_ns = now_ns + interval_ms * 1000000ull;
	limit->suppressed = 0;
	if (suppressed)
		snprintf(more, sizeof(more), " (%llu more suppressed)",
			 (unsigned long long)suppressed);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	varpd_log(level, "%s%s", text, more);
}
