// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * The least that a tunnel made of TC programs can do: fixed headers on, fixed headers off, no look-up, no check, no
 * counter, a neighbour that is known. Only for the benchmark (tests/bench/floor.c), which shows by it how much of a
 * packet's cost is the kernel's own part at these hooks.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PORT		6082
#define PADDING		36	/* as long as our Geneve header and option are together */

const volatile __u32 underlay, node;	/* ifindexes */
const volatile __be32 here, there;
const volatile __u8 node_mac[ETH_ALEN];
const volatile __u8 macs[2 * ETH_ALEN];	/* of frames on the underlay: destination, source */

struct outer {
	struct iphdr ip;
	struct udphdr udp;
	__u8 padding[PADDING];
} __attribute__((packed));

struct frame {
	struct ethhdr eth;
	struct outer outer;
} __attribute__((packed));

SEC("tc")
int floor_out(struct __sk_buff *skb)
{
	struct frame f = {
		.eth = { .h_proto = bpf_htons(ETH_P_IP) },
		.outer.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .saddr = here, .daddr = there },
		.outer.udp = { .source = bpf_htons(0xc000), .dest = bpf_htons(PORT) },
	};
	__u32 len = skb->len - ETH_HLEN + sizeof(f.outer), sum;
	int i;

	if (skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_SHOT;
	for (i = 0; i < 2 * ETH_ALEN; i++)
		((__u8 *)&f.eth)[i] = macs[i];
	f.outer.ip.tot_len = bpf_htons(len);
	f.outer.udp.len = bpf_htons(len - sizeof(f.outer.ip));
	sum = 0x4500 + len + 0x4011 + bpf_ntohs(here & 0xffff) + bpf_ntohs(here >> 16) +
	      bpf_ntohs(there & 0xffff) + bpf_ntohs(there >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	f.outer.ip.check = bpf_htons(~(sum + (sum >> 16)));
	if (bpf_skb_adjust_room(skb, sizeof(f.outer), BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_FIXED_GSO |
				BPF_F_ADJ_ROOM_NO_CSUM_RESET | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4) ||
	    bpf_skb_store_bytes(skb, 0, &f, sizeof(f), 0))
		return TC_ACT_SHOT;
	return bpf_redirect(underlay, 0);
}

SEC("tc")
int floor_in(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr eth = { .h_proto = bpf_htons(ETH_P_IP) };
	struct outer *o = data + ETH_HLEN;
	int i;

	if (data + ETH_HLEN + sizeof(*o) > end || skb->protocol != bpf_htons(ETH_P_IP) ||
	    o->ip.protocol != IPPROTO_UDP || o->udp.dest != bpf_htons(PORT))
		return TC_ACT_UNSPEC;
	for (i = 0; i < ETH_ALEN; i++)
		eth.h_dest[i] = node_mac[i];
	if (bpf_skb_adjust_room(skb, -(__s32)sizeof(*o), BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET))
		return TC_ACT_SHOT;
	bpf_csum_level(skb, BPF_CSUM_LEVEL_DEC);
	if (bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0))
		return TC_ACT_SHOT;
	return bpf_redirect(node, BPF_F_INGRESS);
}
