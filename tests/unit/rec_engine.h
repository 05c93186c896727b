/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An engine whose actions are recorded, for the tests of the engine's files. Times are fixed: NOW
 * and what is added to it.
 */
#ifndef TESTS_REC_ENGINE_H
#define TESTS_REC_ENGINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include <addr.h>
#include <engine.h>

#define ROWS(rows)	(sizeof(rows) / sizeof((rows)[0]))
#define MS		1000000ull
#define S		1000000000ull
#define NOW		(5000 * S)
#define REC_MAX		64

struct rec_action {
	struct varp_action action;
	struct varp_msg msg;		/* SEND */
	char text[400];			/* LOG */
};

struct rec_engine {
	struct varp_engine *engine;
	struct rec_action recorded[REC_MAX];
	size_t count;
	bool quiet;			/* record nothing */
	uint64_t random;		/* the last; the first nonce is 101 */
	bool credentials;		/* of a secure engine, for any supernet */
};

/* Insecure, with a window of 5 s, 8 lookups for each supernet and the usual times. */
struct varp_engine_config rec_config(struct rec_engine *f);
int rec_setup(void **state);
int rec_teardown(void **state);
/* Puts another engine in its place. */
void rec_replace(struct rec_engine *f, const struct varp_engine_config *config);

/* Puts an engine in secure mode in its place, with credentials. */
void rec_secure(struct rec_engine *f);
/*
 * A session of 192.0.2.10 with server 192.0.2.1 that ends at NOW + an hour; its keys follow from
 * id.
 */
struct varp_session rec_session(unsigned int supernet, uint64_t id);

#define REC_TEST(name)	cmocka_unit_test_setup_teardown(name, rec_setup, rec_teardown)

struct varp_addr rec_addr(const char *text);
struct varp_key rec_key(unsigned int supernet, const char *vaddr);
void rec_client_set(struct rec_engine *f, unsigned int supernet, const char *server);

void rec_forget(struct rec_engine *f);
/* The one action of this type since the last rec_forget(). */
struct rec_action *rec_only(struct rec_engine *f, enum varp_action_type type);
size_t rec_actions(const struct rec_engine *f, enum varp_action_type type);	/* how many */

/* Server 192.0.2.1 answers this request; a REPLY says 192.0.2.20. */
void rec_answer(struct rec_engine *f, uint64_t now_ns, const struct varp_msg *request,
		enum varp_msg_type type, uint32_t ttl_s);
/* A message arrives, tagged in this session (NULL: none). */
void rec_receive_in(struct rec_engine *f, uint64_t now_ns, const char *from, uint16_t port,
		    const struct varp_msg *msg, const struct varp_session *session);
/* A message arrives. */
void rec_receive(struct rec_engine *f, uint64_t now_ns, const char *from, uint16_t port,
		 const struct varp_msg *msg);
/* Somebody asks: nonce 42, ChId 1 2 3 4 5 6. */
void rec_ask(struct rec_engine *f, const struct varp_key *k, const char *from, uint16_t port);

#endif
