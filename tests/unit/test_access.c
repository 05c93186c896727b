// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who may do what: rows of a user, his groups, and what the configuration says. The users are those
 * that every system has.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <addr.h>

#include "ctl/varpd/access.h"
#include "ctl/varpd/config.h"

#define VARPD_UID	4711
#define STRANGER	4712

static struct varp_snid snid_of(const char *text)
{
	struct varp_snid snid;

	assert_int_equal(varp_snid_parse(text, &snid), 0);
	return snid;
}

static uid_t uid_of(const char *name)
{
	const struct passwd *entry = getpwnam(name);

	assert_non_null(entry);
	return entry->pw_uid;
}

static gid_t gid_of(const char *name)
{
	const struct group *entry = getgrnam(name);

	assert_non_null(entry);
	return entry->gr_gid;
}

static struct peer local(uid_t uid, gid_t gid)
{
	return (struct peer){ .known = true, .uid = uid, .groups = { gid }, .group_count = 1 };
}

/* daemon owns 0x10, members of bin 0x20; sys may command as group manager. */
static struct access *make(bool insecure)
{
	static struct config_entry entries[2];
	struct varpd_config config = {
		.user = "mail",		/* whose group is the administrators' */
		.insecure = insecure,
		.grp_mgr_allow = "sys",
		.entries = entries,
		.entry_count = 2,
	};
	struct access *access;

	entries[0] = (struct config_entry){ .section = CONFIG_SUPERNET, .snid = snid_of("0x10"),
					    .owner = "daemon, nobody-of-this-name" };
	entries[1] = (struct config_entry){ .section = CONFIG_SUPERNET, .snid = snid_of("0x20"),
					    .owner = "@bin" };
	access = access_new(&config, VARPD_UID);
	assert_non_null(access);
	return access;
}

static void test_owns_rows(void **state)
{
	const struct {
		const char *name;
		struct peer peer;
		bool admin, ten, twenty, any;
	} rows[] = {
		{ "root", local(0, 0), true, true, true, true },
		{ "varpd's user", local(VARPD_UID, STRANGER), true, true, true, true },
		{ "its group", local(STRANGER, gid_of("mail")), true, true, true, true },
		{ "owner", local(uid_of("daemon"), STRANGER), false, true, false, true },
		{ "owner by group", local(STRANGER, gid_of("bin")), false, false, true, true },
		{ "permitted as manager", local(uid_of("sys"), STRANGER), false, false, false, false },
		{ "stranger", local(STRANGER, STRANGER), false, false, false, false },
		{ "unknown", { .known = false }, false, false, false, false },
		{ "remote", { .remote = true }, false, false, false, false },
	};
	struct varp_snid ten = snid_of("0x10"), twenty = snid_of("0x20"), other = snid_of("0x30");
	struct access *access = make(false);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct peer *peer = &rows[i].peer;

		if (access_is_admin(access, peer) != rows[i].admin ||
		    access_owns(access, peer, &ten) != rows[i].ten ||
		    access_owns(access, peer, &twenty) != rows[i].twenty ||
		    access_owns(access, peer, &other) != rows[i].admin ||
		    access_owns_any(access, peer) != rows[i].any)
			fail_msg("%s", rows[i].name);
	}
	access_free(access);
}

static void test_command_rows(void **state)
{
	enum { NOT, OWN, ALL };
	const struct {
		const char *name;
		struct peer peer;
		int manager, client;
		bool insecure;
	} rows[] = {
		{ "root", local(0, 0), ALL, ALL, false },
		{ "owner", local(uid_of("daemon"), STRANGER), OWN, OWN, false },
		{ "permitted as manager", local(uid_of("sys"), STRANGER), ALL, NOT, false },
		{ "stranger", local(STRANGER, STRANGER), NOT, NOT, false },
		{ "stranger, insecure", local(STRANGER, STRANGER), NOT, NOT, true },
		{ "gone", { .known = false }, NOT, NOT, true },
		{ "remote", { .remote = true }, NOT, NOT, false },
		{ "remote, insecure", { .remote = true }, ALL, ALL, true },
	};
	static const enum varp_command_source sources[] = {
		VARP_COMMAND_FROM_MANAGER, VARP_COMMAND_FROM_CLIENT,
	};
	const struct varp_command ten = { .type = VARP_COMMAND_ADD, .snid = snid_of("0x10") };
	const struct varp_command other = { .type = VARP_COMMAND_ADD, .snid = snid_of("0x30") };
	const struct varp_command init = { .type = VARP_COMMAND_INIT, .snid = snid_of("0x10") };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct access *access = make(rows[i].insecure);

		for (int s = 0; s < 2; s++) {
			const struct peer *peer = &rows[i].peer;
			int may = s ? rows[i].client : rows[i].manager;

			if (access_may_connect(access, peer, sources[s]) != (may >= OWN) ||
			    access_may_command(access, peer, sources[s], &ten) != (may >= OWN) ||
			    access_may_command(access, peer, sources[s], &other) != (may == ALL) ||
			    access_may_command(access, peer, sources[s], &init) != (may == ALL))
				fail_msg("%s on socket %d", rows[i].name, s);
		}
		access_free(access);
	}
}

static void test_next_owned_walks_own_alone(void **state)
{
	struct peer both = local(uid_of("daemon"), gid_of("bin"));
	struct peer none = local(STRANGER, STRANGER);
	struct access *access = make(false);
	struct varp_snid snid, ten = snid_of("0x10"), gone = snid_of("0x99");
	unsigned int count = 0;

	(void)state;
	for (bool first = true; access_next_owned(access, &both, first, &snid); first = false)
		count++;
	assert_int_equal(count, 2);
	assert_false(access_next_owned(access, &none, true, &snid));
	assert_false(access_next_owned(access, &both, false, &gone));
	assert_true(access_is_delegated(access, VARP_COMMAND_FROM_MANAGER));
	assert_true(access_owns(access, &both, &ten));
	access_free(access);
}

static void test_list_rows(void **state)
{
	static const struct {
		const char *text;
		int err;
	} rows[] = {
		{ "alice", 0 },		     { "alice, @team bob", 0 },   { "a.b-c_d$", 0 },
		{ "", -EINVAL },	     { " , ", -EINVAL },	  { "@", -EINVAL },
		{ "alice;bob", -EINVAL },    { "@@team", -EINVAL },	  { "../x", -EINVAL },
	};
	char long_list[ACCESS_LIST_LEN + 1];
	struct varpd_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (access_list_check(rows[i].text, &error) != rows[i].err)
			fail_msg("'%s'", rows[i].text);
	memset(long_list, 'a', sizeof(long_list) - 1);
	long_list[sizeof(long_list) - 1] = '\0';
	assert_int_equal(access_list_check(long_list, &error), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owns_rows),
		cmocka_unit_test(test_command_rows),
		cmocka_unit_test(test_next_owned_walks_own_alone),
		cmocka_unit_test(test_list_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
