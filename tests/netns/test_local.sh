#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Two nodes of one supernet on one host, in namespaces of their own or not; and a host that is the supernet's server and a node of it.
# kernels: yes
. "$(dirname "$0")/../lib.sh"

hosts_up a b
ns_add a-one
ns_add a-two
# a is the server as well as a host with nodes; nobody told it to ask itself.
told a "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.1" \
	"varpd_add 0x10 10.1.0.3 192.0.2.2" "varpd_add 0x10 10.1.0.4 192.0.2.1"
must a join 0x10 10.1.0.1/24 netns "$PREFIX-a-one"
must a join 0x10 10.1.0.2/24 netns "$PREFIX-a-two"
must b join 0x10 10.1.0.3/24 server 192.0.2.1
must a join 0x10 10.1.0.4/24

capture wire net br0 udp port 6081
is "two nodes of one host talk" "$(pinged a-one 10.1.0.2 -c 2 -i 0.2)" 2
is "also with the host's own" "$(pinged a-one 10.1.0.4 -c 2 -i 0.2)" 2
is "and from there" "$(pinged a 10.1.0.2 -c 2 -i 0.2)" 2
iperf_server local a-two 10.1.0.2
got=$(in_net a-one timeout $((30 * SCALE)) iperf3 -c 10.1.0.2 -t 1 -J)
num "TCP between them transfers" "$(jq '.end.sum_received.bytes // 0' <<<"$got")" -gt 1000000
bg_wait local 5 >/dev/null
capture_stop wire
is "nothing of it is on the wire" "$(packets wire)" 0
num "counted as local" "$(stat_of a .datapath.local_packets)" -ge 12

is "server and node: first ping to another host" "$(pinged a-one 10.1.0.3 -c 1)" 1
is "answered from its own table, nobody is asked" "$(stat_of a .varp.requests_sent)" 0
is "the other host asks it" "$(stat_of b '"\(.varp.requests_sent) \(.varp.replies_received)"')" "1 1"
is "and reaches all of its nodes" "$(pinged b 10.1.0.1 -c 1) $(pinged b 10.1.0.2 -c 1) $(pinged b 10.1.0.4 -c 1)" "1 1 1"
like "not known is answered at once" "$(in_net a-one ping -n -c 1 -W 5 10.1.0.99 2>&1)" "Destination Host Unreachable"

# What the group manager changes takes effect here without waiting for a ttl.
must b join 0x10 10.1.0.99/24
told a "varpd_add 0x10 10.1.0.99 192.0.2.2"
is "added: reached at once" "$(pinged a-one 10.1.0.99 -c 1)" 1
told a "varpd_remove 0x10 10.1.0.99"
like "removed: unreachable at once" "$(in_net a-one ping -n -c 1 -W 5 10.1.0.99 2>&1)" "Destination Host Unreachable"

# A node leaves; its neighbour stays.
must a leave 0x10 10.1.0.2
is "one node left: the other stays" "$(pinged b 10.1.0.1 -c 1)" 1
check "the one that left is gone" unreach b 10.1.0.2

done_testing
