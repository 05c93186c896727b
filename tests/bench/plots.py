# SPDX-License-Identifier: BSD-2-Clause
"""Plots of a run's JSON as SVG, by gnuplot. Colours are Okabe and Ito's, which the colour-blind can tell apart; lines
differ in point shape besides."""
import os
import subprocess

from cases_program import DRAWN, KINDS

COLOURS = {"bare": "#999999", "varp": "#0072B2", "vxlan": "#E69F00", "geneve": "#CC79A7", "ipip": "#F0E442", "wireguard": "#009E73"}
LINES = ("#0072B2", "#56B4E9", "#009E73", "#D55E00", "#E69F00", "#666666")

# label, case, metric
RATIO_BARS = (
    ("TCP,\\nsuper-packets", "tcp_super", "gbps"),
    ("TCP, MTU-\\nsize frames", "tcp_mtu", "gbps"),
    ("TCP, MTU-\\nsize, steered", "tcp_mtu_steered", "gbps"),
    ("TCP, MTU-\\nsize, 16 flows", "tcp_mtu_16", "gbps"),
    ("TCP, as on\\na wire", "tcp_wire", "gbps"),
    ("UDP 64 B,\\npackets/s", "udp_64", "kpps"),
    ("UDP 1400 B,\\npackets/s", "udp_1400", "kpps"),
    ("TCP round\\ntrips/s", "tcp_rr", "us"),
    ("UDP round\\ntrips/s", "udp_rr", "us"),
)

HEAD = """set terminal svg size {width},{height} font 'sans,13' background '#ffffff'
set output '{out}'
set title '{title}' font 'sans,15'
set border 3 lc rgb '#444444'
set tics nomirror
set grid ytics lc rgb '#dddddd' lw 1
"""


def draw(path, script, data=""):
    done = subprocess.run(["gnuplot"], input=f"$data << EOD\n{data}EOD\n{script}", stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise OSError(f"gnuplot: {path}: {done.stderr.strip()[:300]}")


def head(path, title, width=960, height=460):
    return HEAD.format(out=path, title=title, width=width, height=height)


def metric(doc, case, peer, name):
    return doc["cases"].get(case, {}).get("peers", {}).get(peer, {}).get(name)


def speed(doc, case, peer, name):
    """Of bare, more is better; None where it was not measured."""
    found = metric(doc, case, peer, name)
    value = found["ratios"].get("bare") if found else None
    if value is None:
        return None
    return value if doc["cases"][case]["metrics"][name]["more_is_better"] else 1 / value


def ratios(doc, path):
    peers = [p for p in COLOURS if p != "bare" and any(speed(doc, c, p, m) for _, c, m in RATIO_BARS)]
    rows = [(label, [speed(doc, c, p, m) for p in peers]) for label, c, m in RATIO_BARS if metric(doc, c, "varp", m)]
    if not rows:
        return False
    data = "".join(f'"{label}" ' + " ".join("NaN" if v is None else f"{v:.3f}" for v in found) + "\n" for label, found in rows)
    plots = ", ".join(f"$data using {i + 2}:xtic(1) title '{p}' lc rgb '{COLOURS[p]}', "
                      f"'' using ($0{(i - (len(peers) - 1) / 2) / (len(peers) + 1):+.3f}):{i + 2}:(sprintf('%.2f', ${i + 2})) "
                      "with labels offset 0,0.6 font 'sans,11' notitle" for i, p in enumerate(peers))
    draw(path, head(path, "Speed as a share of the bare underlay (more is better)", width=1120) + f"""
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 border lc rgb '#444444'
set yrange [0:1.3]
set bmargin 4
set key top right horizontal
set arrow from graph 0, first 1 to graph 1, first 1 nohead lc rgb '#444444' dt 2
plot {plots}
""", data)
    return True


def lookups(doc, path):
    entries = (1000, 10000, 100000, 1000000)
    kinds = [k for k in DRAWN if metric(doc, "program", "varp", f"{k}_{entries[0]}")]
    if not kinds:
        return False
    data = "".join(f"{n} " + " ".join(f"{metric(doc, 'program', 'varp', f'{k}_{n}')['median']:.1f}" for k in kinds) + "\n" for n in entries)
    plots = ", ".join(f"$data using 1:{i + 2} title '{KINDS[k]}' with linespoints lw 2 pt {(7, 6, 5, 9, 8, 13)[i]} ps 0.9 lc rgb '{LINES[i]}'"
                      for i, k in enumerate(kinds))
    draw(path, head(path, "Cost of one run, by entries in the cache (less is better)") + f"""
set logscale x
set format x '10^{{%L}}'
set xlabel 'entries in the cache'
set ylabel 'ns'
set yrange [0:*]
set key below reverse Left maxcols 3
set xrange [800:1300000]
plot {plots}
""", data)
    return True


FIRST_BARS = (
    ("bare,\\nwarm", "first_packet", "bare", "warm"), ("bare, first\\n(ARP)", "first_packet", "bare", "first"),
    ("vxlan,\\nwarm", "first_packet", "vxlan", "warm"), ("vxlan, first\\n(ARP)", "first_packet", "vxlan", "first"),
    ("varp,\\nwarm", "first_packet", "varp", "warm"), ("varp, first,\\nway back known", "first_packet_back_known", "varp", "first"),
    ("varp, first,\\nboth resolve", "first_packet", "varp", "first"),
)


def first(doc, path):
    rows = []
    for label, case, peer, name in FIRST_BARS:
        found = metric(doc, case, peer, name)
        if found:
            p99 = metric(doc, case, peer, "p99")["median"] if name == "first" else found["median"]
            rows.append((label, found["median"], p99, COLOURS[peer]))
    if not rows:
        return False
    top = 2.2 * max(median for _, median, _, _ in rows)    # one late packet in a hundred would flatten all bars
    data = "".join(f'"{label}" {median:.2f} {max(p99, median):.2f} {int(colour[1:], 16)}\n' for label, median, p99, colour in rows)
    title = "First packet and warm round trip (bar: median, whisker: 99th percentile, also beyond the frame)"
    draw(path, head(path, title) + f"set yrange [0:{top:.0f}]" + """
set boxwidth 0.6
set style fill solid 0.9 border lc rgb '#444444'
set ylabel 'us'
set bmargin 4
unset key
plot $data using 0:2:4:xtic(1) with boxes lc rgb variable, \
     '' using 0:2:(0):($3-$2) with vectors nohead lc rgb '#222222' lw 1.5, \
     '' using ($0+0.1):2:(sprintf('%.0f', $2)) with labels left offset 0.4,0.6 font 'sans,11'
""", data)
    return True


PLOTS = {"ratios.svg": ratios, "lookups.svg": lookups, "first-packet.svg": first}


def draw_all(doc, folder):
    """Returns the files drawn: a run of a few cases has not the numbers for all."""
    os.makedirs(folder, exist_ok=True)
    return [f"{folder}/{name}" for name, plot in PLOTS.items() if plot(doc, f"{folder}/{name}")]
