// SPDX-License-Identifier: BSD-2-Clause
/*
 * Formats the one line that goes to a person with a refusal. Called by whoever refuses; whoever
 * receives the error logs it or sends it on. Knows no other part of the daemon.
 */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

int varpd_fail(struct varpd_error *error, int code, const char *format, ...)
{
	va_list args;

	if (error) {
		va_start(args, format);
		vsnprintf(error->text, sizeof(error->text), format, args);
		va_end(args);
	}
	return code;
}
