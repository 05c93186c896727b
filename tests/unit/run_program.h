/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a program to its end and keeps what it wrote, for tests of varpctl as its users meet it. */
#ifndef TESTS_RUN_PROGRAM_H
#define TESTS_RUN_PROGRAM_H

#include <stddef.h>

#define RUN_OUTPUT_MAX	65536

struct run {
	int status;			/* exit status; -1: ended by a signal */
	char out[RUN_OUTPUT_MAX];
	char err[RUN_OUTPUT_MAX];
};

/*
 * path, then the words of args, which are separated by blanks. Ends the test program if it cannot
 * be started.
 */
void run_program(struct run *run, const char *path, const char *args);

#endif
