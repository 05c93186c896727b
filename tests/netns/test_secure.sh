#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 400
# Secured from the first packet: sessions by pre-shared key and by certificates, over IPv4 and IPv6, made anew when the server was
# restarted, ended when credentials are revoked, removed or expire. And each way in which they can be wrong has its own message.
. "$(dirname "$0")/../lib.sh"

# shellcheck disable=SC2034 # lib.sh reads it
SECURE=1
snid=0x00000000000000000010
ca=$TMP/ca
host_pki() { mkdir -p "$TMP/pki-$1/psk"; chmod 755 "$TMP/pki-$1" "$TMP/pki-$1/psk"; }
must_run() { "$@" >"$TMP/must.out" 2>&1 || bail "$*: $(cat "$TMP/must.out")"; }
issue() { local host=$1; shift; must_run "$VARPCTL" pki issue "$host" "$@" dir "$ca" into "$TMP/pki-$host" --force; }
wipe() { rm -rf "${TMP:?}/pki-$1"; host_pki "$1"; }
logged() { grep -q -- "$2" "$TMP/varpd-$1.log"; }
client_is() { [ "$(value "$1" '.clients[0].protection' status)" = "$2" ]; }
error_is() { [[ $(value "$1" '.clients[0].session_error' status) =~ $2 ]]; }
sessions() { value s '.servers[0].sessions' status; }
restart() { varpd_stop "$1"; varpd_start "$1"; }
asked=0
# forget HOST: its session and cache, so that the next packet has to ask in a new session
forget() { ctl "$1" cache flush >/dev/null; }
# refused NAME CLIENT-REGEX [SERVER-REGEX]: a's exchange with s fails, and each side that can mend it is told how
refused() {
	if wait_for 10 error_is a "$2"; then ok "$1: the client says why"; else
		not_ok "$1: the client says why" "$(value a '.clients[0]' status)"; fi
	if [ -n "${3:-}" ]; then check "$1: the server's log says why" wait_for 10 logged s "$3"; fi
	like "$1: status warns" "$(value a '.warnings[]' status)" "no new session"
	if [ -z "$(value a '.clients[0].session_s // empty' status)" ]; then
		asked=$((asked + 1))	# each time another vaddr, for one of before may be known not to be known
		status_is "$1: resolve fails" 4 ctl a resolve 0x10 "10.1.9.$asked" --timeout 0.5
		like "$1: resolve says why" "$OUT" "timed out, no session with its server [0-9.]*: .*$2"
	fi
}

for host in a b s; do host_pki "$host"; done
fabric
host_add a 1
host_add b 2
host_add s 9

# --- Without credentials -------------------------------------------------------------------------------------------------

varpd_start s
varpd_start a
must a attach eth0
like "without credentials serving is refused" "$(manager s "varpd_server_set 0x10")" "^ERR credentials .*varpctl psk new"
status_is "and so is a server to ask" 2 ctl a join 0x10 10.1.0.1/24 server 192.0.2.9
like "with what to do" "$OUT" "varpctl psk new"
check "nothing listens for key exchange" in_net s sh -c '! ss -Hltn "sport = :2502" | grep -q .'

# --- Pre-shared key: three commands ----------------------------------------------------------------------------------------

key=$("$VARPCTL" psk new 0x10 dir "$TMP/pki-s" 2>"$TMP/psk.err")
like "psk new prints the key" "$key" '^[0-9a-f]{64}$'
is "and stores it" "$(cat "$TMP/pki-s/psk/$snid.psk")" "$key"
status_is "it is not replaced by mistake" 2 "$VARPCTL" psk new 0x10 dir "$TMP/pki-s"
like "with what to do" "$OUT" "--force"
for host in a b; do
	"$VARPCTL" psk add 0x10 dir "$TMP/pki-$host" <<<"$key" >/dev/null || bail "psk add"
done
serves() { [ "$(manager s "varpd_server_set 0x10")" = OK ]; }
check "a new key counts without a restart" wait_for 5 serves
told s "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.2" \
	"varpd_add 0x10 fd00::1 2001:db8::1" "varpd_add 0x10 fd00::2 2001:db8::2"
check "a client's, too" wait_for 5 ctl a join 0x10 10.1.0.1/24 server 192.0.2.9
check "the server listens for key exchange" wait_for 5 in_net s sh -c 'ss -Hltn "sport = :2502" | grep -q .'
varpd_start b
must b attach eth0
must b join 0x10 10.1.0.2/24 server 192.0.2.9
capture wire net to-s udp port 2500
is "the first packet is answered" "$(pinged a 10.1.0.2 -c 1)" 1
sleep 0.3
capture_stop wire
num "every message has a session and a tag" "$(packets wire 'udp[16:4] != 0 and udp[152:4] != 0')" -ge 2
is "none is without" "$(packets wire 'udp[16:4] = 0 or udp[152:4] = 0')" 0
is "nothing was dropped at the server" "$(stat_of s '.drops | to_entries | map(select(.key | startswith("varp_")) | .value) | add')" 0
is "status says how it is protected" "$(value a '.clients[0].protection' status)" psk
num "and for how long" "$(value a '.clients[0].session_s' status)" -gt 3500
like "in words, too" "$(ctl a status)" "server 192.0.2.9, psk, session"
like "and at the server" "$(ctl s status)" "psk, 2 sessions"
is "insecure is off" "$(value a .insecure status)" false

# --- The server restarts and forgets its sessions --------------------------------------------------------------------------

before=$(stat_of a .drops.held_expired)
varpd_stop s KILL
varpd_start s
forget a
is "after the server's restart the next packet is answered" "$(pinged a 10.1.0.2 -c 1 -W 5)" 1
is "no lookup was lost" "$(stat_of a .drops.held_expired)" "$before"
num "in a new session" "$(sessions)" -ge 1

# --- Renewal: a session ends every 10 s, and no lookup fails ----------------------------------------------------------------

varpd_stop s
varpd_start s --session-lifetime 10
forget a
is "with short sessions packets are answered" "$(pinged a 10.1.0.2 -c 1 -W 5)" 1
resolves() { ctl a cache flush >/dev/null && ctl a resolve 0x10 10.1.0.2; }
check "every lookup of 14 s is answered" holds_for 14 resolves
num "within sessions of 10 s" "$(value a '.clients[0].session_s' status)" -le 10
restart s

# --- IPv6 underlay ---------------------------------------------------------------------------------------------------------

must a leave 0x10
must b leave 0x10
must a join 0x10 fd00::1/64 server 2001:db8::9
must b join 0x10 fd00::2/64 server 2001:db8::9
is "over IPv6, too" "$(pinged a fd00::2 -c 1 -W 5)" 1
is "by the key" "$(value a '.clients[0] | "\(.server) \(.protection)"' status)" "2001:db8::9 psk"
must a leave 0x10
must b leave 0x10

# --- Certificates ------------------------------------------------------------------------------------------------------------

must_run "$VARPCTL" pki init "$ca"
for host in a b s; do wipe "$host"; done
issue s server 0x10
issue a member 0x10 10.1.0.1
issue b member 0x10
for host in a b s; do restart "$host"; done
must a join 0x10 10.1.0.1/24 server 192.0.2.9
must b join 0x10 10.1.0.2/24 server 192.0.2.9
is "with certificates the first packet is answered" "$(pinged a 10.1.0.2 -c 1 -W 5)" 1
is "status says so" "$(value a '.clients[0].protection' status)" certificate

# --- Revoked: a running session ends ---------------------------------------------------------------------------------------

check "two clients have sessions" wait_for 10 eval '[ "$(sessions)" = 2 ]'
must_run "$VARPCTL" pki revoke a dir "$ca"
like "pki show tells" "$("$VARPCTL" pki show dir "$ca")" "a +revoked"
cp "$ca/revoked.crl" "$TMP/pki-s/"
check "a revoked client's session ends" wait_for 10 logged s "1 session of clients ended"
is "the other's does not" "$(sessions)" 1
forget a
in_net a ping -n -c 1 -W 1 10.1.0.2 >/dev/null 2>&1
refused "revoked certificate" "was revoked: issue a new one" "was revoked"
is "no mapping was told" "$(value a 'map(select(.state == "resolved")) | length' cache show)" 0

# --- Mended: another certificate, found by itself -----------------------------------------------------------------------------

issue a member 0x10
check "with a new certificate it is a member again" wait_for 15 client_is a certificate
is "and is answered" "$(pinged a 10.1.0.2 -c 1 -W 5)" 1
check "the log says that it is over" logged a "session with server 192.0.2.9 for supernet $snid, by certificate"

# --- A certificate that is bound to a node: for every node of this host, not just the one that the session was asked for as ---------

issue a member 0x10 10.1.0.1
restart a
check "a has a session as 10.1.0.1" wait_for 10 client_is a certificate
status_is "it cannot join as another node, too" 2 ctl a join 0x10 10.1.0.3/24 dev sn7
like "and is told what that takes" "$OUT" "not as 10.1.0.3: issue one with urn:varp:$snid:member:10.1.0.3 "
is "nothing of it is left" "$(value a '[.nodes[].vaddr] | join(" ")' status) $(ns_ip a -br link show sn7 2>/dev/null)" "10.1.0.1 "
must b join 0x10 10.1.0.3/24 dev sn7
must b leave 0x10 10.1.0.3
issue a member 0x10 10.1.0.1 member 0x10 10.1.0.3
check "named in another certificate, it can" wait_for 5 ctl a join 0x10 10.1.0.3/24 dev sn7
forget a
is "and lookups are answered" "$(pinged a 10.1.0.2 -c 1 -W 5)" 1
issue a member 0x10 10.1.0.1
refused "bound to one of two nodes" "other nodes only, not as 10.1.0.3: .* or .varpctl leave. that node"
is "its session is over" "$(value a '.clients[0].session_s' status)" null
forget a
status_is "nothing is looked up" 4 ctl a resolve 0x10 10.1.0.2
must a leave 0x10 10.1.0.3
check "without that node there is a session again" wait_for 35 client_is a certificate
is "and lookups are answered again" "$(pinged a 10.1.0.2 -c 1 -W 5)" 1

# --- Each kind of wrong certificate ---------------------------------------------------------------------------------------------

# as NAME: a gets another certificate, and forgets its session by a restart
again() { restart a; }
issue a member 0x11 member 0x10 10.1.0.77
again
refused "certificate for another node" "member of supernet $snid as other nodes only, not as 10.1.0.1"
issue a server 0x10
again
refused "certificate of another role" "does not take this host for a member" "its credentials do not permit"
must_run "$VARPCTL" pki init "$TMP/other"
must_run "$VARPCTL" pki issue a member 0x10 dir "$TMP/other" into "$TMP/pki-a" --force
cp "$ca/ca.crt" "$TMP/pki-a/ca.crt"
rm -f "$TMP/pki-a/revoked.crl"
again
refused "certificate of another authority" "does not believe the authority" "authority that is not in ca.crt"
cp "$TMP/other/ca.crt" "$TMP/pki-a/ca.crt"
again
refused "server of another authority" "issued by an authority that is not in ca.crt"
issue a member 0x10
issue s member 0x10
restart s
again
refused "server without that role" "is not permitted to serve it"
like "the server's status warns of it" "$(value s '.warnings[]' status)" "does not permit it, so clients will refuse"
issue s server 0x11
restart s
again
refused "server of another supernet" "is not permitted to serve it"

# --- Bring your own: made with openssl, expired and not yet valid ------------------------------------------------------------------

# own DIR DAYS URI [COMMAND]: as docs/SECURITY.md shows, by a command that runs it
own() {
	openssl req -newkey ed25519 -nodes -keyout "$1/host.key" -out "$1/host.csr" -subj "/CN=own" 2>/dev/null &&
		"${@:4}" openssl x509 -req -in "$1/host.csr" -CA "$ca/ca.crt" -CAkey "$ca/ca.key" -CAcreateserial -days "$2" \
			-extfile <(printf 'subjectAltName=URI:%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3") \
			-out "$1/host.crt" 2>/dev/null && chmod 600 "$1/host.key"
}
issue s server 0x10
restart s
own "$TMP/pki-a" 30 "urn:varp:0x10:member" || bail "openssl cannot issue"
again
check "a certificate made with openssl is as good" wait_for 10 client_is a certificate
own "$TMP/pki-a" 1 "urn:varp:0x10:member" faketime '-10 days' || bail "openssl cannot issue"
again
refused "expired certificate" "has expired or is not valid yet" "has expired"
like "its own status warns, too" "$(value a '.warnings[]' status)" "host.crt\) has expired"
faketime '+10 days' openssl x509 -req -in "$TMP/pki-a/host.csr" -CA "$ca/ca.crt" -CAkey "$ca/ca.key" -CAcreateserial -days 30 \
	-extfile <(printf 'subjectAltName=URI:urn:varp:0x10:member\n') -out "$TMP/pki-a/host.crt" 2>/dev/null || bail "faketime"
again
refused "certificate of the future" "does not accept this host's certificate" "is not valid yet: the clock"

# --- Keys that differ, and a server that is not there --------------------------------------------------------------------------------

for host in a s; do wipe "$host"; done
"$VARPCTL" psk new 0x10 dir "$TMP/pki-a" >/dev/null 2>&1
"$VARPCTL" psk new 0x10 dir "$TMP/pki-s" >/dev/null 2>&1
restart s
again
refused "another key" "pre-shared key for this supernet is another one" "pre-shared key for its supernet is another one"
cp "$TMP/pki-s/psk/$snid.psk" "$TMP/pki-a/psk/"
check "with the right key it goes well by itself" wait_for 15 client_is a psk
rm "$TMP/pki-s/psk/$snid.psk"
check "without its key the server ends the session" wait_for 10 eval '! in_net s ss -Hltn "sport = :2502" | grep -q .'
again
refused "server without credentials" "nothing listens at its TCP port 2502"
chmod 644 "$TMP/pki-a/psk/$snid.psk"
check "a key that others may read is not used" wait_for 10 logged a "chmod o="

# --- Answers from the kernel know sessions, and forget them --------------------------------------------------------------------------

"$VARPCTL" psk new 0x10 dir "$TMP/pki-s" >/dev/null 2>&1
cp -p "$TMP/pki-s/psk/$snid.psk" "$TMP/pki-a/psk/"
varpd_stop s
varpd_start s --answers xdp-generic
must s attach eth0
check "the client has a session again" wait_for 35 client_is a psk
by_kernel() { resolves && [ "$(stat_of s .varp.answered_by_xdp)" -gt 0 ]; }
check "the kernel answers in it" wait_for 10 by_kernel
rm "$TMP/pki-s/psk/$snid.psk"
no_sessions() { [ "$(sessions)" = 0 ]; }
check "without its key the server ends that session" wait_for 10 no_sessions
forget a
status_is "and the kernel answers no more" 4 ctl a resolve 0x10 10.1.0.2 --timeout 2
varpd_stop s
done_testing
