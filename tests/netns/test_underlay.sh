#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The underlay interface goes down, changes its address, is deleted while attached and comes back; attach and detach leave no trace and
# do not disturb other programs on the interface; both with TCX and with clsact.
# kernels: yes
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
pair 0x10
capture leak net br0 'net 10.0.0.0/8'
check "reached" reach a 10.1.0.2

# Everything that attach could leave behind on a host, with what changes by itself taken out.
traces() {
	local ns=$1
	echo "== links"; ns_ip "$ns" -d link show
	echo "== qdiscs"; in_net "$ns" tc qdisc show
	echo "== filters"; in_net "$ns" tc filter show dev eth0 ingress 2>/dev/null; in_net "$ns" tc filter show dev eth0 egress 2>/dev/null
	echo "== pins"; find "$(pins "$ns")" | sort
	echo "== addresses"; ns_ip "$ns" addr show | grep -v valid_lft
	echo "== routes"; ns_ip "$ns" route show table all; ns_ip "$ns" -6 route show table all
	echo "== rules"; ns_ip "$ns" rule; ns_ip "$ns" -6 rule
}

# Down and up.
ns_ip a link set eth0 down
unreach a 10.1.0.2
underlay() { value a '.underlays[] | select(.dev == "eth0") | .up' status; }
is_down() { [ "$(underlay)" = false ]; }
is_up() { [ "$(underlay)" = true ]; }
check "status shows that the underlay is down" wait_for 5 is_down
ns_ip a link set eth0 up
ns_ip a addr add 2001:db8::1/64 dev eth0 nodad 2>/dev/null
check "and up" wait_for 5 is_up
check "up again: reached" wait_for 5 reach a 10.1.0.2

# Another address.
ns_ip a addr add 192.0.2.101/24 dev eth0
ns_ip a addr del 192.0.2.1/24 dev eth0
ns_ip a addr show dev eth0 | grep -q 192.0.2.101 || ns_ip a addr add 192.0.2.101/24 dev eth0
told s "varpd_add 0x10 10.1.0.1 192.0.2.101"
must b cache flush
new_address() { [ "$(value a '[.nodes[] | select(.vaddr == "10.1.0.1") | .raddr4 // .raddr] | .[0]' status)" = 192.0.2.101 ]; }
check "node follows the underlay's address" wait_for 5 new_address
capture moved net br0 udp port 6081
check "reached with the new address" wait_for 5 reach a 10.1.0.2
capture_stop moved
is "which is the outer source" "$(fields moved 'ip.dst == 192.0.2.2' ip.src | sort -u)" 192.0.2.101
ns_ip a addr add 192.0.2.1/24 dev eth0
ns_ip a addr del 192.0.2.101/24 dev eth0
ns_ip a addr show dev eth0 | grep -q 192.0.2.1/ || ns_ip a addr add 192.0.2.1/24 dev eth0
told s "varpd_add 0x10 10.1.0.1 192.0.2.1"
must b cache flush
check "and back" wait_for 5 reach a 10.1.0.2

# No address at all.
ns_ip a addr flush dev eth0
no_address() { [ "$(value a '[.nodes[] | select(.vaddr == "10.1.0.1") | .raddr4 // .raddr] | .[0] // "null"' status)" != 192.0.2.1 ]; }
wait_for 5 no_address
dropped=$(stat_of a .drops.no_underlay)
in_net a "$PROBE" send 10.1.0.2 9 3 100 >/dev/null
is "no address: packets are dropped as no_underlay" "$(($(stat_of a .drops.no_underlay) - dropped))" 3
ns_ip a addr add 192.0.2.1/24 dev eth0
ns_ip a addr add 2001:db8::1/64 dev eth0 nodad
check "address is back: reached" wait_for 5 reach a 10.1.0.2

# Deleted while attached, and made again.
ns_ip a link del eth0
detached() { ! value a '.underlays[] | select(.up == true) | .dev' status | grep -q eth0; }
check "deleted: no longer an underlay that is up" wait_for 5 detached
dropped=$(stat_of a .drops.no_underlay)
in_net a "$PROBE" send 10.1.0.2 9 3 100 >/dev/null
is "deleted: packets are dropped as no_underlay" "$(($(stat_of a .drops.no_underlay) - dropped))" 3
check "varpd lives" ctl a status
host_link a 1
check "made again: attached by itself and reached" wait_for 10 reach a 10.1.0.2

# detach while a node uses it.
must a detach eth0
dropped=$(stat_of a .drops.no_underlay)
in_net a "$PROBE" send 10.1.0.2 9 3 100 >/dev/null
is "detached: packets are dropped as no_underlay" "$(($(stat_of a .drops.no_underlay) - dropped))" 3
is "nothing attached in status" "$(value a '.underlays | length' status)" 0
must a attach eth0
check "attached: reached" wait_for 5 reach a 10.1.0.2

capture_stop leak
is "nothing left in the clear through all this" "$(packets leak)" 0

# No trace; with another program and filters on the interface, in both modes.
trace_test() {
	local mode=$1 host=$2 before
	before=$(traces "$host")
	must "$host" attach eth0
	[ "$mode" = clsact ] && like "$mode: a filter is there" "$(in_net "$host" tc filter show dev eth0 ingress)" "bpf"
	is "$mode: a program is attached" "$(attached "$host")" 1
	must "$host" join 0x10 10.1.0.9/24 server 192.0.2.9
	reach "$host" 10.1.0.2
	must "$host" leave 0x10
	must "$host" detach eth0
	is "$mode: detach leaves no trace" "$(traces "$host")" "$before"

	# somebody else's program on the interface, which counts what comes in
	[ "$mode" = clsact ] && in_net "$host" tc qdisc add dev eth0 clsact
	if ! others=$(in_net "$host" "$COUNTER" eth0 "$others_pin" "$mode" 2>&1); then
		not_ok "$mode: another program can be attached" "$others"
		return
	fi
	check "$mode: another program counts" counts "$host"
	before=$(traces "$host")
	must "$host" attach eth0
	check "$mode: it counts when ours is attached too" counts "$host"
	must "$host" join 0x10 10.1.0.9/24 server 192.0.2.9
	is "$mode: supernet works beside it" "$(pinged "$host" 10.1.0.2 -c 2 -i 0.2)" 2
	must "$host" leave 0x10
	must "$host" detach eth0
	is "$mode: it stays when ours is detached, and nothing else" "$(traces "$host")" "$before"
	check "$mode: and counts" counts "$host"
	rm -rf "$others_pin"
	[ "$mode" = clsact ] && in_net "$host" tc qdisc del dev eth0 clsact
}

COUNTER=$BUILD/tests/netns/counter
others_pin=/sys/fs/bpf/varp/$PREFIX-others
counts() {
	local before
	before=$("$COUNTER" "$others_pin")
	in_net "$1" ping -n -q -c 2 -i 0.2 -W 1 192.0.2.9 >/dev/null
	[ "$("$COUNTER" "$others_pin")" -ge $((before + 2)) ]
}

told s "varpd_add 0x10 10.1.0.9 192.0.2.3"
host_add c 3
varpd_start c
case $(value c '.features' status) in
*tcx*) trace_test tcx c ;;
*) skip "the same with TCX" "the kernel has no TCX" ;;
esac
varpd_stop c
is "no pins remain" "$(ls -d "/sys/fs/bpf/varp/$PREFIX-c" 2>/dev/null)" ""
export VARP_TC=clsact
varpd_start c
like "status says clsact" "$(ctl c -j status)" "clsact"
trace_test clsact c

done_testing
