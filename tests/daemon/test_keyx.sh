#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
# The key exchange on TCP 2502, octet by octet and under bad clients and servers: keyx_cases.py says what.
#
#     ns P-a: varpd, eth0 192.0.2.1, 2001:db8::1 ------ ns P-p: the script, eth0 192.0.2.5-9, .100-119, 2001:db8::9
#
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

ns_add a
ns_add p
ip link add eth0 netns "$PREFIX-a" type veth peer name eth0 netns "$PREFIX-p" || bail "cannot create veth"
for address in 192.0.2.1/24 2001:db8::1/64; do ns_ip a addr add "$address" dev eth0; done
for address in 192.0.2.9/24 192.0.2.{5..8}/24 192.0.2.{100..119}/24 2001:db8::9/64; do ns_ip p addr add "$address" dev eth0; done
ns_ip a link set eth0 up
ns_ip p link set eth0 up
wait_for 5 carrier a eth0

ca=$TMP/ca
pki() { "$VARPCTL" pki "$@" >"$TMP/pki.out" 2>&1 || bail "varpctl pki $*: $(cat "$TMP/pki.out")"; }
pki init "$ca"
pki init "$TMP/other"
pki issue varpd server 0x10 member 0x20 dir "$ca" into "$TMP/pki-a"
pki issue member member 0x10 member 0x11 dir "$ca" into "$TMP/member"
pki issue bound member 0x10 10.1.0.7 dir "$ca" into "$TMP/bound"
pki issue outsider member 0x99 dir "$ca" into "$TMP/outsider"
pki issue server server 0x20 dir "$ca" into "$TMP/server"
pki issue stranger member 0x10 dir "$TMP/other" into "$TMP/stranger"

SECURE=1 varpd_start a
told a "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.1 192.0.2.77"
in_net p python3 "$ROOT/tests/daemon/keyx_cases.py" "$PREFIX-a" "$TMP" "${VARPD_PID[a]}" "/run/netns/$PREFIX-a"
FAILED=$?
varpd_stop a || FAILED=1
[ "$FAILED" = 0 ] || show_logs
exit "$FAILED"
