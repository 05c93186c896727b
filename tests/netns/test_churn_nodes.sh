#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Node devices through changes around them: an underlay too narrow for IPv6, one that is down, names that are taken, namespaces with
# two names, and a varpd that ends with nothing but a server configured.
# kernels: yes
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
addresses() { ns_ip a -6 -j addr show dev six | jq -c '[.[].addr_info[]? | .local]'; }

is "IPv6 addresses before" "$(addresses)" '["fd00:1::1"]'
underlay_mtu 1300 a b
check "underlay of 1300: the IPv4 node follows" wait_for 5 mtu_is sn0 1244
is "the IPv6 node keeps 1280" "$(node_mtu six) $(link_mtu a six)" "1280 1280"
is "and its address, and gets no other" "$(addresses)" '["fd00:1::1"]'
is "small IPv6 packets pass" "$(pinged a fd00:1::2 -c 2 -i 0.1)" 2
big=$(stat_of a .drops.too_big)
in_net a "$PROBE" send fd00:1::2 9 5 100 1200 >/dev/null
num "those that do not fit are counted" "$(stat_of a .drops.too_big)" -gt "$big"
must a join 0x17 10.7.0.1/24 dev both
is "an IPv4 node joined now: MTU" "$(link_mtu a both)" 1244
must a join 0x17 fd00:7::1/64 dev both
is "with an IPv6 address as well" "$(link_mtu a both)" 1280
must a leave 0x17 fd00:7::1
is "and without it" "$(link_mtu a both)" 1244
must a leave 0x17
must a join 0x17 fd00:7::1/64 dev both
is "an IPv6 node joined now: MTU" "$(link_mtu a both)" 1280
must a leave 0x17
underlay_mtu 1500 a b
check "underlay of 1500 again: MTU" wait_for 5 mtu_is six 1444
is "IPv6 addresses after" "$(addresses)" '["fd00:1::1"]'
is "IPv6 is reached" "$(pinged a fd00:1::2 -c 2 -i 0.1)" 2

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
