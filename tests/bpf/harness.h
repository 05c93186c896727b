/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the BPF tests share: a loaded object whose maps are empty before each test, frames put together from named
 * pieces, one run of a program with a packet in and a packet out, and the counters and events it left.
 *
 * The process moves to a network namespace of its own, so that ifindexes and addresses are nobody else's. Programs run
 * by BPF_PROG_TEST_RUN: a redirect shows as TC_ACT_REDIRECT and is not carried out.
 */
#ifndef VARP_TESTS_BPF_HARNESS_H
#define VARP_TESTS_BPF_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <cmocka.h>
#include <varp/abi.h>
#include "varp.skel.h"

#define FRAME_MAX	3200	/* one page less what the kernel keeps of it */
#define EVENTS_MAX	64
#define TC_PASS		((__u32)TC_ACT_UNSPEC)

/* Who the programs are told that they are. */
#define HARNESS_NETNS		4026531999ULL
#define HARNESS_INSTANCE	7
#define HARNESS_SALT		"a sender's salt."	/* VARP_SALT_LEN octets */

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BOOT_S		1000000000ULL
#define TICK_NS		40000000LL	/* the programs go by the coarse clock, which may be two ticks late */

struct frame {
	size_t len;
	__u8 b[FRAME_MAX];
};

/* The programs see gso_size but the kernel gives a test packet no GSO type: it refuses to make room in such a one. */
struct run {
	struct frame in;
	struct frame out;
	__u32 ifindex;		/* zero: the loopback device */
	__u32 mark;
	__u32 gso_size;
	__u32 gso_segs;
	__u32 retval;
};

struct told {
	struct varp_event event;
	struct frame frame;
};

/* Devices of the namespace: two nodes' peers and the underlay, which is the loopback device. */
extern __u32 harness_node, harness_node2, harness_underlay;
extern struct varp_bpf *harness_obj;

/* Settings for the next harness_open(). */
extern __u32 harness_ring_bytes;
extern bool harness_decap_l3_flags;
extern bool harness_source_check;

int harness_main(const struct CMUnitTest *tests, size_t count, const char *name);
#define HARNESS_MAIN(tests, name)	harness_main(tests, ARRAY_SIZE(tests), name)

int harness_open(void **state);
int harness_close(void **state);
int harness_reset(void **state);
bool harness_kernel_has_decap_l3(void);

/* --- Values --- */

struct varp_snid snid(unsigned int n);
struct varp_chid chid(unsigned int n);
struct varp_addr addr(const char *text);	/* "" is the zero address */
struct varp_key key(unsigned int snid_n, const char *vaddr);
__u64 boot_ns(void);

/* --- Maps --- */

/* Devices are bound as node devices' peers to supernet slot and SnId n, with channel 1. */
struct varp_dev dev_value(unsigned int n, unsigned int slot);
void map_put(struct bpf_map *map, const void *k, const void *v);
bool map_get(struct bpf_map *map, const void *k, void *v);
void bind_dev(__u32 ifindex, unsigned int n, unsigned int slot);
void put_mapping(unsigned int n, const char *vaddr, const char *raddr, __s64 life_ns, __u16 mtu);
void put_local(unsigned int n, const char *vaddr, unsigned int channel);
void put_joined(unsigned int n);
/* Instances that have joined SnId n, zero: none. */
void put_instances(__u64 netns, unsigned int n, __u32 one, __u32 other);
void put_raddr(const char *raddr);
struct varp_supernet get_supernet(unsigned int slot);

/* --- Frames --- */

void frame_add(struct frame *f, const void *octets, size_t len);
void frame_eth(struct frame *f, __u16 proto);
void frame_ip(struct frame *f, const char *src, const char *dst, __u8 tos, __u8 proto, size_t payload);
void frame_udp(struct frame *f, __u16 sport, __u16 dport, size_t payload);
void frame_geneve(struct frame *f, __u16 proto, unsigned int snid_n, unsigned int chid_n);
void frame_fill(struct frame *f, size_t len);
__u16 frame_proto(const char *address);
/* Ethernet, IP and UDP with len octets of data to port 7. */
struct frame frame_inner(const char *src, const char *dst, __u8 tos, size_t len);
/* The same inside our encapsulation. sport is the outer source port, flow the IPv6 flow label. */
struct frame frame_outer(const char *osrc, const char *odst, __u8 otos, __u16 sport, __u32 flow,
			 unsigned int snid_n, unsigned int chid_n, const struct frame *inner);
void frame_checksum_ip4(struct frame *f, size_t off);
void frame_set_macs(struct frame *f, const __u8 dst[ETH_ALEN], const __u8 src[ETH_ALEN]);

/* --- Running, and what is left --- */

__u32 run_prog(const struct bpf_program *prog, struct run *r);
/* Send a frame from the node device with the program attached where it comes out, the ingress of harness_node. */
void wire_send(const struct bpf_program *prog, const struct frame *f);
struct varp_stats stats_now(void);
__u64 drops_total(const struct varp_stats *s);
/* Exactly these counters and drops are not zero; ends with -1. Counters are COUNTER(x), drops DROP(x), then a value. */
#define COUNTER(x)	(VARP_COUNTER_##x)
#define DROP(x)		(0x1000 + VARP_DROP_##x)
void assert_stats_are(const char *what, ...);
size_t events_take(struct told *to, size_t max);
void assert_frames_equal(const char *what, const struct frame *got, const struct frame *want);

#endif
