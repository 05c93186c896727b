// SPDX-License-Identifier: BSD-2-Clause
/*
 * net_receive: each datagram once, in order, with its origin, whether the kernel hands them over one
 * by one or merged. Over the loopback device; one that merges is a kernel's affair (UDP_SEGMENT).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <addr.h>

#include "ctl/varpd/net_receive.h"

#define SEEN	4096

struct fixture {
	int fd, sender;
	uint16_t port, sender_port;
	struct net_receiver *receiver;
	unsigned int count;
	uint8_t numbers[SEEN];
	size_t lens[SEEN];
	struct net_origin origins[SEEN];
};

static uint16_t port_of(int fd)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	assert_int_equal(getsockname(fd, (void *)&name, &len), 0);
	return ntohs(name.ss_family == AF_INET ? ((struct sockaddr_in *)&name)->sin_port :
						 ((struct sockaddr_in6 *)&name)->sin6_port);
}

/* The receiver's socket of this family, and a sender to it over IPv4. False: not on this host. */
static bool open_fixture(struct fixture *f, int family)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in any4 = { .sin_family = AF_INET };
	struct sockaddr_in to = { .sin_family = AF_INET };
	int on = 1, off = 0, room = 4 * 1024 * 1024;

	memset(f, 0, sizeof(*f));
	f->fd = socket(family, SOCK_DGRAM, 0);
	if (f->fd < 0)
		return false;
	if (family == AF_INET6) {
		setsockopt(f->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		setsockopt(f->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	} else {
		setsockopt(f->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	}
	setsockopt(f->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (bind(f->fd, family == AF_INET6 ? (void *)&any6 : (void *)&any4,
		 family == AF_INET6 ? sizeof(any6) : sizeof(any4))) {
		close(f->fd);
		return false;
	}
	f->receiver = net_receiver_new(f->fd, family);
	assert_non_null(f->receiver);
	f->port = port_of(f->fd);
	f->sender = socket(AF_INET, SOCK_DGRAM, 0);
	to.sin_port = htons(f->port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(f->sender, (void *)&to, sizeof(to)), 0);
	f->sender_port = port_of(f->sender);
	return true;
}

static void close_fixture(struct fixture *f)
{
	net_receiver_free(f->receiver);
	close(f->fd);
	close(f->sender);
}

static void take(void *ctx, const struct net_origin *origin, const uint8_t *data, size_t len)
{
	struct fixture *f = ctx;

	assert_true(f->count < SEEN);
	f->numbers[f->count] = len ? data[0] : 0;
	f->lens[f->count] = len;
	f->origins[f->count++] = *origin;
}

static void run(struct fixture *f)
{
	for (int i = 0; i < 1000 && net_receiver_run(f->receiver, take, f); i++)
		;
}

static void send_one(struct fixture *f, uint8_t number, size_t len)
{
	uint8_t data[2000] = { number };

	assert_int_equal(send(f->sender, data, len, 0), len);
}

/* `count` of `len` octets each, numbered from first on, the last one of last_len. */
static void send_merged(struct fixture *f, uint8_t first, unsigned int count, uint16_t len,
			size_t last_len)
{
	char control[CMSG_SPACE(sizeof(uint16_t))] = { 0 };
	static uint8_t data[65536];
	struct iovec iov = { data, (count - 1) * (size_t)len + last_len };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	for (unsigned int i = 0; i < count; i++)
		data[i * len] = (uint8_t)(first + i);
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(len));
	memcpy(CMSG_DATA(c), &len, sizeof(len));
	assert_int_equal(sendmsg(f->sender, &m, 0), iov.iov_len);
}

static void expect_origins(const struct fixture *f)
{
	struct varp_addr loopback;

	assert_int_equal(varp_addr_parse("127.0.0.1", &loopback), 0);
	for (unsigned int i = 0; i < f->count; i++) {
		assert_int_equal(f->numbers[i], (uint8_t)i);
		assert_int_equal(f->origins[i].port, f->sender_port);
		assert_true(varp_addr_equal(&f->origins[i].from, &loopback));
		assert_true(varp_addr_equal(&f->origins[i].to, &loopback));
		assert_int_equal(f->origins[i].ifindex, 1);
	}
}

static void test_run_shows_each_datagram_with_its_origin(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct fixture *f = malloc(sizeof(*f));

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		if (!open_fixture(f, families[i])) {
			print_message("no socket of family %d: left out\n", families[i]);
			continue;
		}
		for (unsigned int n = 0; n < 100; n++)
			send_one(f, (uint8_t)n, n == 7 ? 0 : 160 + n);
		run(f);
		assert_int_equal(f->count, 100);
		assert_int_equal(f->lens[7], 0);
		assert_int_equal(f->lens[99], 259);
		f->numbers[7] = 7;
		expect_origins(f);
		assert_false(net_receiver_run(f->receiver, take, f));
		assert_int_equal(f->count, 100);
		close_fixture(f);
	}
	free(f);
}

static void test_run_cuts_what_was_merged(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct fixture *f = malloc(sizeof(*f));

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		if (!open_fixture(f, families[i]))
			continue;
		send_merged(f, 0, 64, 160, 160);
		send_one(f, 64, 160);
		send_merged(f, 65, 3, 160, 40);		/* the last one is shorter */
		send_merged(f, 68, 40, 1400, 1400);	/* none of ours, but whole */
		send_one(f, 108, 160);
		run(f);
		assert_int_equal(f->count, 109);
		expect_origins(f);
		for (unsigned int n = 0; n < 109; n++)
			assert_int_equal(f->lens[n], n == 67 ? 40 : n >= 68 && n < 108 ? 1400 : 160);
		close_fixture(f);
	}
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run_shows_each_datagram_with_its_origin),
		cmocka_unit_test(test_run_cuts_what_was_merged),
	};

	return cmocka_run_group_tests_name("net_receive", tests, NULL, NULL);
}
