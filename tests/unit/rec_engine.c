// SPDX-License-Identifier: BSD-2-Clause
/*
 * See rec_engine.h.
 */
#include "rec_engine.h"

#include <stdlib.h>

static void record(void *ctx, const struct varp_action *action)
{
	struct rec_engine *f = ctx;
	struct rec_action *r = &f->recorded[f->count];
	enum varp_drop reason;

	if (f->quiet)
		return;
	assert_in_range(f->count, 0, REC_MAX - 1);
	f->count++;
	r->action = *action;
	if (action->type == VARP_ACTION_SEND) {
		assert_int_equal(action->data_len, VARP_MSG_LEN);
		assert_int_equal(varp_msg_decode(action->data, action->data_len, &r->msg, &reason),
				 0);
	}
	if (action->type == VARP_ACTION_LOG)
		snprintf(r->text, sizeof(r->text), "%s", action->text);
}

static bool has_credentials(void *ctx, const struct varp_snid *snid)
{
	(void)snid;
	return ((struct rec_engine *)ctx)->credentials;
}

static uint64_t next_random(void *ctx)
{
	return ++((struct rec_engine *)ctx)->random;
}

struct varp_engine_config rec_config(struct rec_engine *f)
{
	return (struct varp_engine_config){
		.insecure = true,
		.varp_port = 2500,
		.window_ms = 5000,
		.negative_ttl_ms = 5000,
		.retry_ms = 250,
		.lookups_max = 8,
		.emit = record,
		.random = next_random,
		.credentials = has_credentials,
		.ctx = f,
	};
}

void rec_replace(struct rec_engine *f, const struct varp_engine_config *config)
{
	varp_engine_free(f->engine);
	f->engine = varp_engine_new(config);
	assert_non_null(f->engine);
}

void rec_secure(struct rec_engine *f)
{
	struct varp_engine_config config = rec_config(f);

	config.insecure = false;
	f->credentials = true;
	rec_replace(f, &config);
}

struct varp_session rec_session(unsigned int supernet, uint64_t id)
{
	struct varp_session session = {
		.id = id,
		.snid = { .b = { [9] = supernet } },
		.client = rec_addr("192.0.2.10"),
		.server = rec_addr("192.0.2.1"),
		.ends_ns = NOW + 3600 * S,
		.granted_ns = NOW + 3600 * S,
	};

	memset(session.key_request, 0x11, sizeof(session.key_request));
	memset(session.key_answer, 0x22, sizeof(session.key_answer));
	memcpy(session.key_request, &id, sizeof(id));
	memcpy(session.key_answer, &id, sizeof(id));
	return session;
}

int rec_setup(void **state)
{
	struct rec_engine *f = calloc(1, sizeof(*f));
	struct varp_engine_config config = rec_config(f);

	if (!f)
		return -1;
	f->random = 100;
	f->engine = varp_engine_new(&config);
	*state = f;
	return f->engine ? 0 : -1;
}

int rec_teardown(void **state)
{
	struct rec_engine *f = *state;

	varp_engine_free(f->engine);
	free(f);
	return 0;
}

struct varp_addr rec_addr(const char *text)
{
	struct varp_addr value;

	assert_int_equal(varp_addr_parse(text, &value), 0);
	return value;
}

struct varp_key rec_key(unsigned int supernet, const char *vaddr)
{
	const struct varp_snid snid = { .b = { [9] = supernet } };
	const struct varp_addr a = rec_addr(vaddr);

	return varp_key_make(&snid, &a);
}

void rec_client_set(struct rec_engine *f, unsigned int supernet, const char *server)
{
	const struct varp_key k = rec_key(supernet, "10.0.0.1");
	const struct varp_addr a = rec_addr(server);

	assert_int_equal(varp_engine_client_set(f->engine, NOW, &k.snid, &a), 0);
}

void rec_forget(struct rec_engine *f)
{
	f->count = 0;
}

size_t rec_actions(const struct rec_engine *f, enum varp_action_type type)
{
	size_t i, count = 0;

	for (i = 0; i < f->count; i++)
		count += f->recorded[i].action.type == type;
	return count;
}

struct rec_action *rec_only(struct rec_engine *f, enum varp_action_type type)
{
	size_t i;

	assert_int_equal(rec_actions(f, type), 1);
	for (i = 0; f->recorded[i].action.type != type; i++)
		;
	return &f->recorded[i];
}

void rec_receive_in(struct rec_engine *f, uint64_t now_ns, const char *from, uint16_t port,
		    const struct varp_msg *msg, const struct varp_session *session)
{
	const struct varp_addr a = rec_addr(from);
	uint8_t data[VARP_MSG_LEN];

	varp_msg_encode(msg, data);
	varp_auth_sign(session, msg->type != VARP_MSG_REQUEST, data);
	varp_engine_receive(f->engine, now_ns, &a, port, data, sizeof(data));
}

void rec_receive(struct rec_engine *f, uint64_t now_ns, const char *from, uint16_t port,
		 const struct varp_msg *msg)
{
	rec_receive_in(f, now_ns, from, port, msg, NULL);
}

void rec_answer(struct rec_engine *f, uint64_t now_ns, const struct varp_msg *request,
		enum varp_msg_type type, uint32_t ttl_s)
{
	struct varp_msg msg = *request;

	msg.type = type;
	msg.ttl_s = ttl_s;
	if (type == VARP_MSG_REPLY) {
		msg.raddr_count = 1;
		msg.raddrs[0].addr = rec_addr("192.0.2.20");
	}
	rec_receive(f, now_ns, "192.0.2.1", 2500, &msg);
}

void rec_ask(struct rec_engine *f, const struct varp_key *k, const char *from, uint16_t port)
{
	const struct varp_msg msg = {
		.type = VARP_MSG_REQUEST,
		.nonce = 42,
		.snid = k->snid,
		.vaddr = k->vaddr,
		.prefix_len = 128,
		.chid = { .b = { 1, 2, 3, 4, 5, 6 } },
	};

	rec_receive(f, NOW, from, port, &msg);
}
