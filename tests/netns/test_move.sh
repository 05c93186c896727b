#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A vaddr moves to another host, and the ground moves under a cached mapping: neighbour entries are flushed, a peer's MAC address changes,
# routes change. Traffic follows.
#
#     a 192.0.2.1, b 192.0.2.2 and c 192.0.2.3 on br0; r1 192.0.2.201 and r2 192.0.2.202 lead to d 198.51.100.4
# kernels: yes
. "$(dirname "$0")/../lib.sh"

hosts_up a b c s
pair 0x10
must c join 0x10 10.1.0.3/24 server 192.0.2.9
told s "varpd_add 0x10 10.1.0.3 192.0.2.3" "varpd_add 0x10 10.1.0.50 192.0.2.2 4"
must b join 0x10 10.1.0.50/24

answers_from() { [ "$(in_net a "$PROBE" connect 10.1.0.50 "$1" 1000 | cut -d' ' -f1)" = OK ]; }
# Who has 10.1.0.50 is told by the port that it listens on.
bg tcp-b nsenter --net="/run/netns/$PREFIX-b" -- nc -lk 10.1.0.50 8002
check "the vaddr lives on b" wait_for 5 answers_from 8002
must c join 0x10 10.1.0.50/24
bg tcp-c nsenter --net="/run/netns/$PREFIX-c" -- nc -lk 10.1.0.50 8003
must b leave 0x10 10.1.0.50
told s "varpd_add 0x10 10.1.0.50 192.0.2.3 4"
check "it moved to c: traffic follows within its ttl" wait_for 8 answers_from 8003
told s "varpd_add 0x10 10.1.0.50 192.0.2.2 900"
must b join 0x10 10.1.0.50/24
bg tcp-b2 nsenter --net="/run/netns/$PREFIX-b" -- nc -lk 10.1.0.50 8004
must c leave 0x10 10.1.0.50
must a cache flush 0x10 10.1.0.50
check "and back: traffic follows the flush at once" answers_from 8004

# Neighbours.
check "b is reached" reach a 10.1.0.2
listen_udp flow b 10.1.0.2 7000 1500 $((4000 * SCALE))
bg send nsenter --net="/run/netns/$PREFIX-a" -- "$PROBE" send 10.1.0.2 7000 1500 500
# Not those in resolution: the kernel throws away what waits for an entry that is deleted.
for i in 1 2 3 4; do
	ns_ip a neigh flush dev eth0 nud reachable nud stale nud delay nud probe
	sleep 0.4
done
bg_wait send >/dev/null
like "neighbour entries flushed under traffic: nothing is lost" "$(bg_wait flow)" "received 1500 lost 0"

ns_ip b link set eth0 address 02:00:00:00:be:ef
ns_ip a neigh flush dev eth0
check "peer has another MAC address" wait_for 5 reach a 10.1.0.2

# Routes.
fabric far
for i in 1 2; do
	host_add r$i 20$i
	ns_ip r$i addr flush dev eth0
	ns_ip r$i addr add 192.0.2.20$i/24 dev eth0
	host_link r$i 20$i far eth1
	ns_ip r$i addr flush dev eth1
	ns_ip r$i addr add 198.51.100.20$i/24 dev eth1
	in_net r$i sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0
done
ns_add d
ip link add to-d netns "$PREFIX-far" type veth peer name eth0 netns "$PREFIX-d"
ns_ip far link set to-d master br0 up
ns_ip d addr add 198.51.100.4/24 dev eth0
ns_ip d link set eth0 up
ns_ip d route add default via 198.51.100.201
for host in a s; do ns_ip $host route add 198.51.100.0/24 via 192.0.2.201; done
varpd_start d
must d attach eth0
must d join 0x10 10.1.0.4/24 server 192.0.2.9
told s "varpd_add 0x10 10.1.0.4 198.51.100.4"
check "host behind the first router is reached" wait_for 5 reach a 10.1.0.4
capture second r2 eth0 'udp port 6081 and src 192.0.2.1'
ns_ip a route replace 198.51.100.0/24 via 192.0.2.202
is "route changed: all pings are answered" "$(pinged a 10.1.0.4 -c 5 -i 0.1)" 5
passed() { [ "$(packets second)" -ge 5 ]; }
check "they went by the second router" wait_for 5 passed
capture_stop second
ns_ip a route del 198.51.100.0/24
check "no route: not reached" unreach a 10.1.0.4
ns_ip a route add 198.51.100.0/24 via 192.0.2.201
check "route again: reached" wait_for 5 reach a 10.1.0.4

done_testing
