#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Brings stock Debian kernels and virtme-ng into the cache directory, without installing anything, and prints the path of each
# kernel image asked for, one a line. Called by tests/kernel/run.sh. What the cache holds is used as it is; set
# VARP_KERNEL_REFRESH=1 to look for newer ones.
#
# The package source is the machine's own: the archive that its Debian release comes from also carries the other releases. On
# machines that are not Debian VARP_DEBIAN_MIRROR must name an archive. Everything apt does here happens in a private
# directory; packages are verified with the archive's keyring.
#
# Usage: fetch.sh CACHE SERIES...      (SERIES: 6.1, 6.12)
set -eu

cache=$1
shift
arch=$(dpkg --print-architecture)
apt=$cache/apt

say() { echo "varp: $*" >&2; }

# The Debian release that has a kernel series.
suite_of() {
	case $1 in
	6.1) echo bookworm ;;
	6.12) echo trixie ;;
	*) say "no Debian release known with Linux $1"; exit 1 ;;
	esac
}
tool_suite=trixie # the first release with virtme-ng

# Base address of the archive ("archive") or of its security part ("security"), from the machine's own apt sources.
source_uri() {
	local codename kind=$1
	if [ -n "${VARP_DEBIAN_MIRROR:-}" ]; then
		if [ "$kind" = archive ]; then echo "$VARP_DEBIAN_MIRROR"; fi
		return
	fi
	# shellcheck disable=SC1091
	codename=$(. /etc/os-release; [ "$ID" != debian ] || echo "$VERSION_CODENAME")
	[ -n "$codename" ] || return 0
	[ "$kind" = archive ] || codename=$codename-security
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		awk -v r="$codename" '$2 == r && $3 == "main" { print $1; exit }'
}

private() { # TOOL ARGS...: apt-get or apt-cache on the private directory
	local tool=$1
	shift
	"$tool" -q -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
		-o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::Languages=none "$@"
}

update() {
	private apt-get update >"$apt/update.log" 2>&1 && ! grep -q '^[EW]:' "$apt/update.log"
}

# Downloads one package and unpacks it into a directory, which appears only when it is complete.
unpack() { # PACKAGE DIR
	rm -rf "$2" "$2.part"
	mkdir -p "$2.part"
	(cd "$2.part" && private apt-get download "$1" >"$apt/download.log" 2>&1) || {
		cat "$apt/download.log" >&2
		say "could not download $1"
		exit 1
	}
	dpkg-deb -x "$2.part"/*.deb "$2.part"
	rm -f "$2.part"/*.deb
	mv "$2.part" "$2"
}

prepared=
prepare() {
	local uri security keyring series own
	[ -z "$prepared" ] || return 0
	prepared=1
	uri=$(source_uri archive)
	security=$(source_uri security)
	if [ -z "$uri" ]; then
		say "no Debian archive among this machine's package sources; set VARP_DEBIAN_MIRROR"
		exit 1
	fi
	for keyring in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
		if [ -f "$keyring" ]; then break; fi
	done
	rm -rf "$apt"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	: >"$apt/status"

	# A keyring older than a release does not know its keys; the archive's newest one does.
	own=$(suite_of 6.1)
	echo "deb [signed-by=$keyring] $uri $own main" >"$apt/sources.list"
	update || { cat "$apt/update.log" >&2; say "could not read the package lists"; exit 1; }
	unpack debian-archive-keyring "$apt/keyring"
	for keyring in "$apt"/keyring/usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
		if [ -f "$keyring" ]; then break; fi
	done
	{
		for series in $(for s in "${all[@]}"; do suite_of "$s"; done; echo $tool_suite); do
			echo "deb [signed-by=$keyring] $uri $series main"
			if [ -n "$security" ]; then
				echo "deb [signed-by=$keyring] $security $series-security main"
			fi
		done
	} | sort -u >"$apt/sources.list"
	if ! update; then
		# An archive may lack the security part of a release: do without.
		sed -i '/-security main$/d' "$apt/sources.list"
		update || { cat "$apt/update.log" >&2; say "could not read the package lists"; exit 1; }
	fi
}

# Name of the newest package of a series: what the meta-package of that version depends on.
newest() {
	private apt-cache show "linux-image-$arch" | awk -v s="$1." '
		$1 == "Version:" { version = $2 }
		$1 == "Depends:" && index(version, s) == 1 { print version, $2 }' | sort -V | tail -n 1 | cut -d ' ' -f 2
}

all=("$@")
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

if [ ! -d "$cache/virtme-ng" ] || [ -n "${VARP_KERNEL_REFRESH:-}" ]; then
	prepare
	say "fetching virtme-ng"
	unpack virtme-ng "$cache/virtme-ng"
	# Booting needs the names of the virtio ports, not udev with its coldplug of every device (40 s under emulation).
	# shellcheck disable=SC2016 # text for the script inside
	sed -i -e 's|^# Try to get udevd to coldplug everything\.$|udevd=|' \
		-e 's|^    log "udevd not found"$|    mkdir -p /dev/virtio-ports; for p in /sys/class/virtio-ports/*/name; do d=${p%/name}; ln -sf "../${d##*/}" "/dev/virtio-ports/$(cat "$p")"; done|' \
		"$cache/virtme-ng/usr/lib/python3/dist-packages/virtme/guest/virtme-init"
fi

for series in "${all[@]}"; do
	dir=$cache/$series
	if [ ! -d "$dir" ] || [ -n "${VARP_KERNEL_REFRESH:-}" ]; then
		prepare
		package=$(newest "$series")
		[ -n "$package" ] || { say "found no stock kernel $series"; exit 1; }
		say "fetching $package"
		unpack "$package" "$dir"
	fi
	if [ ! -e "$dir/lib" ]; then
		ln -s usr/lib "$dir/lib"
	fi
	image=$(ls "$dir"/boot/vmlinuz-*)
	version=${image##*/vmlinuz-}
	if [ ! -f "$dir/lib/modules/$version/modules.dep" ]; then
		depmod=$(PATH=$PATH:/usr/sbin:/sbin command -v depmod)
		"$depmod" -a -b "$dir" "$version"
	fi
	echo "$image"
done
