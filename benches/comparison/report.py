"""From turns to figures: medians and ranges, a table for people, JSON for programs."""

import json
from dataclasses import asdict, dataclass
from statistics import median

REFERENCE = "nginx"


@dataclass(frozen=True)
class Figures:
    """One program at one number of connections, over all rounds."""

    name: str
    connections: int
    us_per_call: float
    us_per_call_min: float
    us_per_call_max: float
    user_us_per_call: float
    system_us_per_call: float
    ratio: float
    ratio_min: float
    ratio_max: float
    calls_per_second: float
    p50_us: float
    p99_us: float


def figures(turns, reference_of=lambda _name: REFERENCE):
    """Figures of every contestant and number of connections, in the order in which they first took a turn."""
    keys = dict.fromkeys((turn.connections, turn.name) for turn in turns)
    of_key = {key: [turn for turn in turns if (turn.connections, turn.name) == key] for key in keys}
    return [_figures(own, of_key[(connections, reference_of(name))]) for (connections, name), own in of_key.items()]


def _figures(own, reference_turns):
    connections = own[0].connections
    reference = {turn.round: turn.us_per_call for turn in reference_turns}
    # A ratio is of two turns of one round: what else the machine did then, it did to both.
    ratios = [turn.us_per_call / reference[turn.round] for turn in own]
    costs = [turn.us_per_call for turn in own]
    return Figures(
        name=own[0].name,
        connections=connections,
        us_per_call=median(costs),
        us_per_call_min=min(costs),
        us_per_call_max=max(costs),
        user_us_per_call=median(turn.user_us_per_call for turn in own),
        system_us_per_call=median(turn.system_us_per_call for turn in own),
        ratio=median(ratios),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
        calls_per_second=median(turn.calls / turn.seconds for turn in own),
        p50_us=median(turn.p50_us for turn in own),
        p99_us=median(turn.p99_us for turn in own),
    )


def table(all_figures, memory):
    """The figures as text. Medians over the rounds; ranges in brackets."""
    head = ["", "CPU us a call", "x nginx", "user", "sys", "calls/s", "MiB idle", "MiB after"]
    parts = []
    for connections in dict.fromkeys(one.connections for one in all_figures):
        rows = [head] + [_row(one, memory[one.name]) for one in all_figures if one.connections == connections]
        parts.append(f"{connections} connection{'s' if connections > 1 else ''}\n{aligned(rows)}")
    return "\n\n".join(parts)


def _row(one, memory):
    return [
        one.name,
        f"{one.us_per_call:.1f} [{one.us_per_call_min:.1f}-{one.us_per_call_max:.1f}]",
        f"{one.ratio:.2f} [{one.ratio_min:.2f}-{one.ratio_max:.2f}]",
        f"{one.user_us_per_call:.1f}",
        f"{one.system_us_per_call:.1f}",
        f"{one.calls_per_second:,.0f}",
        f"{memory['idle_kib'] / 1024:.1f}",
        f"{memory['after_kib'] / 1024:.1f}",
    ]


def edges_table(turns, kept):
    """The ways beside each other: each beside the same program's plain HTTP/1.1, and beside nginx the same way."""
    head = ["", "CPU us a call", "x HTTP/1.1", "x nginx", "user", "sys", "KiB a connection", "left after"]
    beside_plain = figures(turns, lambda name: f"{name.partition(', ')[0]}, HTTP/1.1")
    beside_nginx = figures(turns, lambda name: f"{REFERENCE}, {name.partition(', ')[2]}")
    idle = {one.name: one for one in kept}
    parts = []
    for connections in dict.fromkeys(one.connections for one in beside_plain):
        rows = [head]
        for plain, nginx in zip(beside_plain, beside_nginx):
            if plain.connections == connections:
                rows.append(_edges_row(plain, nginx, idle.get(plain.name)))
        parts.append(f"{connections} connection{'s' if connections > 1 else ''}\n{aligned(rows)}")
    return "\n\n".join(parts)


def _edges_row(plain, nginx, idle):
    return [
        plain.name,
        f"{plain.us_per_call:.1f} [{plain.us_per_call_min:.1f}-{plain.us_per_call_max:.1f}]",
        f"{plain.ratio:.2f} [{plain.ratio_min:.2f}-{plain.ratio_max:.2f}]",
        f"{nginx.ratio:.2f} [{nginx.ratio_min:.2f}-{nginx.ratio_max:.2f}]",
        f"{plain.user_us_per_call:.1f}",
        f"{plain.system_us_per_call:.1f}",
        f"{idle.kib_each:.1f}" if idle else "",
        f"{idle.kib_each_left:.1f}" if idle else "",
    ]


def aligned(rows):
    """Rows of cells as lines, the first column to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join([row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])])
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def noise(turns):
    """What else went on, in one line."""
    other = [turn.other_share for turn in turns]
    stolen = [turn.stolen_share for turn in turns]
    return (
        f"Others used {median(other):.0%} of the machine in the median turn, {max(other):.0%} in the worst; "
        f"stolen: {median(stolen):.0%}, {max(stolen):.0%}."
    )


def as_json(setting, turns, all_figures, memory):
    document = {
        "setting": setting,
        "figures": [asdict(one) for one in all_figures],
        "memory": memory,
        "turns": [{**asdict(turn), "us_per_call": turn.us_per_call} for turn in turns],
    }
    return json.dumps(document, indent=2) + "\n"


def edges_json(setting, turns, kept):
    document = {
        "setting": setting,
        "idle": [asdict(one) for one in kept],
        "turns": [{**asdict(turn), "us_per_call": turn.us_per_call} for turn in turns],
    }
    return json.dumps(document, indent=2) + "\n"
