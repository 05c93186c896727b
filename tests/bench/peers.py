# SPDX-License-Identifier: BSD-2-Clause
"""The peers: ways for a to reach b over the measured link, side by side. One row each; what the kernel does not offer says why."""
import shutil
from dataclasses import dataclass
from typing import Callable

from lab import RAW, BenchError, sh, wait_for


@dataclass(frozen=True)
class Peer:
    name: str
    net: str                # a is .1 of it, b is .2
    dev: str
    add: Callable           # (lab, host, own raddr, other's raddr)

    @property
    def target(self):
        return self.net + ".2"


def nothing(_lab, _host, _own, _other):
    """Is there already."""


def tunnel(kind, dev, *options):
    """A device of the kernel's with `ip link add`; LOCAL and REMOTE stand for the addresses."""
    def add(lab, host, own, other):
        lab.ip(host, "link", "add", dev, "type", kind,
               *({"LOCAL": own, "REMOTE": other}.get(word, word) for word in options))
    return add


def wireguard(lab, host, own, other):
    lab.ip(host, "link", "add", "wg0", "type", "wireguard")
    if not shutil.which("wg"):
        raise BenchError("wg is not installed (package wireguard-tools)")
    secrets = {h: f"{lab.tmp}/wg-{h}" for h in "ab"}
    public = {}
    for h, path in secrets.items():
        try:
            with open(path, "x", encoding="ascii") as file:
                file.write(sh("wg", "genkey"))
        except FileExistsError:
            pass
        with open(path, encoding="ascii") as file:
            public[h] = sh("sh", "-c", f"wg pubkey <{file.name}").strip()
    sh(*lab.inside(host), "wg", "set", "wg0", "listen-port", "51820", "private-key", secrets[host],
       "peer", public["b" if host == "a" else "a"], "allowed-ips", "10.12.0.0/24", "endpoint", f"{other}:51820")


def floor(lab, host, _own, _other):
    lab.ip(host, "link", "add", "fl0", "type", "veth", "peer", "name", "fl1")
    lab.ip(host, "link", "set", "fl1", "up")
    lab.ip(host, "link", "set", "fl0", "arp", "off", "mtu", "1436")
    select(lab, "floor", (host,))


PEERS = {peer.name: peer for peer in (
    Peer("bare", RAW, "eth0", nothing),
    Peer("vxlan", "10.9.0", "vx0", tunnel("vxlan", "vx0", "id", "42", "local", "LOCAL", "remote", "REMOTE", "dev", "eth0",
                                          "dstport", "4789")),
    Peer("varp", "10.1.0", "sn0", nothing),
    Peer("geneve", "10.10.0", "gn0", tunnel("geneve", "gn0", "id", "42", "remote", "REMOTE", "dstport", "6181")),
    Peer("ipip", "10.11.0", "ip0", tunnel("ipip", "ip0", "local", "LOCAL", "remote", "REMOTE")),
    Peer("wireguard", "10.12.0", "wg0", wireguard),
    Peer("floor", "10.13.0", "fl0", floor),
)}


def select(lab, name, hosts=("a", "b")):
    """While a peer is measured, packets pass no program of another's."""
    lab.attach(name == "varp")
    for host in hosts:
        if name == "floor" and host not in lab.floors:
            own, other = (1, 2) if host == "a" else (2, 1)
            lab.floors[host] = lab.background(host, None, "ready", lab.helper("floor"), "fl0", "eth0", f"{RAW}.{own}", f"{RAW}.{other}",
                                              lab.mac("b" if host == "a" else "a", "eth0"))
            if not lab.floors[host].running():
                raise BenchError(f"floor: {lab.floors.pop(host).output()}")
        elif name != "floor" and host in lab.floors:
            lab.floors.pop(host).kill()


def answers(lab, peer):
    try:
        lab.run("a", None, "ping", "-n", "-q", "-c", "1", "-W", "1", peer.target)
        return True
    except BenchError:
        return False


def set_up(lab, names):
    """Makes the peers. Returns those that work, and {name: reason} of the others."""
    working, missing = [], {}
    for name in names:
        peer = PEERS[name]
        try:
            for number, host in enumerate("ab", 1):
                peer.add(lab, host, f"{RAW}.{number}", f"{RAW}.{3 - number}")
                if peer.add is not nothing:
                    lab.ip(host, "addr", "add", f"{peer.net}.{number}/24", "dev", peer.dev)
                    lab.ip(host, "link", "set", peer.dev, "up")
            select(lab, name)
            wait_for(5, lambda p=peer: answers(lab, p), "no answer to a ping")
            working.append(name)
        except BenchError as error:
            missing[name] = str(error)
    return working, missing
