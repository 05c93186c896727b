// SPDX-License-Identifier: BSD-2-Clause
/* timers: the earliest first, whatever was armed, armed again and cancelled before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <timers.h>

#define MANY	2000

static void test_timers_empty_has_nothing_due(void **state)
{
	struct varp_timers timers = { 0 };
	struct varp_timer timer = { 0 };

	(void)state;
	assert_true(varp_timers_next_ns(&timers) == UINT64_MAX);
	assert_null(varp_timers_pop(&timers, UINT64_MAX));
	varp_timers_cancel(&timers, &timer);
	assert_false(varp_timer_is_armed(&timer));
}

static void test_timers_pop_only_what_is_due(void **state)
{
	struct varp_timers timers = { 0 };
	struct varp_timer early = { 0 }, late = { 0 };

	(void)state;
	varp_timers_arm(&timers, &late, 200);
	varp_timers_arm(&timers, &early, 100);
	assert_int_equal(varp_timers_next_ns(&timers), 100);
	assert_null(varp_timers_pop(&timers, 99));
	assert_ptr_equal(varp_timers_pop(&timers, 100), &early);
	assert_false(varp_timer_is_armed(&early));
	assert_true(varp_timer_is_armed(&late));
	assert_null(varp_timers_pop(&timers, 199));
	assert_ptr_equal(varp_timers_pop(&timers, 500), &late);
	assert_true(varp_timers_next_ns(&timers) == UINT64_MAX);
}

static void test_timers_armed_again_moves(void **state)
{
	struct varp_timers timers = { 0 };
	struct varp_timer a = { 0 }, b = { 0 };

	(void)state;
	varp_timers_arm(&timers, &a, 100);
	varp_timers_arm(&timers, &b, 200);
	varp_timers_arm(&timers, &a, 300);
	assert_ptr_equal(varp_timers_pop(&timers, 1000), &b);
	assert_ptr_equal(varp_timers_pop(&timers, 1000), &a);
	assert_null(varp_timers_pop(&timers, 1000));
}

static void test_timers_cancelled_do_not_fire(void **state)
{
	struct varp_timers timers = { 0 };
	struct varp_timer timer[4] = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		varp_timers_arm(&timers, &timer[i], 100 + i);
	varp_timers_cancel(&timers, &timer[0]);	/* the root */
	varp_timers_cancel(&timers, &timer[2]);	/* somewhere below */
	varp_timers_cancel(&timers, &timer[2]);
	assert_ptr_equal(varp_timers_pop(&timers, 1000), &timer[1]);
	assert_ptr_equal(varp_timers_pop(&timers, 1000), &timer[3]);
	assert_null(varp_timers_pop(&timers, 1000));
}

static void test_timers_equal_times_all_fire(void **state)
{
	struct varp_timers timers = { 0 };
	struct varp_timer timer[100] = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < 100; i++)
		varp_timers_arm(&timers, &timer[i], 7);
	for (i = 0; i < 100; i++)
		assert_non_null(varp_timers_pop(&timers, 7));
	assert_null(varp_timers_pop(&timers, 7));
}

/* Against a plain array: random arming, moving, cancelling and popping. */
static void test_timers_random_order_agrees_with_a_model(void **state)
{
	static struct varp_timer timer[MANY];
	struct varp_timers timers = { 0 };
	uint32_t random = 1;
	size_t i, round;

	(void)state;
	memset(timer, 0, sizeof(timer));
	for (round = 0; round < 20 * MANY; round++) {
		struct varp_timer *t;
		uint64_t earliest = UINT64_MAX;

		random = random * 1664525 + 1013904223;
		t = &timer[(random >> 8) % MANY];
		if (random >> 30 == 0)
			varp_timers_cancel(&timers, t);
		else
			varp_timers_arm(&timers, t, random >> 12);
		if (round % 97)
			continue;
		for (i = 0; i < MANY; i++)
			if (varp_timer_is_armed(&timer[i]) && timer[i].due_ns < earliest)
				earliest = timer[i].due_ns;
		assert_true(varp_timers_next_ns(&timers) == earliest);
		t = varp_timers_pop(&timers, earliest);
		assert_true(!t || t->due_ns == earliest);
	}
}

static void test_timers_pop_is_sorted(void **state)
{
	static struct varp_timer timer[MANY];
	struct varp_timers timers = { 0 };
	uint64_t last = 0;
	size_t i;

	(void)state;
	memset(timer, 0, sizeof(timer));
	for (i = 0; i < MANY; i++)
		varp_timers_arm(&timers, &timer[i], i * 7919 % MANY);
	for (i = 0; i < MANY; i++) {
		struct varp_timer *t = varp_timers_pop(&timers, UINT64_MAX);

		assert_non_null(t);
		assert_true(t->due_ns >= last);
		last = t->due_ns;
	}
	assert_null(varp_timers_pop(&timers, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers_empty_has_nothing_due),
		cmocka_unit_test(test_timers_pop_only_what_is_due),
		cmocka_unit_test(test_timers_armed_again_moves),
		cmocka_unit_test(test_timers_cancelled_do_not_fire),
		cmocka_unit_test(test_timers_equal_times_all_fire),
		cmocka_unit_test(test_timers_random_order_agrees_with_a_model),
		cmocka_unit_test(test_timers_pop_is_sorted),
	};

	return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
