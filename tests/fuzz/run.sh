#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs the fuzzers with libFuzzer, as many at a time as there are processors, each for FUZZ_SECONDS. What they learn is kept in
# $B/corpus, what they find in $B/findings. Called by `make fuzz`, which builds them.
#
# FUZZ_SECONDS: each (600). FUZZERS: names, "engine store" (all). B: their build directory.
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build-fuzz}
seconds=${FUZZ_SECONDS:-600}
if [ "$(id -u)" != 0 ]; then echo "fuzz: not root: the control socket's fuzzer will be skipped" >&2; fi

names=${FUZZERS:-}
if [ -z "$names" ]; then
	for file in tests/fuzz/test_*.c; do
		file=${file##*/test_}
		names="$names ${file%.c}"
	done
fi

run_one() {
	local name=$1 found=$B/findings/$1 log=$B/$1.log
	mkdir -p "$B/corpus/$name" "$found"
	# A database is larger than a packet; nothing else gains by more than a page.
	nice -n 19 "$B/tests/fuzz/test_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
		-max_len="$([ "$name" = store ] && echo 16384 || echo 4096)" -print_final_stats=1 \
		-artifact_prefix="$found/" "$B/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1
	if [ -z "$(ls -A "$found")" ] && grep -q -e '^Done ' -e '# SKIP' "$log"; then
		printf 'ok      %-10s %s\n' "$name" "$(grep -e '^Done ' -e '# SKIP' "$log")"
		return 0
	fi
	printf 'FOUND   %-10s see %s and run %s on what is in %s\n' "$name" "$log" "$B/tests/fuzz/test_$name" "$found"
	grep -e 'does not hold' -e '^SUMMARY' "$log" | sed 's/^/    | /'
	return 1
}
export -f run_one
export B seconds

# shellcheck disable=SC2086 # a list of names
printf '%s\n' $names | xargs -P "$(nproc)" -I NAME bash -c 'run_one NAME'
