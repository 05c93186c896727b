# SPDX-License-Identifier: BSD-2-Clause
"""Cases of the control plane: answers of a server, misses resolved, mappings through the text socket, memory, restart. The load comes from the helper
programs (tests/bench/*.c), since no common tool speaks VARP."""
import json
import shutil
import signal
import time

from lab import ASKED, LARGE, LEARNED, RAW, SERVER, BenchError, sh, values, wait_for
from model import Case, Goal, Metric

BASE = "10.64.0.2"
ANSWER_MAPPINGS = 100000
CACHE_MAX = 1310720


def add_mappings(lab, host, snid, count, raddr=f"{RAW}.2", cpu=None):
    got = values(lab.run(host, cpu, lab.helper("mappings"), "127.0.0.1", "2500", snid, BASE, str(count), raddr))
    if got["ok"] != count:
        raise BenchError(f"{got['refused']:.0f} of {count} mappings were refused")
    return got["seconds"]


# --- The server's answers ---

def serve_prepare(lab, settings):
    lab.manager("s", f"varpd_server_set {ASKED}")
    add_mappings(lab, "s", ASKED, min(ANSWER_MAPPINGS, settings.mappings))
    lab.pin("s", "receive")


def serve(lab, _peer, settings, server=SERVER):
    count = min(ANSWER_MAPPINGS, settings.mappings)
    busy = lab.varpds["s"].cpu_seconds()
    got = values(lab.run("a", "send", lab.helper("ask"), "rate", server, "2500", ASKED, BASE, str(count), "256",
                         str(settings.seconds)))
    busy = lab.varpds["s"].cpu_seconds() - busy
    return {"rate": got["answers"] / got["seconds"], "share": 100 * busy / got["seconds"], "cpu": busy / got["answers"] * 1e6,
            "lost": got["lost"], "other": got["other"]}


def serve_clean(lab, _settings):
    lab.pin("s", None)
    lab.manager("s", f"varpd_server_clear {ASKED}")


# --- The same from XDP: generic, since a veth interface needs a program at its other end to take what native XDP sends ---

XDP_SERVER = "192.0.2.8"


def xdp_prepare(lab, settings):
    lab.varpds["s"].kill(signal.SIGTERM)
    lab.varpd("s", "--answers", "xdp-generic")
    lab.ip("s", "addr", "add", f"{XDP_SERVER}/32", "dev", "to-a")
    lab.ip("a", "route", "add", f"{XDP_SERVER}/32", "dev", "eth1", "src", f"{RAW}.1")
    lab.ctl("s", "attach", "to-a")
    serve_prepare(lab, settings)
    wait_for(20, lambda: xdp_answers(lab), "answers from XDP")


def xdp_answers(lab):
    served = {server["snid"]: server.get("answers") for server in lab.ctl_json("s", "status")["servers"]}
    return served.get(f"0x{int(ASKED, 16):020x}") == "xdp"


def serve_xdp(lab, peer, settings):
    before = lab.ctl_json("s", "stats")["varp"]["answered_by_xdp"]
    numbers = serve(lab, peer, settings, XDP_SERVER)
    answered = lab.ctl_json("s", "stats")["varp"]["answered_by_xdp"] - before
    return {**numbers, "in_xdp": 100 * answered / (numbers["rate"] * settings.seconds)}


def xdp_clean(lab, settings):
    serve_clean(lab, settings)
    lab.ctl("s", "detach", "to-a")
    lab.varpds["s"].kill(signal.SIGTERM)
    lab.varpd("s")


# --- Learning ---

def learn_prepare(lab, settings):
    lab.manager("s", f"varpd_server_set {LEARNED}")
    add_mappings(lab, "s", LEARNED, settings.learn)
    lab.ctl("a", "join", LEARNED, "10.64.0.1/11", "server", SERVER, "dev", "sn2")
    lab.pin("a", "receive")
    lab.pin("s", "send")


def learn(lab, _peer, settings):
    lab.ctl("a", "cache", "flush", LEARNED)
    busy = lab.varpds["a"].cpu_seconds()
    got = values(lab.run("a", "send", lab.helper("scatter"), lab.pins("a"), BASE, str(settings.learn), "2048", "60"))
    busy = lab.varpds["a"].cpu_seconds() - busy
    return {"rate": got["resolved"] / got["seconds"], "cpu": busy / got["resolved"] * 1e6 if got["resolved"] else float("nan"),
            "lost": got["sent"] - got["resolved"]}


def learn_clean(lab, _settings):
    lab.pin("a", None)
    lab.pin("s", None)
    lab.ctl("a", "leave", LEARNED)
    lab.manager("s", f"varpd_server_clear {LEARNED}")


# --- A large table: a server of its own each time, so that none finds what another left ---

def fresh(lab, host):
    if host in lab.varpds:
        lab.varpds[host].kill(signal.SIGTERM)
        shutil.rmtree(f"{lab.tmp}/state-{host}")
    else:
        lab.ns_add(host)


def answered_again(lab, host, snid, vaddr, started):
    out = values(lab.run(host, "send", lab.helper("ask"), "until", "127.0.0.1", "2500", snid, vaddr, "60"))
    return out["when"] - started


def large_table(lab, _peer, settings):
    fresh(lab, "m")
    server = lab.varpd("m")
    lab.manager("m", f"varpd_server_set {LARGE}")
    empty = server.resident_bytes()
    seconds = add_mappings(lab, "m", LARGE, settings.mappings, cpu="send")
    memory = (server.resident_bytes() - empty) / settings.mappings
    answered_again(lab, "m", LARGE, BASE, 0)
    killed = time.monotonic()
    server.kill(signal.SIGKILL)
    lab.varpd_run("m")
    back = answered_again(lab, "m", LARGE, BASE, killed)
    wait_until_ready(lab, "m")
    served = lab.ctl_json("m", "status")["servers"][0]["mappings"]
    return {"seconds": seconds, "rate": settings.mappings / seconds, "memory": memory, "restart": back,
            "missing": settings.mappings - served}


def wait_until_ready(lab, host):
    end = time.monotonic() + 60
    while not lab.varpd_ready(host):
        if time.monotonic() > end:
            raise BenchError(f"varpd of {host} does not come back")
        time.sleep(0.02)


# --- A large cache: a client that is killed with it ---

def full_cache_prepare(lab, settings):
    lab.ns_add("c")
    lab.link_to_server("c", "192.0.2.3", new=True)
    lab.varpd("c", "--cache-max", str(CACHE_MAX))
    lab.ctl("c", "attach", "eth1")
    lab.manager("s", f"varpd_server_set {LARGE}")
    add_mappings(lab, "s", LARGE, 1000)
    lab.ctl("c", "join", LARGE, "10.64.0.1/9", "server", SERVER, "dev", "sn0")
    sh(lab.helper("fill"), lab.pins("c"), LARGE, "10.96.0.0", str(settings.mappings), f"{RAW}.2")


def cache_memory(lab, host):
    """Octets of kernel memory per entry of the cache's size."""
    shown = json.loads(sh("bpftool", "-j", "map", "show", "pinned", f"{lab.pins(host)}/varp_cache"))
    return shown["bytes_memlock"] / shown["max_entries"]


def full_cache(lab, _peer, settings):
    full_cache.turn += 1
    killed = time.monotonic()
    lab.varpds["c"].kill(signal.SIGKILL)
    lab.varpd_run("c", "--cache-max", str(CACHE_MAX))
    vaddr = f"10.64.0.{1 + full_cache.turn}"
    got = values(lab.run("c", "send", lab.helper("scatter"), lab.pins("c"), vaddr, "1", "1", "30"))
    back = time.monotonic() - killed
    wait_until_ready(lab, "c")
    if not got["resolved"]:
        raise BenchError("the miss was never served")
    return {"restart": back, "memory": cache_memory(lab, "c"), "resident": lab.varpds["c"].resident_bytes() / 1e6}


full_cache.turn = 0


def full_cache_clean(lab, _settings):
    lab.varpds["c"].kill(signal.SIGTERM)
    lab.manager("s", f"varpd_server_clear {LARGE}")


CASES = (
    Case("server", "answers of a server in user space, on one core", serve,
         (Metric("rate", "answers", "1/s", goals=(Goal(200000),)), Metric("share", "use of its core", "%"),
          Metric("cpu", "processor time", "us/answer", more=False), Metric("lost", "lost", "", more=False)),
         before=serve_prepare, after=serve_clean, check=lambda n: "answers that are no REPLY" if n["other"] else None),
    Case("server_xdp", "answers of a server from XDP (generic), as fast as one client asks", serve_xdp,
         (Metric("rate", "answers", "1/s"), Metric("share", "varpd's use of its core", "%", more=False),
          Metric("in_xdp", "answered in XDP", "%")),
         before=xdp_prepare, after=xdp_clean, check=lambda n: "answers that are no REPLY" if n["other"] else None),
    Case("learning", "misses resolved, client's varpd on one core", learn,
         (Metric("rate", "misses resolved", "1/s", goals=(Goal(100000),)),
          Metric("cpu", "processor time of the client's varpd", "us/miss", more=False),
          Metric("lost", "lost", "packets", more=False, goals=(Goal(0, least=False),))), before=learn_prepare, after=learn_clean),
    Case("mappings", "1,000,000 mappings through the text socket, durable; then kill -9", large_table,
         (Metric("seconds", "added in", "s", more=False, goals=(Goal(2.5, least=False),)), Metric("rate", "added", "1/s"),
          Metric("memory", "server's memory", "B/mapping", more=False),
          Metric("restart", "kill -9 to first answer", "s", more=False, goals=(Goal(1.0, least=False),)),
          Metric("missing", "mappings lost", "", more=False, goals=(Goal(0, least=False),))),
         check=lambda n: "mappings are missing after kill -9" if n["missing"] else None),
    Case("full_cache", "client with 1,000,000 cached entries; kill -9", full_cache,
         (Metric("restart", "kill -9 to first miss served", "s", more=False, goals=(Goal(1.0, least=False),)),
          Metric("memory", "kernel's memory", "B/entry", more=False), Metric("resident", "varpd's memory", "MB", more=False)),
         before=full_cache_prepare, after=full_cache_clean),
)
