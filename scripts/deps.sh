#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Installs the packages that are missing for the named sets: build, demo, test, fuzz, bench, kernels. Called by `make deps`, `make demo`,
# `make test` and `make test-kernels`. Says and does nothing, and needs no network, when everything is there. Debian 12 and
# newer, Ubuntu 22.04 and newer; elsewhere it lists what is wanted.
# Usage: deps.sh SET...
set -eu

# One row per package and set. "a|b" is met by either; the first that apt knows is installed.
packages() {
	case $1 in
	build)
		echo make gcc libc6-dev pkg-config\|pkgconf clang bpftool\|linux-tools-generic libbpf-dev libxdp-dev
		echo libelf-dev zlib1g-dev libevent-dev libssl-dev libjansson-dev libsqlite3-dev libinih-dev libmnl-dev libseccomp-dev
		echo uthash-dev libsystemd-dev
		;;
	demo)
		echo iproute2 iputils-ping netcat-openbsd
		;;
	test)
		packages demo
		echo libcmocka-dev gcovr shellcheck tcpdump tshark iperf3 sockperf socat jq ethtool procps xdp-tools
		echo python3 python3-scapy sqlite3 mandoc util-linux bsdutils openssl faketime systemd
		;;
	bench)
		packages demo
		echo iperf3 sockperf ethtool procps util-linux python3 gnuplot-nox\|gnuplot wireguard-tools
		;;
	fuzz)
		# libFuzzer, in the version of the clang that is there
		v=$(clang -dumpversion 2>/dev/null | cut -d. -f1)
		echo "libclang-rt-${v:-14}-dev|libclang-common-${v:-14}-dev"
		;;
	kernels)
		echo qemu-system-x86 busybox-static kmod file xz-utils debian-archive-keyring
		echo python3-argcomplete python3-pkg-resources python3-requests
		;;
	*)
		echo "deps.sh: unknown set '$1' (build, demo, test, fuzz, bench, kernels)" >&2
		exit 1
		;;
	esac
}

installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

known() {
	apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'
}

wanted=
for set in "${@:-build}"; do
	wanted="$wanted $(packages "$set")"
done
wanted=$(echo "$wanted" | tr -s ' \n' '\n' | awk 'NF && !seen[$0]++')

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	if [ -n "${VARP_NO_DEPS:-}" ]; then
		exit 0
	fi
	echo "varp: only Debian and Ubuntu are handled here. Install the equivalents of these packages, then" >&2
	echo "varp: set VARP_NO_DEPS=1:" >&2
	echo "$wanted" | sed 's/^/    /' >&2
	exit 1
fi
[ -z "${VARP_NO_DEPS:-}" ] || exit 0

missing=
for entry in $wanted; do
	met=
	for p in $(echo "$entry" | tr '|' ' '); do
		if installed "$p"; then met=1; fi
	done
	[ -n "$met" ] || missing="$missing $entry"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { echo "varp: packages are missing ($missing ); run this as root" >&2; exit 1; }
	sudo=sudo
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
	if ! $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1
	then
		return 1
	fi
}

apt update || echo "varp: apt-get update failed; trying with the package lists that are here" >&2
choice=
for entry in $missing; do
	picked=
	for p in $(echo "$entry" | tr '|' ' '); do
		if [ -z "$picked" ] && known "$p"; then picked=$p; fi
	done
	choice="$choice ${picked:-${entry%%|*}}"
done
echo "varp: installing$choice"
# shellcheck disable=SC2086 # a list of package names
if ! apt install --no-install-recommends $choice; then
	cat "$log" >&2
	echo "varp: could not install:$choice" >&2
	exit 1
fi
