#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Two instances of varpd on one underlay: each takes its own packets and leaves the other's alone, and one goes without the other
# noticing.
#
#     ns P-a:  varpd P-a (VARP 2500), varpd P-a2 (VARP 2600), both on eth0; node devices in P-a and P-a-two
#     ns P-b:  the same; the instances of b serve their supernets
# kernels: yes
. "$(dirname "$0")/../lib.sh"

# second HOST: another instance in the same namespace
second() {
	mkdir -p "$TMP/state-${1}2"
	"$VARPD" -i "$PREFIX-${1}2" --netns "$PREFIX-$1" --state-dir "$TMP/state-${1}2" --insecure --varp-port 2600 \
		--grp-mgr-listen 127.0.0.1:2602 --grp-clt-listen 127.0.0.1:2603 >>"$TMP/varpd-${1}2.log" 2>&1 </dev/null &
	# shellcheck disable=SC2034
	VARPD_PID[${1}2]=$!
	wait_for 15 varpd_ready "${1}2" || bail "second varpd of host $1 did not start: $(tail -n 3 "$TMP/varpd-${1}2.log")"
}

fabric
host_add a 1
host_add b 2
for host in a b; do
	varpd_start $host
	second $host
	must $host attach eth0
	must ${host}2 attach eth0
	ns_add $host-two
done
told b "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.2"
answers=$(printf '%s\n' "varpd_server_set 0x20" "varpd_add 0x20 10.1.0.1 192.0.2.1" "varpd_add 0x20 10.1.0.2 192.0.2.2" |
	in_net b timeout $((20 * SCALE)) nc -N 127.0.0.1 2602 | sort -u)
is "second instance has a group manager's socket of its own" "$answers" OK
must a join 0x10 10.1.0.1/24 server 192.0.2.2
must b join 0x10 10.1.0.2/24
must a2 join 0x20 10.1.0.1/24 server 192.0.2.2 netns "$PREFIX-a-two"
must b2 join 0x20 10.1.0.2/24 netns "$PREFIX-b-two"

drops() { stat_of "$1" '[.drops | to_entries[] | select(.key == "not_joined" or .key == "not_local") | .value] | add'; }
joined() { bpftool -j map dump pinned /sys/fs/bpf/varp/shared-v1/joined | jq length; }
others() { find /sys/fs/bpf/varp -mindepth 1 -maxdepth 1 ! -name "shared-v*" 2>/dev/null | wc -l; }

is "first instance: five pings are answered" "$(pinged a 10.1.0.2 -c 5 -i 0.1)" 5
is "second instance: five pings are answered" "$(pinged a-two 10.1.0.2 -c 5 -i 0.1)" 5
is "nobody dropped the other's packets" "$(drops a) $(drops a2) $(drops b) $(drops b2)" "0 0 0 0"

# What none of them has joined ends at the first.
in_net a python3 - <<'PY'
import socket
inner = bytes([0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 1, 0, 2])
data = bytes([7, 0x40, 0x08, 0x00, 0, 0, 0, 0, 0xff, 0x56, 0x81, 6]) + bytes(6) + b"\0\0\x65\x58\0\0" + bytes(9) + b"\x99\x08\0" + inner
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(data, ("192.0.2.2", 6081))
PY
like "a supernet that nobody has joined: dropped once" "$(drops b) $(drops b2)" "^(1 0|0 1)$"

# Ends, kills, restarts and detaches of one leave the other alone.
varpd_stop a KILL
varpd_stop b2 KILL
is "one of each host is killed: both go on" "$(pinged a 10.1.0.2 -c 2 -i 0.1) $(pinged a-two 10.1.0.2 -c 2 -i 0.1)" "2 2"
varpd_start a
second b
is "and started again: both go on" "$(pinged a 10.1.0.2 -c 2 -i 0.1) $(pinged a-two 10.1.0.2 -c 2 -i 0.1)" "2 2"
must a detach eth0
must b detach eth0
is "the first is detached: the second goes on" "$(pinged a-two 10.1.0.2 -c 3 -i 0.1)" 3
is "and the first does not" "$(pinged a 10.1.0.2 -c 1 -W 1)" 0
must a attach eth0
must b attach eth0
must a2 detach eth0
must b2 detach eth0
check "the other way round" wait_for 8 reach a 10.1.0.2

# Both in the same supernet.
must a2 attach eth0
must b2 attach eth0
must b join 0x30 10.3.0.2/24 netns "$PREFIX-b-two" dev three
must b2 join 0x30 10.3.0.3/24 netns "$PREFIX-b-two" dev four
told b "varpd_server_set 0x30" "varpd_add 0x30 10.3.0.1 192.0.2.1" "varpd_add 0x30 10.3.0.2 192.0.2.2" \
	"varpd_add 0x30 10.3.0.3 192.0.2.2"
must a join 0x30 10.3.0.1/24 server 192.0.2.2
before=$(stat_of b2 .datapath.decap_packets)
dropped="$(drops b) $(drops b2)"
in_net a "$PROBE" send 10.3.0.3 9 1 0 >/dev/null
arrived() { [ "$(stat_of b2 .datapath.decap_packets)" -gt "$before" ]; }
check "a packet for the second instance's node passes the first" wait_for 5 arrived
is "and is not dropped" "$(drops b) $(drops b2)" "$dropped"

# The record of who has joined goes with them.
before=$(joined)
must b leave 0x30
is "the first leaves: the second is still recorded" "$(joined)" "$before"
must b2 leave 0x30
num "the second leaves too" "$(joined)" -lt "$before"
for host in a b a2 b2; do
	for snid in $(value $host '[.nodes[].snid] | unique | .[]' status); do must $host leave "$snid"; done
	must $host detach eth0
	varpd_stop $host TERM
done
is "no instance is left behind" "$(find /sys/fs/bpf/varp -maxdepth 1 -name "$PREFIX*")" ""
if [ "$(others)" -eq 0 ]; then
	is "the last one takes the shared map along" "$(ls -d /sys/fs/bpf/varp 2>/dev/null)" ""
else
	skip "the last one takes the shared map along" "other instances of varpd are on this machine"
fi

# Two on one machine need names of their own.
"$VARPD" -i shared-v1 --netns "$PREFIX-a" --state-dir "$TMP/state-x" --insecure >"$TMP/reserved" 2>&1
like "the shared directory's name is no instance's" "$(tail -n 1 "$TMP/reserved")" "reserved"

done_testing
