#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# MTUs are right by themselves, follow the underlay, and what is too big is answered with ICMP. Host c sits behind a router whose second
# link carries less:
#
#     a 192.0.2.1 --- br0 --- 192.0.2.254 r 198.51.100.254 --- 198.51.100.3 c
#                     1500                        1300
# kernels: yes
. "$(dirname "$0")/../lib.sh"

# Nodes are reached over another family than they send from, which the source check would not have.
VARP_TEST_OPTIONS="--source-check no" hosts_up a b s
told s "varpd_server_set 0x10" "varpd_server_set 0x16" "varpd_server_set 0x66"
told s "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.2" "varpd_add 0x10 10.1.0.3 198.51.100.3"
must a join 0x10 10.1.0.1/24 server 192.0.2.9 dev sn0
must b join 0x10 10.1.0.2/24 server 192.0.2.9 dev sn0

mtu_of() { ns_ip "$1" -j link show "$2" | jq '.[0].mtu'; }
mtu_is() { [ "$(mtu_of "$1" "$2")" = "$3" ]; }
biggest() { in_net "$1" ping -n -c 1 -W $((2 * SCALE)) -M "do" -s "$3" "$2"; }
complains() { ! biggest "$@" >"$TMP/complaint" 2>&1 && grep -q "$4" "$TMP/complaint"; }

is "device over IPv4: underlay less 64" "$(mtu_of a sn0)" 1436
must a join 0x66 fd66::1/64 server 192.0.2.9 raddr 2001:db8::1 dev sn6
is "device over IPv6: underlay less 84" "$(mtu_of a sn6)" 1416
check "a packet of exactly the MTU passes" biggest a 10.1.0.2 $((1436 - 28))
check "one octet more is refused by the device" complains a 10.1.0.2 $((1436 - 27)) "[Mm]essage too long"

# The underlay changes.
underlay_mtu 1400 a b
check "underlay shrinks: device follows" wait_for 5 mtu_is a sn0 1336
check "the IPv6 one too" wait_for 5 mtu_is a sn6 1316
wait_for 5 mtu_is b sn0 1336
check "a packet of the new MTU passes" biggest a 10.1.0.2 $((1336 - 28))
underlay_mtu 9000 a b s
check "underlay grows: device follows" wait_for 5 mtu_is a sn0 8936
wait_for 5 mtu_is b sn0 8936
check "a packet of the new MTU passes, too" biggest a 10.1.0.2 $((8936 - 28))
underlay_mtu 1500 a b s
check "and back" wait_for 5 mtu_is a sn0 1436
wait_for 5 mtu_is b sn0 1436

# A device whose MTU is more than the path carries: IPv6 outside costs 20 octets more than the device left room for.
told s "varpd_add 0x16 fd00:1::1 2001:db8::1" "varpd_add 0x16 fd00:1::2 2001:db8::2"
must a join 0x16 fd00:1::1/64 server 192.0.2.9 dev sn16
must b join 0x16 fd00:1::2/64 server 192.0.2.9 dev sn16
wait_for 5 reach a fd00:1::2
ns_ip a link set sn16 mtu 1436
too_big=$(stat_of a .drops.too_big)
like "too big for the path: IPv6 Packet Too Big" "$(in_net a ping -n -c 2 -i 0.3 -W 1 -M "do" -s $((1436 - 48)) fd00:1::2 2>&1)" \
	"From .* Packet too big: mtu=1416|mtu=1416"
num "counted as too_big" "$(stat_of a .drops.too_big)" -gt "$too_big"
check "what fits passes" biggest a fd00:1::2 $((1416 - 48))

told s "varpd_add 0x10 10.1.0.4 2001:db8::2"
must b join 0x10 10.1.0.4/24
like "too big for the path: fragmentation needed" "$(in_net a ping -n -c 2 -i 0.3 -W 1 -M "do" -s $((1436 - 28)) 10.1.0.4 2>&1)" \
	"Frag needed and DF set \(mtu = 1416\)|mtu=1416"
check "what fits passes as well" biggest a 10.1.0.4 $((1416 - 28))
iperf_server tcp-b b 10.1.0.4
got=$(in_net a timeout $((30 * SCALE)) iperf3 -c 10.1.0.4 -t 1 -J)
num "TCP transfers over it" "$(jq '.end.sum_received.bytes // 0' <<<"$got")" -gt 1000000
bg_wait tcp-b 5 >/dev/null

# A router with a smaller link behind it.
fabric far
host_add r 254
ns_ip r addr del 2001:db8::254/64 dev eth0
host_link r 254 far eth1
ns_ip r addr flush dev eth1
ns_ip r addr add 198.51.100.254/24 dev eth1
ns_ip r link set eth1 mtu 1300
in_net r sysctl -qw net.ipv4.ip_forward=1
ns_add c
ip link add to-c netns "$PREFIX-far" type veth peer name eth0 netns "$PREFIX-c"
ns_ip far link set to-c master br0 up
ns_ip c addr add 198.51.100.3/24 dev eth0
ns_ip c link set eth0 up
ns_ip c route add default via 198.51.100.254
for host in a b s; do ns_ip $host route add 198.51.100.0/24 via 192.0.2.254; done
wait_for 5 in_net a ping -n -q -c 1 -W 1 198.51.100.3
varpd_start c
must c attach eth0
must c join 0x10 10.1.0.3/24 server 192.0.2.9
check "host behind a router is reached" wait_for 5 reach a 10.1.0.3
learned() { map_dump a varp_cache | jq -e '[.[].formatted.value.mtu] | index(1300)' >/dev/null; }
biggest a 10.1.0.3 $((1436 - 28)) >/dev/null 2>&1
check "path MTU is learned from the router's ICMP" wait_for 5 learned
check "and told to the application" wait_for 5 complains a 10.1.0.3 $((1436 - 28)) "1236"
check "a packet that fits the path passes" biggest a 10.1.0.3 $((1236 - 28))
head -c 5000000 /dev/urandom >"$TMP/file"
bg sink nsenter --net="/run/netns/$PREFIX-c" -- timeout $((30 * SCALE)) nc -d -l 10.1.0.3 7000
check "TCP transfer starts" wait_for 5 eval 'in_net a timeout 25 nc -N 10.1.0.3 7000 <"$TMP/file"'
bg_wait sink >"$TMP/copy"
check "TCP carries 5 MB through the router, no black hole" cmp "$TMP/file" "$TMP/copy"
must a cache flush 0x10 10.1.0.3
check "flushed: reached again" reach a 10.1.0.3
check "path MTU is remembered for the new mapping" learned

done_testing
