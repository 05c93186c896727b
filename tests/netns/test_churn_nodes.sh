#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Node devices through changes around them: an underlay too narrow for IPv6, one that is down, names that are taken, namespaces with
# two names, and a varpd that ends with nothing but a server configured.
# kernels: slow
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
pair 0x10
told s "varpd_server_set 0x16" "varpd_add 0x16 fd00:1::1 192.0.2.1" "varpd_add 0x16 fd00:1::2 192.0.2.2"
must a join 0x16 fd00:1::1/64 server 192.0.2.9 dev six
must b join 0x16 fd00:1::2/64 server 192.0.2.9 dev six
check "IPv4 is reached" reach a 10.1.0.2
check "IPv6 is reached" reach a fd00:1::2

# --- Narrow underlays ----------------------------------------------------------------------------------------------------

node_mtu() { value a ".nodes[] | select(.dev == \"$1\") | .mtu" status; }
link_mtu() { ns_ip "$1" -j link show dev "$2" | jq '.[0].mtu'; }
mtu_is() { [ "$(node_mtu "$1")" = "$2" ]; }
quiet() { in_net a ip -6 addr show dev sn0; in_net a ip -6 addr show dev sn0p; }
addresses() { ns_ip a -6 -j addr show dev six | jq -c '[.[].addr_info[]? | .local]'; }

is "IPv6 addresses before" "$(addresses)" '["fd00:1::1"]'
underlay_mtu 1300 a b
check "underlay of 1300: the IPv4 node follows" wait_for 5 mtu_is sn0 1236
is "the IPv6 node keeps 1280" "$(node_mtu six) $(link_mtu a six)" "1280 1280"
is "and its address, and gets no other" "$(addresses)" '["fd00:1::1"]'
is "small IPv6 packets pass" "$(pinged a fd00:1::2 -c 2 -i 0.1)" 2
big=$(stat_of a .drops.too_big)
in_net a "$PROBE" send fd00:1::2 9 5 100 1200 >/dev/null
num "those that do not fit are counted" "$(stat_of a .drops.too_big)" -gt "$big"
must a join 0x17 10.7.0.1/24 dev both
is "an IPv4 node joined now: MTU" "$(link_mtu a both)" 1236
must a join 0x17 fd00:7::1/64 dev both
is "with an IPv6 address as well" "$(link_mtu a both)" 1280
must a leave 0x17 fd00:7::1
is "and without it" "$(link_mtu a both)" 1236
must a leave 0x17
must a join 0x17 fd00:7::1/64 dev both
is "an IPv6 node joined now: MTU" "$(link_mtu a both)" 1280
must a leave 0x17
underlay_mtu 1500 a b
check "underlay of 1500 again: MTU" wait_for 5 mtu_is six 1436
is "IPv6 addresses after" "$(addresses)" '["fd00:1::1"]'
is "IPv6 is reached" "$(pinged a fd00:1::2 -c 2 -i 0.1)" 2
check "the IPv4 node follows" wait_for 5 mtu_is sn0 1436
sleep 0.2
is "and has got no IPv6 address, nor has its peer" "$(quiet)" ""

# --- An underlay that is down --------------------------------------------------------------------------------------------

lost=$(stat_of a .drops.no_underlay)
ns_ip a link set eth0 down
down() { [ "$(value a '.underlays[0].up' status)" = "$1" ]; }
check "underlay down: noticed" wait_for 5 down false
in_net a "$PROBE" send 10.1.0.2 9 5 100 >/dev/null
is "what is sent is counted" $(($(stat_of a .drops.no_underlay) - lost)) 5
is "the node still names its underlay" "$(value a '.nodes[] | select(.dev == "sn0") | .underlay' status)" eth0
ns_ip a link set eth0 up
check "underlay up: reached again" wait_for 8 reach a 10.1.0.2

# --- What is in the way --------------------------------------------------------------------------------------------------

ns_add other
status_is "this very node again is refused" 2 ctl a join 0x10 10.1.0.1/24
like "as being here" "$OUT" "already"
status_is "a name that is taken is refused" 2 ctl a join 0x18 10.8.0.1/24 dev eth0
like "with the reason" "$OUT" "interface eth0 already"
status_is "a device of another supernet is refused" 2 ctl a join 0x18 10.8.0.1/24 dev sn0
like "with the reason" "$OUT" "another supernet"
is "and nothing is left of them" "$(value a '[.nodes[] | select(.snid == "0x00000000000000000018")] | length' status)" 0

links() { ns_ip a -j link show | jq '[.[].ifname] | length'; }
before=$(links)
for dev in z%d a/b a:b 'a b' . .. $'a\tb' $'a\x01b' 0123456789abcdef ''; do
	status_is "\"$dev\" is no name for a device" 1 ctl a join 0x18 10.8.0.1/24 dev "$dev"
done
is "and nothing is left of them" "$(links)" "$before"

# Prefixes that are elsewhere too.
like "a prefix that overlaps the underlay's is warned of" "$(value a .warning join 0x18 192.0.2.77/28 dev seven server 192.0.2.9)" \
	'192.0.2.77/28 overlaps 192.0.2.1/24 of eth0.*netns'
must a leave 0x18
like "so is another supernet's" "$(value a .warning join 0x18 10.1.0.99/16 dev seven server 192.0.2.9)" "of sn0"
must a leave 0x18
is "another prefix is not" "$(value a .warning join 0x18 10.8.0.1/24 dev seven server 192.0.2.9)" null
is "nor one in a namespace of its own" "$(value a .warning join 0x18 10.1.0.99/16 dev eight netns "$PREFIX-other" server 192.0.2.9)" null
must a leave 0x18

# What is no namespace is not waited for.
mkfifo "$TMP/fifo"
touch "$TMP/file"
for path in fifo file; do
	status_is "a $path is no namespace" 2 timeout $((5 * SCALE)) "$VARPCTL" -i "$PREFIX-a" join 0x18 10.8.0.1/24 netns "$TMP/$path"
	like "with the reason" "$OUT" "not a namespace"
	status_is "nor for varpd itself" 2 timeout $((5 * SCALE)) "$VARPD" -i "$PREFIX-x" --netns "$TMP/$path" --state-dir "$TMP" --insecure
done
check "varpd still answers" ctl a status

# --- Half-made pairs -----------------------------------------------------------------------------------------------------

ns_ip a link add half type veth peer name halfp
ns_ip a link set halfp alias "varp:$PREFIX-a"
ns_ip a link add others type veth peer name othersp
ns_ip a link set othersp alias "varp:$PREFIX-ab"
group=$(ns_ip a -j link show dev sn0p | jq -r '.[0].group')
ns_ip a link add early type veth peer name earlyp
ns_ip a link set earlyp group "$group"
varpd_stop a KILL
varpd_start a
is "what a join left that was cut off is gone" "$(ns_ip a -j link show | jq -r '.[].ifname' | grep -c '^half\|^early')" 0
check "and the log says so" grep -q "deleted halfp" "$TMP/varpd-a.log"
is "others' devices are not" "$(ns_ip a -j link show dev othersp | jq -r '.[0].ifname')" othersp
check "nor those of nodes" reach a 10.1.0.2

# Killed before the pair was up: the node has never been there.
must a join 0x19 10.9.0.1/24 dev nine
ns_ip a link set ninep down
varpd_stop a KILL
varpd_start a
is "a node whose join was cut off is undone" "$(value a '[.nodes[] | select(.dev == "nine")] | length' status)" 0
must a join 0x19 10.9.0.1/24 dev nine
must a leave 0x19

# Two names of one namespace.
must a join 0x10 10.1.0.11/24 dev sn7 netns "$PREFIX-other"
status_is "another address, the namespace given by its path" 0 ctl a join 0x10 10.1.0.12/24 dev sn7 netns "/run/netns/$PREFIX-other"
is "both are on one device" "$(ns_ip other -4 -j addr show dev sn7 | jq -c '[.[].addr_info[].local] | sort')" '["10.1.0.11","10.1.0.12"]'
must a leave 0x10 10.1.0.11
must a leave 0x10 10.1.0.12

# --- Nothing but a server ------------------------------------------------------------------------------------------------

for snid in 0x10 0x16; do must a leave $snid; done
must a detach eth0
is "a server is set" "$(client a "varpd_client_set 0x44 192.0.2.9")" OK
varpd_stop a TERM
varpd_start a
is "it is remembered over an ordered end" "$(value a '[.clients[] | select(.snid == "0x00000000000000000044") | .server] | join(" ")' status)" \
	192.0.2.9
is "and cleared" "$(client a "varpd_client_clear 0x44")" OK
varpd_stop a TERM
is "then no pins remain" "$(ls -d "/sys/fs/bpf/varp/$PREFIX-a" 2>/dev/null)" ""

done_testing
