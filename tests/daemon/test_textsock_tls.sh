#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
# Text sockets for other hosts, over TLS: who is let in and may command what; bad, slow and many clients; revocation. The cases are in
# textsock_tls_cases.py, but for what openssl(1) as the client and the log show.
#
#     ns P-a: varpd, eth0 192.0.2.1, 2001:db8::1 ------ ns P-p: managers, eth0 192.0.2.9, 192.0.2.8, 2001:db8::9
#
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

ns_add a
ns_add p
ip link add eth0 netns "$PREFIX-a" type veth peer name eth0 netns "$PREFIX-p" || bail "cannot create veth"
for address in 192.0.2.1/24 2001:db8::1/64; do ns_ip a addr add "$address" dev eth0; done
for address in 192.0.2.9/24 192.0.2.8/24 2001:db8::9/64; do ns_ip p addr add "$address" dev eth0; done
ns_ip a link set eth0 up
ns_ip p link set eth0 up
wait_for 5 carrier a eth0

ca=$TMP/ca
pki() { "$VARPCTL" pki "$@" >"$TMP/pki.out" 2>&1 || bail "varpctl pki $*: $(cat "$TMP/pki.out")"; }
pki init "$ca"
pki init "$TMP/other"
pki issue varpd server 0x10 server 0x11 server 0x20 server 0x21 dir "$ca" into "$TMP/pki-a"
pki issue manager manager 0x10 manager 0x11 dir "$ca" into "$TMP/manager"
pki issue chief manager '*' dir "$ca" into "$TMP/chief"
pki issue member member 0x10 server 0x10 dir "$ca" into "$TMP/member"
pki issue leaver manager 0x10 dir "$ca" into "$TMP/leaver"
pki issue stranger manager '*' dir "$TMP/other" into "$TMP/stranger"
mkdir "$TMP/expired"
# A certificate of the past, which varpctl does not make.
openssl req -newkey ed25519 -nodes -keyout "$TMP/expired/host.key" -out "$TMP/expired/host.csr" -subj /CN=expired 2>"$TMP/pki.out" &&
	: >"$TMP/index" && echo 7777 >"$TMP/serial" &&
	printf '%s\n' '[ca]' 'default_ca = it' '[it]' "database = $TMP/index" "serial = $TMP/serial" "new_certs_dir = $TMP" 'default_md = default' \
		'policy = any' 'x509_extensions = names' '[any]' 'commonName = supplied' '[names]' \
		'subjectAltName = URI:urn:varp:*:manager' >"$TMP/openssl.cnf" &&
	openssl ca -batch -notext -config "$TMP/openssl.cnf" -cert "$ca/ca.crt" -keyfile "$ca/ca.key" -startdate 20200101000000Z \
		-enddate 20200201000000Z -in "$TMP/expired/host.csr" -out "$TMP/expired/host.crt" 2>"$TMP/pki.out" ||
	bail "openssl: $(cat "$TMP/pki.out")"
"$VARPCTL" psk new 0x10 dir "$TMP/pki-a" >"$TMP/psk" 2>&1 || bail "varpctl psk: $(cat "$TMP/psk")"

# --- Who may start --------------------------------------------------------------------------------------------------------

mkdir "$TMP/empty"
listen=(--grp-mgr-listen 192.0.2.1:2500 --grp-clt-listen "[2001:db8::1]:2501")
status_is "without a certificate varpd does not listen for others" 2 "$VARPD" -i "$PREFIX-b" --netns "$PREFIX-a" --state-dir "$TMP/state-b" \
	--credentials "$TMP/empty" "${listen[@]}"
like "and says what to do" "$OUT" "192.0.2.1:2500 is not a loopback address: .*varpctl pki issue"

SECURE=1 varpd_start a "${listen[@]}"
log=$TMP/varpd-a.log

# --- openssl as the client ------------------------------------------------------------------------------------------------

# s_client WHO PORT [OPTION...]: commands from standard input
s_client() {
	local who=$1 port=$2
	shift 2
	in_net p timeout $((20 * SCALE)) openssl s_client -quiet -no_ign_eof -verify_return_error -CAfile "$ca/ca.crt" -verify_hostname varpd \
		-cert "$TMP/$who/host.crt" -key "$TMP/$who/host.key" -connect "192.0.2.1:$port" "$@" 2>"$TMP/s_client"
}
answers_to() { { printf '%s\n' "${@:3}"; sleep $((1 + SCALE)); } | s_client "$1" "$2" | cut -d' ' -f1,2; }

is "openssl s_client, as the manual page says: a manager's commands" "$(answers_to manager 2500 'varpd_server_set 0x10' \
	'varpd_add 0x10 10.1.0.2 192.0.2.2' 'varpd_add 0x20 10.1.0.2 192.0.2.2' | tr '\n' ' ')" "OK OK ERR permission "
is "they have been executed, and no others" "$(value a '"\(length) \(.[0].vaddr)"' db show)" "1 10.1.0.2"
like "each is in the log with the certificate's name" "$(cat "$log")" \
	"audit: grp-mgr: CN=manager from 192.0.2.9:[0-9]+: varpd_add 0x00000000000000000010 10.1.0.2 192.0.2.2: accepted"
like "a refused one, too" "$(cat "$log")" "audit: grp-mgr: CN=manager from .*varpd_add 0x00000000000000000020 .*: refused: permission"
# What is in the directory is for a supernet's members, whatever they can do with it.
key=$(tr -d '[:space:]' <"$TMP/pki-a/psk/0x00000000000000000010.psk")
printf 'varpd_remove 0x10 10.1.0.2\n' | in_net p timeout $((20 * SCALE)) openssl s_client -quiet -connect 192.0.2.1:2500 \
	-psk_identity varp:0x00000000000000000010 -psk "$key" >"$TMP/out" 2>&1
is "a pre-shared key makes no manager" "$(grep -c '^OK' "$TMP/out") $(value a length db show)" "0 1"

# --- All others -------------------------------------------------------------------------------------------------------------

in_net p python3 "$ROOT/tests/daemon/textsock_tls_cases.py" "$PREFIX-a" "$TMP" "${VARPD_PID[a]}" >"$TMP/cases" 2>&1
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
for reason in "has expired" "authority that is not in ca.crt" "has no certificate" "does not speak TLS" "took too long"; do
	check "the log says: $reason" grep -q "manager at .* was not let in over TLS: .*$reason" "$log"
done
check "the log says who is no manager" grep -q "audit: grp-mgr: CN=member from .*: connection: refused: not a manager's certificate" "$log"

# --- Revocation -------------------------------------------------------------------------------------------------------------

bg leaver nsenter --net="/run/netns/$PREFIX-p" -- python3 "$ROOT/tests/daemon/textsock_tls_cases.py" hold "$TMP" leaver
bg stayer nsenter --net="/run/netns/$PREFIX-p" -- python3 "$ROOT/tests/daemon/textsock_tls_cases.py" hold "$TMP" manager
check "two managers are connected" wait_for 10 eval "bg_says leaver OK && bg_says stayer OK"
pki revoke leaver dir "$ca"
cp "$ca/revoked.crl" "$TMP/pki-a/revoked.crl"
check "one whose certificate is revoked is cut off" wait_for 60 bg_says leaver closed
check "which is in the log" grep -q "audit: grp-mgr: CN=leaver from .*: connection: refused: its certificate does not hold any more" "$log"
check "the other goes on" kill -0 "${BG_PID[stayer]}"
is "and is answered" "$(bg_stop stayer | tail -n 1)" OK
bg_wait leaver >/dev/null
sleep 1.2	# one such line a second is in the log
is "he cannot come again" "$(answers_to leaver 2500 'varpd_remove 0x10 10.1.0.2') $(value a '[.[] | select(.vaddr == "10.1.0.2")] | length' \
	db show)" " 1"
like "the log says why" "$(grep 'not let in' "$log" | tail -n 1)" "was revoked"

varpd_stop a
is "ends cleanly" "$?" 0
done_testing
