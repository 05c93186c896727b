/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The maps, and the read-only settings that varpd writes before it loads the object. Keys, values and who writes
 * them are described in <varp/abi.h>; here are only names, kinds and sizes.
 *
 * varpd pins every map but varp_scratch and those of other headers; varp_joined is one for all instances. It may resize
 * varp_cache, varp_pending and varp_events before loading, and sets the size of varp_scratch to the number of possible CPUs.
 */
#ifndef VARP_BPF_MAPS_H
#define VARP_BPF_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <varp/abi.h>

#define NSEC_PER_MSEC	1000000ULL
#define NSEC_PER_SEC	1000000000ULL

/* How long a lookup stays open; a negative answer lives as long as varpd says. */
const volatile __u64 window_ns = VARPDB_TTL_INITIAL_LOOKUP * NSEC_PER_SEC;
/* How coarse varp_mapping.used_ns may be: one write to a shared cache line per mapping and second is enough. */
const volatile __u64 used_granularity_ns = NSEC_PER_SEC;
/* Least time between two events that make varpd send an ICMP error for the same destination. */
const volatile __u64 icmp_interval_ns = 100 * NSEC_PER_MSEC;
const volatile __u16 geneve_port = VARP_GENEVE_PORT;
/* Who we are in varp_joined. */
const volatile __u64 netns_inode;
const volatile __u32 instance_id;
/* In front of the counter in every nonce: random for each load, since the counter begins anew with it. Zero: seal nothing. */
const volatile __u64 sender_salt[VARP_SALT_LEN / 8];
/* Inner packets are taken from where their source lives only. */
const volatile bool source_check = true;
/* The kernel knows BPF_F_ADJ_ROOM_DECAP_L3_IPV4 and _IPV6 (Linux 6.3 and newer). */
const volatile bool decap_l3_flags;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct varp_key);
	__type(value, struct varp_mapping);
	__uint(max_entries, 65536);
} varp_cache SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct varp_key);
	__type(value, struct varp_pending);
	__uint(max_entries, 65536);
} varp_pending SEC(".maps");

/*
 * A key with a zero vaddr is no node but the mark that its supernet is joined here. Its value counts the nodes in
 * .peer; nothing is ever delivered to it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct varp_key);
	__type(value, struct varp_local);
	__uint(max_entries, VARP_MAX_NODES + VARP_MAX_SUPERNETS);
} varp_local SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct varp_dev);
	__uint(max_entries, 2 * VARP_MAX_NODES);
} varp_devs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct varp_underlay);
	__uint(max_entries, VARP_MAX_UNDERLAYS);
} varp_underlays SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct varp_addr);
	__type(value, __u32);
	__uint(max_entries, 1024);
} varp_raddrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct varp_supernet);
	__uint(max_entries, VARP_MAX_SUPERNETS);
} varp_supernets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct varp_stats);
	__uint(max_entries, 1);
} varp_stats SEC(".maps");

/* The only map that all instances of the machine share. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct varp_joined_key);
	__type(value, struct varp_joined);
	__uint(max_entries, 4 * VARP_MAX_SUPERNETS);
} varp_joined SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct varp_combo);
	__type(value, struct varp_channel);
	__uint(max_entries, VARP_MAX_SUPERNETS);
} varp_channels SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct varp_sender_key);
	__type(value, struct varp_sender);
	__uint(max_entries, VARP_MAX_SENDERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);	/* two kilobytes for each there is */
} varp_senders SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 * 1024 * 1024);
} varp_events SEC(".maps");

/*
 * Where an event is put together. One element per CPU in an ordinary array, since a per-CPU map's value cannot be as
 * long as a super-packet. TC programs run with bottom halves off, at egress as at ingress, and are not nested in each
 * other, so nobody else on this CPU can be using the element.
 */
struct varp_scratch {
	struct varp_event event;
	__u8 frame[VARP_PACKET_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct varp_scratch);
	__uint(max_entries, 256);
} varp_scratch SEC(".maps");

#endif
