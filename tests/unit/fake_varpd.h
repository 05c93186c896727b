/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stand-in for varpd's control socket, for the tests of its clients: a child process that answers
 * requests by rules.
 */
#ifndef TESTS_FAKE_VARPD_H
#define TESTS_FAKE_VARPD_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * The first rule whose match is found within the request line holds. The table ends with a match of
 * NULL.
 */
struct fake_rule {
	const char *match;
	const char *answer;	/* lines, with their ends; NULL: none */
	const char *event; /* sent afterwards to every connection that has registered; NULL: none */
	int delay_ms;		/* before the answer */
	bool hangup;		/* close the connection after the answer */
};

/* Gives this process an empty /run of its own. False: not permitted here, the tests must skip. */
bool fake_varpd_isolate(void);

/* Starts and returns once it listens. */
pid_t fake_varpd_start(const char *instance, const struct fake_rule *rules);
void fake_varpd_stop(pid_t pid);

/* Requests that came since the last call, as they were; valid until the next call. */
const char *fake_varpd_requests(const char *instance);

/*
 * Where the build has put this test, so that programs beside it are found: ".../B/tests/unit/x"
 * gives ".../B".
 */
const char *fake_varpd_build_dir(void);

#endif
