#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What varpd may do once it runs: another user, one capability, a filter of system calls, and still everything works; also as systemd's
# units start it, whose exposure is measured. What must fail is tried by tests/unit/test_privileges.c.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
id nobody >/dev/null 2>&1 || skip_all "there is no user nobody"
nobody=$(id -u nobody)

# field PID NAME: of /proc/PID/status, hexadecimal without leading zeros
field() { awk -v name="$2:" '$1 == name { sub(/^0+/, "", $2); print $2 == "" ? 0 : $2 }' "/proc/$1/status"; }
fields_of() { local pid=$1 name; shift; for name; do field "$pid" "$name"; done | xargs; }

fabric
host_add a 1
host_add s 9
ns_add inner
varpd_start s --user nobody
varpd_start a --user nobody
pid=${VARPD_PID[a]}
helper=$(pgrep -P "$pid")

# --- What is left --------------------------------------------------------------------------------------------------------

is "varpd is another user" "$(awk '/^[UG]id:/ { print $2, $3, $4, $5 }' "/proc/$pid/status" | sort -u)" \
	"$nobody $nobody $nobody $nobody"
is "status says which" "$(value a .user status)" nobody
is "capabilities: NET_ADMIN, nothing to be inherited or gained" "$(fields_of "$pid" CapPrm CapEff CapInh CapAmb CapBnd)" \
	"1000 1000 0 0 0"
is "no new privileges" "$(field "$pid" NoNewPrivs)" 1
case $BUILD in
*-asan) # Sanitizers trace the process, which the filter would end.
	is "a build with sanitizers filters no system calls" "$(field "$pid" Seccomp) $(field "$helper" Seccomp)" "0 0"
	;;
*)
	is "system calls are filtered, in the helper too" "$(field "$pid" Seccomp) $(field "$helper" Seccomp)" "2 2"
	status_is "memory is not for processes of the same user" 1 setpriv --reuid "$nobody" --regid "$nobody" --clear-groups -- \
		cat "/proc/$pid/environ"
	;;
esac
is "helper: SYS_ADMIN, NET_ADMIN, SYS_PTRACE, DAC_READ_SEARCH at most" \
	"$(fields_of "$helper" CapPrm CapInh CapAmb CapBnd NoNewPrivs)" "281004 0 0 0 1"
is "files are varpd's user's" "$(stat -c %U "/run/varp/$PREFIX-a" "/run/varp/$PREFIX-a/control.sock" "$TMP/state-a/varp.db" \
	"$(pins a)" "$(pins a)/varp_cache" | sort -u)" nobody
is "modes of sockets" "$(cd "/run/varp/$PREFIX-a" && stat -c '%n %a' ./*.sock | xargs)" \
	"./control.sock 666 ./grp-clt.sock 660 ./grp-mgr.sock 660"

# --- And still ---------------------------------------------------------------------------------------------------------------

must a attach eth0
told s "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.2"
must a join 0x10 10.1.0.1/24 server 192.0.2.9 netns "$PREFIX-inner"
is "a node device in another namespace" "$(ns_ip inner -br addr show dev sn0 | awk '{ print $3 }')" 10.1.0.1/24
is "resolves" "$(value a .raddr resolve 0x10 10.1.0.2)" 192.0.2.2
for path in /etc/passwd "$TMP" "$PREFIX-none" /dev/null; do
	status_is "join in what is no namespace: $path" 2 ctl a join 0x10 10.1.0.3/24 netns "$path"
done
chmod 700 "$TMP/state-a"
printf '[varpd]\nlog-level = debug\n' >"$TMP/a.conf"
chmod 600 "$TMP/a.conf"
varpd_stop a KILL
helper_gone() { ! kill -0 "$helper" 2>/dev/null || [ "$(field "$helper" State)" = Z ]; }
check "the helper ends with varpd" wait_for 5 helper_gone
varpd_start a -c "$TMP/a.conf" --user nobody
is "a restarted varpd takes over its own" "$(value a '"\(.nodes | length) \(.underlays | length)"' status)" "1 1"
kill -HUP "${VARPD_PID[a]}"
reloaded() { grep -q 'configuration was reloaded' "$TMP/varpd-a.log"; }
check "a configuration that only root may read is reloaded" wait_for 5 reloaded
is "of the helper nothing is said while it runs" "$(ctl a status | grep -c helper)" 0
helper=$(pgrep -P "${VARPD_PID[a]}")
kill -9 "$helper"
helper_missed() { grep -q "error: varpd's helper process has ended" "$TMP/varpd-a.log"; }
check "a helper that is killed is missed" wait_for 5 helper_missed
check "and does not stay as a zombie" wait_for 5 bash -c "! test -e /proc/$helper"
like "status says what to do" "$(value a '.warnings[]' status)" "helper process has ended.*restart varpd"
is "and not that a device that it cannot see is down" "$(value a '.warnings[]' status | grep -c "its device")" 0
status_is "a join that needs it is refused" 2 ctl a join 0x10 10.1.0.3/24 netns "$PREFIX-inner"
like "and says so" "$OUT" "helper process has ended.*restart varpd"
check "one that does not is done" ctl a join 0x20 10.2.0.1/24
must a leave 0x20
is "the log says it once" "$(grep -c "error: varpd.s helper process has ended" "$TMP/varpd-a.log")" 1
varpd_stop a KILL
varpd_start a --user root
is "also as root" "$(value a '"\(.nodes | length) \(.underlays | length) \(.user)"' status)" "1 1 root"
is "with no more capabilities" "$(fields_of "${VARPD_PID[a]}" CapPrm CapEff CapBnd)" "1000 1000 0"
varpd_stop a KILL
varpd_start a --user nobody-of-this-name
is "a user who is missing" "$(value a .user status)" root
like "is told of" "$(cat "$TMP/varpd-a.log")" "there is no user nobody-of-this-name, so varpd stays root"
varpd_stop a KILL
varpd_start a --user nobody
must a leave 0x10
must a detach eth0
varpd_stop a
is "ends cleanly" $? 0
check "and leaves nothing behind" bash -c "! test -e /run/varp/$PREFIX-a && ! test -e /sys/fs/bpf/varp/$PREFIX-a"

# --- Links in what belongs to the user ------------------------------------------------------------------------------------------

mkdir "$TMP/victim"
echo precious >"$TMP/victim/file"
chmod 700 "$TMP/victim"
chmod 600 "$TMP/victim/file"
victim() { echo "$(cat "$TMP/victim/file") $(stat -c %U:%a "$TMP/victim" "$TMP/victim/file" | xargs)"; }
untouched="precious root:700 root:600"
plain() { timeout $((15 * SCALE)) "$VARPD" -i "$PREFIX-a" --netns "$PREFIX-a" --state-dir "$TMP/state-a" --insecure --user nobody; }

varpd_start a --user nobody
version=$(basename "$(pins a)")
rmdir "$(pins a)/links"
ln -s "$TMP/victim" "$(pins a)/links"
varpd_stop a
is "directories of pins: nothing is removed by a link" "$? $(victim)" "0 $untouched"
check "only the link is" bash -c "! test -e /sys/fs/bpf/varp/$PREFIX-a"

mkdir -p "/sys/fs/bpf/varp/$PREFIX-a/$version"
ln -s "$TMP/victim" "/sys/fs/bpf/varp/$PREFIX-a/$version/links"
status_is "varpd does not start with one" 2 plain
like "and says so" "$OUT" "links among the pins is no directory"
rm -rf "/sys/fs/bpf/varp/$PREFIX-a"

mkdir -p "/run/varp/$PREFIX-a"
target=/run/varp/$PREFIX-file	# a hard link does not leave its file system
echo precious >"$target"
chmod 600 "$target"
for link in "ln -s" ln; do
	$link "$target" "/run/varp/$PREFIX-a/varpd.pid"
	status_is "pid file ($link): refused" 2 plain
	like "and it is said what to do" "$OUT" "varpd.pid is a link.*remove it"
	is "and nothing was written" "$(cat "$target") $(stat -c %U:%a "$target")" "precious root:600"
	rm "/run/varp/$PREFIX-a/varpd.pid"
done
rm "$target"
rmdir "/run/varp/$PREFIX-a"

got=$(VARPD=$VARPD INSTANCE=$PREFIX-l VERSION=$version TMP=$TMP USER_NAME=nobody \
	timeout 60 unshare -m "$ROOT/tests/daemon/links_run.sh" 2>&1)
modes="root:700 root:600"
is "--prepare: all instances' directory stays root's; links are refused or left" "$(xargs <<<"$got")" \
	"first 0 0 $modes root:750 nobody:770 instance 2 1 $modes version 2 1 $modes pins 0 0 $modes nobody:770"

# --- Credentials that only root can reach ---------------------------------------------------------------------------------------

mkdir -p "$TMP/pki-a/psk"
(umask 077; printf '%064d\n' 7 >"$TMP/pki-a/psk/0x00000000000000000010.psk")
said() { grep -q "$1" "$TMP/varpd-a.log"; }
for closed in pki-a pki-a/psk; do
	chmod 755 "$TMP/pki-a" "$TMP/pki-a/psk"
	chmod 700 "$TMP/$closed"
	SECURE=1 varpd_start a --user nobody
	check "$closed: that they cannot be read again is said at once" said "$TMP/$closed cannot be read by varpd's user"
	like "and in status" "$(ctl a status)" "$TMP/$closed cannot be read"
	kill -HUP "${VARPD_PID[a]}"
	check "reloads" wait_for 5 said "configuration was reloaded"
	is "what was read as root stays in use" "$(told a "varpd_server_set 0x10" && echo OK)" OK
	chmod 755 "$TMP/$closed"
	kill -HUP "${VARPD_PID[a]}"
	check "once they can be, they are" wait_for 5 said "credentials were read again"
	is "and nothing is wrong" "$(ctl a status | grep -c "cannot be read")" 0
	varpd_stop a
done

# A user with a group of its own, who is given what root has there.
if [ "$(id -gn daemon 2>/dev/null)" = daemon ]; then
	rm -rf "$TMP/pki-a"
	mkdir -p "$TMP/pki-a/psk"
	(umask 077; printf '%064d\n' 0 >"$TMP/pki-a/psk/0x00000000000000000010.psk")
	: >"$TMP/varpd-a.log"
	SECURE=1 varpd_start a --user daemon
	is "a key that is none is told of once" "$(grep -c "0010.psk is not used: a key of zeros alone is no secret" "$TMP/varpd-a.log")" 1
	(umask 077; printf '%064d\n' 7 >"$TMP/pki-a/psk/0x00000000000000000010.psk")
	kill -HUP "${VARPD_PID[a]}"
	check "one that root makes meanwhile is read" wait_for 5 said "1 pre-shared key"
	varpd_stop a
else
	skip "a key that is none is told of once" "there is no user daemon with a group of its own"
fi

# --- As systemd starts it -------------------------------------------------------------------------------------------------------

below_two() { awk -v level="$1" 'BEGIN { exit !(level > 0 && level < 2.0) }'; }
if command -v systemd-analyze >/dev/null; then
	for unit in "$ROOT"/systemd/*.service; do
		name=$(basename "$unit")
		sed 's|@SBINDIR@|/usr/sbin|' "$unit" >"$TMP/${name/@/-x@y}"
		level=$(systemd-analyze security --offline=yes --no-pager "$TMP/${name/@/-x@y}" 2>/dev/null |
			sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p')
		check "$name: exposure $level is below 2.0" below_two "${level:-9}"
	done
else
	skip "exposure of the units" "systemd-analyze is not installed"
fi
if command -v systemd-socket-activate >/dev/null && command -v setpriv >/dev/null; then
	chmod 755 "$TMP"
	got=$(VARPD=$VARPD VARPCTL=$VARPCTL UNIT=$ROOT/systemd/varpd.service INSTANCE=$PREFIX-u NETNS=/run/netns/$PREFIX-a TMP=$TMP \
		NETNS_NODE=/run/netns/$PREFIX-inner USER_NAME=nobody timeout 120 unshare -m "$ROOT/tests/daemon/unit_run.sh" 2>&1 |
		grep -v '^CapBnd')
	is "with the unit's capabilities it runs, and a node device in another namespace is made by the helper's service" \
		"$(xargs <<<"$got")" "prepare 0 CapInh 0 CapPrm 1000 CapEff 1000 CapAmb 0 NoNewPrivs 1 Seccomp $(
		case $BUILD in *-asan) echo 0 ;; *) echo 2 ;; esac) attach 0 join 0 10.1.0.1/24 leave 0 detach 0 end 0 helper 0"
else
	skip "the unit's capabilities" "systemd-socket-activate or setpriv is not installed"
fi
done_testing
