# SPDX-License-Identifier: BSD-2-Clause
"""Rights on the text sockets and by libvarp's requests, each as several users; and the audit lines. Run by test_access.sh as root in
the daemon's namespace: access_cases.py INSTANCE PID LOG. Users: 1 owns 0x10, 2 owns 0x20, 3 owns nothing, 8 may command the group
manager's socket."""

import os
import re
import signal
import socket
import sys
import time

from tap import CLIENT, MANAGER, Control, check, connect, done, equal, read_all, request, say, wait_until, words

instance, pid, log = sys.argv[1], int(sys.argv[2]), sys.argv[3]
control = Control(instance)
connect(MANAGER).close()    # loads what Python may not be able to as another user
OWNER, OTHER, STRANGER, PERMITTED = 1, 2, 3, 8


def as_user(uid, what):
    """What `what` returns when it runs in a process of that user."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.write(write_end, repr(what()).encode())
        except Exception as error:  # pylint: disable=broad-except
            os.write(write_end, repr(f"{type(error).__name__}: {error}").encode())
        os._exit(0)
    os.close(write_end)
    data = b""
    while piece := os.read(read_end, 1 << 16):
        data += piece
    os.close(read_end)
    os.waitpid(child, 0)
    return eval(data)  # pylint: disable=eval-used


def by_unix(name):
    def send(data):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(f"/run/varp/{instance}/{name}.sock")
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, OSError):
                pass    # refused before it was read
            return read_all(sock).decode("ascii").splitlines()
    return send


def by_tcp(port):
    def send(data):
        with connect(port) as sock:
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError, OSError):
                pass
            return read_all(sock).decode("ascii").splitlines()
    return send


MANAGERS = (("TCP", by_tcp(MANAGER)), ("unix socket", by_unix("grp-mgr")))
CLIENTS = (("TCP", by_tcp(CLIENT)), ("unix socket", by_unix("grp-clt")))
NO = "ERR permission"


def log_text():
    with open(log, encoding="utf-8", errors="replace") as file:
        return file.read()


# --- Group manager's and group client's commands --------------------------------------------------------------------------

ROWS = (
    ("add", b"varpd_add 0x%s 10.1.0.9 192.0.2.9\n"),
    ("remove", b"varpd_remove 0x%s 10.1.0.9\n"),
    ("server_clear", b"varpd_server_clear 0x%s\n"),
    ("server_set", b"varpd_server_set 0x%s\n"),
)
for way, send in MANAGERS:
    for name, line in ROWS:
        equal(f"{name} by {way}: own, other's, nobody's", as_user(OWNER, lambda: words(send(line % b"10" + line % b"20" + line % b"99"))),
              ["OK", NO, NO])
    equal(f"init by {way}: not for an owner", as_user(OWNER, lambda: words(send(b"varpd_init\n"))), [NO])
    equal(f"stranger by {way}: is told once and cut off", as_user(STRANGER, lambda: words(send(ROWS[0][1] % b"10"))), [NO])
    equal(f"permitted user by {way}: all supernets", as_user(PERMITTED, lambda: words(send(b"varpd_add 0x30 10.1.0.9 192.0.2.9; "
          b"varpd_remove 0x30 10.1.0.9\n"))), ["OK", "OK"])
    equal(f"root by {way}", words(send(ROWS[0][1] % b"30" + ROWS[1][1] % b"30")), ["OK", "OK"])
for way, send in CLIENTS:
    line = b"varpd_client_set 0x%s 192.0.2.250\n"
    equal(f"client_set by {way}: own, other's", as_user(OWNER, lambda: words(send(line % b"10" + line % b"20"))), ["OK", NO])
    equal(f"client_clear by {way}: own, other's",
          as_user(OWNER, lambda: words(send(b"varpd_client_clear 0x10; varpd_client_clear 0x20\n"))), ["OK", NO])
    equal(f"who is permitted on the other socket alone, by {way}", as_user(PERMITTED, lambda: words(send(line % b"10"))), [NO])
    equal(f"stranger on the client's socket by {way}", as_user(STRANGER, lambda: words(send(line % b"10"))), [NO])
equal("nothing of another supernet has changed", control.vaddrs("0x20"), ["10.1.0.2", "10.1.0.3", "10.1.0.7"])
equal("nor was it initialised", len(control.vaddrs("0x30")), 3)
equal("a group's owner by TCP", as_user(OTHER, lambda: words(MANAGERS[0][1](b"varpd_add 0x20 10.1.0.7 192.0.2.20\n"))), ["OK"])

# --- Who is gone, and who is not who he was ---------------------------------------------------------------------------------

before = control.vaddrs("0x10")


def shoot():
    with socket.create_connection(("127.0.0.1", MANAGER)) as sock:
        sock.sendall(b"varpd_add 0x10 10.1.0.66 192.0.2.66\n")
    return "sent"


time.sleep(1.1)     # the log has lines of their own for few commands a second, and they may be used up
os.kill(pid, signal.SIGSTOP)
as_user(STRANGER, shoot)
shoot()     # root's own is not told from that: the kernel shows closed sockets as root's
os.kill(pid, signal.SIGCONT)
check("connections that are closed when they are looked at are logged",
      wait_until(5, lambda: log_text().count("connection: refused: cannot tell who it is") >= 2))
equal("and execute nothing", control.vaddrs("0x10"), before)


def shoot_by_unix():
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"/run/varp/{instance}/grp-mgr.sock")
        sock.sendall(b"varpd_add 0x10 10.1.0.67 192.0.2.67; varpd_add 0x20 10.1.0.67 192.0.2.67\n")
    return "sent"


os.kill(pid, signal.SIGSTOP)
equal("by the unix socket", as_user(OWNER, shoot_by_unix), "sent")
os.kill(pid, signal.SIGCONT)
check("it is known who it was", wait_until(5, lambda: "10.1.0.67" in control.vaddrs("0x10")))
check("and what he may not", "10.1.0.67" not in control.vaddrs("0x20"))
say(b"varpd_remove 0x10 10.1.0.67\n")

# --- libvarp's requests -------------------------------------------------------------------------------------------------------


def status_of(command, **args):
    answer = control.ask(command, **args)
    return 0 if answer["ok"] else answer["status"]


REQUESTS = (
    ("lookup", {"vaddr": "10.1.0.2"}),
    ("opcode", {"op_code": 3, "vaddr": "10.1.0.2"}),
    ("opcode", {"op_code": 1, "vaddr": "10.1.0.8", "raddr": "192.0.2.8"}),
    ("opcode", {"op_code": 4, "vaddr": "10.1.0.8"}),
)
for command, args in REQUESTS:
    equal(f"{command} {args.get('op_code', '')}: own, other's", as_user(OWNER, lambda: [
        status_of(command, snid="0x10", **args), status_of(command, snid="0x20", **args)]), [0, 5])
equal("reset, timer: not for owners", as_user(OWNER, lambda: [status_of("reset"), status_of("timer", on=False)]), [5, 5])
equal("a supernet that is none is refused as such", as_user(OWNER, lambda: status_of("lookup", snid="0xzz", vaddr="10.1.0.2")), 2)
equal("one that is left out is nobody's", as_user(OWNER, lambda: status_of("lookup", vaddr="10.1.0.2")), 5)


def listen():
    """Outcomes that an owner hears of who listens to everybody's."""
    with control.connect() as sock:
        sock.sendall(request("register", monitor=True))
        lines = sock.makefile()
        lines.readline()
        os.write(1, b"")
        control.ask("opcode", op_code=2, snid="0x10", vaddr="10.1.0.8", raddr="192.0.2.8")
        return lines.readline()


heard = as_user(OWNER, listen)
check("outcomes of his own supernet are heard", '"0x00000000000000000010"' in heard, heard)


def many():
    """How many connections one user gets before he is refused."""
    socks = [control.connect() for _ in range(64)]
    answers = [b"too many" in sock.recv(200) for sock in socks[40:]]
    return all(answers)


equal("one user does not take all connections", as_user(OWNER, many), True)
equal("root still gets one", status_of("status"), 0)

# --- Audit --------------------------------------------------------------------------------------------------------------------



def quiet():
    """Until what was counted is told, and the next second's lines are free again. Returns the length of the log."""
    time.sleep(2.5)
    return len(log_text())


start = quiet()
as_user(OWNER, lambda: MANAGERS[0][1](b"varpd_add 0x10 10.1.0.9 192.0.2.9\n"))
as_user(OWNER, lambda: MANAGERS[1][1](b"varpd_remove 0x10 10.1.0.9; varpd_add 0x20 10.1.0.9 192.0.2.9\n"))
as_user(STRANGER, lambda: MANAGERS[1][1](b"varpd_init\n"))
as_user(OWNER, lambda: CLIENTS[0][1](b"varpd_client_set 0x10 192.0.2.250\n"))
as_user(OWNER, lambda: status_of("join", snid="0x10", vaddr="10.1.0.9", plen=24))
status_of("cache_flush", snid="0x10")
LINES = (
    ("accepted, by TCP", r"audit: grp-mgr: uid 1 from 127\.0\.0\.1:\d+: varpd_add 0x0{18}10 10\.1\.0\.9 192\.0\.2\.9: accepted"),
    ("accepted, by unix socket", r"audit: grp-mgr: uid 1 pid \d+: varpd_remove 0x0{18}10 10\.1\.0\.9: accepted"),
    ("refused", r"audit: grp-mgr: uid 1 pid \d+: varpd_add 0x0{18}20 10\.1\.0\.9 192\.0\.2\.9: refused: permission"),
    ("not let in", r"audit: grp-mgr: uid 3 pid \d+: connection: refused: not permitted"),
    ("group client", r"audit: grp-clt: uid 1 from 127\.0\.0\.1:\d+: varpd_client_set 0x0{18}10 192\.0\.2\.250: accepted"),
    ("control socket", r'audit: control: uid 1 pid \d+: join \{.*\}: refused: not permitted'),
    ("control socket, accepted", r'audit: control: uid 0 pid \d+: cache_flush \{.*\}: accepted'),
)
text = log_text()[start:]
for name, line in LINES:
    check(f"audit: {name}", re.search(line, text) is not None, line)

# What is secret, or no argument, or too long, is not in the log: not of him who is refused, nor of root, whose request is wrong.
KEY = "5ec4e7" * 10 + "abcd"
start = quiet()
for wrong in {}, {"typo": 1}, {"mode": {"key": KEY}}, {KEY: KEY}:
    for user in STRANGER, 0:
        as_user(user, lambda w=wrong: status_of("channel_set", **{"snid": "0x10", "channel": "0x1", "mode": "bad", "key": KEY, **w}))
text = log_text()[start:]
equal("audit: secrets are in no line", (text.count("channel_set"), KEY in text), (8, False))
start = quiet()
as_user(STRANGER, lambda: status_of("reset", **{"a" * 500: 1}))
as_user(STRANGER, lambda: status_of("cache_flush", snid="0x10", dev="a" * 500))
text = log_text()[start:]
check("audit: what is no argument is left out", re.search(r": reset \{\}: refused: not permitted\n", text), text)
check("audit: what is too long is said to be, and whose it is",
      re.search(r": cache_flush \(too long\) 0x0{18}10: refused: not permitted\n", text), text)

COUNT = 20000
start = quiet()
say(b"".join(b"varpd_add 0x30 10.3.%d.%d 192.0.2.9\n" % (i >> 8, i & 255) for i in range(COUNT)) + b"rubbish\n")


def account():
    """Commands that the log accounts for since then, accepted and refused; and how many lines that took."""
    accepted = refused = lines = 0
    for line in log_text()[start:].splitlines():
        if "audit: " not in line:
            continue
        lines += 1
        if ": and " in line:
            for yes, no in re.findall(r"(\d+) accepted, (\d+) refused", line):
                accepted += int(yes)
                refused += int(no)
        elif line.endswith(": accepted"):
            accepted += 1
        else:
            refused += 1
    return accepted, refused, lines


check("audit: a bulk load is accounted for to the last command", wait_until(10, lambda: account()[:2] == (COUNT, 1)), account())
check("audit: in few lines", account()[2] < 1000, account())
done()
