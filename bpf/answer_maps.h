/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The maps of the program that answers, and the settings that varpd writes before it loads the object. Keys and values
 * are described in <varp/abi.h>.
 *
 * varp_raddrs and varp_stats are the datapath's. The others belong to one load of the object and have no pin: they live
 * as long as the program, which goes on answering when varpd has gone. varpd sets the size of varp_answers.
 */
#ifndef VARP_BPF_ANSWER_MAPS_H
#define VARP_BPF_ANSWER_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <varp/abi.h>

const volatile __u16 varp_port = VARPDB_VARP_PORT;
/* Requests without a session are answered too. */
const volatile bool insecure;

/*
 * The instance whose program this is. In a map of its own, which every version keeps: so one finds its programs among
 * others' on an interface, and by the map's id tells those of this load from an earlier varpd's (ctl/varpd/answer_shared.c).
 */
const volatile char varp_id[VARP_ANSWER_ID_LEN] SEC(VARP_ANSWER_ID_MAP);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct varp_addr);
	__type(value, __u32);
	__uint(max_entries, 1024);
} varp_raddrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct varp_stats);
	__uint(max_entries, 1);
} varp_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct varp_key);
	__type(value, struct varp_answer);
	__uint(max_entries, 65536);
} varp_answers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct varp_served_key);
	__type(value, struct varp_served);
	__uint(max_entries, 4096);
} varp_served SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct varp_session_keys);
	__uint(max_entries, VARP_ANSWER_SESSIONS);
} varp_sessions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct varp_answer_dev);
	__uint(max_entries, VARP_MAX_UNDERLAYS);
} varp_answer_devs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct varp_answer_stats);
	__uint(max_entries, 1);
} varp_answer_stats SEC(".maps");

#endif
