# SPDX-License-Identifier: BSD-2-Clause
"""What a case is: a row of a table, with the numbers that it yields and the goals that they are held against.

A case's run(lab, peer, settings) measures once and returns {metric: number}; repeating, interleaving and judging is the driver's.
"""
from dataclasses import dataclass, field
from typing import Callable, Optional


@dataclass(frozen=True)
class Goal:
    limit: float
    against: Optional[str] = None   # peer, or "=metric" of the same peer; None: the number itself
    least: bool = True              # at least the limit, else at most

    def met(self, value):
        return value >= self.limit if self.least else value <= self.limit

    def __str__(self):
        of = "" if not self.against else " " + (self.against[1:] if self.against[0] == "=" else self.against)
        return f"{'>=' if self.least else '<='} {self.limit:g}{' x' if of else ''}{of}"


@dataclass(frozen=True)
class Metric:
    name: str
    what: str
    unit: str
    more: bool = True               # more is better
    goals: tuple = ()               # for varp


@dataclass(frozen=True)
class Case:
    name: str
    what: str
    run: Callable                   # (lab, peer, settings) -> {metric: number}
    metrics: tuple
    peers: tuple = ("varp",)        # names, or ALL
    before: Optional[Callable] = None   # (lab, settings), once before the repetitions
    after: Optional[Callable] = None
    check: Optional[Callable] = None    # ({metric: number}) -> what is wrong with one measurement, or None
    why_not: Callable = field(default=lambda lab: None)   # (lab) -> why this cannot be run here


ALL = ("bare", "vxlan", "varp", "geneve", "ipip", "wireguard")
WITH_FLOOR = ALL + ("floor",)       # what is the kernel's own part in a tunnel made of TC programs


@dataclass(frozen=True)
class Settings:
    quick: bool
    seconds: int                    # of a traffic case's run
    mappings: int                   # a large table
    learn: int                      # vaddrs to learn
    scan: int
    samples: int                    # first packets
    program_runs: int
    entries: tuple = (1000, 10000, 100000, 1000000)
