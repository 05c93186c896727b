# SPDX-License-Identifier: BSD-2-Clause
"""What the Python parts of these tests share: TAP output, the two text sockets, the control socket. Imported by *_cases.py,
which test_*.sh runs inside the daemon's network namespace."""

import json
import os
import socket
import sys
import time

SCALE = int(os.environ.get("VARP_TIME_SCALE", "1"))
MANAGER, CLIENT = 2500, 2501
_count = 0
_failed = 0


def check(name, good, *diagnostics):
    global _count, _failed
    _count += 1
    print(f"{'ok' if good else 'not ok'} {_count} - {name}", flush=True)
    if not good:
        _failed += 1
        for line in diagnostics:
            print("#", str(line)[:2000].replace("\n", "\n# "), flush=True)


def equal(name, got, wanted):
    check(name, got == wanted, f"got:    {got!r}", f"wanted: {wanted!r}")


def done():
    print(f"1..{_count}", flush=True)
    sys.exit(1 if _failed else 0)


def wait_until(seconds, condition):
    end = time.monotonic() + seconds * SCALE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def connect(port, timeout=20):
    sock = socket.create_connection(("127.0.0.1", port), timeout * SCALE)
    sock.settimeout(timeout * SCALE)
    return sock


def read_all(sock):
    data = b""
    while True:
        try:
            piece = sock.recv(1 << 16)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


def say(data, port=MANAGER):
    """Sends, says that this was all, and returns the lines of the answer."""
    with connect(port) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return read_all(sock).decode("ascii").splitlines()


def words(lines):
    """OK, or ERR and its word."""
    return [line if line == "OK" else " ".join(line.split()[:2]) for line in lines]


class Control:
    def __init__(self, instance):
        self.path = f"/run/varp/{instance}/control.sock"

    def connect(self, timeout=20):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.path)     # waits while the backlog is full, which a socket with a timeout would not
        sock.settimeout(timeout * SCALE)
        return sock

    def raw(self, data):
        with self.connect() as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            return [json.loads(line) for line in read_all(sock).splitlines()]

    def ask(self, command, **args):
        return self.raw(request(command, **args))[0]

    def result(self, command, **args):
        answer = self.ask(command, **args)
        return answer["result"] if answer["ok"] else answer

    def listing(self, command, **args):
        lines = self.raw(request(command, **args))
        assert lines[0] == {"ok": True, "stream": True} and lines[-1] == {"end": True}, lines[:1] + lines[-1:]
        return lines[1:-1]

    def vaddrs(self, snid):
        return sorted(entry["vaddr"] for entry in self.listing("db_show", snid=snid))


def request(command, **args):
    return json.dumps({"command": command, "args": args}).encode() + b"\n"


def memory_kb(pid):
    if os.environ.get("VARP_SANITIZED"):
        return 0  # AddressSanitizer keeps what was freed: bounds on memory say nothing there
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return -1


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle_s(pid, limit):
    """Processor time of a second, as soon as one takes less than the limit: a slow machine may have something left to do first, and
    who goes round in circles does so in every one of ten."""
    for _ in range(10):
        before = cpu_s(pid)
        time.sleep(1)
        took = cpu_s(pid) - before
        if took < limit:
            break
    return took
