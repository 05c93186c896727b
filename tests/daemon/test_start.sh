#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Starting, refusing to start, reloading, ending: exit statuses, one clear line, and nothing left behind.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

conf=$TMP/varpd.conf
log=$TMP/varpd-a.log
left_behind() { find "/run/varp/$PREFIX-a" "/sys/fs/bpf/varp/$PREFIX-a" 2>/dev/null; }

# fails NAME STATUS REGEX COMMAND...: ends by itself; exactly one line, on stderr, that matches; nothing left behind
fails() {
	local name=$1 status=$2 regex=$3 got
	shift 3
	timeout $((15 * SCALE)) "$@" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
	got=$?
	is "$name: exit status" "$got" "$status"
	like "$name: says why" "$(cat "$TMP/stderr")" "$regex"
	is "$name: in one line" "$(wc -l <"$TMP/stderr") $(wc -c <"$TMP/stdout")" "1 0"
	is "$name: leaves nothing behind" "$(left_behind)" ""
}

daemon=("$VARPD" -i "$PREFIX-a" --netns "$PREFIX-a" --state-dir "$TMP/state-a" --insecure)
ns_add a
ns_add b

# --- Command line and configuration --------------------------------------------------------------------------------------

is "--version" "$("$VARPD" --version | sed 's/[0-9][0-9.]*$/N/')" "varpd N"
check "--help names every option of the interface" bash -c '
	help=$("$1" --help) && for o in -i -c --netns --state-dir --insecure --varp-port --grp-mgr-listen --grp-clt-listen --check; do
		grep -q -e "$o" <<<"$help" || { echo "$o"; exit 1; }; done' - "$VARPD"
status_is "unknown option" 1 "$VARPD" --frobnicate
for option in --insec --vers "--varp 2500" --varp-p=2500; do
	# shellcheck disable=SC2086
	status_is "the beginning of an option: $option" 1 "$VARPD" $option --check
	like "is none" "$OUT" "unrecognized option '${option%% *}'"
done
status_is "whole options" 0 "$VARPD" --insecure --varp-port 2500 --key-port=2502 --check
status_is "unexpected argument" 1 "$VARPD" eth0
status_is "option without its value" 1 "$VARPD" --varp-port
fails "bad port" 1 "varp-port: .*not within 1 to 65535" "${daemon[@]}" --varp-port 70000
fails "bad listener" 1 "grp-mgr-listen: .*ADDR:PORT" "${daemon[@]}" --grp-mgr-listen here:2500
fails "bad instance" 1 "instance '../x'" "$VARPD" -i ../x
fails "missing configuration file" 1 "cannot read $TMP/none.conf: No such file" "${daemon[@]}" -c "$TMP/none.conf"
printf '[varpd]\nvarp-port = 2500\n\n[underlay eth0]\nspeed = 5\n' >"$conf"
fails "unknown key" 1 "varpd.conf:5: unknown key 'speed'" "${daemon[@]}" -c "$conf"
fails "unknown key with --check" 1 "varpd.conf:5: unknown key 'speed'" "$VARPD" -c "$conf" --check
printf '[varpd]\nvarp-port = 2500\n[server 0x10]\n' >"$conf"
status_is "--check of a good file" 0 "$VARPD" -c "$conf" --check
status_is "--check of the example" 0 "$VARPD" -c "$ROOT/docs/varpd.conf.example" --check
sed 's/^#\([a-z[]\)/\1/' "$ROOT/docs/varpd.conf.example" >"$TMP/all.conf"
status_is "--check of the example with every line in effect" 0 "$VARPD" -c "$TMP/all.conf" --check
is "--check starts nothing" "$(left_behind)" ""
: >"$conf"

# --- What the system does not give ---------------------------------------------------------------------------------------

fails "missing namespace" 2 "no network namespace nowhere" "$VARPD" -i "$PREFIX-a" --netns nowhere
fails "namespace that is a file" 2 "is no network namespace" "$VARPD" -i "$PREFIX-a" --netns "$conf"
mkdir "$TMP/open"
chmod 777 "$TMP/open" && chmod 755 "$TMP"
cp "$VARPD" "$TMP/open/varpd"	# the build directory may be closed to others
fails "no privileges" 2 "(ermission|permitted).*run as root" \
	setpriv --reuid 65534 --regid 65534 --clear-groups "$TMP/open/varpd" -i "$PREFIX-a" --state-dir "$TMP/open/state"
fails "no capabilities" 2 "permitted|ermission|CAP_" \
	nsenter --net="/run/netns/$PREFIX-a" setpriv --bounding-set -all "$VARPD" -i "$PREFIX-a" --state-dir "$TMP/state-a"
fails "no CAP_BPF" 2 "CAP_BPF|root" nsenter --net="/run/netns/$PREFIX-a" \
	setpriv --bounding-set -bpf,-sys_admin "$VARPD" -i "$PREFIX-a" --state-dir "$TMP/state-a"
fails "few descriptors" 2 "[Tt]oo many open files|descriptors" bash -c 'ulimit -n 12; exec "$@"' - "${daemon[@]}"
# shellcheck disable=SC2016
no_bpffs='umount /sys/fs/bpf 2>/dev/null; umount /sys/fs/bpf 2>/dev/null; exec "$@"'
fails "no bpffs, and none to be had" 2 "/sys/fs/bpf" \
	unshare -m bash -c "$no_bpffs" - nsenter --net="/run/netns/$PREFIX-a" \
	setpriv --bounding-set -sys_admin "$VARPD" -i "$PREFIX-a" --state-dir "$TMP/state-a" --insecure

# runs_in_mounts NAME PREPARATION: in mounts of its own, varpd starts, says so, and ends with 0
runs_in_mounts() {
	local name=$1
	: >"$log"
	# shellcheck disable=SC2016
	unshare -m bash -c "$2"'; exec "$@"' - "${daemon[@]}" >>"$log" 2>&1 &
	VARPD_PID[a]=$!
	check "$name: starts" wait_for 15 varpd_ready a
	varpd_stop a
	is "$name: ends" "$?" 0
}
runs_in_mounts "bpffs not mounted: mounts it" 'umount /sys/fs/bpf 2>/dev/null; umount /sys/fs/bpf 2>/dev/null'
runs_in_mounts "no BTF of the kernel" 'mount --bind /dev/null /sys/kernel/btf/vmlinux'

# --- Ports ---------------------------------------------------------------------------------------------------------------

taken() { # NAME PROTOCOL PORT
	# shellcheck disable=SC2016
	bg "taken-$1" nsenter --net="/run/netns/$PREFIX-a" -- python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_INET6 if sys.argv[1] == "udp" else socket.AF_INET,
                  socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM)
s.bind(("", int(sys.argv[2])))
if sys.argv[1] == "tcp": s.listen()
print("ready", flush=True)
time.sleep(600)' "$2" "$3"
	wait_for 10 bg_says "taken-$1" ready || bail "cannot take a port"
}
taken varp udp 2500
fails "VARP port taken" 2 "UDP port 2500 is taken" "${daemon[@]}"
bg_stop taken-varp >/dev/null
taken mgr tcp 2500
fails "group manager's port taken" 2 "group manager, 127.0.0.1:2500, is taken" "${daemon[@]}"
varpd_start a --grp-mgr-listen 127.0.0.1:2600
is "other ports will do" "$(value a '.listeners.grp_mgr' status)" 127.0.0.1:2600
varpd_stop a
bg_stop taken-mgr >/dev/null
taken clt tcp 2501
fails "group client's port taken" 2 "group client, 127.0.0.1:2501, is taken" "${daemon[@]}"
bg_stop taken-clt >/dev/null

in_net a sysctl -qw net.ipv6.conf.all.disable_ipv6=1
varpd_start a
is "IPv6 switched off: runs" "$(manager a varpd_init)" OK
varpd_stop a
in_net a sysctl -qw net.ipv6.conf.all.disable_ipv6=0
varpd_start a --grp-mgr-listen 198.51.100.7:2500
like "listener's address not there yet: a warning" "$(cat "$log")" "address is not on this host yet"
ns_ip a addr add 198.51.100.7/32 dev lo
is "and it is served once the address is there" "$(printf 'varpd_init\n' | in_net a timeout 20 nc -N 198.51.100.7 2500)" OK
ns_ip a addr del 198.51.100.7/32 dev lo
varpd_stop a
ip netns add "$PREFIX-c"
NAMESPACES+=("$PREFIX-c")
varpd_start c
ns_ip c link set lo up
is "loopback brought up after the start: is served" "$(manager c varpd_init)" OK
varpd_stop c

# --- One of each instance, several side by side ----------------------------------------------------------------------------

varpd_start a
: >"$TMP/second"
timeout 10 "${daemon[@]}" >"$TMP/second" 2>&1
is "second varpd of an instance: exit status" "$?" 2
like "says so" "$(cat "$TMP/second")" "^varpd: error: instance $PREFIX-a runs already, pid ${VARPD_PID[a]};"
is "in one line" "$(wc -l <"$TMP/second")" 1
check "the first is unharmed" varpd_ready a
varpd_start b
is "instances side by side, each its own" "$(told a 'varpd_server_set 0x1'; value a '.servers | length' status) $(value b '.servers | length' status)" "1 0"
varpd_stop b INT
is "SIGINT: exit status" "$?" 0
is "the run directory is gone" "$(find "/run/varp/$PREFIX-b" 2>/dev/null)" ""
varpd_stop a TERM
is "SIGTERM: exit status" "$?" 0
is "with nothing attached, nothing is left behind" "$(left_behind)" ""
varpd_start a
varpd_stop a KILL
varpd_start a
check "after kill -9 it starts again" varpd_ready a
varpd_stop a

# --- Without --insecure there is nothing to be trusted ----------------------------------------------------------------------

ns_ip a link add eth0 type veth peer name peer0
ns_ip a addr add 192.0.2.1/24 dev eth0
ns_ip a link set eth0 up
ns_ip a link set peer0 up
"$VARPD" -i "$PREFIX-a" --netns "$PREFIX-a" --state-dir "$TMP/state-c" >>"$log" 2>&1 </dev/null &
VARPD_PID[a]=$!
check "without --insecure varpd starts" wait_for 15 varpd_ready a
like "but serves no supernet" "$(manager a 'varpd_server_set 0x10')" "^ERR credentials "
is "though mappings may be registered" "$(manager a 'varpd_add 0x10 10.1.0.2 192.0.2.2')" OK
like "and is no client of one" "$(client a 'varpd_client_set 0x10 192.0.2.9')" "^ERR credentials "
must a attach eth0
status_is "join with a server: refused, not a matter of permission" 2 ctl a join 0x10 10.1.0.1/24 server 192.0.2.9
like "says why" "$OUT" "no credentials"
is "and no device is left" "$(ns_ip a -br link | grep -c '^sn')" 0
status_is "a lookup without credentials: failed, which is not to say that there is no mapping" 2 ctl a resolve 0x10 10.1.0.2 --timeout 2
like "says why" "$OUT" "10.1.0.2 of supernet 0x0*10 cannot be looked up: varpd has no credentials"
must a detach eth0
varpd_stop a
varpd_start a --state-dir "$TMP/state-c"
is "what was refused is not in the store" "$(value a '.servers | length' status) $(ctl a -j db show | jq length)" "0 1"
varpd_stop a

# --- Sections of the configuration, reloads -----------------------------------------------------------------------------------

cat >"$conf" <<CONF
[varpd]
log-level = warning
[underlay eth0]
[server 0x10]
ttl = 77
[client 0x20]
server = 192.0.2.8
[node one]
snid = 0x10
vaddr = 10.1.0.1/24
[node two]
snid = 0x20
vaddr = 10.2.0.1/16
server = 192.0.2.9
channel = 0x4711
dev = two
netns = $PREFIX-b
CONF
state() { value a '(.underlays[] | .dev), (.nodes[] | "\(.snid) \(.vaddr)/\(.prefix_len) \(.chid) \(.netns)"),
	(.clients[] | "\(.snid) \(.server)"), (.servers[] | "\(.snid) \(.ttl_s)")' status | sort | tr '\n' '|'; }
wanted="0x00000000000000000010 10.1.0.1/24 0x000000000000 null|0x00000000000000000010 77|"
wanted+="0x00000000000000000020 10.2.0.1/16 0x000000004711 $PREFIX-b|0x00000000000000000020 192.0.2.9|eth0|"
varpd_start a -c "$conf" --state-dir "$TMP/state-d"
is "sections are in effect" "$(state)" "$wanted"
is "the device is where it should be" "$(ns_ip b -br addr show dev two | awk '{ print $3 }')" 10.2.0.1/16
varpd_stop a KILL
: >"$log"
varpd_start a -c "$conf" --state-dir "$TMP/state-d"
is "after kill -9 the same" "$(state)" "$wanted"
is "and nobody complains of what is there already" "$(grep -v "there is no user varp" "$log")" ""

reload() { kill -HUP "${VARPD_PID[a]}"; }
log_has() { grep -q -e "$1" "$log"; }
: >"$log"
sed -i 's/^log-level.*/log-level = debug/; s/^\[varpd\]/&\nvarp-port = 4500/' "$conf"
printf '[node three]\nsnid = 0x30\nvaddr = fd00::1/64\n[underlay eth9]\n' >>"$conf"
reload
check "SIGHUP: reloaded, and what needs a restart is named" wait_for 5 log_has "reloaded; needs a restart to change: varp-port"
chatty() { ctl a status && log_has "debug: control"; }
check "log-level is in effect" wait_for 5 chatty
has_three() { value a '.nodes[].vaddr' status | grep -q '^fd00::1$'; }
check "a new node is there" wait_for 5 has_three
check "a missing interface is complained of" wait_for 5 log_has "\[underlay eth9\]: .*trying again"
ns_ip a link add eth9 type veth peer name peer9
ns_ip a link set eth9 up
has_eth9() { value a '.underlays[].dev' status | grep -q '^eth9$'; }
check "and attached when it appears" wait_for 12 has_eth9
before=$(state)
: >"$log"
printf '[nonsense]\n' >>"$conf"
reload
check "SIGHUP with a bad file: says the line" wait_for 5 log_has "varpd.conf:[0-9]*: unknown section .nonsense."
check "and that the former one stays" wait_for 5 log_has "former one stays in effect"
is "nothing has changed" "$(state)" "$before"
must a leave 0x10
must a leave 0x20
must a leave 0x30
must a detach eth9
must a detach eth0
varpd_stop a
is "ends" "$?" 0
is "left and detached, nothing is left behind" "$(left_behind; ns_ip a -br link | grep -cE '^(sn|two|three)')" 0

# --- systemd -----------------------------------------------------------------------------------------------------------------

if ldd "$VARPD" | grep -q libsystemd; then
	bg notify python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("listening", flush=True)
while True: print(s.recv(1000).decode().split("\n")[0], flush=True)' "$TMP/notify.sock"
	wait_for 5 bg_says notify listening
	NOTIFY_SOCKET=$TMP/notify.sock varpd_start a
	reload
	log_reloaded() { [ "$(grep -c READY=1 "$TMP/notify.out")" = 2 ]; }
	wait_for 5 log_reloaded
	varpd_stop a
	wait_for 5 bg_says notify STOPPING
	is "systemd is told of each step" "$(bg_stop notify | tr '\n' ' ')" "listening READY=1 RELOADING=1 READY=1 STOPPING=1 "
else
	skip "systemd is told of each step" "built without libsystemd"
fi
done_testing
