#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs the demo as `make demo` does and checks that it worked and cleaned up. Reports as TAP. Called by `make test`.
set -u
cd "$(dirname "$0")/.." || exit 1
if [ "$(id -u)" != 0 ]; then
	echo "1..0 # SKIP needs root"
	exit 0
fi
out=$(scripts/demo.sh 2>&1)
rc=$?
if [ $rc -eq 0 ] && grep -q ' 0% packet loss' <<<"$out"; then
	echo "ok 1 - the demo's first ping is answered"
else
	printf '%s\n' "$out" | sed 's/^/# /'
	echo "not ok 1 - the demo's first ping is answered (exit status $rc)"
fi
left=$(ls -d /run/netns/demo-* /run/varp/demo-* /sys/fs/bpf/varp/demo-* 2>/dev/null)
if [ -z "$left" ]; then
	echo "ok 2 - the demo leaves nothing behind"
else
	echo "not ok 2 - the demo leaves nothing behind: $left"
fi
echo "1..2"
