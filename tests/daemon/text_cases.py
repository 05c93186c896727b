# SPDX-License-Identifier: BSD-2-Clause
"""The text sockets at octet level: how commands are cut, what is refused and with which word, and what clients may do wrong.
Arguments: instance, process id of varpd. Run by test_text.sh."""

import socket
import sys
import threading
import time

from tap import (CLIENT, MANAGER, SCALE, Control, check, connect, done, equal, idle_s, memory_kb, read_all, say, wait_until,
                 words)

control = Control(sys.argv[1])
pid = int(sys.argv[2])
ADD = b"varpd_add 0x1 10.0.0.%d 192.0.2.1"


def reset():
    equal("varpd_init is answered", say(b"varpd_init\n"), ["OK"])


def padded(length):
    """A good varpd_add of exactly this many characters."""
    return ADD % 9 + b" " * (length - len(ADD % 9))


# --- Cutting ----------------------------------------------------------------------------------------------------------

reset()
with connect(MANAGER) as sock:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in ADD % 1 + b"\r\n" + ADD % 2 + b";":
        sock.send(bytes([octet]))
        time.sleep(0.001)
    sock.shutdown(socket.SHUT_WR)
    equal("commands an octet a packet", read_all(sock), b"OK\nOK\n")
equal("both were executed", control.vaddrs("0x1"), ["10.0.0.1", "10.0.0.2"])

reset()
equal("many commands in one packet", say(b"".join(ADD % i + b"\n" for i in range(1, 101))), ["OK"] * 100)
equal("all were executed", len(control.vaddrs("0x1")), 100)

reset()
mixed = (b";;\n\r\n ; \t;" + ADD % 1 + b";" + ADD % 2 + b"\r\n\n" + (ADD % 3).replace(b" ", b"\t") + b"\n ;" +
         (ADD % 4).replace(b" ", b" \t  ") + b" \t;varpd_add() 0x1 10.0.0.5 192.0.2.1\n  varpd_remove()\t0x1 10.0.0.2  \r\n")
equal("separators mixed; empty commands are not answered", say(mixed), ["OK"] * 6)
equal("and what was said is so", control.vaddrs("0x1"), ["10.0.0.1", "10.0.0.3", "10.0.0.4", "10.0.0.5"])

# --- Length -----------------------------------------------------------------------------------------------------------

for ending in b"\n", b"\r\n", b";":
    reset()
    equal(f"255 characters and {ending!r}", say(padded(255) + ending), ["OK"])
    equal("executed", control.vaddrs("0x1"), ["10.0.0.9"])
    reset()
    equal(f"256 characters and {ending!r}", words(say(padded(256) + ending + ADD % 1 + b"\n")), ["ERR toolong", "OK"])
    equal("not executed; the next one was", control.vaddrs("0x1"), ["10.0.0.1"])
reset()
equal("an overlong line that ends in a command", words(say(b"x" * 5000 + ADD % 9 + b"\n" + ADD % 1 + b";")),
      ["ERR toolong", "OK"])
equal("nothing of it was executed", control.vaddrs("0x1"), ["10.0.0.1"])

# --- HTTP -------------------------------------------------------------------------------------------------------------


def browser(request):
    """What is left of a connection that says this, and then commands in the request's body."""
    with connect(MANAGER) as sock:
        try:
            sock.sendall(request + b"\r\nContent-Type: text/plain\r\n\r\nx=1\n" + ADD % 66 + b"\n")
            return read_all(sock)
        except OSError:
            return b""


for method in b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"CONNECT":
    reset()
    equal(f"{method.decode()}: closed without a word", browser(method + b" / HTTP/1.1"), b"")
    equal("and nothing was executed", control.vaddrs("0x1"), [])
reset()
for name, request in (("a path of commands", b"POST /;" + ADD % 66 + b";"), ("a long path", b"POST /" + b"x" * 5000 + b";" + ADD % 66),
                      ("a header alone", b"hOST: 127.0.0.1:2500"), ("a line before it", b" \nPOST / HTTP/1.1")):
    browser(request)
    equal(f"{name}: nothing was executed", control.vaddrs("0x1"), [])
browser(ADD % 1 + b"\nPOST / HTTP/1.1")
equal("a complete command before it is executed, none after it", control.vaddrs("0x1"), ["10.0.0.1"])
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect(f"/run/varp/{sys.argv[1]}/grp-mgr.sock")
    sock.sendall(b"POST / HTTP/1.1\n" + ADD % 2 + b"\n")
    sock.shutdown(socket.SHUT_WR)
    equal("no browser opens the unix socket", words(read_all(sock).decode().splitlines()), ["ERR unknown", "OK"])

# --- Half of something ------------------------------------------------------------------------------------------------

reset()
equal("an unterminated command is told so", words(say(ADD % 1)), ["ERR unterminated"])
equal("after the answers to complete ones before it", words(say(ADD % 2 + b"\n" + ADD % 3)), ["OK", "ERR unterminated"])
equal("once, also where it is too long", words(say(b"x" * 5000)), ["ERR unterminated"])
equal("blanks are no command", say(ADD % 2 + b"\n \t \r"), ["OK"])
for _ in range(20):
    with connect(MANAGER) as sock:
        sock.sendall(ADD % 4)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")   # close with a reset
equal("only the complete one was executed", control.vaddrs("0x1"), ["10.0.0.2"])
for _ in range(200):
    connect(MANAGER).close()
equal("200 clients that close at once do no harm", say(ADD % 5 + b"\n"), ["OK"])
# By the unix socket: of a TCP connection that is closed already nobody can tell whose it was.
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect(f"/run/varp/{sys.argv[1]}/grp-mgr.sock")
    sock.sendall(ADD % 6 + b"\n")
check("a complete command of a client that does not wait is executed",
      wait_until(5, lambda: "10.0.0.6" in control.vaddrs("0x1")))

# --- What is refused --------------------------------------------------------------------------------------------------

refused = [
    ("NUL", b"varpd_add 0x1 10.0.0.1\0 192.0.2.1", "character"),
    ("only a NUL", b"\0", "character"),
    ("non-ASCII", "varpd_add 0x1 10.0.0.1 192.0.2.1 é".encode(), "character"),
    ("escape sequence", b"varpd_add \x1b[2J", "character"),
    ("carriage return within", b"varpd_add 0x1\r10.0.0.1 192.0.2.1", "character"),
    ("unknown", b"varpd_frobnicate 0x1", "unknown"),
    ("upper case", b"VARPD_INIT", "unknown"),
    ("no name", b"() 0x1", "unknown"),
    ("name glued to its argument", b"varpd_remove()0x1 10.0.0.1", "unknown"),
    ("init with an argument", b"varpd_init now", "arguments"),
    ("add: two arguments", b"varpd_add 0x1 10.0.0.1", "arguments"),
    ("add: five arguments", b"varpd_add 0x1 10.0.0.1 192.0.2.1 5 6", "arguments"),
    ("add: none", b"varpd_add", "arguments"),
    ("remove: one argument", b"varpd_remove 0x1", "arguments"),
    ("remove: three", b"varpd_remove 0x1 10.0.0.1 192.0.2.1", "arguments"),
    ("server_set: none", b"varpd_server_set", "arguments"),
    ("server_set: three", b"varpd_server_set 0x1 5 6", "arguments"),
    ("server_clear: none", b"varpd_server_clear", "arguments"),
    ("snid without 0x", b"varpd_remove 1 10.0.0.1", "snid"),
    ("snid without digits", b"varpd_remove 0x 10.0.0.1", "snid"),
    ("snid of 21 digits", b"varpd_remove 0x000000000000000000001 10.0.0.1", "snid"),
    ("snid not hexadecimal", b"varpd_remove 0xg 10.0.0.1", "snid"),
    ("snid negative", b"varpd_remove -0x1 10.0.0.1", "snid"),
    ("vaddr of three parts", b"varpd_remove 0x1 10.0.1", "vaddr"),
    ("vaddr out of range", b"varpd_remove 0x1 10.0.0.256", "vaddr"),
    ("vaddr by name", b"varpd_remove 0x1 localhost", "vaddr"),
    ("vaddr with a prefix", b"varpd_remove 0x1 10.0.0.1/8", "vaddr"),
    ("vaddr multicast", b"varpd_add 0x1 224.0.0.1 192.0.2.1", "vaddr"),
    ("vaddr unspecified", b"varpd_add 0x1 :: 192.0.2.1", "vaddr"),
    ("raddr broadcast", b"varpd_add 0x1 10.0.0.1 255.255.255.255", "raddr"),
    ("raddr with a zone", b"varpd_add 0x1 10.0.0.1 fe80::1%eth0", "raddr"),
    ("raddr with a port", b"varpd_add 0x1 10.0.0.1 192.0.2.1:80", "raddr"),
    ("client's command", b"varpd_client_set 0x1 192.0.2.1", "source"),
]
refused += [(f"ttl {ttl}", b"varpd_add 0x1 10.0.0.1 192.0.2.1 " + ttl.encode(), "ttl")
            for ttl in ("0", "-1", "65537", "1e3", "+5", "0x10", "5s", "99999999999999999999", "1.5")]
refused += [(f"server's ttl {ttl}", b"varpd_server_set 0x1 " + ttl.encode(), "ttl") for ttl in ("0", "-1", "65537", "1e3")]
reset()
for name, command, word in refused:
    lines = say(command + b"\n" + b"varpd_server_set 0x77\n")
    check(f"refused: {name}", words(lines) == [f"ERR {word}", "OK"] and len(lines[0].split(None, 2)) == 3, lines)
equal("nothing of them was executed", (control.vaddrs("0x1"), [s["snid"] for s in control.result("status")["servers"]]),
      ([], ["0x00000000000000000077"]))
equal("remove what is not there", words(say(b"varpd_remove 0x1 10.0.0.1;varpd_server_clear 0x1\n")), ["ERR notfound"] * 2)
reset()
equal("the least and the greatest ttl", say(ADD % 1 + b" 1\n" + ADD % 2 + b" 65536\n" + ADD % 3 + b"\n"), ["OK"] * 3)
equal("are kept", [entry["ttl_s"] for entry in control.listing("db_show")], [1, 65536, None])
equal("families mixed", say(b"varpd_add 0x2 fd00::1 192.0.2.1;varpd_add 0x2 10.0.0.1 2001:db8::1\n"), ["OK"] * 2)
equal("a mapping is overwritten", say(ADD % 1 + b" 1\n" + b"varpd_add 0x1 10.0.0.1 192.0.2.77\n"), ["OK"] * 2)
equal("with raddr and ttl", control.listing("db_show", snid="0x1")[0],
      {"snid": "0x00000000000000000001", "vaddr": "10.0.0.1", "raddr": "192.0.2.77", "ttl_s": None,
       "default_ttl_s": None})
equal("with its supernet's ttl once that is served", (say(b"varpd_server_set 0x1 77\n"),
      control.listing("db_show", snid="0x1")[0]["default_ttl_s"]), (["OK"], 77))

# --- Order ------------------------------------------------------------------------------------------------------------

reset()
burst = [b"varpd_server_set 0x%x" % i if i % 3 else b"bogus%d" % i for i in range(30000)]
with connect(MANAGER, 60) as sock:
    reader = threading.Thread(target=sock.sendall, args=(b";".join(burst) + b"\n",))
    reader.start()
    got = b""
    while got.count(b"\n") < len(burst):
        piece = sock.recv(1 << 16)
        if not piece:
            break
        got += piece
    reader.join()
lines = got.decode().splitlines()
check("30,000 commands are answered in order",
      len(lines) == len(burst) and all((line == "OK") if i % 3 else line.startswith(f"ERR unknown 'bogus{i}'")
                                       for i, line in enumerate(lines)), lines[:4])
reset()
equal("add, remove, add again within one packet",
      words(say(ADD % 1 + b";varpd_remove 0x1 10.0.0.1;varpd_remove 0x1 10.0.0.1;" + ADD % 1 + b"\n")),
      ["OK", "OK", "ERR notfound", "OK"])
equal("the last one counts", control.vaddrs("0x1"), ["10.0.0.1"])
equal("init in the middle", say(ADD % 2 + b";varpd_init;" + ADD % 3 + b"\n"), ["OK"] * 3)
equal("takes away what was before it", control.vaddrs("0x1"), ["10.0.0.3"])

# --- Group client -----------------------------------------------------------------------------------------------------

equal("client_set and client_clear", words(say(
    b"varpd_client_set 0x5 192.0.2.9;varpd_client_set() 0x6 127.0.0.1;varpd_client_clear 0x6 127.0.0.2\n"
    b"varpd_client_clear 0x6;varpd_client_clear 0x6;varpd_add 0x1 10.0.0.1 192.0.2.1;varpd_client_set 0x5\n"
    b"varpd_client_set 0x5 0.0.0.0\n", CLIENT)),
      ["OK", "OK", "ERR notfound", "OK", "ERR notfound", "ERR source", "ERR arguments", "ERR saddr"])
equal("client is configured", [{k: c[k] for k in ("snid", "server")} for c in control.result("status")["clients"]],
      [{"snid": "0x00000000000000000005", "server": "192.0.2.9"}])


def lifetime(talk):
    start = time.monotonic()
    with connect(CLIENT) as sock:
        try:
            while talk:
                sock.sendall(b"varpd_client_set 0x5 192.0.2.9\n")
                if not sock.recv(100):
                    break
                time.sleep(0.1)
            else:
                read_all(sock)
        except (BrokenPipeError, ConnectionResetError):
            pass
    return time.monotonic() - start


for how, talk in ("silent", False), ("talking", True):
    life = lifetime(talk)
    check(f"a {how} group client is cut off after 3 s", 2.9 < life < 3 + 2 * SCALE, life)

# --- Greed ------------------------------------------------------------------------------------------------------------

base = memory_kb(pid)
with connect(MANAGER, 120) as sock:
    served = 0
    block = b"x" * (1 << 20)
    for _ in range(100):
        sock.sendall(block)
        served += say(ADD % 8 + b"\n") == ["OK"]
    equal("100 MB without a line break: others are served meanwhile", served, 100)
    check("memory does not grow", memory_kb(pid) - base < 4096, base, memory_kb(pid))
    sock.sendall(b"\n" + ADD % 9 + b"\n")
    sock.shutdown(socket.SHUT_WR)
    equal("one ERR, and on it goes", words(read_all(sock).decode().splitlines()), ["ERR toolong", "OK"])

base = memory_kb(pid)
idle = [connect(MANAGER) for _ in range(2000)]
equal("2,000 idle connections: one more is served", say(ADD % 8 + b"\n"), ["OK"])
check("they cost little", memory_kb(pid) - base < 2000 * 8, base, memory_kb(pid))
equal("they are counted", control.result("status")["connections"]["grp_mgr"] >= 2000, True)
idle[0].sendall(ADD % 7 + b"\n")
equal("one of them speaks", idle[0].recv(100), b"OK\n")
more = [connect(MANAGER) for _ in range(100)]      # max-connections is 2050
equal("beyond max-connections a new one is served", say(ADD % 8 + b"\n"), ["OK"])
idle[1].settimeout(5 * SCALE)
equal("the longest idle one has been closed", idle[1].recv(100), b"")
idle[0].sendall(ADD % 7 + b"\n")
equal("the one that spoke has not", idle[0].recv(100), b"OK\n")
more[-1].sendall(ADD % 7 + b"\n")
equal("nor has the newest", more[-1].recv(100), b"OK\n")
for sock in idle + more:
    sock.close()
check("closed ones are forgotten",
      wait_until(10, lambda: control.result("status")["connections"]["grp_mgr"] <= 2))

base = memory_kb(pid)
deaf = connect(MANAGER, 3)
deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
sent = 0
try:
    for _ in range(1 << 12):
        sent += deaf.send(b"bogus;" * 2000)
except (TimeoutError, BlockingIOError):
    pass
except OSError as error:
    check("client that never reads was cut off early", False, error)
deaf_since = time.monotonic()
check("a client that never reads is not read from for ever", sent < 30 << 20, sent)
check("and costs little memory", memory_kb(pid) - base < 4096, base, memory_kb(pid))
equal("others are served", say(ADD % 8 + b"\n"), ["OK"])
took = idle_s(pid, 0.2 * SCALE)
check("and no time", took < 0.2 * SCALE, took)

# It takes nothing for 30 s, and then it is gone.
deaf.settimeout(1)
limit = 40 * SCALE


def is_cut_off():
    try:
        deaf.send(b"bogus;" * 2000)
        return False
    except TimeoutError:
        return False
    except OSError:
        return True


while not is_cut_off() and time.monotonic() - deaf_since < limit:
    pass
check("the one that never reads is cut off in the end, after 30 s", 25 < time.monotonic() - deaf_since < limit,
      time.monotonic() - deaf_since)
done()
