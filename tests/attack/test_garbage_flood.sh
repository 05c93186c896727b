#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Random datagrams to every port of a client and of its server at once: nothing is answered, nothing is kept, lookups are answered all
# the while.
# 20,000 to each, at 20,000 a second; with VARP_ATTACK=full 100,000 a second for ten seconds, and the time of lookups is looked at.
# timeout: 400
. "$(dirname "$0")/../lib.sh"

GARBAGE=$BUILD/tests/attack/garbage
count=$((20000 / SCALE)) pps=$((20000 / SCALE)) lookups=100
if [ "${VARP_ATTACK:-}" = full ]; then count=500000 pps=50000 lookups=1000; fi

hosts_up a b s
host_add x 20
pair 0x10
told s "varpd_server_set 0x20"
lines=()
for ((i = 0; i < lookups; i++)); do
	lines+=("varpd_add 0x10 10.1.$((1 + i / 250)).$((i % 250)) $UNDERLAY4.2" "varpd_add 0x10 10.1.$((9 + i / 250)).$((i % 250)) $UNDERLAY4.2")
done
told s "${lines[@]}"
check "reached" reach a 10.1.0.2

cat >"$TMP/time.py" <<'PY'
# Asks for COUNT vaddrs one after the other over one control connection; prints how many failed, and the 50th and 99th percentile
# in microseconds.
import json, socket, sys, time

path, net, count, last_us = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
sock = socket.socket(socket.AF_UNIX)
sock.connect(path)
answers = sock.makefile("r")
times, failed = [], 0
for i in range(count):
    vaddr = f"10.1.{net + i // 250}.{i % 250}"
    start = time.monotonic()
    sock.sendall(json.dumps({"command": "resolve", "args": {"snid": "0x10", "vaddr": vaddr, "timeout_ms": 20000}}).encode() + b"\n")
    failed += not json.loads(answers.readline())["ok"]
    times.append((time.monotonic() - start) * 1e6)
    time.sleep(max(0, last_us / 1e6 - times[-1] / 1e6))
times.sort()
print(failed, int(times[len(times) // 2]), int(times[len(times) * 99 // 100]))
PY
# resolve_times NET: of a, spread over the time that the garbage takes
resolve_times() {
	python3 "$TMP/time.py" "/run/varp/$PREFIX-a/control.sock" "$1" $lookups $((count * 1000000 / pps / lookups * 8 / 10))
}

rss() { awk '/^VmRSS/ { print $2 }' "/proc/${VARPD_PID[$1]}/status"; }
descriptors() { find "/proc/${VARPD_PID[$1]}/fd" -mindepth 1 | wc -l; }
state() {
	value a '[.[] | select(.vaddr | startswith("10.1.0.")) | {vaddr, state, raddr}] | sort' cache show
	value s . db show
	value a '{nodes, clients}' status
	descriptors a
	descriptors s
}
answered() { value "$1" '.varp | .replies_sent + .nak_notknown_sent + .nak_noauthority_sent' stats; }
dropped() { value "$1" '[.drops | to_entries[] | select(.key | test("^(varp|geneve)_|not_joined|inner_")) | .value] | add' stats; }

read -r failed quiet50 quiet99 <<<"$(resolve_times 1)"
is "lookups are answered before" "$failed" 0
before_state=$(state) before_rss=$(($(rss a) + $(rss s)))
before_answered=$(answered a) before_dropped=$(($(dropped a) + $(dropped s)))
capture answers x eth0 udp and not src host $UNDERLAY4.20
for host in a s; do
	case $host in a) to=1 ;; s) to=9 ;; esac
	bg "garbage-$host" nsenter --net="/run/netns/$PREFIX-x" -- "$GARBAGE" $UNDERLAY4.$to $UNDERLAY4.20 $count $pps 0 2500 6081 2501 2502
done
read -r failed busy50 busy99 <<<"$(resolve_times 9)"
for host in a s; do diag "garbage to $host: $(bg_wait "garbage-$host" 120)"; done
is "every lookup is answered meanwhile" "$failed" 0
diag "microseconds of a lookup: $quiet50 and 99 % within $quiet99 before, $busy50 and $busy99 meanwhile"
most_counted() { [ $(($(dropped a) + $(dropped s) - before_dropped)) -ge $((count / 4)) ]; }
check "what reached us was counted by its reason" wait_for 10 most_counted
capture_stop answers
is "nothing was answered" "$(packets answers)" 0
is "the client answered nobody" "$(answered a)" "$before_answered"
is "nothing was kept" "$(state)" "$before_state"
num "and the two grew by less than 8 MiB" $(($(rss a) + $(rss s) - before_rss)) -lt 8192
check "reached as ever" reach a 10.1.0.2
if [ "${VARP_ATTACK:-}" = full ]; then
	num "99 % of the lookups take at most twice as long" "$busy99" -le $((2 * quiet99))
fi

done_testing
