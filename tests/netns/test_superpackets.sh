#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Super-packets go through encapsulation and decapsulation whole, in all four combinations of families: while TCP runs, what the
# programs handle at once is several times the MTU.
# kernels: yes
. "$(dirname "$0")/../lib.sh"

mtu=1500

hosts_up a b s
told s "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.2" \
	"varpd_add 0x10 fd00:1::1 192.0.2.1" "varpd_add 0x10 fd00:1::2 192.0.2.2" \
	"varpd_server_set 0x20" "varpd_add 0x20 10.2.0.1 2001:db8::1" "varpd_add 0x20 10.2.0.2 2001:db8::2" \
	"varpd_add 0x20 fd00:2::1 2001:db8::1" "varpd_add 0x20 fd00:2::2 2001:db8::2"
for n in 1 2; do
	host=$([ $n = 1 ] && echo a || echo b)
	must $host join 0x10 10.1.0.$n/24 server 192.0.2.9
	must $host join 0x10 fd00:1::$n/64 dev sn0
	must $host join 0x20 10.2.0.$n/24 server 192.0.2.9 raddr 2001:db8::$n
	must $host join 0x20 fd00:2::$n/64 dev sn1
done

# mean HOST DIRECTION BYTES PACKETS: octets at once since then
mean() {
	local bytes packets
	bytes=$(($(stat_of "$1" ".datapath.$2_bytes") - $3))
	packets=$(($(stat_of "$1" ".datapath.$2_packets") - $4))
	echo $((packets ? bytes / packets : 0))
}

while read -r name address; do
	check "$name: reached" wait_for 5 reach a "$address"
	iperf_server server b "$address"
	out_bytes=$(stat_of a .datapath.encap_bytes)
	out_packets=$(stat_of a .datapath.encap_packets)
	in_bytes=$(stat_of b .datapath.decap_bytes)
	in_packets=$(stat_of b .datapath.decap_packets)
	check "$name: iperf3 runs" in_net a timeout 60 iperf3 -c "$address" -t 2
	bg_wait server >/dev/null
	num "$name: encapsulated whole" "$(mean a encap "$out_bytes" "$out_packets")" -gt $((4 * mtu))
	num "$name: decapsulated whole" "$(mean b decap "$in_bytes" "$in_packets")" -gt $((4 * mtu))
done <<-LIST
	IPv4-in-IPv4 10.1.0.2
	IPv6-in-IPv4 fd00:1::2
	IPv4-in-IPv6 10.2.0.2
	IPv6-in-IPv6 fd00:2::2
LIST

done_testing
