#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A channel whose secret was set by hand stays keyed: after a reboot, a detach that took the maps away, an older varpd. No packet of
# it leaves in plain before or after; what cannot be kept is refused, and what cannot be read starts nothing.
. "$(dirname "$0")/../lib.sh"

sql() { # DATABASE STATEMENT
	python3 -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(*(r[0] for r in c.execute(sys.argv[2]))); c.commit()' "$@"
}
# Of a copy, for varpd has the file for itself.
rows() {
	rm -rf "$TMP/copy"
	mkdir "$TMP/copy"
	cp "$db"* "$TMP/copy"
	sql "$TMP/copy/varp.db" "SELECT hex(secret) FROM secrets" | tr A-F a-f
}
shown() { value a '.[] | "\(.chid) \(.mode) \(.rotate_s)"' channel show; }
drops() { stat_of a ".drops.$1"; }
# The type of Geneve's option, 18 octets into UDP.
plain_packets() { packets "$1" 'udp port 6081 and udp[18] = 0x81'; }
keyed_packets() { packets "$1" 'udp port 6081 and udp[18] = 0x82'; }
# In any file of the state directory, as octets.
kept() { python3 -c 'import glob, sys; k = bytes.fromhex(open(sys.argv[1]).read())
sys.exit(not any(k in open(f, "rb").read() for f in glob.glob(sys.argv[2] + "/varp.db*")))' "$TMP/$1" "$state"; }
not_kept() { ! kept "$@"; }

# What a power failure leaves of a: the disk.
power_fails() {
	varpd_stop a KILL
	ns_ip a link del sn0 2>/dev/null
	rm -rf "/sys/fs/bpf/varp/$PREFIX-a"
}

# comes_back NAME MODE: a joins anew while its underlay is watched
comes_back() {
	varpd_start a
	must a attach eth0
	capture "$1" a eth0 src host 192.0.2.1 and udp port 6081
	must a join 0x10 10.1.0.1/24 server 192.0.2.9
	in_net a ping -n -q -c 3 -i 0.2 -W "$SCALE" 10.1.0.2 >/dev/null 2>&1
	check "$1: reached" wait_for 5 reach a 10.1.0.2
	capture_stop "$1"
	is "$1: no packet in plain" "$(plain_packets "$1")" 0
	num "$1: but with a tag" "$(keyed_packets "$1")" -ge 3
	is "$1: shown" "$(shown)" "0x000000000000 $2 3600"
}

hosts_up a b s
pair 0x10
state=$TMP/state-a
db=$state/varp.db
umask 077
for key in key second third; do openssl rand -hex 32 >"$TMP/$key"; done
umask 022
# shellcheck disable=SC2154 # rc is assigned in it
trap 'rc=$?; umount -q "$state"; (exit "$rc"); clean_up' EXIT

must b channel set 0x10 0x0 aead key "$TMP/key"
must a channel set 0x10 0x0 aead key "$TMP/key"
check "keyed: reached" wait_for 5 reach a 10.1.0.2
is "the file is root's and varpd's alone" "$(stat -c %a "$db")" 600
check "the secret is in it" kept key
power_fails
comes_back reboot aead

# As `systemctl stop` after the last interface was detached: varpd itself takes the maps away.
must a leave 0x10
must a detach eth0
varpd_stop a
is "detached and stopped: no maps are left" "$(find "/sys/fs/bpf/varp/$PREFIX-a" -name varp_channels 2>/dev/null)" ""
comes_back detached aead

# Another secret takes the first one's place, also on the disk.
must b channel set 0x10 0x0 auth key "$TMP/second"
must a channel set 0x10 0x0 auth key "$TMP/second"
check "another secret: the first one is in no file any more" not_kept key
power_fails
comes_back second auth

# An older varpd had the secret in its maps alone: this one writes it down.
varpd_stop a
sql "$db" "DROP TABLE secrets"
sql "$db" "PRAGMA user_version = 2"
varpd_start a
is "an older varpd's secret is taken over" "$(rows)" "$(cat "$TMP/second")"
check "reached meanwhile" wait_for 5 reach a 10.1.0.2
power_fails
comes_back upgraded auth

# The group manager's commands are about something else.
is "varpd_init leaves it" "$(manager a varpd_init) $(rows)" "OK $(cat "$TMP/second")"

# A row that cannot be read: nothing starts, so nothing can be plain.
varpd_stop a
power_fails
cp "$db" "$TMP/good.db"
sql "$db" "UPDATE secrets SET secret = x'01'"
varpd_run a
check "a damaged secret: varpd does not start" wait_for 15 varpd_dead a
wait "${VARPD_PID[a]}"
unset "VARPD_PID[a]"
like "and says what to do" "$(tail -n 1 "$TMP/varpd-a.log")" "no channel's secret: restore it from a backup, or move it away and set"
cp "$TMP/good.db" "$db"
comes_back restored auth

# No room: refused, and nothing has changed.
varpd_stop a
if mount -t tmpfs -o size=600k tmpfs "$state" 2>/dev/null; then
	cp "$TMP/good.db" "$db"
	varpd_start a
	dd if=/dev/zero of="$state/filler" bs=1k 2>/dev/null
	for change in "plain" "aead key $TMP/third"; do
		# shellcheck disable=SC2086
		got=$(ctl a channel set 0x10 0x0 $change 2>&1)
		is "full disk, ${change%% *}: status" "$?" 2
		like "full disk, ${change%% *}: says why" "$got" "varp.db: cannot be written: database or disk is full"
		is "full disk, ${change%% *}: nothing has changed" "$(shown)" "0x000000000000 auth 3600"
		check "full disk, ${change%% *}: reached" wait_for 5 reach a 10.1.0.2
	done
	varpd_stop a
	is "the disk has the former one" "$(rows)" "$(cat "$TMP/second")"
	umount "$state"
else
	skip "full disk" "mounting is not permitted"
fi

# Plain, when somebody says so.
varpd_start a
check "the secret is on the disk" kept second
must a channel set 0x10 0x0 plain
is "plain: none on the disk" "$(rows)" ""
check "plain: not a copy of it either" not_kept second
power_fails
varpd_start a
is "plain after a reboot" "$(shown)" ""

done_testing
