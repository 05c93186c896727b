# SPDX-License-Identifier: BSD-2-Clause
"""The key exchange, seen by peers of all kinds: who gets a session and who nothing, requests and answers octet by octet, and what
many connections, slow ones and garbage do to others. Arguments: instance, directory of credentials, process id of varpd, its
network namespace. Run by test_keyx.sh."""

import os
import random
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

from tap import Control, SCALE, check, done, equal, memory_kb, wait_until

instance, pki, pid, netns = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
control = Control(instance)
SERVER4, SERVER6, PORT = "192.0.2.1", "2001:db8::1", 2502
DEADLINE = 5
OK, NOT_PERMITTED, NOT_SERVED = 0, 1, 2


def context(who, alpn="varp/1", server=False):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_REQUIRED
    ctx.load_verify_locations(f"{pki}/ca/ca.crt")
    if who:
        ctx.load_cert_chain(f"{pki}/{who}/host.crt", f"{pki}/{who}/host.key")
    if alpn:
        ctx.set_alpn_protocols([alpn])
    return ctx


def connect(source=None, to=SERVER4, timeout=20):
    sock = socket.create_connection((to, PORT), timeout * SCALE, (source, 0) if source else None)
    sock.settimeout(timeout * SCALE)
    return sock


def mapped(text):
    return socket.inet_pton(socket.AF_INET6, text if ":" in text else "::ffff:" + text)


def request(snid=0x10, vaddr="", magic=b"VKEY", version=1, kind=1, length=64):
    return (magic + struct.pack(">BBH", version, kind, length) + snid.to_bytes(10, "big") + bytes(6) +
            (mapped(vaddr) if vaddr else bytes(16)) + bytes(24))


def read_all(sock):
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except (ssl.SSLError, ConnectionError, socket.timeout):
        pass
    return data


def exchange(who, octets, source=None, to=SERVER4, ctx=None):
    """What varpd answers; None if it answers nothing."""
    try:
        with connect(source, to) as raw, (ctx or context(who)).wrap_socket(raw) as sock:
            sock.sendall(octets)
            return read_all(sock) or None
    except (ssl.SSLError, ConnectionError):
        return None


def parse(answer):
    magic, version, kind, length, status, reserved, life, session = struct.unpack(">4sBBHHHIQ", answer[:24])
    return {"head": (magic, version, kind, length == len(answer), reserved), "status": status, "life": life,
            "session": session, "client": answer[48:64], "server": answer[64:80]}


def status_of(who, *args, **kwargs):
    answer = exchange(who, request(*args, **kwargs))
    return answer and parse(answer)["status"]


def sessions():
    return control.result("status")["servers"][0]["sessions"]


def limited():
    """Connections that were closed because too many came in a second."""
    return control.result("stats")["varp"]["key_exchanges_limited"]


def served(source=None):
    answer = exchange("member", request(), source)
    return answer is not None and parse(answer)["status"] == OK


# --- Who gets a session ------------------------------------------------------------------------------------------------

for source, to in (("192.0.2.9", SERVER4), ("2001:db8::9", SERVER6)):
    answer = parse(exchange("member", request(), source, to) or bytes(80))
    equal(f"a member gets an answer at {to}", answer["head"], (b"VKEY", 1, 2, True, 0))
    equal("with a session", (answer["status"], answer["life"] in range(3500, 3601), answer["session"] != 0), (OK, True, True))
    equal("between the addresses that it used", (answer["client"], answer["server"]), (mapped(source), mapped(to)))
ids = {parse(exchange("member", request()))["session"] for _ in range(8)}
equal("each exchange makes a session of its own", len(ids), 8)
equal("of which a client keeps four", sessions(), 4 + 1)
equal("as a node, too", status_of("member", vaddr="10.1.0.1"), OK)
equal("another supernet than the certificate's", status_of("member", snid=0x12), NOT_PERMITTED)
equal("a supernet that is not served", status_of("member", snid=0x11), NOT_SERVED)
equal("a genuine certificate of other supernets learns nothing of this one", status_of("outsider"), NOT_PERMITTED)
equal("nor of what is not served", status_of("outsider", snid=0x11), NOT_PERMITTED)
equal("a certificate for one node, as that", status_of("bound", vaddr="10.1.0.7"), OK)
equal("as another", status_of("bound", vaddr="10.1.0.8"), NOT_PERMITTED)
equal("as none", status_of("bound"), NOT_PERMITTED)
equal("a server's certificate makes no member", status_of("server"), NOT_PERMITTED)
check("another authority's certificate gets nothing", exchange("stranger", request()) is None)
check("no certificate gets nothing", exchange(None, request()) is None)
check("another application protocol gets nothing", exchange(None, request(), ctx=context("member", "h2")) is None)
check("none gets nothing", exchange(None, request(), ctx=context("member", None)) is None)
old = context("member")
old.maximum_version = ssl.TLSVersion.TLSv1_2
check("TLS 1.2 gets nothing", exchange(None, request(), ctx=old) is None)

# --- Requests ------------------------------------------------------------------------------------------------------------

for name, octets in {
        "magic": request(magic=b"VKEX"), "version": request(version=2), "type": request(kind=2),
        "length": request(length=65), "reserved": request()[:18] + b"\1" + request()[19:],
        "vaddr": request(vaddr="224.0.0.1"), "random octets": random.Random(1).randbytes(64)}.items():
    check(f"a request with another {name} is not answered", exchange("member", octets) is None)
check("a request in pieces is", (lambda a: a and parse(a)["status"] == OK)(exchange("member", request())))
with connect() as raw, context("member").wrap_socket(raw) as sock:
    for octet in request():
        sock.sendall(bytes([octet]))
    equal("octet by octet", parse(read_all(sock))["status"], OK)
check("what follows a request is ignored", parse(exchange("member", request() + bytes(5000)))["status"] == OK)

# --- Garbage -------------------------------------------------------------------------------------------------------------

rng = random.Random(7)
print("# garbage from seed 7", flush=True)
longest = 0
for octets in [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(70000), rng.randbytes(1 << 20), b"\x80\x2e\1\0\2"] + \
        [b"\x16\x03\x01" + rng.randbytes(rng.randrange(2, 600)) for _ in range(50)]:
    with connect("192.0.2.7", timeout=DEADLINE + 5) as sock:
        try:
            sock.sendall(octets)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        longest = max(longest, len(read_all(sock)))
check("garbage gets at most a TLS alert", longest <= 7, f"{longest} octets")
check("members are served after it", served())

# --- Slow and half-open --------------------------------------------------------------------------------------------------


def held():
    """Connections that varpd holds."""
    out = subprocess.run(["nsenter", f"--net={netns}", "ss", "-Htnp", "state", "established", f"( sport = :{PORT} )"],
                         capture_output=True, text=True, check=True).stdout
    return sum(f"pid={pid}," in line for line in out.splitlines())


def open_many(count, source, octets):
    socks = []
    for _ in range(count):
        sock = connect(source)
        if octets:
            sock.sendall(octets)
        socks.append(sock)
    return socks


for name, octets in {"that say nothing": b"", "that begin to say something": b"\x16\x03\x01"}.items():
    many = open_many(300, "192.0.2.8", octets)
    check(f"300 connections {name}: another host is served", served("192.0.2.9"))
    check("the same is, once it gives others the time", wait_until(10, lambda: served("192.0.2.8")))
    check("few are kept of one host", wait_until(5, lambda: held() <= 9), f"{held()}")
    for sock in many:
        sock.close()
check("all are given up", wait_until(10, lambda: held() == 0), f"{held()}")

start = time.monotonic()
with connect("192.0.2.8") as raw:
    raw.sendall(b"\x16\x03\x01\x02\x00")
    gone = threading.Event()

    def trickle():
        try:
            while not gone.is_set():
                raw.sendall(b"\x01")
                time.sleep(0.2)
        except OSError:
            pass

    thread = threading.Thread(target=trickle)
    thread.start()
    read_all(raw)
    took = time.monotonic() - start
    gone.set()
    thread.join()
check("one that trickles is closed at its deadline", took < DEADLINE + 4 * SCALE, f"{took:.1f} s")
start = time.monotonic()
with connect() as raw, context("member").wrap_socket(raw) as sock:
    data = read_all(sock)
    took = time.monotonic() - start
check("a member that asks nothing is, too", not data and took < DEADLINE + 4 * SCALE, f"{took:.1f} s")

for _ in range(50):
    served()
before = memory_kb(pid)
for _ in range(400):
    exchange("member", request())
    exchange("stranger", request())
    time.sleep(0.04)    # as many in a second as one host may have
check("800 exchanges leave no memory behind", memory_kb(pid) - before < 2048, f"{before} kB, then {memory_kb(pid)} kB")
equal("nor sessions", sessions(), 4 + 2 + 1)

# --- Very many ---------------------------------------------------------------------------------------------------------------


def hello_octets():
    """What a client says first, which has a server sign and compute a shared secret."""
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context("member").wrap_bio(received, sent).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return sent.read()


class Flood(threading.Thread):
    """Says hello as fast as it can, and counts who is answered."""

    def __init__(self, source):
        super().__init__(daemon=True)
        self.source, self.tried, self.answered, self.going = source, 0, 0, True
        self.octets = hello_octets()
        self.start()

    def run(self):
        while self.going:
            self.tried += 1
            try:
                with connect(self.source) as sock:
                    sock.sendall(self.octets)
                    self.answered += len(sock.recv(4096)) > 500
            except OSError:
                pass

    def stop(self):
        self.going = False
        self.join()


refused, start = limited(), time.monotonic()
floods = [Flood("192.0.2.6") for _ in range(4)]
check("a flood of hellos is limited", wait_until(30, lambda: limited() >= refused + 200), f"{limited() - refused}")
check("another host is served meanwhile", all(served("192.0.2.5") for _ in range(10)))
check("resolution is, too", control.result("resolve", snid="0x10", vaddr="10.1.0.1")["raddr"] == "192.0.2.77")
for flood in floods:
    flood.stop()
took, tried, answered = time.monotonic() - start, sum(f.tried for f in floods), sum(f.answered for f in floods)
check("no more were answered than its share", 0 < answered <= 100 + 50 * took + 1, f"{answered} of {tried} in {took:.1f} s")
check("those that were limited are counted", 200 <= limited() - refused <= tried - answered, f"{limited() - refused} of {tried - answered}")
check("it is served when it has calmed down", wait_until(10, lambda: served("192.0.2.6")))

# --- Sessions of one certificate, from many addresses ---------------------------------------------------------------------------

kept = parse(exchange("bound", request(vaddr="10.1.0.7"), "192.0.2.5"))["session"]
for _ in range(4):
    for last in range(100, 120):
        exchange("member", request(), f"192.0.2.{last}")
equal("one certificate has 64 sessions at most, from however many addresses; others keep theirs", sessions(), 64 + 1)
check("and find room", kept != 0 and parse(exchange("bound", request(vaddr="10.1.0.7"), "192.0.2.5"))["status"] == OK)
equal("beside them", sessions(), 64 + 2)

# --- Servers that are not what they should be -------------------------------------------------------------------------------


def answer_octets(status=0, life=3600, session=77, client=SERVER4, server="192.0.2.9", records=b"", length=None):
    return (b"VKEY" + struct.pack(">BBHHHIQ", 1, 2, length or 80 + len(records), status, 0, life, session) + bytes(24) +
            mapped(client) + mapped(server) + records)


class Server(threading.Thread):
    """Takes one connection after another; say(sock) is what it does with each once TLS stands, None: not even TLS."""

    def __init__(self, say, who="server"):
        super().__init__(daemon=True)
        self.say, self.who = say, who
        self.listener = socket.create_server(("192.0.2.9", PORT))
        self.start()

    def run(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(raw,), daemon=True).start()

    def serve(self, raw):
        try:
            with raw:
                if not self.who:
                    self.say(raw)
                    return
                with context(self.who, server=True).wrap_socket(raw, server_side=True) as sock:
                    self.say(sock)
        except OSError:
            pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def client():
    clients = control.result("status")["clients"]
    return clients[0] if clients else {}


def group_client(line):
    code = f"printf '{line}\\n' | nc -N -w 5 127.0.0.1 2501"
    return subprocess.run(["nsenter", f"--net={netns}", "sh", "-c", code], capture_output=True, text=True, check=True).stdout


def tell(octets):
    def say(sock):
        sock.recv(64)
        sock.sendall(octets)
        read_all(sock)
    return say


def judged(name, say, wanted, who="server"):
    """varpd asks for a session with such a server; session_error holds what is wanted, or is None."""
    server = Server(say, who)
    group_client("varpd_client_set 0x20 192.0.2.9")

    def reached():
        error = client().get("session_error")
        return client().get("session_s") is not None if wanted is None else error and wanted in error
    check(name, wait_until(DEADLINE + 10, reached), str(client()))
    server.stop()
    group_client("varpd_client_clear 0x20")


judged("a good server", tell(answer_octets()), None)
judged("with a record that we do not know", tell(answer_octets(records=b"\x7f\xff\x00\x01x")), None)
judged("that refuses", tell(answer_octets(status=1, life=0, session=0)), "does not take this host for a member")
judged("for a reason of the future", tell(answer_octets(status=9)), "a later version (9)")
judged("that has no room", tell(answer_octets(status=3)), "no room")
judged("behind NAT", tell(answer_octets(client="198.51.100.1")), "translated on the way")
judged("without a session", tell(answer_octets(session=0)), "malformed")
judged("with a record cut off", tell(answer_octets(records=b"\0\1\0\5x")), "malformed")
judged("with garbage", tell(bytes(100)), "malformed")
judged("with a length beyond all bounds", tell(answer_octets(length=65535) + bytes(20000)), "malformed")
judged("that says nothing", lambda sock: time.sleep(DEADLINE + 3), "took too long")
judged("that hangs up", lambda sock: sock.recv(64), "closed the connection")
judged("that does not speak TLS", lambda sock: sock.sendall(b"220 mail.example.org ESMTP\r\n"), "no TLS at that port", None)
judged("that is a member only", tell(answer_octets()), "not permitted to serve it", "member")
judged("that is a stranger", tell(answer_octets()), "authority that is not in ca.crt", "stranger")
check("varpd is well", os.path.exists(f"/proc/{pid}") and served())
done()
