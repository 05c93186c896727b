#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A mapping that leads back to the asking host, at any address of any of its underlays, is not used and says so; and supernets share
# the room for lookups, so that scans in all others leave one its part.
# kernels: slow
. "$(dirname "$0")/../lib.sh"

fabric
fabric net2
host_add a 1
host_add b 2
host_link a 77 net2 eth1
ns_ip a addr flush dev eth1
ns_ip a addr add 203.0.113.1/24 dev eth1
ns_ip a addr add 192.0.2.101/24 dev eth0
for host in a b; do varpd_start $host --pending-max 1024 --pending-per-supernet 1024; must $host attach eth0; done
must a attach eth1

told b "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.2" \
	"varpd_add 0x10 10.1.0.61 192.0.2.1" "varpd_add 0x10 10.1.0.62 192.0.2.101" "varpd_add 0x10 10.1.0.63 203.0.113.1" \
	"varpd_add 0x10 10.1.0.64 2001:db8::1"
must a join 0x10 10.1.0.1/24 server 192.0.2.2
must b join 0x10 10.1.0.2/24
check "another host's node is reached" reach a 10.1.0.2

for vaddr in 10.1.0.61 10.1.0.62 10.1.0.63 10.1.0.64; do
	sent=$(stat_of a .datapath.encap_packets)
	loops=$(stat_of a .drops.loop)
	like "$vaddr is said to be here: unreachable" "$(in_net a ping -n -c 1 -W 5 $vaddr 2>&1)" "Destination Host Unreachable"
	is "and dropped as loop" $(($(stat_of a .drops.loop) - loops)) 1
	is "and not sent" "$(stat_of a .datapath.encap_packets)" "$sent"
	is "cache says so" "$(value a .state cache get 0x10 $vaddr 2>/dev/null || echo gone)" notknown
done
num "the log says it, not for each" "$(grep -c "is said to be at" "$TMP/varpd-a.log")" -ge 1
# Once it is a node here, it is.
must a join 0x10 10.1.0.61/24 dev sn0
check "a node that joins after that is reached" reach b 10.1.0.61

# Eight supernets share 1024 lookups.
is "one supernet has all the room" "$(map_dump a varp_supernets | jq '[.[].formatted.value | select(.used == 1) | .pending_max] | max')" 1024
lines=()
for ((i = 1; i <= 7; i++)); do
	must a join 0x2$i 10.2$i.0.1/16 dev scan$i
	lines+=("varpd_client_set 0x2$i 192.0.2.99")
done
is "servers that are not there are set" "$(client a "${lines[@]}" | sort -u)" OK
is "eight have an eighth each" "$(map_dump a varp_supernets |
	jq -c '[.[].formatted.value | select(.used == 1) | .pending_max] | unique')" "[128]"
for ((i = 1; i <= 7; i++)); do in_net a "$PROBE" scan 10.2$i.1.0 1000 0 >/dev/null; done
num "scans have filled their parts" "$(map_dump a varp_supernets |
	jq '[.[].formatted.value | select(.used == 1) | .pending] | add')" -ge 896
must a cache flush 0x10 10.1.0.2
is "and the eighth supernet resolves" "$(pinged a 10.1.0.2 -c 1)" 1
for ((i = 1; i <= 7; i++)); do must a leave 0x2$i; done
client a "${lines[@]/_set/_clear}" >/dev/null
is "alone again it has all the room" "$(map_dump a varp_supernets |
	jq '[.[].formatted.value | select(.used == 1 and .pending_max != 1024)] | length')" 0

done_testing
