#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Nodes and servers as the daemon keeps them: sections that cannot come into effect, servers that outlive their nodes and those that
# do not, what `status` has to say, and which exit status a refusal has.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

conf=$TMP/varpd.conf
log=$TMP/varpd-a.log
ns_add a
ns_ip a link add eth0 type veth peer name peer0
ns_ip a addr add 192.0.2.1/24 dev eth0
ns_ip a link set eth0 up
ns_ip a link set peer0 up
log_has() { grep -q -e "$1" "$log"; }
servers() { value a '.clients[] | "\(.snid[-2:]) \(.server)"' status | sort | tr '\n' '|'; }
warnings() { value a '.warnings[]' status; }
warned() { warnings | grep -qE -e "$1"; }
unwarned() { ! warned "$1"; }

# --- A section that cannot come into effect -------------------------------------------------------------------------------

cat >"$conf" <<CONF
[underlay eth0]
[underlay eth9]
[node two]
snid = 0x20
vaddr = 10.2.0.1/24
server = 192.0.2.9
dev = two
CONF
ns_ip a link add two type veth peer name two-peer
varpd_start a -c "$conf"
is "device name taken by another interface: no node" "$(value a '.nodes | length' status)" 0
is "and no server of it" "$(servers)" ""
check "status warns of it" warned "varpd.conf:3: \[node two\]: .*two.*; trying again every 5 s"
check "and of the missing interface" warned "varpd.conf:2: \[underlay eth9\]: .*; trying again every 5 s"
check "the log says so" log_has "error: .*varpd.conf:3: \[node two\]: "
ns_ip a link add eth9 type veth peer name peer9
ns_ip a link del two
has_two() { [ "$(value a '.nodes[].dev' status) $(servers)" = "two 20 192.0.2.9|" ]; }
check "once the name is free the node is there, and its server" wait_for 12 has_two
check "no more warnings of sections" wait_for 12 unwarned "trying again"
is "each problem was logged once" "$(grep -c 'error: .*trying again' "$log")" 2
must a leave 0x20
must a join 0x30 10.3.0.1/24 server 192.0.2.9 dev two
printf '[client 0x40]\nserver = 192.0.2.7\n' >>"$conf"
kill -HUP "${VARPD_PID[a]}"
check "SIGHUP: name taken by a device of another supernet: a warning" wait_for 5 warned "\[node two\]: .*trying again"
is "the node's server is not set" "$(servers)" "30 192.0.2.9|40 192.0.2.7|"
sed -i '/^\[node/,/^dev/d' "$conf"
kill -HUP "${VARPD_PID[a]}"
check "section taken away: no more warning" wait_for 5 unwarned "trying again"
must a leave 0x30

# --- A server that the node itself hides ------------------------------------------------------------------------------------

hidden="within the node's own network"
like "join warns of one within the node's network" "$(ctl a join 0x60 10.6.0.1/20 server 10.6.15.9 2>&1)" \
	"warning: server 10.6.15.9 is an address $hidden 10.6.0.1/20"
check "so does status" warned "server 10.6.15.9 is an address $hidden"
must a leave 0x60
is "not of one beside it" "$(ctl a join 0x60 10.6.0.1/20 server 10.6.16.9 2>&1 | grep -c "$hidden")" 0
must a leave 0x60
is "nor of one that a longer route leads to" "$(ctl a join 0x60 192.0.0.1/16 server 192.0.2.9 2>&1 | grep -c "$hidden")" 0
must a leave 0x60
is "nor of one of the other family" "$(ctl a join 0x60 fd06::1/64 server 192.0.2.9 2>&1 | grep -c "$hidden")" 0
is "nor does status" "$(value a '.warnings[]' status | grep -c "$hidden")" 0
must a leave 0x60

# --- Whose server goes with the last node ---------------------------------------------------------------------------------

is "a server that join named went, one of a [client] section is there" "$(servers)" "40 192.0.2.7|"
must a join 0x40 10.4.0.1/24
must a leave 0x40
is "[client]: stays when the last node goes" "$(servers)" "40 192.0.2.7|"
is "varpd_client_set" "$(client a 'varpd_client_set 0x50 192.0.2.8')" OK
must a join 0x50 10.5.0.1/24
must a leave 0x50
is "stays when the last node goes" "$(servers)" "40 192.0.2.7|50 192.0.2.8|"
must a join 0x50 10.5.0.1/24 server 192.0.2.8
must a leave 0x50
is "also if join names the same server" "$(servers)" "40 192.0.2.7|50 192.0.2.8|"
must a join 0x50 10.5.0.1/24 server 192.0.2.9
must a leave 0x50
is "but one that join put in its place goes" "$(servers)" "40 192.0.2.7|"
must a join 0x51 10.5.1.1/24 server 192.0.2.9
is "varpd_client_set after a join" "$(client a 'varpd_client_set 0x51 192.0.2.9')" OK
must a leave 0x51
is "makes the server stay" "$(servers)" "40 192.0.2.7|51 192.0.2.9|"
is "varpd_client_clear" "$(client a 'varpd_client_clear 0x51')" OK
must a join 0x51 10.5.1.1/24 server 192.0.2.9
must a join 0x51 10.5.1.2/24
must a leave 0x51 10.5.1.2
is "as long as there is a node the server is known" "$(servers)" "40 192.0.2.7|51 192.0.2.9|"
varpd_stop a KILL
: >"$conf"
varpd_start a -c "$conf"
is "a restarted varpd knows both servers" "$(servers)" "40 192.0.2.7|51 192.0.2.9|"
must a leave 0x51
is "the one whose supernet had a node counts as named by join" "$(servers)" "40 192.0.2.7|"
must a join 0x40 10.4.0.1/24
must a leave 0x40
is "the other stays" "$(servers)" "40 192.0.2.7|"
is "until it is cleared" "$(client a 'varpd_client_clear 0x40')$(servers)" OK
must a join 0x52 10.5.2.1/24 server 192.0.2.9 dev by-hand
ns_ip a link del by-hand
no_nodes() { [ "$(value a '.nodes | length' status)" = 0 ]; }
check "a device deleted by hand is no node any more" wait_for 5 no_nodes
is "its server is still there" "$(servers)" "52 192.0.2.9|"
must a leave 0x52
is "until somebody leaves" "$(servers)" ""
is "which is an error the second time" "$(ctl a leave 0x52 2>&1)" "varpctl: no node of supernet 0x00000000000000000052 is here"
is "varpd_client_set" "$(client a 'varpd_client_set 0x52 192.0.2.8')" OK
is "nor does leave take one that was set by itself" "$(ctl a leave 0x52 2>/dev/null; echo "$? $(servers)")" "2 52 192.0.2.8|"
is "varpd_client_clear" "$(client a 'varpd_client_clear 0x52')" OK

# --- Warnings say what to do ----------------------------------------------------------------------------------------------

must a detach eth9
is "all is well: no warnings" "$(warnings)" ""
must a join 0x10 10.1.0.1/24
check "no server" warned "node 10.1.0.1 of 0x00000000000000000010: no VARP server .*varpd_client_set"
ns_add far
must a join 0x12 fd00::1/64 netns "$PREFIX-far"
node="node fd00::1 of 0x00000000000000000012: its device"
ns_ip far addr del fd00::1/64 dev sn0
check "address taken away by hand" warned "$node has not .*\`ip -n $PREFIX-far address add fd00::1/64 dev sn0\`"
ns_ip far addr add fd00::1/64 dev sn0 nodad
check "and given back" unwarned "$node"
ns_ip far link set sn0 down
check "device down" warned "$node is down: \`ip -n $PREFIX-far link set sn0 up\`"
must a leave 0x12
ns_ip a link set eth0 down
check "underlay down" wait_for 5 warned "underlay eth0 is down, .*\`ip -n $PREFIX-a link set eth0 up\`"
ns_ip a link set eth0 up
check "and up" wait_for 5 unwarned "eth0 is down"
ns_ip a addr flush dev eth0
check "no address" wait_for 5 warned "underlay eth0 has no address, .*\`ip -n $PREFIX-a address add ADDR/LEN dev eth0\`"
ns_ip a addr add 192.0.2.1/24 dev eth0
check "and an address" wait_for 5 unwarned "no address"

is "a server without a route" "$(client a 'varpd_client_set 0x10 198.51.100.1')" OK
status_is "is not asked" 4 ctl a resolve 0x10 10.1.0.9 --timeout 1
check "and that is said" warned "server 198.51.100.1 of supernet 0x00000000000000000010: requests cannot be sent: Network is unreachable"
status_is "a join does not change the other nodes' server" 2 ctl a join 0x10 10.1.0.2/24 server 192.0.2.9
like "and says how to" "$OUT" "other nodes here ask server 198.51.100.1: .*varpd_client_set 0x00000000000000000010 192.0.2.9"
is "nothing has changed" "$(value a '.clients[] | select(.snid == "0x00000000000000000010") | .server' status) $(value a '[.nodes[] | select(.vaddr == "10.1.0.2")] | length' status)" "198.51.100.1 0"
status_is "a join that names the same one" 0 ctl a join 0x10 10.1.0.2/24 server 198.51.100.1
status_is "nor does joining once more change it" 2 ctl a join 0x10 10.1.0.1/24 server 192.0.2.9
like "which says that the node is there" "$OUT" "10.1.0.1 in supernet 0x00000000000000000010 is on sn0 already"
is "said on the group client's socket" "$(client a 'varpd_client_set 0x10 192.0.2.9')" OK
must a leave 0x10 10.1.0.2
status_is "it may be named then" 0 ctl a join 0x10 10.1.0.2/24 server 192.0.2.9
must a leave 0x10 10.1.0.2
check "now it can be sent to" unwarned "cannot be sent"
for address in 10.1.0.0/24 10.1.0.255/24 10.1.0.7/0; do status_is "$address is no host's address" 1 ctl a join 0x10 "$address"; done
ns_ip a link add gone0 type veth peer name gone1
must a attach gone0
ns_ip a link del gone0
check "underlay gone" wait_for 5 warned "underlay gone0 has gone, .*\`varpctl detach gone0\`"
is "no other word about it" "$(warnings | grep -c gone0)" 1
must a detach gone0
check "detach forgets it" unwarned gone0
is "client cleared" "$(client a 'varpd_client_clear 0x10')" OK

# --- Pins that somebody has removed -----------------------------------------------------------------------------------------

is "a server again" "$(client a 'varpd_client_set 0x10 192.0.2.9')" OK
is "all is well again: no warnings" "$(warnings)" ""
if [ "$(value a '.underlays[0].attached_by' status)" = tcx ]; then
	rm "$(pins a)"/links/decap-*
	check "the pin of the underlay's program" warned "nothing is forwarded over eth0: somebody has removed the pin"
fi
rm -rf "/sys/fs/bpf/varp/$PREFIX-a"
check "the pins of all maps" warned "removed pinned maps .varp_cache first of all. from $(pins a): .*leave and detach what is here, restart varpd"
like "status does not say OK" "$(ctl a status)" "varpd $PREFIX-a: [12] warning"
must a leave 0x10
must a detach eth0
varpd_stop a
varpd_start a -c "$conf"
must a attach eth0
must a join 0x10 10.1.0.1/24 server 192.0.2.9
is "what it says helps" "$(warnings)" ""
is "its server is cleared" "$(client a 'varpd_client_clear 0x10')" OK

# --- Mappings that nobody is told ---------------------------------------------------------------------------------------------

told a 'varpd_add 0x60 10.6.0.1 192.0.2.1' 'varpd_add 0x60 10.6.0.2 192.0.2.1'
check "not served: said" warned "supernet 0x00000000000000000060 has 2 mappings here and is not served, so nobody is told them: varpd_server_set 0x00000000000000000060"
told a 'varpd_add 0x61 10.6.0.1 192.0.2.1'
check "one line for all" warned "is not served .so are 1 more supernets."
told a 'varpd_server_set 0x60' 'varpd_remove 0x61 10.6.0.1'
check "served or removed: nothing is said" unwarned "is not served"
told a 'varpd_remove 0x60 10.6.0.1' 'varpd_remove 0x60 10.6.0.2' 'varpd_server_clear 0x60'

# --- Exit status 5 is for a lack of privileges only -----------------------------------------------------------------------

ns_add b
in_net b sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
status_is "IPv6 vaddr where IPv6 is switched off: failed" 2 ctl a join 0x11 fd00::1/64 netns "$PREFIX-b"
like "says why" "$OUT" "IPv6"
is "no device is left" "$(ns_ip b -br link | grep -c '^sn')" 0

# --- negative-ttl can change ----------------------------------------------------------------------------------------------

told a 'varpd_server_set 0x10'
status_is "a negative answer" 3 ctl a resolve 0x10 10.1.0.66
num "lives for 5 seconds" "$(value a .ttl_s cache get 0x10 10.1.0.66)" -le 5
printf '[varpd]\nnegative-ttl = 100\n' >"$conf"
: >"$log"
kill -HUP "${VARPD_PID[a]}"
check "SIGHUP: reloaded" wait_for 5 log_has "reloaded$"
status_is "the next negative answer" 3 ctl a resolve 0x10 10.1.0.67
num "lives for as long as configured now" "$(value a .ttl_s cache get 0x10 10.1.0.67)" -gt 90
varpd_stop a
done_testing
