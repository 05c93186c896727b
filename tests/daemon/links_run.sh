#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# varpd --prepare where the user whom directories belong to has put links into them. In a mount namespace with a BPF file system of its own,
# since --prepare changes what all instances share. Called by test_privileges.sh under unshare -m, with VARPD, INSTANCE, VERSION (the name
# of the directory with pins), TMP, USER_NAME, and a directory $TMP/victim of root's with a file in it. Prints what is compared there.
set -u
mount --make-rprivate /
mount -t bpf -o mode=0700 bpf /sys/fs/bpf
printf '[varpd]\nuser = %s\n' "$USER_NAME" >"$TMP/links.conf"
mkdir -p "$TMP/state-links" "$TMP/none"
all=/sys/fs/bpf/varp
prepare() {
	"$VARPD" -i "$INSTANCE" -c "$TMP/links.conf" --state-dir "$TMP/state-links" --credentials "$TMP/none" --prepare \
		>"$TMP/links.out" 2>&1
	echo "$1 $? $(wc -l <"$TMP/links.out") $(stat -c %U:%a "$TMP/victim" "$TMP/victim/file" | xargs)"
}

prepare first
stat -c %U:%a "$all" "$all/$INSTANCE" | xargs
rmdir "$all/$INSTANCE"
ln -s "$TMP/victim" "$all/$INSTANCE"
prepare instance
rm "$all/$INSTANCE"
mkdir "$all/$INSTANCE"
ln -s "$TMP/victim" "$all/$INSTANCE/$VERSION"
prepare version
rm "$all/$INSTANCE/$VERSION"
mkdir -p "$all/$INSTANCE/$VERSION/links"
ln -s "$TMP/victim/file" "$all/$INSTANCE/$VERSION/pin"
ln -s "$TMP/victim/file" "$all/$INSTANCE/$VERSION/links/pin"
prepare pins
stat -c %U:%a "$all/$INSTANCE/$VERSION/links"
exit 0
