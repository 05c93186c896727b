/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzzers share. Each test_NAME.c defines LLVMFuzzerTestOneInput() and, where something has
 * to be made once, LLVMFuzzerInitialize(). `make fuzz` links it with libFuzzer; everywhere else
 * replay.c is its main(), which runs the kept corpus and a fixed number of mutations of it.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What must hold whatever comes in. */
#define FUZZ_CHECK(condition)                                                              \
	do {                                                                               \
		if (!(condition)) {                                                        \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,  \
				#condition);                                               \
			abort();                                                           \
		}                                                                          \
	} while (0)

/* Ends the program as skipped, with success. */
void fuzz_skip(const char *reason);

/* Values from an input, zero past its end. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

uint8_t fuzz_u8(struct fuzz_input *in);
uint16_t fuzz_u16(struct fuzz_input *in);
/* At most len octets, less at the end; *got says how many. */
const uint8_t *fuzz_take(struct fuzz_input *in, size_t len, size_t *got);
/* Always fills out, with zero past the end. */
void fuzz_fill(struct fuzz_input *in, void *out, size_t len);

#endif
