#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The varpdb calls of libvarp from another process: the example program of docs/examples against a running varpd, and against one that does
# not answer.
. "$(dirname "$0")/../lib.sh"

lookup=$BUILD/examples/lookup
[ -x "$lookup" ] || skip_all "docs/examples/lookup is not built"

hosts_up a b s
pair 0x10
inst=$PREFIX-a

ask() { timeout $((20 * SCALE)) "$lookup" -i "$inst" "$@" 2>&1; }

status_is "called wrongly: status 1" 1 "$lookup"
like "and says how it is called" "$OUT" "usage: lookup"

status_is "unknown vaddr: status 0" 0 ask 0x10 10.1.0.2
is "a miss, then a callback with the raddr" "$(tr '\n' '|' <<<"$OUT")" "10.1.0.2 miss|10.1.0.2 callback hit 192.0.2.2|"
is "it went through the protocol" "$(stat_of a .varp.requests_sent)" 1
status_is "again: status 0" 0 ask 0x10 10.1.0.2
is "a hit with the raddr, at once" "$OUT" "10.1.0.2 hit 192.0.2.2"
is "nobody is asked" "$(stat_of a .varp.requests_sent)" 1
status_is "not registered: status 3" 3 ask 0x10 10.1.0.99
is "a miss, then a callback that says so" "$(tr '\n' '|' <<<"$OUT")" "10.1.0.99 miss|10.1.0.99 callback miss|"
is "the cache has the negative answer" "$(value a '.[] | select(.vaddr == "10.1.0.99") | .state' cache show)" notknown
if [ "$SCALE" -eq 1 ]; then is "asked again: known to be not known" "$(ask 0x10 10.1.0.99)" "10.1.0.99 notknown"; fi
is "several at once" "$(ask 0x10 10.1.0.98 10.1.0.2 10.1.0.1 | sort | tr '\n' '|')" \
	"10.1.0.1 hit 192.0.2.1|10.1.0.2 hit 192.0.2.2|10.1.0.98 callback miss|10.1.0.98 miss|"

# A varpd that is stopped: lookup never waits.
kill -STOP "${VARPD_PID[a]}"
start=$(now_ms)
bg stopped stdbuf -oL "$lookup" -i "$inst" 0x10 10.1.0.2
said() { grep -q "10.1.0.2 miss" "$TMP/stopped.out"; }
check "varpd is stopped: the answer is a miss" wait_for 5 said
num "promptly" "$(($(now_ms) - start))" -lt $((1000 * SCALE))
kill -CONT "${VARPD_PID[a]}"
bg_stop stopped >/dev/null

# None at all.
inst=$PREFIX-nobody
status_is "no varpd: status 2" 2 ask 0x10 10.1.0.2
like "and says so" "$OUT" "lookup: no varpd: "
inst=$PREFIX-a

# Monitor and queries of varpctl beside it.
bg mon "$VARPCTL" -i "$inst" -j monitor
sleep 0.3
must a cache flush
ask 0x10 10.1.0.2 >/dev/null
seen() { jq -r '.event + " " + .vaddr' "$TMP/mon.out" | grep -qx "$1 10.1.0.2"; }
check "monitor shows the miss" wait_for 5 seen miss
check "the insert" wait_for 5 seen insert
check "and the hit, with its raddr" wait_for 5 seen hit
is "as JSON with stable keys" "$(jq -r 'select(.event == "hit" and .vaddr == "10.1.0.2") | [has("time"), .snid, .raddr] | join(" ")' "$TMP/mon.out" | head -n 1)" \
	"true 0x00000000000000000010 192.0.2.2"
bg_stop mon INT >/dev/null
is "resolve prints the raddr alone" "$(ctl a resolve 0x10 10.1.0.2)" 192.0.2.2

done_testing
