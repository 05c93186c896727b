#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs varpd as its systemd units would, without systemd: in a mount namespace with a BPF file system of its own, as the unit's user with
# the unit's capabilities and nothing else, the helper behind its socket. Called by test_privileges.sh under unshare -m, with a function's
# worth of environment: VARPD, VARPCTL, UNIT, INSTANCE, NETNS (paths), TMP, USER_NAME. Prints what test_privileges.sh compares.
set -u
mount --make-rprivate /
mount -t bpf -o mode=0700 bpf /sys/fs/bpf

unit_value() { sed -n "s/^$1=//p" "$UNIT" | tail -n 1; }
caps=+$(unit_value AmbientCapabilities | sed 's/CAP_//g; s/ /,+/g' | tr '[:upper:]' '[:lower:]')
printf '[varpd]\nuser = %s\n' "$USER_NAME" >"$TMP/unit.conf"
cp "$VARPD" "$TMP/varpd"		# the build directory may be closed to others
arguments=(-i "$INSTANCE" -c "$TMP/unit.conf" --state-dir "$TMP/state-unit")

# RuntimeDirectory, StateDirectory, ExecStartPre, the helper's socket
mkdir -p "/run/varp/$INSTANCE" "$TMP/state-unit" /run/varp-helper
chown "$USER_NAME" "/run/varp/$INSTANCE" "$TMP/state-unit"
"$VARPD" "${arguments[@]}" --prepare
echo "prepare $?"
systemd-socket-activate --seqpacket -l "/run/varp-helper/$INSTANCE.sock" "$TMP/varpd" "${arguments[@]}" --helper \
	>"$TMP/unit-helper.log" 2>&1 &
helper=$!
for _ in $(seq 100); do
	if [ -S "/run/varp-helper/$INSTANCE.sock" ]; then break; fi
	sleep 0.1
done
chown "$USER_NAME" "/run/varp-helper/$INSTANCE.sock"

nsenter --net="$NETNS" -- setpriv --reuid "$USER_NAME" --regid "$(id -g "$USER_NAME")" --clear-groups --no-new-privs \
	--inh-caps "$caps" --ambient-caps "$caps" --bounding-set "-all,$caps" \
	"$TMP/varpd" "${arguments[@]}" --insecure >"$TMP/unit.log" 2>&1 &
daemon=$!
ctl() { timeout 60 "$VARPCTL" -i "$INSTANCE" "$@" >>"$TMP/unit-ctl.log" 2>&1; }
for _ in $(seq 200); do
	if ctl status; then break; fi
	sleep 0.1
done
sed -n 's/^\(Cap...\|Seccomp\|NoNewPrivs\):\t0*\(.\)/\1 \2/p' "/proc/$daemon/status"
ctl attach eth0
echo "attach $?"
ctl join 0x10 10.1.0.1/24 netns "$NETNS_NODE" dev here0
echo "join $?"
nsenter --net="$NETNS_NODE" -- ip -br addr show dev here0 | awk '{ print $3 }'
ctl leave 0x10
echo "leave $?"
ctl detach eth0
echo "detach $?"
kill "$daemon"
wait "$daemon"
echo "end $?"
# It ends with the varpd that it served.
for _ in $(seq 100); do
	kill -0 "$helper" 2>/dev/null || break
	sleep 0.1
done
kill "$helper" 2>/dev/null
wait "$helper"
echo "helper $?"
find /sys/fs/bpf -name "varp*"
rm -f "/run/varp-helper/$INSTANCE.sock"
rm -rf "/run/varp/${INSTANCE:?}"
rmdir /run/varp-helper /run/varp 2>/dev/null
exit 0
