#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Encapsulated packets with random damage for two supernets that use the same vaddrs on one host. What is delivered is for the node
# that it is delivered to, by its headers as they then are; everything else is counted and dropped.
# 20,000; with VARP_ATTACK=full 1,000,000.
# timeout: 600
. "$(dirname "$0")/../lib.sh"

MUTATE=$BUILD/tests/attack/mutate
count=$((20000 / SCALE)) pps=$((20000 / SCALE))
if [ "${VARP_ATTACK:-}" = full ]; then count=1000000 pps=40000; fi

hosts_up b s
host_add x 20
# x is a host of both supernets, so that what claims to come from its nodes there is believed.
told s "varpd_server_set 0x10" "varpd_server_set 0x20" "varpd_add 0x10 10.1.0.99 $UNDERLAY4.20" "varpd_add 0x20 10.1.0.99 $UNDERLAY4.20"
for snid in 10 20; do
	ns_add "b-$snid"
	must b join 0x$snid 10.1.0.2/24 server $UNDERLAY4.9 dev sn0 netns "$PREFIX-b-$snid"
	check "0x$snid: the source is known" ctl b resolve 0x$snid 10.1.0.99
done
mac=$(ns_ip b -j link show dev eth0 | jq -r '.[0].address')
total() { value b '.datapath.decap_packets + ([.drops | to_entries[].value] | add)' stats; }

for snid in 10 20; do
	bg "app$snid" nsenter --net="/run/netns/$PREFIX-b-$snid" -- "$MUTATE" recv sn0 0x$snid 10.1.0.2 $count $((3000 * SCALE))
	wait_for 5 bg_says "app$snid" ready || bail "mutate: $(cat "$TMP/app$snid.out")"
done
before=$(total)
decapsulated=$(stat_of b .datapath.decap_packets)
out=$(in_net x "$MUTATE" send eth0 "$mac" $UNDERLAY4.20 $UNDERLAY4.2 $count $pps 0 0x10 10.1.0.2 0x20 10.1.0.2 0x10 10.1.0.3 0x30 10.1.0.2)
diag "mutated: $out"
right=0 cut=0
for snid in 10 20; do
	out=$(bg_wait "app$snid" 120)
	diag "delivered to 0x$snid: $out"
	read -r _ r _ c _ w _ <<<"$(tail -n 1 <<<"$out")"
	num "0x$snid: some were delivered" "$r" -ge $((count / 100))
	is "0x$snid: none wrongly" "$w" 0
	right=$((right + r)) cut=$((cut + c))
done
num "most of the damage was not delivered" $((right + cut)) -le $((count * 9 / 10))
num "what was decapsulated is what was delivered" $(($(stat_of b .datapath.decap_packets) - decapsulated)) -ge $((right + cut))
num "the rest was counted by its reason" $(($(total) - before)) -ge $((count / 2))

done_testing
