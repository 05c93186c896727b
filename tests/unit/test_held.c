// SPDX-License-Identifier: BSD-2-Clause
/* held: order, bounds per destination, per supernet and in all, and that nothing stays charged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "ctl/varpd/held.h"

#define FRAME_LEN	100
#define COST		(sizeof(struct held_packet) + FRAME_LEN)

struct record {
	struct varp_event event;
	uint8_t frame[FRAME_LEN];
};

static struct varp_key key(uint8_t snid, uint8_t vaddr)
{
	struct varp_key k = { 0 };

	k.snid.b[9] = snid;
	k.vaddr.b[15] = vaddr;
	return k;
}

/* Adds a packet that carries `number` in its first octet. */
static int add(struct held *held, struct varp_key k, uint32_t ifindex, uint8_t number, uint64_t now_ns)
{
	struct record record = { .event = { .key = k, .ifindex = ifindex, .frame_len = FRAME_LEN,
					    .gso_size = number } };

	record.frame[0] = number;
	return held_add(held, &record.event, now_ns);
}

static struct held *make(unsigned int per_key, size_t packets_per_supernet, size_t packets)
{
	struct held_limits limits = { per_key, packets_per_supernet * COST, packets * COST };
	struct held *held = held_new(&limits);

	assert_non_null(held);
	return held;
}

static void test_held_take_gives_packets_in_order_and_once(void **state)
{
	struct held *held = make(8, 100, 100);
	struct varp_key k = key(1, 1), other = key(1, 2);
	struct held_packet *packets;
	uint8_t number = 0;

	(void)state;
	for (uint8_t i = 0; i < 8; i++) {
		assert_int_equal(add(held, k, 5, i, 1000 + i), 0);
		assert_int_equal(add(held, other, 5, 100, 1000 + i), 0);
	}
	assert_true(held_any(held, &k));
	packets = held_take(held, &k);
	for (struct held_packet *p = packets; p; p = p->next, number++) {
		assert_int_equal(p->frame[0], number);
		assert_int_equal(p->gso_size, number);
		assert_int_equal(p->ifindex, 5);
		assert_int_equal(p->frame_len, FRAME_LEN);
	}
	assert_int_equal(number, 8);
	held_packets_free(packets);
	assert_false(held_any(held, &k));
	assert_null(held_take(held, &k));
	assert_int_equal(held_bytes(held), 8 * COST);
	held_free(held);
}

static void test_held_add_ninth_packet_is_refused(void **state)
{
	struct held *held = make(8, 100, 100);

	(void)state;
	for (uint8_t i = 0; i < 8; i++)
		assert_int_equal(add(held, key(1, 1), 5, i, 0), 0);
	assert_int_equal(add(held, key(1, 1), 5, 8, 0), -ENOSPC);
	assert_int_equal(add(held, key(1, 2), 5, 0, 0), 0);
	assert_int_equal(held_bytes(held), 9 * COST);
	held_free(held);
}

static void test_held_add_bound_of_one_supernet_leaves_others_alone(void **state)
{
	struct held *held = make(8, 3, 100);

	(void)state;
	for (uint8_t i = 0; i < 3; i++)
		assert_int_equal(add(held, key(1, i), 5, i, 0), 0);
	assert_int_equal(add(held, key(1, 9), 5, 0, 0), -ENOBUFS);
	assert_int_equal(held_bytes(held), 3 * COST);
	assert_int_equal(add(held, key(2, 9), 5, 0, 0), 0);
	held_free(held);
}

static void test_held_add_bound_of_all_supernets_holds(void **state)
{
	struct held *held = make(8, 100, 4);
	struct varp_key first = key(0, 1);

	(void)state;
	for (uint8_t i = 0; i < 4; i++)
		assert_int_equal(add(held, key(i, 1), 5, i, 0), 0);
	assert_int_equal(add(held, key(9, 1), 5, 0, 0), -ENOBUFS);
	held_packets_free(held_take(held, &first));
	assert_int_equal(add(held, key(9, 1), 5, 0, 0), 0);
	held_free(held);
}

static void test_held_oldest_goes_by_first_packet(void **state)
{
	struct held *held = make(8, 100, 100);
	struct varp_key found, first = key(1, 1);

	(void)state;
	assert_false(held_oldest(held, UINT64_MAX, &found));
	assert_int_equal(add(held, key(1, 1), 5, 0, 1000), 0);
	assert_int_equal(add(held, key(1, 2), 5, 0, 2000), 0);
	assert_int_equal(add(held, key(1, 1), 5, 0, 3000), 0);
	assert_false(held_oldest(held, 1000, &found));
	assert_true(held_oldest(held, 1001, &found));
	assert_memory_equal(&found, &first, sizeof(found));
	held_packets_free(held_take(held, &first));
	assert_false(held_oldest(held, 2000, &found));
	assert_true(held_oldest(held, 2001, &found));
	held_free(held);
}

static int add_at(struct held *held, struct varp_key k, uint8_t number, uint64_t time_ns)
{
	struct record record = { .event = { .key = k, .time_ns = time_ns, .ifindex = 5,
					    .frame_len = FRAME_LEN, .gso_size = number } };

	return held_add(held, &record.event, time_ns);
}

static void test_held_drop_before_leaves_younger_ones_waiting_anew(void **state)
{
	struct held *held = make(8, 100, 100);
	struct varp_key k = key(1, 1), other = key(1, 2), oldest;
	struct held_packet *packets;

	(void)state;
	assert_int_equal(add_at(held, k, 1, 1000), 0);
	assert_int_equal(add_at(held, k, 2, 1999), 0);
	assert_int_equal(add_at(held, other, 9, 1500), 0);
	assert_int_equal(add_at(held, k, 3, 2000), 0);
	assert_int_equal(held_drop_before(held, &k, 2000, 7000), 2);
	assert_int_equal(held_bytes(held), 2 * COST);
	/* It went behind the other one, whose turn it is now. */
	assert_true(held_oldest(held, 7000, &oldest));
	assert_memory_equal(&oldest, &other, sizeof(other));
	assert_int_equal(held_drop_before(held, &other, 7000, 7000), 1);
	assert_false(held_any(held, &other));
	assert_false(held_oldest(held, 7000, &oldest));
	assert_true(held_oldest(held, 7001, &oldest));
	assert_memory_equal(&oldest, &k, sizeof(k));
	/* The queue takes new ones behind what is left. */
	assert_int_equal(add_at(held, k, 4, 7000), 0);
	packets = held_take(held, &k);
	assert_int_equal(packets->gso_size, 3);
	assert_int_equal(packets->time_ns, 2000);
	assert_int_equal(packets->next->gso_size, 4);
	assert_null(packets->next->next);
	held_packets_free(packets);
	assert_int_equal(held_drop_before(held, &k, 9000, 9000), 0);
	assert_int_equal(held_bytes(held), 0);
	held_free(held);
}

static void test_held_drop_device_takes_only_its_packets(void **state)
{
	struct held *held = make(8, 100, 100);
	struct varp_key both = key(1, 1), gone = key(1, 2);
	struct held_packet *packets;

	(void)state;
	assert_int_equal(add(held, both, 5, 0, 0), 0);
	assert_int_equal(add(held, both, 7, 1, 0), 0);
	assert_int_equal(add(held, both, 6, 2, 0), 0);
	assert_int_equal(add(held, gone, 6, 3, 0), 0);
	assert_int_equal(held_drop_device(held, 5, 6), 3);
	assert_false(held_any(held, &gone));
	assert_int_equal(add(held, both, 7, 4, 0), 0);
	packets = held_take(held, &both);
	assert_int_equal(packets->frame[0], 1);
	assert_int_equal(packets->next->frame[0], 4);
	assert_null(packets->next->next);
	held_packets_free(packets);
	assert_int_equal(held_bytes(held), 0);
	held_free(held);
}

static int add_type(struct held *held, struct varp_key k, uint32_t type)
{
	struct record record = { .event = { .key = k, .type = type, .ifindex = 5,
					    .frame_len = FRAME_LEN } };

	return held_add(held, &record.event, 1000);
}

static void test_held_single_is_one_packet_of_a_lookup_known_to_be_open(void **state)
{
	struct held *held = make(8, 100, 100);
	struct varp_key k = key(1, 1), other = key(1, 2);

	(void)state;
	held_removed(held, &k);		/* nothing waits: nothing to note */
	assert_false(held_single(held, &k));
	assert_int_equal(add_type(held, k, VARP_EVENT_MISS), 0);
	assert_int_equal(add_type(held, other, VARP_EVENT_HOLD), 0);
	assert_true(held_single(held, &k));
	assert_false(held_single(held, &other));
	held_removed(held, &k);
	assert_false(held_single(held, &k));
	held_packets_free(held_take(held, &k));
	assert_int_equal(add_type(held, k, VARP_EVENT_MISS), 0);
	assert_true(held_single(held, &k));
	assert_int_equal(add_type(held, k, VARP_EVENT_HOLD), 0);
	assert_false(held_single(held, &k));
	held_packets_free(held_take(held, &k));
	assert_false(held_single(held, &k));
	/* A later one does not inherit the note. */
	assert_int_equal(add_type(held, k, VARP_EVENT_HOLD), 0);
	assert_false(held_single(held, &k));
	held_free(held);
}

static void test_held_many_destinations_leave_nothing_charged(void **state)
{
	struct held *held = make(8, 100000, 100000);

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 20000; i++) {
			struct varp_key k = key((uint8_t)(i % 7), 0);

			memcpy(&k.vaddr.b[8], &i, sizeof(i));
			assert_int_equal(add(held, k, 5, 0, 0), 0);
		}
		for (int i = 0; i < 20000; i++) {
			struct varp_key k = key((uint8_t)(i % 7), 0);

			memcpy(&k.vaddr.b[8], &i, sizeof(i));
			held_packets_free(held_take(held, &k));
		}
		assert_int_equal(held_bytes(held), 0);
	}
	held_free(held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held_take_gives_packets_in_order_and_once),
		cmocka_unit_test(test_held_add_ninth_packet_is_refused),
		cmocka_unit_test(test_held_add_bound_of_one_supernet_leaves_others_alone),
		cmocka_unit_test(test_held_add_bound_of_all_supernets_holds),
		cmocka_unit_test(test_held_oldest_goes_by_first_packet),
		cmocka_unit_test(test_held_drop_before_leaves_younger_ones_waiting_anew),
		cmocka_unit_test(test_held_drop_device_takes_only_its_packets),
		cmocka_unit_test(test_held_single_is_one_packet_of_a_lookup_known_to_be_open),
		cmocka_unit_test(test_held_many_destinations_leave_nothing_charged),
	};

	return cmocka_run_group_tests_name("held", tests, NULL, NULL);
}
