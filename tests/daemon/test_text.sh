#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 400
# The text sockets, octet by octet and under bad clients: text_cases.py says what.
. "$(dirname "$0")/../lib.sh"

ns_add a
varpd_start a --max-connections 2050
ulimit -n "$(ulimit -Hn)"
in_net a python3 "$ROOT/tests/daemon/text_cases.py" "$PREFIX-a" "${VARPD_PID[a]}"
FAILED=$?
varpd_stop a || FAILED=1
[ "$FAILED" = 0 ] || show_logs
exit "$FAILED"
