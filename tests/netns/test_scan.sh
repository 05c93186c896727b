#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Somebody scans 1,000,000 unknown vaddrs of a supernet: live mappings stay, requests are bounded, every missed packet is accounted for,
# other supernets are served, and varpd does not grow.
# kernels: yes
. "$(dirname "$0")/../lib.sh"

count=$((1000000 / (SCALE * SCALE)))
live=200

hosts_up a b s
told s "varpd_server_set 0x10" "varpd_server_set 0x20" "varpd_add 0x20 10.2.0.2 192.0.2.2" "varpd_add 0x20 10.2.0.3 192.0.2.2" \
	"varpd_add 0x10 10.0.0.1 192.0.2.1"
must a join 0x10 10.0.0.1/8 server 192.0.2.9
ns_add a-two
ns_add b-two
must a join 0x20 10.2.0.1/24 server 192.0.2.9 netns "$PREFIX-a-two"
must b join 0x20 10.2.0.2/24 server 192.0.2.9 netns "$PREFIX-b-two"
must b join 0x20 10.2.0.3/24 netns "$PREFIX-b-two"
told s "varpd_add 0x20 10.2.0.1 192.0.2.1"

# Live mappings, resolved by traffic.
for ((i = 1; i <= live; i++)); do echo "varpd_add 0x10 10.200.0.$i 192.0.2.2"; done >"$TMP/adds"
mapfile -t lines <"$TMP/adds"
told s "${lines[@]}"
in_net a "$PROBE" scan 10.200.0.1 $live 500 >/dev/null
resolved() { value a "[.[] | select(.state == \"resolved\")] | length" cache show 0x10; }
all_live() { [ "$(resolved)" -eq $live ]; }
check "$live live mappings are cached" wait_for 10 all_live
check "the other supernet works" reach a-two 10.2.0.2

rss() { awk '/^VmRSS/ { print $2 }' "/proc/${VARPD_PID[a]}/status"; }
account() { value a '.supernets[] | select(.snid == "0x00000000000000000010") | "\(.misses) \(.requests) \(.suppressed) \(.dropped)"' stats; }
read -r misses requests suppressed dropped <<<"$(account)"
is "account holds before" "$misses" $((requests + suppressed + dropped))
before=$misses
asked_before=$requests
server_before=$(stat_of s .varp.requests_received)
rss_before=$(rss)
start=$(now_ms)

bg scan nsenter --net="/run/netns/$PREFIX-a" -- "$PROBE" scan 10.16.0.1 $count 0
# The other supernet resolves something new in the middle of it.
sleep 0.5
check "another supernet resolves during the scan" wait_for 5 reach a-two 10.2.0.3
out=$(bg_wait scan 120)
took=$(($(now_ms) - start))
diag "scan of $count: $out, $took ms"
sent=$(sed -n 's/sent \([0-9]*\).*/\1/p' <<<"$out")
num "the scan got its packets out" "$sent" -ge $((count * 9 / 10))

read -r misses requests suppressed dropped <<<"$(account)"
num "every scanned vaddr missed" $((misses - before)) -ge "$sent"
is "misses == requests + suppressed + dropped" "$misses" $((requests + suppressed + dropped))
diag "misses $((misses - before)), requests $((requests - asked_before)), suppressed $suppressed, dropped $dropped"
limit=$(map_dump a varp_supernets | jq '[.[].formatted.value | select(.used == 1) | .pending_max] | max')
windows=$((took / 5000 + 2))
num "lookups stay within the supernet's bound" $((requests - asked_before)) -le $((limit * windows))
num "and there were some" $((requests - asked_before)) -ge $((limit < sent ? limit : sent))
num "pending entries stay within the bound" "$(value a '[.[] | select(.state != "resolved")] | length' cache show 0x10)" -le "$limit"
# Repetitions aside, a vaddr is asked for once in a window: the server has answered what it got, and got what was looked up.
repeated=$(stat_of a '.varp.requests_repeated // 0')
num "server saw at most one request a lookup, repetitions aside" $(($(stat_of s .varp.requests_received) - server_before)) \
	-le $((requests - asked_before + repeated + 5))
is "all live mappings are still cached" "$(resolved)" $live
check "and the other supernet's is" ctl a cache get 0x20 10.2.0.2
num "varpd grew by less than 32 MiB" $(($(rss) - rss_before)) -lt 32768
quiet() { [ "$(map_dump a varp_supernets | jq '[.[].formatted.value | select(.used == 1) | .pending] | add')" -eq 0 ]; }
check "afterwards no lookup is left over" wait_for 20 quiet
check "and new vaddrs resolve" ctl a resolve 0x10 10.200.0.7

done_testing
