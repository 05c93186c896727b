// SPDX-License-Identifier: BSD-2-Clause
/*
 * net_queue: order, sources, what is merged, and that nothing is lost unnoticed when the socket
 * takes no more or refuses. The socket is a script that says how many messages it takes.
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

#include <cmocka.h>

#include <addr.h>

#include "ctl/varpd/net_queue.h"

#define ALL	1000	/* a step that takes as much as there is */
#define SEEN	1024

/* What left, as the wire would have it. */
struct seen {
	uint8_t number;
	uint16_t port;
	uint8_t source;		/* last octet; zero: none */
	uint32_t ifindex;
};

struct socket_model {
	int family;
	const int *steps;	/* messages to take, or -errno; after the last one: everything */
	size_t step, steps_count;
	unsigned int calls, messages, merged;
	bool refuse_merged;
	struct seen seen[SEEN];
	unsigned int count;
	int outcomes[SEEN];
	unsigned int outcome_count;
};

static void read_control(struct msghdr *m, struct seen *seen, uint16_t *segment)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			const struct in6_pktinfo *info = (const void *)CMSG_DATA(c);

			seen->source = info->ipi6_addr.s6_addr[15];
			seen->ifindex = info->ipi6_ifindex;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			const struct in_pktinfo *info = (const void *)CMSG_DATA(c);

			seen->source = (uint8_t)(ntohl(info->ipi_spec_dst.s_addr) & 0xff);
			seen->ifindex = (uint32_t)info->ipi_ifindex;
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT) {
			memcpy(segment, CMSG_DATA(c), sizeof(*segment));
		} else {
			fail_msg("control message %d/%d", c->cmsg_level, c->cmsg_type);
		}
	}
}

static void leave(struct socket_model *model, struct msghdr *m)
{
	const struct sockaddr_in *in4 = m->msg_name;
	const struct sockaddr_in6 *in6 = m->msg_name;
	struct seen seen = { .port = ntohs(model->family == AF_INET ? in4->sin_port :
								       in6->sin6_port) };
	uint16_t segment = 0;

	read_control(m, &seen, &segment);
	model->messages++;
	model->merged += m->msg_iovlen > 1;
	assert_int_equal(m->msg_iovlen > 1, segment != 0);
	for (size_t i = 0; i < m->msg_iovlen; i++) {
		if (segment)
			assert_int_equal(m->msg_iov[i].iov_len, segment);
		seen.number = *(uint8_t *)m->msg_iov[i].iov_base;
		assert_true(model->count < SEEN);
		model->seen[model->count++] = seen;
	}
}

static int on_send(void *ctx, struct mmsghdr *messages, unsigned int count)
{
	struct socket_model *model = ctx;
	int take = model->step < model->steps_count ? model->steps[model->step++] : ALL;

	model->calls++;
	if (model->refuse_merged && messages[0].msg_hdr.msg_iovlen > 1)
		take = -EIO;
	if (take < 0) {
		errno = -take;
		return -1;
	}
	if ((unsigned int)take > count)
		take = (int)count;
	for (int i = 0; i < take; i++)
		leave(model, &messages[i].msg_hdr);
	return take;
}

static void on_sent(void *ctx, const struct net_datagram *datagram, int err)
{
	struct socket_model *model = ctx;

	(void)datagram;
	assert_true(model->outcome_count < SEEN);
	model->outcomes[model->outcome_count++] = err;
}

static struct net_queue *make(struct socket_model *model)
{
	const struct net_queue_config config = { model->family, on_send, on_sent, model };
	struct net_queue *queue = net_queue_new(&config);

	assert_non_null(queue);
	return queue;
}

/* To port, from the address that ends so (zero: any). False: there is no room. */
static bool add(struct net_queue *queue, int family, uint8_t number, uint16_t port, uint8_t source)
{
	struct net_datagram *d = net_queue_next(queue);

	if (!d)
		return false;
	memset(d, 0, sizeof(*d));
	d->name.any.ss_family = family;
	if (family == AF_INET)
		d->name.in4.sin_port = htons(port);
	else
		d->name.in6.sin6_port = htons(port);
	d->name_len = family == AF_INET ? sizeof(d->name.in4) : sizeof(d->name.in6);
	if (source) {
		memcpy(d->source.b, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0", 15);
		d->source.b[15] = source;
		d->ifindex = 100u + source;
	}
	d->data[0] = number;
	d->len = VARP_MSG_LEN;
	net_queue_add(queue);
	return true;
}

static void expect_numbers(const struct socket_model *model, unsigned int count)
{
	assert_int_equal(model->count, count);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(model->seen[i].number, (uint8_t)i);
}

static void test_flush_different_peers_keep_order_and_sources(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };

	(void)state;
	for (size_t f = 0; f < 2; f++) {
		struct socket_model model = { .family = families[f] };
		struct net_queue *queue = make(&model);

		for (uint8_t i = 0; i < 100; i++)
			assert_true(add(queue, model.family, i, 1000 + i, i % 3));
		assert_int_equal(net_queue_count(queue), 100);
		assert_true(net_queue_flush(queue));
		assert_int_equal(net_queue_count(queue), 0);
		assert_int_equal(model.calls, 1);
		assert_int_equal(model.merged, 0);
		expect_numbers(&model, 100);
		for (uint8_t i = 0; i < 100; i++) {
			assert_int_equal(model.seen[i].port, 1000 + i);
			assert_int_equal(model.seen[i].source, i % 3);
			assert_int_equal(model.seen[i].ifindex, i % 3 ? 100 + i % 3 : 0);
		}
		net_queue_free(queue);
	}
}

static void test_flush_same_peer_and_source_is_merged_within_bounds(void **state)
{
	struct socket_model model = { .family = AF_INET6 };
	struct net_queue *queue = make(&model);

	(void)state;
	for (uint8_t i = 0; i < 200; i++)	/* 64 + 64 + 2, another source, another port */
		assert_true(add(queue, AF_INET6, i, i < 180 ? 2500 : 2501, i < 130 ? 1 : 2));
	assert_true(net_queue_flush(queue));
	assert_int_equal(model.calls, 1);
	assert_int_equal(model.messages, 5);
	expect_numbers(&model, 200);
	for (uint8_t i = 0; i < 200; i++) {
		assert_int_equal(model.seen[i].source, i < 130 ? 1 : 2);
		assert_int_equal(model.seen[i].port, i < 180 ? 2500 : 2501);
	}
	net_queue_free(queue);
}

static void test_flush_other_lengths_are_not_merged(void **state)
{
	struct socket_model model = { .family = AF_INET };
	struct net_queue *queue = make(&model);

	(void)state;
	for (uint8_t i = 0; i < 4; i++) {
		struct net_datagram *d;

		assert_true(add(queue, AF_INET, i, 2500, 0));
		d = net_queue_next(queue) - 1;
		d->len = i < 2 ? 160 : 100 + i;
	}
	assert_true(net_queue_flush(queue));
	assert_int_equal(model.messages, 3);
	expect_numbers(&model, 4);
	net_queue_free(queue);
}

static void test_flush_full_socket_keeps_the_rest_for_later(void **state)
{
	static const int steps[] = { 3, -EAGAIN, 2, -EAGAIN };
	struct socket_model model = { .family = AF_INET, .steps = steps, .steps_count = 4 };
	struct net_queue *queue = make(&model);

	(void)state;
	for (uint8_t i = 0; i < 10; i++)
		assert_true(add(queue, AF_INET, i, 1000 + i, 0));
	assert_false(net_queue_flush(queue));
	assert_int_equal(net_queue_count(queue), 7);
	expect_numbers(&model, 3);
	assert_false(net_queue_flush(queue));
	assert_int_equal(net_queue_count(queue), 5);
	assert_true(add(queue, AF_INET, 10, 1010, 0));
	assert_true(net_queue_flush(queue));
	expect_numbers(&model, 11);
	assert_int_equal(model.outcome_count, 11);
	for (unsigned int i = 0; i < 11; i++)
		assert_int_equal(model.outcomes[i], 0);
	net_queue_free(queue);
}

static void test_flush_refused_one_is_told_and_others_go(void **state)
{
	static const int steps[] = { 2, -ENETUNREACH, 1, -ENOBUFS };
	struct socket_model model = { .family = AF_INET, .steps = steps, .steps_count = 4 };
	struct net_queue *queue = make(&model);
	static const int outcomes[] = { 0, 0, ENETUNREACH, 0, ENOBUFS, 0, 0, 0 };
	static const uint8_t numbers[] = { 0, 1, 3, 5, 6, 7 };

	(void)state;
	for (uint8_t i = 0; i < 8; i++)
		assert_true(add(queue, AF_INET, i, 1000 + i, 0));
	assert_true(net_queue_flush(queue));
	assert_int_equal(model.outcome_count, 8);
	assert_memory_equal(model.outcomes, outcomes, sizeof(outcomes));
	assert_int_equal(model.count, 6);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(model.seen[i].number, numbers[i]);
	net_queue_free(queue);
}

static void test_flush_merged_to_an_unreachable_peer_is_told_for_each(void **state)
{
	static const int steps[] = { -ENETUNREACH };
	struct socket_model model = { .family = AF_INET, .steps = steps, .steps_count = 1 };
	struct net_queue *queue = make(&model);

	(void)state;
	for (uint8_t i = 0; i < 8; i++)
		assert_true(add(queue, AF_INET, i, i < 5 ? 2500 : 2501, 0));
	assert_true(net_queue_flush(queue));
	assert_int_equal(model.outcome_count, 8);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(model.outcomes[i], i < 5 ? ENETUNREACH : 0);
	assert_int_equal(model.count, 3);
	net_queue_free(queue);
}

static void test_flush_device_that_takes_nothing_merged_gets_them_one_by_one(void **state)
{
	struct socket_model model = { .family = AF_INET6, .refuse_merged = true };
	struct net_queue *queue = make(&model);

	(void)state;
	for (uint8_t i = 0; i < 50; i++)
		assert_true(add(queue, AF_INET6, i, 2500, 1));
	assert_true(net_queue_flush(queue));
	assert_int_equal(model.messages, 50);
	assert_int_equal(model.calls, 2);
	expect_numbers(&model, 50);
	for (unsigned int i = 0; i < 50; i++)
		assert_int_equal(model.outcomes[i], 0);
	net_queue_free(queue);
}

/* A peer that cannot be reached refuses merged and single ones alike: others' go on being merged. */
static void test_flush_unreachable_peer_does_not_end_merging(void **state)
{
	static const int steps[] = { -EINVAL, -EINVAL, -EINVAL };
	struct socket_model model = { .family = AF_INET6, .steps = steps, .steps_count = 3 };
	struct net_queue *queue = make(&model);

	(void)state;
	for (uint8_t i = 0; i < 2; i++)
		assert_true(add(queue, AF_INET6, i, 2500, 1));
	assert_true(net_queue_flush(queue));
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(model.outcomes[i], EINVAL);
	model.merged = 0;
	for (uint8_t i = 2; i < 12; i++)
		assert_true(add(queue, AF_INET6, i, 2500, 1));
	assert_true(net_queue_flush(queue));
	assert_int_equal(model.merged, 1);
	net_queue_free(queue);
}

static void test_add_to_a_full_queue_flushes_or_has_no_room(void **state)
{
	static const int steps[] = { -EAGAIN, -EAGAIN, 10, -EAGAIN };
	struct socket_model model = { .family = AF_INET };
	struct net_queue *queue = make(&model);

	(void)state;
	for (unsigned int i = 0; i < NET_QUEUE_MAX + 1; i++)
		assert_true(add(queue, AF_INET, (uint8_t)i, (uint16_t)(1000 + i), 0));
	assert_int_equal(net_queue_count(queue), 1);
	expect_numbers(&model, NET_QUEUE_MAX);

	model.steps = steps;
	model.steps_count = 4;
	for (unsigned int i = NET_QUEUE_MAX + 1; i < 2 * NET_QUEUE_MAX; i++)
		assert_true(add(queue, AF_INET, (uint8_t)i, (uint16_t)(1000 + i), 0));
	assert_false(add(queue, AF_INET, 0, 1, 0));
	assert_false(add(queue, AF_INET, 0, 1, 0));
	/* Ten go: as many have room again, behind the others. */
	for (unsigned int i = 0; i < 10; i++)
		assert_true(add(queue, AF_INET, (uint8_t)i, (uint16_t)(1000 + i), 0));
	assert_int_equal(net_queue_count(queue), NET_QUEUE_MAX);
	assert_true(net_queue_flush(queue));
	expect_numbers(&model, 2 * NET_QUEUE_MAX + 10);
	assert_int_equal(model.outcome_count, 2 * NET_QUEUE_MAX + 10);
	net_queue_free(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flush_different_peers_keep_order_and_sources),
		cmocka_unit_test(test_flush_same_peer_and_source_is_merged_within_bounds),
		cmocka_unit_test(test_flush_other_lengths_are_not_merged),
		cmocka_unit_test(test_flush_full_socket_keeps_the_rest_for_later),
		cmocka_unit_test(test_flush_refused_one_is_told_and_others_go),
		cmocka_unit_test(test_flush_merged_to_an_unreachable_peer_is_told_for_each),
		cmocka_unit_test(test_flush_device_that_takes_nothing_merged_gets_them_one_by_one),
		cmocka_unit_test(test_flush_unreachable_peer_does_not_end_merging),
		cmocka_unit_test(test_add_to_a_full_queue_flushes_or_has_no_room),
	};

	return cmocka_run_group_tests_name("net_queue", tests, NULL, NULL);
}
