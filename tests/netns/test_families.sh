#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# IPv4 and IPv6 inside and outside, all four combinations, with ping, fragments, TCP and UDP; the wire read by tshark. Two captures of
# the underlay: one of what must never be there (inner addresses outside Geneve), and one of each combination's pings.
# kernels: yes
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
capture leak net br0 'net 10.0.0.0/8 or net fd00::/8'

# run SNID INNER4|INNER6 A B RADDR-A RADDR-B OVERHEAD
run() {
	local name="$2 in $3" snid=$1 a=$4 b=$5 ra=$6 rb=$7 overhead=$8 plen=24 cap=c$1 got
	local proto=0800
	case $a in *:*) plen=64 proto=86dd ;; esac
	told s "varpd_server_set $snid" "varpd_add $snid $a $ra" "varpd_add $snid $b $rb"
	must a join "$snid" "$a/$plen" server 192.0.2.9 channel 0xc001 raddr "$ra"
	must b join "$snid" "$b/$plen" server 192.0.2.9 channel 0xc001 raddr "$rb"
	local dev mtu
	dev=$(value a ".nodes[] | select(.vaddr == \"$a\") | .dev" status)
	mtu=$(ns_ip a -j link show "$dev" | jq '.[0].mtu')
	is "$name: device leaves room for the headers" "$mtu" $((1500 - overhead))

	capture "$cap" net br0 udp port 6081
	is "$name: pings are answered" "$(pinged a "$b" -c 3 -i 0.1 -Q 0x2a)" 3
	wait_for 5 six "$cap"
	capture_stop "$cap"

	# one reading of the capture; columns by number below
	fields "$cap" geneve geneve.version geneve.flags.critical geneve.flags.oam geneve.vni geneve.option.class \
		geneve.option.type geneve.option.unknown.data udp.dstport udp.checksum udp.srcport \
		ip.src ip.dst ip.dsfield ip.ttl ip.flags.df ipv6.src ipv6.dst ipv6.tclass ipv6.hlim >"$TMP/$cap.txt"
	is "$name: six packets" "$(wc -l <"$TMP/$cap.txt")" 6
	is "$name: Geneve with our option and nothing else" "$(cut -d' ' -f1-8 "$TMP/$cap.txt" | sort -u)" \
		"0 1 0 0x000000 0xff56 0x81 00000000c001000065580000$(printf '%020x' "$((snid))")$proto 6081"
	is "$name: UDP checksum is zero" "$(cut -d' ' -f9 "$TMP/$cap.txt" | sort -u)" 0x0000
	is "$name: source ports in 49152-65535" "$(awk '$10 < 49152 || $10 > 65535' "$TMP/$cap.txt" | wc -l)" 0
	case $ra in
	*:*) is "$name: outer addresses, DSCP and ECN copied, hop limit" \
		"$(cut -d' ' -f16-19 "$TMP/$cap.txt" | sed 's/0x000000/0x/' | sort -u | grep "^$ra ")" "$ra $rb 0x2a 64" ;;
	*) is "$name: outer addresses, DSCP and ECN copied, TTL, DF" \
		"$(cut -d' ' -f11-15 "$TMP/$cap.txt" | sed 's/True/1/' | sort -u | grep "^$ra ")" "$ra $rb 0x2a 64 1" ;;
	esac

	is "$name: fragmented pings are answered" "$(pinged a "$b" -c 2 -i 0.1 -s 4000)" 2
	is "$name: pings that just fit are answered" \
		"$(pinged a "$b" -c 2 -i 0.1 -M "do" -s $((mtu - 28 - (plen == 64 ? 20 : 0))))" 2

	iperf_server "srv$snid" b "$b"
	got=$(in_net a timeout $((30 * SCALE)) iperf3 -c "$b" -t 1 -J)
	num "$name: TCP transfers" "$(jq '.end.sum_received.bytes // 0' <<<"$got")" -gt 1000000
	bg_wait "srv$snid" 5 >/dev/null
	listen_udp "udp$snid" b "$b" 7100 2000 $((2000 * SCALE))
	in_net a "$PROBE" send "$b" 7100 2000 4000 1000 >/dev/null
	like "$name: UDP loses nothing" "$(bg_wait "udp$snid")" "received 2000 lost 0"
}

six() { [ "$(packets "$1")" -ge 6 ]; }

run 0x44 IPv4 IPv4 10.44.0.1 10.44.0.2 192.0.2.1 192.0.2.2 64
run 0x46 IPv4 IPv6 10.46.0.1 10.46.0.2 2001:db8::1 2001:db8::2 84
run 0x64 IPv6 IPv4 fd64::1 fd64::2 192.0.2.1 192.0.2.2 64
run 0x66 IPv6 IPv6 fd66::1 fd66::2 2001:db8::1 2001:db8::2 84

is "no inner packet on the underlay outside Geneve" "$(packets leak)" 0
# The capture would have seen one: two on purpose, with another path than a node's.
ns_ip a route add 10.99.0.0/16 via 192.0.2.2 dev eth0
ns_ip a route add fd99::/16 via 2001:db8::2 dev eth0
in_net a "$PROBE" send 10.99.0.1 9 1 0 >/dev/null
in_net a "$PROBE" send fd99::1 9 1 0 >/dev/null
leaked() { [ "$(packets leak)" -eq 2 ]; }
check "the capture sees plaintext where there is some" wait_for 5 leaked
capture_stop leak

is "nothing was dropped on a but multicast" \
	"$(stat_of a '.drops | to_entries | map(select(.value > 0 and .key != "multicast") | .key) | join(" ")')" ""
is "nothing was dropped on b but multicast" \
	"$(stat_of b '.drops | to_entries | map(select(.value > 0 and .key != "multicast") | .key) | join(" ")')" ""
num "a counts what b counts" "$(stat_of a .datapath.encap_packets)" -eq "$(stat_of b .datapath.decap_packets)"

done_testing
