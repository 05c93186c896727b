// SPDX-License-Identifier: BSD-2-Clause
/*
 * auth: the hash against what is published and against OpenSSL's, the tags of docs/PROTOCOL.md,
 * which messages are believed, and what becomes of sessions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <addr.h>
#include <auth.h>
#include <varp/siphash.h>

#define ROWS(rows)	(sizeof(rows) / sizeof((rows)[0]))
#define NOW		1000000000ull
#define ENDS		(NOW + 3600000000000ull)

static struct varp_addr address(const char *text)
{
	struct varp_addr addr;

	assert_int_equal(varp_addr_parse(text, &addr), 0);
	return addr;
}

/* --- The hash --- */

static void siphash(const uint8_t key[16], const uint8_t *data, size_t len, uint8_t tag[16])
{
	struct varp_siphash hash;
	__u64 words[2];

	memcpy(words, key, sizeof(words));
	varp_siphash_init(&hash, words);
	for (size_t at = 0; at < len; at += 8) {
		__u64 word;

		memcpy(&word, data + at, sizeof(word));
		varp_siphash_word(&hash, word);
	}
	varp_siphash_final(&hash, len, words);
	memcpy(tag, words, sizeof(words));
}

/* Of the authors' vectors (SipHash-2-4-128, key 00..0f, message 00..) those of whole words that are
 * best known. */
static void test_siphash_rows_are_as_published(void **state)
{
	static const struct {
		size_t len;
		uint8_t tag[16];
	} rows[] = {
		{ 0, { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
		       0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93 } },
		{ 8, { 0x3b, 0x62, 0xa9, 0xba, 0x62, 0x58, 0xf5, 0x61,
		       0x0f, 0x83, 0xe2, 0x64, 0xf3, 0x14, 0x97, 0xb4 } },
	};
	uint8_t key[16], data[8], tag[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(key); i++)
		key[i] = i;
	for (i = 0; i < sizeof(data); i++)
		data[i] = i;
	for (i = 0; i < ROWS(rows); i++) {
		siphash(key, data, rows[i].len, tag);
		assert_memory_equal(tag, rows[i].tag, sizeof(tag));
	}
}

static void openssl_siphash(const uint8_t key[16], const uint8_t *data, size_t len, uint8_t tag[16])
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	unsigned int size = 16;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_construct_end(),
	};
	size_t got = 0;

	assert_non_null(ctx);
	assert_int_equal(EVP_MAC_init(ctx, key, 16, params), 1);
	assert_int_equal(EVP_MAC_update(ctx, data, len), 1);
	assert_int_equal(EVP_MAC_final(ctx, tag, &got, 16), 1);
	assert_int_equal(got, 16);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

static void test_siphash_of_any_words_is_openssls(void **state)
{
	uint8_t data[1448], key[16], is[16], expected[16];
	uint32_t random = 1;
	size_t i, len;

	(void)state;
	for (len = 0; len <= sizeof(data); len += 8) {
		for (i = 0; i < sizeof(data); i++)
			data[i] = (random = random * 1664525 + 1013904223) >> 24;
		memcpy(key, data + sizeof(data) / 2, sizeof(key));
		siphash(key, data, len, is);
		openssl_siphash(key, data, len, expected);
		if (memcmp(is, expected, sizeof(is)))
			fail_msg("%zu octets: not what OpenSSL has", len);
	}
}

/* --- Tags --- */

static struct varp_session session_of(uint64_t id, const char *client, const char *server)
{
	struct varp_session session = {
		.id = id,
		.snid = { .b = { [9] = 7 } },
		.client = address(client),
		.server = address(server),
		.ends_ns = ENDS,
		.granted_ns = ENDS,
	};

	for (size_t i = 0; i < 16; i++) {
		session.key_request[i] = i;
		session.key_answer[i] = 0x10 + i;
	}
	return session;
}

static struct varp_msg message_of(const struct varp_session *session, enum varp_msg_type type)
{
	struct varp_msg msg = {
		.type = type,
		.session = session ? session->id : 0,
		.nonce = 0x0123456789abcdef,
		.snid = { .b = { [9] = 7 } },
		.vaddr = address("10.0.0.2"),
		.prefix_len = 128,
	};

	if (type == VARP_MSG_REPLY || type == VARP_MSG_NOTIFY) {
		msg.ttl_s = 900;
		msg.raddr_count = 1;
		msg.raddrs[0].addr = address("192.0.2.20");
	}
	return msg;
}

static bool document_has(const char *text)
{
	static char document[256 * 1024];
	FILE *file = fopen("docs/PROTOCOL.md", "r");
	size_t len;

	assert_non_null(file);
	len = fread(document, 1, sizeof(document) - 1, file);
	fclose(file);
	document[len] = '\0';
	return strstr(document, text);
}

/* Every tag is what OpenSSL makes of message and addresses, and what the document says. */
static void test_tag_rows_are_the_documents(void **state)
{
	static const struct {
		enum varp_msg_type type;
		const char *client, *server, *tag;
	} rows[] = {
		{ VARP_MSG_REQUEST, "192.0.2.10", "192.0.2.1", "779db238b6824920e901d21ae1734de3" },
		{ VARP_MSG_REPLY, "192.0.2.10", "192.0.2.1", "caafe4c353c7c8a6f309ec58ce3ea794" },
		{ VARP_MSG_NAK_NOTKNOWN, "192.0.2.10", "192.0.2.1",
		  "c152f7c30ccdb992a1a179af45d799d3" },
		{ VARP_MSG_NAK_NOAUTHORITY, "192.0.2.10", "192.0.2.1",
		  "40d0bebe55a54a002301215f3359f2cb" },
		{ VARP_MSG_NOTIFY, "192.0.2.10", "192.0.2.1", "a0e989ac5986e743c6670fa1f598cd59" },
		{ VARP_MSG_REQUEST, "2001:db8::10", "2001:db8::1",
		  "4e97a593209a7295352bc61ab2ba4578" },
		{ VARP_MSG_REPLY, "2001:db8::10", "2001:db8::1",
		  "6dcf62def0ea6782287cecfce65b8860" },
	};
	size_t i, j;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		const struct varp_session session =
			session_of(0x1122334455667788, rows[i].client, rows[i].server);
		const struct varp_msg msg = message_of(&session, rows[i].type);
		bool answer = rows[i].type != VARP_MSG_REQUEST;
		uint8_t data[VARP_MSG_LEN], hashed[VARP_MSG_TAGGED_LEN + 32], tag[VARP_TAG_LEN];
		char text[2 * VARP_TAG_LEN + 1];

		varp_msg_encode(&msg, data);
		varp_auth_sign(&session, answer, data);
		memcpy(hashed, data, VARP_MSG_TAGGED_LEN);
		memcpy(hashed + VARP_MSG_TAGGED_LEN,
		       answer ? &session.server : &session.client, 16);
		memcpy(hashed + VARP_MSG_TAGGED_LEN + 16,
		       answer ? &session.client : &session.server, 16);
		openssl_siphash(answer ? session.key_answer : session.key_request, hashed,
				sizeof(hashed), tag);
		assert_memory_equal(data + VARP_MSG_TAGGED_LEN, tag, sizeof(tag));
		for (j = 0; j < sizeof(tag); j++)
			sprintf(text + 2 * j, "%02x", tag[j]);
		if (strcmp(text, rows[i].tag) || !document_has(text))
			fail_msg("row %zu: tag is %s", i, text);
	}
}

static void test_sign_without_a_session_writes_zeros_and_nothing_else(void **state)
{
	uint8_t data[VARP_MSG_LEN], expected[VARP_MSG_LEN];

	(void)state;
	memset(data, 0xa5, sizeof(data));
	memcpy(expected, data, sizeof(data));
	memset(expected + VARP_MSG_TAGGED_LEN, 0, VARP_TAG_LEN);
	varp_auth_sign(NULL, false, data);
	assert_memory_equal(data, expected, sizeof(data));
}

/* --- Messages --- */

enum { INSECURE = 1, OTHER_KEY = 2, NO_TAG = 4, OTHER_SNID = 8 };

/* Whoever checks has session 5 as a server, and 6 and before it 4 as a client, all of 192.0.2.10
 * with 192.0.2.1. */
static struct varp_auth *new_auth(bool insecure)
{
	struct varp_auth *auth = varp_auth_new(insecure);
	const struct varp_session served = session_of(5, "192.0.2.10", "192.0.2.1");
	const struct varp_session former = session_of(4, "192.0.2.10", "192.0.2.1");
	const struct varp_session own = session_of(6, "192.0.2.10", "192.0.2.1");

	assert_non_null(auth);
	assert_int_equal(varp_auth_server_add(auth, &served), 0);
	assert_int_equal(varp_auth_client_set(auth, &former), 0);
	assert_int_equal(varp_auth_client_set(auth, &own), 0);
	return auth;
}

static void test_check_rows_believe_right_session_address_and_tag(void **state)
{
	static const struct {
		const char *name;
		enum varp_msg_type type;
		uint64_t session, now_ns;
		const char *from;
		unsigned int flags;
		int octet;		/* changed afterwards; -1: none */
		int drop;		/* -1: believed */
	} rows[] = {
		{ "request", VARP_MSG_REQUEST, 5, NOW, "192.0.2.10", 0, -1, -1 },
		{ "answer", VARP_MSG_REPLY, 6, NOW, "192.0.2.1", 0, -1, -1 },
		{ "negative answer", VARP_MSG_NAK_NOTKNOWN, 6, NOW, "192.0.2.1", 0, -1, -1 },
		{ "answer in the former session", VARP_MSG_REPLY, 4, NOW, "192.0.2.1", 0, -1, -1 },
		{ "the last moment", VARP_MSG_REQUEST, 5, ENDS - 1, "192.0.2.10", 0, -1, -1 },
		{ "request, ended", VARP_MSG_REQUEST, 5, ENDS, "192.0.2.10", 0, -1,
		  VARP_DROP_VARP_SESSION },
		{ "answer, ended", VARP_MSG_REPLY, 6, ENDS, "192.0.2.1", 0, -1,
		  VARP_DROP_VARP_SESSION },
		{ "former, ended", VARP_MSG_REPLY, 4, ENDS, "192.0.2.1", 0, -1,
		  VARP_DROP_VARP_SESSION },
		{ "request in what we have as client", VARP_MSG_REQUEST, 6, NOW, "192.0.2.10", 0,
		  -1,
		  VARP_DROP_VARP_SESSION },
		{ "answer in what we have as server", VARP_MSG_REPLY, 5, NOW, "192.0.2.1", 0, -1,
		  VARP_DROP_VARP_SESSION },
		{ "unknown session", VARP_MSG_REQUEST, 7, NOW, "192.0.2.10", 0, -1,
		  VARP_DROP_VARP_SESSION },
		{ "request of another supernet", VARP_MSG_REQUEST, 5, NOW, "192.0.2.10", OTHER_SNID,
		  -1,
		  VARP_DROP_VARP_SESSION },
		{ "answer of another supernet", VARP_MSG_REPLY, 6, NOW, "192.0.2.1", OTHER_SNID, -1,
		  VARP_DROP_VARP_SESSION },
		{ "request from another address", VARP_MSG_REQUEST, 5, NOW, "192.0.2.11", 0, -1,
		  VARP_DROP_VARP_SESSION },
		{ "request from the server", VARP_MSG_REQUEST, 5, NOW, "192.0.2.1", 0, -1,
		  VARP_DROP_VARP_SESSION },
		{ "answer from another address", VARP_MSG_REPLY, 6, NOW, "192.0.2.2", 0, -1,
		  VARP_DROP_VARP_SESSION },
		{ "request by the answers' key", VARP_MSG_REQUEST, 5, NOW, "192.0.2.10", OTHER_KEY,
		  -1,
		  VARP_DROP_VARP_TAG },
		{ "answer by the requests' key", VARP_MSG_REPLY, 6, NOW, "192.0.2.1", OTHER_KEY, -1,
		  VARP_DROP_VARP_TAG },
		{ "no tag", VARP_MSG_REQUEST, 5, NOW, "192.0.2.10", NO_TAG, -1,
		  VARP_DROP_VARP_TAG },
		{ "tag's first octet", VARP_MSG_REQUEST, 5, NOW, "192.0.2.10", 0, 144,
		  VARP_DROP_VARP_TAG },
		{ "tag's eighth octet", VARP_MSG_REQUEST, 5, NOW, "192.0.2.10", 0, 151,
		  VARP_DROP_VARP_TAG },
		{ "tag's ninth octet", VARP_MSG_REQUEST, 5, NOW, "192.0.2.10", 0, 152,
		  VARP_DROP_VARP_TAG },
		{ "tag's last octet", VARP_MSG_REQUEST, 5, NOW, "192.0.2.10", 0, 159,
		  VARP_DROP_VARP_TAG },
		{ "message's first octet", VARP_MSG_REQUEST, 5, NOW, "192.0.2.10", 0, 0,
		  VARP_DROP_VARP_TAG },
		{ "message's last octet", VARP_MSG_REPLY, 6, NOW, "192.0.2.1", 0, 143,
		  VARP_DROP_VARP_TAG },
		{ "secure: no session", VARP_MSG_REQUEST, 0, NOW, "192.0.2.10", NO_TAG, -1,
		  VARP_DROP_VARP_SESSION },
		{ "secure: answer without session", VARP_MSG_REPLY, 0, NOW, "192.0.2.1", NO_TAG, -1,
		  VARP_DROP_VARP_SESSION },
		{ "insecure: no session", VARP_MSG_REQUEST, 0, NOW, "192.0.2.11", INSECURE | NO_TAG,
		  -1, -1 },
		{ "insecure: tag without session, first octet", VARP_MSG_REQUEST, 0, NOW,
		  "192.0.2.11",
		  INSECURE | NO_TAG, 144, VARP_DROP_VARP_TAG },
		{ "insecure: tag without session, last octet", VARP_MSG_REQUEST, 0, NOW,
		  "192.0.2.11",
		  INSECURE | NO_TAG, 159, VARP_DROP_VARP_TAG },
		{ "insecure: in a session", VARP_MSG_REQUEST, 5, NOW, "192.0.2.10", INSECURE, -1,
		  -1 },
		{ "insecure: unknown session", VARP_MSG_REQUEST, 1ull << 63, NOW, "192.0.2.10",
		  INSECURE, -1, VARP_DROP_VARP_SESSION },
		{ "insecure: a session's wrong tag", VARP_MSG_REQUEST, 5, NOW, "192.0.2.10",
		  INSECURE | NO_TAG, -1, VARP_DROP_VARP_TAG },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct varp_auth *auth = new_auth(rows[i].flags & INSECURE);
		struct varp_session signer =
			session_of(rows[i].session, "192.0.2.10", "192.0.2.1");
		struct varp_msg msg = message_of(&signer, rows[i].type);
		const struct varp_addr from = address(rows[i].from);
		bool answer = rows[i].type != VARP_MSG_REQUEST;
		const struct varp_session *session = NULL;
		enum varp_drop reason = VARP_DROP_COUNT;
		uint8_t data[VARP_MSG_LEN];
		int err;

		if (rows[i].flags & OTHER_SNID)
			msg.snid.b[0] = 1;
		varp_msg_encode(&msg, data);
		varp_auth_sign(rows[i].flags & NO_TAG ? NULL : &signer,
			       rows[i].flags & OTHER_KEY ? !answer : answer, data);
		if (rows[i].octet >= 0)
			data[rows[i].octet] ^= 0x80;
		err = varp_auth_check(auth, rows[i].now_ns, &msg, data, &from, &session, &reason);
		if (err != (rows[i].drop < 0 ? 0 : -EACCES) ||
		    (err && reason != (enum varp_drop)rows[i].drop))
			fail_msg("%s: %d, reason %d", rows[i].name, err, reason);
		if (!err && (session ? session->id : 0) != rows[i].session)
			fail_msg("%s: another session", rows[i].name);
		varp_auth_free(auth);
	}
}

/* --- Sessions --- */

static void test_client_sessions_are_one_per_supernet_and_server(void **state)
{
	struct varp_auth *auth = varp_auth_new(false);
	const struct varp_session first = session_of(1, "192.0.2.10", "192.0.2.1");
	struct varp_session second = session_of(2, "192.0.2.10", "192.0.2.2");
	const struct varp_session *got;
	struct varp_snid other = { .b = { [9] = 8 } };

	(void)state;
	assert_null(varp_auth_client_get(auth, NOW, &first.snid, &first.server));
	assert_int_equal(varp_auth_client_set(auth, &first), 0);
	got = varp_auth_client_get(auth, NOW, &first.snid, &first.server);
	assert_non_null(got);
	assert_memory_equal(got, &first, sizeof(first));
	assert_null(varp_auth_client_get(auth, NOW, &first.snid, &second.server));
	assert_null(varp_auth_client_get(auth, NOW, &other, &first.server));
	assert_non_null(varp_auth_client_get(auth, ENDS - 1, &first.snid, &first.server));
	assert_null(varp_auth_client_get(auth, ENDS, &first.snid, &first.server));
	assert_int_equal(varp_auth_client_set(auth, &second), 0);
	assert_null(varp_auth_client_get(auth, NOW, &first.snid, &first.server));
	assert_int_equal(varp_auth_client_get(auth, NOW, &second.snid, &second.server)->id, 2);
	second.snid = other;
	second.id = 3;
	assert_int_equal(varp_auth_client_set(auth, &second), 0);
	varp_auth_client_clear(auth, &first.snid);
	varp_auth_client_clear(auth, &first.snid);
	assert_null(varp_auth_client_get(auth, NOW, &first.snid, &second.server));
	assert_int_equal(varp_auth_client_get(auth, NOW, &other, &second.server)->id, 3);
	varp_auth_client_clear_all(auth);
	assert_null(varp_auth_client_get(auth, NOW, &other, &second.server));
	varp_auth_free(auth);
	varp_auth_free(NULL);
}

static bool count_sessions(const struct varp_session *session, void *ctx)
{
	size_t *left = ctx;

	assert_int_not_equal(session->id, 0);
	return --*left;
}

static void test_server_session_ids_are_unique_and_never_zero(void **state)
{
	struct varp_auth *auth = varp_auth_new(false);
	struct varp_session session = session_of(1, "192.0.2.10", "192.0.2.1");
	size_t left = 10;

	(void)state;
	assert_true(varp_auth_server_next_ns(auth) == UINT64_MAX);
	assert_int_equal(varp_auth_server_add(auth, &session), 0);
	assert_int_equal(varp_auth_server_add(auth, &session), -EEXIST);
	session.id = 0;
	assert_int_equal(varp_auth_server_add(auth, &session), -EEXIST);
	session.id = 2;
	assert_int_equal(varp_auth_server_add(auth, &session), 0);
	assert_int_equal(varp_auth_server_count(auth), 2);
	varp_auth_server_each(auth, count_sessions, &left);
	assert_int_equal(left, 8);
	left = 1;
	varp_auth_server_each(auth, count_sessions, &left);
	assert_int_equal(left, 0);
	assert_int_equal(varp_auth_server_remove(auth, 1), 0);
	assert_int_equal(varp_auth_server_remove(auth, 1), -ENOENT);
	assert_int_equal(varp_auth_server_count(auth), 1);
	varp_auth_free(auth);
}

/* 2^47 less what is left in ms, and 16 bits for more than one in one of them. */
#define NONCE_AT(left_ms)	(((1ull << 47) - (left_ms)) << 16)
#define MS			1000000ull
#define LIFE_MS			((ENDS - NOW) / MS)

static void test_server_tells_in_the_latest_session(void **state)
{
	struct varp_auth *auth = varp_auth_new(false);
	struct varp_session session = session_of(1, "192.0.2.10", "192.0.2.1");
	const struct varp_addr other = address("192.0.2.11");
	const struct varp_snid foreign = { .b = { [9] = 8 } };
	const struct varp_addr *to = &session.client;
	uint64_t nonce = 0;

	(void)state;
	assert_null(varp_auth_server_tell(auth, NOW, &session.snid, to, &nonce));
	assert_int_equal(varp_auth_server_add(auth, &session), 0);
	assert_int_equal(varp_auth_server_tell(auth, NOW, &session.snid, to, &nonce)->id, 1);
	assert_null(varp_auth_server_tell(auth, ENDS, &session.snid, to, &nonce));
	assert_null(varp_auth_server_tell(auth, NOW, &session.snid, &other, &nonce));
	assert_null(varp_auth_server_tell(auth, NOW, &foreign, to, &nonce));
	session.id = 2;
	assert_int_equal(varp_auth_server_add(auth, &session), 0);
	assert_int_equal(varp_auth_server_tell(auth, NOW, &session.snid, to, &nonce)->id, 2);
	/* The end of the former one does not take the latter away. */
	assert_int_equal(varp_auth_server_remove(auth, 1), 0);
	assert_int_equal(varp_auth_server_tell(auth, NOW, &session.snid, to, &nonce)->id, 2);
	assert_int_equal(varp_auth_server_remove(auth, 2), 0);
	assert_null(varp_auth_server_tell(auth, NOW, &session.snid, to, &nonce));
	varp_auth_free(auth);
}

static void test_server_tells_when_and_never_twice_the_same(void **state)
{
	static const struct {
		uint64_t now_ns, nonce;
	} rows[] = {
		{ NOW, NONCE_AT(LIFE_MS) },
		{ NOW, NONCE_AT(LIFE_MS) + 1 },
		{ NOW + 1, NONCE_AT(LIFE_MS - 1) },	/* what is left is rounded down */
		{ NOW + MS, NONCE_AT(LIFE_MS - 1) + 1 },
		{ NOW, NONCE_AT(LIFE_MS - 1) + 2 },	/* whatever a clock does */
		{ ENDS - 1, NONCE_AT(0) },
		{ ENDS - 1, NONCE_AT(0) + 1 },
	};
	struct varp_auth *auth = varp_auth_new(false);
	const struct varp_session session = session_of(1, "192.0.2.10", "192.0.2.1");
	uint64_t nonce;

	(void)state;
	assert_int_equal(varp_auth_server_add(auth, &session), 0);
	for (size_t i = 0; i < ROWS(rows); i++) {
		assert_non_null(varp_auth_server_tell(auth, rows[i].now_ns, &session.snid,
						      &session.client, &nonce));
		if (nonce != rows[i].nonce)
			fail_msg("row %zu: %llx", i, (unsigned long long)nonce);
	}
	varp_auth_free(auth);
}

static void test_client_is_told_in_order_in_each_session(void **state)
{
	struct varp_auth *auth = varp_auth_new(false);
	const struct varp_session first = session_of(1, "192.0.2.10", "192.0.2.1");
	const struct varp_session second = session_of(2, "192.0.2.10", "192.0.2.1");
	const uint64_t at = NONCE_AT(LIFE_MS);

	(void)state;
	assert_false(varp_auth_client_told(auth, NOW, &first, at));
	assert_int_equal(varp_auth_client_set(auth, &first), 0);
	assert_true(varp_auth_client_told(auth, NOW, &first, at + 3));
	assert_false(varp_auth_client_told(auth, NOW, &first, at + 3));
	assert_false(varp_auth_client_told(auth, NOW, &first, at + 2));
	assert_true(varp_auth_client_told(auth, NOW, &first, at + 4));
	/* A session that is set again goes on. */
	assert_int_equal(varp_auth_client_set(auth, &first), 0);
	assert_false(varp_auth_client_told(auth, NOW, &first, at + 4));
	/* Another begins anew, and the former goes on beside it. */
	assert_int_equal(varp_auth_client_set(auth, &second), 0);
	assert_true(varp_auth_client_told(auth, NOW, &second, at + 1));
	assert_false(varp_auth_client_told(auth, NOW, &first, at + 4));
	assert_true(varp_auth_client_told(auth, NOW, &first, at + 5));
	varp_auth_free(auth);
}

static void test_client_told_late_rows(void **state)
{
	static const struct {
		uint64_t left_ms, now_ns;
		bool believed;
	} rows[] = {
		{ LIFE_MS, NOW, true },
		{ LIFE_MS, NOW + 10000 * MS, true },
		{ LIFE_MS, NOW + 10001 * MS, false },
		{ 10000, ENDS - 1, true },
		{ 10001, ENDS - 1, false },
		{ 0, NOW, true },	/* the server's end is the later one */
		{ 1ull << 46, NOW, false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct varp_auth *auth = varp_auth_new(false);
		const struct varp_session session = session_of(1, "192.0.2.10", "192.0.2.1");

		assert_int_equal(varp_auth_client_set(auth, &session), 0);
		if (varp_auth_client_told(auth, rows[i].now_ns, &session,
					  NONCE_AT(rows[i].left_ms)) != rows[i].believed)
			fail_msg("row %zu", i);
		varp_auth_free(auth);
	}
}

struct goings {
	uint64_t last_ns;
	size_t count;
};

static void note_gone(const struct varp_session *session, void *ctx)
{
	struct goings *goings = ctx;

	assert_true(session->ends_ns >= goings->last_ns);	/* in the order of their ends */
	goings->last_ns = session->ends_ns;
	goings->count++;
}

static void test_expire_forgets_ended_sessions_in_bounded_steps(void **state)
{
	struct varp_auth *auth = varp_auth_new(false);
	struct varp_session session = session_of(1, "192.0.2.10", "192.0.2.1");
	struct goings goings = { 0 };
	uint64_t i;

	(void)state;
	for (i = 1; i <= 1000; i++) {
		session.id = i * 0x9e3779b97f4a7c15ull;
		session.ends_ns = NOW + i * 7919 % 1000;	/* in no order; each once */
		assert_int_equal(varp_auth_server_add(auth, &session), 0);
	}
	assert_true(varp_auth_server_next_ns(auth) == NOW);
	assert_int_equal(varp_auth_server_expire(auth, NOW - 1, note_gone, &goings), 1000);
	assert_int_equal(varp_auth_server_expire(auth, NOW + 99, note_gone, &goings), 900);
	assert_int_equal(goings.count, 100);
	assert_true(varp_auth_server_next_ns(auth) == NOW + 100);
	assert_int_equal(varp_auth_server_expire(auth, NOW + 1000, note_gone, &goings),
			 900 - VARP_AUTH_EXPIRE_MAX);
	for (i = 0; i < 4; i++)
		varp_auth_server_expire(auth, NOW + 1000, NULL, NULL);
	assert_int_equal(varp_auth_server_count(auth), 0);
	assert_true(varp_auth_server_next_ns(auth) == UINT64_MAX);
	varp_auth_free(auth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash_rows_are_as_published),
		cmocka_unit_test(test_siphash_of_any_words_is_openssls),
		cmocka_unit_test(test_tag_rows_are_the_documents),
		cmocka_unit_test(test_sign_without_a_session_writes_zeros_and_nothing_else),
		cmocka_unit_test(test_check_rows_believe_right_session_address_and_tag),
		cmocka_unit_test(test_client_sessions_are_one_per_supernet_and_server),
		cmocka_unit_test(test_server_session_ids_are_unique_and_never_zero),
		cmocka_unit_test(test_server_tells_in_the_latest_session),
		cmocka_unit_test(test_server_tells_when_and_never_twice_the_same),
		cmocka_unit_test(test_client_is_told_in_order_in_each_session),
		cmocka_unit_test(test_client_told_late_rows),
		cmocka_unit_test(test_expire_forgets_ended_sessions_in_bounded_steps),
	};

	return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
