// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzzes the protocol engine, client and server. The input is a script: one octet says what happens,
 * those behind it to whom. Datagrams are the input's own octets, or the last request turned into an
 * answer and then damaged, with a session's tag or without. Whatever comes: nobody is believed who does
 * not know the nonce of a request or, where keys are demanded, has no tag of a session; answers are no
 * larger than requests; bounds hold.
 */
#include <string.h>

#include "addr.h"
#include "auth.h"
#include "engine.h"
#include "fuzz.h"

#define LOOKUPS_MAX	4
#define NONCES_MAX	512
#define SESSIONS_MAX	64
#define MS		1000000ull

static struct {
	struct varp_engine *engine;
	uint64_t now_ns;
	uint64_t nonces[NONCES_MAX];
	unsigned int nonce_count;
	uint8_t request[VARP_MSG_LEN];		/* the last that was sent */
	struct varp_addr server;		/* whom to */
	struct varp_session sessions[SESSIONS_MAX];
	unsigned int session_count;
	bool insecure;
	bool from_stranger;			/* what is being received can be nobody's answer */
	unsigned int sent, notified;		/* while it is */
} f;

static void emit(void *ctx, const struct varp_action *action)
{
	enum varp_drop reason;
	struct varp_msg msg;

	(void)ctx;
	switch (action->type) {
	case VARP_ACTION_SEND:
		FUZZ_CHECK(action->data_len == VARP_MSG_LEN);
		FUZZ_CHECK(!varp_msg_decode(action->data, action->data_len, &msg, &reason));
		if (msg.type == VARP_MSG_NOTIFY)
			f.notified++;
		else
			f.sent++;
		if (msg.type != VARP_MSG_REQUEST)
			break;
		FUZZ_CHECK(msg.session || !msg.raddr_count);
		memcpy(f.request, action->data, VARP_MSG_LEN);
		f.server = action->raddr;
		break;
	case VARP_ACTION_RESOLVED:
		FUZZ_CHECK(!f.from_stranger && varp_addr_is_unicast(&action->raddr));
		break;
	case VARP_ACTION_LOG:
		FUZZ_CHECK(strlen(action->text) < 512);
		break;
	default:
		FUZZ_CHECK(!f.from_stranger);
	}
}

static uint64_t next_nonce(void *ctx)
{
	uint64_t nonce = (f.nonce_count + 1) * 0x9e3779b97f4a7c15ull;

	(void)ctx;
	f.nonces[f.nonce_count++ % NONCES_MAX] = nonce;
	return nonce;
}

static bool is_nonce(uint64_t nonce)
{
	for (unsigned int i = 0; i < NONCES_MAX && i < f.nonce_count; i++)
		if (f.nonces[i] == nonce)
			return true;
	return false;
}

static struct varp_addr address(uint8_t which, const char *network)
{
	struct varp_addr addr;
	char text[32];

	snprintf(text, sizeof(text), "%s%u", network, 1 + which % 8);
	FUZZ_CHECK(!varp_addr_parse(text, &addr));
	return addr;
}

/* Of three supernets and eight vaddrs of each. */
static struct varp_key take_key(struct fuzz_input *in)
{
	uint8_t which = fuzz_u8(in);
	const struct varp_addr vaddr = address(which >> 2, "10.1.0.");
	struct varp_snid snid = { { 0 } };

	snid.b[9] = which % 3;
	return varp_key_make(&snid, &vaddr);
}

static struct varp_addr take_raddr(struct fuzz_input *in)
{
	uint8_t which = fuzz_u8(in);

	return address(which, which & 8 ? "2001:db8::" : "192.0.2.");
}

static const struct varp_session *find_session(uint64_t id)
{
	for (unsigned int i = 0; i < f.session_count; i++)
		if (f.sessions[i].id == id)
			return &f.sessions[i];
	return NULL;
}

/* As far as session and tag go: made by somebody who has keys, or by anybody where none are asked for. */
static bool is_authentic(const struct varp_msg *msg, const uint8_t *data)
{
	const struct varp_session *session = find_session(msg->session);
	uint8_t again[VARP_MSG_LEN];

	if (!msg->session)
		return f.insecure;
	if (!session)
		return false;
	memcpy(again, data, sizeof(again));
	varp_auth_sign(session, msg->type != VARP_MSG_REQUEST, again);
	return !memcmp(again, data, sizeof(again));
}

static void receive(const uint8_t *data, size_t len, const struct varp_addr *from, uint16_t port)
{
	enum varp_drop reason;
	struct varp_msg msg = { 0 };
	bool whole = !varp_msg_decode(data, len, &msg, &reason) && is_authentic(&msg, data);
	bool told = whole && msg.type == VARP_MSG_NOTIFY && msg.session;

	f.from_stranger = !told && (!whole || msg.type == VARP_MSG_REQUEST || !is_nonce(msg.nonce));
	f.sent = f.notified = 0;
	varp_engine_receive(f.engine, f.now_ns, from, port, data, len);
	/* One answer at most, and only to a whole request; an introduction only beside it, and in a session. */
	if (f.from_stranger)
		FUZZ_CHECK(f.sent <= (whole && msg.type == VARP_MSG_REQUEST));
	FUZZ_CHECK(f.notified <= (f.sent && msg.session && msg.raddr_count));
	f.from_stranger = false;
}

static void do_receive(struct fuzz_input *in)
{
	const struct varp_addr from = take_raddr(in);
	size_t len;
	const uint8_t *data = fuzz_take(in, fuzz_u8(in), &len);

	receive(data, len, &from, 2500);
}

static void do_answer(struct fuzz_input *in)
{
	uint8_t data[VARP_MSG_LEN], damage = fuzz_u8(in);
	struct varp_wire_msg *msg = (struct varp_wire_msg *)data;
	struct varp_addr from = damage & 0x80 ? take_raddr(in) : f.server;

	memcpy(data, f.request, sizeof(data));
	msg->type = VARP_MSG_REPLY + (damage & 3);
	msg->raddr_count = 0;
	memset(msg->raddr, 0, sizeof(msg->raddr));
	if (msg->type == VARP_MSG_NOTIFY)
		msg->nonce = __builtin_bswap64((1ull << 63) + fuzz_u8(in));
	if (msg->type == VARP_MSG_REPLY || msg->type == VARP_MSG_NOTIFY) {
		const struct varp_addr raddr = take_raddr(in);

		msg->raddr_count = 1;
		msg->ttl = __builtin_bswap32(1 + (uint32_t)fuzz_u8(in));
		memcpy(&msg->raddr[0].raddr, &raddr, sizeof(raddr));
	}
	for (int i = 0; i < (damage >> 5 & 3); i++) {
		uint8_t at = fuzz_u8(in);

		data[at % VARP_MSG_LEN] ^= fuzz_u8(in);
	}
	if (!(damage & 8) && find_session(__builtin_bswap64(msg->session)))
		varp_auth_sign(find_session(__builtin_bswap64(msg->session)), true, data);
	receive(data, sizeof(data), &from, damage & 0x10 ? 999 : 2500);
}

static void do_request(struct fuzz_input *in)
{
	const struct varp_key key = take_key(in);
	const struct varp_addr from = take_raddr(in);
	const struct varp_session *session = find_session(1 + fuzz_u8(in) % SESSIONS_MAX);
	const struct varp_addr asker = take_key(in).vaddr;
	const struct varp_msg msg = { .type = VARP_MSG_REQUEST, .nonce = 1, .snid = key.snid,
				      .session = session ? session->id : 0, .vaddr = key.vaddr, .prefix_len = 128,
				      .raddr_count = varp_addr_is_unicast(&asker), .raddrs[0].addr = asker };
	uint8_t data[VARP_MSG_LEN];

	varp_msg_encode(&msg, data);
	varp_auth_sign(session, false, data);
	receive(data, sizeof(data), &from, fuzz_u8(in));
}

static void do_lookup(struct fuzz_input *in)
{
	const struct varp_key key = take_key(in);
	const struct varp_addr asker = take_key(in).vaddr;

	varp_engine_lookup(f.engine, f.now_ns, &key, &asker);
}

static void do_time(struct fuzz_input *in)
{
	f.now_ns += fuzz_u16(in) * 10ull * MS;
	varp_engine_tick(f.engine, f.now_ns);
	FUZZ_CHECK(varp_engine_next_ns(f.engine) > f.now_ns);
}

static void do_age(struct fuzz_input *in)
{
	const struct varp_key key = take_key(in);
	uint8_t how = fuzz_u8(in);
	const struct varp_mapping mapping = {
		.raddr = take_raddr(in), .ttl_s = 1 + how,
		.deadline_ns = f.now_ns + (how & 1 ? 0 : how * 100 * MS),
		.used_ns = how & 2 ? f.now_ns : 0,
	};

	varp_engine_age(f.engine, f.now_ns, &key, &mapping);
}

static void do_client_set(struct fuzz_input *in)
{
	const struct varp_key key = take_key(in);
	const struct varp_addr server = take_raddr(in);

	varp_engine_client_set(f.engine, f.now_ns, &key.snid, &server);
}

static void do_client_clear(struct fuzz_input *in)
{
	const struct varp_key key = take_key(in);

	varp_engine_client_clear(f.engine, f.now_ns, &key.snid, NULL);
}

static void do_server_set(struct fuzz_input *in)
{
	const struct varp_key key = take_key(in);

	varp_engine_server_set(f.engine, f.now_ns, &key.snid, 1 + fuzz_u8(in));
}

static void do_server_clear(struct fuzz_input *in)
{
	const struct varp_key key = take_key(in);

	varp_engine_server_clear(f.engine, f.now_ns, &key.snid);
}

static void do_add(struct fuzz_input *in)
{
	const struct varp_table_entry entry = { .key = take_key(in), .raddr = take_raddr(in),
						.ttl_s = (int8_t)fuzz_u8(in) };

	varp_engine_add(f.engine, f.now_ns, &entry);
}

static void do_remove(struct fuzz_input *in)
{
	const struct varp_key key = take_key(in);

	varp_engine_remove(f.engine, f.now_ns, &key);
}

static void do_flush(struct fuzz_input *in)
{
	const struct varp_key key = take_key(in);
	uint8_t what = fuzz_u8(in);

	varp_engine_flush(f.engine, f.now_ns, what & 1 ? &key.snid : NULL, what & 2 ? &key.vaddr : NULL);
}

static void do_reset(struct fuzz_input *in)
{
	(void)in;
	varp_engine_reset(f.engine, f.now_ns);
}

/* Between client and server, about one supernet, for up to 25 s. Its identifier is its number. */
static struct varp_session *new_session(struct fuzz_input *in)
{
	struct varp_session *session = &f.sessions[f.session_count];
	uint8_t how = fuzz_u8(in);

	if (f.session_count == SESSIONS_MAX)
		return NULL;
	*session = (struct varp_session){ .id = ++f.session_count, .snid.b[9] = how % 3,
					  .client = take_raddr(in), .server = take_raddr(in),
					  .ends_ns = f.now_ns + how * 100 * MS,
					  .granted_ns = f.now_ns + how * 100 * MS };
	memset(session->key_request, how, sizeof(session->key_request));
	memset(session->key_answer, how ^ 0x55, sizeof(session->key_answer));
	return session;
}

static void do_session_set(struct fuzz_input *in)
{
	const struct varp_session *session = new_session(in);

	if (session)
		varp_engine_session_set(f.engine, f.now_ns, session);
}

static void do_session_add(struct fuzz_input *in)
{
	const struct varp_session *session = new_session(in);

	if (session)
		varp_engine_session_add(f.engine, session);
	FUZZ_CHECK(varp_engine_session_count(f.engine) <= f.session_count);
}

static void do_session_remove(struct fuzz_input *in)
{
	varp_engine_session_remove(f.engine, 1 + fuzz_u8(in) % SESSIONS_MAX);
}

static void do_session_failed(struct fuzz_input *in)
{
	const struct varp_key key = take_key(in);
	const struct varp_addr server = take_raddr(in);

	varp_engine_session_failed(f.engine, f.now_ns, &key.snid, &server);
}

static void do_session_clear(struct fuzz_input *in)
{
	const struct varp_key key = take_key(in);

	varp_engine_session_clear(f.engine, f.now_ns, &key.snid);
}

static bool has_credentials(void *ctx, const struct varp_snid *snid)
{
	(void)ctx;
	return snid->b[9] != 2;
}

static void (*const steps[])(struct fuzz_input *in) = {
	do_receive, do_answer, do_request, do_lookup, do_time, do_age, do_client_set, do_client_clear,
	do_server_set, do_server_clear, do_add, do_remove, do_flush, do_reset,
	do_session_set, do_session_add, do_session_remove, do_session_failed, do_session_clear,
};

static void check_bounds(void)
{
	unsigned int open = 0;

	for (unsigned int i = 0; i < 8; i++) {
		const struct varp_addr vaddr = address(i, "10.1.0.");
		const struct varp_snid snid = { { 0 } };
		const struct varp_key key = varp_key_make(&snid, &vaddr);
		enum varp_lookup_state state = varp_engine_lookup_state(f.engine, &key);

		open += state == VARP_LOOKUP_OPEN || state == VARP_LOOKUP_NOTKNOWN;
	}
	FUZZ_CHECK(open <= LOOKUPS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct varp_engine_config config = {
		.varp_port = 2500, .window_ms = 5000, .negative_ttl_ms = 5000, .retry_ms = 250,
		.lookups_max = LOOKUPS_MAX, .emit = emit, .random = next_nonce, .credentials = has_credentials,
	};
	struct fuzz_input in = { data, size };

	memset(&f, 0, sizeof(f));
	f.now_ns = 1000 * MS;
	f.insecure = config.insecure = !(fuzz_u8(&in) & 1);
	f.engine = varp_engine_new(&config);
	FUZZ_CHECK(f.engine);
	while (in.left) {
		steps[fuzz_u8(&in) % (sizeof(steps) / sizeof(steps[0]))](&in);
		check_bounds();
	}
	varp_engine_free(f.engine);
	return 0;
}
