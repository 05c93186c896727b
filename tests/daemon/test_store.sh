#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the group manager was told OK: it is there after kill -9, whatever is wrong with the disk is said and destroys nothing.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

vaddrs() { value a '.[].vaddr' db show | sort | tr '\n' ' '; }

# start_fails NAME REGEX [ARGUMENT...]: varpd of host a ends with 2 and one line that matches, and leaves nothing behind
start_fails() {
	local name=$1 regex=$2 rc
	shift 2
	: >"$TMP/varpd-a.log"
	varpd_run a "$@"
	wait_for 15 varpd_dead a || { not_ok "$name: ends"; varpd_stop a KILL; return; }
	wait "${VARPD_PID[a]}"
	rc=$?
	unset "VARPD_PID[a]"
	is "$name: exit status" "$rc" 2
	like "$name: says why" "$(cat "$TMP/varpd-a.log")" "$regex"
	is "$name: in one line" "$(grep -vc '^varpd: datapath loaded' "$TMP/varpd-a.log")" 1
	is "$name: leaves nothing behind" "$(find "/run/varp/$PREFIX-a" "/sys/fs/bpf/varp/$PREFIX-a" 2>/dev/null)" ""
}

ns_add a
state=$TMP/state-a
db=$state/varp.db
trap 'rc=$?; umount -q "$state"; (exit "$rc"); clean_up' EXIT

# --- kill -9 while commands are being answered -------------------------------------------------------------------------

varpd_start a
for round in 1 2 3; do
	bg "flood$round" nsenter --net="/run/netns/$PREFIX-a" -- python3 "$ROOT/tests/daemon/store_cases.py" flood "$round"
	enough() { [ "$(tail -n 1 "$TMP/flood$round.out")" -gt 3000 ]; } 2>/dev/null
	wait_for 20 enough
	varpd_stop a KILL
	answered=$(bg_wait "flood$round" | tail -n 1)
	varpd_start a
	kept=$(ctl a -j db show "0x$round" | jq length)
	num "kill -9, round $round: everything that was answered OK ($answered) is there" "$kept" -ge "$answered"
	num "and no more than one batch beyond" "$kept" -le $((answered + 100))
done
like "adds go on where they were" "$(manager a 'varpd_init')" "^OK$"

# --- Two daemons, one directory ----------------------------------------------------------------------------------------

told a 'varpd_server_set 0x10 77' 'varpd_add 0x10 10.0.0.1 192.0.2.1'
ns_add b
: >"$TMP/second.log"
"$VARPD" -i "$PREFIX-b" --netns "$PREFIX-b" --state-dir "$state" --insecure 2>"$TMP/second.log"
is "state directory of another varpd: exit status" "$?" 2
like "says so" "$(cat "$TMP/second.log")" "another varpd uses the state directory $state"
is "the first is unharmed" "$(vaddrs)" "10.0.0.1 "
varpd_stop a

# --- Files that are not to be trusted ----------------------------------------------------------------------------------

cp "$db" "$TMP/good.db"

# spoiled NAME REGEX: the database as it is now is refused and stays the same
spoiled() {
	local before
	before=$(sha256sum <"$db")
	start_fails "$1" "$2"
	is "$1: file is untouched" "$(sha256sum <"$db")" "$before"
	cp "$TMP/good.db" "$db"
}

overwrite() { printf 'X%.0s' {1..28} | dd of="$db" bs=1 seek="$1" conv=notrunc status=none; }
overwrite 105
spoiled "a list of tables that is none" "varp.db is damaged \(which tables it has cannot be read\)"
overwrite 4096
spoiled "a page that is none" "varp.db is damaged \(its pages do not fit together\)"
head -c 100000 /dev/urandom >"$db"
spoiled "garbage" "varp.db is damaged"
truncate -s 5000 "$db"
spoiled "truncated" "varp.db is damaged"
printf 'hello, this is a text file\n' >"$db"
spoiled "text" "varp.db is damaged"
sql() { python3 -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()' "$db" "$1"; }
sql 'PRAGMA user_version = 99'
spoiled "newer schema" "newer varpd \(schema 99"
sql 'ALTER TABLE mapping ADD COLUMN more'
spoiled "another table" "varp.db is damaged \(its tables are not those that varpd makes\)"
sql 'PRAGMA application_id = 1'
spoiled "another program's database" "is not varpd's database"
sql "INSERT INTO mapping VALUES (x'00', x'00', x'00', 1)"
spoiled "row that is no mapping" "holds a row that is no mapping"
rm "$db"
mkdir "$db"
start_fails "a directory in its place" "varp.db: cannot be opened"
rmdir "$db"
cp "$TMP/good.db" "$db"
varpd_start a
is "the good file is served" "$(vaddrs) $(value a '.servers[].ttl_s' status)" "10.0.0.1  77"
like "with its supernet's ttl" "$(ctl a db show)" "10.0.0.1 +192.0.2.1 +1m 17s \(default\)"
told a 'varpd_server_clear 0x10'
like "and without, once it is not served" "$(ctl a db show)" "10.0.0.1 +192.0.2.1 +default"
told a 'varpd_server_set 0x10 77'
varpd_stop a

# --- Files that others may read ------------------------------------------------------------------------------------------

# SQLite gives a log the mode that its database has when it is made.
modes() { stat -c '%n %a' "$db"* | sed 's|.*/||' | xargs; }
chmod 666 "$db"
varpd_start a
is "a database restored open to others: neither it nor its log is" "$(modes)" "varp.db 600 varp.db-wal 600"
told a 'varpd_add 0x10 10.0.0.5 192.0.2.1' 'varpd_remove 0x10 10.0.0.5'
varpd_stop a KILL
chmod 666 "$db" "$db-wal"
varpd_start a
is "and of those that both are" "$(modes)" "varp.db 600 varp.db-wal 600"
varpd_stop a
ln "$db" "$TMP/linked.db"
chmod 666 "$db"
start_fails "with a second name, whose file it is nobody knows" "varp.db can be read by others.*: Too many links"
rm "$TMP/linked.db"
chmod 600 "$db"

# --- Files that go away ------------------------------------------------------------------------------------------------

: >"$db"
varpd_start a
like "an empty file: the log says so" "$(cat "$TMP/varpd-a.log")" "varp.db was empty: a new database is begun"
is "it is begun" "$(manager a 'varpd_add 0x10 10.0.0.2 192.0.2.1')" OK
mv "$state" "$TMP/moved"
like "directory gone while varpd runs: nothing is answered OK" "$(manager a 'varpd_add 0x10 10.0.0.3 192.0.2.1')" "^ERR storage the database was removed or replaced: restart varpd$"
like "the log says why" "$(cat "$TMP/varpd-a.log")" "error: .*varp.db has been removed or replaced.*; 1 command was refused"
mv "$TMP/moved" "$state"
is "back again" "$(manager a 'varpd_add 0x10 10.0.0.4 192.0.2.1')" OK
is "what was answered OK is there, nothing else" "$(vaddrs)" "10.0.0.2 10.0.0.4 "
mv "$db-wal" "$TMP/moved"
like "the log gone while varpd runs: nothing is answered OK" "$(manager a 'varpd_add 0x10 10.0.0.5 192.0.2.1')" "^ERR storage the database was removed or replaced"
like "status says so" "$(value a '.warnings[]' status)" "varp.db-wal has been removed or replaced"
mv "$TMP/moved" "$db-wal"
is "the log back again" "$(manager a 'varpd_add 0x10 10.0.0.5 192.0.2.1;varpd_remove 0x10 10.0.0.5')" "OK
OK"
varpd_stop a
cp "$TMP/good.db" "$db"

# --- Directory ---------------------------------------------------------------------------------------------------------

start_fails "state directory below a file" "cannot make the directory .*: Not a directory" --state-dir "$db/x"
if mount -t tmpfs -o ro tmpfs "$state" 2>/dev/null; then
	start_fails "read-only file system" "cannot write in the state directory .*: Read-only"
	umount "$state"
else
	skip "read-only file system" "mounting is not permitted"
fi

# --- Disk full ---------------------------------------------------------------------------------------------------------

if mount -t tmpfs -o size=600k tmpfs "$state" 2>/dev/null; then
	varpd_start a
	in_net a python3 "$ROOT/tests/daemon/store_cases.py" fill "$PREFIX-a" >"$TMP/fill"
	is "disk full: a whole batch is refused" "$(sed -n 1p "$TMP/fill")" "refused ['ERR storage'] 200"
	is "memory holds what was answered OK, and status counts it" "$(sed -n 2p "$TMP/fill")" "same 0"
	stored=$(sed -n 's/stored //p' "$TMP/fill")
	like "the log says why" "$(cat "$TMP/varpd-a.log")" "varp.db: cannot be written: database or disk is full; 200 commands"
	like "and status warns of it" "$(value a '.warnings[]' status)" "database or disk is full: the group manager's last commands were refused"
	like "a command that changes nothing" "$(manager a 'varpd_remove 0x1 10.99.99.99')" "^ERR notfound"
	like "leaves the warning" "$(value a '.warnings[]' status)" "database or disk is full"
	like "lookups go on" "$(manager a 'bogus')" "^ERR unknown"
	varpd_stop a KILL
	varpd_start a
	is "killed and started on the full disk: everything is there" "$(ctl a -j db show | jq length)" "$stored"
	is "status knows of no refusal then" "$(value a '.warnings[]' status | grep -c 'disk is full')" 0
	like "a batch is refused" "$(manager a "$(for i in {1..250}; do echo "varpd_add 0x1 10.8.0.$i 192.0.2.1"; done)")" "^ERR storage"
	like "and status warns" "$(value a '.warnings[]' status)" "disk is full"
	mount -o remount,size=20m "$state"
	is "with room again, commands are accepted" "$(manager a 'varpd_add 0x1 10.9.9.9 192.0.2.1')" OK
	is "and kept" "$(value a '[.[] | select(.vaddr == "10.9.9.9")] | length' db show) $(ctl a -j db show | jq length)" "1 $((stored + 1))"
	is "and status warns no more" "$(value a '.warnings[]' status | grep -c 'disk is full')" 0
	varpd_stop a
	umount "$state"
else
	skip "disk full" "mounting is not permitted"
fi
done_testing
