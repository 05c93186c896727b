# SPDX-License-Identifier: BSD-2-Clause
"""The laboratory: hosts as network namespaces, a varpd on each, programs pinned to processors, and cleaning up.

    +-- ns P-a -----------------+             +-- ns P-b -----------------+
    | varpd -i P-a              |             | varpd -i P-b              |
    | sn0, vx0 ... (the peers)  |             | sn0, vx0 ...              |
    | eth0  198.51.100.1/24 ----+-- measured -+---- eth0  198.51.100.2/24 |
    | eth1  from the same       |             | eth1  from the same       |
    +----+----------------------+             +----+----------------------+
         | to-a                                    | to-b
    +----+-----------------------------------------+----+
    | ns P-s     varpd -i P-s, the server, 192.0.2.9    |
    +---------------------------------------------------+

P is vb and the process id, so that runs do not meet. The machine's own namespace sees nothing but names that begin with P. What is measured goes
over eth0; VARP's messages go over eth1. Used by the cases; knows nothing of what they measure.
"""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

RAW = "198.51.100"
SERVER = "192.0.2.9"
SUPERNET = "0x10"
ASKED, LEARNED, LARGE, SCANNED = "0x20", "0x21", "0x22", "0x30"
# Servers also take requests without a session: what asks them as fast as it goes has none.
SERVERS = ("s", "m")


class BenchError(Exception):
    """Something that a case needs does not work."""


def sh(*argv, **options):
    """Runs a program to its end and returns what it printed."""
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, timeout=options.pop("timeout", 120), **options)
    if done.returncode:
        raise BenchError(f"{' '.join(map(str, argv))}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def wait_for(seconds, question, what):
    """Waits until question() is true; BenchError with `what` after so many seconds."""
    end = time.monotonic() + seconds
    while not question():
        if time.monotonic() > end:
            raise BenchError(f"timed out: {what}")
        time.sleep(0.01)


def values(text):
    """`name value` lines of a helper, as numbers."""
    return {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line.strip()}


class Process:
    """A program in the background; its output goes to a file."""

    def __init__(self, argv, log):
        self.log = log
        self.argv = argv
        with open(log, "ab") as out:
            self.popen = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read().strip()

    def said(self, text):
        return text in self.output()

    def running(self):
        return self.popen.poll() is None

    def kill(self, sig=signal.SIGKILL):
        if self.running():
            self.popen.send_signal(sig)
        self.popen.wait()

    def cpu_seconds(self):
        with open(f"/proc/{self.popen.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        with open(f"/proc/{self.popen.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Lab:
    """Everything that a run makes; a context manager that removes it again."""

    def __init__(self, build, state_parent=None):
        self.build = os.path.abspath(build)
        self.prefix = f"vb{os.getpid()}"
        # Durability is measured: not below /dev/shm, and /tmp may be a memory file system.
        self.tmp = tempfile.mkdtemp(prefix=self.prefix + "-", dir=state_parent or "/var/tmp")
        os.chmod(self.tmp, 0o711)   # varpd may give up being root
        self.credentials = os.path.join(self.tmp, "credentials")
        self.namespaces, self.processes, self.varpds, self.floors = [], [], {}, {}
        self.offload_state, self.steered, self.attached = None, False, True
        cpus = sorted(os.sched_getaffinity(0))
        self.cpu = {"send": cpus[0], "receive": cpus[1] if len(cpus) > 1 else cpus[0]}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        # A second signal must not end the cleaning up half-way.
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, signal.SIG_IGN)
        for process in self.processes:
            process.kill()
        for name in self.namespaces:
            subprocess.run(["ip", "netns", "del", name], check=False)
        for host in self.varpds:
            for path in ("/sys/fs/bpf/varp", "/run/varp"):
                shutil.rmtree(f"{path}/{self.prefix}-{host}", ignore_errors=True)
        shutil.rmtree(self.tmp, ignore_errors=True)

    # --- Namespaces and links ---

    def ns(self, host):
        return f"{self.prefix}-{host}"

    def ns_add(self, host):
        sh("ip", "netns", "add", self.ns(host))
        self.namespaces.append(self.ns(host))
        sh(*self.inside(host), "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0",
           "net.ipv6.conf.all.accept_dad=0", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        self.ip(host, "link", "set", "lo", "up")

    def ip(self, host, *argv):
        return sh("ip", "-n", self.ns(host), *argv)

    def mac(self, host, dev):
        return json.loads(self.ip(host, "-j", "link", "show", "dev", dev))[0]["address"]

    def inside(self, host, cpu=None):
        """Start of a command line that runs in a host, on one processor. Not `ip netns exec`: that hides bpffs."""
        pin = ["taskset", "-c", str(self.cpu.get(cpu, cpu))] if cpu is not None else []
        return [*pin, "nsenter", f"--net=/run/netns/{self.ns(host)}", "--"]

    def link(self, host, dev, other, other_dev):
        sh("ip", "link", "add", dev, "netns", self.ns(host), "type", "veth", "peer", "name", other_dev, "netns", self.ns(other))
        self.ip(host, "link", "set", dev, "up")
        self.ip(other, "link", "set", other_dev, "up")

    def link_to_server(self, host, address, new=False):
        """Point to point, with no bridge in between whose cost would be counted. new: the host has not got that address yet."""
        self.link(host, "eth1", "s", f"to-{host}")
        if new:
            self.ip(host, "addr", "add", f"{address}/32", "dev", "eth1")
        self.ip(host, "route", "add", f"{SERVER}/32", "dev", "eth1", "src", address)
        self.ip("s", "route", "add", f"{address}/32", "dev", f"to-{host}", "src", SERVER)

    def lay(self):
        """The three hosts of the drawing, their daemons, and one supernet over them."""
        for host in "abs":
            self.ns_add(host)
        self.ip("s", "addr", "add", f"{SERVER}/32", "dev", "lo")
        self.link("a", "eth0", "b", "eth0")
        for number, host in enumerate("ab", 1):
            self.ip(host, "addr", "add", f"{RAW}.{number}/24", "dev", "eth0")
            self.link_to_server(host, f"{RAW}.{number}")
        for snid in (SUPERNET, ASKED, LEARNED, LARGE, SCANNED):
            sh(f"{self.build}/varpctl", "psk", "new", snid, "dir", self.credentials)
        for host in "sab":
            self.varpd(host)
        self.manager("s", f"varpd_server_set {SUPERNET}",
                     *(f"varpd_add {SUPERNET} 10.1.0.{n} {RAW}.{n}" for n in (1, 2)))
        for number, host in enumerate("ab", 1):
            self.ctl(host, "attach", "eth0")
            self.ctl(host, "join", SUPERNET, f"10.1.0.{number}/24", "server", SERVER, "dev", "sn0")

    def attach(self, on):
        """Off: other peers' packets pass no program of ours."""
        if on == self.attached:
            return
        for host in "ab":
            self.ctl(host, "attach" if on else "detach", "eth0")
        self.attached = on
        if on:
            wait_for(5, lambda: all(self.ctl_json(h, "status")["nodes"][0]["underlay"] for h in "ab"), "underlay of the nodes")

    # --- Offloads of the measured link ---

    OFFLOADS = {
        "super": "tso on gso on gro off tx on tx-udp_tnl-segmentation on tx-udp_tnl-csum-segmentation on",
        "mtu": "tx on tso off gso off gro on tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off",
        "wire": "tso off gso off gro on tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off tx off",
    }

    def steer(self, on):
        """On: what arrives at a host is handled by that host's processor, as a card's queues would have it. Off: whichever
        processor sent it goes on with it, so that one processor carries the whole way, and what acknowledgements set going
        on the other one overtakes and is overtaken."""
        if on == self.steered:
            return
        for host, cpu in (("a", "send"), ("b", "receive")):
            mask = f"{1 << self.cpu[cpu] if on else 0:x}"
            sh("ip", "netns", "exec", self.ns(host), "sh", "-c", f"echo {mask} >/sys/class/net/eth0/queues/rx-0/rps_cpus")
        self.steered = on

    def offloads(self, state):
        """super: super-packets cross whole. mtu: frames cross MTU-sized and GRO merges them. wire: besides, their checksums are complete, as on
        a real wire (veth hands over unfinished ones otherwise)."""
        if state == self.offload_state:
            return
        for host in "ab":
            sh(*self.inside(host), "ethtool", "-K", "eth0", *self.OFFLOADS["super"].split())
            if state != "super":
                sh(*self.inside(host), "ethtool", "-K", "eth0", *self.OFFLOADS[state].split())
        self.offload_state = state
        time.sleep(0.2)

    def frames(self, host="a"):
        """Octets and frames that a host has sent over the measured link."""
        stats = json.loads(self.ip(host, "-s", "-j", "link", "show", "dev", "eth0"))[0]["stats64"]["tx"]
        return stats["bytes"], stats["packets"]

    # --- varpd ---

    def varpd(self, host, *options):
        """Starts the host's varpd and waits until it answers."""
        started = self.varpd_run(host, *options)
        wait_for(20, lambda: self.varpd_ready(host), f"varpd of {host}: see {started.log}")
        return started

    def varpd_run(self, host, *options, cpu=None):
        state = os.path.join(self.tmp, f"state-{host}")
        os.makedirs(state, exist_ok=True)
        pin = ["taskset", "-c", str(self.cpu[cpu])] if cpu else []
        trust = ["--insecure"] if host in SERVERS else []
        process = Process([*pin, f"{self.build}/varpd", "-i", self.ns(host), "--netns", self.ns(host), "--state-dir", state,
                           "--credentials", self.credentials, *trust, "--log-level", "warning", *options], f"{self.tmp}/varpd-{host}.log")
        self.processes.append(process)
        self.varpds[host] = process
        return process

    def varpd_ready(self, host):
        if not self.varpds[host].running():
            with open(self.varpds[host].log, encoding="utf-8") as log:
                raise BenchError(f"varpd of {host} ended: {log.read()[-300:]}")
        try:
            return json.loads(self.ctl(host, "-j", "status"))["pid"] == self.varpds[host].popen.pid
        except BenchError:
            return False

    def pin(self, host, cpu):
        """Moves a varpd to one processor, or back to all (None)."""
        cpus = ",".join(map(str, sorted(os.sched_getaffinity(0)))) if cpu is None else str(self.cpu[cpu])
        sh("taskset", "-a", "-cp", cpus, self.varpds[host].popen.pid)

    def ctl(self, host, *argv):
        return sh(f"{self.build}/varpctl", "-i", self.ns(host), *argv)

    def ctl_json(self, host, *argv):
        return json.loads(self.ctl(host, "-j", *argv))

    def pins(self, host):
        root = f"/sys/fs/bpf/varp/{self.ns(host)}"
        return f"{root}/{sorted(os.listdir(root))[-1]}"

    def manager(self, host, *lines):
        """Commands to the group manager's socket; all must be answered OK."""
        answers = subprocess.run([*self.inside(host), "nc", "-N", "127.0.0.1", "2500"], input="\n".join(lines) + "\n",
                                 stdout=subprocess.PIPE, text=True, timeout=30, check=False).stdout.split("\n")[:-1]
        if answers != ["OK"] * len(lines):
            raise BenchError(f"group manager answered {answers} to {lines}")

    # --- Programs ---

    def helper(self, name):
        return f"{self.build}/bench/{name}"

    def background(self, host, cpu, ready, *argv):
        """A program in the background; returns once it has said `ready`."""
        log = f"{self.tmp}/bg-{len(self.processes)}.log"
        process = Process([*self.inside(host, cpu), *argv], log)
        self.processes.append(process)
        if ready:
            wait_for(10, lambda: process.said(ready) or not process.running(), f"{argv[0]} said nothing")
        return process

    def run(self, host, cpu, *argv, timeout=120):
        return sh(*self.inside(host, cpu), *argv, timeout=timeout)


def busy_seconds():
    """Processor time that all of the machine has used so far."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _idle, _iowait, irq, softirq = map(int, stat.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
