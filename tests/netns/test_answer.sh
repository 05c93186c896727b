#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Who answers requests: varpd, or an XDP program at its underlay. In all modes the answers are the same, and never older than what
# the group manager was told; the program goes on answering when varpd is killed, and goes when nothing is served; others' XDP
# programs are left alone.
#
#     a 192.0.2.1 (asks) --- br0 --- to-s | s 192.0.2.9 (serves 0x10)
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

fabric
host_add a 1
host_add s 9
# What XDP sends on a veth is lost unless the other end has a program too: one that passes everything, for its maps are empty.
passing() { in_net "$1" ip link set dev "$2" xdpdrv obj "$BUILD/gen/answer.bpf.o" sec xdp.frags 2>"$TMP/ip.err"; }
passing net to-s || skip_all "ip cannot load an XDP program here: $(head -n 1 "$TMP/ip.err")"
varpd_start a
must a attach eth0

ask() { in_net a python3 "$ROOT/tests/netns/ask.py" "$@"; }
how() { value s '.underlays[0].answers' status; }
why() { value s '.underlays[0].answers_why' status; }
by_xdp() { stat_of s .varp.answered_by_xdp; }
replies() { stat_of s .varp.replies_sent; }
how_is() { [ "$(how)" = "$1" ]; }
# The program on the interface, whatever way it is attached; empty: none
xdp() { ns_ip s -j -d link show dev eth0 | jq -r '.[0].xdp.prog.id // .[0].xdp.attached[0].prog.id // empty'; }
no_xdp() { [ -z "$(xdp)" ]; }

# asked_of_xdp VADDR: is it answered without varpd?
asked_of_xdp() {
	local before after
	before=$(by_xdp)
	ask $UNDERLAY4.9 0x10 "$1" >/dev/null
	after=$(by_xdp)
	[ "$after" -gt "$before" ]
}

# --- The same answers in all modes ---

for mode in userspace auto xdp-generic xdp-native; do
	case $mode in xdp-*) word=$mode ;; *) word=userspace ;; esac
	varpd_start s --answers $mode
	must s attach eth0
	is "$mode: nothing served, nothing attached" "$(how) $(xdp)" "userspace "
	told s varpd_init "varpd_server_set 0x10 600" "varpd_add 0x10 10.1.0.2 192.0.2.2" "varpd_add 0x10 10.1.0.3 2001:db8::3 30" \
		"varpd_add 0x11 10.1.0.2 192.0.2.77"
	check "$mode: status says $word" wait_for 5 how_is $word
	if [ $word = userspace ]; then
		check "$mode: no program" no_xdp
	else
		check "$mode: answers come from the program" wait_for 5 asked_of_xdp 10.1.0.2
	fi
	before=$(by_xdp)
	before_replies=$(replies)
	is "$mode: IPv4" "$(ask $UNDERLAY4.9 0x10 10.1.0.2 10.1.0.3 10.1.0.4 | tr '\n' ' ')" \
		"reply 192.0.2.2 600 reply 2001:db8::3 30 notknown - 0 "
	is "$mode: IPv6" "$(ask $UNDERLAY6:9 0x10 10.1.0.2 10.1.0.3 10.1.0.4 | tr '\n' ' ')" \
		"reply 192.0.2.2 600 reply 2001:db8::3 30 notknown - 0 "
	is "$mode: not served" "$(ask $UNDERLAY4.9 0x11 10.1.0.2)" "noauthority - 0"
	is "$mode: answered by the program" $(($(by_xdp) - before)) "$([ $word = userspace ] && echo 0 || echo 6)"
	is "$mode: all of them are counted" $(($(replies) - before_replies)) 4
	must a join 0x10 10.1.0.1/24 server $UNDERLAY4.9
	is "$mode: resolve" "$(ctl a resolve 0x10 10.1.0.2)" 192.0.2.2
	status_is "$mode: resolve, not known" 3 ctl a resolve 0x10 10.1.0.7
	must a leave 0x10
	told s varpd_init
	must s detach eth0
	check "$mode: detach takes it away" no_xdp
	varpd_stop s
done
varpd_start s
told s "varpd_server_set 0x10 600" "varpd_add 0x10 10.1.0.2 192.0.2.2"
must s attach eth0
check "auto: says why" wait_for 5 eval '[[ $(why) == *veth* ]]'
varpd_stop s

# --- Never older than what was told ---

varpd_start s --answers xdp-native
check "a supernet that is stored is answered by the program" wait_for 10 asked_of_xdp 10.1.0.2
stale=0
for i in $(seq 1 20); do
	told s "varpd_add 0x10 10.1.0.2 192.0.2.$((100 + i)) $((40 + i))"
	[ "$(ask $UNDERLAY4.9 0x10 10.1.0.2)" = "reply 192.0.2.$((100 + i)) $((40 + i))" ] || stale=$((stale + 1))
done
is "moved twenty times: the answer is always the latest" $stale 0
told s "varpd_remove 0x10 10.1.0.2"
is "removed: at once" "$(ask $UNDERLAY4.9 0x10 10.1.0.2)" "notknown - 0"
told s "varpd_add 0x10 10.1.0.2 192.0.2.2" "varpd_server_set 0x10 700"
is "another default ttl: at once" "$(ask $UNDERLAY4.9 0x10 10.1.0.2)" "reply 192.0.2.2 700"
check "it was the program that answered all that" asked_of_xdp 10.1.0.2

# Many changes: the mirror is behind for a while, and varpd answers.
seq 1 20000 | awk '{ printf "varpd_add 0x10 10.7.%d.%d 192.0.2.5\n", $1 / 256, $1 % 256 }' >"$TMP/bulk"
in_net s timeout $((60 * SCALE)) nc -N 127.0.0.1 2500 <"$TMP/bulk" | sort | uniq -c >"$TMP/told"
is "20,000 mappings are added" "$(tr -s ' ' <"$TMP/told")" " 20000 OK"
is "the first and the last are answered at once" "$(ask $UNDERLAY4.9 0x10 10.7.0.1 10.7.78.32 | sort -u)" "reply 192.0.2.5 700"
check "and later by the program" wait_for 10 asked_of_xdp 10.7.78.32
sed 's/varpd_add/varpd_remove/; s/ 192.0.2.5//' "$TMP/bulk" >"$TMP/bulk-remove"
in_net s timeout $((60 * SCALE)) nc -N 127.0.0.1 2500 <"$TMP/bulk-remove" >/dev/null
is "removed: at once" "$(ask $UNDERLAY4.9 0x10 10.7.0.1 10.7.78.32 | sort -u)" "notknown - 0"
check "and later by the program as well" wait_for 10 asked_of_xdp 10.7.78.32
is "which says the same" "$(ask $UNDERLAY4.9 0x10 10.7.0.1 10.7.78.32 | sort -u)" "notknown - 0"

# What was registered while the supernet was not served, and removed then.
told s "varpd_server_set 0x12" "varpd_server_clear 0x10"
is "not served any more: at once" "$(ask $UNDERLAY4.9 0x10 10.1.0.2)" "noauthority - 0"
told s "varpd_remove 0x10 10.1.0.2" "varpd_add 0x10 10.1.0.5 192.0.2.5" "varpd_server_set 0x10 600"
check "served again: by the program" wait_for 10 asked_of_xdp 10.1.0.5
is "with what holds now" "$(ask $UNDERLAY4.9 0x10 10.1.0.2 10.1.0.5 | tr '\n' ' ')" "notknown - 0 reply 192.0.2.5 600 "
told s "varpd_server_clear 0x12"

# --- The program outlives varpd ---

program=$(xdp)
varpd_stop s KILL
is "killed: the program stays" "$(xdp)" "$program"
is "and answers" "$(ask $UNDERLAY4.9 0x10 10.1.0.5 10.1.0.6 | tr '\n' ' ')" "reply 192.0.2.5 600 notknown - 0 "
# Without a pause, while the next varpd starts.
# shellcheck disable=SC2046
bg asking nsenter --net="/run/netns/$PREFIX-a" -- python3 "$ROOT/tests/netns/ask.py" $UNDERLAY4.9 0x10 $(yes 10.1.0.5 | head -n 3000)
varpd_start s --answers xdp-native
check "started: another program is in its place" eval '[ -n "$(xdp)" ] && [ "$(xdp)" != "$program" ]'
is "no request was lost or answered wrongly" "$(bg_wait asking 60 | sort | uniq -c | tr -s ' ')" " 3000 reply 192.0.2.5 600"
check "the new program answers" wait_for 10 asked_of_xdp 10.1.0.5
varpd_stop s
is "ended: the program stays as well" "$([ -n "$(xdp)" ] && ask $UNDERLAY4.9 0x10 10.1.0.5)" "reply 192.0.2.5 600"
varpd_start s --answers userspace
check "a varpd that is to answer itself takes it away" no_xdp
varpd_stop s
varpd_start s --answers xdp-generic
check "and one that is not brings it back" wait_for 5 how_is xdp-generic
# Behind generic XDP the kernel loses Ethernet headers: nothing would be decapsulated.
must s join 0x10 10.1.0.5/24
check "a node here: generic XDP gives way" wait_for 5 how_is userspace
like "and status says why" "$(why)" "nodes"
must s leave 0x10
check "no node any more: it comes back" wait_for 12 how_is xdp-generic
varpd_stop s
varpd_start s --answers xdp-native
check "another mode: the program changes places" wait_for 5 how_is xdp-native
check "and answers" wait_for 10 asked_of_xdp 10.1.0.5
told s "varpd_server_clear 0x10"
check "nothing is served: nothing is attached" wait_for 5 no_xdp
told s "varpd_server_set 0x10 600"
check "served again" wait_for 5 how_is xdp-native
ns_ip s link set eth0 address 02:00:00:00:00:77
ns_ip a neigh flush dev eth0
check "the interface has another MAC address" wait_for 10 asked_of_xdp 10.1.0.5
told s varpd_init
check "varpd_init: nothing is attached" wait_for 5 no_xdp
told s "varpd_server_set 0x10 600" "varpd_add 0x10 10.1.0.5 192.0.2.5"
check "the program is back" wait_for 5 how_is xdp-native
ns_ip s link del eth0
check "interface deleted: no pin stays" wait_for 5 eval '[ -z "$(ls "$(pins s)"/links/answer-* 2>/dev/null)" ]'
host_link s 9
ns_ip a neigh flush dev eth0
passing net to-s
check "it comes back: so does the program" wait_for 10 asked_of_xdp 10.1.0.5
must s detach eth0
varpd_stop s

# --- More mappings than there is room for ---

# 1,024, or twice what is stored: 2,048 at most.
varpd_start s --answers xdp-native --answers-max 1024
must s attach eth0
told s "varpd_server_set 0x13"
seq 1 5000 | awk '{ printf "varpd_add 0x13 10.7.%d.%d 192.0.2.5\n", $1 / 256, $1 % 256 }' >"$TMP/bulk"
in_net s timeout $((60 * SCALE)) nc -N 127.0.0.1 2500 <"$TMP/bulk" >/dev/null
supernet_by() { [ "$(value s ".servers[] | select(.snid | endswith(\"$1\")) | .answers" status)" = "$2" ]; }
check "no room for a supernet: it says so" wait_for 10 grep -q "raise answers-max" "$TMP/varpd-s.log"
is "varpd answers for it" "$(ask $UNDERLAY4.9 0x13 10.7.0.1 10.7.19.136 | sort -u)" "reply 192.0.2.5 900"
check "status says so" supernet_by 13 userspace
check "and the program for the other one" wait_for 10 asked_of_xdp 10.1.0.5
check "status says that too" supernet_by 10 xdp
varpd_stop s
varpd_start s --answers xdp-native --answers-max 1024
check "started anew: there is room for all that is stored" wait_for 10 supernet_by 13 xdp
told s "varpd_server_clear 0x13"
must s detach eth0
varpd_stop s

# --- Somebody else's program ---

passing s eth0
foreign=$(xdp)
varpd_start s --answers xdp-native
must s attach eth0
check "another's program is there: answers from varpd" wait_for 5 how_is userspace
check "and status says why" wait_for 5 eval '[[ $(why) == *"another program"* ]]'
is "it answers" "$(ask $UNDERLAY4.9 0x10 10.1.0.5)" "reply 192.0.2.5 600"
is "the other program goes on" "$(xdp)" "$foreign"
in_net s ip link set dev eth0 xdpdrv off
check "it has gone: ours takes its place" wait_for 15 how_is xdp-native
check "now the other one is refused" eval "! passing s eth0"
must s detach eth0
check "detached: no trace" no_xdp
varpd_stop s

# --- In sessions ---

varpd_stop a
# What runs from here on does without --insecure (lib.sh).
# shellcheck disable=SC2034
SECURE=1
mkdir -p "$TMP/pki-a/psk" "$TMP/pki-s/psk"
chmod 755 "$TMP/pki-a" "$TMP/pki-a/psk" "$TMP/pki-s" "$TMP/pki-s/psk"
"$VARPCTL" psk new 0x10 dir "$TMP/pki-s" 2>/dev/null | "$VARPCTL" psk add 0x10 dir "$TMP/pki-a" >/dev/null || bail "no key"
varpd_start s --answers xdp-native
varpd_start a
must s attach eth0
told s "varpd_server_set 0x10 600" "varpd_add 0x10 10.1.0.2 192.0.2.2" "varpd_add 0x10 10.1.0.3 192.0.2.3"
must a join 0x10 10.1.0.1/24 server $UNDERLAY4.9
check "secure: the mirror is complete" wait_for 10 supernet_by 10 xdp
is "secure: resolve in a session" "$(ctl a resolve 0x10 10.1.0.2)" 192.0.2.2
before=$(by_xdp)
is "secure: another one" "$(ctl a resolve 0x10 10.1.0.3)" 192.0.2.3
status_is "secure: not known" 3 ctl a resolve 0x10 10.1.0.4
is "secure: the program answered these" $(($(by_xdp) - before)) 2
is "secure: without a session nobody is answered" "$(ask $UNDERLAY4.9 0x10 10.1.0.2)" none
varpd_stop s KILL
must a cache flush
is "secure: killed, the program goes on in the session" "$(ctl a resolve 0x10 10.1.0.2)" 192.0.2.2
varpd_start s --answers xdp-native
must a cache flush
is "secure: started, the client finds a new session" "$(ctl a resolve 0x10 10.1.0.3)" 192.0.2.3
before=$(by_xdp)
is "secure: which the program knows too" "$(ctl a resolve 0x10 10.1.0.2) $(($(by_xdp) - before))" "192.0.2.2 1"
told s "varpd_server_clear 0x10"
must s detach eth0

done_testing
