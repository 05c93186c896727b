#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 400
# Channels whose mode the group manager sets: members get their keys in the key exchange, by pre-shared key and by certificates. A
# rotation under traffic and a restart of the server lose nothing; a member that is removed understands nobody after the next
# rotation, and nobody understands it.
. "$(dirname "$0")/../lib.sh"

# shellcheck disable=SC2034 # lib.sh reads it
SECURE=1
ca=$TMP/ca
epoch_s=$((8 * SCALE))	# made 2 s before its use, fetched within 1 s, accepted for 2 s after it
must_run() { "$@" >"$TMP/must.out" 2>&1 || bail "$*: $(cat "$TMP/must.out")"; }
host_pki() { rm -rf "${TMP:?}/pki-$1"; mkdir -p "$TMP/pki-$1/psk"; chmod 755 "$TMP/pki-$1" "$TMP/pki-$1/psk"; }
issue() { local host=$1; shift; must_run "$VARPCTL" pki issue "$host" "$@" dir "$ca" into "$TMP/pki-$host" --force; }
options() { if [ "$1" = s ]; then echo "--channel-epoch $epoch_s"; fi; }
# shellcheck disable=SC2046
restart() { varpd_stop "$1" "${2:-TERM}"; varpd_start "$1" $(options "$1"); }
drops() { stat_of "$1" ".drops.$2"; }
shown() { value "$1" '.[] | "\(.snid) \(.chid) \(.mode) \(.keys)"' channel show; }
shows() { [ "$(shown "$1")" = "$2" ]; }
epoch() { value "$1" '.[0].epoch' channel show; }
same_epoch() { [ "$(epoch a)" = "$(epoch b)" ]; }
epoch_after() { [ "$(epoch "$1")" -gt "$2" ]; }
logged() { grep -q -- "$2" "$TMP/varpd-$1.log"; }
channel_is() { echo "0x00000000000000000010 0x000000000000 $1 server"; }
secret_ping() { in_net a ping -n -c 2 -i 0.3 -W $((2 * SCALE)) -s 1000 -p 5ec4e75ec4e75ec4e75ec4e75ec4e75e 10.1.0.2; }
visible() { grep -qUaP '\x5e\xc4\xe7\x5e\xc4\xe7\x5e\xc4\xe7' "$TMP/$1.pcap"; }
invisible() { ! visible "$@"; }

# stream NAME COUNT: numbered datagrams from a to b, 2,000 a second
stream() {
	listen_udp "$1" b 10.1.0.2 7000 "$2" $((3000 * SCALE))
	bg "send-$1" nsenter --net="/run/netns/$PREFIX-a" -- "$PROBE" send 10.1.0.2 7000 "$2" 2000
}
lossless() {
	like "$3: nothing is lost" "$(bg_wait "$1" 60)" "received $2 lost 0 reordered 0 doubled 0"
	bg_wait "send-$1" >/dev/null
}
sealed() { # NAME MODE
	check "$1, $2: both members have the server's key" wait_for 5 shows a "$(channel_is "$2")"
	check "$1, $2: the other, too" wait_for 5 shows b "$(channel_is "$2")"
	check "$1, $2: reached" wait_for 5 reach a 10.1.0.2
	check "$1, $2: in one epoch" wait_for 5 same_epoch
	capture "$1-$2" a eth0 udp port 6081
	is "$1, $2: answered" "$(secret_ping | grep -c 'bytes from')" 2
	capture_stop "$1-$2"
	num "$1, $2: every packet is sealed" "$(packets "$1-$2" 'udp[16:2] = 0xff56 and udp[18] = 0x82')" -ge 4
	is "$1, $2: none is plain" "$(packets "$1-$2" 'udp[18] = 0x81')" 0
}

fabric
host_add a 1
host_add b 2
host_add s 9

# --- By pre-shared key -------------------------------------------------------------------------------------------------

for host in a b s; do host_pki "$host"; done
key=$("$VARPCTL" psk new 0x10 dir "$TMP/pki-s" 2>"$TMP/psk.err")
for host in a b; do "$VARPCTL" psk add 0x10 dir "$TMP/pki-$host" <<<"$key" >/dev/null || bail "psk add"; done
for host in a b s; do
	# shellcheck disable=SC2046
	varpd_start "$host" $(options "$host")
	must "$host" attach eth0
done
like "a supernet without credentials" "$(manager s "varpd_channel_set 0x11 0x0 auth")" "^ERR credentials "
like "a supernet that is not served" "$(manager s "varpd_channel_set 0x10 0x0 auth")" "^ERR notfound .*not served"
told s "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.2" \
	"varpd_add 0x10 10.1.0.9 192.0.2.9"
like "a channel without keys" "$(manager s "varpd_channel_rotate 0x10 0x0")" "^ERR notfound "
like "an unknown mode" "$(manager s "varpd_channel_set 0x10 0x0 secret")" "^ERR mode "
like "no channel" "$(manager s "varpd_channel_set 0x10 10 auth")" "^ERR chid "
like "the client's socket" "$(client s "varpd_channel_set 0x10 0x0 auth")" "^ERR source "
is "keys are drawn" "$(manager s "varpd_channel_set 0x10 0x0 auth")" OK
is "again changes nothing" "$(manager s "varpd_channel_set 0x10 0x0 auth")" OK
is "the database is the owner's alone" "$(stat -c %a "$TMP/state-s/varp.db")" 600
must a join 0x10 10.1.0.1/24 server 192.0.2.9
must b join 0x10 10.1.0.2/24 server 192.0.2.9
sealed psk auth
check "auth: the wire shows what is in packets" visible psk-auth
told s "varpd_channel_set 0x10 0x0 aead"
sealed psk aead
check "aead: it does not" invisible psk-aead
like "channel show says where keys come from" "$(ctl a channel show)" "KEYS FROM +KEYS UNTIL.* server +[0-9]"

must s join 0x10 10.1.0.9/24
check "the server's own node has them, too" wait_for 5 reach a 10.1.0.9

# --- Rotation under traffic --------------------------------------------------------------------------------------------

before=$(epoch b)
stream rotation $((24000 * SCALE))
sleep 1
is "a rotation by command" "$(manager s "varpd_channel_rotate 0x10 0x0")" OK
is "three at a time" "$(manager s "varpd_channel_rotate 0x10 0x0" "varpd_channel_rotate 0x10 0x0" | sort -u)" OK
lossless rotation $((24000 * SCALE)) "rotation under 2,000 packets a second"
num "keys have changed several times" $(($(epoch b) - before)) -ge 3
is "no packet lacked its key" "$(drops a channel_key) $(drops b channel_key)" "0 0"

# --- The server restarts -----------------------------------------------------------------------------------------------

# A key is on its way to members when the server goes: longer epochs, so that a slow machine's start is no longer than the time to fetch.
long_s=$((40 * SCALE))
varpd_stop s
varpd_start s --channel-epoch "$long_s"
before=$(epoch b)
stream restart $((28000 * SCALE))
is "a rotation, and the server is killed" "$(manager s "varpd_channel_rotate 0x10 0x0")" OK
sleep 0.5
chmod 644 "$TMP/state-s/varp.db"
away=$(now_ms)
varpd_stop s KILL
varpd_start s --channel-epoch "$long_s"
diag "the server was away for $(($(now_ms) - away)) ms"
is "a database that others could read is closed" "$(stat -c %a "$TMP/state-s/varp.db")" 600
check "the server's own key is the one from before" eval '[ "$(($(epoch s) - before))" -le 1 ]'
lossless restart $((28000 * SCALE)) "kill -9 and start of the server"
is "no packet lacked its key over it" "$(drops a channel_key) $(drops b channel_key)" "0 0"
check "and epochs go on" wait_for "$long_s" epoch_after b "$before"
num "one by one" $(($(epoch b) - before)) -le 3
restart s
varpd_stop a KILL
varpd_start a
shown a | grep -q aead && ok "a member that restarts has its keys" || not_ok "a member that restarts has its keys"
check "and reaches the others" wait_for 5 reach a 10.1.0.2

# --- By hand, and by the server ----------------------------------------------------------------------------------------

(umask 077; openssl rand -hex 32 >"$TMP/key")
must b channel set 0x10 0x0 aead key "$TMP/key"
check "a secret that was set by hand is kept" wait_for 5 logged b "which are not used"
is "and shown" "$(value b '.[0].keys' channel show)" secret
must b channel set 0x10 0x0 plain
check "without it the server's keys come back" wait_for 5 shows b "$(channel_is aead)"
check "and the others are reached" wait_for 5 reach a 10.1.0.2

# With epochs of 400 s members ask again every 25 to 50 s; whoever says `plain` does not wait for that, with no key at all meanwhile.
varpd_stop s
varpd_start s --channel-epoch 400
restart b
check "a member with long epochs" wait_for 10 shows b "$(channel_is aead)"
in_net b ping -n -q -c 1 -W 5 10.1.0.1 >/dev/null 2>&1
must b channel set 0x10 0x0 aead key "$TMP/key"
must b channel set 0x10 0x0 plain
check "without a secret the server's keys come back at once" wait_for 10 shows b "$(channel_is aead)"
is "and are the server's" "$(value b '.[0].keys' channel show)" server
must s channel set 0x10 0x0 aead key "$TMP/key"
must s channel set 0x10 0x0 plain
is "at the server itself, before the command is answered" "$(value s '.[0].keys' channel show)" server
restart s
restart b

# --- By certificates ---------------------------------------------------------------------------------------------------

must_run "$VARPCTL" pki init "$ca"
for host in a b s; do host_pki "$host"; done
issue s server 0x10
issue a member 0x10
issue b member 0x10
for host in s a b; do restart "$host"; done
told s "varpd_channel_set 0x10 0x0 auth"
sealed certificate auth
told s "varpd_channel_set 0x10 0x0 aead"
sealed certificate aead

# --- A member is removed -----------------------------------------------------------------------------------------------

ends() { grep -c "of clients ended" "$TMP/varpd-s.log"; }
ended=$(ends)	# some did when the pre-shared key went
ended_again() { [ "$(ends)" -gt "$ended" ]; }
must_run "$VARPCTL" pki revoke b dir "$ca"
cp "$ca/revoked.crl" "$TMP/pki-s/"
check "the removed member's session ends" wait_for 10 ended_again
told s "varpd_channel_rotate 0x10 0x0"
sleep "$epoch_s"	# the next key is in use and the former one over
check "the others have a key that it has not" epoch_after a "$(epoch b)"
of_b=$(drops b channel_key)
check "what others send it does not understand" unreach a 10.1.0.2
num "which is counted" "$(drops b channel_key)" -gt "$of_b"
of_a=$(drops a channel_key)
in_net b ping -n -q -c 2 -i 0.3 -W 1 10.1.0.1 >/dev/null 2>&1
num "what it sends nobody takes" "$(drops a channel_key)" -gt "$of_a"
check "the others go on" reach a 10.1.0.9

# --- Plain again, and forgotten ----------------------------------------------------------------------------------------

told s "varpd_channel_set 0x10 0x0 plain"
check "plain by command: members follow" wait_for 5 shows a ""
check "and reach each other" wait_for 5 reach a 10.1.0.9
told s "varpd_channel_set 0x10 0x0 auth"
check "keyed again: members follow" wait_for 5 shows a "$(channel_is auth)"
told s "varpd_server_clear 0x10" "varpd_server_set 0x10"
like "a supernet that is not served any more has no keys" "$(manager s "varpd_channel_rotate 0x10 0x0")" "^ERR notfound "

done_testing
