#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The control socket under good and bad clients: control_cases.py says what.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

ns_add a
ns_ip a link add eth0 type veth peer name peer0	# a network on which nobody answers
ns_ip a addr add 192.0.2.1/24 dev eth0
ns_ip a link set eth0 up
ns_ip a link set peer0 up
varpd_start a
VARPCTL=$VARPCTL in_net a python3 "$ROOT/tests/daemon/control_cases.py" "$PREFIX-a" "${VARPD_PID[a]}"
FAILED=$?
varpd_stop a || FAILED=1
[ "$FAILED" = 0 ] || show_logs
exit "$FAILED"
