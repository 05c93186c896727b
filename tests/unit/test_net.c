// SPDX-License-Identifier: BSD-2-Clause
/*
 * net: the socket address of a peer, by the family of the socket that is to reach it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <addr.h>

#include "ctl/varpd/net.h"

static void test_name_rows(void **state)
{
	static const struct {
		const char *name;
		int family;
		const char *addr, *text;	/* text NULL: cannot be reached */
	} rows[] = {
		{ "IPv4 over IPv4", AF_INET, "192.0.2.1", "192.0.2.1" },
		{ "IPv4 over both", AF_INET6, "192.0.2.1", "::ffff:192.0.2.1" },
		{ "IPv6 over both", AF_INET6, "2001:db8::1", "2001:db8::1" },
		{ "IPv6 over IPv4", AF_INET, "2001:db8::c000:201", NULL },
		{ "loopback over IPv4", AF_INET, "::1", NULL },
		{ "nearly mapped", AF_INET, "::fffe:192.0.2.1", NULL },
	};
	struct sockaddr_storage name;
	char text[INET6_ADDRSTRLEN];
	struct varp_addr addr;
	socklen_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct sockaddr_in6 *in6 = (void *)&name;
		const struct sockaddr_in *in = (void *)&name;
		bool v6 = rows[i].family == AF_INET6;
		int err;

		assert_int_equal(varp_addr_parse(rows[i].addr, &addr), 0);
		err = net_name(rows[i].family, &addr, 2500, &name, &len);
		if (err != (rows[i].text ? 0 : -EAFNOSUPPORT))
			fail_msg("%s: %d", rows[i].name, err);
		if (err)
			continue;
		assert_int_equal(name.ss_family, rows[i].family);
		assert_int_equal(len, v6 ? sizeof(*in6) : sizeof(*in));
		assert_int_equal(ntohs(v6 ? in6->sin6_port : in->sin_port), 2500);
		inet_ntop(rows[i].family, v6 ? (void *)&in6->sin6_addr : (void *)&in->sin_addr,
			  text, sizeof(text));
		assert_string_equal(text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_rows),
	};

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
