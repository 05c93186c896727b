/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the interpreter's files share: the line in hand, cut into words, and how words are read.
 * script.c reads files and lines, steps.c does what STEP lines say, expect.c checks EXPECT lines.
 */
#ifndef TESTS_SCENARIO_WORDS_H
#define TESTS_SCENARIO_WORDS_H

#include "sim.h"

struct script {
	struct sim *sim;
	char **words; /* of the line; of a STEP or EXPECT from what follows the host's name */
	size_t count;
	char *why;
	size_t why_len;
};

/* Says what is wrong with the line, or with the world; returns -EINVAL. */
__attribute__((format(printf, 2, 3)))
int script_wrong(struct script *script, const char *format, ...);

const char *script_word(const struct script *script, size_t i);	/* "" beyond the last */
/* The value of a word "name=value", or NULL. */
const char *script_option(const struct script *script, const char *name);
uint64_t script_number(const char *text, uint64_t otherwise);	/* otherwise: if text is NULL */
uint64_t script_duration(const char *text);	/* "250ms", "3s": ns; UINT64_MAX if it is none */
struct sim_host *script_host(const struct script *script, const char *name);
/* The rest are 0 or -EINVAL with why. */
/* A host's name or an address. */
int script_address(struct script *script, const char *text, struct varp_addr *addr);
int script_snid(struct script *script, size_t i, struct varp_snid *snid);
int script_key(struct script *script, size_t i, struct varp_key *key);	/* two words: snid, vaddr */

int script_step(struct script *script, struct sim_host *host);
int script_expect(struct script *script, const struct sim_host *host);

#endif
