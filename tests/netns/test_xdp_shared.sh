#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# kernels: yes
# timeout: 420
# The program that answers beside others' XDP programs, of xdp-tools, in either order: both work, and each can go without harm to the
# other; across kill, restart, upgrade and what others do to the interface. What was put there without libxdp's dispatcher is left
# alone, and where the kernel cannot share ours is attached alone: status says either. varpd is nobody all the time.
#
#     a 192.0.2.1, .50 (asks) --- br0 --- to-s | s 192.0.2.9 (serves 0x10; xdp-filter drops what comes from .50)
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
command -v xdp-loader >/dev/null && command -v xdp-filter >/dev/null || skip_all "xdp-tools is not installed"
id nobody >/dev/null 2>&1 || skip_all "there is no user nobody"

fabric
host_add a 1
host_add s 9
ns_ip a addr add $UNDERLAY4.50/24 dev eth0
# What XDP sends on a veth is lost unless the other end has a program too: one that passes everything, for its maps are empty.
passing() { in_net "$1" ip link set dev "$2" xdpdrv obj "$BUILD/gen/answer.bpf.o" sec xdp.frags 2>"$TMP/ip.err"; }
passing net to-s || skip_all "ip cannot load an XDP program here: $(head -n 1 "$TMP/ip.err")"

ask() { in_net a python3 "$ROOT/tests/netns/ask.py" $UNDERLAY4.9 0x10 "$@"; }
how() { value s '.underlays[0] | "\(.answers)\(if .answers_shared then " shared" else "" end)"' status; }
how_is() { [ "$(how)" = "$1" ]; }
why() { value s '.underlays[0].answers_why' status; }
why_has() { [[ $(why) == *$1* ]]; }
by_xdp() { stat_of s .varp.answered_by_xdp; }
# Is it answered rightly, and without varpd?
answers() {
	local before
	before=$(by_xdp)
	[ "$(ask 10.1.0.2)" = "reply 192.0.2.2 600" ] && [ "$(by_xdp)" -gt "$before" ]
}
# Of the dispatcher on s's eth0: `PRIORITY NAME ID` of each program
slots() { in_net s xdp-loader status eth0 | awk '$1 == "=>" { print $2, $3, $4 }'; }
names() { slots | awk '{ print $2 }' | xargs; }
names_are() { [ "$(names)" = "$1" ]; }
ours() { slots | awk '$2 == "varp_answer" { print $3 }'; }
no_xdp() { ! ns_ip s link show dev eth0 | grep -q prog/xdp; }
index() { ns_ip s -j link show dev eth0 | jq '.[0].ifindex'; }
# With the slash: iproute2 may have made it a link.
no_pins() { [ -z "$(find /sys/fs/bpf/xdp/ -maxdepth 1 -name "dispatch-$1-*" 2>/dev/null)" ]; }
filter_on() {
	in_net s xdp-filter load eth0 -f ipv4 -m "${1:-native}" >"$TMP/filter" 2>&1 &&
	in_net s xdp-filter ip -m src $UNDERLAY4.50 >>"$TMP/filter" 2>&1
}
filter_off() { in_net s xdp-filter unload eth0 >"$TMP/filter" 2>&1; }
filters() { ! in_net a ping -n -q -c 1 -W 1 -I $UNDERLAY4.50 $UNDERLAY4.9 >/dev/null && reach a $UNDERLAY4.9 $((2 * SCALE)); }
no_filter() { in_net a ping -n -q -c 1 -W $((2 * SCALE)) -I $UNDERLAY4.50 $UNDERLAY4.9 >/dev/null; }
start() { varpd_start s --answers "${1:-xdp-native}" --user nobody --log-level debug; }

# A foreign program without a dispatcher, the same in all kernels.
left_alone() {
	local foreign
	told s "varpd_server_clear 0x10"
	check "nothing is served: nothing is attached" wait_for 10 no_xdp
	passing s eth0
	foreign=$(ns_ip s -j link show dev eth0 | jq '.[0].xdp.prog.id')
	told s "varpd_server_set 0x10 600"
	check "another's program without a dispatcher: varpd answers" wait_for 10 why_has "another program has taken XDP"
	is "status says who" "$(how)" userspace
	is "and it does" "$(ask 10.1.0.2)" "reply 192.0.2.2 600"
	is "the other program is left alone" "$(ns_ip s -j link show dev eth0 | jq '.[0].xdp.prog.id')" "$foreign"
	in_net s ip link set dev eth0 xdpdrv off
	check "it goes: ours comes" wait_for 20 answers
}

# Can they share here at all? Asked of xdp-tools, not of varpd.
ns_ip s link add x0 type veth peer name x1
in_net s xdp-filter load x0 >/dev/null 2>&1
sharing=$(in_net s xdp-loader status x0 | grep -c xdp_dispatcher)
in_net s xdp-filter unload x0 >/dev/null 2>&1
ns_ip s link del x0

start
must s attach eth0
told s "varpd_server_set 0x10 600" "varpd_add 0x10 10.1.0.2 192.0.2.2"
check "the program answers" wait_for 10 answers
if [ "$sharing" = 0 ]; then
	is "no sharing here: it is attached alone" "$(how)" xdp-native
	like "status says so" "$(ctl s status)" "answers by xdp-native \(alone: this kernel"
	like "and the log" "$(cat "$TMP/varpd-s.log")" "answered by xdp-native, alone: this kernel"
	check "another's is refused then" eval "! filter_on"
	left_alone
	skip "programs that share an interface" "this kernel does not replace functions of programs"
	done_testing
fi

# --- Ours first, then theirs -------------------------------------------------------------------------------------------------

is "it can be shared" "$(how)" "xdp-native shared"
like "the log says so" "$(cat "$TMP/varpd-s.log")" "answered by xdp-native, which others' programs can share"
is "in a dispatcher" "$(names)" varp_answer
id=$(ours)
check "xdp-filter loads" filter_on
is "both are there, the filter first" "$(slots | awk '{ print $1, $2 }' | xargs)" "10 xdpfilt_alw_ip 60 varp_answer"
is "ours is the same as before" "$(ours)" "$id"
check "it answers" answers
check "the filter filters" filters
sleep 2
is "status is unchanged" "$(how) $(names)" "xdp-native shared xdpfilt_alw_ip varp_answer"
check "xdp-filter unloads" filter_off
is "ours stays" "$(slots)" "60 varp_answer $id"
check "it answers" answers
check "nothing is filtered" no_filter

# --- Theirs first, then ours -------------------------------------------------------------------------------------------------

told s "varpd_server_clear 0x10"
check "nothing is served: nothing is attached" wait_for 10 no_xdp
check "nor pinned" no_pins "$(index)"
check "xdp-filter loads" filter_on
told s "varpd_server_set 0x10 600"
check "served: both are there" wait_for 10 names_are "xdpfilt_alw_ip varp_answer"
check "ours answers" wait_for 10 answers
check "the filter filters" filters
told s "varpd_server_clear 0x10"
check "not served any more: the filter stays" wait_for 10 names_are xdpfilt_alw_ip
check "and filters" filters
told s "varpd_server_set 0x10 600"
check "served again" wait_for 10 answers
must s detach eth0
is "detached: the filter stays" "$(names)" xdpfilt_alw_ip
must s attach eth0
check "attached again" wait_for 10 answers

# --- varpd goes and comes ----------------------------------------------------------------------------------------------------

id=$(ours)
varpd_stop s KILL
is "killed: both stay" "$(names) $(ours)" "xdpfilt_alw_ip varp_answer $id"
is "ours answers" "$(ask 10.1.0.2 10.1.0.3 | xargs)" "reply 192.0.2.2 600 notknown - 0"
check "the filter filters" filters
# Without a pause, while the next varpd starts.
# shellcheck disable=SC2046
bg asking nsenter --net="/run/netns/$PREFIX-a" -- python3 "$ROOT/tests/netns/ask.py" $UNDERLAY4.9 0x10 $(yes 10.1.0.2 | head -n $((3000 / SCALE)))
start
is "started: one of ours, another one" "$(names) $([ "$(ours)" != "$id" ] && echo another)" "xdpfilt_alw_ip varp_answer another"
is "no request was lost or answered wrongly" "$(bg_wait asking 60 | sort | uniq -c | xargs)" "$((3000 / SCALE)) reply 192.0.2.2 600"
check "it answers" wait_for 10 answers
check "the filter filters" filters

# A varpd of another ABI version left its pins; its program is found without them.
id=$(ours)
varpd_stop s
dir=$(dirname "$(pins s)")
mv "$(pins s)" "$dir/v1" || bail "cannot rename pins"
start
is "another version's program is taken off, the filter stays" "$(names)" xdpfilt_alw_ip
must s attach eth0
check "ours comes" wait_for 10 answers
is "and is another one" "$(names) $([ "$(ours)" != "$id" ] && echo another)" "xdpfilt_alw_ip varp_answer another"

varpd_stop s
start userspace
is "a varpd that is to answer itself takes it off" "$(names)" xdpfilt_alw_ip
is "and answers" "$(ask 10.1.0.2)" "reply 192.0.2.2 600"
varpd_stop s
start
check "and one that is not brings it back" wait_for 10 answers

# --- What others do to the interface -------------------------------------------------------------------------------------------

in_net s xdp-loader unload eth0 -a >/dev/null 2>&1
check "all is unloaded: ours comes back" wait_for 10 names_are varp_answer
check "and answers" wait_for 10 answers
ns_ip s link set dev eth0 xdpdrv off
check "XDP is switched off: ours comes back" wait_for 10 names_are varp_answer
check "and answers" wait_for 10 answers
is "no dead pins stay" "$(find /sys/fs/bpf/xdp/ -maxdepth 1 -name "dispatch-$(index)-*" | wc -l)" 1
told s "varpd_server_clear 0x10"
check "not served: none" wait_for 10 no_xdp
check "xdp-filter loads in generic mode" filter_on skb
told s "varpd_server_set 0x10 600"
check "where ours is not to be: varpd answers, and says why" wait_for 10 why_has "not in native mode"
is "the filter stays" "$(names)" xdpfilt_alw_ip
is "varpd answers" "$(how) $(ask 10.1.0.2)" "userspace reply 192.0.2.2 600"
check "it goes" filter_off
check "ours comes" wait_for 20 answers
left_alone
gone=$(index)
ns_ip s link del eth0
check "the interface is deleted: no pins stay" wait_for 10 no_pins "$gone"
host_link s 9
passing net to-s
ns_ip a neigh flush dev eth0
check "it comes back: so does ours" wait_for 10 answers
must s detach eth0
check "detached: no trace" no_xdp
check "nor pins" no_pins "$(index)"

done_testing
