# SPDX-License-Identifier: BSD-2-Clause
"""Cases of traffic between a and b: throughput, packet rate and round trips, and the processor time that they take. Sender on one processor,
receiver on another; request and response with both ends on one. The generators are iperf3 and sockperf."""
import json
import os
import re
import time

from lab import RAW, SUPERNET, BenchError, busy_seconds, wait_for
from model import ALL, WITH_FLOOR, Case, Goal, Metric
from peers import PEERS

MTU_FRAME = 1514


def iperf(lab, peer, seconds, *options):
    """One iperf3 run from a to b; its JSON, and the processor time and frames of the meantime."""
    return iperf_to(lab, PEERS[peer].target, seconds, *options)


def iperf_to(lab, target, seconds, *options):
    server = lab.background("b", "receive", "listening", "iperf3", "-s", "-1", "-B", target, "--forceflush")
    octets, frames = lab.frames()
    busy = busy_seconds()
    out = json.loads(lab.run("a", "send", "iperf3", "-c", target, "-t", seconds, "-J", *options, timeout=seconds + 30))
    busy = busy_seconds() - busy
    now = lab.frames()
    server.kill()
    return out["end"], busy, (now[0] - octets) / max(1, now[1] - frames)


def prepare(lab, offloads="super", steered=False):
    lab.offloads(offloads)
    lab.steer(steered)


def tcp(state, flows=1, steered=False):
    def run(lab, peer, settings):
        prepare(lab, state, steered)
        end, busy, frame = iperf(lab, peer, settings.seconds, "-P", str(flows))
        received = end["sum_received"]
        return {"gbps": received["bits_per_second"] / 1e9, "cpu": busy / (received["bytes"] / 1e9),
                "retransmits": end["sum_sent"]["retransmits"], "frame": frame}
    return run


CHANNELS = {"plain": 0, "auth": 1, "aead": 2}


def channels_before(lab, _settings):
    """A node in a channel of each mode on both hosts."""
    lab.manager("s", *(f"varpd_add {SUPERNET} 10.2.{ch}.{n} {RAW}.{n}" for ch in CHANNELS.values() for n in (1, 2)))
    key = f"{lab.tmp}/channel.key"
    with open(key, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write("5a" * 32 + "\n")
    for host, n in (("a", 1), ("b", 2)):
        for mode, ch in CHANNELS.items():
            if ch:
                lab.ctl(host, "channel", "set", SUPERNET, hex(ch), mode, "key", key)
            lab.ctl(host, "join", SUPERNET, f"10.2.{ch}.{n}/24", "channel", hex(ch), "dev", f"ch{ch}")


def merge_on_receipt(lab, on):
    """varpd of both hosts anew, with or without the socket that has the kernel merge plain channels' packets."""
    for host in "ab":
        lab.varpds[host].kill()
        lab.varpd(host, *([] if on else ["--merge", "no"]))
        wait_for(5, lambda h=host: ("varpgro" in lab.ip(h, "link", "show")) == on, f"merging of {host}: not {'on' if on else 'off'}")


def channels(steered=False):
    """By mode, one after the other; and plain without merging on receipt, which tells its share from cryptography's."""
    def one(lab, name, mode, settings):
        end, busy, _ = iperf_to(lab, f"10.2.{CHANNELS[mode]}.2", settings.seconds)
        received = end["sum_received"]
        return {name: received["bits_per_second"] / 1e9, f"{name}_cpu": busy / (received["bytes"] / 1e9)}

    def run(lab, _peer, settings):
        prepare(lab, "mtu", steered)
        numbers = {}
        for mode in CHANNELS:
            numbers |= one(lab, mode, mode, settings)
        merge_on_receipt(lab, False)
        try:
            numbers |= one(lab, "single", "plain", settings)
        finally:
            merge_on_receipt(lab, True)
        for name in ("auth", "aead", "single"):
            numbers[f"{name}_share"] = numbers[name] / numbers["plain"]
        return numbers
    return run


def channels_after(lab, _settings):
    for host, n in (("a", 1), ("b", 2)):
        for ch in CHANNELS.values():
            lab.ctl(host, "leave", SUPERNET, f"10.2.{ch}.{n}")


def udp(size):
    def run(lab, peer, settings):
        prepare(lab)
        end, busy, _ = iperf(lab, peer, settings.seconds, "-u", "-b", "0", "-l", str(size))
        total = end["sum"]
        arrived = total["packets"] - total["lost_packets"]
        return {"kpps": arrived / total["seconds"] / 1e3, "sent": total["packets"] / total["seconds"] / 1e3,
                "loss": 100 * total["lost_packets"] / total["packets"], "cpu": busy / arrived * 1e6}
    return run


def udp_paced(lab, peer, settings):
    """A rate that every peer carries with ease: nothing may be lost on the way, and processor time per packet is comparable."""
    prepare(lab)
    overrun = overruns(lab, "b")
    end, busy, _ = iperf(lab, peer, settings.seconds, "-u", "-b", "20000000", "-l", "100", "-w", "400K")
    overrun = overruns(lab, "b") - overrun
    total = end["sum"]
    return {"lost": lost_on_the_way(total["lost_packets"], overrun), "overrun": overrun, "cpu": busy / total["packets"] * 1e6}


def listens(lab, host, port):
    return f":{port} " in lab.run(host, None, "ss", "-lnutH")


def round_trip(protocol):
    options = ["--tcp"] if protocol == "tcp" else []

    def run(lab, peer, settings):
        prepare(lab)
        target = PEERS[peer].target
        server = lab.background("b", "send", None, "sockperf", "server", "-i", target, "-p", "11111", *options)
        wait_for(5, lambda: listens(lab, "b", 11111), "sockperf does not listen")
        time.sleep(0.1)
        out = lab.run("a", "send", "sockperf", "ping-pong", "-i", target, "-p", "11111", "-t", str(max(2, settings.seconds)),
                      *options)
        server.kill()
        half = re.search(r"avg-latency=([0-9.]+)", out)
        p99 = re.search(r"percentile 99\.000 = +([0-9.]+)", out)
        if not half:
            raise BenchError(f"sockperf: {out[-200:]}")
        return {"us": float(half[1]), "p99": float(p99[1]) if p99 else float("nan")}
    return run


def whole(numbers):
    return None if numbers["frame"] > 2 * MTU_FRAME else f"frames of {numbers['frame']:.0f} octets: super-packets were cut up"


def mtu_sized(numbers):
    return None if numbers["frame"] <= MTU_FRAME else f"frames of {numbers['frame']:.0f} octets: not what a wire carries"


def no_loss(numbers):
    return f"{numbers['lost']:.0f} packets were lost" if numbers["lost"] else None


def overruns(lab, host):
    """Datagrams that a host's sockets had no room for: the receiver's slowness, and no loss on the way."""
    lines = [line.split() for line in lab.run(host, None, "cat", "/proc/self/net/snmp").splitlines() if line.startswith("Udp:")]
    return int(lines[1][lines[0].index("RcvbufErrors")])


def lost_on_the_way(lost, overrun):
    """iperf3 does not count what is lost behind the last datagram that it reads, so an overrun may be larger."""
    return max(0, lost - overrun)


def tcp_metrics(*goals):
    return (Metric("gbps", "throughput", "Gbit/s", goals=goals), Metric("cpu", "processor time", "s/GB", more=False),
            Metric("retransmits", "retransmits", "", more=False), Metric("frame", "mean frame on the underlay", "B"))


def udp_metrics(*goals):
    return (Metric("kpps", "arrived", "kpps", goals=goals), Metric("sent", "sent", "kpps"), Metric("loss", "lost", "%", more=False),
            Metric("cpu", "processor time", "us/packet", more=False))


def rr_metrics():
    return (Metric("us", "half a round trip", "us", more=False, goals=(Goal(1.12, "bare", least=False),)),
            Metric("p99", "99th percentile", "us", more=False))


def channel_metrics():
    return (Metric("plain", "plain", "Gbit/s"), Metric("plain_cpu", "plain, processor time", "s/GB", more=False),
            Metric("single", "plain, not merged", "Gbit/s"),
            Metric("single_cpu", "plain, not merged, processor time", "s/GB", more=False),
            Metric("single_share", "plain, not merged against plain", "x"),
            Metric("auth", "auth", "Gbit/s"), Metric("auth_cpu", "auth, processor time", "s/GB", more=False),
            Metric("auth_share", "auth against plain", "x", goals=(Goal(0.6),)),
            Metric("aead", "aead", "Gbit/s"), Metric("aead_cpu", "aead, processor time", "s/GB", more=False),
            Metric("aead_share", "aead against plain", "x", goals=(Goal(0.3),)))


CASES = (
    Case("tcp_super", "TCP, super-packets pass whole", tcp("super"),
         tcp_metrics(Goal(0.95, "bare"), Goal(1.05, "vxlan")), WITH_FLOOR, check=whole),
    Case("tcp_super_steered", "the same, each host's packets on its own processor", tcp("super", steered=True),
         tcp_metrics(Goal(0.95, "bare"), Goal(1.05, "vxlan")), WITH_FLOOR, check=whole),
    Case("tcp_super_16", "TCP, super-packets, 16 flows", tcp("super", 16), tcp_metrics(), ALL, check=whole),
    Case("tcp_mtu", "TCP, MTU-size frames on the underlay, GRO on", tcp("mtu"), tcp_metrics(Goal(1.0, "vxlan"), Goal(0.9, "bare")), ALL,
         check=mtu_sized),
    Case("tcp_mtu_steered", "the same, each host's packets on its own processor", tcp("mtu", steered=True),
         tcp_metrics(Goal(1.0, "vxlan"), Goal(0.9, "bare")), ALL, check=mtu_sized),
    Case("tcp_mtu_16", "TCP, MTU-size frames, 16 flows", tcp("mtu", 16), tcp_metrics(), ALL, check=mtu_sized),
    Case("tcp_wire", "TCP, MTU-size frames with complete checksums, steered, as on a real wire", tcp("wire", steered=True),
         tcp_metrics(), ALL, check=mtu_sized),
    Case("channels", "TCP, MTU-size frames, by the channel's mode", channels(),
         channel_metrics(), ("varp",), before=channels_before, after=channels_after),
    Case("channels_steered", "the same, each host's packets on its own processor", channels(steered=True),
         channel_metrics(), ("varp",), before=channels_before, after=channels_after),
    Case("udp_64", "UDP 64 B, as fast as it goes", udp(64), udp_metrics(Goal(0.85, "bare"), Goal(1.35, "vxlan")), WITH_FLOOR),
    Case("udp_1400", "UDP 1400 B, as fast as it goes", udp(1400), udp_metrics(), ALL),
    Case("udp_paced", "UDP 100 B, 25 kpps", udp_paced,
         (Metric("lost", "lost on the way", "packets", more=False, goals=(Goal(0, least=False),)),
          Metric("overrun", "lost in the receiver's buffer", "packets", more=False),
          Metric("cpu", "processor time", "us/packet", more=False)), ALL, check=no_loss),
    Case("tcp_rr", "TCP request/response, both ends on one core", round_trip("tcp"), rr_metrics(), WITH_FLOOR),
    Case("udp_rr", "UDP request/response, both ends on one core", round_trip("udp"), rr_metrics(), WITH_FLOOR),
)
