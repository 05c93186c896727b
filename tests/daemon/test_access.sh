#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Who may command varpd, and what of it local users see: two users of whom each owns a supernet, a third who owns none, root; through
# varpctl, the text sockets by TCP and by unix socket, and libvarp. And the audit lines.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
command -v setpriv >/dev/null || skip_all "setpriv is not installed"

# Users that every system has: daemon owns 0x10, bin and whoever is in its group 0x20, sys nothing; mail may command the group manager's
# socket. Nothing of theirs is touched.
alice=1 bob=2 stranger=3 manager_user=8
for user in "daemon $alice" "bin $bob" "sys $stranger" "mail $manager_user"; do
	[ "$(id -u "${user% *}" 2>/dev/null)" = "${user#* }" ] || skip_all "there is no user ${user% *} with uid ${user#* } here"
done
mkdir "$TMP/open"
cp "$VARPCTL" "$TMP/open/varpctl"	# the build directory may be closed to others
chmod 755 "$TMP/open"

as() { local uid=$1; shift; setpriv --reuid "$uid" --regid "$uid" --clear-groups -- "$@"; }
ctl_as() { local uid=$1; shift; as "$uid" "$TMP/open/varpctl" -i "$PREFIX-a" "$@"; }
# rc_as UID ARGUMENT...: exit status of varpctl
rc_as() { ctl_as "$@" >"$TMP/out" 2>&1; echo $?; }

# rc_of UID NN "COMMAND with 0xN": the same, with the supernet put in
rc_of() {
	local words
	read -ra words <<<"${3/N/$2}"
	rc_as "$1" "${words[@]}"
}

cat >"$TMP/varpd.conf" <<-END
	[varpd]
	grp-mgr-allow = mail
	[supernet 0x10]
	owner = daemon
	[supernet 0x20]
	owner = nobody-of-this-name, @bin
END
ns_add a
ns_ip a link add eth0 type veth peer name peer0
ns_ip a addr add 192.0.2.1/24 dev eth0
ns_ip a link set eth0 up
ns_ip a link set peer0 up
varpd_start a -c "$TMP/varpd.conf" --user nobody
log=$TMP/varpd-a.log
must a attach eth0
for n in 10 20 30; do
	told a "varpd_server_set 0x$n" "varpd_add 0x$n 10.1.0.2 192.0.2.$n" "varpd_add 0x$n 10.1.0.3 192.0.2.$n"
	must a join "0x$n" 10.1.0.1/24
	must a resolve "0x$n" 10.1.0.2
done
like "an unknown owner is told of" "$(cat "$log")" "owner: there is no user nobody-of-this-name"

# --- varpctl: commands about one supernet --------------------------------------------------------------------------------

for command in "cache get 0xN 10.1.0.2" "resolve 0xN 10.1.0.3" "cache show 0xN" "db show 0xN" "cache flush 0xN 10.1.0.3"; do
	is "$command: own, other, unknown supernet; other user; stranger; root" \
		"$(rc_of $alice 10 "$command") $(rc_of $alice 20 "$command") $(rc_of $alice 99 "$command") $(
		rc_of $bob 20 "$command") $(rc_of $bob 10 "$command") $(rc_of $stranger 10 "$command") $(
		must a resolve 0x30 10.1.0.3; rc_of 0 30 "$command")" "0 5 5 0 5 5 0"
done
rc_as $alice cache get 0x20 10.1.0.2 >"$TMP/rc"
is "why is one line on stderr that says who may" "$(wc -l <"$TMP/out") $(grep -c 'not permitted: cache get is for root, owners' "$TMP/out")" "1 1"

# --- varpctl: what lists ------------------------------------------------------------------------------------------------

snids() { jq -c '[.. | .snid? // empty] | unique | map(.[-2:] | tonumber)'; }
for command in "cache show" "db show" "status" "stats"; do
	# shellcheck disable=SC2086
	is "$command: each sees his own, root all, a stranger nothing" \
		"$(ctl_as $alice -j $command | snids) $(ctl_as $bob -j $command | snids) $(ctl a -j $command | snids) $(
		rc_as $stranger -j $command)" "[10] [20] [10,20,30] 5"
done
is "status: own mappings are counted" "$(ctl_as $alice -j status | jq .mappings) $(ctl a -j status | jq .mappings)" "2 6"
is "stats: sums over all supernets are root's" "$(ctl_as $alice -j stats | jq -c '[.datapath, .drops, .varp]')" "[{},{},{}]"
is "status for people" "$(ctl_as $alice status | grep -c '0x00000000000000000010\|0x00000000000000000020')" 1
check "stats for people" ctl_as $alice stats
is "varpd's own user sees all" "$(ctl_as 65534 -j status | snids)" "[10,20,30]"

# --- varpctl: the host's ------------------------------------------------------------------------------------------------

there() { value a '"\(.underlays | length) \(.nodes | length)"' status; value a length cache show; }
before=$(there)
for command in "attach peer0" "detach eth0" "join 0x10 10.1.0.9/24" "leave 0x10" "cache flush"; do
	# shellcheck disable=SC2086
	is "$command: for no owner" "$(rc_as $alice $command) $(rc_as $stranger $command)" "5 5"
done
for command in "attach peer0" "leave 0x10"; do
	# shellcheck disable=SC2086
	is "$command: nobody is told to become an owner" "$(rc_as $alice $command) $(cat "$TMP/out")" \
		"5 varpctl: not permitted: ${command% *} is for root and the group of varpd's user"
done
is "and nothing has happened" "$(there)" "$before"

# --- monitor ------------------------------------------------------------------------------------------------------------

for user in $alice $bob; do
	bg "monitor-$user" setpriv --reuid $user --regid $user --clear-groups -- "$TMP/open/varpctl" -i "$PREFIX-a" -j monitor
done
watching() { [ "$(value a .connections.control status)" -ge 3 ]; }
check "two users watch" wait_for 5 watching
for n in 10 20 30; do told a "varpd_add 0x$n 10.1.0.7 192.0.2.$n"; done
ctl a detach eth0 >/dev/null
seen() { grep -q 10.1.0.7 "$TMP/monitor-$1.out"; }
check "each sees events" wait_for 5 eval "seen $alice && seen $bob"
is "of his own supernet alone" "$(jq -r '.snid' "$TMP/monitor-$alice.out" | sort -u) $(
	jq -r '.snid' "$TMP/monitor-$bob.out" | sort -u)" "0x00000000000000000010 0x00000000000000000020"
bg_stop "monitor-$alice" >/dev/null
bg_stop "monitor-$bob" >/dev/null
must a attach eth0

# --- Text sockets, libvarp -----------------------------------------------------------------------------------------------

chmod 755 "$TMP/open"
cp "$ROOT/tests/daemon/access_cases.py" "$ROOT/tests/daemon/tap.py" "$TMP/open"
in_net a python3 "$TMP/open/access_cases.py" "$PREFIX-a" "${VARPD_PID[a]}" "$log" >"$TMP/cases" 2>&1
rc=$?
while IFS= read -r line; do
	case $line in
	ok*) ok "${line#ok * - }" ;;
	"not ok"*) not_ok "${line#not ok * - }" ;;
	1..*) ;;
	*) diag "$line" ;;
	esac
done <"$TMP/cases"
is "all cases were run" "$rc" 0

# --- Reload -------------------------------------------------------------------------------------------------------------

printf '[varpd]\n[supernet 0x30]\nowner = daemon\n' >"$TMP/varpd.conf"
kill -HUP "${VARPD_PID[a]}"
changed() { [ "$(rc_as $alice cache get 0x30 10.1.0.2)" = 0 ]; }
check "a new owner after reloading" wait_for 5 changed
is "the former supernet is his no more" "$(rc_as $alice cache get 0x10 10.1.0.2)" 5
is "and who owns none, may nothing" "$(rc_as $bob status)" 5
printf '[varpd]\n' >"$TMP/varpd.conf"
kill -HUP "${VARPD_PID[a]}"
closed() { [ "$(stat -c %a "/run/varp/$PREFIX-a/grp-mgr.sock")" = 660 ]; }
check "with nobody named the unix sockets are closed to others" wait_for 5 closed

# --- Listening elsewhere ---------------------------------------------------------------------------------------------------

"$VARPD" -i "$PREFIX-b" --netns "$PREFIX-a" --state-dir "$TMP/state-b" --varp-port 2600 --key-port 2602 \
	--grp-mgr-listen 0.0.0.0:2600 >"$TMP/out" 2>&1
is "a group manager's socket for others is refused without --insecure" "$?" 2
like "and it is said why" "$(cat "$TMP/out")" "0.0.0.0:2600 is not a loopback address"
is "in one line" "$(wc -l <"$TMP/out")" 1

varpd_stop a
is "ends cleanly" "$?" 0
check "and leaves nothing behind" bash -c "! test -e /run/varp/$PREFIX-a && ! test -e /sys/fs/bpf/varp/$PREFIX-b"
done_testing
