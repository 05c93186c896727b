// SPDX-License-Identifier: BSD-2-Clause
/*
 * Keyed channels in the datapath: what varp_encap seals is octet by octet what OpenSSL makes of it, varp_decap opens
 * that and nothing else, each packet once, with the keys of the epochs that hold.
 */
#include <stdlib.h>
#include <bpf/bpf.h>
#include "harness.h"
#include "reference.h"

static const __u8 node_mac[] = { 0x02, 0, 0, 0, 0, 0x11 };
static const __u8 source_mac[] = { 0x02, 'V', 'A', 'R', 'P', 0x02 };

/* The programs go by a clock that ticks: whole seconds are on the safe side of it. */
#define SECOND	((__s64)BOOT_S)
#define YEAR	(365LL * 24 * 3600 * SECOND)

/* --- A channel, and packets of it as a peer would make them -------------------------------------------------------- */

static void epoch_key(__u32 epoch, __u8 key[32])
{
	int i;

	for (i = 0; i < 32; i++)
		key[i] = epoch * 31 + i * 7 + 5;
}

static void put_epoch(struct varp_channel *ch, __u32 epoch, __s64 send_in_ns, __s64 ends_in_ns)
{
	struct varp_epoch *e = &ch->epochs[epoch % VARP_EPOCHS];

	*e = (struct varp_epoch){ .epoch = epoch, .send_ns = boot_ns() + send_in_ns,
				  .ends_ns = boot_ns() + ends_in_ns };
	epoch_key(epoch, (__u8 *)e->key);
}

static void put_channel(unsigned int snid_n, unsigned int chid_n, struct varp_channel *ch)
{
	struct varp_combo combo = { .snid = snid(snid_n), .chid = chid(chid_n) };

	ch->combo = combo;
	map_put(harness_obj->maps.varp_channels, &combo, ch);
}

/* Channel 1 of supernet 1 is keyed, and so are its nodes here. */
static void set_mode(__u32 mode)
{
	static const char *const vaddrs[] = { "10.1.0.1", "fd00::1" };
	struct varp_channel ch = { .mode = mode };
	struct varp_dev dev = dev_value(1, 0);
	struct varp_local local;
	struct varp_key k;
	size_t i;

	put_epoch(&ch, 5, -SECOND, YEAR);
	put_channel(1, 1, &ch);
	dev.mode = mode;
	map_put(harness_obj->maps.varp_devs, &harness_node, &dev);
	for (i = 0; i < ARRAY_SIZE(vaddrs); i++) {
		k = key(1, vaddrs[i]);
		assert_true(map_get(harness_obj->maps.varp_local, &k, &local));
		local.mode = mode;
		map_put(harness_obj->maps.varp_local, &k, &local);
	}
}

static int setup(void **state)
{
	harness_reset(state);
	put_local(1, "10.1.0.1", 1);
	put_local(1, "fd00::1", 1);
	put_joined(1);
	put_raddr("192.0.2.1");
	put_raddr("2001:db8::1");
	return 0;
}

static const struct {
	const char *name, *here, *there, *ohere, *othere;
} families[] = {
	{ "IPv4 in IPv4", "10.1.0.1", "10.1.0.2", "192.0.2.1", "192.0.2.2" },
	{ "IPv4 in IPv6", "10.1.0.1", "10.1.0.2", "2001:db8::1", "2001:db8::2" },
	{ "IPv6 in IPv4", "fd00::1", "fd00::2", "192.0.2.1", "192.0.2.2" },
	{ "IPv6 in IPv6", "fd00::1", "fd00::2", "2001:db8::1", "2001:db8::2" },
};

/* What a keyed packet is made of. */
struct sealed {
	const char *osrc, *odst;
	unsigned int mode, epoch, snid, chid;
	const char *salt;
	__u64 seq;
	__u16 sport;
	__u32 flow;
};

/* Seals inner as the protocol's document says, with OpenSSL. */
static struct frame seal(const struct sealed *how, const struct frame *inner)
{
	struct {
		struct varp_addr src, dst;
		__u8 opt[VARP_GENEVE_KEYED_TAGGED_LEN];
		__u8 text[FRAME_MAX];
	} m = { .src = addr(how->osrc), .dst = addr(how->odst) };
	struct varp_geneve_keyed opt = {
		.opt_class = htons(0xff56), .type = 0x82, .rsvd_words = 15, .mode = how->mode,
		.epoch = htons(how->epoch), .snid = snid(how->snid), .chid = chid(how->chid),
		.seq = __builtin_bswap64(how->seq),
	};
	size_t len = inner->len - ETH_HLEN;
	struct frame f = {};
	__u8 key[32], nonce[24];

	memcpy(opt.salt, how->salt, sizeof(opt.salt));
	memcpy(m.opt, &opt, sizeof(m.opt));
	memcpy(m.text, inner->b + ETH_HLEN, len);
	memcpy(nonce, opt.salt, 24);	/* salt and sequence number stand one behind the other */
	epoch_key(how->epoch, key);
	if (how->mode == VARP_CHANNEL_AEAD)
		reference_aead(key, nonce, &m, 80, m.text, len, opt.tag);
	else
		reference_siphash(key, &m, 80 + len, opt.tag);

	f = frame_outer(how->osrc, how->odst, inner->b[12] == 0x86 ? 0 : inner->b[15], how->sport, how->flow,
			how->snid, how->chid, inner);
	f.len -= sizeof(struct varp_geneve_opt) + len;	/* up to where the plain option stands */
	frame_add(&f, &opt, sizeof(opt));
	frame_add(&f, m.text, len);
	return f;
}

/* The lengths that the longer option changes, in a frame that seal() has made. */
static void fix_lengths(struct frame *f)
{
	bool v6 = f->b[12] == 0x86;
	size_t udp = ETH_HLEN + (v6 ? 40 : 20), total = f->len - ETH_HLEN, udp_len = f->len - udp;

	if (v6) {
		f->b[18] = udp_len >> 8, f->b[19] = udp_len;
	} else {
		f->b[16] = total >> 8, f->b[17] = total;
		frame_checksum_ip4(f, ETH_HLEN);
	}
	f->b[udp + 4] = udp_len >> 8, f->b[udp + 5] = udp_len;
	f->b[udp + 8] = 16;	/* words of options */
}

static struct frame sealed_frame(const struct sealed *how, const struct frame *inner)
{
	struct frame f = seal(how, inner);

	fix_lengths(&f);
	return f;
}

/* From the peer to here, number seq. */
static struct sealed from_there(size_t family, __u32 mode, __u64 seq)
{
	return (struct sealed){ .osrc = families[family].othere, .odst = families[family].ohere, .mode = mode,
				.epoch = 5, .snid = 1, .chid = 1, .salt = "0123456789abcdef", .seq = seq,
				.sport = 0xc123, .flow = 0x54321 };
}

static __u32 decap(struct run *r)
{
	return run_prog(harness_obj->progs.varp_decap, r);
}

static void expect_opened(const char *name, const struct frame *in, const struct frame *inner)
{
	struct run r = { .in = *in };
	struct frame want = *inner;

	frame_set_macs(&want, node_mac, source_mac);
	if (decap(&r) != TC_ACT_REDIRECT)
		fail_msg("%s: verdict %u", name, r.retval);
	assert_frames_equal(name, &r.out, &want);
}

static void expect_dropped(const char *name, const struct frame *in, enum varp_drop reason)
{
	struct varp_stats before = stats_now(), after;
	struct run r = { .in = *in };

	if (decap(&r) != TC_ACT_SHOT)
		fail_msg("%s: verdict %u", name, r.retval);
	after = stats_now();
	if (after.drops[reason] != before.drops[reason] + 1 || drops_total(&after) != drops_total(&before) + 1)
		fail_msg("%s: not dropped for reason %u", name, reason);
}

static unsigned int senders(void)
{
	struct varp_sender_key k, *at = NULL;
	unsigned int n = 0;

	while (!bpf_map_get_next_key(bpf_map__fd(harness_obj->maps.varp_senders), at, &k)) {
		at = &k;
		n++;
	}
	return n;
}

static const __u32 modes[] = { VARP_CHANNEL_AUTH, VARP_CHANNEL_AEAD };

/* --- Sealing ------------------------------------------------------------------------------------------------------- */

static void test_seal_all_families_and_modes_as_openssls(void **state)
{
	static const size_t lens[] = { 0, 1, 7, 8, 16, 36, 37, 64, 100, 1300, 1372 };
	size_t f, m, l;

	for (m = 0; m < ARRAY_SIZE(modes); m++)
		for (f = 0; f < ARRAY_SIZE(families); f++) {
			setup(state);
			set_mode(modes[m]);
			put_mapping(1, families[f].there, families[f].othere, YEAR, 0);
			for (l = 0; l < ARRAY_SIZE(lens); l++) {
				struct frame inner = frame_inner(families[f].here, families[f].there, 0, lens[l]), want;
				struct run r = { .in = inner, .ifindex = harness_node };
				struct sealed how = from_there(f, modes[m], harness_obj->bss->sender_seq);
				bool v6 = families[f].ohere[4] == ':';
				size_t udp = ETH_HLEN + (v6 ? 40 : 20);

				if (inner.len - ETH_HLEN + (v6 ? 120 : 100) > 1500)
					continue;
				how.osrc = families[f].ohere;
				how.odst = families[f].othere;
				how.salt = HARNESS_SALT;
				assert_int_equal(run_prog(harness_obj->progs.varp_encap, &r), TC_ACT_REDIRECT);
				assert_int_equal(harness_obj->bss->sender_seq, how.seq + 1);
				/* Entropy is the kernel's to choose. */
				how.sport = r.out.b[udp] << 8 | r.out.b[udp + 1];
				how.flow = (r.out.b[15] & 0xf) << 16 | r.out.b[16] << 8 | r.out.b[17];
				want = sealed_frame(&how, &inner);
				frame_set_macs(&want, r.out.b, r.out.b + ETH_ALEN);
				assert_frames_equal(families[f].name, &r.out, &want);
			}
		}
}

static void expect_not_sealed(const char *name, struct run *r, enum varp_drop reason)
{
	struct varp_stats before = stats_now(), after;

	r->in = frame_inner("10.1.0.1", "10.1.0.2", 0, 64);
	if (run_prog(harness_obj->progs.varp_encap, r) != TC_ACT_SHOT)
		fail_msg("%s: verdict %u", name, r->retval);
	after = stats_now();
	if (after.drops[reason] != before.drops[reason] + 1)
		fail_msg("%s: not dropped for reason %u", name, reason);
}

static void test_seal_without_a_key_drops(void **state)
{
	struct run r = { .ifindex = harness_node };
	struct varp_combo combo = { .snid = snid(1), .chid = chid(1) };
	struct varp_channel ch = { .mode = VARP_CHANNEL_AEAD };

	(void)state;
	set_mode(VARP_CHANNEL_AEAD);
	put_mapping(1, "10.1.0.2", "192.0.2.2", YEAR, 0);
	put_channel(1, 1, &ch);
	expect_not_sealed("no epoch", &r, VARP_DROP_CHANNEL_KEY);
	put_epoch(&ch, 7, YEAR, 2 * YEAR);
	put_channel(1, 1, &ch);
	expect_not_sealed("not yet to be sent with", &r, VARP_DROP_CHANNEL_KEY);
	put_epoch(&ch, 7, -2 * SECOND, -SECOND);
	put_channel(1, 1, &ch);
	expect_not_sealed("over", &r, VARP_DROP_CHANNEL_KEY);
	ch.mode = VARP_CHANNEL_AUTH;
	put_epoch(&ch, 7, -2 * SECOND, YEAR);
	put_channel(1, 1, &ch);
	expect_not_sealed("the channel's mode is another than the node's", &r, VARP_DROP_CHANNEL_KEY);
	bpf_map_delete_elem(bpf_map__fd(harness_obj->maps.varp_channels), &combo);
	expect_not_sealed("no channel", &r, VARP_DROP_CHANNEL_KEY);
}

static void test_seal_super_packet_drops(void **state)
{
	struct run r = { .ifindex = harness_node, .gso_size = 20, .gso_segs = 3 };

	(void)state;
	set_mode(VARP_CHANNEL_AUTH);
	put_mapping(1, "10.1.0.2", "192.0.2.2", YEAR, 0);
	r.in = frame_inner("10.1.0.1", "10.1.0.2", 0, 64);
	expect_not_sealed("super-packet", &r, VARP_DROP_SEAL_FAILED);
}

/* Segments and checksums are made on the way from the node device to its peer. */
static void test_seal_at_the_node_device_left_to_the_peer(void **state)
{
	struct varp_dev dev = dev_value(1, 0);
	struct run r = { .ifindex = harness_node2, .in = frame_inner("10.1.0.1", "10.1.0.2", 0, 64) };

	(void)state;
	set_mode(VARP_CHANNEL_AUTH);
	dev.mode = VARP_CHANNEL_AUTH;
	dev.is_peer = 0;
	map_put(harness_obj->maps.varp_devs, &harness_node2, &dev);
	put_mapping(1, "10.1.0.2", "192.0.2.2", YEAR, 0);
	assert_int_equal(run_prog(harness_obj->progs.varp_encap, &r), TC_PASS);
	assert_frames_equal("untouched", &r.out, &r.in);
	assert_stats_are("not counted", -1);
}

static void test_seal_path_mtu_counts_the_longer_option(void **state)
{
	static const struct { const char *raddr; int fits; } rows[] = {
		{ "192.0.2.2", 1400 }, { "2001:db8::2", 1380 },
	};
	size_t i;

	(void)state;
	set_mode(VARP_CHANNEL_AEAD);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct run r = { .ifindex = harness_node };

		put_mapping(1, "10.1.0.2", rows[i].raddr, YEAR, 0);
		r.in = frame_inner("10.1.0.1", "10.1.0.2", 0, rows[i].fits - 28);
		assert_int_equal(run_prog(harness_obj->progs.varp_encap, &r), TC_ACT_REDIRECT);
		assert_int_equal(r.out.len, ETH_HLEN + 1500);
		r.in = frame_inner("10.1.0.1", "10.1.0.2", 0, rows[i].fits - 27);
		run_prog(harness_obj->progs.varp_encap, &r);
		assert_int_equal(stats_now().drops[VARP_DROP_TOO_BIG], i + 1);
	}
}

static void test_seal_latest_begun_epoch_is_used(void **state)
{
	struct varp_channel ch = { .mode = VARP_CHANNEL_AUTH };
	struct run r = { .ifindex = harness_node, .in = frame_inner("10.1.0.1", "10.1.0.2", 0, 64) };
	static const struct { const char *name; __u32 epoch; __s64 send, ends; __u16 used; } rows[] = {
		{ "the only one", 5, -9 * SECOND, YEAR, 5 },
		{ "a later one", 6, -5 * SECOND, YEAR, 6 },
		{ "the next is not begun", 7, YEAR, 2 * YEAR, 6 },
		{ "numbers wrap at 16 bits", 0x10004, -SECOND, YEAR, 4 },
	};
	size_t i;

	(void)state;
	set_mode(VARP_CHANNEL_AUTH);
	put_mapping(1, "10.1.0.2", "192.0.2.2", YEAR, 0);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		put_epoch(&ch, rows[i].epoch, rows[i].send, rows[i].ends);
		put_channel(1, 1, &ch);
		run_prog(harness_obj->progs.varp_encap, &r);
		if ((r.out.b[ETH_HLEN + 36 + 10] << 8 | r.out.b[ETH_HLEN + 36 + 11]) != rows[i].used)
			fail_msg("%s: sealed with another epoch", rows[i].name);
	}
}

/* A key that changes under one number is not mistaken for what was derived from the last. */
static void test_seal_changed_key_is_used(void **state)
{
	struct varp_channel ch = { .mode = VARP_CHANNEL_AEAD };
	struct run r = { .ifindex = harness_node, .in = frame_inner("10.1.0.1", "10.1.0.2", 0, 64) };
	struct sealed how = from_there(0, VARP_CHANNEL_AEAD, 0);
	struct frame want;
	__u32 i;

	(void)state;
	set_mode(VARP_CHANNEL_AEAD);
	put_mapping(1, "10.1.0.2", "192.0.2.2", YEAR, 0);
	how.osrc = "192.0.2.1";
	how.odst = "192.0.2.2";
	how.salt = HARNESS_SALT;
	for (i = 5; i <= 9; i += 4) {
		put_epoch(&ch, i, -SECOND, YEAR);
		ch.epochs[1].epoch = 5;
		put_channel(1, 1, &ch);
		how.seq = harness_obj->bss->sender_seq;
		assert_int_equal(run_prog(harness_obj->progs.varp_encap, &r), TC_ACT_REDIRECT);
		how.epoch = i;
		how.sport = r.out.b[34] << 8 | r.out.b[35];
		want = sealed_frame(&how, &r.in);
		/* The number is under the tag: only its first use can be compared whole, of the other the key is seen. */
		assert_int_equal(!memcmp(r.out.b + 114, want.b + 114, 64), 1);
	}
}

/* --- Opening ------------------------------------------------------------------------------------------------------- */

static void test_open_all_families_and_modes(void **state)
{
	static const size_t lens[] = { 0, 1, 7, 8, 16, 36, 37, 64, 100, 1300, 1372 };
	size_t f, m, l;

	for (m = 0; m < ARRAY_SIZE(modes); m++)
		for (f = 0; f < ARRAY_SIZE(families); f++) {
			setup(state);
			set_mode(modes[m]);
			for (l = 0; l < ARRAY_SIZE(lens); l++) {
				struct frame inner = frame_inner(families[f].there, families[f].here, 0, lens[l]);
				struct sealed how = from_there(f, modes[m], l);
				struct frame in = sealed_frame(&how, &inner);

				expect_opened(families[f].name, &in, &inner);
			}
			assert_int_equal(stats_now().counters[VARP_COUNTER_DECAP_PACKETS], ARRAY_SIZE(lens));
			assert_int_equal(senders(), 1);
		}
}

static void test_open_any_octet_changed_dropped_and_nothing_remembered(void **state)
{
	size_t m, at, first = ETH_HLEN + 20 + 8 + 8;

	for (m = 0; m < ARRAY_SIZE(modes); m++) {
		struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 64);
		struct sealed how = from_there(0, modes[m], 77);
		struct frame good = sealed_frame(&how, &inner), bad;

		setup(state);
		set_mode(modes[m]);
		for (at = first + 4; at < good.len; at++) {
			enum varp_drop reason = VARP_DROP_CHANNEL_TAG;

			bad = good;
			bad.b[at] ^= 0x20;
			if (at < first + 12)
				reason = VARP_DROP_CHANNEL_KEY;	/* another channel or epoch */
			else if (at == first + 12)
				reason = VARP_DROP_CHANNEL_MODE;
			else if (at >= first + 14 && at < first + 24)
				reason = VARP_DROP_NOT_JOINED;	/* another supernet */
			expect_dropped("an octet changed", &bad, reason);
		}
		/* The outer source is under the tag as well. */
		bad = good;
		bad.b[29] ^= 1;
		frame_checksum_ip4(&bad, ETH_HLEN);
		expect_dropped("another outer source", &bad, VARP_DROP_CHANNEL_TAG);
		put_raddr("192.0.2.9");
		bad = good;
		bad.b[33] = 9;
		frame_checksum_ip4(&bad, ETH_HLEN);
		expect_dropped("another outer destination", &bad, VARP_DROP_CHANNEL_TAG);
		assert_int_equal(senders(), 0);
		expect_opened("unchanged", &good, &inner);
	}
}

static void test_open_shorter_or_longer_dropped(void **state)
{
	size_t m;

	for (m = 0; m < ARRAY_SIZE(modes); m++) {
		struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 64);
		struct sealed how = from_there(0, modes[m], 77);
		struct frame good = sealed_frame(&how, &inner), bad = good;

		setup(state);
		set_mode(modes[m]);
		bad.len--;
		fix_lengths(&bad);
		expect_dropped("an octet less", &bad, VARP_DROP_CHANNEL_TAG);
		bad = good;
		bad.b[bad.len++] = 0;
		fix_lengths(&bad);
		expect_dropped("an octet more", &bad, VARP_DROP_CHANNEL_TAG);
		bad = good;
		bad.len = ETH_HLEN + 36 + 64;
		fix_lengths(&bad);
		expect_dropped("nothing but headers", &bad, VARP_DROP_INNER_HEADER);
		bad.len += 19;
		fix_lengths(&bad);
		expect_dropped("less than an IP header", &bad, VARP_DROP_INNER_HEADER);
	}
}

static void test_open_protection_other_than_the_channels_dropped(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 64);
	struct frame plain = frame_outer("192.0.2.2", "192.0.2.1", 0, 0xc123, 0, 1, 1, &inner), in;
	struct sealed how = from_there(0, VARP_CHANNEL_AUTH, 1);
	struct varp_channel ch = { .mode = VARP_CHANNEL_AUTH };
	size_t m;

	for (m = 0; m < ARRAY_SIZE(modes); m++) {
		setup(state);
		set_mode(modes[m]);
		expect_dropped("plain in a keyed channel", &plain, VARP_DROP_CHANNEL_MODE);
	}
	in = sealed_frame(&how, &inner);
	expect_dropped("auth in an aead channel", &in, VARP_DROP_CHANNEL_MODE);
	setup(state);
	expect_dropped("auth in a plain channel", &in, VARP_DROP_CHANNEL_KEY);
	/* The node has not become keyed together with its channel: neither is good. */
	put_epoch(&ch, 5, -SECOND, YEAR);
	put_channel(1, 1, &ch);
	expect_dropped("auth to a plain node", &in, VARP_DROP_CHANNEL_MODE);
	how.mode = 0;
	in = sealed_frame(&how, &inner);
	expect_dropped("no mode at all", &in, VARP_DROP_CHANNEL_MODE);
	how.mode = VARP_CHANNEL_MODES;
	in = sealed_frame(&how, &inner);
	expect_dropped("unknown mode", &in, VARP_DROP_CHANNEL_MODE);
}

/* A member of one channel cannot speak in another, though it makes good tags in its own. */
static void test_open_other_channels_packet_not_delivered(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 64), in;
	struct varp_channel ch = { };
	struct sealed how;
	size_t m;

	for (m = 0; m < ARRAY_SIZE(modes); m++) {
		setup(state);
		set_mode(modes[m]);
		how = from_there(0, modes[m], 1);
		how.chid = 2;
		in = sealed_frame(&how, &inner);
		expect_dropped("a channel without key here", &in, VARP_DROP_CHANNEL_KEY);
		ch.mode = modes[m];
		put_epoch(&ch, 5, -SECOND, YEAR);
		put_channel(1, 2, &ch);
		expect_dropped("a channel with a key here", &in, VARP_DROP_WRONG_CHANNEL);
	}
}

static void test_open_epochs_that_hold(void **state)
{
	static const struct { const char *name; __u32 epoch; __s64 send, ends; int taken; } rows[] = {
		{ "current", 5, -3 * SECOND, YEAR, 1 },
		{ "previous, not sent with any more", 4, -6 * SECOND, YEAR, 1 },
		{ "next, not yet sent with", 6, YEAR, 2 * YEAR, 1 },
		{ "over", 3, -9 * SECOND, -SECOND, 0 },
	};
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 64), in;
	size_t i, m;

	for (m = 0; m < ARRAY_SIZE(modes); m++) {
		struct varp_channel ch = { .mode = modes[m] };
		struct sealed how = from_there(0, modes[m], 1);

		setup(state);
		set_mode(modes[m]);
		for (i = 0; i < ARRAY_SIZE(rows); i++)
			put_epoch(&ch, rows[i].epoch, rows[i].send, rows[i].ends);
		put_channel(1, 1, &ch);
		for (i = 0; i < ARRAY_SIZE(rows); i++) {
			how.epoch = rows[i].epoch;
			in = sealed_frame(&how, &inner);
			if (rows[i].taken)
				expect_opened(rows[i].name, &in, &inner);
			else
				expect_dropped(rows[i].name, &in, VARP_DROP_CHANNEL_KEY);
		}
		how.epoch = 9;	/* has the place of one that holds */
		in = sealed_frame(&how, &inner);
		expect_dropped("not there", &in, VARP_DROP_CHANNEL_KEY);
		assert_int_equal(senders(), 3);	/* sequence numbers are each epoch's own */
	}
}

static void test_open_changed_key_begins_anew(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 64), in;
	size_t m;

	for (m = 0; m < ARRAY_SIZE(modes); m++) {
		struct varp_channel ch = { .mode = modes[m] };
		struct sealed how = from_there(0, modes[m], 1);

		setup(state);
		set_mode(modes[m]);
		in = sealed_frame(&how, &inner);
		expect_opened("first key", &in, &inner);
		put_epoch(&ch, 5, -SECOND, YEAR);
		epoch_key(9, (__u8 *)ch.epochs[1].key);
		put_channel(1, 1, &ch);
		expect_dropped("first key's packet again", &in, VARP_DROP_CHANNEL_TAG);
		put_epoch(&ch, 5, -SECOND, YEAR);
		put_channel(1, 1, &ch);
		expect_dropped("the window is still the first key's", &in, VARP_DROP_REPLAY);
	}
}

/* An encrypted packet whose node is not here stays as it came, for another instance may have the node. */
static void test_open_for_another_instance_left_as_it_was(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.7", 0, 64);
	struct sealed how = from_there(0, VARP_CHANNEL_AEAD, 1);
	struct run r = { .in = sealed_frame(&how, &inner) };

	(void)state;
	set_mode(VARP_CHANNEL_AEAD);
	put_instances(HARNESS_NETNS, 1, 8, 0);
	assert_int_equal(decap(&r), TC_PASS);
	assert_frames_equal("untouched", &r.out, &r.in);
	assert_stats_are("foreign", COUNTER(FOREIGN_PACKETS), 1, -1);
	put_instances(HARNESS_NETNS, 1, 0, 0);
	how.seq++;
	r.in = sealed_frame(&how, &inner);
	expect_dropped("nobody's", &r.in, VARP_DROP_NOT_LOCAL);
}

static void test_open_transit_passed_untouched(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 64);
	struct sealed how = from_there(0, VARP_CHANNEL_AEAD, 1);
	struct run r;

	(void)state;
	set_mode(VARP_CHANNEL_AEAD);
	how.odst = "192.0.2.77";
	r = (struct run){ .in = sealed_frame(&how, &inner) };
	assert_int_equal(decap(&r), TC_PASS);
	assert_frames_equal("untouched", &r.out, &r.in);
	assert_stats_are("not counted", -1);
}

/* What was sealed badly by a member is judged like anything else. */
static void test_open_bad_inner_packet_dropped_with_reason(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 64), in;
	size_t m;

	for (m = 0; m < ARRAY_SIZE(modes); m++) {
		struct sealed how = from_there(0, modes[m], 1);
		struct frame bad = inner;

		setup(state);
		set_mode(modes[m]);
		bad.b[ETH_HLEN] = 0x15;
		in = sealed_frame(&how, &bad);
		expect_dropped("version", &in, VARP_DROP_INNER_HEADER);
		bad = inner;
		bad.b[ETH_HLEN + 3]++;
		how.seq++;
		in = sealed_frame(&how, &bad);
		expect_dropped("length", &in, VARP_DROP_INNER_HEADER);
		bad = frame_inner("fd00::2", "fd00::1", 0, 64);
		bad.b[12] = 0x08, bad.b[13] = 0;
		how.seq++;
		in = sealed_frame(&how, &bad);
		expect_dropped("Protocol disagrees", &in, VARP_DROP_INNER_HEADER);
	}
}

/* --- Replay -------------------------------------------------------------------------------------------------------- */

static int arrives(__u64 seq, __u32 mode)
{
	static struct frame inner;
	struct sealed how = from_there(0, mode, seq);
	struct run r;

	if (!inner.len)
		inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 4);
	r = (struct run){ .in = sealed_frame(&how, &inner) };
	return decap(&r) == TC_ACT_REDIRECT;
}

static void test_replay_window_taken_once_and_not_behind(void **state)
{
	static const struct { const char *name; __u64 seq; enum varp_drop reason; } rows[] = {
		{ "first", 100000, VARP_DROP_COUNT },
		{ "the same", 100000, VARP_DROP_REPLAY },
		{ "older than the first, in the window", 100000 - VARP_WINDOW, VARP_DROP_COUNT },
		{ "that again", 100000 - VARP_WINDOW, VARP_DROP_REPLAY },
		{ "behind it", 100000 - VARP_WINDOW - 32, VARP_DROP_LATE },
		{ "next", 100001, VARP_DROP_COUNT },
		{ "far ahead", 1ULL << 40, VARP_DROP_COUNT },
		{ "what was new is late", 100002, VARP_DROP_LATE },
		{ "what was first is late", 100000, VARP_DROP_LATE },
		{ "at the new edge", (1ULL << 40) - VARP_WINDOW, VARP_DROP_COUNT },
		{ "after a turn of a slot's 32 bits", (1ULL << 40) + (1ULL << 37) + 1, VARP_DROP_COUNT },
		{ "the first again", 1ULL << 40, VARP_DROP_LATE },
		{ "the greatest number", ~0ULL, VARP_DROP_COUNT },
		{ "zero", 0, VARP_DROP_LATE },
	};
	size_t i, m;

	assert_true(VARP_WINDOW >= 8000);
	for (m = 0; m < ARRAY_SIZE(modes); m++) {
		setup(state);
		set_mode(modes[m]);
		for (i = 0; i < ARRAY_SIZE(rows); i++) {
			struct varp_stats before = stats_now(), after;
			int taken = arrives(rows[i].seq, modes[m]);

			after = stats_now();
			if (taken != (rows[i].reason == VARP_DROP_COUNT))
				fail_msg("%s: %s", rows[i].name, taken ? "taken" : "not taken");
			if (!taken && after.drops[rows[i].reason] != before.drops[rows[i].reason] + 1)
				fail_msg("%s: another reason", rows[i].name);
		}
	}
}

/* Against a plain list of what has been taken: never twice, and always if it is new and in the window. */
static void test_replay_random_order_as_a_list_says(void **state)
{
	enum { COUNT = 30000, SPACE = 1 << 16 };
	static __u8 seen[SPACE];
	__u64 newest = 0, base = 0;
	unsigned int i;

	(void)state;
	set_mode(VARP_CHANNEL_AUTH);
	srandom(3);
	memset(seen, 0, sizeof(seen));
	for (i = 0; i < COUNT; i++) {
		__u64 seq = base + random() % 12000;
		int taken = arrives(seq, VARP_CHANNEL_AUTH);
		bool inside = seq + VARP_WINDOW >= newest;

		if (taken && seen[seq])
			fail_msg("%llu taken twice", (unsigned long long)seq);
		if (!taken && !seen[seq] && inside)
			fail_msg("%llu not taken, newest %llu", (unsigned long long)seq, (unsigned long long)newest);
		if (taken)
			seen[seq] = 1;
		newest = taken && seq > newest ? seq : newest;
		if (i % 8 == 0)
			base += random() % 24;
		if (base > SPACE - 12001)
			break;
	}
}

static void test_replay_senders_kept_apart(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 4), in;
	struct sealed how = from_there(0, VARP_CHANNEL_AUTH, 9);

	(void)state;
	set_mode(VARP_CHANNEL_AUTH);
	in = sealed_frame(&how, &inner);
	expect_opened("one", &in, &inner);
	how.salt = "fedcba9876543210";
	in = sealed_frame(&how, &inner);
	expect_opened("another", &in, &inner);
	expect_dropped("the other again", &in, VARP_DROP_REPLAY);
	assert_int_equal(senders(), 2);
}

/* Another member has the victim's key and knows its salt, but not its address. */
static void test_replay_window_not_used_up_by_another_member(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 4), other = frame_inner("10.1.0.3", "10.1.0.1", 0, 4), in;
	size_t m;

	for (m = 0; m < ARRAY_SIZE(modes); m++) {
		struct sealed victim = from_there(0, modes[m], 9), member = victim;

		setup(state);
		set_mode(modes[m]);
		in = sealed_frame(&victim, &inner);
		expect_opened("victim", &in, &inner);
		member.osrc = "192.0.2.66";
		member.seq = ~0ULL;
		in = sealed_frame(&member, &other);
		expect_opened("member", &in, &other);
		victim.seq++;
		in = sealed_frame(&victim, &inner);
		expect_opened("victim's next", &in, &inner);
		expect_dropped("that again", &in, VARP_DROP_REPLAY);
		assert_int_equal(senders(), 2);
	}
}

/* The kernel makes room for new windows in bulk: what finds none just now finds it when it comes again. */
static bool remembered(const struct sealed *how, const struct frame *inner)
{
	struct varp_sender_key k = { .snid = snid(how->snid), .chid = chid(how->chid), .epoch = how->epoch,
				     .src = addr(how->osrc) };
	struct run r = { .in = sealed_frame(how, inner) };
	static struct varp_sender value;
	int i;

	memcpy(k.salt, how->salt, sizeof(k.salt));
	for (i = 0; i < 20; i++) {
		decap(&r);
		if (map_get(harness_obj->maps.varp_senders, &k, &value))
			return true;
	}
	return false;
}

/* Whoever has the key of one channel cannot push another's windows out, nor older ones of its own. */
static void test_replay_windows_stay_whatever_other_channels_send(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 4), in;
	struct sealed victim = from_there(0, VARP_CHANNEL_AUTH, 9), flood = victim;
	struct varp_channel ch = { .mode = VARP_CHANNEL_AUTH };
	struct varp_combo combo = { .snid = snid(2), .chid = chid(1) };
	char salt[VARP_SALT_LEN + 1];
	unsigned int i;

	(void)state;
	set_mode(VARP_CHANNEL_AUTH);
	put_epoch(&ch, 5, -SECOND, YEAR);
	put_epoch(&ch, 6, -SECOND, YEAR);
	put_channel(2, 1, &ch);
	in = sealed_frame(&victim, &inner);
	expect_opened("victim", &in, &inner);
	flood.snid = 2;
	flood.salt = salt;
	for (i = 0; i < VARP_EPOCH_SENDERS; i++) {
		snprintf(salt, sizeof(salt), "x%015u", i);
		if (!remembered(&flood, &inner))
			fail_msg("sender %u not taken in", i);
	}
	assert_true(map_get(harness_obj->maps.varp_channels, &combo, &ch));
	assert_int_equal(ch.epochs[5 % VARP_EPOCHS].senders, VARP_EPOCH_SENDERS);
	snprintf(salt, sizeof(salt), "one too many....");
	{
		struct frame more = sealed_frame(&flood, &inner);

		expect_dropped("beyond the bound", &more, VARP_DROP_SENDER_STATE);
		assert_false(remembered(&flood, &inner));
	}
	flood.epoch = 6;
	assert_true(remembered(&flood, &inner));
	expect_dropped("the victim's again", &in, VARP_DROP_REPLAY);
	victim.salt = "another sender..";
	in = sealed_frame(&victim, &inner);
	expect_opened("new in the victim's channel", &in, &inner);
}

/* As if the kernel had given the entry's memory to another channel between the look-up and the copy. */
static void test_keys_of_another_channel_not_taken_for_its_own(void **state)
{
	struct frame inner = frame_inner("10.1.0.2", "10.1.0.1", 0, 64), in;
	struct sealed how = from_there(0, VARP_CHANNEL_AEAD, 1);
	struct varp_combo combo = { .snid = snid(1), .chid = chid(1) };
	struct run r = { .ifindex = harness_node };
	struct varp_channel ch;

	(void)state;
	set_mode(VARP_CHANNEL_AEAD);
	put_mapping(1, "10.1.0.2", "192.0.2.2", YEAR, 0);
	assert_true(map_get(harness_obj->maps.varp_channels, &combo, &ch));
	ch.combo.chid = chid(2);
	map_put(harness_obj->maps.varp_channels, &combo, &ch);
	in = sealed_frame(&how, &inner);
	expect_dropped("opened", &in, VARP_DROP_CHANNEL_KEY);
	expect_not_sealed("sealed", &r, VARP_DROP_CHANNEL_KEY);
}

#define TEST(f)	cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_seal_all_families_and_modes_as_openssls),
		TEST(test_seal_without_a_key_drops),
		TEST(test_seal_super_packet_drops),
		TEST(test_seal_at_the_node_device_left_to_the_peer),
		TEST(test_seal_path_mtu_counts_the_longer_option),
		TEST(test_seal_latest_begun_epoch_is_used),
		TEST(test_seal_changed_key_is_used),
		TEST(test_open_all_families_and_modes),
		TEST(test_open_any_octet_changed_dropped_and_nothing_remembered),
		TEST(test_open_shorter_or_longer_dropped),
		TEST(test_open_protection_other_than_the_channels_dropped),
		TEST(test_open_other_channels_packet_not_delivered),
		TEST(test_open_epochs_that_hold),
		TEST(test_open_changed_key_begins_anew),
		TEST(test_open_for_another_instance_left_as_it_was),
		TEST(test_open_transit_passed_untouched),
		TEST(test_open_bad_inner_packet_dropped_with_reason),
		TEST(test_replay_window_taken_once_and_not_behind),
		TEST(test_replay_random_order_as_a_list_says),
		TEST(test_replay_senders_kept_apart),
		TEST(test_replay_window_not_used_up_by_another_member),
		TEST(test_replay_windows_stay_whatever_other_channels_send),
		TEST(test_keys_of_another_channel_not_taken_for_its_own),
	};

	return HARNESS_MAIN(tests, "channel");
}
