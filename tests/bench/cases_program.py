# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the BPF programs by themselves: nanoseconds per run and per lookup, by entries in the cache, and per answer from XDP, by mappings
in the mirror. tests/bench/progs.c and answers.c measure."""
from lab import sh
from model import Case, Goal, Metric

KINDS = {
    "encap_hot": "encapsulation, 64 destinations in use",
    "encap_cold": "encapsulation, any destination",
    "decap": "decapsulation",
    "lookup_hot": "one lookup, 64 destinations in use",
    "lookup_cold": "one lookup, any destination",
    "hash_cold": "the same in a hash map that is not LRU",
    "slab_cold": "the same in one that is not preallocated",
    "array_cold": "one read from an array of as many values",
}
OURS = ("encap_hot", "encap_cold", "lookup_hot", "lookup_cold")     # what may grow with the cache; the others are compared with
DRAWN = ("encap_hot", "encap_cold", "decap", "lookup_hot", "lookup_cold", "array_cold")
GROWTH = "growth"


def program(lab, _peer, settings):
    out = sh("taskset", "-c", lab.cpu["receive"], lab.helper("progs"), f"{lab.build}/gen/varp.bpf.o", settings.program_runs, *settings.entries)
    numbers = {}
    for line in out.splitlines():
        kind, entries, ns = line.split()
        numbers[f"{kind}_{entries}" if kind != "clock" else kind] = float(ns)
    few, many = settings.entries[0], settings.entries[-1]
    for kind in OURS:
        numbers[f"{kind}_{GROWTH}"] = numbers[f"{kind}_{many}"] / numbers[f"{kind}_{few}"]
    return numbers


def metrics(entries):
    rows = []
    for kind, what in KINDS.items():
        rows += [Metric(f"{kind}_{n}", f"{what}; {n:,} entries", "ns", more=False) for n in entries]
        if kind in OURS:
            rows.append(Metric(f"{kind}_{GROWTH}", f"{what}; {entries[-1]:,} against {entries[0]:,}", "x", more=False,
                               goals=(Goal(1.5, least=False),)))
    return tuple(rows)


ANSWERS = {
    "answer_session": "answer from XDP in a session",
    "answer_plain": "answer from XDP without one (--insecure)",
    "answer_notknown": "negative answer from XDP in a session",
    "answer_passing": "a frame that is no request",
}
MIRRORED = (1000, 1000000)


def answers(lab, _peer, settings):
    out = sh("taskset", "-c", lab.cpu["receive"], lab.helper("answers"), f"{lab.build}/gen/answer.bpf.o", settings.program_runs, *MIRRORED)
    return {f"{kind}_{entries}": float(ns) for kind, entries, ns in map(str.split, out.splitlines())}


def answer_metrics():
    rows = [Metric(f"{kind}_{n}", f"{what}; {n:,} mappings", "ns", more=False,
                   goals=(Goal(600, least=False),) if (kind, n) == ("answer_session", MIRRORED[0]) else ())
            for kind, what in ANSWERS.items() for n in MIRRORED]
    return tuple(rows)


CASES = (Case("program", "cost of the programs by entries in the cache", program, metrics((1000, 10000, 100000, 1000000))),
         Case("answers", "cost of answers from XDP by mappings in the mirror", answers, answer_metrics()))
