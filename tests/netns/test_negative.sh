#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A vaddr that the server does not know: the application hears of it at once, the answer is cached for the window, and a mapping
# registered afterwards becomes reachable.
# kernels: yes
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
pair 0x10
told s "varpd_server_set 0x16" "varpd_add 0x16 fd00:1::1 192.0.2.1"
must a join 0x16 fd00:1::1/64 server 192.0.2.9
must b join 0x10 10.1.0.77/24

state() { value a ".[] | select(.vaddr == \"$1\") | .state" cache show; }
gone() { [ -z "$(state "$1")" ]; }

start=$(now_ms)
out=$(in_net a ping -n -c 1 -W 5 10.1.0.77 2>&1)
took=$(($(now_ms) - start))
like "ping says unreachable" "$out" "From 10.1.0.77 icmp_seq=1 Destination Host Unreachable"
num "at once" "$took" -lt $((1500 * SCALE))
is "one request, one NAK" "$(stat_of a '"\(.varp.requests_sent) \(.varp.nak_notknown_received)"')" "1 1"
is "the server sent it" "$(stat_of s .varp.nak_notknown_sent)" 1
is "the held packet is accounted for" "$(stat_of a .drops.held_notknown)" 1
if [ "$SCALE" -gt 1 ]; then
	skip "cache shows it as not known" "too slow to be sure to be within five seconds"
else
	is "cache shows it as not known" "$(value a '.[] | "\(.vaddr) \(.state) \(.raddr)"' cache show)" "10.1.0.77 notknown null"
fi
status_is "resolve says so" 3 ctl a resolve 0x10 10.1.0.77

before=$(stat_of a .drops.notknown)
like "ping again says unreachable" "$(in_net a ping -n -c 1 -W 5 10.1.0.77 2>&1)" "Destination Host Unreachable"
if [ "$SCALE" -gt 1 ]; then
	skip "from the cache" "too slow to be sure to be within five seconds"
else
	is "from the cache" "$(stat_of a '"\(.varp.requests_sent) \(.varp.nak_notknown_received)"')" "1 1"
	num "counted as notknown" "$(stat_of a .drops.notknown)" -gt "$before"
fi

read -r what ms <<<"$(in_net a "$PROBE" connect 10.1.0.78 80 5000)"
is "TCP connect fails with EHOSTUNREACH" "$what" EHOSTUNREACH
num "at once too" "$ms" -lt $((1000 * SCALE))

start=$(now_ms)
out=$(in_net a ping -n -c 1 -W 5 fd00:1::77 2>&1)
like "IPv6 ping says unreachable" "$out" "From fd00:1::77 icmp_seq=1 Destination unreachable: Address unreachable"
num "at once, too" "$(($(now_ms) - start))" -lt $((1500 * SCALE))
read -r what ms <<<"$(in_net a "$PROBE" connect fd00:1::78 80 5000)"
is "IPv6 TCP connect fails with EHOSTUNREACH" "$what" EHOSTUNREACH
num "at once as well" "$ms" -lt $((1000 * SCALE))

check "negative answer lives for the window" wait_for 9 gone 10.1.0.77
asked=$(stat_of a .varp.requests_sent)
like "then ping asks again" "$(in_net a ping -n -c 1 -W 5 10.1.0.77 2>&1)" "Destination Host Unreachable"
is "by one request" "$(($(stat_of a .varp.requests_sent) - asked))" 1

told s "varpd_add 0x10 10.1.0.77 192.0.2.2"
check "registered now, it is reached when the negative answer has aged" wait_for 9 reach a 10.1.0.77

told s "varpd_remove 0x10 10.1.0.77"
must a cache flush 0x10 10.1.0.77
check "removed and flushed, it is not reached" unreach a 10.1.0.77
told s "varpd_add 0x10 10.1.0.77 192.0.2.2"
must a cache flush 0x10 10.1.0.77
is "registered again and flushed, the first ping is answered" "$(pinged a 10.1.0.77 -c 1)" 1

done_testing
