#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Two supernets with the same vaddrs on the same hosts, each in network namespaces of its own; and two channels of one supernet.
# Not one packet crosses, not one entry is seen.
#
#     ns a-red   10.1.0.1 --+                      +-- ns b-red   10.1.0.2      supernet 0x1
#                           +-- host a    host b --+
#     ns a-blue  10.1.0.1 --+                      +-- ns b-blue  10.1.0.2      supernet 0x2
# kernels: yes
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
for ns in a-red a-blue b-red b-blue; do ns_add "$ns"; done
told s "varpd_server_set 0x1" "varpd_add 0x1 10.1.0.1 192.0.2.1" "varpd_add 0x1 10.1.0.2 192.0.2.2" \
	"varpd_server_set 0x2" "varpd_add 0x2 10.1.0.1 192.0.2.1" "varpd_add 0x2 10.1.0.2 192.0.2.2 777" \
	"varpd_add 0x1 10.1.0.3 192.0.2.2" "varpd_add 0x2 10.1.0.4 192.0.2.1"
must a join 0x1 10.1.0.1/24 server 192.0.2.9 netns "$PREFIX-a-red"
must a join 0x2 10.1.0.1/24 server 192.0.2.9 netns "$PREFIX-a-blue"
must b join 0x1 10.1.0.2/24 server 192.0.2.9 netns "$PREFIX-b-red"
must b join 0x2 10.1.0.2/24 server 192.0.2.9 netns "$PREFIX-b-blue"
must b join 0x1 10.1.0.3/24 netns "$PREFIX-b-red"
must a join 0x2 10.1.0.4/24 netns "$PREFIX-a-blue"

capture wire net br0 udp port 6081
# Neither side is ever resolved for the other.
is "red pings red" "$(pinged a-red 10.1.0.2 -c 1)" 1
is "blue's cache on a is empty" "$(value a length cache show 0x2)" 0
is "blue pings blue" "$(pinged a-blue 10.1.0.2 -c 1)" 1
is "entries are separate" "$(value a '.[] | "\(.snid) \(.vaddr) \(.raddr)"' cache show | sort | tr '\n' ' ')" \
	"0x00000000000000000001 10.1.0.2 192.0.2.2 0x00000000000000000002 10.1.0.2 192.0.2.2 "
num "each with its own ttl" "$(value a '.[0].ttl_s' cache show 0x2)" -le 777

# Both at the same time, each with its own number of datagrams.
listen_udp red b-red 10.1.0.2 7000 1000 $((1500 * SCALE))
listen_udp blue b-blue 10.1.0.2 7000 600 $((1500 * SCALE))
bg send-red nsenter --net="/run/netns/$PREFIX-a-red" -- "$PROBE" send 10.1.0.2 7000 1000 1000
bg send-blue nsenter --net="/run/netns/$PREFIX-a-blue" -- "$PROBE" send 10.1.0.2 7000 600 1000
like "red got red's datagrams and no more" "$(bg_wait red)" "received 1000 lost 0 reordered 0 doubled 0"
like "blue got blue's datagrams and no more" "$(bg_wait blue)" "received 600 lost 0 reordered 0 doubled 0"
bg_wait send-red >/dev/null
bg_wait send-blue >/dev/null
sent() { [ "$(packets wire)" -ge 1604 ]; }
wait_for 5 sent
capture_stop wire
is "on the wire: red's with red's SnId" "$(fields wire 'udp.dstport == 7000' geneve.option.unknown.data | grep -c '^.\{24\}00000000000000000001')" 1000
is "on the wire: blue's with blue's SnId" "$(fields wire 'udp.dstport == 7000' geneve.option.unknown.data | grep -c '^.\{24\}00000000000000000002')" 600

# A member of one is nobody in the other, on another host or on this one.
like "red's third address is not known in blue" "$(in_net a-blue ping -n -c 1 -W 5 10.1.0.3 2>&1)" "Destination Host Unreachable"
is "it is reached in red" "$(pinged a-red 10.1.0.3 -c 1)" 1
like "blue's fourth address, on the same host, is not known in red" "$(in_net a-red ping -n -c 1 -W 5 10.1.0.4 2>&1)" \
	"Destination Host Unreachable"
is "it is reached in blue" "$(pinged b-blue 10.1.0.4 -c 1)" 1
in_net a ping -n -c 1 -W 1 10.1.0.2 >/dev/null 2>&1
status_is "the host's own namespace has no way into either" 2 in_net a ping -n -c 1 -W 1 10.1.0.2

# One of them flushed, then left.
must a cache flush 0x1
is "flushing red leaves blue" "$(value a '[.[] | select(.state == "resolved")] | map(.snid) | unique | join(" ")' cache show)" 0x00000000000000000002
must b leave 0x1
wait_for 5 reach a-blue 10.1.0.2
dropped=$(stat_of b .drops.not_joined)
decap=$(stat_of b .datapath.decap_packets)
in_net a-red "$PROBE" send 10.1.0.2 7000 5 100 >/dev/null
refused() { [ "$(($(stat_of b .drops.not_joined) - dropped))" -eq 5 ]; }
check "b has left red: red's packets are dropped there as not_joined" wait_for 5 refused
is "and delivered nowhere" "$(($(stat_of b .datapath.decap_packets) - decap))" 0
is "blue goes on" "$(pinged a-blue 10.1.0.2 -c 1)" 1

# Channels.
told s "varpd_server_set 0x3" "varpd_add 0x3 10.3.0.1 192.0.2.1" "varpd_add 0x3 10.3.0.2 192.0.2.2"
must a join 0x3 10.3.0.1/24 server 192.0.2.9 channel 0x1
must b join 0x3 10.3.0.2/24 server 192.0.2.9 channel 0x2
is "another channel is not reached" "$(pinged a 10.3.0.2 -c 2 -i 0.2 -W 1)" 0
is "its packets are counted as wrong_channel" "$(stat_of b .drops.wrong_channel)" 2
must b leave 0x3
must b join 0x3 10.3.0.2/24 server 192.0.2.9 channel 0x1
is "the same channel is" "$(pinged a 10.3.0.2 -c 1)" 1

done_testing
