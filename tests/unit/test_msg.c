// SPDX-License-Identifier: BSD-2-Clause
/* msg: a message octet by octet, and every violation with its drop reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <addr.h>
#include <msg.h>

#define ROWS(rows)	(sizeof(rows) / sizeof((rows)[0]))

/* Where the fields are, as docs/PROTOCOL.md draws them. */
enum {
	AT_VERSION = 0,
	AT_TYPE = 1,
	AT_LENGTH = 2,
	AT_RADDR_COUNT = 4,
	AT_PREFIX_LEN = 5,
	AT_RESERVED = 6,
	AT_SESSION = 8,
	AT_NONCE = 16,
	AT_SNID = 24,
	AT_CHID = 34,
	AT_VADDR = 40,
	AT_TTL = 56,
	AT_RESERVED2 = 60,
	AT_RADDRS = 64,
	AT_TAG = 144,
	RADDR_LEN = 20,
	RADDR_PRIORITY = 16,
	RADDR_WEIGHT = 17,
	RADDR_RESERVED = 18,
};

static struct varp_addr addr(const char *text)
{
	struct varp_addr value;

	assert_int_equal(varp_addr_parse(text, &value), 0);
	return value;
}

static struct varp_msg request(void)
{
	struct varp_msg msg = {
		.type = VARP_MSG_REQUEST,
		.session = 0x0102030405060708,
		.nonce = 0x1112131415161718,
		.prefix_len = 128,
		.vaddr = addr("10.0.0.2"),
	};

	assert_int_equal(varp_snid_parse("0x0123456789abcdef0123", &msg.snid), 0);
	assert_int_equal(varp_chid_parse("0x4711", &msg.chid), 0);
	return msg;
}

static struct varp_msg reply(void)
{
	struct varp_msg msg = request();

	msg.type = VARP_MSG_REPLY;
	msg.ttl_s = 900;
	msg.raddr_count = 2;
	msg.raddrs[0] = (struct varp_raddr){.addr = addr("192.0.2.1"), .priority = 1, .weight = 2};
	msg.raddrs[1] =
		(struct varp_raddr){.addr = addr("2001:db8::1"), .priority = 255, .weight = 4};
	return msg;
}

static void assert_same_raddrs(const struct varp_msg *a, const struct varp_msg *b)
{
	size_t i;

	assert_int_equal(a->raddr_count, b->raddr_count);
	for (i = 0; i < a->raddr_count; i++) {
		assert_true(varp_addr_equal(&a->raddrs[i].addr, &b->raddrs[i].addr));
		assert_int_equal(a->raddrs[i].priority, b->raddrs[i].priority);
		assert_int_equal(a->raddrs[i].weight, b->raddrs[i].weight);
	}
}

static void test_encode_reply_octet_by_octet(void **state)
{
	static const uint8_t expected[VARP_MSG_LEN] = {
		1, 2, 0, 160, 2, 128, 0, 0,
		1, 2, 3, 4, 5, 6, 7, 8,
		0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
		0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23,
		0, 0, 0, 0, 0x47, 0x11,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2,
		0, 0, 0x03, 0x84, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1, 1, 2, 0, 0,
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 255, 4, 0, 0,
	};
	const struct varp_msg msg = reply();
	uint8_t data[VARP_MSG_LEN];

	(void)state;
	memset(data, 0xee, sizeof(data));
	varp_msg_encode(&msg, data);
	assert_memory_equal(data, expected, sizeof(expected));
}

/* The struct of wire.h and the codec are written apart: they must agree. */
static void test_encode_agrees_with_the_wire_struct(void **state)
{
	const struct varp_msg msg = reply();
	struct varp_wire_msg wire;

	(void)state;
	varp_msg_encode(&msg, (uint8_t *)&wire);
	assert_int_equal(wire.version, VARP_VERSION);
	assert_int_equal(wire.type, VARP_MSG_REPLY);
	assert_int_equal(wire.raddr_count, 2);
	assert_int_equal(wire.prefix_len, 128);
	assert_memory_equal(&wire.snid, &msg.snid, sizeof(msg.snid));
	assert_memory_equal(&wire.chid, &msg.chid, sizeof(msg.chid));
	assert_memory_equal(&wire.vaddr, &msg.vaddr, sizeof(msg.vaddr));
	assert_memory_equal(&wire.raddr[1].raddr, &msg.raddrs[1].addr, sizeof(msg.raddrs[1].addr));
	assert_int_equal(wire.raddr[0].priority, 1);
	assert_int_equal(wire.raddr[1].weight, 4);
	assert_int_equal(offsetof(struct varp_wire_msg, tag), VARP_MSG_TAGGED_LEN);
	assert_int_equal(offsetof(struct varp_wire_msg, ttl), AT_TTL);
	assert_int_equal(offsetof(struct varp_wire_msg, raddr), AT_RADDRS);
}

static void test_decode_gives_back_what_was_encoded(void **state)
{
	static const enum varp_msg_type types[] = {
		VARP_MSG_REQUEST, VARP_MSG_REPLY, VARP_MSG_NAK_NOTKNOWN, VARP_MSG_NAK_NOAUTHORITY,
		VARP_MSG_NOTIFY,
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(types); i++) {
		bool tells = types[i] == VARP_MSG_REPLY || types[i] == VARP_MSG_NOTIFY;
		struct varp_msg in = tells ? reply() : request(), out;
		enum varp_drop reason;
		uint8_t data[VARP_MSG_LEN];

		in.type = types[i];
		varp_msg_encode(&in, data);
		memset(&out, 0, sizeof(out));
		assert_int_equal(varp_msg_decode(data, sizeof(data), &out, &reason), 0);
		assert_int_equal(out.type, in.type);
		assert_true(out.session == in.session && out.nonce == in.nonce &&
			    out.ttl_s == in.ttl_s);
		assert_memory_equal(&out.snid, &in.snid, sizeof(in.snid));
		assert_memory_equal(&out.chid, &in.chid, sizeof(in.chid));
		assert_memory_equal(&out.vaddr, &in.vaddr, sizeof(in.vaddr));
		assert_same_raddrs(&out, &in);
	}
}

/* One octet of a good message changed. */
struct damage_row {
	const char *name;
	enum varp_msg_type type;
	unsigned int at;
	uint8_t value;
	enum varp_drop reason;		/* VARP_DROP_COUNT: still good */
};

static void test_decode_damage_rows_name_the_reason(void **state)
{
#define REQ	VARP_MSG_REQUEST
#define REP	VARP_MSG_REPLY
#define NAK	VARP_MSG_NAK_NOTKNOWN
#define TELL	VARP_MSG_NOTIFY
#define FIELD	VARP_DROP_VARP_FIELD
	static const struct damage_row rows[] = {
		{ "version 0", REQ, AT_VERSION, 0, VARP_DROP_VARP_VERSION },
		{ "version 2", REQ, AT_VERSION, 2, VARP_DROP_VARP_VERSION },
		{ "type 0", REQ, AT_TYPE, 0, VARP_DROP_VARP_TYPE },
		{ "type 6", REQ, AT_TYPE, 6, VARP_DROP_VARP_TYPE },
		{ "type 255", REQ, AT_TYPE, 255, VARP_DROP_VARP_TYPE },
		{ "length too small", REQ, AT_LENGTH + 1, 159, VARP_DROP_VARP_LENGTH },
		{ "length too large", REQ, AT_LENGTH, 1, VARP_DROP_VARP_LENGTH },
		{ "length zero", REQ, AT_LENGTH + 1, 0, VARP_DROP_VARP_LENGTH },
		{ "raddr count in a request", REQ, AT_RADDR_COUNT, 1, FIELD },
		{ "no raddr in a reply", REP, AT_RADDR_COUNT, 0, FIELD },
		{ "five raddrs", REP, AT_RADDR_COUNT, 5, FIELD },
		{ "one raddr too few counted", REP, AT_RADDR_COUNT, 1, FIELD },
		{ "one raddr too many counted", REP, AT_RADDR_COUNT, 3, FIELD },
		{ "prefix length 127", REQ, AT_PREFIX_LEN, 127, FIELD },
		{ "prefix length 129", REQ, AT_PREFIX_LEN, 129, FIELD },
		{ "reserved, first octet", REQ, AT_RESERVED, 1, FIELD },
		{ "reserved, second octet", REQ, AT_RESERVED + 1, 1, FIELD },
		{ "second reserved", REQ, AT_RESERVED2 + 3, 1, FIELD },
		{ "any session", REQ, AT_SESSION, 99, VARP_DROP_COUNT },
		{ "any nonce", REQ, AT_NONCE, 99, VARP_DROP_COUNT },
		{ "any snid", REQ, AT_SNID, 99, VARP_DROP_COUNT },
		{ "any chid", REQ, AT_CHID, 99, VARP_DROP_COUNT },
		{ "any tag", REQ, AT_TAG, 99, VARP_DROP_COUNT },
		{ "vaddr multicast", REQ, AT_VADDR + 12, 224, FIELD },
		{ "vaddr loopback", REQ, AT_VADDR + 12, 127, FIELD },
		{ "ttl in a request", REQ, AT_TTL + 3, 1, FIELD },
		{ "ttl in a nak", NAK, AT_TTL + 3, 1, FIELD },
		{ "ttl beyond 65536", REP, AT_TTL + 1, 1, FIELD },
		{ "ttl negative", REP, AT_TTL, 0xff, FIELD },
		{ "raddr multicast", REP, AT_RADDRS + 12, 224, FIELD },
		{ "raddr loopback", REP, AT_RADDRS + 12, 127, FIELD },
		{ "no usable raddr", REP, AT_RADDRS + RADDR_PRIORITY, 255, FIELD },
		{ "reserved of a raddr", REP, AT_RADDRS + RADDR_RESERVED + 1, 1, FIELD },
		{ "unused raddr, address", REP, AT_RADDRS + 3 * RADDR_LEN, 1, FIELD },
		{ "unused raddr, priority", REP,
		  AT_RADDRS + 3 * RADDR_LEN + RADDR_PRIORITY, 1, FIELD },
		{ "unused raddr, weight", REP, AT_RADDRS + 2 * RADDR_LEN + RADDR_WEIGHT, 1, FIELD },
		{ "unused raddr, reserved", REP,
		  AT_RADDRS + 3 * RADDR_LEN + RADDR_RESERVED, 1, FIELD },
		{ "raddr in a request", REQ, AT_RADDRS + 15, 1, FIELD },
		{ "no raddr in a notification", TELL, AT_RADDR_COUNT, 0, FIELD },
		{ "five raddrs in a notification", TELL, AT_RADDR_COUNT, 5, FIELD },
		{ "ttl beyond 65536 in a notification", TELL, AT_TTL + 1, 1, FIELD },
		{ "raddr in a nak", NAK, AT_RADDRS + RADDR_LEN, 1, FIELD },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct varp_msg msg = rows[i].type == REP || rows[i].type == TELL ? reply() : request();
		enum varp_drop reason = VARP_DROP_COUNT;
		uint8_t data[VARP_MSG_LEN];
		int err;

		msg.type = rows[i].type;
		varp_msg_encode(&msg, data);
		data[rows[i].at] = rows[i].value;
		err = varp_msg_decode(data, sizeof(data), &msg, &reason);
		if (rows[i].reason == VARP_DROP_COUNT ? err
						      : err != -EBADMSG || reason != rows[i].reason)
			fail_msg("%s: %d, reason %d", rows[i].name, err, reason);
	}
}

/* One octet of a request with an asker changed. */
static void test_decode_asker_rows(void **state)
{
	static const struct {
		const char *name;
		unsigned int at;
		uint8_t value;
		int err;
	} rows[] = {
		{ "as it should be", AT_RADDRS + 15, 9, 0 },
		{ "not counted", AT_RADDR_COUNT, 0, -EBADMSG },
		{ "two counted", AT_RADDR_COUNT, 2, -EBADMSG },
		{ "multicast", AT_RADDRS + 12, 224, -EBADMSG },
		{ "priority", AT_RADDRS + RADDR_PRIORITY, 1, -EBADMSG },
		{ "priority not to be used", AT_RADDRS + RADDR_PRIORITY, 255, -EBADMSG },
		{ "weight", AT_RADDRS + RADDR_WEIGHT, 1, -EBADMSG },
		{ "reserved", AT_RADDRS + RADDR_RESERVED, 1, -EBADMSG },
		{ "behind it", AT_RADDRS + RADDR_LEN, 1, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct varp_msg msg = request();
		enum varp_drop reason = VARP_DROP_COUNT;
		uint8_t data[VARP_MSG_LEN];
		int err;

		msg.raddr_count = 1;
		msg.raddrs[0].addr = addr("10.0.0.1");
		varp_msg_encode(&msg, data);
		data[rows[i].at] = rows[i].value;
		err = varp_msg_decode(data, sizeof(data), &msg, &reason);
		if (err != rows[i].err || (err && reason != VARP_DROP_VARP_FIELD))
			fail_msg("%s: %d, reason %d", rows[i].name, err, reason);
	}
}

static void test_decode_ttl_rows(void **state)
{
	static const struct {
		uint32_t ttl_s;
		int err;
	} rows[] = {{0, -EBADMSG},	   {1, 0}, {65535, 0}, {65536, 0}, {65537, -EBADMSG},
		    {UINT32_MAX, -EBADMSG}};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct varp_msg msg = reply();
		enum varp_drop reason;
		uint8_t data[VARP_MSG_LEN];
		size_t j;

		varp_msg_encode(&msg, data);
		for (j = 0; j < 4; j++)
			data[AT_TTL + j] = rows[i].ttl_s >> (24 - 8 * j);
		if (varp_msg_decode(data, sizeof(data), &msg, &reason) != rows[i].err)
			fail_msg("ttl %u", rows[i].ttl_s);
	}
}

static void test_decode_any_other_size_is_truncated(void **state)
{
	const struct varp_msg msg = reply();
	uint8_t data[2 * VARP_MSG_LEN] = { 0 };
	size_t len;

	(void)state;
	varp_msg_encode(&msg, data);
	for (len = 0; len <= sizeof(data); len++) {
		enum varp_drop reason = VARP_DROP_COUNT;
		struct varp_msg out;
		uint8_t *copy = malloc(
			len ? len
			    : 1); /* its own block, so that a sanitizer sees a read past its end */

		assert_non_null(copy);
		memcpy(copy, data, len);
		assert_int_equal(varp_msg_decode(copy, len, &out, &reason),
				 len == VARP_MSG_LEN ? 0 : -EBADMSG);
		if (len != VARP_MSG_LEN)
			assert_int_equal(reason, VARP_DROP_VARP_TRUNCATED);
		free(copy);
	}
}

static void test_decode_four_raddrs(void **state)
{
	struct varp_msg msg = reply(), out;
	enum varp_drop reason;
	uint8_t data[VARP_MSG_LEN];

	(void)state;
	msg.raddr_count = 4;
	msg.raddrs[2] = msg.raddrs[3] = msg.raddrs[0];
	varp_msg_encode(&msg, data);
	assert_int_equal(varp_msg_decode(data, sizeof(data), &out, &reason), 0);
	assert_int_equal(out.raddr_count, 4);
	assert_same_raddrs(&out, &msg);
}

static void test_type_name_rows(void **state)
{
	(void)state;
	assert_string_equal(varp_msg_type_name(VARP_MSG_REQUEST), "VARP_REQUEST");
	assert_string_equal(varp_msg_type_name(VARP_MSG_REPLY), "VARP_REPLY");
	assert_string_equal(varp_msg_type_name(VARP_MSG_NAK_NOTKNOWN), "VARP_NAK_NOTKNOWN");
	assert_string_equal(varp_msg_type_name(VARP_MSG_NAK_NOAUTHORITY), "VARP_NAK_NOAUTHORITY");
	assert_string_equal(varp_msg_type_name(VARP_MSG_NOTIFY), "VARP_NOTIFY");
	assert_string_equal(varp_msg_type_name(0), "unknown");
	assert_string_equal(varp_msg_type_name(99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode_reply_octet_by_octet),
		cmocka_unit_test(test_encode_agrees_with_the_wire_struct),
		cmocka_unit_test(test_decode_gives_back_what_was_encoded),
		cmocka_unit_test(test_decode_damage_rows_name_the_reason),
		cmocka_unit_test(test_decode_asker_rows),
		cmocka_unit_test(test_decode_ttl_rows),
		cmocka_unit_test(test_decode_any_other_size_is_truncated),
		cmocka_unit_test(test_decode_four_raddrs),
		cmocka_unit_test(test_type_name_rows),
	};

	return cmocka_run_group_tests_name("msg", tests, NULL, NULL);
}
