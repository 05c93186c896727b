# SPDX-License-Identifier: BSD-2-Clause
"""Where a run was made: kernel, processor, mitigations, versions, and how busy the machine was with other things."""
import os
import subprocess
import time

from lab import busy_seconds

PROGRAMS = {
    "iperf3": ["iperf3", "--version"],
    "sockperf": ["sockperf", "--version"],
    "iproute2": ["ip", "-V"],
    "gnuplot": ["gnuplot", "--version"],
}


def first_line(argv):
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10, check=False)
        return done.stdout.strip().splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return None


def read(path):
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def cpu_model():
    for line in (read("/proc/cpuinfo") or "").splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return os.uname().machine


def mitigations():
    folder = "/sys/devices/system/cpu/vulnerabilities"
    found = {name: read(f"{folder}/{name}") for name in sorted(os.listdir(folder))} if os.path.isdir(folder) else {}
    return {name: state for name, state in found.items() if state != "Not affected"}


def file_system(path):
    return first_line(["stat", "-f", "-c", "%T", path])


def idle_load(seconds=1.0):
    """Share of one processor that others use while nothing is measured."""
    before = busy_seconds()
    time.sleep(seconds)
    return (busy_seconds() - before) / seconds


def wait_until_quiet(end):
    """Waits, at the longest until `end` (monotonic), for a moment in which others use next to nothing."""
    while time.monotonic() < end and idle_load(0.25) > 0.12:
        time.sleep(0.5)


def describe(lab):
    memory = next((line.split()[1] for line in (read("/proc/meminfo") or "").splitlines() if line.startswith("MemTotal")), "0")
    return {
        "time": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "kernel": os.uname().release,
        "machine": os.uname().machine,
        "virtual": first_line(["systemd-detect-virt", "--vm"]),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "memory_mib": int(memory) // 1024,
        "mitigations": mitigations(),
        "bpf_jit": read("/proc/sys/net/core/bpf_jit_enable"),
        "bpf_stats": read("/proc/sys/kernel/bpf_stats_enabled"),
        "state_file_system": file_system(lab.tmp),
        "others_load": round(idle_load(), 2),
        "versions": {"varp": first_line([f"{lab.build}/varpd", "--version"]), **{n: first_line(a) for n, a in PROGRAMS.items()}},
    }
