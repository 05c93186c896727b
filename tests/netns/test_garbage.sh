#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What an evil or broken neighbour sends: malformed VARP messages to varpd's port and malformed Geneve to the datapath. All of it is
# counted by its reason, none of it is acted on, nothing of it reaches an application. Sent by host x, which runs no varpd.
# kernels: slow
. "$(dirname "$0")/../lib.sh"

# What is sent here comes from nowhere; the source check has a test of its own.
VARP_TEST_OPTIONS="--source-check no" hosts_up a b s
host_add x 20
pair 0x10
check "reached" reach a 10.1.0.2

cat >"$TMP/send.py" <<'PY'
import socket, struct, sys

def udp(to, port, data, bind=None):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if bind:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", bind))
    s.sendto(data, (to, port))

def mapped(addr):
    return bytes(10) + b"\xff\xff" + socket.inet_aton(addr)

def varp(version=1, type=2, length=160, count=1, plen=128, session=0, nonce=0x1234, snid=0x10, vaddr="10.1.0.66",
         ttl=900, raddr="192.0.2.20", tag=bytes(16)):
    m = struct.pack("!BBHBBHQQ", version, type, length, count, plen, 0, session, nonce) + snid.to_bytes(10, "big")
    m += bytes(6) + mapped(vaddr) + struct.pack("!II", ttl, 0)
    m += (mapped(raddr) + bytes(4)) * count + bytes(20) * (4 - count) + tag
    return m

def inner(dst="10.1.0.2", src="10.1.0.1", length=None, version=4):
    payload = struct.pack("!HHHH", 7000, 7000, 16, 0) + bytes(8)
    total = 20 + len(payload) if length is None else length
    h = struct.pack("!BBHHHBBH4s4s", version << 4 | 5, 0, total, 0, 0, 64, 17, 0, socket.inet_aton(src), socket.inet_aton(dst))
    s = sum(struct.unpack("!10H", h))
    s = (s & 0xffff) + (s >> 16)
    s = (s & 0xffff) + (s >> 16)
    return h[:10] + struct.pack("!H", ~s & 0xffff) + h[12:] + payload

def option(snid=0x10, chid=0, words=6):
    return struct.pack("!HBB", 0xff56, 0x81, words) + \
        chid.to_bytes(6, "big") + struct.pack("!HHH", 0, 0x6558, 0) + snid.to_bytes(10, "big") + b"\x08\x00"

def geneve(options, payload, version=0, flags=0x40, words=None, proto=0x0800):
    n = len(options) // 4 if words is None else words
    return struct.pack("!BBHI", version << 6 | n, flags, proto, 0) + options + payload

VARP = {
    "truncated": varp()[:100],
    "oversized": varp() + b"x",
    "empty": b"",
    "version": varp(version=9),
    "type": varp(type=77),
    "length": varp(length=161),
    "count": varp(count=0),
    "session": varp(session=7),
    "tag": varp(tag=b"\x01" * 16),
    "unasked": varp(),
}
UNKNOWN = struct.pack("!HBB", 0x0101, 0x85, 0)
GENEVE = {
    "not_joined": geneve(option(snid=0x999), inner()),
    "not_local": geneve(option(), inner(dst="10.1.0.99")),
    "wrong_channel": geneve(option(chid=5), inner()),
    "version": geneve(option(), inner(), version=1),
    "control": geneve(option(), inner(), flags=0xc0),
    "critical": geneve(UNKNOWN + option(), inner()),
    "proto": geneve(option(), inner(), proto=0x6558),
    "option_words": geneve(option(words=3), inner()),
    "option_end": geneve(option(), inner(), words=4),
    "options_beyond": geneve(option(), b"", words=63),
    "inner_runt": geneve(option(), inner()[:10]),
    "inner_length": geneve(option(), inner(length=900)),
    "inner_version": geneve(option(), inner(version=6)),
    "good": geneve(option(), inner()),
}
kind, name = sys.argv[1:3]
if kind == "varp":
    udp("192.0.2.1", 2500, VARP[name], 2500)
elif kind == "reply":      # to a request that is open: nonce guessed, and the source port right
    udp("192.0.2.1", 2500, varp(vaddr=name), 2500)
else:
    udp("192.0.2.2", 6081, GENEVE[name])
PY
# send KIND NAME [HOST]
send() { in_net "${3:-x}" /usr/bin/python3 "$TMP/send.py" "$1" "$2"; }

# counted NAME HOST REASON KIND ITEM [FROM]: exactly one more of this reason
counted() {
	local before got
	before=$(stat_of "$2" ".drops.$3")
	send "$4" "$5" "${6:-x}"
	one_more() { got=$(($(stat_of "$1" ".drops.$2") - before)); [ "$got" -eq 1 ]; }
	if wait_for 3 one_more "$2" "$3"; then ok "$1"; else not_ok "$1" "$3 grew by $got"; fi
}

counted "VARP: truncated" a varp_truncated varp truncated
counted "VARP: oversized" a varp_truncated varp oversized
counted "VARP: empty" a varp_truncated varp empty
counted "VARP: unknown version" a varp_version varp version
counted "VARP: unknown type" a varp_type varp type
counted "VARP: length that lies" a varp_length varp length
counted "VARP: reply without an address" a varp_field varp count
counted "VARP: session that does not exist" a varp_session varp session
counted "VARP: tag in insecure mode" a varp_tag varp tag
counted "VARP: reply nobody asked for" a varp_unasked varp unasked
is "none of it got into the cache" "$(value a '[.[] | select(.vaddr == "10.1.0.66")] | length' cache show)" 0

# An open request, and answers to it that are not the server's. All within the lookup's window.
pending() { [ "$(value a ".[] | select(.vaddr == \"$1\") | .state" cache show)" = pending ]; }
open_requests() {
	kill -STOP "${VARPD_PID[s]}"
	in_net a "$PROBE" send 10.1.0.66 9 1 0 >/dev/null
	wait_for 2 pending 10.1.0.66
	counted "VARP: answer to an open request from another address" a varp_server reply 10.1.0.66
	check "the request is still open" pending 10.1.0.66
	# The server's address can be borrowed while its varpd sleeps.
	ns_ip s addr flush dev eth0
	ns_ip x addr flush dev eth0
	ns_ip x addr add 192.0.2.9/24 dev eth0
	ns_ip a neigh flush dev eth0
	in_net a "$PROBE" send 10.1.0.67 9 1 0 >/dev/null
	wait_for 2 pending 10.1.0.67
	counted "VARP: answer from the server's address with another nonce" a varp_nonce reply 10.1.0.67
	check "the request is still open, too" pending 10.1.0.67
	ns_ip x addr flush dev eth0
	ns_ip x addr add 192.0.2.20/24 dev eth0
	ns_ip s addr add 192.0.2.9/24 dev eth0
	ns_ip a neigh flush dev eth0
	kill -CONT "${VARPD_PID[s]}"
	not_known() { [ "$(value a '.[] | select(.vaddr == "10.1.0.67") | .state' cache show)" = notknown ]; }
	check "and the server's own answer counts" wait_for 5 not_known
}
if [ "$SCALE" -gt 1 ]; then
	skip "answers to an open request" "too slow to be sure to be within its five seconds"
else
	open_requests
fi

# Geneve at b, where an application listens for the packet in it.
listen_udp app b 10.1.0.2 7000 1 60000
counted "Geneve: supernet that is not joined" b not_joined geneve not_joined
counted "Geneve: vaddr that does not live here" b not_local geneve not_local
counted "Geneve: another channel" b wrong_channel geneve wrong_channel
counted "Geneve: unknown version" b geneve_version geneve version
counted "Geneve: control packet" b geneve_control geneve control
counted "Geneve: unknown critical option" b geneve_critical geneve critical
counted "Geneve: neither IPv4 nor IPv6 inside" b geneve_proto geneve proto
counted "Geneve: our option with a wrong length" b geneve_header geneve option_words
counted "Geneve: options end within ours" b geneve_header geneve option_end
counted "Geneve: options beyond the packet" b geneve_header geneve options_beyond
counted "Geneve: inner packet too short" b inner_header geneve inner_runt
counted "Geneve: inner length that lies" b inner_header geneve inner_length
counted "Geneve: inner version that lies" b inner_header geneve inner_version
sleep 0.2
is "nothing of it reached the application" "$(bg_gone app && echo gone)" ""
send geneve good
check "a good one of the same make does" wait_for 5 bg_gone app
bg_wait app >/dev/null
check "still reached" reach a 10.1.0.2

done_testing
