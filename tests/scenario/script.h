/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs one scenario file. The language is described in tests/scenario/README.md. */
#ifndef TESTS_SCENARIO_SCRIPT_H
#define TESTS_SCENARIO_SCRIPT_H

#include <stddef.h>

/* 0, or -EINVAL with what went wrong ("FILE:LINE: ...") in why. */
int script_run(const char *path, char *why, size_t why_len);

#endif
