#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What goes wrong at varpctl: each failure has the exit status of the interface, one line that helps, and leaves nothing half done.
. "$(dirname "$0")/../lib.sh"

# refused NAME STATUS REGEX HOST ARGUMENT...: status, one line on stderr, that matches; nothing on stdout
refused() {
	local name=$1 status=$2 regex=$3 host=$4 got
	shift 4
	ctl "$host" "$@" >"$TMP/stdout" 2>"$TMP/stderr"
	got=$?
	like "$name: exit status" "$got" "^$status\$"
	like "$name: says why" "$(cat "$TMP/stderr")" "$regex"
	[ "$status" = 1 ] || is "$name: in one line, and nothing else" "$(wc -l <"$TMP/stderr") $(wc -c <"$TMP/stdout")" "1 0"
}

fabric
host_add a 1
host_add s 9

refused "no daemon" 2 "not running|No such file" a status
refused "no daemon, attach" 2 "not running|No such file" a attach eth0
refused "unknown command" 1 "frobnicate" a frobnicate
refused "missing argument" 1 "[Uu]sage" a attach
refused "bad SnId" 1 "snid|SnId|supernet" a join 0xzz 10.1.0.1/24
refused "bad vaddr" 1 "10.1.0.300" a join 0x10 10.1.0.300/24
refused "prefix length missing" 1 "LEN|length" a join 0x10 10.1.0.1
refused "prefix length too long" 1 "33" a join 0x10 10.1.0.1/33
refused "bad keyword" 1 "sever" a join 0x10 10.1.0.1/24 sever 192.0.2.9
refused "bad timeout" 1 "timeout" a resolve 0x10 10.1.0.1 --timeout never
is "help succeeds" "$(ctl a help >/dev/null 2>&1; echo $?)" 0
is "version succeeds" "$(ctl a version >/dev/null 2>&1; echo $?)" 0

varpd_start a
varpd_start s
links() { ns_ip a -br link | awk '{ print $1 }' | tr '\n' ' '; }
records() {
	local map
	for map in varp_devs varp_local varp_underlays; do map_dump a $map | jq length; done | tr '\n' ' '
	map_dump a varp_supernets | jq '[.[].formatted.value | select(.used == 1)] | length'
}
untouched() { is "$1: nothing is left" "$(links)$(records)" "$clean"; }
clean=$(links)$(records)

refused "join before attach" 2 "attach" a join 0x10 10.1.0.1/24
untouched "join before attach"
refused "a server that is no host" 2 "one host" a join 0x10 10.1.0.1/24 server 224.0.0.1
untouched "a server that is no host"
refused "attach a missing interface" 2 "eth7" a attach eth7
refused "attach loopback" 2 "lo" a attach lo
refused "detach what is not attached" 2 "eth0" a detach eth0
untouched "attach and detach"
refused "leave what was not joined" 2 "0x00000000000000000010|0x10" a leave 0x10
refused "cache get of nothing" 3 "." a cache get 0x10 10.1.0.1

must a attach eth0
refused "attach twice" 2 "already" a attach eth0
clean=$(links)$(records)
refused "bad namespace" 2 "nowhere" a join 0x10 10.1.0.1/24 netns nowhere
untouched "bad namespace"
refused "raddr that is not ours" 2 "192.0.2.44" a join 0x10 10.1.0.1/24 raddr 192.0.2.44
untouched "raddr that is not ours"
refused "device name in use" 2 "eth0" a join 0x10 10.1.0.1/24 dev eth0
untouched "device name in use"
refused "device name too long" "[12]" "sixteencharacter" a join 0x10 10.1.0.1/24 dev sixteencharacters

must a join 0x10 10.1.0.1/24 server 192.0.2.9
clean=$(links)$(records)
refused "join twice" 2 "already|exists" a join 0x10 10.1.0.1/24 server 192.0.2.9
untouched "join twice"
refused "device of another supernet" 2 "sn0" a join 0x20 10.2.0.1/24 dev sn0
untouched "device of another supernet"
refused "attach the node device" 2 "sn0" a attach sn0
refused "attach its peer" 2 "." a attach "$(ns_ip a -j -d link show | jq -r '.[] | select(.linkinfo.info_kind == "veth" and .ifname != "eth0" and .ifname != "sn0") | .ifname' | head -n 1)"
refused "leave another vaddr" 2 "10.1.0.9" a leave 0x10 10.1.0.9
refused "resolve: not known" 3 "." a resolve 0x10 10.1.0.2 --timeout 2

# Somebody deletes the node device.
ns_ip a link del sn0
no_node() { [ "$(value a '.nodes | length' status)" = 0 ]; }
check "node device deleted by hand: node is gone from status" wait_for 5 no_node
is "and from the maps" "$(map_dump a varp_devs | jq length) $(map_dump a varp_local | jq length)" "0 0"
like "status says what is left" "$(value a '.warnings[]' status)" "0x0*10 has the server of a join, but no node here any more.*varpctl leave 0x0*10"
status_is "joining again works" 0 ctl a join 0x10 10.1.0.1/24 server 192.0.2.9
is "as sn0" "$(value a '.nodes[].dev' status)" sn0
is "and status has nothing to say of it" "$(value a '.warnings[]' status | grep -c "no node here")" 0

# A user who may not.
if command -v setpriv >/dev/null; then
	setpriv --reuid 65534 --regid 65534 --clear-groups "$VARPCTL" -i "$PREFIX-a" status >"$TMP/stdout" 2>"$TMP/stderr"
	is "no permission: exit status" "$?" 5
	like "no permission: says so" "$(cat "$TMP/stderr")" "ermission|root"
else
	skip "no permission" "setpriv is not installed"
fi

# Out of descriptors: a varpd with few, all taken by connections, answers again when they are gone, and fails cleanly meanwhile.
limit=$(($(find "/proc/${VARPD_PID[a]}/fd" -mindepth 1 | wc -l) + 3))
prlimit --pid "${VARPD_PID[a]}" --nofile=$limit:$limit
before=$(links)$(records)
must a leave 0x10
clean=$(links)$(records)
ns_add a-one
for i in 1 2 3 4; do
	bg hold$i nsenter --net="/run/netns/$PREFIX-a" -- nc -d 127.0.0.1 2500
done
sleep 0.3
timeout $((5 * SCALE)) "$VARPCTL" -i "$PREFIX-a" join 0x10 10.1.0.1/24 netns "$PREFIX-a-one" >"$TMP/stdout" 2>"$TMP/stderr"
num "out of descriptors: join fails or is not heard" "$?" -ne 0
for i in 1 2 3 4; do bg_stop hold$i >/dev/null; done
check "varpd answers again when there are some" wait_for 10 ctl a status
prlimit --pid "${VARPD_PID[a]}" --nofile=1024:1024
links_back() { [ "$(links)$(records)" = "$clean" ]; }
check "and nothing is left half done" wait_for 5 links_back
status_is "join works" 0 ctl a join 0x10 10.1.0.1/24 server 192.0.2.9
is "and gives what was there" "$(links | tr ' ' '\n' | grep -c .) $(records)" "$(tr ' ' '\n' <<<"$before" | grep -c '[a-z]') $(records)"

done_testing
