#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A supernet routed into itself, its server reached through itself, a mapping to our own address, a node device attached as an underlay:
# dropped and counted or refused, never a storm.
# kernels: yes
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
pair 0x10
check "reached" reach a 10.1.0.2

# The raddr is routed into the supernet that is carried over it.
sent=$(stat_of a .datapath.encap_packets)
wire_before=$(ns_ip a -j -s link show eth0 | jq '.[0].stats64.tx.packets')
ns_ip a route add 192.0.2.2/32 dev sn0
in_net a "$PROBE" send 10.1.0.2 9 20 100 >/dev/null
num "raddr routed into the supernet: at most one encapsulation a packet" $(($(stat_of a .datapath.encap_packets) - sent)) -le 25
num "and no storm" $(($(ns_ip a -j -s link show eth0 | jq '.[0].stats64.tx.packets') - wire_before)) -le 60
# An application's own packet to the raddr is an inner packet then, to a vaddr that nobody registered.
like "the raddr as a vaddr is not known" "$(in_net a ping -n -c 1 -W 5 192.0.2.2 2>&1)" "Destination Host Unreachable"
ns_ip a route del 192.0.2.2/32 dev sn0
check "route taken away: reached" wait_for 5 reach a 10.1.0.2

# The server is routed into the supernet: our requests must not ask for themselves.
must a cache flush
ns_ip a route add 192.0.2.9/32 dev sn0
loops=$(stat_of a .drops.loop)
asked=$(stat_of a .varp.requests_sent)
in_net a "$PROBE" send 10.1.0.2 9 1 0 >/dev/null
looped() { [ "$(stat_of a .drops.loop)" -gt "$loops" ]; }
check "server routed into the supernet: requests are dropped as loop" wait_for 5 looped
num "and asked no more often than the window allows" $(($(stat_of a .varp.requests_sent) - asked)) -le 5
is "nothing is looked up for the server's address" "$(value a '[.[] | select(.vaddr == "192.0.2.9")] | length' cache show)" 0
ns_ip a route del 192.0.2.9/32 dev sn0
check "route taken away: resolved" wait_for 9 reach a 10.1.0.2

# A mapping that points to the asking host itself.
told s "varpd_add 0x10 10.1.0.66 192.0.2.1"
loops=$(stat_of a .drops.loop)
is "vaddr mapped to our own raddr is not reached" "$(pinged a 10.1.0.66 -c 2 -i 0.2 -W 1)" 0
num "dropped as loop" "$(stat_of a .drops.loop)" -gt "$loops"

# Geneve of ours inside a supernet.
loops=$(stat_of a .drops.loop)
in_net a /usr/bin/python3 - <<'PY'
import socket
data = bytes([7, 0x40, 0x08, 0x00, 0, 0, 0, 0, 0xff, 0x56, 0x81, 6]) + bytes(8) + b"\x65\x58\0\0" + bytes(9) + b"\x10\x08\0" + bytes(40)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(data, ("10.1.0.2", 6081))
PY
is "a packet of ours inside a supernet is dropped as loop" $(($(stat_of a .drops.loop) - loops)) 1

# The server's and a host's datapath on a node device.
status_is "attaching a node device is refused" 2 ctl a attach sn0
like "with a reason" "$OUT" "sn0"
is "and leaves nothing" "$(value a '.underlays | map(.dev) | join(" ")' status)" eth0
check "reached after all that" reach a 10.1.0.2

done_testing
