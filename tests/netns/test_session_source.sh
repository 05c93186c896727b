#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Messages in a session leave from the session's addresses, whichever the kernel would choose; and when a host loses that address, it
# gets a session from another without losing a lookup.
. "$(dirname "$0")/../lib.sh"

# shellcheck disable=SC2034 # lib.sh reads it
SECURE=1
fabric
host_add a 1
host_add s 9
ns_ip s addr add 192.0.2.99/24 dev eth0
in_net a sysctl -qw net.ipv4.conf.all.promote_secondaries=1 net.ipv4.conf.eth0.promote_secondaries=1
ns_ip a addr add 192.0.2.51/24 dev eth0

mkdir -p "$TMP/pki-a" "$TMP/pki-s"
key=$("$VARPCTL" psk new 0x10 dir "$TMP/pki-s" 2>/dev/null) || bail "psk new"
"$VARPCTL" psk add 0x10 dir "$TMP/pki-a" <<<"$key" >/dev/null || bail "psk add"
varpd_start s
varpd_start a
must a attach eth0
told s "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.2 192.0.2.2" "varpd_add 0x10 10.1.0.3 192.0.2.3" \
	"varpd_add 0x10 10.1.0.4 192.0.2.4"
must a join 0x10 10.1.0.1/24 server 192.0.2.99

has_session() { [ "$(value a '.clients[0].session_s != null' status)" = true ]; }
check "a session is there before the first packet" wait_for 10 has_session

# The route's preferred source changes once the session is made.
ns_ip a route replace 192.0.2.0/24 dev eth0 src 192.0.2.51
capture wire net to-s udp port 2500
is "asked" "$(ctl a resolve 0x10 10.1.0.2)" 192.0.2.2
sleep 0.3
capture_stop wire
num "requests leave from the session's address" "$(packets wire src 192.0.2.1 and dst 192.0.2.99)" -ge 1
num "answers, too" "$(packets wire src 192.0.2.99 and dst 192.0.2.1)" -ge 1
is "and no message from another" "$(packets wire not host 192.0.2.1)" 0

ns_ip a addr del 192.0.2.1/24 dev eth0
is "without that address the answer comes within the window" "$(ctl a resolve 0x10 10.1.0.3)" 192.0.2.3
capture wire net to-s udp port 2500
is "and the next" "$(ctl a resolve 0x10 10.1.0.4)" 192.0.2.4
sleep 0.3
capture_stop wire
num "in a session from the other address" "$(packets wire src 192.0.2.51 and dst 192.0.2.99)" -ge 1
done_testing
