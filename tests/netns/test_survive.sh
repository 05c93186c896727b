#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# varpd is killed, started, ended and upgraded under traffic: cached flows lose nothing, what is pinned is adopted, and new misses
# are served again.
# kernels: yes
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
pair 0x10
must b join 0x10 10.1.0.3/24
must b join 0x10 10.1.0.4/24
told s "varpd_add 0x10 10.1.0.3 192.0.2.2" "varpd_add 0x10 10.1.0.4 192.0.2.2"

entries() { value a '.[] | "\(.snid) \(.vaddr) \(.state) \(.raddr)"' cache show | sort; }
nodes() { value "$1" '[.nodes[] | [.snid, .chid, .vaddr, .dev]], [.clients[] | [.snid, .server]], [.underlays[].dev] | tojson' status; }

# stream NAME COUNT: numbered datagrams from a to b, 500 a second
stream() {
	listen_udp "$1" b 10.1.0.2 7000 "$2" $((3000 * SCALE))
	bg "send-$1" nsenter --net="/run/netns/$PREFIX-a" -- "$PROBE" send 10.1.0.2 7000 "$2" 500
}

# lossless NAME COUNT WHAT
lossless() {
	like "$3: nothing is lost" "$(bg_wait "$1" 60)" "received $2 lost 0 reordered 0 doubled 0"
	bg_wait "send-$1" >/dev/null
}

reach a 10.1.0.2
told s "varpd_server_set 0x99"
was=$(entries)
was_nodes=$(nodes a)
first=$(value a .pid status)

stream kill 3000
sleep 0.5
varpd_stop a KILL
varpd_stop b KILL
is "killed on both hosts" "$(ctl a status >/dev/null 2>&1; echo $?) $(ctl b status >/dev/null 2>&1; echo $?)" "2 2"
sleep 0.5
varpd_start a
varpd_start b
is "started: another process" "$([ "$(value a .pid status)" != "$first" ] && echo yes)" yes
is "cache is what it was" "$(entries)" "$was"
is "nodes, servers and underlays are what they were" "$(nodes a)" "$was_nodes"
is "a new miss is served" "$(pinged a 10.1.0.3 -c 1)" 1
lossless kill 3000 "kill -9 and start on both hosts"

# A miss while nobody is there is served by the varpd that is started within the window.
varpd_stop a KILL
bg late nsenter --net="/run/netns/$PREFIX-a" -- ping -n -c 1 -W $((5 * SCALE)) 10.1.0.4
sleep 0.3
varpd_start a
if [ "$SCALE" -gt 1 ]; then
	bg_wait late >/dev/null
	skip "packet that came while varpd was dead is delivered" "too slow to start within five seconds"
else
	like "packet that came while varpd was dead is delivered" "$(bg_wait late)" "1 received"
fi
check "and that vaddr is reached" wait_for 9 reach a 10.1.0.4

# An ordered end, with an underlay attached.
stream term 2000
varpd_stop a TERM
is "SIGTERM: exit status 0" "$?" 0
sleep 0.5
is "cached flow goes on" "$(pinged a 10.1.0.2 -c 1)" 1
varpd_start a
lossless term 2000 "SIGTERM and start"
is "nodes are still what they were" "$(nodes a)" "$was_nodes"

# Two upgrades in a row: one varpd ends, the next takes over.
stream upgrade 3000
for _ in 1 2; do
	varpd_stop a TERM
	varpd_start a
	varpd_stop b TERM
	varpd_start b
done
lossless upgrade 3000 "two upgrades on both hosts"

# Another one of the same instance.
pid=${VARPD_PID[a]}
varpd_run a
second=${VARPD_PID[a]}
VARPD_PID[a]=$pid
check "second varpd of an instance ends" wait_for 5 eval "! kill -0 $second"
wait "$second"
is "with status 2" "$?" 2
like "and says why" "$(tail -n 1 "$TMP/varpd-a.log")" "running|already|another"
check "the first goes on" ctl a status

# Programs replaced, not added.
is "one decapsulation program is attached" "$(attached a)" 1

# The last one leaves no trace.
must a leave 0x10
must a detach eth0
varpd_stop a TERM
is "left and detached: no pins remain" "$(ls -d "/sys/fs/bpf/varp/$PREFIX-a" 2>/dev/null)" ""
is "and no device" "$(ns_ip a -br link | awk '{print $1}' | tr '\n' ' ')" "lo eth0@if$(ns_ip net -j link show to-a | jq '.[0].ifindex') "

done_testing
