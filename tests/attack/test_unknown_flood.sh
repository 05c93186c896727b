#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Somebody floods a supernet with packets to unknown vaddrs, as fast as the machine can, beside slow established flows to many
# others: none of these is evicted, what they send arrives, requests stay within the supernet's bound, and another supernet
# resolves what it has never asked for.
# 5 s beside 1,000 flows; with VARP_ATTACK=full 60 s beside 10,000, and figures of time are looked at.
# timeout: 600
. "$(dirname "$0")/../lib.sh"

flows=1000 seconds=5 lookups=20
if [ "${VARP_ATTACK:-}" = full ]; then flows=10000 seconds=60 lookups=300; fi
if [ "$SCALE" -gt 1 ]; then flows=200; fi
pps=$((flows / 5))	# each flow once in 5 s

hosts_up a b s
ns_add a-two
told s "varpd_server_set 0x10 60" "varpd_server_set 0x20"
must a join 0x10 10.0.0.1/8 server $UNDERLAY4.9
must a join 0x20 10.2.0.1/16 server $UNDERLAY4.9 netns "$PREFIX-a-two"
# b has one node of the supernet; what comes for the other vaddrs, it counts as not its own.
must b join 0x10 10.0.0.2/8 server $UNDERLAY4.9
flow() { echo "10.200.$(($1 / 250)).$(($1 % 250))"; }
fresh() { echo "10.2.$((9 + $1 / 250)).$(($1 % 250))"; }
{
	for ((i = 0; i < flows; i++)); do echo "varpd_add 0x10 $(flow $i) $UNDERLAY4.2"; done
	for ((i = 0; i < lookups; i++)); do echo "varpd_add 0x20 $(fresh $i) $UNDERLAY4.2"; done
} >"$TMP/adds"
in_net s timeout 60 nc -N 127.0.0.1 2500 <"$TMP/adds" | sort -u >"$TMP/added"
is "mappings are registered" "$(cat "$TMP/added")" OK

# walk PPS: one datagram for each flow
walk() {
	local left=$flows i
	for ((i = 0; left > 0; i++, left -= 250)); do
		in_net a "$PROBE" scan 10.200.$i.0 $((left < 250 ? left : 250)) "$1"
	done
}
live() { value a '[.[] | select(.state == "resolved" and (.vaddr | startswith("10.200.")))] | length' cache show 0x10; }
all_live() { [ "$(live)" -ge "$flows" ]; }
walk 1000 >/dev/null
check "$flows flows are established" wait_for 30 all_live

arrived() { stat_of b .drops.not_local; }
cpu_ms() { awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000 / hz }' "/proc/${VARPD_PID[a]}/stat" | cut -d. -f1; }
asked() { value a '.supernets[] | select(.snid == "0x00000000000000000010") | .requests' stats; }
settled() { local was; was=$(arrived); sleep 0.5; [ "$was" = "$(arrived)" ]; }
wait_for 10 settled
before=$(arrived) asked_before=$(asked) cpu_before=$(cpu_ms) start=$(now_ms)

# The flood goes on until the flows have sent what they have to.
bg flood timeout $((seconds * 4 * SCALE + 30)) bash -c \
	"while :; do nsenter --net=/run/netns/$PREFIX-a -- '$PROBE' scan 10.16.0.0 1000000 0; done"
export -f walk in_net
export flows PROBE PREFIX
bg flows bash -c "for ((r = 0; r < $seconds / 5; r++)); do walk $pps; done"
late=0 failed=0
for ((i = 0; i < lookups; i++)); do
	vaddr=$(fresh $i)
	if ! ctl a resolve 0x20 "$vaddr" --timeout 1 >/dev/null 2>&1; then
		late=$((late + 1))
		ctl a resolve 0x20 "$vaddr" >/dev/null 2>&1 || failed=$((failed + 1))
	fi
	sleep "$(awk -v s="$seconds" -v n="$lookups" 'BEGIN { print s * 0.6 / n }')"
done
sent=$(bg_wait flows $((seconds * 4 + 30)) | awk '/^sent/ { n += $2 } END { print n + 0 }')
took=$(($(now_ms) - start))
cpu=$(($(cpu_ms) - cpu_before))
requests=$(($(asked) - asked_before))
bg_stop flood >/dev/null
wait_for 10 settled
lost=$((sent - ($(arrived) - before)))
limit=$(map_dump a varp_supernets | jq '[.[].formatted.value | select(.used == 1) | .pending_max] | max')
diag "$took ms: flows sent $sent, lost $lost; requests $requests; other supernet: $lookups lookups, $late after a second, $failed never"
diag "varpd $cpu ms of processor"

num "the flows sent" "$sent" -ge $((flows * seconds / 5))
num "of what they sent at most 0.01 % is lost" "$lost" -le $((sent / 10000))
num "nothing arrives that was not sent" "$lost" -ge 0
num "no flow was evicted" "$(live)" -ge "$flows"
num "requests stay within the supernet's bound" "$requests" -le $((limit * (took / 5000 + 2)))
is "another supernet resolves all the while" "$failed" 0
read -r misses parts <<<"$(value a '.supernets[] | select(.snid == "0x00000000000000000010") | "\(.misses) \(.requests + .suppressed + .dropped)"' stats)"
is "every miss is accounted for" "$misses" "$parts"
if [ "${VARP_ATTACK:-}" = full ]; then
	num "99 % of its lookups within a second" "$late" -le $((lookups / 100))
	num "varpd takes at most half a core" "$cpu" -le $((took / 2))
fi

done_testing
