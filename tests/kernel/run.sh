#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The kernel matrix: boots stock Debian kernels under virtme-ng with this machine's tree as root, runs the BPF tests and the
# end-to-end tests in each, and sums up. Called by `make test-kernels` after a build.
#
# With KVM where that boots a stock kernel, else in software emulation, which is 5 to 10 times slower: there the end-to-end
# scripts are limited to those with a line "# kernels: yes" or "# kernels: slow" in their first 40, and with VARP_KERNEL_SLOW=0 to
# the former: the latter take long there, or depend little on the kernel.
#
# Environment: B (build directory), VARP_KERNELS ("6.1 6.12"), VARP_KERNEL_CACHE (~/.cache/varp/kernels), VARP_KERNEL_TESTS
# (instead of the usual programs), VARP_KERNEL_SLOW (1), VARP_KERNEL_TIMEOUT (5400 s per kernel), VARP_KERNEL_JOBS, VARP_KERNEL_KVM=0 (emulate),
# VARP_ALLOWED_SKIPS; VARP_TC and VARP_TEST_OPTIONS as in tests/lib.sh; VARP_KERNEL_RESULTS
# ($B/test-kernels).
set -u
cd "$(dirname "$0")/../.." || exit 1

B=${B:-$PWD/build}
B=$(realpath -m "$B")
read -r -a kernels <<<"${VARP_KERNELS:-6.1 6.12}"
cache=${VARP_KERNEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/varp/kernels}
limit=${VARP_KERNEL_TIMEOUT:-5400}
jobs=${VARP_KERNEL_JOBS:-$(nproc)}
results=${VARP_KERNEL_RESULTS:-$B/test-kernels}
skips=${VARP_ALLOWED_SKIPS:+$(realpath "$VARP_ALLOWED_SKIPS")}

die() { echo "varp: $*" >&2; exit 1; }

[ "$(uname -m)" = x86_64 ] || die "the kernel matrix runs on x86_64 only"
images=$(tests/kernel/fetch.sh "$cache" "${kernels[@]}") || exit 1
mapfile -t images <<<"$images"
[ "$jobs" -le ${#kernels[@]} ] || jobs=${#kernels[@]}

# Leave the host as much memory as one guest has.
mib=$(awk -v n=$((jobs + 1)) '/MemAvailable/ { m = int($2 / 1024 / n); print (m > 4096 ? 4096 : m) }' /proc/meminfo)
[ "$mib" -ge 1024 ] || die "too little memory for $jobs guests"

vng() { # SECONDS IMAGE ARGS...
	local seconds=$1 image=$2
	shift 2
	PYTHONPATH=$cache/virtme-ng/usr/lib/python3/dist-packages \
	PATH=$cache/virtme-ng/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		timeout --kill-after=10 "$seconds" /usr/bin/python3 "$cache/virtme-ng/usr/bin/vng" -r "$image" --user root \
		--verbose --force-9p --memory "${mib}M" --append mitigations=off --append nokaslr "$@" </dev/null 2>&1 | cat
	return "${PIPESTATUS[0]}"
}

rm -rf "$results"
mkdir -p "$results"
accel=--disable-kvm
scale=8
cpus=1
if [ "${VARP_KERNEL_KVM:-1}" != 0 ] && [ -w /dev/kvm ] &&
   vng 20 "${images[0]}" --cpus 1 -- 'exit 42' >"$results/kvm-probe" 2>&1 || [ $? -eq 42 ]; then
	accel=
	scale=2
	cpus=2
	echo "booting with KVM"
else
	echo "booting in software emulation: KVM is absent or does not run a stock kernel"
fi

marked='^# kernels: (yes|slow)$'
if [ "${VARP_KERNEL_SLOW:-1}" = 0 ]; then marked='^# kernels: yes$'; fi
programs=(tests/kernel/smoke)
if [ -n "${VARP_KERNEL_TESTS:-}" ]; then
	read -r -a programs <<<"$VARP_KERNEL_TESTS"
else
	for t in "$B"/tests/bpf/test_*; do
		if [ -x "$t" ] && [ ! -d "$t" ]; then programs+=("$t"); fi
	done
	for t in tests/netns/test_*.sh tests/daemon/test_*.sh; do
		if [ -f "$t" ] && { [ -z "$accel" ] || head -n 40 "$t" | grep -Eq "$marked"; }; then
			programs+=("$t")
		fi
	done
fi

run_kernel() { # SERIES IMAGE
	local out=$results/$1 start took
	mkdir -p "$out"
	printf 'export VARP_TC=%q VARP_TEST_OPTIONS=%q\n' "${VARP_TC:-}" "${VARP_TEST_OPTIONS:-}" >"$out/environment"
	start=$(date +%s)
	# The results come back through /mnt, which every system has: the guest cannot make a mount point in its root.
	# shellcheck disable=SC2086 # $accel is one option or none
	vng "$limit" "$2" $accel --cpus $cpus --rwdir "/mnt=$out" -- \
		"$PWD/tests/kernel/guest.sh /mnt '$B' $scale '${skips:--}' ${programs[*]}" >"$out/console" 2>&1
	took=$(($(date +%s) - start))
	{
		echo "--- Linux $1: ${2##*/vmlinuz-} ($took s)"
		cat "$out/output" 2>/dev/null
		if [ ! -s "$out/status" ]; then
			echo "Linux $1 did not finish; the end of its console:"
			tail -n 40 "$out/console" | tr -d '\r' | sed 's/^/    | /'
		fi
	} >"$out/report"
	cat "$out/report"
}

for i in "${!kernels[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
	run_kernel "${kernels[$i]}" "${images[$i]}" &
done
wait

echo "--- kernel matrix"
passed=0 failed=0 skipped=0
for k in "${kernels[@]}"; do
	if [ -s "$results/$k/status" ] && read -r p f s <"$results/$k/logs/totals"; then
		# A complaint of the kernel itself is a failure that no test has counted.
		if [ "$(cat "$results/$k/status")" != 0 ] && [ "$f" -eq 0 ]; then f=1; fi
	else
		p=0 f=1 s=0
	fi
	printf 'Linux %-6s %4d passed, %d failed, %d skipped\n' "$k" "$p" "$f" "$s"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$passed $failed $skipped" >"$results/totals"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
