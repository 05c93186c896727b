#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# kernels: yes
# The server introduces who asks to the host that is asked about: that host sends its answer, and checks where the packet came
# from, without asking itself. Over IPv4 and IPv6; by a server that is a member too; and without it hosts ask for themselves.
. "$(dirname "$0")/../lib.sh"

# shellcheck disable=SC2034 # lib.sh reads it
SECURE=1
fabric
host_add a 1
host_add b 2
host_add s 9
for h in a b s; do mkdir -p "$TMP/pki-$h"; done
key=$("$VARPCTL" psk new 0x10 dir "$TMP/pki-s" 2>/dev/null) || bail "psk new"
for h in a b; do "$VARPCTL" psk add 0x10 dir "$TMP/pki-$h" <<<"$key" >/dev/null || bail "psk add"; done
for h in a b s; do
	varpd_start $h
	must $h attach eth0
done
told s "varpd_server_set 0x10" \
	"varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.2" "varpd_add 0x10 10.1.0.9 192.0.2.9" \
	"varpd_add 0x10 fd00:1::1 192.0.2.1" "varpd_add 0x10 fd00:1::2 192.0.2.2"
must a join 0x10 10.1.0.1/24 server 192.0.2.9
must b join 0x10 10.1.0.2/24 server 192.0.2.9
must s join 0x10 10.1.0.9/24 server 192.0.2.9
must a join 0x10 fd00:1::1/64 server 192.0.2.9
must b join 0x10 fd00:1::2/64 server 192.0.2.9

has_session() { [ "$(value "$1" '.clients[0].session_s != null' status)" = true ]; }
check "a has a session" wait_for 10 has_session a
check "b has a session" wait_for 10 has_session b
in_net a ping -n -q -c 1 -W 2 192.0.2.2 >/dev/null	# that ARP is no part of this
cached() { value "$1" .raddr cache get 0x10 "$2"; }

like "the first packet is answered" "$(in_net a ping -n -q -c 1 -W 5 10.1.0.2)" "1 received"
is "b was told of a" "$(stat_of b .varp.notifies_received)" 1
is "and has it cached" "$(cached b 10.1.0.1)" 192.0.2.1
is "by the server" "$(stat_of s .varp.notifies_sent)" 1
is "nothing came unasked" "$(stat_of b .drops.varp_unasked)" 0

# Where b can ask nobody, it need not.
ctl a cache flush >/dev/null
ctl b cache flush >/dev/null
in_net b sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
ns_ip b route add prohibit 192.0.2.9/32
like "b's way to the server is cut: answered" "$(in_net a ping -n -q -c 1 -W 5 10.1.0.2)" "1 received"
is "as b was told" "$(cached b 10.1.0.1)" 192.0.2.1
ns_ip b route del prohibit 192.0.2.9/32

told=$(stat_of b .varp.notifies_received)
like "IPv6: answered" "$(in_net a ping -6 -n -q -c 1 -W 5 fd00:1::2)" "1 received"
is "and introduced" "$(stat_of b .varp.notifies_received)" "$((told + 1))"
is "as what it is" "$(cached b fd00:1::1)" 192.0.2.1

# The server's own node.
told=$(stat_of b .varp.notifies_received)
like "the server's node is answered" "$(in_net s ping -n -q -c 1 -W 5 10.1.0.2)" "1 received"
is "and was introduced" "$(stat_of b .varp.notifies_received)" "$((told + 1))"
is "as itself" "$(cached b 10.1.0.9)" 192.0.2.9

# A server that was started again has no session to tell b in until b comes: b asks for itself.
ctl a cache flush >/dev/null
ctl b cache flush >/dev/null
varpd_stop s KILL
varpd_start s
like "server started again: answered" "$(in_net a ping -n -q -c 3 -i 0.5 -W 5 10.1.0.2)" "[23] received"
is "b knows the way" "$(cached b 10.1.0.1)" 192.0.2.1
done_testing
