# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the first packet and of what must not be lost: an unknown vaddr against the warm round trip and against ARP,
varpd killed under load, a scan."""
import signal
import statistics
import time

from cases_traffic import lost_on_the_way, no_loss, overruns, prepare
from lab import RAW, SCANNED, SERVER, BenchError, values
from model import Case, Goal, Metric
from peers import PEERS

PORT = "7007"
LIVE = 1000


def forget(lab, peer, hosts):
    """A shell command after which the hosts know nothing of each other on this path."""
    if peer == "varp":
        return " && ".join(f"{lab.build}/varpctl -i {lab.ns(h)} cache flush >/dev/null" for h in hosts)
    return " && ".join(f"ip -n {lab.ns(h)} neigh flush dev {PEERS[peer].dev}" for h in hosts)


def first_packet(hosts):
    def run(lab, peer, settings):
        prepare(lab)
        target = PEERS[peer].target
        echo = lab.background("b", "receive", "ready", lab.helper("rtt"), "serve", target, PORT)
        out = lab.run("a", "send", lab.helper("rtt"), "ask", target, PORT, str(settings.samples), "2", forget(lab, peer, hosts))
        echo.kill()
        rows = [tuple(map(int, line.split())) for line in out.splitlines()]
        first = sorted(f for f, _ in rows if f >= 0)
        if not first:
            raise BenchError("no first packet was answered")
        return {"first": statistics.median(first) / 1e3, "p99": first[int(0.99 * (len(first) - 1))] / 1e3,
                "warm": statistics.median(w for _, w in rows) / 1e3, "lost": len(rows) - len(first)}
    return run


def kill_under_load(lab, peer, settings):
    """Both ends' daemons die under a stream and come back; the stream is on a cached flow."""
    prepare(lab)
    target = PEERS[peer].target
    lab.run("a", None, "ping", "-n", "-q", "-c", "2", "-i", "0.2", target)
    overrun = overruns(lab, "b")
    server = lab.background("b", "receive", "listening", "iperf3", "-s", "-1", "-B", target, "--forceflush")
    stream = lab.background("a", "send", None, "iperf3", "-c", target, "-u", "-b", "16000000", "-l", "100", "-w", "400K", "-t", "4")
    time.sleep(1)
    for host in "ab":
        lab.varpds[host].kill(signal.SIGKILL)
    time.sleep(0.5)
    for host in "ab":
        lab.varpd(host)
    stream.popen.wait(timeout=30)
    server.kill()
    with open(stream.log, encoding="utf-8") as log:
        line = [text for text in log.read().splitlines() if text.endswith("receiver")]
    if not line:
        raise BenchError("the stream broke off")
    lost, sent = line[-1].split("(")[0].split()[-1].split("/")
    overrun = overruns(lab, "b") - overrun
    return {"lost": lost_on_the_way(int(lost), overrun), "overrun": overrun, "sent": int(sent)}


def scan_prepare(lab, _settings):
    """1,000 live entries, learned as any other."""
    lab.manager("s", f"varpd_server_set {SCANNED}")
    lab.run("s", None, lab.helper("mappings"), "127.0.0.1", "2500", SCANNED, "10.32.0.2", str(LIVE), f"{RAW}.2")
    lab.ctl("a", "join", SCANNED, "10.32.0.1/11", "server", SERVER, "dev", "sn3")


def live(lab):
    return sum(1 for e in lab.ctl_json("a", "cache", "show", SCANNED) if e["state"] == "resolved")


def scan(lab, _peer, settings):
    lab.ctl("a", "cache", "flush", SCANNED)
    lab.run("a", "send", lab.helper("scatter"), lab.pins("a"), "10.32.0.2", str(LIVE), "256", "20")
    before, asked = live(lab), lab.ctl_json("a", "stats")["varp"]["requests_sent"]
    if before < LIVE:
        raise BenchError(f"only {before} of {LIVE} mappings were learned")
    start = time.monotonic()
    sent = values(lab.run("a", "send", lab.helper("scatter"), lab.pins("a"), "10.33.0.0", str(settings.scan), "0", "60"))
    time.sleep(0.5)
    stats = lab.ctl_json("a", "stats")
    seconds = time.monotonic() - start
    return {"evicted": before - live(lab), "requests": (stats["varp"]["requests_sent"] - asked) / settings.scan,
            "kpps": sent["sent"] / sent["seconds"] / 1e3, "seconds": seconds}


def scan_clean(lab, _settings):
    lab.ctl("a", "leave", SCANNED)
    lab.manager("s", f"varpd_server_clear {SCANNED}")


FIRST = (Metric("first", "first round trip", "us", more=False, goals=(Goal(4, "=warm", least=False),)),
         Metric("p99", "99th percentile", "us", more=False), Metric("warm", "warm round trip", "us", more=False),
         Metric("lost", "lost", "packets", more=False, goals=(Goal(0, least=False),)))

CASES = (
    Case("first_packet", "first packet, both hosts have to resolve (bare and vxlan: ARP)", first_packet("ab"), FIRST, ("bare", "vxlan", "varp"),
         check=no_loss),
    Case("first_packet_back_known", "first packet, the answering host knows the way back", first_packet("a"), FIRST, check=no_loss),
    Case("kill_under_load", "varpd of both ends killed and started under a 20 kpps stream", kill_under_load,
         (Metric("lost", "lost on the way", "packets", more=False, goals=(Goal(0, least=False),)),
          Metric("overrun", "lost in the receiver's buffer", "packets", more=False), Metric("sent", "sent", "packets")), check=no_loss),
    Case("scan", "a scan of unknown vaddrs, as fast as it goes", scan,
         (Metric("evicted", "live entries evicted", "", more=False, goals=(Goal(0, least=False),)),
          Metric("requests", "requests per vaddr", "", more=False, goals=(Goal(1, least=False),)), Metric("kpps", "scanned", "kpps")),
         before=scan_prepare, after=scan_clean, check=lambda n: f"{n['evicted']:.0f} live entries were evicted" if n["evicted"] else None),
)
