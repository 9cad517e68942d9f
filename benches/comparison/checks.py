"""Rounds of checks: the same questions to every program, in turns; wrk is the client."""

import http.client
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from .cerbos import NAME as REFERENCE
from .load import DONE, header_lines, run_wrk
from .programs import Failed
from .report import aligned, figures
from .rounds import SETTLE_SECONDS, Contest, Contestant, MachineTime, Turn

# Every request is made before the first is sent, so that the client has little to do while it measures.
SCRIPT = """
{headers}
wrk.method = "POST"
local requests, last = {{}}, 0
function init()
  for body in io.lines("{bodies}") do
    requests[#requests + 1] = wrk.format(nil, "{path}", nil, body)
  end
end
function request()
  last = last % #requests + 1
  return requests[last]
end
"""


@dataclass(frozen=True)
class CheckTurn(Turn):
    """A turn, and the CPU time that the database beside the program spent on each check."""

    store_us_per_call: float = 0.0


class Questions:
    """The client: asks each program the same, in its own words."""

    def __init__(self, wrk, queries, directory):
        self.wrk = wrk
        self.queries = queries
        self.directory = Path(directory)

    def verdicts(self, server):
        """One by one: what it says to each."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            return [self._ask(connection, server, query) for query in self.queries]
        finally:
            connection.close()

    @staticmethod
    def _ask(connection, server, query):
        connection.request("POST", server.path, server.body(query), server.headers)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise Failed(f"{server.name} answered {response.status} to {query}: {body!r}")
        return server.allows(json.loads(body))

    def script(self, server):
        """What wrk sends to it: the same questions, over and over."""
        name = server.name.replace(", ", "-").replace(" ", "-")
        bodies, script = self.directory / f"{name}.bodies", self.directory / f"{name}.lua"
        bodies.write_text("\n".join(map(server.body, self.queries)) + "\n")
        lines = header_lines(server.headers)
        script.write_text(SCRIPT.format(headers=lines, bodies=bodies, path=server.path) + DONE)
        return script

    def run(self, name, target, connections, seconds):
        """`target`: a server, and its script."""
        server, script = target
        return run_wrk(self.wrk, script, name, f"http://127.0.0.1:{server.port}/", connections, seconds)


class CheckContest(Contest):
    """Rounds of checks. A program that says that it records each check must have, at the end of every turn."""

    def __init__(self, servers, client):
        contestants = [Contestant(one.name, one.program, (one, client.script(one))) for one in servers]
        super().__init__(contestants, client, backend=None, oakgate=None)

    def turn(self, contestant, connections, number, seconds):
        server, _ = contestant.target
        records = server.records()
        cpu, store, machine = server.program.cpu_time(), _cpu_us(server.store), MachineTime.now()
        load = self.client.run(contestant.name, contestant.target, connections, seconds)
        time.sleep(SETTLE_SECONDS)
        cpu, store = server.program.cpu_time().since(cpu), _cpu_us(server.store) - store
        other, stolen = machine.shares(cpu.total_us + store + load.client_us)
        _check_records(server, records, load.calls, connections)
        return CheckTurn(
            name=contestant.name,
            connections=connections,
            round=number,
            calls=load.calls,
            seconds=load.duration_us / 1e6,
            user_us_per_call=cpu.user_us / load.calls,
            system_us_per_call=cpu.system_us / load.calls,
            p50_us=load.p50_us,
            p99_us=load.p99_us,
            other_share=other,
            stolen_share=stolen,
            store_us_per_call=store / load.calls,
        )


def _cpu_us(program):
    return program.cpu_time().total_us if program else 0.0


def _check_records(server, before, calls, connections):
    """Checks that were cut off at the end of a turn may be recorded, and wrk has not counted them."""
    if before is None:
        return
    found = server.records() - before
    if not calls <= found <= calls + connections:
        raise Failed(f"{calls} checks came back from {server.name}, and it recorded {found}")


def table(turns, memory):
    """The figures as text. Medians over the rounds; ranges in brackets."""
    head = ["", "checks/s", f"x {REFERENCE}", "p50 ms", "p99 ms", "CPU us a check", f"x {REFERENCE}", "database us"]
    parts = []
    all_figures = figures(turns, lambda _name: REFERENCE)
    for connections in dict.fromkeys(one.connections for one in all_figures):
        rows = [[*head, "MiB idle", "MiB after"]]
        for one in all_figures:
            if one.connections == connections:
                rows.append(_row(one, turns, memory[one.name]))
        parts.append(f"{connections} connection{'s' if connections > 1 else ''}\n{aligned(rows)}")
    return "\n\n".join(parts)


def _row(one, turns, memory):
    rates = _of(turns, one, lambda turn: turn.calls / turn.seconds)
    rivals = {turn.round: turn.calls / turn.seconds for turn in turns if _is(turn, REFERENCE, one.connections)}
    ratios = [turn.calls / turn.seconds / rivals[turn.round] for turn in turns if _is(turn, one.name, one.connections)]
    return [
        one.name,
        f"{median(rates):,.0f} [{min(rates):,.0f}-{max(rates):,.0f}]",
        f"{median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]",
        f"{one.p50_us / 1e3:.2f}",
        f"{one.p99_us / 1e3:.2f}",
        f"{one.us_per_call:.1f} [{one.us_per_call_min:.1f}-{one.us_per_call_max:.1f}]",
        f"{one.ratio:.2f} [{one.ratio_min:.2f}-{one.ratio_max:.2f}]",
        f"{median(_of(turns, one, lambda turn: turn.store_us_per_call)):.1f}",
        f"{memory['idle_kib'] / 1024:.1f}",
        f"{memory['after_kib'] / 1024:.1f}",
    ]


def _is(turn, name, connections):
    return (turn.name, turn.connections) == (name, connections)


def _of(turns, one, figure):
    return [figure(turn) for turn in turns if _is(turn, one.name, one.connections)]


def as_json(setting, turns, memory):
    document = {
        "setting": setting,
        "figures": [asdict(one) for one in figures(turns, lambda _name: REFERENCE)],
        "memory": memory,
        "turns": [{**asdict(turn), "us_per_call": turn.us_per_call} for turn in turns],
    }
    return json.dumps(document, indent=2) + "\n"
