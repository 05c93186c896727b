# SPDX-License-Identifier: BSD-2-Clause
"""The text sockets over TLS: managers and all who are none, one by one and many at a time. Arguments: instance, directory of
credentials, process id of varpd; or hold, that directory and a name: gives a command a second until the connection ends. Run by
test_textsock_tls.sh."""

import random
import socket
import ssl
import sys
import time

from tap import CLIENT, Control, MANAGER, SCALE, check, done, equal, memory_kb, read_all, wait_until, words

instance, pki = sys.argv[1], sys.argv[2]
SERVER4, SERVER6 = "192.0.2.1", "2001:db8::1"
DEADLINE = 5
NEVER = b"varpd_add 0x10 10.1.0.99 192.0.2.99\n"   # executed for nobody


def context(who, alpn=None):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.load_verify_locations(f"{pki}/ca/ca.crt")
    if who:
        ctx.load_cert_chain(f"{pki}/{who}/host.crt", f"{pki}/{who}/host.key")
    if alpn:
        ctx.set_alpn_protocols([alpn])
    return ctx


def connect(port=MANAGER, source=None, to=SERVER4, timeout=20):
    sock = socket.create_connection((to, port), timeout * SCALE, (source, 0) if source else None)
    sock.settimeout(timeout * SCALE)
    return sock


def read_lines(sock):
    """Until the end, whatever that is."""
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except (ssl.SSLError, ConnectionError, socket.timeout):
        pass
    return data.decode("ascii").splitlines()


def say(who, data, lines, port=MANAGER, ctx=None, **kwargs):
    """The first so many lines of the answer, in words; None: there was none."""
    try:
        with connect(port, **kwargs) as raw, (ctx or context(who)).wrap_socket(raw) as sock:
            sock.sendall(data)
            got = b""
            while got.count(b"\n") < lines and (piece := sock.recv(65536)):
                got += piece
            return words(got.decode("ascii").splitlines()) or None
    except (ssl.SSLError, ConnectionError):
        return None


def hold(who):
    """A command a second, until the connection ends."""
    try:
        with connect() as raw, context(who).wrap_socket(raw) as sock:
            for _ in range(120 * SCALE):
                sock.sendall(b"varpd_add 0x10 10.1.0.3 192.0.2.3\n")
                answer = sock.recv(100)
                if not answer:
                    break
                print(answer.decode("ascii").strip(), flush=True)
                time.sleep(0.5)
    except (ssl.SSLError, ConnectionError):
        pass
    print("closed", flush=True)


if instance == "hold":
    hold(sys.argv[3])
    sys.exit()

control, pid = Control(instance), int(sys.argv[3])


def served(source=None):
    return say("manager", b"varpd_add 0x10 10.1.0.3 192.0.2.3\n", 1, source=source) == ["OK"]


# --- Who may what --------------------------------------------------------------------------------------------------------

DENIED = "ERR permission"
for name, who, data, wanted in [
        ("a manager of the supernet", "manager", b"varpd_add 0x10 10.1.0.3 192.0.2.3\n", ["OK"]),
        ("of a second one", "manager", b"varpd_server_set 0x11\nvarpd_server_clear 0x11\n", ["OK", "OK"]),
        ("of another one", "manager", b"varpd_add 0x20 10.1.0.3 192.0.2.3\nvarpd_server_set 0x20\nvarpd_server_clear 0x10f\n", [DENIED] * 3),
        ("of both, in turn", "manager", b"varpd_add 0x10 10.1.0.4 192.0.2.4;varpd_remove 0x20 10.1.0.4;varpd_remove 0x10 10.1.0.4\n",
         ["OK", DENIED, "OK"]),
        ("varpd_init by a manager of some", "manager", b"varpd_init\n", [DENIED]),
        ("a manager of all: any supernet", "chief", b"varpd_server_set 0x21\nvarpd_server_clear 0x21\n", ["OK", "OK"]),
        ("what is wrong is said, too", "manager", b"varpd_ad 0x10\nvarpd_client_set 0x10 192.0.2.3\n", ["ERR unknown", "ERR source"]),
        ("a certificate with other roles", "member", NEVER, [DENIED])]:
    equal(name, say(who, data, len(wanted)), wanted)
equal("the group client's socket, over IPv6",
      say("manager", b"varpd_client_set 0x10 192.0.2.7\nvarpd_client_set 0x20 192.0.2.7\nvarpd_client_clear 0x10\n", 3, CLIENT, to=SERVER6),
      ["OK", DENIED, "OK"])
with connect(CLIENT, to=SERVER6) as raw, context("manager").wrap_socket(raw) as sock:
    equal("whose connections are closed", read_lines(sock), [])

for name, who in (("no certificate", None), ("another authority's", "stranger"), ("one that has expired", "expired")):
    time.sleep(1.2)     # one line a second is in the log
    check(f"{name} gets nothing", say(who, NEVER, 1) is None)
check("who wants a key exchange gets nothing", say(None, NEVER, 1, ctx=context("manager", "varp/1")) is None)
check("another application protocol gets nothing", say(None, NEVER, 1, ctx=context("manager", "h2")) is None)
old = context("manager")
old.maximum_version = ssl.TLSVersion.TLSv1_2
check("TLS 1.2 gets nothing", say(None, NEVER, 1, ctx=old) is None)
time.sleep(1.2)
with connect() as sock:
    sock.sendall(NEVER)
    try:
        got = read_all(sock)
    except OSError:
        got = b""
check("plain text gets at most a TLS alert", len(got) <= 7, repr(got))

# --- The stream ------------------------------------------------------------------------------------------------------------

with connect() as raw, context("manager").wrap_socket(raw) as sock:
    for octet in b"varpd_add 0x10 10.1.0.3 192.0.2.3\n":
        sock.sendall(bytes([octet]))
    equal("octet by octet", sock.recv(100), b"OK\n")
    sock.sendall(b"varpd_add 0x10 10.1.0.98 192.0.2.9")
time.sleep(0.2)
MANY = 20000
many = b"".join(b"varpd_add 0x10 10.2.%d.%d 192.0.2.3\n" % (i >> 8, i & 255) for i in range(1, MANY + 1) if i & 255 not in (0, 255))
wanted = many.count(b"\n")
with connect(timeout=60) as raw, context("manager").wrap_socket(raw) as sock:
    sock.settimeout(0.02)
    sent, answers, idle = 0, 0, 0
    while answers < wanted and idle < 2000 * SCALE:
        try:
            sent += sock.send(many[sent:sent + 16000]) if sent < len(many) else 0
        except (socket.timeout, ssl.SSLWantWriteError):
            pass
        try:
            answers += sock.recv(65536).count(b"\n")
            idle = 0
        except (socket.timeout, ssl.SSLWantReadError):
            idle += 1
equal("many at a time are all answered", answers, wanted)
there = control.vaddrs("0x10")
equal("and executed", sum(vaddr.startswith("10.2.") for vaddr in there), wanted)
check("what was not ended, or was nobody's, was not executed", not {"10.1.0.98", "10.1.0.99"} & set(there))
# --- Slow, many, garbage -----------------------------------------------------------------------------------------------------


def open_many(count, source, octets):
    socks = []
    for _ in range(count):
        sock = connect(source=source)
        if octets:
            sock.sendall(octets)
        socks.append(sock)
    return socks


with connect() as raw, context("manager").wrap_socket(raw) as first:
    for name, octets in {"that say nothing": b"", "that begin to say something": b"\x16\x03\x01\x02\x00\x01"}.items():
        many = open_many(300, "192.0.2.8", octets)
        check(f"300 connections {name}: another host is served", served("192.0.2.9"))
        check("the same host is", served("192.0.2.8"))
        first.sendall(b"varpd_add 0x10 10.1.0.3 192.0.2.3\n")
        equal("who was there before, is", first.recv(100), b"OK\n")
        for sock in many:
            sock.close()

start = time.monotonic()
with connect(source="192.0.2.8") as raw:
    raw.settimeout(0.2)
    raw.sendall(b"\x16\x03\x01\x02\x00")
    ended = False
    while not ended and time.monotonic() < start + (DEADLINE + 10) * SCALE:
        try:
            raw.sendall(b"\x01")
            ended = not raw.recv(100)
        except socket.timeout:
            pass
        except OSError:
            ended = True
check("one that trickles is closed at its deadline", ended)

rng = random.Random(7)
print("# garbage from seed 7", flush=True)
for octets in [b"\x16\x03\x01\xff\xff" + bytes(70000), rng.randbytes(1 << 20)] + \
        [b"\x16\x03\x01" + rng.randbytes(rng.randrange(2, 600)) for _ in range(30)]:
    with connect(timeout=DEADLINE + 5) as sock:
        try:
            sock.sendall(octets)
            sock.shutdown(socket.SHUT_WR)
            read_all(sock)
        except OSError:
            pass
check("managers are served after garbage", served())

for _ in range(50):
    served()
before = memory_kb(pid)
for _ in range(300):
    served()
    say("stranger", NEVER, 1)
    say("member", NEVER, 1)
check("900 connections leave no memory behind", memory_kb(pid) - before < 2048, f"{before} kB, then {memory_kb(pid)} kB")
check("nor places", wait_until(10, lambda: control.result("status")["connections"]["grp_mgr"] == 0),
      str(control.result("status")["connections"]))
done()
