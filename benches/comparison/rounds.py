"""The measurement: rounds in which every contestant has one turn, in an order drawn anew."""

import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .programs import TICKS_PER_SECOND, Failed, Program

WARM_UP_SECONDS = 1
# After a turn, until what a program has put off (such as audit records) is done and paid for.
SETTLE_SECONDS = 0.2


@dataclass(frozen=True)
class Contestant:
    """What takes turns: a program, and where the client calls it (what that is, the client knows)."""

    name: str
    program: Program
    target: object


@dataclass(frozen=True)
class Turn:
    """One contestant, one number of connections, one round."""

    name: str
    connections: int
    round: int
    calls: int
    seconds: float
    user_us_per_call: float
    system_us_per_call: float
    p50_us: int
    p99_us: int
    # Share of the machine that others used meanwhile, and that the machine's own host withheld.
    other_share: float
    stolen_share: float

    @property
    def us_per_call(self):
        return self.user_us_per_call + self.system_us_per_call


class Contest:
    """Those that take turns, the client and the backend. `oakgate` is checked at every turn of its own."""

    def __init__(self, contestants, client, backend, oakgate):
        self.contestants = contestants
        self.client = client
        self.backend = backend
        self.oakgate = oakgate

    def warm_up(self, connections):
        for one in self.contestants:
            self.client.run(one.name, one.target, connections, WARM_UP_SECONDS)

    def turn(self, contestant, connections, number, seconds):
        program = contestant.program
        counts = self.oakgate.counts() if program is self.oakgate.program else None
        answered = self.backend.calls()
        cpu, backend_cpu, machine = program.cpu_time(), self.backend.program.cpu_time(), MachineTime.now()
        load = self.client.run(contestant.name, contestant.target, connections, seconds)
        time.sleep(SETTLE_SECONDS)
        cpu = program.cpu_time().since(cpu)
        backend_cpu = self.backend.program.cpu_time().since(backend_cpu)
        other, stolen = machine.shares(cpu.total_us + backend_cpu.total_us + load.client_us)
        answered = self.backend.calls() - answered
        if not load.calls <= answered <= load.calls + connections:
            raise Failed(f"{load.calls} calls came back through {contestant.name}, and the backend answered {answered}")
        if counts:
            self.oakgate.check_counts(counts, self.oakgate.counts(), load.calls, connections)
        return Turn(
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
        )

    def measure(self, all_connections, rounds, seconds):
        """Every contestant's turns, at each number of connections, in each round."""
        turns = []
        for connections in all_connections:
            self.warm_up(connections)
            for number in range(1, rounds + 1):
                print(f"{connections} connections, round {number} of {rounds}", file=sys.stderr)
                order = random.sample(self.contestants, len(self.contestants))
                turns += [self.turn(one, connections, number, seconds) for one in order]
        place = {one.name: place for place, one in enumerate(self.contestants)}
        return sorted(turns, key=lambda turn: (turn.connections, turn.round, place[turn.name]))


@dataclass(frozen=True)
class MachineTime:
    """CPU time of the whole machine so far, in microseconds."""

    busy_us: float
    stolen_us: float
    at: float

    @classmethod
    def now(cls):
        # user nice system idle iowait irq softirq steal
        ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        busy = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]
        scale = 1e6 / TICKS_PER_SECOND
        return cls(scale * busy, scale * ticks[7], time.monotonic())

    def shares(self, ours_us):
        """Since then: the shares of the machine that others used, and that was stolen."""
        now = MachineTime.now()
        all_us = 1e6 * (now.at - self.at) * os.cpu_count()
        return max(0.0, now.busy_us - self.busy_us - ours_us) / all_us, (now.stolen_us - self.stolen_us) / all_us
