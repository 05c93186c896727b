#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs shellcheck over every shell script of the tree and reports as TAP. Called by `make lint` and `make test`.
cd "$(dirname "$0")/.." || exit 1
if ! command -v shellcheck >/dev/null; then
	echo "1..0 # SKIP shellcheck is not installed"
	exit 0
fi
n=0
for f in scripts/*.sh tests/*.sh tests/*/*.sh tests/kernel/smoke .ci/run; do
	[ -f "$f" ] || continue
	n=$((n + 1))
	if shellcheck -x -S warning "$f"; then
		echo "ok $n - $f"
	else
		echo "not ok $n - $f"
	fi
done
echo "1..$n"
