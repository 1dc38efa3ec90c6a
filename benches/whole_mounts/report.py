"""The table: medians, and how far we are from the limit and from the best peer."""

import datetime
import os
import platform
import statistics

from lines import LINES


def number(value):
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def advantage(ours, other, more_is_better):
    """How many times better we are than the other."""
    if not ours or not other:
        return None
    return ours / other if more_is_better else other / ours


def table(results, limits):
    """`results`: subject -> line -> values, ourselves first; `limits`: line -> value."""
    medians = {
        subject: {line: statistics.median(values) for line, values in lines.items()}
        for subject, lines in results.items()
    }
    ours, *peers = medians
    head = ["line", "unit", ours, "limit", *peers, "of the limit", "against the best peer"]
    rows = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    for line, (unit, more_is_better) in LINES.items():
        mine = medians[ours].get(line)
        others = [medians[peer][line] for peer in peers if line in medians[peer]]
        best = (max if more_is_better else min)(others, default=None)
        of_limit = advantage(mine, limits.get(line), more_is_better)
        of_best = advantage(mine, best, more_is_better)
        rows.append(
            [line, unit, number(mine), number(limits.get(line))]
            + [number(medians[peer].get(line)) for peer in peers]
            + [f"{of_limit:.2f}" if of_limit else "-", f"{of_best:.2f} x" if of_best else "-"]
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def facts(subjects, options):
    """What the figures depend on."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) / (1 << 20)
    return "\n".join(
        [
            f"* {datetime.date.today()}, kernel {platform.release()}, {os.cpu_count()} cores, "
            f"{memory:.0f} GiB, load {load}",
            f"* scale {options.scale}, {options.repeat} repeats (median)",
            *(f"* {subject.name}: {subject.version()}" for subject in subjects),
        ]
    )
