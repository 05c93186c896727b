// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who is at the other end: of a unix socket, and of TCP over loopback by either way of asking the
 * kernel. Sockets whose owner has closed them are the trap: they are shown as root's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/varpd/peer.h"
#include "ctl/varpd/peer_tcp.h"

#define OTHER	4711	/* who makes sockets where the test is root */

struct pair {
	int listener, client, server;
	struct sockaddr_storage client_name, server_name;
};

static const struct asker {
	const char *name;
	int (*owner)(const struct sockaddr_storage *local, const struct sockaddr_storage *remote,
		     uid_t *uid);
} askers[] = {
	{ "either", peer_tcp_owner },
	{ "list", peer_tcp_owner_listed },
};

/* Connected over loopback; the client's socket is OTHER's if the test can be anybody. */
static bool connect_pair(int family, struct pair *pair)
{
	struct sockaddr_storage name = { .ss_family = family };
	struct sockaddr_in6 *in6 = (void *)&name;
	struct sockaddr_in *in = (void *)&name;
	socklen_t len = family == AF_INET ? sizeof(*in) : sizeof(*in6);

	if (family == AF_INET)
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		in6->sin6_addr = in6addr_loopback;
	pair->listener = socket(family, SOCK_STREAM, 0);
	if (pair->listener < 0 || bind(pair->listener, (void *)&name, len))
		return false;
	assert_int_equal(listen(pair->listener, 1), 0);
	len = sizeof(name);
	assert_int_equal(getsockname(pair->listener, (void *)&name, &len), 0);
	if (!geteuid())
		assert_int_equal(seteuid(OTHER), 0);
	pair->client = socket(family, SOCK_STREAM, 0);
	if (!getuid())
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(connect(pair->client, (void *)&name, len), 0);
	pair->server = accept(pair->listener, NULL, NULL);
	assert_true(pair->server >= 0);
	len = sizeof(pair->client_name);
	assert_int_equal(getpeername(pair->server, (void *)&pair->client_name, &len), 0);
	len = sizeof(pair->server_name);
	assert_int_equal(getsockname(pair->server, (void *)&pair->server_name, &len), 0);
	return true;
}

static void end_pair(struct pair *pair)
{
	if (pair->client >= 0)
		close(pair->client);
	close(pair->server);
	close(pair->listener);
}

static void check_family(int family)
{
	uid_t wanted = geteuid() ? geteuid() : OTHER, uid;
	struct pair pair;
	struct peer peer;

	if (!connect_pair(family, &pair))
		skip();		/* without IPv6 */
	for (size_t i = 0; i < sizeof(askers) / sizeof(askers[0]); i++) {
		uid = 1;
		if (askers[i].owner(&pair.client_name, &pair.server_name, &uid) || uid != wanted)
			fail_msg("%s: connected", askers[i].name);
		if (askers[i].owner(&pair.server_name, &pair.server_name, &uid) != -ENOENT)
			fail_msg("%s: no such socket", askers[i].name);
	}
	peer_of(pair.server, &peer);
	assert_true(peer.known);
	assert_false(peer.remote);
	assert_int_equal(peer.uid, wanted);
	assert_int_equal(peer.pid, 0);

	shutdown(pair.client, SHUT_WR);
	peer_of(pair.server, &peer);
	assert_true(peer.known);
	assert_int_equal(peer.uid, wanted);

	close(pair.client);
	pair.client = -1;
	for (size_t i = 0; i < sizeof(askers) / sizeof(askers[0]); i++)
		if (askers[i].owner(&pair.client_name, &pair.server_name, &uid) != -ENOENT)
			fail_msg("%s: closed", askers[i].name);
	peer_of(pair.server, &peer);
	assert_false(peer.known);
	end_pair(&pair);
}

static void test_tcp_over_ipv4(void **state)
{
	(void)state;
	check_family(AF_INET);
}

static void test_tcp_over_ipv6(void **state)
{
	(void)state;
	check_family(AF_INET6);
}

static void test_unix_is_known_after_closing(void **state)
{
	struct peer peer;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	close(fds[1]);
	peer_of(fds[0], &peer);
	assert_true(peer.known);
	assert_int_equal(peer.uid, geteuid());
	assert_int_equal(peer.pid, getpid());
	assert_true(peer_in_group(&peer, getegid()));
	assert_false(peer_in_group(&peer, 4712));
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_over_ipv4),
		cmocka_unit_test(test_tcp_over_ipv6),
		cmocka_unit_test(test_unix_is_known_after_closing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
