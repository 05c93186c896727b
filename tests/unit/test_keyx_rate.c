// SPDX-License-Identifier: BSD-2-Clause
/*
 * How many key exchanges begin in a second: bursts, rates, and that one peer's excess is nobody
 * else's loss.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "ctl/varpd/keyx_rate.h"

#define NS_PER_S	1000000000ull
#define START		(1000 * NS_PER_S)

static struct varp_addr addr_of(const char *text)
{
	struct varp_addr addr;

	assert_int_equal(varp_addr_parse(text, &addr), 0);
	return addr;
}

/* Tries, evenly spread over a time; returns how many were taken. */
static unsigned int offer(struct keyx_rate *rate, const char *from, uint64_t start_ns,
			  uint64_t span_ns, unsigned int count)
{
	struct varp_addr addr = addr_of(from);
	unsigned int taken = 0;

	for (unsigned int i = 0; i < count; i++)
		taken += keyx_rate_take(rate, &addr, start_ns + span_ns * i / count);
	return taken;
}

static void test_peer_over_its_rate_refused(void **state)
{
	struct keyx_rate rate = { 0 };

	(void)state;
	assert_int_equal(offer(&rate, "192.0.2.1", START, 0, 300), KEYX_BURST_PEER);
	assert_int_equal(rate.refused, 200);
	assert_int_equal(offer(&rate, "192.0.2.1", START + NS_PER_S, 0, 300), KEYX_RATE_PEER);
	/* 2,000 in 10 s: a burst that has grown again by half, and the rate */
	assert_in_range(offer(&rate, "192.0.2.1", START + 2 * NS_PER_S, 10 * NS_PER_S, 2000),
			10 * KEYX_RATE_PEER, 11 * KEYX_RATE_PEER);
	assert_int_equal(offer(&rate, "192.0.2.1", START + 60 * NS_PER_S, 0, 300),
			 KEYX_BURST_PEER);
	keyx_rate_close(&rate);
}

static void test_flood_of_one_peer_others_served(void **state)
{
	struct keyx_rate rate = { 0 };
	unsigned int taken = 0;

	(void)state;
	for (unsigned int ms = 0; ms < 10000; ms += 100) {
		offer(&rate, "192.0.2.1", START + ms * 1000000ull, 0, 1000);
		taken += offer(&rate, "192.0.2.2", START + ms * 1000000ull, 0, 4);
	}
	assert_int_equal(taken, 400);
	keyx_rate_close(&rate);
}

static void test_ipv6_peer_is_its_64(void **state)
{
	struct keyx_rate rate = { 0 };

	(void)state;
	assert_int_equal(offer(&rate, "2001:db8::1", START, 0, 60), 60);
	assert_int_equal(offer(&rate, "2001:db8::ffff:0:0:2", START, 0, 60), 40);
	assert_int_equal(offer(&rate, "2001:db8:0:1::1", START, 0, 60), 60);
	assert_int_equal(offer(&rate, "192.0.2.1", START, 0, 60), 60);
	assert_int_equal(offer(&rate, "192.0.2.2", START, 0, 60), 60);
	keyx_rate_close(&rate);
}

static void test_many_peers_bounded_in_all_and_forgotten(void **state)
{
	struct keyx_rate rate = { 0 };
	unsigned int taken = 0;
	char text[32];

	(void)state;
	for (unsigned int i = 0; i < 60000; i++) {
		snprintf(text, sizeof(text), "2001:db8:%x:%x::1", i >> 8, i & 255);
		taken += offer(&rate, text, START + i * (10 * NS_PER_S / 60000), 0, 1);
		assert_in_range(keyx_rate_peers(&rate), 1, KEYX_BURST_ALL + 2 * KEYX_RATE_ALL);
	}
	assert_in_range(taken, KEYX_BURST_ALL + 10 * KEYX_RATE_ALL - 1,
			KEYX_BURST_ALL + 10 * KEYX_RATE_ALL);
	assert_int_equal(rate.refused, 60000 - taken);
	/* A sweep leaves those alone that have something to get back. */
	assert_int_equal(offer(&rate, "192.0.2.1", START + 60 * NS_PER_S, 0, 1), 1);
	assert_int_equal(keyx_rate_peers(&rate), 1);
	keyx_rate_close(&rate);
	assert_int_equal(keyx_rate_peers(&rate), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peer_over_its_rate_refused),
		cmocka_unit_test(test_flood_of_one_peer_others_served),
		cmocka_unit_test(test_ipv6_peer_is_its_64),
		cmocka_unit_test(test_many_peers_bounded_in_all_and_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
