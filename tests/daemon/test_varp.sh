#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# VARP messages on the wire, good and bad: varp_cases.py says what.
#
#     ns P-a: varpd, eth0 192.0.2.1, 192.0.2.3, 2001:db8::1 ------ ns P-p: eth0 192.0.2.9, 192.0.2.8, 2001:db8::9
#
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

ns_add a
ns_add p
ip link add eth0 netns "$PREFIX-a" type veth peer name eth0 netns "$PREFIX-p" || bail "cannot create veth"
for address in 192.0.2.1/24 192.0.2.3/24 2001:db8::1/64; do ns_ip a addr add "$address" dev eth0; done
for address in 192.0.2.9/24 192.0.2.8/24 2001:db8::9/64; do ns_ip p addr add "$address" dev eth0; done
ns_ip a link set eth0 up
ns_ip p link set eth0 up
wait_for 5 carrier a eth0
varpd_start a
told a "varpd_server_set 0x10 600" "varpd_add 0x10 10.1.0.2 192.0.2.2"
[ "$(client a "varpd_client_set 0x20 192.0.2.9")" = OK ] || bail "cannot name a server"
in_net p python3 "$ROOT/tests/daemon/varp_cases.py" "$PREFIX-a"
FAILED=$?
varpd_stop a || FAILED=1
[ "$FAILED" = 0 ] || show_logs
exit "$FAILED"
