// SPDX-License-Identifier: BSD-2-Clause
/*
 * auth: which messages may be believed today, and what is written into ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include <auth.h>

#define ROWS(rows)	(sizeof(rows) / sizeof((rows)[0]))

static const struct varp_snid snid = { .b = { [9] = 7 } };

static void test_have_and_session_only_insecure(void **state)
{
	(void)state;
	assert_true(varp_auth_have(true, &snid));
	assert_false(varp_auth_have(false, &snid));
	assert_int_equal(varp_auth_session(true, &snid), 0);
}

static void test_check_rows_believe_zero_session_and_tag(void **state)
{
	static const struct {
		const char *name;
		bool insecure;
		uint64_t session;
		int octet;		/* of the tag that is not zero; -1: none */
		int err;
		enum varp_drop reason;
	} rows[] = {
		{ "insecure, all zero", true, 0, -1, 0, 0 },
		{ "insecure, a session", true, 1, -1, -EACCES, VARP_DROP_VARP_SESSION },
		{ "insecure, a session's last octet", true, 1ull << 63, -1, -EACCES,
		  VARP_DROP_VARP_SESSION },
		{ "insecure, first octet of the tag", true, 0, 0, -EACCES, VARP_DROP_VARP_TAG },
		{ "insecure, last octet of the tag", true, 0, VARP_TAG_LEN - 1, -EACCES,
		  VARP_DROP_VARP_TAG },
		{ "session before tag", true, 1, 0, -EACCES, VARP_DROP_VARP_SESSION },
		{ "not insecure, all zero", false, 0, -1, -EACCES, VARP_DROP_VARP_SESSION },
		{ "not insecure, a session", false, 1, -1, -EACCES, VARP_DROP_VARP_SESSION },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		const struct varp_msg msg = { .session = rows[i].session };
		enum varp_drop reason = VARP_DROP_COUNT;
		uint8_t data[VARP_MSG_LEN];
		int err;

		/* What stands before the tag is not looked at here. */
		memset(data, 0xa5, sizeof(data));
		memset(data + VARP_MSG_TAGGED_LEN, 0, VARP_TAG_LEN);
		if (rows[i].octet >= 0)
			data[VARP_MSG_TAGGED_LEN + rows[i].octet] = 1;
		err = varp_auth_check(rows[i].insecure, &msg, data, &reason);
		if (err != rows[i].err || (err && reason != rows[i].reason))
			fail_msg("%s: %d, reason %d", rows[i].name, err, reason);
	}
}

static void test_sign_writes_the_tag_and_nothing_else(void **state)
{
	uint8_t data[VARP_MSG_LEN], expected[VARP_MSG_LEN];
	const struct varp_msg msg = { .session = 0 };
	enum varp_drop reason;

	(void)state;
	memset(data, 0xa5, sizeof(data));
	memcpy(expected, data, sizeof(data));
	memset(expected + VARP_MSG_TAGGED_LEN, 0, VARP_TAG_LEN);
	varp_auth_sign(true, data);
	assert_memory_equal(data, expected, sizeof(data));
	assert_int_equal(varp_auth_check(true, &msg, data, &reason), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_have_and_session_only_insecure),
		cmocka_unit_test(test_check_rows_believe_zero_session_and_tag),
		cmocka_unit_test(test_sign_writes_the_tag_and_nothing_else),
	};

	return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
