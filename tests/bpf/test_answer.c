// SPDX-License-Identifier: BSD-2-Clause
/*
 * The XDP program that answers requests, held against the engine: one table of messages is given to both, in the same
 * state, and what the program sends must be what the engine sends, octet by octet. What the program leaves to varpd
 * must be something that the engine does not answer from the mirrored table, and what it drops the engine must drop for
 * the same reason. Headers, checksums and sessions have tables of their own.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/udp.h>
#include <varp/siphash.h>
#include "addr.h"
#include "answer.skel.h"
#include "ctl/varpd/answer_shared.h"
#include "engine.h"
#include "harness.h"

#define PORT		VARPDB_VARP_PORT
#define CLIENT_PORT	2500
#define MUTATIONS	20000
#define SESSION		0x1122334455667788ULL

static const char client4[] = "192.0.2.7", server4[] = "192.0.2.1";
static const char client6[] = "2001:db8::7", server6[] = "2001:db8::1";

/* --- Both sides --- */

static struct answer_bpf *insecure_obj, *secure_obj, *obj;
static struct varp_engine *insecure_engine, *secure_engine, *engine;
static struct {
	unsigned int count;
	__u8 data[VARP_MSG_LEN];
	struct varp_addr to;
	__u16 port;
} sent;

static void on_action(void *ctx, const struct varp_action *action)
{
	(void)ctx;
	if (action->type != VARP_ACTION_SEND)
		return;
	assert_int_equal(action->data_len, VARP_MSG_LEN);
	sent.count++;
	memcpy(sent.data, action->data, VARP_MSG_LEN);
	sent.to = action->raddr;
	sent.port = action->port;
}

static uint64_t no_random(void *ctx)
{
	(void)ctx;
	return 1;
}

static bool have_credentials(void *ctx, const struct varp_snid *snid_value)
{
	(void)ctx;
	(void)snid_value;
	return true;
}

/* What is done to one is done to the other. */
static void use(bool insecure)
{
	obj = insecure ? insecure_obj : secure_obj;
	engine = insecure ? insecure_engine : secure_engine;
}

static void put(struct bpf_map *map, const void *k, const void *v)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), k, v, BPF_ANY), 0);
}

static void put_served(unsigned int n, __u32 ttl_s, __u32 complete)
{
	struct varp_served_key k = { .snid = snid(n) };
	struct varp_served v = { ttl_s, complete };

	put(obj->maps.varp_served, &k, &v);
}

/* ttl_s VARPDB_TTL_ALWAYS: the supernet's default. */
static void put_answer(unsigned int n, const char *vaddr, const char *raddr, int32_t ttl_s)
{
	struct varp_table_entry entry = { key(n, vaddr), addr(raddr), ttl_s };
	struct varp_answer v = { .raddr = addr(raddr), .ttl_s = ttl_s < 0 ? 0 : ttl_s };

	v.check = varp_answer_check(&entry.key, &v);
	put(obj->maps.varp_answers, &entry.key, &v);
	assert_int_equal(varp_engine_add(engine, 1, &entry), 0);
}

/*
 * Supernet 1 is served with two mappings, 2 is not served, 3 is served but not mirrored in full, 4 is served and empty.
 */
static void fill_tables(void)
{
	const struct varp_snid one = snid(1), three = snid(3), four = snid(4);
	struct varp_answer_dev dev = { .mac = { 0 } };
	struct varp_addr mine4 = addr(server4), mine6 = addr(server6), other = addr("192.0.2.9");
	__u32 here = harness_underlay, elsewhere = here + 1;

	put(obj->maps.varp_answer_devs, &here, &dev);
	put(obj->maps.varp_raddrs, &mine4, &here);
	put(obj->maps.varp_raddrs, &mine6, &here);
	put(obj->maps.varp_raddrs, &other, &elsewhere);
	put_served(1, 900, 1);
	put_served(3, 900, 0);
	put_served(4, 70, 1);
	put_answer(1, "10.0.0.5", "192.0.2.55", VARPDB_TTL_ALWAYS);
	put_answer(1, "10.0.0.6", "2001:db8::66", 30);
	put_answer(1, "fd00::5", "192.0.2.55", VARPDB_TTL_MAX);
	put_answer(2, "10.0.0.5", "192.0.2.77", 30);
	put_answer(3, "10.0.0.5", "192.0.2.33", 30);
	varp_engine_server_set(engine, 1, &one, 900);
	varp_engine_server_set(engine, 1, &three, 900);
	varp_engine_server_set(engine, 1, &four, 70);
}

static struct answer_bpf *load(bool insecure)
{
	struct answer_bpf *new = answer_bpf__open();

	assert_non_null(new);
	new->rodata->insecure = insecure;
	assert_int_equal(answer_bpf__load(new), 0);
	return new;
}

static struct varp_engine *engine_new(bool insecure)
{
	const struct varp_engine_config config = {
		.insecure = insecure,
		.credentials = have_credentials,
		.varp_port = PORT,
		.window_ms = 5000,
		.negative_ttl_ms = 5000,
		.retry_ms = 250,
		.lookups_max = 16,
		.emit = on_action,
		.random = no_random,
	};
	struct varp_engine *new = varp_engine_new(&config);

	assert_non_null(new);
	return new;
}

static int set_up(void **state)
{
	(void)state;
	insecure_obj = load(true);
	secure_obj = load(false);
	insecure_engine = engine_new(true);
	secure_engine = engine_new(false);
	for (int insecure = 0; insecure < 2; insecure++) {
		use(insecure);
		fill_tables();
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	answer_bpf__destroy(insecure_obj);
	answer_bpf__destroy(secure_obj);
	varp_engine_free(insecure_engine);
	varp_engine_free(secure_engine);
	return 0;
}

static struct varp_answer_stats counted(void)
{
	int cpus = libbpf_num_possible_cpus();
	struct varp_answer_stats *each = calloc(cpus, sizeof(*each)), sum = { 0 };
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(obj->maps.varp_answer_stats), &zero, each),
			 0);
	for (int cpu = 0; cpu < cpus; cpu++) {
		sum.replies += each[cpu].replies;
		sum.nak_notknown += each[cpu].nak_notknown;
	}
	free(each);
	return sum;
}

static __u64 dropped(enum varp_drop reason)
{
	int cpus = libbpf_num_possible_cpus();
	struct varp_stats *each = calloc(cpus, sizeof(*each));
	__u64 sum = 0;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(obj->maps.varp_stats), &zero, each), 0);
	for (int cpu = 0; cpu < cpus; cpu++)
		sum += each[cpu].drops[reason];
	free(each);
	return sum;
}

/* --- Frames --- */

static __u16 fold(__u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __u32 sum_of(const __u8 *b, size_t len)
{
	__u32 sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? b[i] : b[i] << 8;
	return sum;
}

static size_t l4_of(const struct frame *f)
{
	return f->b[12] == 0x86 ? ETH_HLEN + 40 : ETH_HLEN + 20;
}

static __u32 pseudo_sum(const struct frame *f)
{
	size_t l4 = l4_of(f), addrs = f->b[12] == 0x86 ? 32 : 8;

	return sum_of(f->b + l4 - addrs, addrs) + IPPROTO_UDP + (f->b[l4 + 4] << 8 | f->b[l4 + 5]);
}

static void set16(struct frame *f, size_t off, __u16 v)
{
	f->b[off] = v >> 8;
	f->b[off + 1] = v;
}

static __u16 get16(const struct frame *f, size_t off)
{
	return f->b[off] << 8 | f->b[off + 1];
}

static void finish_udp(struct frame *f)
{
	size_t l4 = l4_of(f);
	__u16 check;

	set16(f, l4 + 6, 0);
	check = ~fold(pseudo_sum(f) + sum_of(f->b + l4, f->len - l4));
	set16(f, l4 + 6, check ? check : 0xffff);
}

static void assert_checksums_right(const char *what, const struct frame *f)
{
	size_t l4 = l4_of(f);

	if (f->b[12] != 0x86 && fold(sum_of(f->b + ETH_HLEN, 20)) != 0xffff)
		fail_msg("%s: the IPv4 header's checksum is wrong", what);
	if (!get16(f, l4 + 6) || fold(pseudo_sum(f) + sum_of(f->b + l4, f->len - l4)) != 0xffff)
		fail_msg("%s: UDP's checksum is wrong", what);
}

static struct varp_wire_msg request_for(unsigned int n, const char *vaddr)
{
	return (struct varp_wire_msg){
		.version = VARP_VERSION,
		.type = VARP_MSG_REQUEST,
		.length = htons(VARP_MSG_LEN),
		.prefix_len = 128,
		.nonce = htobe64(0x0102030405060708ULL),
		.snid = snid(n),
		.chid = chid(n),
		.vaddr = addr(vaddr),
	};
}

static void name_asker(struct varp_wire_msg *msg, const char *asker)
{
	msg->raddr_count = 1;
	msg->raddr[0].raddr = addr(asker);
}

static struct frame frame_around(const char *from, const char *to, __u16 sport, __u16 dport,
				 const void *data, size_t len)
{
	struct frame f = { 0 };

	frame_eth(&f, frame_proto(to));
	frame_ip(&f, from, to, 0, IPPROTO_UDP, sizeof(struct udphdr) + len);
	frame_udp(&f, sport, dport, len);
	frame_add(&f, data, len);
	finish_udp(&f);
	return f;
}

static struct frame frame_of(const struct varp_wire_msg *msg)
{
	return frame_around(client4, server4, CLIENT_PORT, PORT, msg, sizeof(*msg));
}

static __u32 run(const struct frame *in, struct frame *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->b, .data_size_in = in->len,
		    .data_out = out->b, .data_size_out = sizeof(out->b), .repeat = 1);
	int err = bpf_prog_test_run_opts(bpf_program__fd(obj->progs.varp_answer), &opts);

	if (err)
		fail_msg("running the program with %zu octets: %s", in->len, strerror(-err));
	out->len = opts.data_size_out;
	return opts.retval;
}

static const char *verdict_name(__u32 verdict)
{
	static const char *const names[] = { "aborted", "drop", "pass", "tx", "redirect" };

	return verdict < ARRAY_SIZE(names) ? names[verdict] : "?";
}

static void assert_verdict(const char *what, __u32 got, __u32 want)
{
	if (got != want)
		fail_msg("%s: verdict is %s, not %s", what, verdict_name(got), verdict_name(want));
}

/* The answer's frame is the request's with everything turned round, whatever its message says. */
static void assert_turned(const char *what, const struct frame *in, const struct frame *out)
{
	size_t l4 = l4_of(in), addr_len = in->b[12] == 0x86 ? 16 : 4, addrs = l4 - 2 * addr_len;

	if (out->len != in->len)
		fail_msg("%s: the answer has %zu octets, the request %zu", what, out->len, in->len);
	if (memcmp(out->b, in->b + 6, 6) || memcmp(out->b + 6, in->b, 6) ||
	    memcmp(out->b + 12, in->b + 12, 2))
		fail_msg("%s: the Ethernet header was not turned", what);
	if (memcmp(out->b + addrs, in->b + addrs + addr_len, addr_len) ||
	    memcmp(out->b + addrs + addr_len, in->b + addrs, addr_len))
		fail_msg("%s: the addresses were not turned", what);
	if (get16(out, l4) != get16(in, l4 + 2) || get16(out, l4 + 2) != get16(in, l4) ||
	    get16(out, l4 + 4) != get16(in, l4 + 4))
		fail_msg("%s: the UDP header was not turned", what);
	assert_checksums_right(what, out);
}

/* --- The table that both are held against --- */

#define AT(field)	offsetof(struct varp_wire_msg, field)
#define LOCATOR(i, field) (AT(raddr) + (i) * sizeof(struct varp_wire_raddr) + \
			   offsetof(struct varp_wire_raddr, field))

/* A request for vaddr in supernet snid_n, with one octet changed if `value` is not SAME. */
#define SAME	(-1)

static const struct message_case {
	const char *name;
	unsigned int snid_n;
	const char *vaddr;
	size_t at;
	int value;
	__u32 verdict;
	int type;		/* of the engine's answer; zero: none */
	int reason;		/* why the engine drops it; SAME: it does not */
} cases[] = {
	{ "known, the default ttl", 1, "10.0.0.5", 0, SAME, XDP_TX, VARP_MSG_REPLY, SAME },
	{ "known, a ttl of its own", 1, "10.0.0.6", 0, SAME, XDP_TX, VARP_MSG_REPLY, SAME },
	{ "known, IPv6 inside", 1, "fd00::5", 0, SAME, XDP_TX, VARP_MSG_REPLY, SAME },
	{ "not known", 1, "10.0.0.7", 0, SAME, XDP_TX, VARP_MSG_NAK_NOTKNOWN, SAME },
	{ "not known in an empty supernet", 4, "10.0.0.5", 0, SAME, XDP_TX, VARP_MSG_NAK_NOTKNOWN, SAME },
	{ "not served", 2, "10.0.0.5", 0, SAME, XDP_PASS, VARP_MSG_NAK_NOAUTHORITY, SAME },
	{ "mirror not complete", 3, "10.0.0.5", 0, SAME, XDP_PASS, VARP_MSG_REPLY, SAME },
	{ "any nonce", 1, "10.0.0.5", AT(nonce), 0xff, XDP_TX, VARP_MSG_REPLY, SAME },
	{ "any channel", 1, "10.0.0.5", AT(chid) + 5, 0xff, XDP_TX, VARP_MSG_REPLY, SAME },
	{ "version 0", 1, "10.0.0.5", AT(version), 0, XDP_PASS, 0, VARP_DROP_VARP_VERSION },
	{ "version 2", 1, "10.0.0.5", AT(version), 2, XDP_PASS, 0, VARP_DROP_VARP_VERSION },
	{ "type 0", 1, "10.0.0.5", AT(type), 0, XDP_PASS, 0, VARP_DROP_VARP_TYPE },
	{ "type 6", 1, "10.0.0.5", AT(type), 6, XDP_PASS, 0, VARP_DROP_VARP_TYPE },
	{ "a notification without a raddr", 1, "10.0.0.5", AT(type), 5, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "a reply without a raddr", 1, "10.0.0.5", AT(type), 2, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "an answer to nobody", 1, "10.0.0.5", AT(type), 3, XDP_PASS, 0, VARP_DROP_VARP_UNASKED },
	{ "length 161", 1, "10.0.0.5", AT(length) + 1, 161, XDP_PASS, 0, VARP_DROP_VARP_LENGTH },
	{ "a raddr counted", 1, "10.0.0.5", AT(raddr_count), 1, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "prefix length 127", 1, "10.0.0.5", AT(prefix_len), 127, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "reserved set", 1, "10.0.0.5", AT(reserved) + 1, 1, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "reserved 2 set", 1, "10.0.0.5", AT(reserved2), 1, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "ttl set", 1, "10.0.0.5", AT(ttl) + 3, 1, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "first raddr set", 1, "10.0.0.5", LOCATOR(0, raddr), 1, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "a priority set", 1, "10.0.0.5", LOCATOR(1, priority), 1, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "a weight set", 1, "10.0.0.5", LOCATOR(2, weight), 1, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "last octet of the locators", 1, "10.0.0.5", LOCATOR(3, reserved) + 1, 1, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "vaddr 0.0.0.0", 1, "0.0.0.0", 0, SAME, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "vaddr 0.0.0.1", 1, "0.0.0.1", 0, SAME, XDP_TX, VARP_MSG_NAK_NOTKNOWN, SAME },
	{ "vaddr 127.0.0.1", 1, "127.0.0.1", 0, SAME, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "vaddr 127.255.255.255", 1, "127.255.255.255", 0, SAME, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "vaddr 128.0.0.1", 1, "128.0.0.1", 0, SAME, XDP_TX, VARP_MSG_NAK_NOTKNOWN, SAME },
	{ "vaddr 223.255.255.255", 1, "223.255.255.255", 0, SAME, XDP_TX, VARP_MSG_NAK_NOTKNOWN, SAME },
	{ "vaddr 224.0.0.1", 1, "224.0.0.1", 0, SAME, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "vaddr 239.255.255.255", 1, "239.255.255.255", 0, SAME, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "vaddr 240.0.0.1", 1, "240.0.0.1", 0, SAME, XDP_TX, VARP_MSG_NAK_NOTKNOWN, SAME },
	{ "vaddr 255.255.255.255", 1, "255.255.255.255", 0, SAME, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "vaddr ::", 1, "::", 0, SAME, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "vaddr ::1", 1, "::1", 0, SAME, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "vaddr ::2", 1, "::2", 0, SAME, XDP_TX, VARP_MSG_NAK_NOTKNOWN, SAME },
	{ "vaddr fe80::1", 1, "fe80::1", 0, SAME, XDP_TX, VARP_MSG_NAK_NOTKNOWN, SAME },
	{ "vaddr ff02::1", 1, "ff02::1", 0, SAME, XDP_PASS, 0, VARP_DROP_VARP_FIELD },
	{ "session unknown", 1, "10.0.0.5", AT(session), 1, XDP_PASS, 0, VARP_DROP_VARP_SESSION },
	{ "a tag without a session", 1, "10.0.0.5", AT(tag), 1, XDP_PASS, 0, VARP_DROP_VARP_TAG },
	{ "a tag's last octet", 1, "10.0.0.5", AT(tag) + 15, 1, XDP_PASS, 0, VARP_DROP_VARP_TAG },
};

/* The same with an asker. */
static const struct asker_case {
	struct message_case message;
	const char *asker;
} asker_cases[] = {
	{ { "an asker", 1, "10.0.0.5", 0, SAME, XDP_TX, VARP_MSG_REPLY, SAME }, "10.0.0.6" },
	{ { "an asker, IPv6", 1, "fd00::5", 0, SAME, XDP_TX, VARP_MSG_REPLY, SAME }, "fd00::6" },
	{ { "an asker, not known", 1, "10.0.0.7", 0, SAME, XDP_TX, VARP_MSG_NAK_NOTKNOWN, SAME }, "10.0.0.6" },
	{ { "a multicast asker", 1, "10.0.0.5", 0, SAME, XDP_PASS, 0, VARP_DROP_VARP_FIELD }, "224.0.0.1" },
	{ { "an asker not counted", 1, "10.0.0.5", AT(raddr_count), 0, XDP_PASS, 0, VARP_DROP_VARP_FIELD }, "10.0.0.6" },
	{ { "two counted", 1, "10.0.0.5", AT(raddr_count), 2, XDP_PASS, 0, VARP_DROP_VARP_FIELD }, "10.0.0.6" },
	{ { "an asker's priority", 1, "10.0.0.5", LOCATOR(0, priority), 1, XDP_PASS, 0, VARP_DROP_VARP_FIELD }, "10.0.0.6" },
	{ { "an asker's weight", 1, "10.0.0.5", LOCATOR(0, weight), 1, XDP_PASS, 0, VARP_DROP_VARP_FIELD }, "10.0.0.6" },
	{ { "an asker's reserved", 1, "10.0.0.5", LOCATOR(0, reserved), 1, XDP_PASS, 0, VARP_DROP_VARP_FIELD }, "10.0.0.6" },
	{ { "a locator behind the asker", 1, "10.0.0.5", LOCATOR(1, raddr), 1, XDP_PASS, 0, VARP_DROP_VARP_FIELD }, "10.0.0.6" },
};

/* Returns the type of the engine's answer; zero: none. */
static int ask_engine(const char *client, const struct varp_wire_msg *msg, int *reason)
{
	struct varp_engine_stats before = *varp_engine_stats(engine);
	const struct varp_engine_stats *after = varp_engine_stats(engine);
	const struct varp_addr from = addr(client);

	sent.count = 0;
	*reason = SAME;
	varp_engine_receive(engine, boot_ns(), &from, CLIENT_PORT, (const uint8_t *)msg, sizeof(*msg));
	for (int i = 0; i < VARP_DROP_COUNT; i++)
		if (after->drops[i] != before.drops[i])
			*reason = i;
	return sent.count ? ((const struct varp_wire_msg *)sent.data)->type : 0;
}

static void assert_same_answer(const char *what, const struct frame *in, const struct frame *out)
{
	assert_turned(what, in, out);
	assert_int_equal(sent.count, 1);
	if (memcmp(out->b + out->len - VARP_MSG_LEN, sent.data, VARP_MSG_LEN))
		fail_msg("%s: the program's answer is not the engine's", what);
	assert_int_equal(get16(out, l4_of(out) + 2), sent.port);
}

static void assert_as_the_engine(const struct message_case *c, const char *asker)
{
	struct varp_wire_msg msg = request_for(c->snid_n, c->vaddr);
	struct varp_answer_stats before = counted(), after;
	struct frame in, out;
	int reason, type;

	if (asker)
		name_asker(&msg, asker);
	if (c->value != SAME)
		((__u8 *)&msg)[c->at] = c->value;
	in = frame_of(&msg);
	type = ask_engine(client4, &msg, &reason);
	if (type != c->type || reason != c->reason)
		fail_msg("%s: the engine answers type %d and drops for %d, not %d and %d",
			 c->name, type, reason, c->type, c->reason);
	assert_verdict(c->name, run(&in, &out), c->verdict);
	after = counted();
	assert_int_equal(after.replies - before.replies,
			 c->verdict == XDP_TX && type == VARP_MSG_REPLY);
	assert_int_equal(after.nak_notknown - before.nak_notknown,
			 c->verdict == XDP_TX && type == VARP_MSG_NAK_NOTKNOWN);
	if (c->verdict == XDP_TX)
		assert_same_answer(c->name, &in, &out);
	else
		assert_frames_equal(c->name, &out, &in);
}

static void test_answer_messages_as_the_engine(void **state)
{
	(void)state;
	use(true);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_as_the_engine(&cases[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(asker_cases); i++)
		assert_as_the_engine(&asker_cases[i].message, asker_cases[i].asker);
}

/* Any few octets changed: the program answers exactly when the engine would have from the mirrored table. */
static void test_answer_mutated_messages_as_the_engine(void **state)
{
	unsigned int seed = getenv("VARP_SEED") ? strtoul(getenv("VARP_SEED"), NULL, 0) : 1;
	const struct varp_snid unmirrored = snid(3);
	unsigned int answered = 0;

	(void)state;
	use(true);
	srandom(seed);
	for (int i = 0; i < MUTATIONS; i++) {
		struct varp_wire_msg msg = request_for(1, random() & 1 ? "10.0.0.5" : "10.9.9.9");
		struct frame in, out;
		int reason, type, changes = random() % 3;
		char what[64];
		bool expected;

		if (random() & 1)
			name_asker(&msg, "10.0.0.6");
		while (changes--)
			((__u8 *)&msg)[random() % sizeof(msg)] ^= 1 << random() % 8;
		snprintf(what, sizeof(what), "VARP_SEED=%u, message %d", seed, i);
		in = frame_of(&msg);
		type = ask_engine(client4, &msg, &reason);
		expected = (type == VARP_MSG_REPLY || type == VARP_MSG_NAK_NOTKNOWN) &&
			   memcmp(&msg.snid, &unmirrored, sizeof(unmirrored));
		assert_verdict(what, run(&in, &out), expected ? XDP_TX : XDP_PASS);
		if (expected)
			assert_same_answer(what, &in, &out);
		answered += expected;
	}
	/* Both happen, or nothing was tested. */
	assert_in_range(answered, MUTATIONS / 10, MUTATIONS * 9 / 10);
}

/* --- Headers --- */

enum header_change {
	CHANGE_NOTHING, CHANGE_OPTIONS, CHANGE_FRAGMENT, CHANGE_MORE_FRAGMENTS, CHANGE_IP_CHECKSUM,
	CHANGE_IP_LENGTH, CHANGE_IP_VERSION, CHANGE_TCP, CHANGE_VLAN,
	CHANGE_OTHER_MAC, CHANGE_MULTICAST_MAC, CHANGE_SOURCE_MAC_MULTICAST, CHANGE_UDP_LENGTH, CHANGE_UDP_CHECKSUM, CHANGE_UDP_NO_CHECKSUM,
	CHANGE_UDP_UNFINISHED, CHANGE_LONGER_FRAME, CHANGE_SHORTER_FRAME, CHANGE_EXTENSION,
};

static const struct header_case {
	const char *name, *from, *to;
	__u16 sport, dport;
	enum header_change change;
	__u32 verdict;
} headers[] = {
	{ "IPv4", client4, server4, 2500, PORT, CHANGE_NOTHING, XDP_TX },
	{ "IPv6", client6, server6, 2500, PORT, CHANGE_NOTHING, XDP_TX },
	{ "another source port", client4, server4, 65535, PORT, CHANGE_NOTHING, XDP_TX },
	{ "source port 0", client4, server4, 0, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "source port 0, IPv6", client6, server6, 0, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "another port", client4, server4, 2500, PORT + 1, CHANGE_NOTHING, XDP_PASS },
	{ "not our address", client4, "192.0.2.2", 2500, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "not our address, IPv6", client6, "2001:db8::2", 2500, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "another interface's address", client4, "192.0.2.9", 2500, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "multicast source", "224.0.0.9", server4, 2500, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "broadcast source", "255.255.255.255", server4, 2500, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "loopback source", "127.0.0.1", server4, 2500, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "no source", "0.0.0.0", server4, 2500, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "multicast source, IPv6", "ff02::1", server6, 2500, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "loopback source, IPv6", "::1", server6, 2500, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "no source, IPv6", "::", server6, 2500, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "our own address as the source", server4, server4, 2500, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "our own address as the source, IPv6", server6, server6, 2500, PORT, CHANGE_NOTHING, XDP_PASS },
	{ "IP options", client4, server4, 2500, PORT, CHANGE_OPTIONS, XDP_PASS },
	{ "a fragment", client4, server4, 2500, PORT, CHANGE_FRAGMENT, XDP_PASS },
	{ "a first fragment", client4, server4, 2500, PORT, CHANGE_MORE_FRAGMENTS, XDP_PASS },
	{ "wrong IP checksum", client4, server4, 2500, PORT, CHANGE_IP_CHECKSUM, XDP_PASS },
	{ "wrong IP length", client4, server4, 2500, PORT, CHANGE_IP_LENGTH, XDP_PASS },
	{ "wrong IP length, IPv6", client6, server6, 2500, PORT, CHANGE_IP_LENGTH, XDP_PASS },
	{ "IP version 5", client4, server4, 2500, PORT, CHANGE_IP_VERSION, XDP_PASS },
	{ "IPv6 version 5", client6, server6, 2500, PORT, CHANGE_IP_VERSION, XDP_PASS },
	{ "TCP", client4, server4, 2500, PORT, CHANGE_TCP, XDP_PASS },
	{ "an extension header", client6, server6, 2500, PORT, CHANGE_EXTENSION, XDP_PASS },
	{ "a VLAN tag", client4, server4, 2500, PORT, CHANGE_VLAN, XDP_PASS },
	{ "another MAC address", client4, server4, 2500, PORT, CHANGE_OTHER_MAC, XDP_PASS },
	{ "multicast MAC address", client4, server4, 2500, PORT, CHANGE_MULTICAST_MAC, XDP_PASS },
	{ "multicast source MAC address", client4, server4, 2500, PORT, CHANGE_SOURCE_MAC_MULTICAST, XDP_PASS },
	{ "wrong UDP length", client4, server4, 2500, PORT, CHANGE_UDP_LENGTH, XDP_PASS },
	{ "wrong UDP checksum", client4, server4, 2500, PORT, CHANGE_UDP_CHECKSUM, XDP_PASS },
	{ "wrong UDP checksum, IPv6", client6, server6, 2500, PORT, CHANGE_UDP_CHECKSUM, XDP_PASS },
	{ "no UDP checksum", client4, server4, 2500, PORT, CHANGE_UDP_NO_CHECKSUM, XDP_TX },
	{ "no UDP checksum, IPv6", client6, server6, 2500, PORT, CHANGE_UDP_NO_CHECKSUM, XDP_PASS },
	{ "unfinished UDP checksum", client4, server4, 2500, PORT, CHANGE_UDP_UNFINISHED, XDP_TX },
	{ "unfinished UDP checksum, IPv6", client6, server6, 2500, PORT, CHANGE_UDP_UNFINISHED, XDP_TX },
	{ "a longer frame", client4, server4, 2500, PORT, CHANGE_LONGER_FRAME, XDP_PASS },
	{ "a shorter frame", client4, server4, 2500, PORT, CHANGE_SHORTER_FRAME, XDP_PASS },
};

static void insert(struct frame *f, size_t at, const void *octets, size_t len)
{
	memmove(f->b + at + len, f->b + at, f->len - at);
	memcpy(f->b + at, octets, len);
	f->len += len;
}

static void change_ip(struct frame *f, enum header_change change, bool v6)
{
	static const __u8 no_options[4] = { 1, 1, 1, 1 }, dstopts[8] = { IPPROTO_UDP, 0, 1, 4 };
	size_t ip = ETH_HLEN;

	switch (change) {
	case CHANGE_OPTIONS:
		insert(f, ip + 20, no_options, sizeof(no_options));
		f->b[ip] = 0x46;
		set16(f, ip + 2, f->len - ETH_HLEN);
		break;
	case CHANGE_FRAGMENT:
		set16(f, ip + 6, 1);
		break;
	case CHANGE_MORE_FRAGMENTS:
		set16(f, ip + 6, 0x2000);
		break;
	case CHANGE_IP_LENGTH:
		set16(f, ip + (v6 ? 4 : 2), get16(f, ip + (v6 ? 4 : 2)) - 1);
		break;
	case CHANGE_IP_VERSION:
		f->b[ip] = v6 ? 0x50 : 0x55;
		break;
	case CHANGE_TCP:
		f->b[ip + 9] = IPPROTO_TCP;
		break;
	case CHANGE_EXTENSION:
		insert(f, ip + 40, dstopts, sizeof(dstopts));
		f->b[ip + 6] = IPPROTO_DSTOPTS;
		set16(f, ip + 4, f->len - ETH_HLEN - 40);
		break;
	default:
		break;
	}
	if (!v6)
		frame_checksum_ip4(f, ip);
	if (change == CHANGE_IP_CHECKSUM)
		f->b[ip + 10] ^= 1;
}

static void change_rest(struct frame *f, enum header_change change)
{
	static const __u8 tag[4] = { 0x81, 0x00, 0x00, 0x07 };
	size_t l4 = l4_of(f);

	switch (change) {
	case CHANGE_VLAN:
		insert(f, 12, tag, sizeof(tag));
		break;
	case CHANGE_OTHER_MAC:
		f->b[5] = 1;
		break;
	case CHANGE_MULTICAST_MAC:
		f->b[0] = 1;
		break;
	case CHANGE_SOURCE_MAC_MULTICAST:
		f->b[6] |= 1;
		break;
	case CHANGE_UDP_LENGTH:
		set16(f, l4 + 4, get16(f, l4 + 4) - 1);
		finish_udp(f);
		break;
	case CHANGE_UDP_CHECKSUM:
		set16(f, l4 + 6, get16(f, l4 + 6) ^ 0x0100);
		break;
	case CHANGE_UDP_NO_CHECKSUM:
		set16(f, l4 + 6, 0);
		break;
	case CHANGE_UDP_UNFINISHED:
		set16(f, l4 + 6, fold(pseudo_sum(f)));
		break;
	case CHANGE_LONGER_FRAME:
		f->len++;
		break;
	case CHANGE_SHORTER_FRAME:
		f->len--;
		break;
	default:
		break;
	}
}

static void test_answer_headers_unusual_are_passed(void **state)
{
	struct varp_wire_msg msg = request_for(1, "10.0.0.5");

	(void)state;
	use(true);
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		const struct header_case *c = &headers[i];
		struct frame in = frame_around(c->from, c->to, c->sport, c->dport, &msg, sizeof(msg)), out;

		change_ip(&in, c->change, strchr(c->to, ':'));
		change_rest(&in, c->change);
		assert_verdict(c->name, run(&in, &out), c->verdict);
		if (c->verdict == XDP_TX)
			assert_turned(c->name, &in, &out);
		else
			assert_frames_equal(c->name, &out, &in);
	}
}

/* On an skb the kernel still finishes an unfinished checksum: what it starts from has to stay. */
static void test_answer_generic_unfinished_checksum_is_left(void **state)
{
	struct varp_answer_dev generic = { .generic = 1 }, native = { .generic = 0 };
	struct varp_wire_msg msg = request_for(1, "10.0.0.5");
	struct frame in = frame_of(&msg), out;
	__u32 ifindex = harness_underlay;
	__u16 unfinished;

	(void)state;
	use(true);
	put(obj->maps.varp_answer_devs, &ifindex, &generic);
	assert_verdict("finished", run(&in, &out), XDP_TX);
	assert_checksums_right("finished", &out);
	change_rest(&in, CHANGE_UDP_UNFINISHED);
	unfinished = get16(&in, l4_of(&in) + 6);
	assert_verdict("unfinished", run(&in, &out), XDP_TX);
	assert_int_equal(get16(&out, l4_of(&out) + 6), unfinished);
	put(obj->maps.varp_answer_devs, &ifindex, &native);
}

/* As read while the kernel gives its memory to another key. */
static void test_answer_entry_of_another_key_is_passed(void **state)
{
	const struct varp_key mine = key(1, "10.0.0.5"), other = key(1, "10.0.0.6");
	struct varp_wire_msg msg = request_for(1, "10.0.0.5");
	struct frame in = frame_of(&msg), out;
	struct varp_answer right, wrong;
	int map;

	(void)state;
	use(true);
	map = bpf_map__fd(obj->maps.varp_answers);
	assert_int_equal(bpf_map_lookup_elem(map, &mine, &right), 0);
	assert_int_equal(bpf_map_lookup_elem(map, &other, &wrong), 0);
	put(obj->maps.varp_answers, &mine, &wrong);
	assert_verdict("another key's", run(&in, &out), XDP_PASS);
	for (size_t i = 0; i < sizeof(right); i++) {
		wrong = right;
		((__u8 *)&wrong)[i] ^= 1;
		put(obj->maps.varp_answers, &mine, &wrong);
		assert_verdict("half of another's", run(&in, &out), XDP_PASS);
	}
	put(obj->maps.varp_answers, &mine, &right);
	assert_verdict("its own", run(&in, &out), XDP_TX);
}

static void test_answer_interface_not_told_of_is_passed(void **state)
{
	struct varp_wire_msg msg = request_for(1, "10.0.0.5");
	struct frame in = frame_of(&msg), out;
	struct varp_answer_dev dev = { .generic = 0 };
	__u32 ifindex = harness_underlay;

	(void)state;
	use(true);
	bpf_map_delete_elem(bpf_map__fd(obj->maps.varp_answer_devs), &ifindex);
	assert_verdict("no record", run(&in, &out), XDP_PASS);
	put(obj->maps.varp_answer_devs, &ifindex, &dev);
	assert_verdict("a record", run(&in, &out), XDP_TX);
}

/* --- Sessions --- */

static const __u8 key_request[16] = "request-key-0123", key_answer[16] = "answer-key-01234";

static void sign(struct varp_wire_msg *msg, const __u8 key[16], const char *from, const char *to)
{
	struct varp_addr ends[2] = { addr(from), addr(to) };
	struct varp_siphash s;
	__u64 words[2], w, tag[2];

	memcpy(words, key, sizeof(words));
	varp_siphash_init(&s, words);
	for (size_t i = 0; i < VARP_MSG_TAGGED_LEN; i += 8) {
		memcpy(&w, (__u8 *)msg + i, 8);
		varp_siphash_word(&s, w);
	}
	for (size_t i = 0; i < sizeof(ends); i += 8) {
		memcpy(&w, (__u8 *)ends + i, 8);
		varp_siphash_word(&s, w);
	}
	varp_siphash_final(&s, VARP_MSG_TAGGED_LEN + sizeof(ends), tag);
	memcpy(msg->tag, tag, sizeof(tag));
}

static void give_engine(const struct varp_session_keys *keys)
{
	struct varp_session session = {
		.id = SESSION,
		.snid = keys->snid,
		.client = keys->client,
		.server = keys->server,
		.ends_ns = keys->ends_ns,
	};

	memcpy(session.key_request, key_request, sizeof(key_request));
	memcpy(session.key_answer, key_answer, sizeof(key_answer));
	varp_engine_session_remove(engine, SESSION);
	assert_int_equal(varp_engine_session_add(engine, &session), 0);
}

static void put_session(unsigned int n, const char *client, const char *server, __s64 life_ns)
{
	struct varp_session_keys session = {
		.snid = snid(n),
		.client = addr(client),
		.server = addr(server),
		.ends_ns = boot_ns() + life_ns,
	};
	__u64 id = htobe64(SESSION);

	memcpy(session.key_request, key_request, sizeof(key_request));
	memcpy(session.key_answer, key_answer, sizeof(key_answer));
	put(obj->maps.varp_sessions, &id, &session);
	give_engine(&session);
}

static const struct session_case {
	const char *name;
	unsigned int snid_n;		/* of the session; the request is about 1 */
	const char *client, *server;	/* of the session */
	__s64 life_ns;
	size_t at;			/* octet of the signed request that is changed by xor */
	__u8 flip;
	__u32 verdict;
	const char *from, *to, *vaddr;
} sessions[] = {
	{ "right", 1, client4, server4, 1000 * BOOT_S, 0, 0, XDP_TX, client4, server4, "10.0.0.5" },
	{ "right, not known", 1, client4, server4, 1000 * BOOT_S, 0, 0, XDP_TX, client4, server4, "10.0.0.9" },
	{ "right, IPv6", 1, client6, server6, 1000 * BOOT_S, 0, 0, XDP_TX, client6, server6, "10.0.0.6" },
	{ "of another supernet", 2, client4, server4, 1000 * BOOT_S, 0, 0, XDP_PASS, client4, server4, "10.0.0.5" },
	{ "of another client", 1, "192.0.2.8", server4, 1000 * BOOT_S, 0, 0, XDP_PASS, client4, server4, "10.0.0.5" },
	{ "with another server", 1, client4, "192.0.2.2", 1000 * BOOT_S, 0, 0, XDP_PASS, client4, server4, "10.0.0.5" },
	{ "that has ended", 1, client4, server4, -1, 0, 0, XDP_PASS, client4, server4, "10.0.0.5" },
	{ "unknown", 1, client4, server4, 1000 * BOOT_S, AT(session), 1, XDP_PASS, client4, server4, "10.0.0.5" },
	{ "first octet of the tag", 1, client4, server4, 1000 * BOOT_S, AT(tag), 0x80, XDP_DROP, client4, server4, "10.0.0.5" },
	{ "last octet of the tag", 1, client4, server4, 1000 * BOOT_S, AT(tag) + 15, 1, XDP_DROP, client4, server4, "10.0.0.5" },
	{ "nonce changed", 1, client4, server4, 1000 * BOOT_S, AT(nonce), 1, XDP_DROP, client4, server4, "10.0.0.5" },
	{ "channel changed", 1, client4, server4, 1000 * BOOT_S, AT(chid), 1, XDP_DROP, client4, server4, "10.0.0.5" },
	{ "vaddr changed", 1, client4, server4, 1000 * BOOT_S, AT(vaddr) + 15, 1, XDP_DROP, client4, server4, "10.0.0.5" },
	{ "malformed besides", 1, client4, server4, 1000 * BOOT_S, AT(reserved), 1, XDP_PASS, client4, server4, "10.0.0.5" },
};

static void check_session(const struct session_case *c)
{
	struct varp_wire_msg msg = request_for(1, c->vaddr), want;
	__u64 dropped_before = dropped(VARP_DROP_VARP_TAG);
	struct frame in, out;
	int type, reason;

	put_session(c->snid_n, c->client, c->server, c->life_ns);
	msg.session = htobe64(SESSION);
	sign(&msg, key_request, c->from, c->to);
	((__u8 *)&msg)[c->at] ^= c->flip;
	in = frame_around(c->from, c->to, CLIENT_PORT, PORT, &msg, sizeof(msg));
	assert_verdict(c->name, run(&in, &out), c->verdict);
	assert_int_equal(dropped(VARP_DROP_VARP_TAG) - dropped_before, c->verdict == XDP_DROP);
	type = ask_engine(c->from, &msg, &reason);
	assert_int_equal(!!type, c->verdict == XDP_TX);
	if (c->verdict == XDP_DROP)
		assert_int_equal(reason, VARP_DROP_VARP_TAG);
	if (c->verdict != XDP_TX)
		return;
	assert_same_answer(c->name, &in, &out);
	memcpy(&want, out.b + out.len - sizeof(want), sizeof(want));
	assert_int_equal(want.session, msg.session);
	assert_int_equal(want.nonce, msg.nonce);
	assert_int_not_equal(want.type, VARP_MSG_REQUEST);
	sign(&want, key_answer, c->to, c->from);
	if (memcmp(out.b + out.len - sizeof(want), &want, sizeof(want)))
		fail_msg("%s: the answer's tag is wrong", c->name);
}

static void test_answer_sessions_are_judged(void **state)
{
	(void)state;
	for (int insecure = 0; insecure < 2; insecure++) {
		use(insecure);
		for (size_t i = 0; i < ARRAY_SIZE(sessions); i++)
			check_session(&sessions[i]);
	}
}

static void test_answer_secure_without_session_is_passed(void **state)
{
	struct varp_wire_msg msg = request_for(1, "10.0.0.5");
	struct frame in = frame_of(&msg), out;

	(void)state;
	use(false);
	assert_verdict("no session", run(&in, &out), XDP_PASS);
	use(true);
	assert_verdict("no session, insecure", run(&in, &out), XDP_TX);
}

/* With a map of another shape than the program that would be put on an interface has. */
static struct answer_bpf *load_named(const char *instance)
{
	struct answer_bpf *skel = answer_bpf__open();

	assert_non_null(skel);
	strcpy((char *)skel->rodata_varp_id->varp_id, instance);
	assert_int_equal(bpf_map__set_value_size(skel->maps.varp_stats, 4096), 0);
	assert_int_equal(answer_bpf__load(skel), 0);
	return skel;
}

/* Who asks may be a varpd that was taken over: nothing is put on an interface but this instance's own. */
static void test_answer_shared_takes_only_its_instances_program(void **state)
{
	struct answer_bpf *ours = load_named("tested"), *longer = load_named("tested-too");
	const struct {
		const char *name;
		int fd, err;
	} rows[] = {
		{ "no descriptor", -1, -EPERM },
		{ "no program", bpf_map__fd(ours->maps.varp_stats), -EPERM },
		{ "no name", bpf_program__fd(insecure_obj->progs.varp_answer), -EPERM },
		{ "another's name", bpf_program__fd(longer->progs.varp_answer), -EPERM },
		{ "maps of another shape", bpf_program__fd(ours->progs.varp_answer), -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int err = answer_shared_join("tested", rows[i].fd, 1, true);

		/* Kernels that cannot share come no further. */
		if (err != rows[i].err && !(rows[i].err == -EINVAL && err == -ENOSYS))
			fail_msg("%s: %d", rows[i].name, err);
		if (rows[i].fd >= 0 && rows[i].err == -EPERM)
			assert_int_equal(answer_shared_sweep("tested", rows[i].fd), -EPERM);
	}
	assert_int_equal(answer_shared_leave("tested", 1), 0);
	answer_bpf__destroy(ours);
	answer_bpf__destroy(longer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer_messages_as_the_engine),
		cmocka_unit_test(test_answer_mutated_messages_as_the_engine),
		cmocka_unit_test(test_answer_headers_unusual_are_passed),
		cmocka_unit_test(test_answer_generic_unfinished_checksum_is_left),
		cmocka_unit_test(test_answer_entry_of_another_key_is_passed),
		cmocka_unit_test(test_answer_interface_not_told_of_is_passed),
		cmocka_unit_test(test_answer_sessions_are_judged),
		cmocka_unit_test(test_answer_secure_without_session_is_passed),
		cmocka_unit_test(test_answer_shared_takes_only_its_instances_program),
	};

	if (geteuid()) {
		printf("1..1\nok 1 - answer # SKIP loading BPF programs needs root\n");
		return 0;
	}
	if (unshare(CLONE_NEWNET)) {
		fprintf(stderr, "answer: no network namespace for the test\n");
		return 1;
	}
	return cmocka_run_group_tests_name("answer", tests, set_up, tear_down);
}
