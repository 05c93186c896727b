# SPDX-License-Identifier: BSD-2-Clause
"""The control socket: framing, refusals, order, streams that are not read, and who hears of lookups. The daemon serves supernet
0x10 itself, is a client of 0x20 at an address that never answers, and has no server for 0x30. Arguments: instance, process id of varpd.
Run by test_control.sh."""

import json
import os
import select
import socket
import subprocess
import sys
import time

from tap import SCALE, Control, check, done, equal, idle_s, memory_kb, read_all, request, say, wait_until

control = Control(sys.argv[1])
pid = int(sys.argv[2])
NODE = {"snid": "0x10", "vaddr": "10.1.0.2"}


def refused(answer):
    return answer.get("ok") is False and answer["status"] == 2 and "\n" not in answer["error"] and len(answer["error"]) > 5


equal("the group manager prepares", say(b"varpd_server_set 0x10 600;varpd_add 0x10 10.1.0.2 192.0.2.2 300\n"
                                        b"varpd_add 0x10 fd00::2 2001:db8::2\n"), ["OK"] * 3)
equal("and the group client", say(b"varpd_client_set 0x20 192.0.2.99\n", 2501), ["OK"])

# --- Framing and refusals ---------------------------------------------------------------------------------------------

for name, data in [("not JSON", b"hello\n"), ("JSON but no object", b"[1,2]\n"), ("a number", b"7\n"), ("no command", b"{}\n"),
                   ("command is a number", b'{"command":7}\n'), ("unknown command", request("frobnicate")),
                   ("args is a list", b'{"command":"status","args":[]}\n'), ("unknown argument", request("status", colour="red")),
                   ("missing argument", request("attach")), ("wrong type", request("attach", dev=7)),
                   ("empty name", request("attach", dev="")), ("name too long", request("attach", dev="x" * 16)),
                   ("bad snid", request("cache_get", snid="10", vaddr="10.1.0.2")),
                   ("bad vaddr", request("cache_get", snid="0x10", vaddr="10.1.0.256")),
                   ("multicast vaddr", request("resolve", snid="0x10", vaddr="224.0.0.1")),
                   ("vaddr without a supernet", request("cache_flush", vaddr="10.1.0.2")),
                   ("prefix too long", request("join", snid="0x10", vaddr="10.1.0.1", plen=33)),
                   ("prefix is text", request("join", snid="0x10", vaddr="10.1.0.1", plen="24")),
                   ("timeout zero", request("resolve", timeout_ms=0, **NODE)),
                   ("unknown opcode", request("opcode", op_code=6, **NODE)), ("opcode without raddr", request("opcode", op_code=1, **NODE)),
                   ("opcode with ttl 0", request("opcode", op_code=1, raddr="192.0.2.1", ttl=0, **NODE)),
                   ("opcode with a multicast raddr", request("opcode", op_code=1, raddr="ff02::1", **NODE)),
                   ("NUL in a string", b'{"command":"attach","args":{"dev":"a\\u0000b"}}\n'),
                   ("argument twice", b'{"command":"attach","args":{"dev":"a","dev":"b"}}\n'),
                   ("octets that are not UTF-8", b'{"command":"\xff\xfe"}\n'), ("nesting", b"[" * 4000 + b"\n")]:
    lines = control.raw(data + request("status"))
    check(f"refused: {name}", len(lines) == 2 and refused(lines[0]) and lines[1]["ok"], lines[:1])
lines = control.raw(b"x" * 5000 + b"\n" + request("status"))
check("a request that is too long is refused and ends the connection", len(lines) == 1 and refused(lines[0]), lines)
equal("half a request is never executed", control.raw(request("cache_flush")[:-1]), [])
equal("empty lines are nothing", control.raw(b"\n\n\n"), [])
with control.connect() as sock:
    for octet in request("timer", on=True):
        sock.send(bytes([octet]))
    equal("a request octet by octet", json.loads(sock.recv(1000)), {"ok": True, "result": None})
lines = control.raw(b"".join(request("resolve", **NODE) + request("frobnicate") for _ in range(200)))
check("400 requests at once are answered in order",
      len(lines) == 400 and all(line["ok"] == (i % 2 == 0) for i, line in enumerate(lines)), len(lines))

# --- Lookups ----------------------------------------------------------------------------------------------------------

control.ask("reset")
equal("resolve, served here", control.result("resolve", **NODE),
      {"snid": "0x00000000000000000010", "vaddr": "10.1.0.2", "raddr": "192.0.2.2", "ttl_s": 300})
equal("it is in the cache then", control.result("cache_get", **NODE)["state"], "resolved")
equal("the other family, the supernet's ttl", control.result("resolve", snid="0x10", vaddr="fd00::2")["ttl_s"], 600)
equal("not known here", control.ask("resolve", snid="0x10", vaddr="10.1.0.3")["status"], 3)
equal("no server", control.ask("resolve", snid="0x30", vaddr="10.1.0.2")["status"], 2)
start = time.monotonic()
answer = control.ask("resolve", snid="0x20", vaddr="10.1.0.2", timeout_ms=700)
check("nobody answers: status 4 after the time asked for", answer["status"] == 4 and
      0.6 < time.monotonic() - start < 1 + SCALE, answer)
check("the error names vaddr, supernet and server", all(word in answer["error"] for word in
                                                       ["10.1.0.2", "0x00000000000000000020", "192.0.2.99"]), answer)
for name, snid, words in [("not registered here", "0x10", "varpd_add"), ("no server", "0x30", "no server is configured")]:
    for turn in ["", "cached: "]:
        error = control.ask("resolve", snid=snid, vaddr="10.1.0.77")["error"]
        check(f"not known, {turn}{name}: names the vaddr and what to do",
              "10.1.0.77" in error and words in error and ("cached" in error) == bool(turn), error)
error = control.ask("cache_get", snid="0x10", vaddr="10.1.0.78")["error"]
check("not in the cache: names the vaddr", "10.1.0.78 of supernet 0x00000000000000000010" in error, error)
start = time.monotonic()
sent = control.result("stats")["varp"]
answer = control.ask("resolve", snid="0x20", vaddr="10.1.0.9", timeout_ms=6500)
took = time.monotonic() - start
check("also when that is longer than the window of a lookup", answer["status"] == 4 and 6.4 < took < 7 + SCALE, answer, took)
now = control.result("stats")["varp"]
equal("one request for each window",
      now["requests_sent"] - now["requests_repeated"] - sent["requests_sent"] + sent["requests_repeated"], 2)
with control.connect(15) as sock:
    sock.sendall(request("resolve", snid="0x20", vaddr="10.1.0.10", timeout_ms=12000))
    time.sleep(5.5)
    say(b"varpd_add 0x20 10.1.0.10 192.0.2.10;varpd_server_set 0x20\n")
    answer = json.loads(sock.recv(1 << 16))
check("what becomes known in a later window is the answer", answer.get("ok") and answer["result"]["raddr"] == "192.0.2.10", answer)
say(b"varpd_server_clear 0x20;varpd_remove 0x20 10.1.0.10\n")
with control.connect(4) as sock:
    sock.sendall(request("resolve", snid="0x20", vaddr="10.1.0.11", timeout_ms=1000))
    sock.shutdown(socket.SHUT_WR)
    check("who closes the sending side still hears", json.loads(sock.recv(1 << 16)).get("status") == 4)
with control.connect() as sock:
    sock.sendall(request("resolve", snid="0x20", vaddr="10.1.0.4", timeout_ms=300) + request("cache_get", snid="0x10", vaddr="10.1.0.2"))
    lines = []
    while len(lines) < 2:
        lines += [json.loads(line) for line in sock.recv(1 << 16).splitlines()]
    equal("a request behind one that waits is answered after it", [lines[0]["ok"], lines[1]["ok"]], [False, True])
for _ in range(50):
    with control.connect() as sock:
        sock.sendall(request("resolve", snid="0x20", vaddr="10.1.0.5", timeout_ms=60000))
check("those who leave while waiting are forgotten",
      wait_until(8, lambda: control.result("status")["connections"]["control"] == 1))

# --- varpdb's opcodes -------------------------------------------------------------------------------------------------

control.ask("reset")
equal("reset empties the cache", control.listing("cache_show"), [])
equal("INSERT", control.result("opcode", op_code=1, snid="0x40", vaddr="10.4.0.1", raddr="192.0.2.44", ttl=50), {"op_code": 1})
entry = control.result("cache_get", snid="0x40", vaddr="10.4.0.1")
check("is cached with its ttl", entry["raddr"] == "192.0.2.44" and 48 <= entry["ttl_s"] <= 50, entry)
equal("LOOKUP: RESULT, with caddr", control.result("opcode", op_code=3, snid="0x40", vaddr="10.4.0.1", caddr="192.0.2.5"),
      {"op_code": 12, "raddr": "192.0.2.44", "caddr": "192.0.2.5"})
equal("LOOKUP of what is registered here", control.result("opcode", op_code=3, **NODE), {"op_code": 12, "raddr": "192.0.2.2"})
equal("LOOKUP: NAK", control.result("opcode", op_code=3, snid="0x40", vaddr="10.4.0.2", caddr="fd00::5"),
      {"op_code": 13, "caddr": "fd00::5"})
equal("INSERT without a ttl", control.result("opcode", op_code=1, snid="0x40", vaddr="10.4.0.3", raddr="192.0.2.44"), {"op_code": 1})
equal("lasts for ever", control.result("cache_get", snid="0x40", vaddr="10.4.0.3")["ttl_s"], None)
equal("REMOVE", control.result("opcode", op_code=4, snid="0x40", vaddr="10.4.0.1"), {"op_code": 4})
equal("is gone", control.ask("cache_get", snid="0x40", vaddr="10.4.0.1")["status"], 3)
equal("flush of one supernet", control.result("cache_flush", snid="0x40"), {"flushed": 1})

# --- Who hears of it --------------------------------------------------------------------------------------------------


class Stream:
    def __init__(self, command, **args):
        self.sock = control.connect(5)
        self.sock.sendall(request(command, **args))
        self.file = self.sock.makefile()
        assert json.loads(self.file.readline()) == {"ok": True, "stream": True}

    def next(self):
        try:
            return json.loads(self.file.readline())
        except TimeoutError:
            return None


ours, everybody, monitor = Stream("register", monitor=False), Stream("register", monitor=True), Stream("monitor")
equal("lookup of what is not cached", control.result("lookup", **NODE), {"state": "miss"})
hit = {"state": "hit", "snid": "0x00000000000000000010", "vaddr": "10.1.0.2", "raddr": "192.0.2.2"}
equal("its outcome is called back", ours.next(), hit)
equal("the monitor hears it", everybody.next(), hit)
equal("lookup of what is cached", control.result("lookup", **NODE), {"state": "hit", "raddr": "192.0.2.2"})
equal("lookup of what is not known", control.result("lookup", snid="0x10", vaddr="10.1.0.7"), {"state": "miss"})
miss = {"state": "miss", "snid": "0x00000000000000000010", "vaddr": "10.1.0.7", "raddr": None}
equal("called back as a miss", (ours.next(), everybody.next()), (miss, miss))
equal("again, while that is cached", control.result("lookup", snid="0x10", vaddr="10.1.0.7"), {"state": "notknown"})
child = os.fork()
if not child:
    control.result("lookup", snid="0x10", vaddr="fd00::2")
    os._exit(0)
os.waitpid(child, 0)
other = {"state": "hit", "snid": "0x00000000000000000010", "vaddr": "fd00::2", "raddr": "2001:db8::2"}
equal("another process's outcome is the monitor's only", everybody.next(), other)
control.result("opcode", op_code=2, snid="0x40", vaddr="10.4.0.9", raddr="192.0.2.9", ttl=5)
control.result("lookup", snid="0x30", vaddr="10.3.0.1")
equal("ours come in order, without the other's", ours.next()["vaddr"], "10.3.0.1")
events = [monitor.next() for _ in range(12)]
equal("monitor tells the story", [(e["event"], e["vaddr"], e["raddr"]) for e in events][:5],
      [("miss", "10.1.0.2", None), ("insert", "10.1.0.2", "192.0.2.2"), ("hit", "10.1.0.2", "192.0.2.2"),
       ("miss", "10.1.0.7", None), ("notknown", "10.1.0.7", None)])
check("with the time of each", all(time.strptime(e["time"][:19], "%Y-%m-%dT%H:%M:%S") and len(e["time"]) == 24 and
                                   e["time"].endswith("Z") for e in events), events[0])
marks = Stream("monitor")
control.result("opcode", op_code=1, snid="0x41", vaddr="10.4.1.9", raddr="192.0.2.9", ttl=50)
equal("an insert is told", (lambda e: (e["event"], e["vaddr"]))(marks.next()), ("insert", "10.4.1.9"))
equal("flush of it", control.result("cache_flush", snid="0x41"), {"flushed": 1})
equal("is told as a remove", (lambda e: (e["event"], e["snid"][-2:], e["vaddr"]))(marks.next()), ("remove", "41", "10.4.1.9"))
marks.file.close()
marks.sock.close()
for stream in ours, everybody, monitor:
    stream.file.close()
    stream.sock.close()

# --- Those who do not read --------------------------------------------------------------------------------------------

base = memory_kb(pid)
slow = control.connect()
slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
slow.sendall(request("monitor"))
equal("stream begins", slow.recv(26), b'{"ok":true,"stream":true}\n')
adds = [f"varpd_add 0x50 10.{i >> 16}.{i >> 8 & 255}.{i & 255} 192.0.2.1\n" for i in range(1, 20001)]
equal("20,000 mappings are added", say("".join(adds).encode()).count("OK"), 20000)
check("a monitor that does not read costs little", memory_kb(pid) - base < 20000, base, memory_kb(pid))
got, lost, lines = 0, 0, slow.makefile()
while got + lost < 20000:
    event = json.loads(lines.readline())
    if event["event"] == "lost":
        lost += event["count"]
    else:
        got += 1
check("it is told how many events it lost", lost > 0 and got > 0 and got + lost == 20000, got, lost)
say(b"varpd_remove 0x50 10.0.0.1\n")
equal("and goes on", json.loads(lines.readline())["event"], "remove")
lines.close()
slow.close()

base = memory_kb(pid)
deaf = [control.connect() for _ in range(20)]
for sock in deaf:
    sock.sendall(request("db_show") + request("status") * 20)
equal("20 listings that nobody reads: others are served", control.result("status")["mappings"], 20001)
check("they cost little", memory_kb(pid) - base < 20 * 400, base, memory_kb(pid))
took = idle_s(pid, 0.2 * SCALE)
check("and no time", took < 0.2 * SCALE, took)
deaf[0].shutdown(socket.SHUT_WR)
lines = read_all(deaf[0]).splitlines()
equal("read late, a listing is whole, and the requests behind it are answered", (len(lines), lines[20001 + 1]), (20001 + 2 + 20, b'{"end":true}'))
for sock in deaf:
    sock.close()
idle = [control.connect() for _ in range(400)]
check("400 idle connections: others are served", control.ask("status")["ok"])
while len(idle) < 600 and idle[-1] not in select.select([idle[-1]], [], [], 0.05)[0]:
    idle.append(control.connect())
refusal = json.loads(idle[-1].makefile().readline())
check("one beyond the limit is told so", refusal["status"] == 2 and "too many control connections" in refusal["error"], refusal)
tool = subprocess.run([os.environ["VARPCTL"], "-i", sys.argv[1], "status"], capture_output=True, text=True)
check("varpctl says so", tool.returncode == 2 and "too many control connections" in tool.stderr, tool.stderr)
for sock in idle:
    sock.close()
check("all are forgotten", wait_until(10, lambda: control.result("status")["connections"]["control"] == 1))

# --- stats ------------------------------------------------------------------------------------------------------------

stats = control.result("stats")
check("stats has the interface's keys",
      {"datapath", "drops", "varp", "supernets"} <= set(stats) and
      {"encap_packets", "encap_bytes", "decap_packets", "decap_bytes", "hits", "misses", "held_packets",
       "reinjected_packets"} <= set(stats["datapath"]) and
      {"requests_sent", "requests_received", "replies_sent", "replies_received", "nak_notknown_sent", "nak_notknown_received",
       "nak_noauthority_sent", "nak_noauthority_received"} <= set(stats["varp"]) and
      {"varp_truncated", "held_expired", "geneve_critical"} <= set(stats["drops"]), stats)
check("requests were sent, and repeated", stats["varp"]["requests_sent"] >= 5 and stats["varp"]["requests_repeated"] >= 3, stats["varp"])
done()
