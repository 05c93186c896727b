#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The two text sockets as an operator uses them with nc, and what their commands do to traffic.
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
oneline() { tr '\n' '|'; }

is "every command is answered, in order" "$(manager s 'varpd_server_set 0x10' 'varpd_add 0x10 10.1.0.1 192.0.2.1' \
	'varpd_add() 0x10 10.1.0.2 192.0.2.2 600' 'varpd_nonsense' 'varpd_remove 0x10 10.1.0.9' | sed 's/^\(ERR [a-z]*\).*/\1/' | oneline)" \
	"OK|OK|OK|ERR unknown|$(manager s 'varpd_remove 0x10 10.1.0.9' | sed 's/^\(ERR [a-z]*\).*/\1/')|"
is "semicolons, tabs, blanks, empty commands and CR LF" \
	"$(printf 'varpd_add\t0x10   10.1.0.3 192.0.2.2;;varpd_server_set 0x11 30\r\n\n;  ;varpd_add() 0x11 fd00::1 2001:db8::1;' |
		in_net s timeout 20 nc -N 127.0.0.1 2500 | oneline)" "OK|OK|OK|"
is "database shows it all" "$(value s '.[] | "\(.snid) \(.vaddr) \(.raddr) \(.ttl_s)"' db show | sort | oneline)" \
	"$(printf '%s|' '0x00000000000000000010 10.1.0.1 192.0.2.1 null' '0x00000000000000000010 10.1.0.2 192.0.2.2 600' \
	'0x00000000000000000010 10.1.0.3 192.0.2.2 null' '0x00000000000000000011 fd00::1 2001:db8::1 null')"
is "and one supernet's" "$(value s '.[].vaddr' db show 0x11)" fd00::1
is "status counts mappings" "$(value s '.servers[] | "\(.snid) \(.ttl_s) \(.mappings)"' status | oneline)" \
	"0x00000000000000000010 900 3|0x00000000000000000011 30 1|"

# Group client.
must a join 0x10 10.1.0.1/24
must b join 0x10 10.1.0.2/24 server 192.0.2.9
check "no server yet: not reached" unreach a 10.1.0.2
is "varpd_client_set through 2501" "$(client a 'varpd_client_set 0x10 192.0.2.9')" OK
is "status shows the server" "$(value a '.clients[] | "\(.snid) \(.server)"' status)" "0x00000000000000000010 192.0.2.9"
must a cache flush
is "then the first ping is answered" "$(pinged a 10.1.0.2 -c 1)" 1
is "ttl is the mapping's" "$(value a '.[] | select(.vaddr == "10.1.0.2") | .ttl_s <= 600 and .ttl_s > 590' cache show)" true
like "the manager's command is refused at 2501" "$(client a 'varpd_server_set 0x10')" "^ERR source "
like "the client's command is refused at 2500" "$(manager a 'varpd_client_set 0x10 192.0.2.9')" "^ERR source "
like "clear names another server: refused" "$(client a 'varpd_client_clear 0x10 192.0.2.8')" "^ERR "
is "clear" "$(client a 'varpd_client_clear() 0x10 192.0.2.9')" OK
is "status shows none" "$(value a '.clients | length' status)" 0
start=$(now_ms)
in_net a timeout $((15 * SCALE)) nc 127.0.0.1 2501 </dev/zero >/dev/null 2>&1 &
wait $!
num "group client's connection is closed after 3 s" "$(($(now_ms) - start))" -lt $((6000 * SCALE))

# Removing, clearing, resetting.
is "varpd_client_set again" "$(client a 'varpd_client_set() 0x10 192.0.2.9')" OK
told s "varpd_remove 0x10 10.1.0.2"
must a cache flush
like "removed: unreachable" "$(in_net a ping -n -c 1 -W 5 10.1.0.2 2>&1)" "Destination Host Unreachable"
told s "varpd_add 0x10 10.1.0.2 192.0.2.2" "varpd_server_clear 0x10"
must a cache flush
like "server cleared: unreachable" "$(in_net a ping -n -c 1 -W 5 10.1.0.2 2>&1)" "Destination Host Unreachable"
num "with a NAK_NOAUTHORITY" "$(stat_of a .varp.nak_noauthority_received)" -ge 1
told s "varpd_server_set() 0x10 1234"
must a cache flush
is "server set again: reached" "$(pinged a 10.1.0.2 -c 1)" 1
num "with the new default ttl" "$(value a '.[] | select(.vaddr == "10.1.0.2") | .ttl_s' cache show)" -gt 1200

varpd_stop s KILL
varpd_start s
is "killed and started: everything is there" "$(value s 'length' db show) $(value s '.servers | length' status)" "4 2"
told s "varpd_init"
is "varpd_init clears the table" "$(value s 'length' db show) $(value s '.servers | length' status)" "0 0"
varpd_stop s KILL
varpd_start s
is "for good" "$(value s 'length' db show) $(value s '.servers | length' status)" "0 0"
told a "varpd_init"
is "on a client: cache and servers are gone" "$(value a 'length' cache show) $(value a '.clients | length' status)" "0 0"
is "the node stays" "$(value a '.nodes[].vaddr' status)" 10.1.0.1

done_testing
