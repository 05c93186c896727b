#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs inside a virtual machine of the kernel matrix, whose root is the host's tree, read-only or overlaid. Prepares what an
# init system would have and runs the given test programs. Called by tests/kernel/run.sh.
# Usage: guest.sh OUT BUILD SCALE ALLOWED-SKIPS|- PROGRAM...
set -u
out=$1 B=$2 VARP_TIME_SCALE=$3 VARP_ALLOWED_SKIPS=$4
shift 4
if [ "$VARP_ALLOWED_SKIPS" = - ]; then VARP_ALLOWED_SKIPS=; fi
export B VARP_TIME_SCALE VARP_ALLOWED_SKIPS VARP_TEST_LOGS=$out/logs VARP_KERNEL_MATRIX=1
export TEST_TIMEOUT=${TEST_TIMEOUT:-90} # one program that hangs must leave time for the others
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run/home LC_ALL=C.UTF-8
# shellcheck source=/dev/null
. "$out/environment"
exec >"$out/output" 2>&1 </dev/null

cd "$(dirname "$0")/../.." || exit 1
mkdir -p "$HOME"
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
ulimit -l unlimited
ip link set lo up
sysctl -q -w kernel.panic_on_oops=1 kernel.printk='4 4 1 7'
echo "Linux $(uname -r), $(nproc) CPU, $(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo) MiB, up $(cut -d. -f1 /proc/uptime) s"

scripts/run-tests.sh "$@"
rc=$?
dmesg --level=emerg,alert,crit,err,warn >"$out/dmesg" 2>/dev/null
# A kernel that complained under our programs is a finding, whatever the tests said.
if grep -E 'BUG:|Oops|WARNING: CPU|general protection|soft lockup|hung task|refcount_t:' "$out/dmesg"; then
	echo "the kernel complained, see above"
	rc=1
fi
echo "$rc" >"$out/status"
sync
