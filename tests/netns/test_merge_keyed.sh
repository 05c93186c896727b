#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# kernels: slow
#
# Keyed channels' packets are merged at the node device once they are opened, in both modes, over both families and for a node in
# another namespace: TCP sees far fewer segments than frames came, and the data are what was sent.
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
told s "varpd_server_set 0x10" "varpd_add 0x10 10.1.0.1 192.0.2.1" "varpd_add 0x10 10.1.0.2 192.0.2.2" "varpd_add 0x10 10.1.0.3 192.0.2.2" \
	"varpd_add 0x10 fd00::1 192.0.2.1" "varpd_add 0x10 fd00::2 192.0.2.2"
ns_add app
must a join 0x10 10.1.0.1/24 server 192.0.2.9 dev sn0
must b join 0x10 10.1.0.2/24 server 192.0.2.9 dev sn0
must b join 0x10 10.1.0.3/24 server 192.0.2.9 dev sn1 netns "/run/netns/$PREFIX-app"
must a join 0x10 fd00::1/64 dev sn0
must b join 0x10 fd00::2/64 dev sn0

umask 077
openssl rand -hex 32 >"$TMP/key"
umask 022
head -c 8000000 /dev/urandom >"$TMP/file"
sum=$(sha256sum <"$TMP/file")

feature() { in_net "$1" ethtool -k "$2" | awk -v name="$3:" '$1 == name { print $2 }'; }
segments() { in_net "$1" awk '/^Tcp: [0-9]/ { print $11 }' /proc/self/net/snmp; }
frames() { stat_of b .datapath.decap_packets; }
listens() { in_net "$1" ss -lntH | grep -q ":7000 "; }

# transfer WHERE ADDRESS: sends the file from a and sets got to its sum there, segments to those that TCP saw for each hundred packets
transfer() {
	local seen came
	bg sink nsenter --net="/run/netns/$PREFIX-$1" -- sh -c "timeout $((60 * SCALE)) nc -l $2 7000 | sha256sum"
	wait_for 5 listens "$1"
	seen=$(segments "$1")
	came=$(frames)
	in_net a timeout $((60 * SCALE)) nc -N "$2" 7000 <"$TMP/file"
	got=$(bg_wait sink $((60 * SCALE)))
	segments=$((($(segments "$1") - seen) * 100 / ($(frames) - came)))
}

is "plain: the kernel's own setting stays" "$(feature b sn0 generic-receive-offload)" off
for mode in auth aead; do
	for h in a b; do must $h channel set 0x10 0x0 $mode key "$TMP/key"; done
	check "$mode: reached" wait_for 5 reach a 10.1.0.2
	check "$mode: reached, IPv6" wait_for 5 reach a fd00::2
	check "$mode: reached in another namespace" wait_for 5 reach a 10.1.0.3
	is "$mode: the node device merges" "$(feature b sn0 generic-receive-offload) $(feature app sn1 generic-receive-offload)" "on on"
	while read -r name where address; do
		transfer "$where" "$address"
		is "$mode, $name: what was sent arrives" "$got" "$sum"
		num "$mode, $name: merged" "$segments" -lt 50
	done <<-ROWS
		IPv4 b 10.1.0.2
		IPv6 b fd00::2
		namespace app 10.1.0.3
	ROWS
done

# The count tells one from the other.
in_net b ethtool -K sn0 gro off
transfer b 10.1.0.2
is "not merging: what was sent arrives" "$got" "$sum"
num "not merging: not merged" "$segments" -ge 90
is "no tag was wrong, nothing came twice" "$(stat_of b .drops.channel_tag) $(stat_of b .drops.replay) $(stat_of b .drops.late)" "0 0 0"

done_testing
