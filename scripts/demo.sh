#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A small supernet on one machine: three hosts as network namespaces, a varpd on each, and a first packet between two hosts that
# have never talked. Called by `make demo`. Exit 0 only if the packet was answered and the cache shows where it went.
#
#     demo-a 192.0.2.1          demo-b 192.0.2.2          demo-s 192.0.2.9
#     node   10.1.0.1           node   10.1.0.2           VARP server of the supernet
#         |                         |                         |
#         +-------------- bridge in demo-net -----------------+
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-$PWD/build}

if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { echo "varp: the demo makes network namespaces: run it as root" >&2; exit 1; }
	exec sudo B="$B" "$0" "$@"
fi

PATH=$B:$(dirname "$(scripts/find-bpftool.sh)"):$PATH:/usr/sbin:/sbin
snid=0x2500
hosts="demo-a demo-b demo-s"
pids=()
dir=

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$(printf '\033[1m') dim=$(printf '\033[2m') green=$(printf '\033[32m') red=$(printf '\033[31m') off=$(printf '\033[0m')
else
	bold='' dim='' green='' red='' off=''
fi

step() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
indent() { sed "s/^/    /"; }

fail() {
	printf '\n%sThe demo failed: %s%s\n' "$red" "$*" "$off" >&2
	for h in $hosts; do
		if [ -s "$dir/$h.log" ]; then echo "--- varpd of $h"; tail -n 20 "$dir/$h.log"; fi
	done >&2
	exit 1
}

# Shows a command as one would type it, and its output. The exit status is the command's.
run() {
	printf '  %s$ %s%s\n' "$dim" "$*" "$off"
	timeout 30 "$@" 2>&1 | indent
	return "${PIPESTATUS[0]}"
}

# The same inside a host; the pins of /sys/fs/bpf stay visible, which `ip netns exec` would hide.
run_in() {
	local host=$1
	shift
	printf '  %s%s$ %s%s\n' "$dim" "$host" "$*" "$off"
	nsenter --net="/run/netns/$host" -- "$@" 2>&1 | indent
	return "${PIPESTATUS[0]}"
}

clean_up() {
	local p
	if [ ${#pids[@]} -gt 0 ]; then
		kill "${pids[@]}" 2>/dev/null
		for _ in $(seq 50); do
			kill -0 "${pids[@]}" 2>/dev/null || break
			sleep 0.1
		done
		kill -9 "${pids[@]}" 2>/dev/null
		for p in "${pids[@]}"; do wait "$p" 2>/dev/null; done
	fi
	remove_hosts
	[ -z "$dir" ] || rm -rf "$dir"
}

remove_hosts() {
	local h
	for h in $hosts demo-net; do
		if [ -e "/run/netns/$h" ]; then ip netns del "$h"; fi
		rm -rf "/sys/fs/bpf/varp/$h" "/run/varp/$h"
	done
}

exec 9>/run/varp-demo.lock
flock -n 9 || { echo "varp: a demo is already running" >&2; exit 1; }
remove_hosts # left by a demo that was killed
dir=$(mktemp -d)
chmod 711 "$dir" # varpd may run as another user
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

cable() { # HOST ADDRESS
	ip netns add "$1" &&
	ip -n "$1" link set lo up &&
	ip -n demo-net link add "$1" type veth peer name eth0 netns "$1" &&
	ip -n demo-net link set "$1" master br0 up &&
	ip -n "$1" addr add "$2/24" dev eth0 &&
	ip -n "$1" link set eth0 up
}

start() { # HOST
	mkdir "$dir/$1"
	varpd -i "$1" --netns "$1" --state-dir "$dir/$1" --credentials "$dir/$1-pki" >"$dir/$1.log" 2>&1 </dev/null 9>&- &
	pids+=($!)
	for _ in $(seq 100); do
		varpctl -i "$1" status >/dev/null 2>&1 && return 0
		kill -0 $! 2>/dev/null || break
		sleep 0.1
	done
	fail "varpd of $1 did not start"
}

step "A key for the supernet, made on one host and copied to the others"
run varpctl psk new $snid dir "$dir/demo-s-pki" || fail "cannot make a key"
for h in demo-a demo-b; do cp -a "$dir/demo-s-pki" "$dir/$h-pki" || fail "cannot copy the key"; done

step "Three hosts on one network (namespaces on a bridge), a varpd on each"
ip netns add demo-net &&
ip -n demo-net link add br0 type bridge forward_delay 0 mcast_snooping 0 &&
ip -n demo-net link set br0 up || fail "could not make the network"
cable demo-a 192.0.2.1 && cable demo-b 192.0.2.2 && cable demo-s 192.0.2.9 || fail "could not make the hosts"
for h in $hosts; do
	start "$h"
	echo "  $h  $(ip -n "$h" -br -4 addr show dev eth0 | awk '{ print $3 }')  varpd runs"
done

step "The group manager tells the server who lives where (text socket, TCP 2500)"
commands="varpd_server_set $snid
varpd_add $snid 10.1.0.1 192.0.2.1
varpd_add $snid 10.1.0.2 192.0.2.2"
echo "  ${dim}demo-s\$ nc -N 127.0.0.1 2500$off"
indent <<<"$commands"
nsenter --net=/run/netns/demo-s -- timeout 10 nc -N 127.0.0.1 2500 <<<"$commands" >"$dir/answers" ||
	fail "no answer from the text socket"
indent <"$dir/answers"
[ "$(grep -c '^OK$' "$dir/answers")" = 3 ] || fail "the server refused a command"

step "Hosts a and b join the supernet"
run varpctl -i demo-a attach eth0 &&
run varpctl -i demo-a join $snid 10.1.0.1/24 server 192.0.2.9 &&
run varpctl -i demo-b attach eth0 &&
run varpctl -i demo-b join $snid 10.1.0.2/24 server 192.0.2.9 || fail "a host could not join"

step "The very first packet from a to b: resolved on demand, and not lost"
run_in demo-a ping -n -c 1 -W 2 10.1.0.2 || fail "the first ping was not answered"

step "How a is protected: by a session with the server, which both proved to have the key for"
run varpctl -i demo-a status || fail "cannot show the status"
varpctl -i demo-a -j status | tr -d ' \n' | grep -q '"protection":"psk"' || fail "the session is not secured"

step "What a has learnt"
run varpctl -i demo-a cache show || fail "cannot show the cache"
varpctl -i demo-a -j cache get $snid 10.1.0.2 | tr -d ' \n' | grep -q '"raddr":"192.0.2.2"' ||
	fail "the cache does not show that 10.1.0.2 lives at 192.0.2.2"
run bpftool map dump pinned "$(find /sys/fs/bpf/varp/demo-a -name varp_cache | head -n 1)" || fail "the pinned map is not there"

step "Its counters"
run varpctl -i demo-a stats || fail "cannot show the counters"

printf '\n%sIt works.%s Everything is cleaned up now.\n' "$green" "$off"
