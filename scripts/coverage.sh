#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs the unit and scenario tests of a gcov build ($B-cov, made by the Makefile), prints libvarp's line coverage per file,
# and reports as TAP whether it reaches the goal. Called by `make coverage` and `make test`.
set -u
cd "$(dirname "$0")/.." || exit 1
cov=${B:-build}-cov
goal=${VARP_COVERAGE_GOAL:-90}

if ! command -v gcovr >/dev/null; then
	echo "1..0 # SKIP gcovr is not installed"
	exit 0
fi

find "$cov" -name '*.gcda' -delete 2>/dev/null
for t in "$cov"/tests/unit/test_* "$cov"/tests/scenario/test_*; do
	if [ -x "$t" ] && [ ! -d "$t" ]; then
		"$t" </dev/null >"$cov/${t##*/}.log" 2>&1 || echo "# $t failed; its own run in this suite says why"
	fi
done
gcovr -r . --object-directory "$cov" -f 'libvarp/.*\.c$' "$cov" >"$cov/coverage.txt" 2>"$cov/coverage.err" || {
	sed 's/^/# /' "$cov/coverage.err"
	echo "not ok 1 - libvarp line coverage: gcovr failed"
	echo "1..1"
	exit 1
}
sed 's/^/# /' "$cov/coverage.txt"
percent=$(awk '$1 == "TOTAL" { sub("%", "", $4); print $4 }' "$cov/coverage.txt")
if [ "${percent:-0}" -ge "$goal" ]; then
	echo "ok 1 - libvarp line coverage $percent % (at least $goal %)"
else
	echo "not ok 1 - libvarp line coverage ${percent:-0} % (at least $goal %)"
fi
echo "1..1"
