#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Keyed channels between hosts: auth and aead, over both families, with MTU-size TCP; what is on the wire; members with another key
# or none; packets played again; rotation and restarts under traffic, which lose nothing and repeat no nonce.
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
pair 0x10
told s "varpd_add 0x10 fd00:1::1 192.0.2.1" "varpd_add 0x10 fd00:1::2 192.0.2.2" \
	"varpd_server_set 0x20" "varpd_add 0x20 10.2.0.1 2001:db8::1" "varpd_add 0x20 10.2.0.2 2001:db8::2"
must a join 0x10 fd00:1::1/64 dev sn0
must b join 0x10 fd00:1::2/64 dev sn0

umask 077
openssl rand -hex 32 >"$TMP/key"
openssl rand -hex 32 >"$TMP/other-key"
umask 022

# channel HOST MODE [KEY [ARGUMENT...]]: channel 0 of supernet 0x10
channel() {
	local host=$1 mode=$2 key=${3:+key $TMP/$3}
	shift $(($# > 3 ? 3 : $#))
	# shellcheck disable=SC2086
	must "$host" channel set 0x10 0x0 "$mode" $key "$@"
}
drops() { stat_of "$1" ".drops.$2"; }
mtu_of() { ns_ip "$1" -j link show "$2" | jq '.[0].mtu'; }
mtu_is() { [ "$(mtu_of "$1" "$2")" = "$3" ]; }
shown() { value "$1" '.[] | "\(.snid) \(.chid) \(.mode)"' channel show; }

# Sends 40 octets that nobody could overlook.
secret_ping() { in_net a ping -n -c 2 -i 0.3 -W $((2 * SCALE)) -s 1000 -p 5ec4e75ec4e75ec4e75ec4e75ec4e75e "$1"; }
# Is the pattern in what was captured?
visible() { grep -qUaP '\x5e\xc4\xe7\x5e\xc4\xe7\x5e\xc4\xe7' "$TMP/$1.pcap"; }
invisible() { ! visible "$@"; }

# tcp NAME ADDRESS: transfers, and whether packets were cut up in time
tcp() {
	iperf_server tcp b "$2"
	got=$(in_net a timeout $((60 * SCALE)) iperf3 -c "$2" -t 1 -J)
	num "$1: TCP transfers" "$(jq '.end.sum_received.bytes // 0' <<<"$got")" -gt 1000000
	bg_wait tcp $((5 * SCALE)) >/dev/null
}

check "plain: reached" wait_for 5 reach a 10.1.0.2
capture plain a eth0 udp port 6081
secret_ping 10.1.0.2 >/dev/null
capture_stop plain
check "plain: the wire shows it all" visible plain
is "plain: MTU" "$(mtu_of a sn0)" 1436

for mode in auth aead; do
	channel a "$mode" key
	is "$mode: shown" "$(shown a)" "0x00000000000000000010 0x000000000000 $mode"
	check "$mode: one member alone reaches nobody" unreach a 10.1.0.2
	channel b "$mode" key
	check "$mode: reached" wait_for 5 reach a 10.1.0.2
	check "$mode: MTU leaves room for the longer option" wait_for 5 mtu_is a sn0 1400
	capture "$mode" a eth0 udp port 6081
	is "$mode: IPv4 answered" "$(secret_ping 10.1.0.2 | grep -c 'bytes from')" 2
	is "$mode: IPv6 answered" "$(secret_ping fd00:1::2 | grep -c 'bytes from')" 2
	capture_stop "$mode"
	num "$mode: captured" "$(packets "$mode")" -ge 8
	check "$mode: a packet of exactly the MTU passes" in_net a ping -n -q -c 1 -W $((2 * SCALE)) -M "do" -s 1372 10.1.0.2
	tcp "$mode, IPv4" 10.1.0.2
	tcp "$mode, IPv6" fd00:1::2
	is "$mode: nothing came as a super-packet" "$(drops a seal_failed) $(drops b seal_failed)" "0 0"
	is "$mode: no tag was wrong" "$(drops a channel_tag) $(drops b channel_tag)" "0 0"
	num "$mode: none was late" $(($(drops a late) + $(drops b late) + $(drops a replay) + $(drops b replay))) -eq 0
done
check "auth: the wire shows what is in packets" visible auth
check "aead: it does not" invisible aead

# A member with another key, and none.
channel b aead other-key
tags=$(drops b channel_tag)
check "another key: not reached" unreach a 10.1.0.2
num "counted" "$(drops b channel_tag)" -gt "$tags"
channel b auth key
modes=$(drops b channel_mode)
check "another mode: not reached" unreach a 10.1.0.2
num "counted" "$(drops b channel_mode)" -gt "$modes"
channel b plain
keys=$(drops b channel_key)
check "no key: not reached" unreach a 10.1.0.2
num "counted" "$(drops b channel_key)" -gt "$keys"
modes=$(drops a channel_mode)
in_net b ping -n -q -c 2 -i 0.3 -W 1 10.1.0.1 >/dev/null 2>&1
num "plain packets to a member: dropped and counted" "$(drops a channel_mode)" -gt "$modes"
is "no key: none is shown" "$(shown b)" ""
channel b aead key
check "the right one again: reached" wait_for 5 reach a 10.1.0.2

# What was captured is played again on the way to b. The replies that b would make are what must not come.
capture again b eth0 src host 192.0.2.1 and udp port 6081
in_net a ping -n -q -c 10 -i 0.05 -W $((2 * SCALE)) 10.1.0.2 >/dev/null
capture_stop again
got=$(packets again)
num "to play again" "$got" -ge 10
replays=$(drops b replay)
echoes=$(in_net b awk '/^Icmp: [0-9]/ { print $10 }' /proc/net/snmp)
in_net a python3 - "$TMP/again.pcap" <<-PY
	import socket, struct, sys
	s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
	s.bind(("eth0", 0))
	with open(sys.argv[1], "rb") as f:
	    f.read(24)
	    while head := f.read(16):
	        s.send(f.read(struct.unpack("<IIII", head)[2]))
PY
played() { [ $(($(drops b replay) - replays)) = "$got" ]; }
check "all of it is counted as replay" wait_for 5 played
is "and none of it delivered" "$(in_net b awk '/^Icmp: [0-9]/ { print $10 }' /proc/net/snmp)" "$echoes"

# stream NAME COUNT: numbered datagrams from a to b, 500 a second
stream() {
	listen_udp "$1" b 10.1.0.2 7000 "$2" $((3000 * SCALE))
	bg "send-$1" nsenter --net="/run/netns/$PREFIX-a" -- "$PROBE" send 10.1.0.2 7000 "$2" 500
}
lossless() {
	like "$3: nothing is lost" "$(bg_wait "$1" 60)" "received $2 lost 0 reordered 0 doubled 0"
	bg_wait "send-$1" >/dev/null
}
# Geneve's header is followed by the option: epoch at 18 of the UDP payload, salt at 32, sequence number at 48.
nonces() {
	python3 - "$TMP/$1.pcap" <<-PY
		import struct, sys
		epochs, salts, nonces, count = set(), set(), set(), 0
		with open(sys.argv[1], "rb") as f:
		    f.read(24)
		    while head := f.read(16):
		        p = f.read(struct.unpack("<IIII", head)[2])[42:]
		        count += 1
		        epochs.add(p[18:20])
		        salts.add(p[32:48])
		        nonces.add(p[32:56])
		print(len(epochs), len(salts), count - len(nonces))
	PY
}

channel a aead key rotate 4
channel b aead key rotate 4
check "rotation every 4 s: reached" wait_for 5 reach a 10.1.0.2
capture rotation a eth0 src host 192.0.2.1 and udp port 6081
stream rotation 5000
lossless rotation 5000 "rotation under traffic"
capture_stop rotation
read -r epochs salts repeated <<<"$(nonces rotation)"
num "several keys were in use" "$epochs" -ge 3
is "one salt" "$salts" 1
is "no nonce twice" "$repeated" 0

# A window is removed with its epoch. Those of hourly keys, which stay, have small numbers.
windows() {
	bpftool -j map dump pinned "/sys/fs/bpf/varp/$PREFIX-b/v2/varp_senders" |
		jq -c '[.[].formatted.key.epoch | select(. > 10000000)] | unique'
}
epochs=$(windows)
none_left() { [ "$(jq -n --argjson was "$epochs" --argjson is "$(windows)" '$was - ($was - $is) | length')" = 0 ]; }
num "windows are kept" "$(jq length <<<"$epochs")" -ge 1
check "until their epochs are over" wait_for 30 none_left

channel a aead key
channel b aead key
check "rotation every hour: reached" wait_for 5 reach a 10.1.0.2
capture restart a eth0 src host 192.0.2.1 and udp port 6081
stream restart 3000
sleep 0.5
varpd_stop a KILL
varpd_stop b KILL
sleep 0.5
varpd_start a
varpd_start b
lossless restart 3000 "kill -9 and start on both hosts"
# Where a start takes longer than the stream, these are the first packets of the new load.
check "reached after it" wait_for 5 reach a 10.1.0.2
capture_stop restart
read -r epochs salts repeated <<<"$(nonces restart)"
num "each start has a salt of its own" "$salts" -ge 2
is "no nonce twice over it" "$repeated" 0
is "keys are still there" "$(shown a)" "0x00000000000000000010 0x000000000000 aead"
check "keys go on being renewed" value a '.[0].next_s' channel show

# IPv6 outside, and a device in another namespace.
ns_add app
must a channel set 0x20 0x0 auth key "$TMP/key"
must b channel set 0x20 0x0 auth key "$TMP/key"
must a join 0x20 10.2.0.1/24 server 192.0.2.9 raddr 2001:db8::1 dev sn2 netns "/run/netns/$PREFIX-app"
must b join 0x20 10.2.0.2/24 server 192.0.2.9 raddr 2001:db8::2 dev sn2
check "auth over IPv6: reached" wait_for 5 in_net app ping -n -q -c 1 -W "$SCALE" 10.2.0.2
is "auth over IPv6: MTU" "$(mtu_of app sn2)" 1380
iperf_server tcp6 b 10.2.0.2
got=$(in_net app timeout $((60 * SCALE)) iperf3 -c 10.2.0.2 -t 1 -J)
num "auth over IPv6: TCP transfers" "$(jq '.end.sum_received.bytes // 0' <<<"$got")" -gt 1000000
bg_wait tcp6 $((5 * SCALE)) >/dev/null
is "nothing came as a super-packet" "$(drops a seal_failed) $(drops b seal_failed)" "0 0"

# Back to plain.
channel a plain
channel b plain
check "plain again: reached" wait_for 5 reach a 10.1.0.2
is "plain again: MTU" "$(mtu_of a sn0)" 1436

# What is refused, and what must not be told.
status_is "a keyed channel without a key" 1 ctl a channel set 0x10 0x0 aead
chmod 644 "$TMP/other-key"
status_is "a key that others may read" 2 ctl a channel set 0x10 0x0 aead key "$TMP/other-key"
echo "no key" >"$TMP/none"
chmod 600 "$TMP/none"
status_is "a file without a key" 2 ctl a channel set 0x10 0x0 aead key "$TMP/none"
status_is "an unknown mode" 1 ctl a channel set 0x10 0x0 secret key "$TMP/key"
status_is "too short a rotation" 2 ctl a channel set 0x10 0x0 aead key "$TMP/key" rotate 3
check "keys are in no log" sh -c "! grep -rq \"\$(cat '$TMP/key')\" '$TMP'/*.log '$TMP'/*.out"

done_testing
