#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Mappings that nobody uses go when their ttl ends; those in use are asked for again before and never miss; a ttl holds also
# while varpd is dead, and then nothing leaves in the clear.
# kernels: yes
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
capture leak net br0 'net 10.0.0.0/8'
told s "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.2 4" \
	"varpd_add 0x10 10.1.0.3 192.0.2.2 4" "varpd_add 0x10 10.1.0.4 192.0.2.2 20"
must a join 0x10 10.1.0.1/24 server 192.0.2.9
must b join 0x10 10.1.0.2/24 server 192.0.2.9
must b join 0x10 10.1.0.3/24
must b join 0x10 10.1.0.4/24

cached() { [ -n "$(value a ".[] | select(.vaddr == \"$1\" and .state == \"resolved\") | .raddr" cache show)" ]; }
gone() { ! cached "$1"; }

# Unused.
start=$(now_ms)
check "ping resolves" reach a 10.1.0.2
num "ttl is as registered" "$(value a '.[] | select(.vaddr == "10.1.0.2") | .ttl_s' cache show)" -le 4
check "unused entry goes" wait_for 8 gone 10.1.0.2
num "not before its time" "$(($(now_ms) - start))" -ge 3900
swept() { [ "$(map_dump a varp_cache | jq length)" -eq 0 ]; }
check "and is swept out of the map" wait_for 8 swept
is "no refresh was sent for it" "$(stat_of a .varp.requests_sent)" 1

# In use, over three lives and more.
check "ping resolves an entry of 4 s" reach a 10.1.0.3
misses=$(stat_of a .datapath.misses)
asked=$(stat_of a .varp.requests_sent)
bg flow nsenter --net="/run/netns/$PREFIX-a" -- ping -n -q -i 0.02 -c 650 10.1.0.3
like "used entry: no ping is lost in 13 s" "$(bg_wait flow 60)" "650 packets transmitted, 650 received"
is "without a miss" "$(($(stat_of a .datapath.misses) - misses))" 0
num "because it was asked for again" "$(($(stat_of a .varp.requests_sent) - asked))" -ge 3
num "not more often than needed" "$(($(stat_of a .varp.requests_sent) - asked))" -le 8

# An answer that changes while in use is followed without a miss, too.
told s "varpd_add 0x10 10.1.0.3 192.0.2.77 4"
elsewhere() { [ "$(value a '.[] | select(.vaddr == "10.1.0.3") | .raddr' cache show)" = 192.0.2.77 ]; }
reach a 10.1.0.3
in_net a ping -n -q -i 0.2 -c 30 -W 0.1 10.1.0.3 >/dev/null
check "refresh takes a new raddr" elsewhere

# Dead varpd.
told s "varpd_add 0x10 10.1.0.3 192.0.2.2 3"
must a cache flush
is "flush emptied the cache" "$(value a length cache show)" 0
wait_for 5 reach a 10.1.0.3
# A first packet may be answered before varpd has written the cache.
cached() { [ "$(value a '.[] | select(.vaddr == "10.1.0.4") | .state' cache show)" = resolved ]; }
reach a 10.1.0.4
check "entries of 3 s and of 20 s are cached" wait_for 5 cached
varpd_stop a KILL
check "varpd dead: cached vaddr is reached" reach a 10.1.0.4
check "varpd dead: an entry past its ttl is not used" wait_for 6 unreach a 10.1.0.3
check "varpd dead: a longer ttl still is" reach a 10.1.0.4
was=$(map_dump a varp_supernets | jq '[.[].formatted.value | select(.used == 1) | .misses] | add')
reach a 10.1.0.3
num "varpd dead: the packet counts as a miss" \
	"$(map_dump a varp_supernets | jq '[.[].formatted.value | select(.used == 1) | .misses] | add')" -gt "$was"
varpd_start a
check "varpd started: reached again" wait_for 7 reach a 10.1.0.3

capture_stop leak
is "nothing left in the clear" "$(packets leak)" 0

done_testing
