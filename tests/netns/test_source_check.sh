#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The source check: packets are taken only from where their source lives. c forges: it sends, in Geneve of its own making, what only
# a could send to b, in the name of a node that b knows, of one that it has to ask for, of one that nobody knows, and of b's own.
# kernels: yes
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
host_add c 3
pair 0x10
told s "varpd_add 0x10 10.1.0.7 192.0.2.1" "varpd_add 0x10 10.1.0.8 192.0.2.1" "varpd_add 0x10 10.1.0.9 192.0.2.1"
must a join 0x10 10.1.0.7/24

drops() { stat_of b ".drops.$1"; }
# forge SOURCE COUNT FROM: datagrams to port 7000 of 10.1.0.2, octets "forged"
forge() {
	in_net c python3 - "$1" "$2" "$3" <<-PY
		import socket, struct, sys
		def checksum(b):
		    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
		    s = (s & 0xffff) + (s >> 16)
		    return ~((s & 0xffff) + (s >> 16)) & 0xffff
		def ip(src, dst, payload):
		    h = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, 17, 0,
		                    socket.inet_aton(src), socket.inet_aton(dst))
		    return h[:10] + struct.pack("!H", checksum(h)) + h[12:] + payload
		def udp(sport, dport, payload):
		    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
		source, count, outer = sys.argv[1], int(sys.argv[2]), sys.argv[3]
		inner = ip(source, "10.1.0.2", udp(4000, 7000, b"forged"))
		option = struct.pack("!HBB6sHHH10sH", 0xff56, 0x81, 6, bytes(6), 0, 0x6558, 0, bytes(9) + b"\x10", 0x0800)
		packet = ip(outer, "192.0.2.2", udp(50000, 6081, struct.pack("!BBHI", 7, 0x40, 0x0800, 0) + option + inner))
		s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
		for _ in range(count):
		    s.sendto(packet, ("192.0.2.2", 0))
	PY
}
# What reaches b's application, whoever sent it.
capture all b sn0 udp port 7000
arrived() { packets all; }
counted() { [ "$(drops "$1")" -ge "$2" ]; }

is "a packet from where its source lives: a asks, b asks, nobody loses" "$(pinged a 10.1.0.2 -c 3 -i 0.2)" 3
is "b has learned a by it" "$(value b '[.[] | select(.vaddr == "10.1.0.1" and .state == "resolved")] | length' cache show)" 1

n=$(drops source_mismatch)
forge 10.1.0.1 5 192.0.2.3
check "forged, in a known node's name: dropped and counted" wait_for 5 counted source_mismatch $((n + 5))
n=$(drops source_mismatch)
forge 10.1.0.7 3 192.0.2.3
check "in the name of one that b has to ask for: held, asked for, dropped" wait_for 5 counted source_mismatch $((n + 3))
is "and where that one lives is known now" "$(value b '.raddr' cache get 0x10 10.1.0.7)" 192.0.2.1
n=$(drops source_notknown)
forge 10.1.0.99 3 192.0.2.3
check "in the name of one that nobody knows: dropped" wait_for 5 counted source_notknown $((n + 3))
forge 10.1.0.99 2 192.0.2.3
check "and once more, without asking" wait_for 5 counted source_notknown $((n + 5))
n=$(drops source_mismatch)
forge 10.1.0.2 2 192.0.2.3
check "in the name of b's own node: dropped" wait_for 5 counted source_mismatch $((n + 2))
is "nothing of it arrived" "$(arrived)" 0
is "nobody was told by ICMP" "$(stat_of b .datapath.icmp_sent)" 0

# The true source's first packet waits for the answer, and arrives.
must a join 0x10 10.1.0.8/24
listen_udp first b 10.1.0.2 7100 8 $((2000 * SCALE))
in_net a ip route replace 10.1.0.2/32 dev sn0 src 10.1.0.8
in_net a "$PROBE" send 10.1.0.2 7100 8 1000 >/dev/null
like "a source's first packets are held, none is lost, order is kept" "$(bg_wait first 30)" "received 8 lost 0 reordered 0 doubled 0"
in_net a ip route del 10.1.0.2/32 dev sn0
num "requests, suppressed and dropped are all misses" \
	"$(map_dump b varp_supernets | jq '[.[] | .formatted.value // .value | select(.used == 1) | .misses - .requests - .suppressed - .dropped] | add')" -eq 0

# A stranger's flood of sources leaves room for b's own lookups.
in_net c python3 - <<-PY
	import socket, struct
	def ip(src, dst, payload):
	    h = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, 17, 0, src, socket.inet_aton(dst))
	    s = sum(struct.unpack("!10H", h))
	    s = (s & 0xffff) + (s >> 16)
	    return h[:10] + struct.pack("!H", ~((s & 0xffff) + (s >> 16)) & 0xffff) + h[12:] + payload
	def udp(sport, dport, payload):
	    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
	option = struct.pack("!HBB6sHHH10sH", 0xff56, 0x81, 6, bytes(6), 0, 0x6558, 0, bytes(9) + b"\x10", 0x0800)
	s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
	for n in range(9000):
	    inner = ip(struct.pack("!I", 0x0a020000 + n), "10.1.0.2", udp(4000, 7000, b"flood"))
	    s.sendto(ip(socket.inet_aton("192.0.2.3"), "192.0.2.2",
	                udp(50000, 6081, struct.pack("!BBHI", 7, 0x40, 0x0800, 0) + option + inner)), ("192.0.2.2", 0))
PY
must b cache flush 0x10 10.1.0.7
check "a flood of unknown sources: b's own lookups are served" wait_for 5 reach b 10.1.0.7
is "nothing of the flood arrived" "$(arrived)" 0

# Switched off.
varpd_stop b
varpd_start b --source-check no
forge 10.1.0.1 3 192.0.2.3
three() { [ "$(arrived)" = 3 ]; }
check "source-check = no: all is taken" wait_for 5 three
capture_stop all

done_testing
