# SPDX-License-Identifier: BSD-2-Clause
"""VARP messages as octets on UDP 2500: what the daemon answers, from which address, and that everything wrong is counted under its
reason and never acted on. The daemon serves 0x10, where 10.1.0.2 lives at 192.0.2.2. Arguments: instance. Run by test_varp.sh inside
the namespace of a peer; the daemon's addresses are 192.0.2.1, 192.0.2.3 and 2001:db8::1."""

import os
import socket
import struct
import sys

from tap import SCALE, Control, check, done, equal, wait_until

control = Control(sys.argv[1])
LENGTH = 160
REQUEST, REPLY, NOTKNOWN, NOAUTHORITY, NOTIFY = 1, 2, 3, 4, 5


def address(text):
    return socket.inet_pton(socket.AF_INET6, text if ":" in text else "::ffff:" + text)


def message(kind=REQUEST, snid=0x10, vaddr="10.1.0.2", nonce=7, version=1, length=LENGTH, count=0, prefix=128, reserved=0,
            session=0, chid=0, ttl=0, reserved2=0, raddrs=(), tag=bytes(16)):
    head = struct.pack("!BBHBBHQQ", version, kind, length, count, prefix, reserved, session, nonce)
    ids = snid.to_bytes(10, "big") + chid.to_bytes(6, "big") + address(vaddr)
    body = b"".join(address(raddr) + bytes(4) for raddr in raddrs).ljust(80, b"\0")
    return head + ids + struct.pack("!II", ttl, reserved2) + body + tag


def udp(to, family=socket.AF_INET):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.settimeout(5 * SCALE)
    sock.connect((to, 2500))      # connected: an answer from any other address would not arrive
    return sock


# --- Answers ----------------------------------------------------------------------------------------------------------

for to, family in (("192.0.2.1", socket.AF_INET), ("192.0.2.3", socket.AF_INET), ("2001:db8::1", socket.AF_INET6)):
    with udp(to, family) as sock:
        sock.send(message(nonce=0x1122334455667788, chid=0x4711))
        answer = sock.recv(1000)
        equal(f"REPLY comes from {to}, where it was asked", answer[:24],
              struct.pack("!BBHBBHQQ", 1, REPLY, LENGTH, 1, 128, 0, 0, 0x1122334455667788))
        equal("it echoes SnId, ChId and vaddr", answer[24:56], message(chid=0x4711)[24:56])
        equal("with ttl and raddr", (struct.unpack("!I", answer[56:60])[0], answer[64:80], len(answer)),
              (600, address("192.0.2.2"), LENGTH))
with udp("192.0.2.1") as sock:
    sock.send(message(vaddr="10.1.0.9"))
    answer = sock.recv(1000)
    equal("not known: NAK_NOTKNOWN with ttl 0", (answer[1], answer[56:60], answer[4]), (NOTKNOWN, bytes(4), 0))
    sock.send(message(snid=0x99))
    equal("not served: NAK_NOAUTHORITY", sock.recv(1000)[1], NOAUTHORITY)
    sock.send(message(count=1, raddrs=["10.1.0.7"]))
    answer = sock.recv(1000)
    equal("an asker is answered as nobody is", (answer[1], answer[4], answer[64:144]), (REPLY, 1, address("192.0.2.2") + bytes(64)))
    sock.send(message(vaddr="10.1.0.9", count=1, raddrs=["10.1.0.7"]))
    answer = sock.recv(1000)
    equal("and not echoed in a NAK", (answer[1], answer[4], answer[64:144]), (NOTKNOWN, 0, bytes(80)))

# --- What is counted and dropped ----------------------------------------------------------------------------------------

good = message()
reply = {"kind": REPLY, "count": 1, "ttl": 60, "raddrs": ["192.0.2.66"]}
wrong = [
    ("empty", "varp_truncated", b""), ("one octet", "varp_truncated", b"\1"), ("all but one octet", "varp_truncated", good[:-1]),
    ("one octet too many", "varp_truncated", good + b"\0"), ("1,400 octets", "varp_truncated", good.ljust(1400, b"x")),
    ("60,000 octets", "varp_truncated", good.ljust(60000, b"x")),
    ("version 0", "varp_version", message(version=0)), ("version 2", "varp_version", message(version=2)),
    ("type 0", "varp_type", message(kind=0)), ("type 6", "varp_type", message(kind=6)), ("type 255", "varp_type", message(kind=255)),
    ("length 0", "varp_length", message(length=0)), ("length 159", "varp_length", message(length=159)),
    ("length 65535", "varp_length", message(length=65535)),
    ("request with two locators", "varp_field", message(count=2, raddrs=["10.1.0.1", "10.1.0.3"])),
    ("request of nobody", "varp_field", message(count=1)),
    ("request of a multicast group", "varp_field", message(count=1, raddrs=["224.0.0.1"])),
    ("notification without a session", "varp_session", message(kind=NOTIFY, count=1, raddrs=["192.0.2.66"], ttl=60)),
    ("request with a ttl", "varp_field", message(ttl=1)), ("reserved field", "varp_field", message(reserved=1)),
    ("other reserved field", "varp_field", message(reserved2=1)), ("prefix", "varp_field", message(prefix=129)),
    ("multicast vaddr", "varp_field", message(vaddr="224.0.0.1")), ("unspecified vaddr", "varp_field", message(vaddr="::")),
    ("reply without a locator", "varp_field", message(REPLY, ttl=60)),
    ("reply with five locators", "varp_field", message(REPLY, ttl=60, count=5)),
    ("reply with ttl 0", "varp_field", message(**{**reply, "ttl": 0})),
    ("reply with ttl 65537", "varp_field", message(**{**reply, "ttl": 65537})),
    ("reply with a multicast raddr", "varp_field", message(**{**reply, "raddrs": ["224.0.0.1"]})),
    ("session that is not there", "varp_session", message(session=1)), ("tag that is not asked for", "varp_tag", message(tag=b"x" * 16)),
    ("reply nobody asked for", "varp_unasked", message(**reply)),
    ("NAK nobody asked for", "varp_unasked", message(NOTKNOWN)), ("NAK_NOAUTHORITY nobody asked for", "varp_unasked", message(NOAUTHORITY)),
]
cache = control.listing("cache_show")
with udp("192.0.2.1") as sock:
    for name, reason, data in wrong:
        before = control.result("stats")["drops"]
        sock.send(data)
        counted = wait_until(5, lambda: sum(control.result("stats")["drops"].values()) > sum(before.values()))
        after = control.result("stats")["drops"]
        equal(f"{name}: counted as {reason}", {key: after[key] - before[key] for key in after if after[key] != before[key]}, {reason: 1})
    sock.settimeout(0.3)
    try:
        check("none of them was answered", False, sock.recv(1000))
    except TimeoutError:
        check("none of them was answered", True)
equal("nor acted on", control.listing("cache_show"), cache)

# --- Answers to a request that is open: everything about them must fit ----------------------------------------------------

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("192.0.2.9", 2500))
server.settimeout(5 * SCALE)
liar = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
liar.bind(("192.0.2.8", 2500))
wrong_port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wrong_port.bind(("192.0.2.9", 2600))
DAEMON = ("192.0.2.1", 2500)
ASKED = {"snid": 0x20, "vaddr": "10.2.0.2"}
stale = None


def ask():
    """Has the daemon ask; returns the nonce of its request."""
    equal("lookup begins", control.result("lookup", snid="0x20", vaddr="10.2.0.2"), {"state": "miss"})
    data = server.recv(1000)
    equal("the server is asked", (data[1], data[24:56], len(data)), (REQUEST, message(**ASKED)[24:56], LENGTH))
    return struct.unpack("!Q", data[16:24])[0]


def attempt(name, reason, sock, data):
    before = control.result("stats")["drops"][reason]
    sock.sendto(data, DAEMON)
    check(f"{name}: counted as {reason}", wait_until(5, lambda: control.result("stats")["drops"][reason] == before + 1))


nonce = ask()
attempt("reply from another host", "varp_server", liar, message(nonce=nonce, **ASKED, **reply))
attempt("reply from another port", "varp_server", wrong_port, message(nonce=nonce, **ASKED, **reply))
attempt("reply with another nonce", "varp_nonce", server, message(nonce=nonce ^ 1, **ASKED, **reply))
attempt("NAK with another nonce", "varp_nonce", server, message(NOTKNOWN, nonce=nonce ^ 1, **ASKED))
attempt("reply for another vaddr", "varp_unasked", server, message(nonce=nonce, snid=0x20, vaddr="10.2.0.3", **reply))
attempt("reply for another supernet", "varp_unasked", server, message(nonce=nonce, snid=0x21, vaddr="10.2.0.2", **reply))
equal("nothing of it is believed", [e for e in control.listing("cache_show", snid="0x20") if e["state"] == "resolved"], [])
server.sendto(message(nonce=nonce, **ASKED, **reply), DAEMON)
check("the right one is", wait_until(5, lambda: control.ask("cache_get", snid="0x20", vaddr="10.2.0.2")["ok"]))
equal("with its raddr", control.result("cache_get", snid="0x20", vaddr="10.2.0.2")["raddr"], "192.0.2.66")
attempt("the same once more", "varp_unasked", server, message(nonce=nonce, **ASKED, **reply))
control.ask("cache_flush")
server.settimeout(0.2)
try:
    while server.recv(1000):
        pass
except TimeoutError:
    server.settimeout(5 * SCALE)
old = nonce
nonce = ask()
check("another resolution has another nonce", nonce != old)
attempt("reply to the old nonce", "varp_nonce", server, message(nonce=old, **ASKED, **reply))
server.sendto(message(NOTKNOWN, nonce=nonce, **ASKED), DAEMON)
check("NAK_NOTKNOWN is cached", wait_until(5, lambda: control.result("lookup", snid="0x20", vaddr="10.2.0.2") == {"state": "notknown"}))

# --- What `status` says of the server --------------------------------------------------------------------------------------


def warned(text):
    return any(text in warning for warning in control.result("status")["warnings"])


SERVER = "server 192.0.2.9 of supernet 0x00000000000000000020 "
equal("status: the server answers, nothing to be said", control.result("status")["warnings"], [])
control.ask("cache_flush")
nonce = ask()
server.sendto(message(NOAUTHORITY, nonce=nonce, **ASKED), DAEMON)
check("status: the server says it does not serve the supernet", wait_until(
    5, lambda: warned("server 192.0.2.9 says it does not serve supernet 0x00000000000000000020: ")))
control.ask("cache_flush")
ask()
check("status: a window without an answer", wait_until(10, lambda: warned(SERVER + "has not answered since ")))
check("and no longer that it does not serve", not warned("does not serve"))
server.settimeout(0.2)
try:
    while server.recv(1000):
        pass
except TimeoutError:
    server.settimeout(5 * SCALE)
nonce = ask()
server.sendto(message(NOTKNOWN, nonce=nonce, **ASKED), DAEMON)
check("status: an answer clears it", wait_until(5, lambda: not control.result("status")["warnings"]))

# --- A flood of noise -----------------------------------------------------------------------------------------------------

with udp("192.0.2.1") as sock:
    for _ in range(20000):
        sock.send(os.urandom(LENGTH))
    sock.send(message(nonce=99))
    answer = b""
    for _ in range(20):     # the flood may have filled the socket's buffer
        sock.settimeout(1)
        try:
            answer = sock.recv(1000)
            break
        except TimeoutError:
            sock.send(message(nonce=99))
    equal("after 20,000 datagrams of noise, a request is answered", answer[1:2], bytes([REPLY]))
done()
