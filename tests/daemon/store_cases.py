# SPDX-License-Identifier: BSD-2-Clause
"""Group managers that write a lot. Arguments: "flood ROUND" prints how many commands have been answered OK so far, again and
again until varpd dies; "fill INSTANCE" adds until the disk is full and prints what came of it. Run by test_store.sh."""

import sys

from tap import MANAGER, Control, connect, say, words


def vaddr(i):
    return "10.%d.%d.%d" % (i >> 16, i >> 8 & 255, i & 255)


def flood(number):
    answered = 0
    with connect(MANAGER) as sock:
        try:
            for at in range(1, 1000000, 100):
                sock.sendall("".join(f"varpd_add 0x{number} {vaddr(i)} 192.0.2.1\n" for i in range(at, at + 100)).encode())
                while answered < at + 99:
                    data = sock.recv(1 << 16)
                    if not data:
                        return
                    answered += data.count(b"OK\n")
                    print(answered, flush=True)
        except OSError:
            return


def fill(instance):
    answers, stored, at = [], [], 1
    while at < 100000 and "ERR storage" not in answers:
        some = [vaddr(i) for i in range(at, at + 200)]
        answers = words(say("".join(f"varpd_add 0x1 {one} 192.0.2.1\n" for one in some).encode()))
        stored += [one for one, answer in zip(some, answers) if answer == "OK"]
        at += 200
    control = Control(instance)
    print("refused", sorted(set(answers)), len(answers))
    print("same" if control.vaddrs("0x1") == sorted(stored) else "other", control.result("status")["mappings"] - len(stored))
    print("stored", len(stored))


if sys.argv[1] == "flood":
    flood(sys.argv[2])
else:
    fill(sys.argv[2])
