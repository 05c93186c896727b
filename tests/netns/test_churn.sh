#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Interfaces come and go all the time on a host that has many of them, while varpd attaches, starts and follows changes: nothing
# fails and nothing is missed.
# kernels: slow
. "$(dirname "$0")/../lib.sh"

links=120
rounds=50

fabric
host_add a 1
host_add b 2
for host in a b; do varpd_start $host; done
must b attach eth0
told b "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.2"
must b join 0x10 10.1.0.2/24

for ((i = 0; i < links / 2; i++)); do echo "link add x$i type veth peer name y$i"; done >"$TMP/links"
ns_ip a -batch "$TMP/links" || bail "cannot make $links links"

# Without a pause: a pair of links, renamed, with an address, and away again. The process to be ended is ip; what feeds it ends with it.
cat >"$TMP/churn.sh" <<'SH'
exec ip -force -batch - < <(while :; do
	for n in 1 2 3 4; do
		echo "link add c$n type veth peer name d$n"
		echo "addr add 198.51.100.$n/24 dev c$n"
		echo "link set c$n name e$n"
	done
	for n in 1 2 3 4; do echo "link del e$n"; done
done)
SH
bg churn nsenter --net="/run/netns/$PREFIX-a" -- bash "$TMP/churn.sh"
sleep 0.5

failures=0
for ((i = 0; i < rounds; i++)); do
	ctl a attach eth0 >"$TMP/attach.out" 2>&1 || { failures=$((failures + 1)); diag "round $i: $(cat "$TMP/attach.out")"; }
	ctl a detach eth0 >"$TMP/attach.out" 2>&1 || { failures=$((failures + 1)); diag "round $i: $(cat "$TMP/attach.out")"; }
done
is "$rounds times attached and detached amid the churn: failures" "$failures" 0
check "attached for good" ctl a attach eth0
check "joined" ctl a join 0x10 10.1.0.1/24 server 192.0.2.2
check "reached" wait_for 5 reach a 10.1.0.2

# Changes of the underlay are seen.
mtu_is() { [ "$(value a '.nodes[0].mtu' status)" = "$1" ]; }
raddr_is() { [ "$(value a '.underlays[0].raddr4' status)" = "$1" ]; }
missed=0
for ((i = 0; i < 5; i++)); do
	ns_ip a link set eth0 mtu $((1400 + i))
	wait_for 5 mtu_is $((1336 + i)) || missed=$((missed + 1))
	ns_ip a addr del 192.0.2.1/24 dev eth0
	wait_for 5 raddr_is null || missed=$((missed + 1))
	ns_ip a addr add 192.0.2.1/24 dev eth0
	wait_for 5 raddr_is 192.0.2.1 || missed=$((missed + 1))
done
is "MTU and addresses of the underlay are followed: changes missed" "$missed" 0
check "still reached" wait_for 5 reach a 10.1.0.2

# Starts amid the churn.
failures=0
for ((i = 0; i < 5; i++)); do
	varpd_stop a KILL
	varpd_run a
	wait_for 15 varpd_ready a || { failures=$((failures + 1)); bail "varpd did not start: $(tail -n 2 "$TMP/varpd-a.log")"; }
	reach a 10.1.0.2 || failures=$((failures + 1))
done
is "five starts with adoption: failures" "$failures" 0
is "one program is attached" "$(attached a)" 1
bg_stop churn KILL >/dev/null
is "nothing failed in the log" "$(grep -c "cannot follow" "$TMP/varpd-a.log")" 0

done_testing
