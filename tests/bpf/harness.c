// SPDX-License-Identifier: BSD-2-Clause
/*
 * See harness.h. Only for the BPF tests; knows nothing of varpd.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "harness.h"

__u32 harness_node, harness_node2, harness_underlay = 1;
struct varp_bpf *harness_obj;
__u32 harness_ring_bytes = 1 << 20;
bool harness_decap_l3_flags;
bool harness_source_check;

static struct ring_buffer *ring;
static struct told *told_to;
static size_t told_count, told_max;

/* --- Set-up ------------------------------------------------------------------------------------------------------- */

static int make_namespace(void)
{
	if (unshare(CLONE_NEWNET))
		return -errno;
	if (system("ip link set lo up && sysctl -qw net.ipv6.conf.default.disable_ipv6=1 && "
		   "ip link add bpf-n1 address 02:00:00:00:00:11 type veth "
		   "peer name bpf-p1 address 02:00:00:00:00:12 && ip link add bpf-n2 type veth peer name bpf-p2 && "
		   "ip link set bpf-n1 up && ip link set bpf-p1 up"))
		return -EIO;
	harness_node = if_nametoindex("bpf-p1");
	harness_node2 = if_nametoindex("bpf-p2");
	return harness_node && harness_node2 ? 0 : -ENODEV;
}

static int on_event(void *ctx, void *data, size_t len)
{
	struct told *t;

	(void)ctx;
	if (told_count < told_max) {
		t = &told_to[told_count];
		memcpy(&t->event, data, sizeof(t->event));
		t->frame.len = len - sizeof(t->event);
		assert_true(t->frame.len <= FRAME_MAX);
		memcpy(t->frame.b, (char *)data + sizeof(t->event), t->frame.len);
	}
	told_count++;
	return 0;
}

int harness_open(void **state)
{
	(void)state;
	harness_obj = varp_bpf__open();
	if (!harness_obj)
		return -1;
	bpf_map__set_max_entries(harness_obj->maps.varp_events, harness_ring_bytes);
	bpf_map__set_max_entries(harness_obj->maps.varp_scratch, libbpf_num_possible_cpus());
	harness_obj->rodata->netns_inode = HARNESS_NETNS;
	harness_obj->rodata->instance_id = HARNESS_INSTANCE;
	harness_obj->rodata->decap_l3_flags = harness_decap_l3_flags;
	harness_obj->rodata->source_check = harness_source_check;
	memcpy((void *)harness_obj->rodata->sender_salt, HARNESS_SALT, VARP_SALT_LEN);
	if (varp_bpf__load(harness_obj))
		return -1;
	ring = ring_buffer__new(bpf_map__fd(harness_obj->maps.varp_events), on_event, NULL, NULL);
	return ring ? 0 : -1;
}

int harness_close(void **state)
{
	(void)state;
	ring_buffer__free(ring);
	varp_bpf__destroy(harness_obj);
	harness_obj = NULL;
	return 0;
}

static void hash_clear(struct bpf_map *map)
{
	__u8 k[64];	/* as long as any key */
	int fd = bpf_map__fd(map);

	while (!bpf_map_get_next_key(fd, NULL, k))
		bpf_map_delete_elem(fd, k);
}

int harness_reset(void **state)
{
	struct varp_supernet sn = {};
	int cpus = libbpf_num_possible_cpus();
	struct varp_stats *zero = calloc(cpus, sizeof(*zero));
	__u32 slot = 0;

	(void)state;
	hash_clear(harness_obj->maps.varp_cache);
	hash_clear(harness_obj->maps.varp_pending);
	hash_clear(harness_obj->maps.varp_local);
	hash_clear(harness_obj->maps.varp_devs);
	hash_clear(harness_obj->maps.varp_raddrs);
	hash_clear(harness_obj->maps.varp_joined);
	hash_clear(harness_obj->maps.varp_channels);
	hash_clear(harness_obj->maps.varp_senders);
	bpf_map_update_elem(bpf_map__fd(harness_obj->maps.varp_stats), &slot, zero, BPF_ANY);
	for (slot = 0; slot < 2; slot++) {
		sn.snid = snid(slot + 1);
		sn.used = 1;
		sn.pending_max = 16;
		map_put(harness_obj->maps.varp_supernets, &slot, &sn);
	}
	memset(harness_obj->bss->limiter, 0, sizeof(harness_obj->bss->limiter));
	events_take(NULL, 0);
	free(zero);
	return 0;
}

bool harness_kernel_has_decap_l3(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 3);
}

int harness_main(const struct CMUnitTest *tests, size_t count, const char *name)
{
	int err;

	if (geteuid()) {
		printf("1..1\nok 1 - %s # SKIP loading BPF programs needs root\n", name);
		return 0;
	}
	err = make_namespace();
	if (err) {
		fprintf(stderr, "%s: no network namespace for the test: %s\n", name, strerror(-err));
		return 1;
	}
	return _cmocka_run_group_tests(name, tests, count, harness_open, harness_close);
}

/* --- Values ------------------------------------------------------------------------------------------------------- */

struct varp_snid snid(unsigned int n)
{
	return (struct varp_snid){ .b = { 0x5a, [8] = n >> 8, [9] = n } };
}

struct varp_chid chid(unsigned int n)
{
	return (struct varp_chid){ .b = { 0xc4, [5] = n } };
}

struct varp_addr addr(const char *text)
{
	struct varp_addr a = {};

	if (!*text)
		return a;
	if (inet_pton(AF_INET6, text, a.b) == 1)
		return a;
	a.b[10] = a.b[11] = 0xff;
	assert_int_equal(inet_pton(AF_INET, text, a.b + 12), 1);
	return a;
}

struct varp_key key(unsigned int n, const char *vaddr)
{
	return (struct varp_key){ .snid = snid(n), .vaddr = addr(vaddr) };
}

__u64 boot_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * BOOT_S + ts.tv_nsec;
}

/* --- Maps --------------------------------------------------------------------------------------------------------- */

void map_put(struct bpf_map *map, const void *k, const void *v)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), k, v, BPF_ANY), 0);
}

bool map_get(struct bpf_map *map, const void *k, void *v)
{
	return !bpf_map_lookup_elem(bpf_map__fd(map), k, v);
}

struct varp_dev dev_value(unsigned int n, unsigned int slot)
{
	return (struct varp_dev){
		.snid = snid(n),
		.chid = chid(1),
		.supernet = slot,
		.underlay = harness_underlay,
		.underlay_mtu = 1500,
		.is_peer = 1,
		.raddr4 = addr("192.0.2.1"),
		.raddr6 = addr("2001:db8::1"),
	};
}

void bind_dev(__u32 ifindex, unsigned int n, unsigned int slot)
{
	struct varp_dev dev = dev_value(n, slot);

	dev.peer = ifindex;
	map_put(harness_obj->maps.varp_devs, &ifindex, &dev);
}

void put_mapping(unsigned int n, const char *vaddr, const char *raddr, __s64 life_ns, __u16 mtu)
{
	struct varp_key k = key(n, vaddr);
	struct varp_mapping m = {
		.raddr = addr(raddr),
		.deadline_ns = boot_ns() + life_ns,
		.ttl_s = 900,
		.mtu = mtu,
	};

	map_put(harness_obj->maps.varp_cache, &k, &m);
}

void put_local(unsigned int n, const char *vaddr, unsigned int channel)
{
	struct varp_key k = key(n, vaddr);
	struct varp_local l = {
		.chid = chid(channel),
		.mac = { 0x02, 0, 0, 0, 0, 0x11 },
		.peer = harness_node,
		.raddr4 = addr("192.0.2.1"),
		.raddr6 = addr("2001:db8::1"),
	};

	map_put(harness_obj->maps.varp_local, &k, &l);
}

void put_joined(unsigned int n)
{
	struct varp_key k = { .snid = snid(n) };
	struct varp_local l = { .peer = 1 };

	map_put(harness_obj->maps.varp_local, &k, &l);
}

void put_instances(__u64 netns, unsigned int n, __u32 one, __u32 other)
{
	struct varp_joined_key k = { .netns = netns, .snid = snid(n) };
	struct varp_joined j = { .instances = { [1] = one, [VARP_JOINED_MAX - 1] = other } };

	map_put(harness_obj->maps.varp_joined, &k, &j);
}

void put_raddr(const char *raddr)
{
	struct varp_addr a = addr(raddr);

	map_put(harness_obj->maps.varp_raddrs, &a, &harness_underlay);
}

struct varp_supernet get_supernet(unsigned int slot)
{
	struct varp_supernet sn;
	__u32 k = slot;

	assert_true(map_get(harness_obj->maps.varp_supernets, &k, &sn));
	return sn;
}

/* --- Frames ------------------------------------------------------------------------------------------------------- */

void frame_add(struct frame *f, const void *octets, size_t len)
{
	assert_true(f->len + len <= FRAME_MAX);
	memcpy(f->b + f->len, octets, len);
	f->len += len;
}

static void add8(struct frame *f, __u8 v)
{
	frame_add(f, &v, 1);
}

static void add16(struct frame *f, __u16 v)
{
	add8(f, v >> 8);
	add8(f, v);
}

void frame_eth(struct frame *f, __u16 proto)
{
	static const __u8 macs[2 * ETH_ALEN] = { [ETH_ALEN] = 0x02, 0, 0, 0, 0, 0x99 };

	frame_add(f, macs, sizeof(macs));
	add16(f, proto);
}

void frame_set_macs(struct frame *f, const __u8 dst[ETH_ALEN], const __u8 src[ETH_ALEN])
{
	if (dst)
		memcpy(f->b, dst, ETH_ALEN);
	if (src)
		memcpy(f->b + ETH_ALEN, src, ETH_ALEN);
}

__u16 frame_proto(const char *address)
{
	return strchr(address, ':') ? ETH_P_IPV6 : ETH_P_IP;
}

void frame_checksum_ip4(struct frame *f, size_t off)
{
	size_t hlen = (f->b[off] & 0xf) * 4, i;
	__u32 sum = 0;

	f->b[off + 10] = f->b[off + 11] = 0;
	for (i = 0; i < hlen; i += 2)
		sum += f->b[off + i] << 8 | f->b[off + i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	f->b[off + 10] = ~sum >> 8;
	f->b[off + 11] = ~sum;
}

/* IPv4: no options, DF, identification 0, TTL 64. IPv6: no flow label, hop limit 64. */
void frame_ip(struct frame *f, const char *src, const char *dst, __u8 tos, __u8 proto, size_t payload)
{
	bool v6 = frame_proto(dst) == ETH_P_IPV6;
	struct varp_addr s = addr(src), d = addr(dst);
	size_t at = f->len;

	if (v6) {
		add16(f, 0x6000 | tos << 4);
		add16(f, 0);
		add16(f, payload);
		add8(f, proto);
		add8(f, 64);
		frame_add(f, s.b, 16);
		frame_add(f, d.b, 16);
		return;
	}
	add8(f, 0x45);
	add8(f, tos);
	add16(f, 20 + payload);
	add16(f, 0);
	add16(f, 0x4000);
	add8(f, 64);
	add8(f, proto);
	add16(f, 0);
	frame_add(f, s.b + 12, 4);
	frame_add(f, d.b + 12, 4);
	frame_checksum_ip4(f, at);
}

void frame_udp(struct frame *f, __u16 sport, __u16 dport, size_t payload)
{
	add16(f, sport);
	add16(f, dport);
	add16(f, 8 + payload);
	add16(f, 0);
}

void frame_geneve(struct frame *f, __u16 proto, unsigned int snid_n, unsigned int chid_n)
{
	struct varp_snid s = snid(snid_n);
	struct varp_chid c = chid(chid_n);

	add8(f, 7);		/* version 0, 7 words of options */
	add8(f, 0x40);		/* critical options present */
	add16(f, proto);
	add16(f, 0);		/* VNI and reserved */
	add16(f, 0);
	add16(f, 0xff56);
	add8(f, 0x81);
	add8(f, 6);
	frame_add(f, c.b, sizeof(c.b));
	add16(f, 0);
	add16(f, 0x6558);
	add16(f, 0);
	frame_add(f, s.b, sizeof(s.b));
	add16(f, proto);
}

void frame_fill(struct frame *f, size_t len)
{
	while (len--)
		add8(f, len * 7 + 1);
}

struct frame frame_inner(const char *src, const char *dst, __u8 tos, size_t len)
{
	struct frame f = {};

	frame_eth(&f, frame_proto(dst));
	frame_ip(&f, src, dst, tos, IPPROTO_UDP, 8 + len);
	frame_udp(&f, 40000, 7, len);
	frame_fill(&f, len);
	return f;
}

struct frame frame_outer(const char *osrc, const char *odst, __u8 otos, __u16 sport, __u32 flow,
			 unsigned int snid_n, unsigned int chid_n, const struct frame *inner)
{
	size_t payload = 36 + inner->len - ETH_HLEN;
	struct frame f = {};

	frame_eth(&f, frame_proto(odst));
	frame_ip(&f, osrc, odst, otos, IPPROTO_UDP, 8 + payload);
	if (frame_proto(odst) == ETH_P_IPV6) {
		f.b[15] |= flow >> 16 & 0xf;
		f.b[16] = flow >> 8;
		f.b[17] = flow;
	}
	frame_udp(&f, sport, 6081, payload);
	frame_geneve(&f, inner->b[12] << 8 | inner->b[13], snid_n, chid_n);
	frame_add(&f, inner->b + ETH_HLEN, inner->len - ETH_HLEN);
	return f;
}

/* --- Running ------------------------------------------------------------------------------------------------------ */

__u32 run_prog(const struct bpf_program *prog, struct run *r)
{
	struct __sk_buff ctx = {
		.ifindex = r->ifindex ? r->ifindex : harness_underlay,
		.mark = r->mark,
		.gso_size = r->gso_size,
		.gso_segs = r->gso_segs,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts,
		.data_in = r->in.b,
		.data_size_in = r->in.len,
		.data_out = r->out.b,
		.data_size_out = sizeof(r->out.b),
		.ctx_in = &ctx,
		.ctx_size_in = sizeof(ctx),
		.repeat = 1);
	int err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);

	if (err)
		fail_msg("running %s with %zu octets: %s", bpf_program__name(prog), r->in.len, strerror(-err));
	r->out.len = opts.data_size_out;
	r->retval = opts.retval;
	return r->retval;
}

void wire_send(const struct bpf_program *prog, const struct frame *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = harness_node, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(prog), .handle = 1, .priority = 1,
		    .flags = BPF_TC_F_REPLACE);
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = if_nametoindex("bpf-n1"),
		.sll_protocol = f->len < ETH_HLEN ? 0 : *(__be16 *)(f->b + 12),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	static bool created;

	assert_true(fd >= 0);
	if (!created)
		assert_int_equal(bpf_tc_hook_create(&hook), 0);
	created = true;
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	assert_int_equal(sendto(fd, f->b, f->len, 0, (struct sockaddr *)&to, sizeof(to)), f->len);
	close(fd);
	/* veth hands over in a softirq of this CPU, at the latest when the transmission ends. */
	usleep(10000);
	opts.flags = opts.prog_fd = opts.prog_id = 0;
	assert_int_equal(bpf_tc_detach(&hook, &opts), 0);
}

struct varp_stats stats_now(void)
{
	int cpus = libbpf_num_possible_cpus(), cpu;
	struct varp_stats *each = calloc(cpus, sizeof(*each)), sum = {};
	__u64 *to = (__u64 *)&sum;
	__u32 zero = 0;
	size_t i;

	assert_true(map_get(harness_obj->maps.varp_stats, &zero, each));
	for (cpu = 0; cpu < cpus; cpu++)
		for (i = 0; i < sizeof(sum) / sizeof(*to); i++)
			to[i] += ((__u64 *)&each[cpu])[i];
	free(each);
	return sum;
}

__u64 drops_total(const struct varp_stats *s)
{
	__u64 total = 0;
	size_t i;

	for (i = 0; i < VARP_DROP_COUNT; i++)
		total += s->drops[i];
	return total;
}

void assert_stats_are(const char *what, ...)
{
	static const char *const counters[] = {
#define X(sym, name) name,
		VARP_COUNTERS(X)
#undef X
	};
	static const char *const drops[] = {
#define X(sym, name, text) name,
		VARP_DROP_REASONS(X)
#undef X
	};
	struct varp_stats got = stats_now(), want = {};
	va_list ap;
	size_t i;
	int id;

	va_start(ap, what);
	while ((id = va_arg(ap, int)) >= 0) {
		if (id >= 0x1000)
			want.drops[id - 0x1000] = va_arg(ap, int);
		else
			want.counters[id] = va_arg(ap, int);
	}
	va_end(ap);
	for (i = 0; i < VARP_COUNTER_COUNT; i++)
		if (got.counters[i] != want.counters[i])
			fail_msg("%s: counter %s is %llu, not %llu", what, counters[i],
				 got.counters[i], want.counters[i]);
	for (i = 0; i < VARP_DROP_COUNT; i++)
		if (got.drops[i] != want.drops[i])
			fail_msg("%s: drops %s are %llu, not %llu", what, drops[i],
				 got.drops[i], want.drops[i]);
}

size_t events_take(struct told *to, size_t max)
{
	told_to = to;
	told_max = max;
	told_count = 0;
	assert_true(ring_buffer__consume(ring) >= 0);
	return told_count;
}

void assert_frames_equal(const char *what, const struct frame *got, const struct frame *want)
{
	size_t i, len = got->len < want->len ? got->len : want->len;

	for (i = 0; i < len; i++)
		if (got->b[i] != want->b[i])
			fail_msg("%s: octet %zu is 0x%02x, not 0x%02x", what, i, got->b[i], want->b[i]);
	if (got->len != want->len)
		fail_msg("%s: %zu octets, not %zu", what, got->len, want->len);
}
