# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What the end-to-end scripts share: TAP output, hosts as network namespaces, a varpd on each, captures, and cleaning up.
# Sourced by tests/netns/test_*.sh.
#
#     +-- ns P-a ------------+  +-- ns P-b ------------+        +-- ns P-s ------------+
#     | varpd -i P-a         |  | varpd -i P-b         |        | varpd -i P-s (server)|
#     | sn0   10.1.0.1       |  | sn0   10.1.0.2       |        |                      |
#     | eth0  192.0.2.1      |  | eth0  192.0.2.2      |  ...   | eth0  192.0.2.9      |
#     |       2001:db8::1    |  |       2001:db8::2    |        |       2001:db8::9    |
#     +---------+------------+  +---------+------------+        +---------+------------+
#               | to-a                    | to-b                          | to-s
#     +---------+-------------------------+-------------------------------+------------+
#     |                              br0, in ns P-net                                  |
#     +--------------------------------------------------------------------------------+
#
# P is $PREFIX and holds the script's process id, so that runs do not meet. The caller's own namespace sees nothing but names
# below /run/netns, /run/varp and /sys/fs/bpf/varp, all beginning with P; the EXIT trap removes them.
#
# Environment: BUILD or B (build directory), VARP_TIME_SCALE (multiplies every patience), VARP_TC (given on to varpd),
# VARP_TEST_OPTIONS (further options for every varpd: how the matrix of fast paths switches them), VARP_TEST_USER (whom daemons run as; the default stays root where there is no user varp),
# KEEP=1 (leave logs and captures behind).

set -u
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-${B:-$ROOT/build}}
case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
VARPD=$BUILD/varpd
VARPCTL=$BUILD/varpctl
PROBE=$BUILD/tests/netns/probe
SCALE=${VARP_TIME_SCALE:-1}
PREFIX=vt$$
UNDERLAY4=192.0.2
UNDERLAY6=2001:db8:

# --- TAP ---------------------------------------------------------------------------------------------------------------

TESTS=0
FAILED=0

diag() { local line; while IFS= read -r line; do printf '# %s\n' "$line"; done <<<"$*"; }

ok() { TESTS=$((TESTS + 1)); printf 'ok %d - %s\n' "$TESTS" "$1"; }

# not_ok NAME [DIAGNOSTIC...]
not_ok() {
	TESTS=$((TESTS + 1))
	FAILED=$((FAILED + 1))
	printf 'not ok %d - %s\n' "$TESTS" "$1"
	shift
	if [ $# -gt 0 ]; then diag "$(printf '%s\n' "$@")"; fi
	return 1
}

# skip NAME REASON
skip() { TESTS=$((TESTS + 1)); printf 'ok %d - %s # SKIP %s\n' "$TESTS" "$1" "$2"; }

skip_all() { printf '1..0 # SKIP %s\n' "$1"; trap - EXIT; exit 0; }

# is NAME GOT WANT: equal as text
is() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got:    $2" "wanted: $3"; fi
}

# like NAME GOT REGEX
like() {
	if [[ $2 =~ $3 ]]; then ok "$1"; else not_ok "$1" "got: $2" "wanted a match of: $3"; fi
}

# num NAME GOT OPERATOR WANT: integers, OPERATOR as in test(1)
num() {
	if [[ $2 =~ ^-?[0-9]+$ ]] && test "$2" "$3" "$4"; then ok "$1"; else not_ok "$1" "got: $2" "wanted: $3 $4"; fi
}

# check NAME COMMAND...: exit status 0
check() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "failed: $*" "$out"; fi
}

# status_is NAME STATUS COMMAND...: this exit status; what it printed is left in $OUT
OUT=
status_is() {
	local name=$1 want=$2 got
	shift 2
	OUT=$("$@" 2>&1)
	got=$?
	if [ "$got" = "$want" ]; then ok "$name"; else not_ok "$name" "exit status $got, wanted $want: $*" "$OUT"; fi
}

bail() { printf 'Bail out! %s\n' "$1"; FAILED=$((FAILED + 1)); show_logs; exit 1; }

done_testing() {
	printf '1..%d\n' "$TESTS"
	if [ "$FAILED" -gt 0 ]; then show_logs; fi
	[ "$FAILED" -eq 0 ]
	exit
}

show_logs() {
	local log
	for log in "$TMP"/varpd-*.log; do
		[ -s "$log" ] || continue
		diag "--- the end of ${log##*/}"
		diag "$(tail -n 15 "$log")"
	done
}

# --- Time --------------------------------------------------------------------------------------------------------------

now_ms() { local t=${EPOCHREALTIME/[.,]/}; echo $((t / 1000)); }

# wait_for SECONDS COMMAND...: until it succeeds, at most SECONDS (scaled)
wait_for() {
	local end=$(($(now_ms) + $1 * 1000 * SCALE))
	shift
	while ! "$@" >/dev/null 2>&1; do
		if [ "$(now_ms)" -ge "$end" ]; then return 1; fi
		sleep 0.05
	done
}

# holds_for SECONDS COMMAND...: succeeds all the time (SECONDS are real ones, for what must not change)
holds_for() {
	local end=$(($(now_ms) + $1 * 1000))
	shift
	while [ "$(now_ms)" -lt "$end" ]; do
		"$@" >/dev/null 2>&1 || return 1
		sleep 0.1
	done
}

# --- Processes in the background ---------------------------------------------------------------------------------------

declare -A BG_PID=()

# bg NAME COMMAND...: output goes to $TMP/NAME.out. A function cannot be stopped cleanly: give a program.
bg() {
	local name=$1
	shift
	: >"$TMP/$name.out"	# now: what an earlier one of that name said must not be taken for its word
	"$@" >"$TMP/$name.out" 2>&1 </dev/null &
	BG_PID[$name]=$!
}

bg_says() { grep -q -- "$2" "$TMP/$1.out"; }
bg_gone() { ! kill -0 "${BG_PID[$1]}" 2>/dev/null; }

# bg_wait NAME [SECONDS]: waits for its end, kills it after SECONDS, prints its output
bg_wait() {
	wait_for "${2:-30}" bg_gone "$1" || kill -9 "${BG_PID[$1]}" 2>/dev/null
	wait "${BG_PID[$1]}" 2>/dev/null
	unset "BG_PID[$1]"
	cat "$TMP/$1.out"
}

# bg_stop NAME [SIGNAL]: ends it, prints its output
bg_stop() {
	kill "-${2:-TERM}" "${BG_PID[$1]}" 2>/dev/null
	bg_wait "$1" 10
}

# --- Namespaces and hosts ----------------------------------------------------------------------------------------------

NAMESPACES=()

ns_add() {
	ip netns add "$PREFIX-$1" || bail "cannot create a network namespace"
	NAMESPACES+=("$PREFIX-$1")
	in_net "$1" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	ip -n "$PREFIX-$1" link set lo up
}

# Not `ip netns exec`: that would hide /sys/fs/bpf.
in_net() { local ns=$1; shift; nsenter --net="/run/netns/$PREFIX-$ns" -- "$@"; }

ns_ip() { local ns=$1; shift; ip -n "$PREFIX-$ns" "$@"; }

# fabric [NAME]: the bridge that hosts hang on
# shellcheck disable=SC2120
fabric() {
	ns_add "${1:-net}"
	ns_ip "${1:-net}" link add br0 type bridge forward_delay 0 mcast_snooping 0
	ns_ip "${1:-net}" link set br0 up
}

# host_add NAME N [FABRIC]: addresses 192.0.2.N and 2001:db8::N on eth0
host_add() {
	ns_add "$1"
	host_link "$1" "$2" "${3:-net}"
}

# host_link NAME N [FABRIC [DEV]]: (re)creates the underlay of a host
host_link() {
	local name=$1 n=$2 fab=${3:-net} dev=${4:-eth0}
	ip link add "to-$name" netns "$PREFIX-$fab" type veth peer name "$dev" netns "$PREFIX-$name" ||
		bail "cannot create veth for host $name"
	ns_ip "$fab" link set "to-$name" master br0 up
	ns_ip "$name" addr add "$UNDERLAY4.$n/24" dev "$dev"
	ns_ip "$name" addr add "$UNDERLAY6:$n/64" dev "$dev" nodad
	ns_ip "$name" link set "$dev" up
	wait_for 5 carrier "$name" "$dev"
}

carrier() { ns_ip "$1" link show dev "$2" | grep -q LOWER_UP; }

# underlay_mtu MTU HOST...: on the hosts' interfaces and their ports
underlay_mtu() {
	local mtu=$1 host
	shift
	for host; do
		ns_ip net link set "to-$host" mtu "$mtu"
		ns_ip "$host" link set eth0 mtu "$mtu"
	done
}

# --- varpd -------------------------------------------------------------------------------------------------------------

declare -A VARPD_PID=()

# varpd_run HOST [ARGUMENT...]: starts it and does not wait; insecure, unless SECURE is set: then with $TMP/pki-HOST
SECURE=
varpd_run() {
	local host=$1 security=(--insecure)
	shift
	if [ -n "$SECURE" ]; then security=(--credentials "$TMP/pki-$host" --credentials-check 1); fi
	mkdir -p "$TMP/state-$host"
	"$VARPD" -i "$PREFIX-$host" --netns "$PREFIX-$host" --state-dir "$TMP/state-$host" "${security[@]}" \
		${VARP_TEST_USER:+--user "$VARP_TEST_USER"} ${VARP_TEST_OPTIONS:-} "$@" \
		>>"$TMP/varpd-$host.log" 2>&1 </dev/null &
	VARPD_PID[$host]=$!
}

varpd_start() {
	varpd_run "$@"
	wait_for 15 varpd_ready "$1" || bail "varpd of host $1 did not start: $(tail -n 3 "$TMP/varpd-$1.log")"
	# So that answers come from XDP, where the matrix of fast paths wants that.
	case "$1 ${VARP_TEST_OPTIONS:-}" in
	"s "*"--answers xdp"*) ctl s status | grep -q "eth0 " || ctl s attach eth0 >/dev/null 2>&1 ;;
	esac
}

varpd_ready() { varpd_alive "$1" && [ "$(ctl "$1" -j status | jq .pid)" = "${VARPD_PID[$1]}" ]; }
varpd_alive() { kill -0 "${VARPD_PID[$1]}" 2>/dev/null; }
varpd_dead() { ! varpd_alive "$1"; }

# varpd_stop HOST [SIGNAL]: returns varpd's exit status
varpd_stop() {
	local pid=${VARPD_PID[$1]:-} rc
	[ -n "$pid" ] || return 0
	{
		# bash has something to say about a child that was killed
		kill "-${2:-TERM}" "$pid"
		wait_for 10 varpd_dead "$1" || kill -9 "$pid"
		wait "$pid"
		rc=$?
	} 2>/dev/null
	unset "VARPD_PID[$1]"
	return $rc
}

ctl() { local host=$1; shift; "$VARPCTL" -i "$PREFIX-$host" "$@"; }

# value HOST FILTER COMMAND...: varpctl -j COMMAND through jq
value() { local host=$1 filter=$2; shift 2; ctl "$host" -j "$@" | jq -r "$filter"; }

# stat_of HOST FILTER: one number of `varpctl stats`
stat_of() { value "$1" "$2" stats; }

# The pinned map of a host: bpftool's JSON
map_dump() { bpftool -j map dump pinned "$(pins "$1")/$2"; }
pins() { echo /sys/fs/bpf/varp/"$PREFIX-$1"/v2; }

# attached HOST: programs of ours on its eth0, pinned links and filters
attached() {
	local index filters
	index=$(ns_ip "$1" -j link show dev eth0 | jq '.[0].ifindex')
	filters=$(in_net "$1" tc -j filter show dev eth0 ingress | jq '[.[] | select(.options.bpf_name // "" | test("varp"))] | length')
	echo $((filters + $(find "$(pins "$1")/links" -name "*-$index" 2>/dev/null | wc -l)))
}

# manager HOST LINE...: commands to the group manager's socket, prints the answers
manager() {
	local host=$1
	shift
	printf '%s\n' "$@" | in_net "$host" timeout $((20 * SCALE)) nc -N 127.0.0.1 2500
}

# client HOST LINE...: the same with the group client's
client() {
	local host=$1
	shift
	printf '%s\n' "$@" | in_net "$host" timeout $((20 * SCALE)) nc -N 127.0.0.1 2501
}

# told HOST LINE...: commands that prepare a test; all must be answered OK
told() {
	local answer
	answer=$(manager "$@" | sort -u)
	[ "$answer" = OK ] || bail "group manager of $1 answered '$answer' to: ${*:2}"
}

# must HOST ARGUMENT...: varpctl that prepares a test
must() { ctl "$@" >"$TMP/must.out" 2>&1 || bail "varpctl $*: $(cat "$TMP/must.out")"; }

# hosts_up HOST...: the usual beginning. Each host with a varpd; all but the server s attached. a is 1, b is 2, c is 3, s is 9.
hosts_up() {
	local host
	fabric
	for host; do
		case $host in s) host_add s 9 ;; *) host_add "$host" $(($(printf '%d' "'$host") - 96)) ;; esac
	done
	for host; do
		varpd_start "$host"
		if [ "$host" != s ]; then must "$host" attach eth0; fi
	done
}

# pair SNID [PREFIX]: a and b join the supernet that s serves, as PREFIX.1 and PREFIX.2 (10.1.0), both registered
pair() {
	local snid=$1 net=${2:-10.1.0}
	told s "varpd_server_set $snid" "varpd_add $snid $net.1 $UNDERLAY4.1" "varpd_add $snid $net.2 $UNDERLAY4.2"
	must a join "$snid" "$net.1/24" server $UNDERLAY4.9
	must b join "$snid" "$net.2/24" server $UNDERLAY4.9
}

# --- Traffic -----------------------------------------------------------------------------------------------------------

# pinged HOST ADDRESS [ARGUMENT...]: how many of the pings were answered
pinged() {
	local host=$1 to=$2 out
	shift 2
	out=$(in_net "$host" ping -n -W $((2 * SCALE)) "$@" "$to" 2>&1)
	sed -n 's/.* \([0-9]*\) received.*/\1/p' <<<"$out" | grep . || echo 0
}

# reach HOST ADDRESS: one ping is answered
reach() { in_net "$1" ping -n -q -c 1 -W "${3:-$SCALE}" "$2" >/dev/null 2>&1; }
unreach() { ! reach "$@"; }

# listen_udp NAME HOST ADDRESS PORT COUNT IDLE_MS: counts datagrams in the background; bg_wait NAME prints the result
listen_udp() {
	local name=$1 host=$2
	shift 2
	bg "$name" nsenter --net="/run/netns/$PREFIX-$host" -- "$PROBE" recv "$@"
	wait_for 5 bg_says "$name" ready || bail "probe: $(cat "$TMP/$name.out")"
}

# iperf NAME HOST ADDRESS: an iperf3 server in the background
iperf_server() {
	bg "$1" nsenter --net="/run/netns/$PREFIX-$2" -- iperf3 -s -1 -B "$3" --forceflush
	wait_for 5 bg_says "$1" listening || bail "iperf3: $(cat "$TMP/$1.out")"
}

# capture NAME NAMESPACE DEVICE [FILTER...]: until capture_stop, into $TMP/NAME.pcap
capture() {
	local name=$1 ns=$2 dev=$3
	shift 3
	bg "cap-$name" nsenter --net="/run/netns/$PREFIX-$ns" -- \
		tcpdump -n -Z root -i "$dev" -U --immediate-mode -s 300 -w "$TMP/$name.pcap" "$@"
	wait_for 10 bg_says "cap-$name" listening || bail "tcpdump: $(cat "$TMP/cap-$name.out")"
}

capture_stop() { bg_stop "cap-$1" INT >/dev/null; }

# packets NAME [FILTER...]: number of captured packets that match a capture filter
packets() {
	local name=$1
	shift
	tcpdump -n -r "$TMP/$name.pcap" "$@" 2>/dev/null | grep -c .
}

# fields NAME DISPLAY-FILTER FIELD...: a line per packet, fields separated by blanks, first (outermost) occurrence
fields() {
	local name=$1 filter=$2 args=() field
	shift 2
	for field; do args+=(-e "$field"); done
	tshark -n -r "$TMP/$name.pcap" -Y "$filter" -T fields -E separator=' ' -E occurrence=f "${args[@]}" 2>/dev/null |
		sed 's/\<True\>/1/g; s/\<False\>/0/g'	# as tshark 4.4 prints flags
}

# --- Beginning and end -------------------------------------------------------------------------------------------------

# What libxdp has pinned of dispatchers on the hosts' interfaces outlives these.
xdp_unpin() {
	local ns dispatcher
	for ns in "${NAMESPACES[@]}"; do
		for dispatcher in $(ip -n "$ns" -j link show | jq -r '.[] | select(.xdp) | "\(.ifindex)-\(.xdp.prog.id)"'); do
			rm -rf "/sys/fs/bpf/xdp/dispatch-$dispatcher"
		done
	done
}

clean_up() {
	local rc=$? key
	trap - EXIT
	# bash says "Killed" for each
	exec 2>/dev/null
	for key in "${!BG_PID[@]}"; do kill -9 "${BG_PID[$key]}"; done
	for key in "${!VARPD_PID[@]}"; do kill -9 "${VARPD_PID[$key]}"; done
	wait
	xdp_unpin
	# What those have started and left behind, too.
	for key in "${NAMESPACES[@]}"; do
		ip netns pids "$key" | xargs -r kill -9
		ip netns del "$key"
	done
	rm -rf /sys/fs/bpf/varp/"$PREFIX"-* /run/varp/"$PREFIX"-*
	if [ -n "${KEEP:-}" ]; then diag "left behind: $TMP"; else rm -rf "$TMP"; fi
	exit "$rc"
}

[ "$(id -u)" = 0 ] || { TMP=/nonexistent; skip_all "needs root"; }
TMP=$(mktemp -d "${TMPDIR:-/tmp}/$PREFIX-XXXXXX") || exit 1
trap clean_up EXIT
chmod 711 "$TMP"	# varpd may run as another user
trap 'exit 130' INT TERM HUP
for program in "$VARPD" "$VARPCTL" "$PROBE"; do
	[ -x "$program" ] || bail "$program is missing: make tests-all"
done
