#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs into an empty directory, checks what lies there and that a program can be built against it by pkg-config alone,
# uninstalls, and checks that only the configuration stays. Reports as TAP. Called by `make test` after a build.
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-$PWD/build}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
n=0

check() { # NAME COMMAND...
	local name=$1 out
	shift
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		[ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/#   /'
	fi
}

files() { (cd "$root" && find . ! -type d | sed 's|^\./||' | sort); }
all_there() {
	local f missing=0
	for f; do [ -s "$root/$f" ] || { echo "missing: $f"; missing=1; }; done
	return $missing
}
build() {
	local flags
	flags=$(PKG_CONFIG_PATH=$root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root pkg-config --cflags --libs libvarp) &&
	cat >"$root/user.c" <<-'EOF' &&
		#include <stdio.h>
		#include <varp/varp.h>
		int main(void)
		{
			char text[VARP_SNID_STRLEN];
			vid_t vid;

			return varp_snid_from_text("0x25", &vid) ? 1 : puts(varp_snid_to_text(&vid, text)) < 0;
		}
	EOF
	"${CC:-gcc}" -Wall -Werror -o "$root/user" "$root/user.c" $flags &&
	out=$(LD_LIBRARY_PATH=$root/usr/lib "$root/user") && rm -f "$root/user" "$root/user.c" &&
	[ "$out" = 0x00000000000000000025 ]
}
exported() { # symbols of the shared library that are no part of the public interface
	local alien
	alien=$(nm -D --defined-only "$root/usr/lib/libvarp.so" | awk '{ print $3 }' |
		grep -vxF -f <(grep -ohE '\b(varp(db)?_[a-z0-9_]+)\(' include/varp/varp.h | tr -d '('))
	[ -z "$alien" ] || { echo "$alien"; return 1; }
}
no_placeholder() { ! grep -rlIE '@[A-Z_]+@' "$root"; }
only_config() { [ "$(files)" = etc/varp/varpd.conf ] || { files; return 1; }; }

make_() { env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory B="$B" DESTDIR="$root" PREFIX=/usr "$@"; }

check "make install succeeds" make_ install
check "programs, library, header, units, pages and completion are there" all_there usr/sbin/varpd usr/sbin/varpctl \
	usr/lib/libvarp.so usr/lib/libvarp.so.1 usr/lib/libvarp.a usr/lib/pkgconfig/libvarp.pc usr/include/varp/varp.h \
	usr/lib/systemd/system/varpd.service usr/lib/systemd/system/varpd@.service \
	usr/lib/systemd/system/varpd-helper@.socket usr/lib/systemd/system/varpd-helper@.service usr/lib/sysusers.d/varp.conf usr/share/man/man8/varpd.8 \
	usr/share/man/man8/varpctl.8 usr/share/man/man5/varpd.conf.5 usr/share/man/man3/varpdb.3 \
	usr/share/bash-completion/completions/varpctl etc/varp/varpd.conf
check "no placeholder is left in what was installed" no_placeholder
check "the completion is valid bash" bash -n "$root/usr/share/bash-completion/completions/varpctl"
check "a program builds against the installed library and runs" build
check "the shared library exports the public interface alone" exported
check "the installed configuration is accepted" "$root/usr/sbin/varpd" -c "$root/etc/varp/varpd.conf" --check
check "make uninstall succeeds" make_ uninstall
check "after uninstalling only the configuration stays" only_config
echo "1..$n"
