#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# misses == requests + suppressed + dropped, exactly and for each supernet, while two are scanned at full speed, varpd is stopped
# and the ring buffer runs over; and after it has gone on.
# varpd is stopped for 5 s; with VARP_ATTACK=full for 30 s.
# timeout: 400
. "$(dirname "$0")/../lib.sh"

stopped=5
if [ "${VARP_ATTACK:-}" = full ]; then stopped=30; fi

fabric
host_add a 1
host_add b 2
host_add s 9
for host in a b s; do varpd_start "$host" --ring-bytes 262144; done
for host in a b; do must "$host" attach eth0; done
told s "varpd_server_set 0x10" "varpd_server_set 0x20" "varpd_add 0x10 10.0.0.2 $UNDERLAY4.2" "varpd_add 0x20 10.0.0.2 $UNDERLAY4.2"
for snid in 10 20; do
	ns_add "a-$snid"
	ns_add "b-$snid"
	must a join 0x$snid 10.0.0.1/8 server $UNDERLAY4.9 dev sn0 netns "$PREFIX-a-$snid"
	must b join 0x$snid 10.0.0.2/8 server $UNDERLAY4.9 dev sn0 netns "$PREFIX-b-$snid"
	told s "varpd_add 0x$snid 10.0.0.1 $UNDERLAY4.1"
	check "0x$snid: reached" reach "a-$snid" 10.0.0.2
done

# The map itself: varpd may be stopped.
account() {
	map_dump a varp_supernets | jq -r --arg n "$1" '
		.[].formatted.value | select(.used == 1 and .snid.b[9] == ($n | tonumber)) |
		"\(.misses) \(.requests) \(.suppressed) \(.dropped) \(.pending) \(.pending_max)"'
}

# holds WHEN: for both supernets
holds() {
	local n
	for n in 16 32; do
		read -r misses requests suppressed dropped pending max <<<"$(account $n)"
		diag "supernet $n $1: misses $misses requests $requests suppressed $suppressed dropped $dropped pending $pending"
		is "supernet $n $1: misses == requests + suppressed + dropped" "$misses" $((requests + suppressed + dropped))
		num "supernet $n $1: pending within the bound" "$pending" -le "$max"
	done
}

# scan NAME NETNS: the same 60,000 vaddrs over and over
scan() {
	bg "$1" timeout $((stopped + 4)) bash -c \
		"while :; do nsenter --net=/run/netns/$PREFIX-$2 -- '$PROBE' scan 10.16.0.0 60000 0; done"
}

holds "before"
read -r misses _ _ dropped _ <<<"$(account 16)"
before_misses=$misses before_dropped=$dropped
scan one a-10
scan two a-20
sleep 1
kill -STOP "${VARPD_PID[a]}"
sleep "$stopped"
kill -CONT "${VARPD_PID[a]}"
bg_wait one 60 >/dev/null
bg_wait two 60 >/dev/null
holds "after"
read -r misses _ _ dropped _ <<<"$(account 16)"
num "many missed" $((misses - before_misses)) -ge 60000
num "the ring buffer and the bounds were reached" $((dropped - before_dropped)) -gt 0
answers() { ctl a -j status >/dev/null; }
check "varpd answers again" wait_for 20 answers
total=$(value a '[.supernets[].misses] | add' stats)
is "the counter of all misses is their sum" "$(stat_of a .datapath.misses)" "$total"
# Nothing leaks: what was pending goes away by itself, and both supernets resolve as ever.
quiet() { [ "$(map_dump a varp_supernets | jq '[.[].formatted.value | select(.used == 1) | .pending] | add')" -eq 0 ]; }
check "no lookup is left over" wait_for 30 quiet
for snid in 10 20; do
	told s "varpd_add 0x$snid 10.0.0.77 $UNDERLAY4.2"
	check "0x$snid: a new vaddr resolves" ctl a resolve 0x$snid 10.0.0.77
	check "0x$snid: still reached" reach "a-$snid" 10.0.0.2
done
holds "at the end"

done_testing
