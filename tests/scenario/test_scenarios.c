// SPDX-License-Identifier: BSD-2-Clause
/*
 * Runs every *.scn file of the directory (VARP_SCENARIOS, by default this one seen from the top of
 * the tree) as one test that is named after the file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glob.h>

#include "script.h"

static void test_scenario(void **state)
{
	char why[512];

	if (script_run(*state, why, sizeof(why)))
		fail_msg("%s", why);
}

/* "tests/scenario/lost_request.scn" -> "lost_request" */
static char *test_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = strdup(slash ? slash + 1 : path);

	if (name)
		name[strcspn(name, ".")] = '\0';
	return name;
}

int main(void)
{
	const char *dir = getenv("VARP_SCENARIOS");
	struct CMUnitTest *tests;
	char pattern[512];
	glob_t found;
	size_t i;
	int failed;

	snprintf(pattern, sizeof(pattern), "%s/*.scn", dir ? dir : "tests/scenario");
	if (glob(pattern, 0, NULL, &found)) {
		fprintf(stderr, "no scenarios found: %s\n", pattern);
		return 1;
	}
	tests = calloc(found.gl_pathc, sizeof(*tests));
	if (!tests)
		return 1;
	for (i = 0; i < found.gl_pathc; i++) {
		tests[i].name = test_name(found.gl_pathv[i]);
		tests[i].test_func = test_scenario;
		tests[i].initial_state = found.gl_pathv[i];
	}
	failed = _cmocka_run_group_tests("scenarios", tests, found.gl_pathc, NULL, NULL);
	for (i = 0; i < found.gl_pathc; i++)
		free((char *)tests[i].name);
	free(tests);
	globfree(&found);
	return failed;
}
