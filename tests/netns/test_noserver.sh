#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# No server, the wrong server, a dead server, and one that comes back: what the application sees, what is logged and counted.
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
log_has() { grep -qi -- "$2" "$TMP/varpd-$1.log"; }

# Nobody to ask.
status_is "join without a server is possible" 0 ctl a join 0x30 10.3.0.1/24
start=$(now_ms)
like "no server: ping says unreachable" "$(in_net a ping -n -c 1 -W 5 10.3.0.2 2>&1)" "Destination Host Unreachable"
num "at once" "$(($(now_ms) - start))" -lt $((1500 * SCALE))
is "nobody was asked" "$(stat_of a .varp.requests_sent)" 0
check "and it is logged" log_has a "no server.*0x00000000000000000030\|0x00000000000000000030.*no.* server"
num "status warns" "$(value a '[.warnings[] | tostring | select(test("0x00000000000000000030"))] | length' status)" -ge 1

# A server that does not serve this supernet.
must a join 0x40 10.4.0.1/24 server 192.0.2.9
like "no authority: ping says unreachable" "$(in_net a ping -n -c 1 -W 5 10.4.0.2 2>&1)" "Destination Host Unreachable"
is "counted by the client" "$(stat_of a .varp.nak_noauthority_received)" 1
is "counted by the server" "$(stat_of s .varp.nak_noauthority_sent)" 1
check "logged by the client" log_has a "192.0.2.9.*0x00000000000000000040\|0x00000000000000000040.*192.0.2.9"
check "logged by the server" log_has s "0x00000000000000000040"
status_is "resolve: not known" 3 ctl a resolve 0x40 10.4.0.3
like "and why" "$OUT" "10.4.0.3 of supernet 0x00000000000000000040 is not known: server 192.0.2.9 does not serve the supernet; name the right"

# A server that does not answer: the window ends.
pair 0x10
kill -STOP "${VARPD_PID[s]}"
asked=$(stat_of a .varp.requests_sent)
expired=$(stat_of a .drops.held_expired)
start=$(now_ms)
in_net a "$PROBE" send 10.1.0.2 9 3 0 >/dev/null
expired_three() { [ "$(($(stat_of a .drops.held_expired) - expired))" -eq 3 ]; }
check "dead server: held packets are dropped when the window ends" wait_for 9 expired_three
took=$(($(now_ms) - start))
num "which is after 5 s" "$took" -ge 4800
if [ "$SCALE" -eq 1 ]; then num "and not much later" "$took" -lt 6500; fi
is "the request was sent at 0, 0.25, 0.75, 1.75 and 3.75 s" "$(($(stat_of a .varp.requests_sent) - asked))" 5
is "no entry is left" "$(value a '[.[] | select(.vaddr == "10.1.0.2")] | length' cache show)" 0
status_is "resolve times out" 4 ctl a resolve 0x10 10.1.0.2 --timeout 1
like "and says that the server is silent" "$OUT" "timed out, its server 192.0.2.9 does not answer at UDP port 2500: does varpd run there"

# It comes back within the window of the next packet.
kill -CONT "${VARPD_PID[s]}"
check "server is back: ping is answered" wait_for 5 reach a 10.1.0.2
status_is "resolve of what it does not know" 3 ctl a resolve 0x10 10.1.0.77
like "says so" "$OUT" "not known: server 192.0.2.9 has no such mapping"
must a cache flush 0x10
kill -STOP "${VARPD_PID[s]}"
asked=$(stat_of a .varp.requests_sent)
bg late nsenter --net="/run/netns/$PREFIX-a" -- ping -n -c 1 -W 8 10.1.0.2
repeated() { [ "$(($(stat_of a .varp.requests_sent) - asked))" -ge 2 ]; }
check "request is repeated" wait_for 5 repeated
kill -CONT "${VARPD_PID[s]}"
like "server wakes up: the held ping is answered" "$(bg_wait late)" "1 received"

# Killed and started again: it still knows what it was told.
varpd_stop s KILL
must a cache flush 0x10
check "server killed: not reached" unreach a 10.1.0.2
varpd_start s
check "server started again: reached, from what was registered before" wait_for 9 reach a 10.1.0.2

done_testing
