#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# kernels: yes
#
# Merging on receipt: with MTU-size frames on the underlay and GRO on, what decapsulation sees is merged; the socket that does it
# lets nothing in; it goes with the last underlay; and without it, by choice or because the port is taken, packets flow all the same.
. "$(dirname "$0")/../lib.sh"

ip link add "vx$$" type vxlan external vnifilter dstport 6081 2>/dev/null || skip_all "this kernel has no VXLAN with a filter"
ip link del "vx$$"

fabric net
host_add s 9
host_add a 1
host_add b 2
varpd_start s
varpd_start a
varpd_start b --merge no
for h in a b; do must $h attach eth0; done
told s "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.2" \
	"varpd_server_set 0x16" "varpd_add 0x16 fd00::1 2001:db8::1" "varpd_add 0x16 fd00::2 2001:db8::2"
for n in 1 2; do
	h=$(echo ab | cut -c$n)
	must "$h" join 0x10 10.1.0.$n/24 server 192.0.2.9
	must "$h" join 0x16 fd00::$n/64 server 192.0.2.9 raddr 2001:db8::$n
done

have() { ns_ip "$1" link show dev varpgro6081 >/dev/null 2>&1; }
have_not() { ! have "$1"; }
features() { value "$1" .features status; }

check "the device is there" have a
check "merge = no: it is not" have_not b
like "status says so" "$(features a)" "merge"
is "and does not where it is off" "$(features b | grep -c merge)" 0
is "it has no address" "$(ns_ip a -j addr show dev varpgro6081 | jq '.[0].addr_info | length')" 0

# frames SENDER RECEIVER ADDRESS: packets that decapsulation saw for each hundred segments that went out
frames() {
	local before after segments
	before=$(stat_of "$2" .datapath.decap_packets)
	segments=$(sent_frames "$1")
	iperf_server "srv$3" "$2" "$3"
	in_net "$1" timeout $((30 * SCALE)) iperf3 -c "$3" -n 40M >/dev/null
	bg_wait "srv$3" 5 >/dev/null
	after=$(stat_of "$2" .datapath.decap_packets)
	echo $(((after - before) * 100 / ($(sent_frames "$1") - segments)))
}
sent_frames() { ns_ip "$1" -s -j link show dev eth0 | jq '.[0].stats64.tx.packets'; }
for h in a b; do
	in_net $h ethtool -K eth0 tso off gso off gro on tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off >/dev/null
done
check "warm" reach b 10.1.0.1
check "warm, IPv6" reach b fd00::1
# Not even the switch's ports may send super-packets: to veth's eyes nothing is left to be merged then.
for h in a b; do in_net net ethtool -K "to-$h" tso off gso off >/dev/null; done
num "segments are merged" "$(frames b a 10.1.0.1)" -lt 50
num "over IPv6 as well" "$(frames b a fd00::1)" -lt 50
num "and are not without the socket" "$(frames a b 10.1.0.2)" -ge 90

# Nothing comes in through the socket: a VXLAN packet to Geneve's port, with an Ethernet frame for a's own address inside.
ns_ip a addr add 10.77.0.1/32 dev lo
bg sink nsenter --net="/run/netns/$PREFIX-a" -- timeout 3 nc -u -d -l 10.77.0.1 7777
wait_for 3 eval 'in_net a ss -lnuH | grep -q 10.77.0.1:7777'
mac=$(ns_ip a -j link show dev varpgro6081 | jq -r '.[0].address')
for vni in 0 1 16777215; do
	in_net b python3 - "$mac" $vni <<'PY'
import socket, struct, sys
def ip(payload):
    h = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, 17, 0, socket.inet_aton("10.77.0.2"), socket.inet_aton("10.77.0.1"))
    s = sum(struct.unpack("!10H", h)); s = (s & 0xffff) + (s >> 16); s = (s & 0xffff) + (s >> 16)
    return h[:10] + struct.pack("!H", ~s & 0xffff) + h[12:] + payload
udp = struct.pack("!HHHH", 1234, 7777, 8 + 4, 0) + b"in!\n"
frame = bytes.fromhex(sys.argv[1].replace(":", "")) + b"\2\0\0\0\0\1\x08\0" + ip(udp)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(struct.pack("!II", 0x08000000, int(sys.argv[2]) << 8) + frame, ("192.0.2.1", 6081))
PY
done
is "VXLAN packets to the socket get nowhere" "$(bg_wait sink)" ""
is "not even onto the device" "$(ns_ip a -s -j link show dev varpgro6081 | jq '.[0].stats64.rx.packets')" 0

# Another one's socket on the port.
must a detach eth0
check "detached: the device has gone" have_not a
if ns_ip a link add other type vxlan external dstport 6081 2>/dev/null; then
	ns_ip a link set other up
	must a attach eth0
	check "port taken: no device" have_not a
	is "and status does not claim it" "$(features a | grep -c merge)" 0
	like "the log says why" "$(cat "$TMP/varpd-a.log")" "UDP port 6081 is another"
	check "packets flow all the same" wait_for 5 reach a 10.1.0.2
	ns_ip a link del other
	check "port free again: the device is made" wait_for 5 have a
	like "and status says so" "$(features a)" "merge"
fi
varpd_stop a
check "it stays while varpd is away" have a
varpd_start a
like "and is taken over" "$(features a)" "merge"
ns_ip a link del varpgro6081
check "deleted by hand: made again" wait_for 5 have a
ns_ip a link set varpgro6081 down
up() { ns_ip a -j link show dev varpgro6081 | jq -e '.[0].flags | index("UP")' >/dev/null; }
check "set down by hand: up again" wait_for 5 up

done_testing
