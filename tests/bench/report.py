# SPDX-License-Identifier: BSD-2-Clause
"""Numbers into medians, ratios, goals, tables and JSON. A ratio is the median of the ratios within each repetition, since what disturbs a repetition
disturbs all of its peers."""
import json
import math
import statistics

SCHEMA = 1


def judge(case, samples):
    """{peer: {metric: summary}}, from {peer: [numbers of one repetition, or None]}."""
    table = {}
    for peer, runs in samples.items():
        table[peer] = {}
        for metric in case.metrics:
            found = [run[metric.name] for run in runs if run]
            if found:
                table[peer][metric.name] = {
                    "median": statistics.median(found), "min": min(found), "max": max(found), "samples": found,
                    "ratios": {other: ratio(samples, metric.name, peer, other) for other in ("bare", "vxlan")
                               if other in samples and other != peer},
                    "goals": [held_against(goal, samples, metric.name, peer) for goal in metric.goals] if peer == "varp" else [],
                }
    return table


def paired(samples, peer, name, other, other_name):
    """Ratios of the repetitions in which both were measured."""
    both = zip(samples.get(peer, ()), samples.get(other, ()))
    return [p[name] / o[other_name] for p, o in both if p and o and o[other_name]]


def ratio(samples, name, peer, other):
    found = paired(samples, peer, name, other, name)
    return statistics.median(found) if found else None


def held_against(goal, samples, name, peer):
    if goal.against is None:
        value = statistics.median(run[name] for run in samples[peer] if run)
    elif goal.against[0] == "=":
        found = paired(samples, peer, name, peer, goal.against[1:])
        value = statistics.median(found) if found else None
    else:
        value = ratio(samples, name, peer, goal.against)
    met = None if value is None or math.isnan(value) else goal.met(value)
    return {"goal": str(goal), "limit": goal.limit, "against": goal.against, "value": value, "met": met}


def short(value):
    """Three digits that count."""
    if value is None or math.isnan(value):
        return "-"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    if abs(value) >= 1e6:
        return f"{value / 1e6:.2f}M"
    if abs(value) >= 1e4:
        return f"{value / 1e3:.0f}k"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def exact(value):
    """A ratio near its limit is not rounded to it."""
    return f"{value:.3f}" if value is not None and 0 < abs(value) < 10 and value != int(value) else short(value)


MARKS = {True: "met", False: "MISSED", None: "not measured"}


def verdict(goals):
    return "; ".join(f"{g['goal']}: {exact(g['value']) + ' ' if g['against'] else ''}{MARKS[g['met']]}" for g in goals)


LINE = "{:<11}{:<50}{:>10} {:<10}{:>17}{:>8}{:>8}  {}"


def lines_of(case, table):
    yield ""
    yield f"{case.name}: {case.what}"
    for metric in case.metrics:
        for peer, metrics in table.items():
            row = metrics.get(metric.name)
            if row:
                ratios = [short(row["ratios"].get(other)) if row["ratios"].get(other) is not None else "" for other in ("bare", "vxlan")]
                yield LINE.format(peer, metric.what[:49], short(row["median"]), metric.unit, f"{short(row['min'])} .. {short(row['max'])}",
                                  *ratios, verdict(row["goals"])).rstrip()


HEADER = LINE.format("peer", "what", "median", "", "min .. max", "/bare", "/vxlan", "goal")


def goals_of(cases, tables):
    """(case, metric, goal) of every goal that was held against something."""
    for case in cases:
        for metric in case.metrics:
            for goal in tables.get(case.name, {}).get("varp", {}).get(metric.name, {}).get("goals", ()):
                yield case, metric, goal


def summary(cases, tables, not_run, faults):
    yield ""
    yield "Goals:"
    for case, metric, goal in goals_of(cases, tables):
        yield f"  {MARKS[goal['met']]:<13}{case.name}, {metric.what}: {exact(goal['value'])} ({goal['goal']})"
    for title, pairs in (("Not run:", not_run), ("Faults:", faults)):
        if pairs:
            yield ""
            yield title
            for what, why in pairs:
                yield f"  {what}: {why}"


def markdown(cases, tables):
    """The tables of docs/PERFORMANCE.md: a row per number, medians of each peer, and what the goals say."""
    for case in cases:
        table = tables.get(case.name, {})
        peers = [peer for peer in table if table[peer]]
        if not peers:
            continue
        yield f"\n**{case.name}**: {case.what}\n"
        yield "| | " + " | ".join(peers) + " | of bare | of vxlan | goal |"
        yield "| --- |" + " --- |" * (len(peers) + 3)
        for metric in case.metrics:
            own = table.get("varp", {}).get(metric.name, {"ratios": {}, "goals": []})
            found = [short(table[peer][metric.name]["median"]) if metric.name in table[peer] else "" for peer in peers]
            ratios = [short(own["ratios"].get(other)) if own["ratios"].get(other) is not None else "" for other in ("bare", "vxlan")]
            yield f"| {metric.what}{', ' + metric.unit if metric.unit else ''} | " + " | ".join([*found, *ratios, verdict(own["goals"])]) + " |"


def document(environment, settings, cases, tables, not_run, faults):
    """Keys are stable: docs/PERFORMANCE.md names them."""
    return json.dumps({
        "schema": SCHEMA,
        "environment": environment,
        "settings": settings,
        "cases": {case.name: {
            "what": case.what,
            "metrics": {m.name: {"what": m.what, "unit": m.unit, "more_is_better": m.more} for m in case.metrics},
            "peers": tables[case.name],
        } for case in cases if case.name in tables},
        "not_run": [{"what": what, "why": why} for what, why in not_run],
        "faults": [{"what": what, "why": why} for what, why in faults],
    }, indent=1) + "\n"
