#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# kernels: slow
#
# Routes and neighbours change under traffic: every packet takes the way that is right when it is sent (or was a few milliseconds
# before), with varpd alive and dead; marks and traffic classes take the way that rules give them.
#
#	a ---- r1 ---- b		a 192.0.2.1, r1 192.0.2.101, r2 192.0.2.102 on one network,
#	  \--- r2 ---/			b 198.51.100.2, r1 .101, r2 .102 on another
. "$(dirname "$0")/../lib.sh"

fabric net
fabric far
host_add s 9
host_add a 1
for n in 1 2; do
	host_add r$n 10$n
	ns_ip far link add to-r$n type veth peer name eth1 netns "$PREFIX-r$n"
	ns_ip far link set to-r$n master br0 up
	ns_ip r$n addr add 198.51.100.10$n/24 dev eth1
	ns_ip r$n link set eth1 up
	in_net r$n sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 \
		net.ipv4.conf.eth1.rp_filter=0 net.ipv4.conf.all.send_redirects=0
done
ns_add b
ip link add to-b netns "$PREFIX-far" type veth peer name eth0 netns "$PREFIX-b"
ns_ip far link set to-b master br0 up
ns_ip b addr add 198.51.100.2/24 dev eth0
ns_ip b link set eth0 up
ns_ip b route add default via 198.51.100.101
for h in a s; do ns_ip $h route add 198.51.100.0/24 via 192.0.2.101; done
check "the underlay works" wait_for 5 in_net a ping -n -q -c 1 -W 1 198.51.100.2
varpd_start s
varpd_start a
varpd_start b
for h in a b; do must $h attach eth0; done
told s "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 198.51.100.2"
must a join 0x10 10.1.0.1/24 server 192.0.2.9
must b join 0x10 10.1.0.2/24 server 192.0.2.9
check "warm" wait_for 5 reach a 10.1.0.2

forwarded() { ns_ip "$1" -s -j link show dev eth1 | jq '.[0].stats64.tx.packets'; }

# stream NAME COUNT: numbered datagrams from a to b, 1000 a second
stream() {
	listen_udp "$1" b 10.1.0.2 7000 "$2" $((4000 * SCALE))
	bg "send-$1" nsenter --net="/run/netns/$PREFIX-a" -- "$PROBE" send 10.1.0.2 7000 "$2" 1000
}
lost() { bg_wait "$1" 60 | sed -n 's/.* lost \([0-9]*\) .*/\1/p'; }

# The route moves to the other router, which a knows already.
in_net a ping -n -q -c 1 -W 1 192.0.2.102 >/dev/null
in_net r2 ping -n -q -c 1 -W 1 198.51.100.2 >/dev/null
stream route $((2000 * SCALE))
sleep 0.7
before=$(forwarded r2)
ns_ip a route replace 198.51.100.0/24 via 192.0.2.102
is "route moved: nothing is lost" "$(lost route)" 0
bg_wait send-route >/dev/null
num "the rest went by the other router" "$(($(forwarded r2) - before))" -gt 50

# The same while varpd is dead.
varpd_stop a KILL
stream dead $((2000 * SCALE))
sleep 0.7
before=$(forwarded r1)
ns_ip a route replace 198.51.100.0/24 via 192.0.2.101
is "route moved while varpd is dead: nothing is lost" "$(lost dead)" 0
bg_wait send-dead >/dev/null
num "and the rest went the new way" "$(($(forwarded r1) - before))" -gt 50
varpd_start a

# The router gets another MAC address, and a learns of it, as when one router takes over from another.
stream neighbour $((2000 * SCALE))
sleep 0.7
ns_ip r1 link set eth0 address 02:00:00:00:0a:0a
ns_ip a neigh replace 192.0.2.101 lladdr 02:00:00:00:0a:0a dev eth0
num "neighbour's address changed: the stream goes on" "$(lost neighbour)" -le $((100 * SCALE))
bg_wait send-neighbour >/dev/null
check "and later packets arrive" reach a 10.1.0.2
like "by the new address" "$(ns_ip a neigh show 192.0.2.101)" "02:00:00:00:0a:0a"

# Next hops are remembered; what rules look at is not sent by them.
nexthops() {
	local cache map
	cache=$(bpftool -j map show pinned "$(pins a)/varp_cache" | jq .id)
	for map in $(bpftool -j prog show | jq ".[] | select(.map_ids // [] | index($cache)) | .map_ids[]" | sort -un); do
		if [ "$(bpftool -j map show id "$map" 2>/dev/null | jq -r .name)" = varp_nexthops ]; then bpftool -j map dump id "$map"; fi
	done | jq -s '[.[][].formatted.values[].value | select(.known == 1)] | length'
}
remembered() { reach a 10.1.0.2 && [ "$(nexthops)" -gt 0 ]; }
if ns_ip a link show dev varpgro6081 >/dev/null 2>&1; then
	check "next hops are remembered" wait_for 5 remembered
else
	is "no device to ask the routes by: no next hop is remembered" "$(nexthops)" 0
fi
ns_ip a route add 198.51.100.0/24 via 192.0.2.102 table 77
ns_ip a rule add fwmark 7 table 77
ns_ip a rule add tos 0x10 table 77
for how in "-m 7" "-Q 0x10"; do
	before=$(forwarded r2)
	# shellcheck disable=SC2086 # an option and its value
	check "ping $how arrives" in_net a ping -n -q -i 0.05 -c 20 -W 2 $how 10.1.0.2
	num "and took the rule's way" "$(($(forwarded r2) - before))" -ge 20
done
before=$(forwarded r2)
check "without it" in_net a ping -n -q -i 0.05 -c 20 -W 2 10.1.0.2
num "it takes the other" "$(($(forwarded r2) - before))" -lt 20
ns_ip a rule del fwmark 7
ns_ip a rule del tos 0x10

# No way at all, and one again.
ns_ip a route del 198.51.100.0/24
check "without a route nothing arrives" unreach a 10.1.0.2
ns_ip a route add 198.51.100.0/24 via 192.0.2.102
check "with one it does" wait_for 5 reach a 10.1.0.2

done_testing
