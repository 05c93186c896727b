#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A varpd of another ABI version left its datapath: its programs must not stand in front of ours, and all of it goes.
. "$(dirname "$0")/../lib.sh"

hosts_up a b s
pair 0x10
check "reached" wait_for 5 reach a 10.1.0.2
dir=$(dirname "$(pins a)")
varpd_stop a
check "the datapath stays" test -d "$dir/v2"
mv "$dir/v2" "$dir/v1" || bail "cannot rename pins"

varpd_start a
check "the other version's pins are gone" test ! -e "$dir/v1"
like "the log says so" "$(cat "$TMP/varpd-a.log")" "left by a varpd of another version, was removed"
is "no underlay is left" "$(value a '.underlays | length' status)" 0
must a attach eth0
must a join 0x10 10.1.0.1/24 server 192.0.2.9
check "attached and joined again: reached" wait_for 5 reach a 10.1.0.2
check "and from there" reach b 10.1.0.1
must a detach eth0
is "detached: no program of any version is left on the interface" \
	"$(in_net a tc filter show dev eth0 ingress 2>/dev/null | grep -c varp) $(find /sys/fs/bpf/varp/"$PREFIX-a"/v*/links -name '*decap*' 2>/dev/null | wc -l)" "0 0"
check "and nothing arrives any more" unreach b 10.1.0.1

done_testing
