#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs test programs that speak TAP (cmocka programs and scripts), adds their results up, shows failures whole and skips with
# their reasons, and ends with the line "N passed, N failed, N skipped". Called by the Makefile and by the kernel matrix.
#
# Usage: run-tests.sh [-j JOBS] PROGRAM... [--serial PROGRAM...]
#   Programs before --serial may run at the same time, those behind it run one by one. DIR:SCRIPT runs an end-to-end script
#   with the programs of another build directory; one whose name ends in -asan has sanitizers, whose reports fail the test.
# Environment:
#   B                   build directory; logs go to $VARP_TEST_LOGS, default $B/test-logs
#   TEST_TIMEOUT        limit per program in seconds (300); a script may ask for more by a line "# timeout: N"
#   VARP_TIME_SCALE     multiplies limits (1); the kernel matrix sets it for emulation
#   VARP_ALLOWED_SKIPS  file of extended regular expressions; a skip that matches none of them is a failure
#
# A program fails also by crashing, exceeding its limit, exiting with an error, reporting fewer tests than it planned, or none.
set -u
if [ -n "${VARP_ALLOWED_SKIPS:-}" ]; then VARP_ALLOWED_SKIPS=$(realpath "$VARP_ALLOWED_SKIPS") || exit 1; fi
cd "$(dirname "$0")/.." || exit 1

B=$(realpath -ms "${B:-build}")
export B CMOCKA_MESSAGE_OUTPUT=TAP
logs=${VARP_TEST_LOGS:-$B/test-logs}
scale=${VARP_TIME_SCALE:-1}
export VARP_TIME_SCALE=$scale
jobs=1
parallel=()
serial=()

while [ $# -gt 0 ]; do
	case $1 in
	-j) jobs=$2; shift ;;
	--serial) shift; serial=("$@"); break ;;
	*) parallel+=("$1") ;;
	esac
	shift
done

# Short name of a program: without the build directory, except for its variants ("asan/unit/test_msg").
label() {
	local l
	case $1 in
	*:*) l=${1%%:*}; echo "${l##*-}/$(label "${1#*:}")"; return ;;
	esac
	l=$(realpath -ms "$1")
	case $l in "$B"-*) l=${l#"$B"-} ;; *) l=${l#"$B/"} ;; esac
	l=${l#"$PWD/"}
	l=${l/#tests\//}
	echo "${l/\/tests\//\/}"
}

# Results of one program, one line each: STATUS TAB NAME TAB REASON.
parse() {
	awk -v rc="$2" -v limit="$3" '
	function out(status, name, reason) { printf "%s\t%s\t%s\n", status, name, reason }
	/^1\.\.[0-9]+/ {
		planned += substr($1, 4) + 0
		if ($1 == "1..0" && match($0, /# *[Ss][Kk][Ii][Pp]/)) {
			out("skip", "all of it", substr($0, RSTART + RLENGTH + 1)); n++; planned++
		}
		next
	}
	/^(not )?ok [0-9]+/ {
		n++
		bad = /^not /
		name = $0
		sub(/^(not )?ok [0-9]+ *(- *)?/, "", name)
		if (match(name, /# *[Ss][Kk][Ii][Pp]/)) {
			reason = substr(name, RSTART + RLENGTH)
			name = substr(name, 1, RSTART - 1)
			sub(/^[: ]+/, "", reason); sub(/ +$/, "", name)
			# cmocka puts the name of the test here; what it printed before is the reason
			if (name == "") { name = reason; reason = said }
			out("skip", name, reason)
		} else if (bad) {
			out("fail", name, ""); failed++
		} else {
			out("pass", name, "")
		}
		said = ""
		next
	}
	NF { said = $0; sub(/^# */, "", said) }
	END {
		if (rc == 124 || rc == 137)
			out("fail", "(program)", "killed after the limit of " limit " s")
		else if (rc > 128)
			out("fail", "(program)", "died of signal " (rc - 128))
		else if (rc != 0 && !failed)
			out("fail", "(program)", "exit status " rc)
		if (!n)
			out("fail", "(program)", "reported no test")
		else if (planned > n)
			out("fail", "(program)", "planned " planned " tests, reported " n)
	}' "$1"
}

run_one() {
	local prog=$1 name base limit rc start took report build=
	name=$(label "$prog")
	base=$logs/${name//\//-}
	limit=${TEST_TIMEOUT:-300}
	case $prog in *:*) build=${prog%%:*} prog=${prog#*:} ;; esac
	case $prog in
	*.sh)
		start=$(sed -n '1,40s/^# timeout: \([0-9]*\).*/\1/p' "$prog" 2>/dev/null | head -n 1)
		if [ "${start:-0}" -gt "$limit" ]; then limit=$start; fi
		;;
	esac
	limit=$((limit * scale))
	case $prog in /*) ;; *) prog=./$prog ;; esac
	start=$(date +%s)
	(
		case $build in
		*-asan)
			export VARP_SANITIZED=1 ASAN_OPTIONS=log_path=$base.report UBSAN_OPTIONS=log_path=$base.report
			export LSAN_OPTIONS=log_path=$base.report
			;;
		esac
		if [ -n "$build" ]; then export BUILD=$build; fi
		exec timeout --kill-after=15 "$limit" "$prog" </dev/null >"$base.log" 2>&1
	)
	rc=$?
	took=$(($(date +%s) - start))
	parse "$base.log" "$rc" "$limit" >"$base.result"
	for report in "$base".report.*; do
		if [ -s "$report" ]; then
			cat "$report" >>"$base.log"
			printf 'fail\t(sanitizer)\tfound something in a program of this test\n' >>"$base.result"
		fi
	done
	awk -F '\t' -v name="$name" -v took="$took" '
		{ c[$1]++ }
		END {
			printf "%-6s %-44s %4d passed", c["fail"] ? "FAIL" : "ok", name, c["pass"]
			if (c["fail"]) printf ", %d failed", c["fail"]
			if (c["skip"]) printf ", %d skipped", c["skip"]
			printf "  (%d s)\n", took
		}' "$base.result"
	if grep -q '^fail' "$base.result"; then
		awk -F '\t' '$1 == "fail" { printf "  not ok: %s%s\n", $2, $3 == "" ? "" : ": " $3 }' "$base.result"
		# A verifier's log has tens of thousands of lines: its end is what tells.
		awk -v log_file="$base.log" -v total="$(wc -l <"$base.log")" '
			NR <= 100 || NR > total - 400 { print "    | " $0 }
			NR == 101 && total > 500 { print "    | ... " total - 500 " lines, see " log_file }' "$base.log"
	fi
}

mkdir -p "$logs"
rm -f "$logs"/*.log "$logs"/*.result "$logs"/*.report.* "$logs/totals"

# The lines of one program stay together: each job prints to a file, which is shown when it ends.
for prog in "${parallel[@]}"; do
	if [ "$jobs" -gt 1 ]; then
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
		{ out=$(run_one "$prog"); printf '%s\n' "$out"; } &
	else
		run_one "$prog"
	fi
done
wait
for prog in "${serial[@]}"; do
	run_one "$prog"
done

passed=0 failed=0 skipped=0 unexpected=0
for prog in "${parallel[@]}" "${serial[@]}"; do
	name=$(label "$prog")
	result=$logs/${name//\//-}.result
	while IFS=$'\t' read -r status test reason; do
		case $status in
		pass) passed=$((passed + 1)) ;;
		fail) failed=$((failed + 1)) ;;
		skip)
			line="$name: $test: $reason"
			if [ -n "${VARP_ALLOWED_SKIPS:-}" ] &&
			   ! printf '%s\n' "$line" | grep -Eqf <(grep -Ev '^(#|$)' "$VARP_ALLOWED_SKIPS"); then
				echo "unexpected skip  $line"
				unexpected=$((unexpected + 1))
				failed=$((failed + 1))
			else
				echo "skipped  $line"
				skipped=$((skipped + 1))
			fi
			;;
		esac
	done <"$result"
done
if [ $((passed + failed + skipped)) -eq 0 ]; then
	echo "no test was run" >&2
	failed=1
fi
echo "$passed $failed $skipped" >"$logs/totals"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
