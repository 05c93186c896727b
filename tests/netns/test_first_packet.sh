#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The first packet to a vaddr that this host has never heard of is resolved, held and delivered: nothing is lost, nothing overtakes,
# one request is sent however many packets wait.
# kernels: yes
. "$(dirname "$0")/../lib.sh"

snid=0x00000000000000000010
hosts_up a b s
pair 0x10

is "cache is empty before" "$(value a length cache show)" 0
is "first ping is answered" "$(pinged a 10.1.0.2 -c 1)" 1
is "client sent one request" "$(stat_of a .varp.requests_sent)" 1
is "client got one reply" "$(stat_of a .varp.replies_received)" 1
# The answer may arrive before the mapping is written that its source is checked by: then it waits as well.
like "one miss, or two" "$(stat_of a .datapath.misses)" "^[12]$"
like "what missed was held" "$(stat_of a .datapath.held_packets)" "^[12]$"
num "the held packet was sent again" "$(stat_of a .datapath.reinjected_packets)" -ge 1
is "server answered what the clients asked" \
	"$(stat_of s '"\(.varp.requests_received) \(.varp.replies_sent) \(.varp.nak_notknown_sent)"')" \
	"$(($(stat_of a .varp.requests_sent) + $(stat_of b .varp.requests_sent))) 2 0"
is "nothing was dropped" "$(stat_of a '.drops | to_entries | map(select(.value > 0 and .key != "multicast")) | length')" 0
is "cache shows the mapping" "$(value a '.[] | "\(.snid) \(.vaddr) \(.state) \(.raddr)"' cache show)" \
	"$snid 10.1.0.2 resolved 192.0.2.2"
num "with the supernet's default ttl" "$(value a '.[0].ttl_s' cache show)" -gt 890
is "cache get agrees" "$(value a .raddr cache get 0x10 10.1.0.2)" 192.0.2.2
is "answering host has learned the way back" "$(value b '.[] | "\(.vaddr) \(.raddr)"' cache show)" "10.1.0.1 192.0.2.1"

hits=$(stat_of a .datapath.hits)
is "five more pings are answered" "$(pinged a 10.1.0.2 -c 5 -i 0.1)" 5
is "from the cache" "$(($(stat_of a .datapath.hits) - hits))" 5
is "and ask nobody" "$(stat_of a .varp.requests_sent)" 1

# A burst to a vaddr that is unknown; requests are counted at the server.
must b join 0x10 10.1.0.3/24
told s "varpd_add 0x10 10.1.0.3 192.0.2.2"
asked=$(stat_of a ".varp | .requests_sent - .requests_repeated")
listen_udp burst b 10.1.0.3 7000 8 $((3000 * SCALE))
in_net a "$PROBE" send 10.1.0.3 7000 8 0 >/dev/null
like "burst of 8 datagrams arrives in order" "$(bg_wait burst)" "received 8 lost 0 reordered 0 doubled 0"
is "one request for the burst, repeated or not" "$(($(stat_of a ".varp | .requests_sent - .requests_repeated") - asked))" 1

# The same while the server is silent for a moment, so that all of them have to wait; more than 8 are too many.
must b join 0x10 10.1.0.4/24
told s "varpd_add 0x10 10.1.0.4 192.0.2.2"
full=$(stat_of a .drops.held_full)
held=$(stat_of a .datapath.held_packets)
again=$(stat_of a .datapath.reinjected_packets)
kill -STOP "${VARPD_PID[s]}"
listen_udp wait b 10.1.0.4 7000 11 $((3000 * SCALE))
in_net a "$PROBE" send 10.1.0.4 7000 11 0 >/dev/null
is "state is pending meanwhile" "$(value a '.[] | select(.vaddr == "10.1.0.4") | "\(.state) \(.raddr)"' cache show)" "pending null"
kill -CONT "${VARPD_PID[s]}"
like "8 waiting datagrams arrive in order" "$(bg_wait wait)" "received 8 lost 3 reordered 0 doubled 0"
is "8 were held" "$(($(stat_of a .datapath.held_packets) - held))" 8
is "8 were sent again" "$(($(stat_of a .datapath.reinjected_packets) - again))" 8
is "the rest is counted as held_full" "$(($(stat_of a .drops.held_full) - full))" 3

# TCP: the SYN is the first packet. A lost one would be sent again after a second.
must b join 0x10 10.1.0.5/24
told s "varpd_add 0x10 10.1.0.5 192.0.2.2"
read -r what ms <<<"$(in_net a "$PROBE" connect 10.1.0.5 9 5000)"
is "first SYN reaches the other host" "$what" ECONNREFUSED
num "without being sent twice" "$ms" -lt $((900 * SCALE))

# IPv6 inside.
told s "varpd_server_set 0x16" "varpd_add 0x16 fd00:1::1 192.0.2.1" "varpd_add 0x16 fd00:1::2 192.0.2.2"
must a join 0x16 fd00:1::1/64 server 192.0.2.9
must b join 0x16 fd00:1::2/64 server 192.0.2.9
is "first IPv6 ping is answered" "$(pinged a fd00:1::2 -c 1)" 1

# Many destinations at once: answers come while other misses are still on their way to varpd. Several rounds, since it is a race.
for ((i = 100; i < 200; i++)); do lines[i]="varpd_add 0x10 10.1.0.$i 192.0.2.2"; done
told s "${lines[@]}"
resolved() { [ "$(value a '[.[] | select(.state == "resolved" and .snid == "'$snid'")] | length' cache show)" -eq "$1" ]; }
late=0
extra=0
for ((round = 0; round < 10; round++)); do
	must a cache flush
	asked=$(stat_of a '.varp.requests_sent - .varp.requests_repeated')
	in_net a "$PROBE" scan 10.1.0.100 100 0 >/dev/null
	# nobody asks a second time, so what is not resolved within the window never is
	wait_for 4 resolved 100 || late=$((late + 1))
	extra=$((extra + $(stat_of a '.varp.requests_sent - .varp.requests_repeated') - asked - 100))
done
is "100 new destinations at once: all are resolved, ten times" "$late" 0
is "by one request each" "$extra" 0
must a cache flush
is "first ping after that is answered" "$(pinged a 10.1.0.2 -c 1) $(pinged a fd00:1::2 -c 1) $(pinged a 10.1.0.5 -c 1)" "1 1 1"

# What an operator sees with bpftool.
entry=$(map_dump a varp_cache | jq -c '[.[].formatted | select(.value.raddr != null)]')
num "bpftool shows keys and values by name" "$(jq '[.[] | select(.key.snid.b and .key.vaddr and .value.deadline_ns and .value.ttl_s)] | length' \
	<<<"$entry")" -ge 3
is "and by content" "$(jq -r '.[0].value.ttl_s' <<<"$entry")" 900

done_testing
