#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Measures, and asserts nothing: first ping against warm round trip, throughput and latency of VARP against the bare underlay and the
# kernel's VXLAN, side by side over one veth. Called by hand: tests/netns/measure.sh [SECONDS [REPETITIONS]]. Prints medians and ratios.
#
#     host a                       eth1, veth                     host b
#     bare 198.51.100.1  --------------------------------  bare 198.51.100.2
#     sn0  10.1.0.1        (VARP, raddr 198.51.100.x)       sn0  10.1.0.2
#     vx0  10.9.0.1        (VXLAN over the same)            vx0  10.9.0.2            server s on br0
. "$(dirname "$0")/../lib.sh"

seconds=${1:-2}
reps=${2:-3}
declare -A ADDRESS=([bare]=198.51.100.2 [varp]=10.1.0.2 [vxlan]=10.9.0.2)
paths="bare varp vxlan"

hosts_up a b s
ip link add eth1 netns "$PREFIX-a" type veth peer name eth1 netns "$PREFIX-b"
for n in 1 2; do
	host=$([ $n = 1 ] && echo a || echo b)
	ns_ip $host addr add 198.51.100.$n/24 dev eth1
	ns_ip $host link set eth1 up
	must $host attach eth1
	told s "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.$n 198.51.100.$n"
	must $host join 0x10 10.1.0.$n/24 server 192.0.2.9 raddr 198.51.100.$n dev sn0
	if ns_ip $host link add vx0 type vxlan id 42 local 198.51.100.$n remote 198.51.100.$((3 - n)) dev eth1 dstport 4789 2>/dev/null; then
		ns_ip $host addr add 10.9.0.$n/24 dev vx0
		ns_ip $host link set vx0 up
	else
		paths="bare varp"
	fi
done
for path in $paths; do wait_for 5 reach a "${ADDRESS[$path]}" || bail "$path does not work"; done

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", b ? a / b : 0 }'; }
rtt() { in_net a ping -n -c 1 -W 2 "$1" | sed -n 's/.*time=\([0-9.]*\) ms.*/\1/p'; }

# first: nobody knows anything; half: only the asking host does not
first=() half=() warm=()
for ((i = 0; i < 20; i++)); do
	must a cache flush; must b cache flush; sleep 0.05
	first+=("$(rtt 10.1.0.2)"); sleep 0.05
	warm+=("$(rtt 10.1.0.2)"); sleep 0.05
	must a cache flush; sleep 0.05
	half+=("$(rtt 10.1.0.2)")
done
f=$(printf '%s\n' "${first[@]}" | median) h=$(printf '%s\n' "${half[@]}" | median) w=$(printf '%s\n' "${warm[@]}" | median)
printf '%-44s %8s ms\n' "ping, warm" "$w"
printf '%-44s %8s ms   %s of warm\n' "first ping, asking host has an empty cache" "$h" "$(ratio "$h" "$w")" \
	"first ping, both hosts have empty caches" "$f" "$(ratio "$f" "$w")"

# each METRIC UNIT COMMAND...: medians of interleaved repetitions over the paths
each() {
	local metric=$1 unit=$2 path i
	declare -A got=()
	shift 2
	for ((i = 0; i < reps; i++)); do
		for path in $paths; do got[$path]+="$("$@" "${ADDRESS[$path]}") "; done
	done
	local bare vx="" m
	for path in $paths; do
		m=$(tr ' ' '\n' <<<"${got[$path]}" | grep . | median)
		[ "$path" = bare ] && bare=$m
		[ "$path" = vxlan ] && vx=$m
		printf '%-36s %-7s %10.2f %-6s %s of bare\n' "$metric" "$path" "$m" "$unit" "$(ratio "$m" "$bare")"
	done
	[ -n "$vx" ] && printf '%-36s varp is %s of vxlan\n' "" "$(ratio "$(tr ' ' '\n' <<<"${got[varp]}" | grep . | median)" "$vx")"
}

run_iperf() {
	local to=${*: -1} args=("${@:1:$#-1}")
	iperf_server isrv b "$to"
	in_net a timeout 60 iperf3 -c "$to" -t "$seconds" -J "${args[@]}" >"$TMP/iperf.json"
	bg_wait isrv 5 >/dev/null
}
tcp() { run_iperf "$1"; jq '.end.sum_received.bits_per_second / 1e9' "$TMP/iperf.json"; }
udp() { run_iperf -u -b 0 -l 64 "$1"; jq '(.end.sum.packets - .end.sum.lost_packets) / .end.sum.seconds / 1e3' "$TMP/iperf.json"; }
latency() {
	local tcp=$1 to=$2 args=()
	[ "$tcp" = tcp ] && args=(--tcp)
	bg ssrv taskset -c 0 nsenter --net="/run/netns/$PREFIX-b" -- sockperf server -i "$to" -p 11111 "${args[@]}"
	sleep 0.3
	taskset -c 0 nsenter --net="/run/netns/$PREFIX-a" -- sockperf ping-pong -i "$to" -p 11111 -t "$seconds" "${args[@]}" 2>&1 |
		sed -n 's/.*avg-latency=\([0-9.]*\).*/\1/p' | head -n 1
	bg_stop ssrv KILL >/dev/null
}

each "TCP, super-packets" Gbit/s tcp
for host in a b; do
	in_net $host ethtool -K eth1 tso off gso off gro on tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off >/dev/null 2>&1
done
each "TCP, MTU-size frames, GRO on" Gbit/s tcp
for host in a b; do
	in_net $host ethtool -K eth1 tso on gso on gro off tx-udp_tnl-segmentation on tx-udp_tnl-csum-segmentation on >/dev/null 2>&1
done
each "UDP 64 B" kpps udp
each "TCP request/response, one core" us latency tcp
each "UDP request/response, one core" us latency udp
