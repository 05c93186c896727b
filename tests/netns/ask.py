# SPDX-License-Identifier: BSD-2-Clause
"""Asks a VARP server, as a client without a session would, and prints what it said: `TYPE RADDR TTL`, one line per vaddr, or `none`.
Arguments: SERVER SNID VADDR... Called by tests/netns/test_answer.sh inside a namespace."""
import os
import random
import socket
import struct
import sys

SCALE = int(os.environ.get("VARP_TIME_SCALE", "1"))
TYPES = {2: "reply", 3: "notknown", 4: "noauthority"}


def packed(text):
    return socket.inet_pton(socket.AF_INET6, text if ":" in text else "::ffff:" + text)


def unpacked(octets):
    text = socket.inet_ntop(socket.AF_INET6, octets)
    return text.removeprefix("::ffff:")


def request(snid, vaddr, nonce):
    head = struct.pack("!BBHBBHQQ", 1, 1, 160, 0, 128, 0, 0, nonce)
    return (head + snid.to_bytes(10, "big") + bytes(6) + packed(vaddr)).ljust(160, b"\0")


def ask(sock, snid, vaddr):
    nonce = random.getrandbits(64)
    sock.send(request(snid, vaddr, nonce))
    try:
        answer = sock.recv(1000)
    except (TimeoutError, ConnectionRefusedError):
        return "none"
    if len(answer) != 160 or struct.unpack("!Q", answer[16:24])[0] != nonce or answer[40:56] != packed(vaddr):
        return "wrong"
    raddr = unpacked(answer[64:80]) if answer[4] else "-"
    return f"{TYPES.get(answer[1], answer[1])} {raddr} {struct.unpack('!I', answer[56:60])[0]}"


def main():
    server, snid = sys.argv[1], int(sys.argv[2], 16)
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2 * SCALE)
        sock.connect((server, 2500))
        for vaddr in sys.argv[3:]:
            print(ask(sock, snid, vaddr), flush=True)


main()
