#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# UDP super-packets (UDP_SEGMENT, as QUIC senders use): each datagram of one arrives, from a node in the daemon's namespace and from
# one in a namespace of its own. The underlay is virtual and would carry a super-packet whole, which the receiving kernel cannot cut up.
# kernels: yes
. "$(dirname "$0")/../lib.sh"

hosts_up s a b
ns_add a-app
told s "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.2" "varpd_add 0x10 10.1.0.3 192.0.2.1"
must a join 0x10 10.1.0.1/24 server 192.0.2.9
must a join 0x10 10.1.0.3/24 netns "$PREFIX-a-app"
must b join 0x10 10.1.0.2/24 server 192.0.2.9

send='
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, 103, 1000)	# UDP_SEGMENT
for size in (11000, 5500, 1000):
    s.sendto(b"x" * size, (sys.argv[1], 7000))
'
receive='
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 7000))
s.settimeout(20)	# the sender has yet to start
print("ready", flush=True)
sizes = []
try:
    while True:
        sizes.append(len(s.recv(65535)))
        s.settimeout(float(sys.argv[2]))
except TimeoutError:
    print(len(sizes), sum(sizes))
'

# segments_arrive FROM: how many datagrams and octets came. 11 datagrams, 6 and 1 are sent.
segments_arrive() {
	bg recv in_net b python3 -c "$receive" 10.1.0.2 $((2 * SCALE))
	wait_for 10 bg_says recv ready
	in_net "$1" python3 -c "$send" 10.1.0.2
	bg_wait recv $((20 + 20 * SCALE)) >/dev/null
	tail -n 1 "$TMP/recv.out"
}

# Without a mapping they are eight packets that wait, and more than may wait until the answer is there.
cold() {
	local was now
	was=$(stat_of a .drops.held_full)
	read -r arrived _ <<<"$(segments_arrive "$1")"
	now=$(stat_of a .drops.held_full)
	full=$((now - was))
}
cold a
num "from the daemon's namespace, held first: eight or more arrive" "$arrived" -ge 8
is "and the others are accounted for" $((arrived + full)) 18
is "from the daemon's namespace, mapping known" "$(segments_arrive a)" "18 17500"
# Its first packets would wait until b knows where it lives, and no more than eight do.
wait_for 5 in_net a-app ping -n -q -c 1 -W "$SCALE" 10.1.0.2
is "from a namespace of its own" "$(segments_arrive a-app)" "18 17500"
must a cache flush
cold a-app
num "from a namespace of its own, held first: eight or more arrive" "$arrived" -ge 8
is "and the others are accounted for" $((arrived + full)) 18
is "the offload is off at the node device" "$(in_net a ethtool -k sn0 | awk '/tx-udp-segmentation/ { print $2 }')" off
is "TCP's stays on" "$(in_net a ethtool -k sn0 | awk '/tx-tcp-segmentation/ { print $2 }')" on

done_testing
