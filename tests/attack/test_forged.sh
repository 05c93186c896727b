#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Forged VARP messages: answers to a client with open lookups and a full cache, requests to a server. None is believed, no entry
# of the cache, the table or the lookups is touched, and each one is counted under the reason for which it was dropped.
# 20,000 of each; with VARP_ATTACK=full 1,000,000.
# `test_forged.sh secure` (test_forged_secure.sh): with keys, where also knowing a request is of no use; `secure xdp`
# (test_forged_xdp.sh): requests only, to a server that answers by XDP.
# timeout: 600
. "$(dirname "$0")/../lib.sh"

mode=${1:-insecure} answers=${2:-userspace}
if [ "$mode" = secure ]; then
	# shellcheck disable=SC2034 # lib.sh's
	SECURE=1
	key=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
	for host in a b s; do
		mkdir -p "$TMP/pki-$host/psk"
		(umask 077 && echo "$key" >"$TMP/pki-$host/psk/0x00000000000000000010.psk")
	done
fi
FORGE=$BUILD/tests/attack/forge
count=$((20000 / SCALE)) pps=$((20000 / SCALE))
if [ "${VARP_ATTACK:-}" = full ]; then count=1000000 pps=50000; fi
known=64

hosts_up a b s
host_add x 20
if [ "$answers" = xdp ]; then
	# The kernel judges requests then. What XDP sends on a veth is lost unless the other end has a program too.
	if ! in_net net ip link set dev to-s xdpdrv obj "$BUILD/gen/answer.bpf.o" sec xdp.frags 2>"$TMP/ip.err"; then
		printf '1..0 # SKIP ip cannot load an XDP program here: %s\n' "$(head -n 1 "$TMP/ip.err")"
		exit 0
	fi
	varpd_stop s
	varpd_start s --answers xdp-native
	must s attach eth0
fi
pair 0x10
lines=()
for ((i = 3; i <= known; i++)); do lines+=("varpd_add 0x10 10.1.0.$i $UNDERLAY4.2"); done
told s "${lines[@]}"

for host in 1 9; do check "the attacker reaches $UNDERLAY4.$host" wait_for 5 reach x $UNDERLAY4.$host; done

# A stock of real messages: what was answered, and requests that stayed unanswered until nobody waited any more.
capture stock net to-a udp port 2500
in_net a "$PROBE" scan 10.1.0.2 $((known - 1)) 200 >/dev/null
resolved() { value a '[.[] | select(.state == "resolved")] | length' cache show 0x10; }
all_resolved() { [ "$(resolved)" -eq $((known - 1)) ]; }
check "$((known - 1)) mappings are cached" wait_for 10 all_resolved
unanswered() {
	kill -STOP "${VARPD_PID[s]}"
	in_net a "$PROBE" scan 10.1.0.200 16 100 >/dev/null
	none_open() { [ "$(value a '[.[] | select(.state == "pending")] | length' cache show 0x10)" -eq 0 ]; }
	sleep 1
	check "unanswered lookups have ended" wait_for 15 none_open
}
# XDP answers while varpd is stopped, so that nothing stays open there.
if [ "$answers" != xdp ]; then unanswered; fi
capture_stop stock

# What must not change. BPF notes uses within the mappings.
cache() { map_dump a varp_cache | jq -S '[.[].formatted | {key, raddr: .value.raddr, deadline: .value.deadline_ns, ttl: .value.ttl_s}] | sort'; }
dropped() { value "$1" '[.drops | to_entries[] | select(.key | startswith("varp_")) | .value] | add' stats; }
overflowed() { in_net "$1" nstat -asz Udp6RcvbufErrors UdpRcvbufErrors | awk 'NR > 1 { n += $2 } END { print n + 0 }'; }
believed() { value "$1" '.varp | "\(.replies_received) \(.nak_notknown_received) \(.nak_noauthority_received) \(.notifies_received)"' stats; }
told_anybody() { value "$1" '.varp | "\(.answered_by_xdp // 0) \(.replies_sent) \(.nak_notknown_sent) \(.nak_noauthority_sent) \(.notifies_sent)"' stats; }

# judged HOST BEFORE COUNT: all that were sent have been dropped for a reason, or by the kernel before varpd saw them
judged() {
	local now
	now=$(($(dropped "$1") + $(overflowed "$1")))
	[ $((now - $2)) -ge "$3" ]
}

attack_client() {
	before_cache=$(cache)
	is "what is compared has them all" "$(jq length <<<"$before_cache")" $((known - 1))
	before_believed=$(believed a)
	before=$(dropped a)
	before_all=$((before + $(overflowed a)))
	# Lookups are open all the while: their vaddrs are among those that the forged answers are about.
	bg asking bash -c "for ((i = 0; i < 200; i++)); do nsenter --net=/run/netns/$PREFIX-a -- '$PROBE' scan 10.1.0.210 16 100; sleep 1; done"
	open_lookups() { [ "$(value a '[.[] | select(.state == "pending")] | length' cache show 0x10)" -ge 16 ]; }
	check "lookups are open" wait_for 5 open_lookups
	out=$(in_net x "$FORGE" answers $UNDERLAY4.1 $UNDERLAY4.9 0x10 10.1.0.1 $count $pps 0 "$TMP/stock.pcap")
	diag "forged answers: $out"
	check "all forged answers have been dropped" wait_for 30 judged a "$before_all" $count
	num "and varpd has judged most of them" $(($(dropped a) - before)) -ge $((count * 9 / 10))
	reasons="nonce server unasked session tag"
	if [ "$mode" = secure ]; then reasons="session tag"; fi
	for reason in $reasons; do
		num "some for their $reason" "$(stat_of a ".drops.varp_$reason")" -gt 0
	done
	is "none was believed" "$(believed a)" "$before_believed"
	is "no entry of the cache was touched" "$(cache)" "$before_cache"
	is "no lookup was answered" "$(value a '[.[] | select(.state == "notknown")] | length' cache show 0x10)" 0
}

# Whoever sees a request knows its nonce and session, and answers while somebody waits for it.
eavesdrop() {
	capture live net to-a udp dst port 2500
	asked() { [ "$(packets live)" -ge 4 ]; }
	check "requests are overheard" wait_for 10 asked
	capture_stop live
	before_all=$(($(dropped a) + $(overflowed a)))
	out=$(in_net x "$FORGE" overheard $UNDERLAY4.1 $UNDERLAY4.9 0x10 10.1.0.1 $((count / 10)) $((2 * pps)) 0 "$TMP/live.pcap")
	diag "answers to overheard requests: $out"
	check "they have been dropped" wait_for 30 judged a "$before_all" $((count / 10))
	is "and none was believed" "$(believed a)" "$before_believed"
	is "nor the cache touched" "$(cache)" "$before_cache"
}
if [ "$answers" != xdp ]; then
	attack_client
	if [ "$mode" = secure ]; then eavesdrop; fi
	bg_stop asking >/dev/null
	kill -CONT "${VARPD_PID[s]}"
	told s "varpd_add 0x10 10.1.0.250 $UNDERLAY4.2"
	check "the server's own answers are believed" ctl a resolve 0x10 10.1.0.250
fi

# The server. Without keys anybody may ask; nobody may claim a session. With keys nobody may without one.
before_table=$(value s . db show)
quiet() { local was; was=$(told_anybody s); sleep 0.3; [ "$was" = "$(told_anybody s)" ]; }
check "the server has nothing left to answer" wait_for 10 quiet
before_told=$(told_anybody s)
before=$(dropped s)
before_all=$((before + $(overflowed s)))
out=$(in_net x "$FORGE" requests $UNDERLAY4.9 $UNDERLAY4.1 0x10 10.1.0.1 $count $pps 0 "$TMP/stock.pcap" "$mode")
diag "forged requests: $out"
check "all forged requests have been dropped" wait_for 30 judged s "$before_all" $count
num "and the server has judged most of them" $(($(dropped s) - before)) -ge $((count * 9 / 10))
is "none was answered" "$(told_anybody s)" "$before_told"
is "the table is as it was" "$(value s . db show)" "$before_table"
check "and answers who may ask" ctl a resolve 0x10 10.1.0.3

done_testing
