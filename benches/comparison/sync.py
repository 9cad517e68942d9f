"""What is measured of policy sync: how soon a change is in force everywhere, what links cost, and how they come back."""

import random
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from . import policy
from .linked import LinkedPlane, RealProxy, SimulatedProxies, now_us
from .report import aligned
from .rounds import MachineTime
from .setting import IDLE_SECONDS

PERMISSIONS = ["requires_approval", "disabled"]
# Between changes, so that what one puts off is done before the next.
GAP_SECONDS = (0.5, 1.0)


@dataclass(frozen=True)
class Plan:
    """`light`: how many of the simulated proxies only verify headers; `real`: real ones beside them."""

    oakgate: str
    simulator: str
    proxies: int
    real: int
    light: int
    rules: int
    rounds: int


class Fleet:
    """A control plane and all its proxies, linked, with its policy in force."""

    def __init__(self, plan, directory):
        self.plan = plan
        self.rules = policy.policy(plan.rules)
        self.plane = LinkedPlane(plan.oakgate, directory, self.rules)
        self.running = [self.plane]
        try:
            self._start(plan, directory)
        except BaseException:
            self.stop()
            raise

    def _start(self, plan, directory):
        say(f"{plan.proxies:,} relay tokens")
        tokens = [self.plane.add_proxy(f"proxy-{number}") for number in range(plan.proxies)]
        self.alone_kib = self._settled_kib()
        self.simulated = SimulatedProxies(plan.simulator, self.plane, tokens, plan.light)
        self.running.append(self.simulated)
        self.simulated.wait_linked()
        self.simulated.wait_in_force(self.plane.revision)
        self.real = []
        for number in range(plan.real):
            self.real.append(RealProxy(plan.oakgate, self.plane, f"real-{number}", directory))
            self.running.append(self.real[-1])
        say(f"{plan.proxies:,} simulated and {plan.real} real proxies are linked")

    def _settled_kib(self):
        """Once allocators have given back what was used for a moment."""
        say(f"{IDLE_SECONDS} s of rest, for the memory without links")
        time.sleep(IDLE_SECONDS)
        return self.plane.program.resident_kib()

    def change_one(self, number):
        """Another one each time."""
        disabled = [rule for rule in self.rules["rules"] if rule["permission"] == "disabled"]
        turn, place = divmod(number, len(disabled))
        return self.plane.put_rule(disabled[place] | {"permission": PERMISSIONS[turn % 2]})

    def change_all(self, number):
        permission = PERMISSIONS[number % 2]
        return self.plane.put_policy(self.rules | {"rules": [rule | {"permission": permission} for rule in self.rules["rules"]]})

    def stop(self):
        for one in reversed(self.running):
            one.stop()


@contextmanager
def fleet(plan, directory):
    directory = Path(directory)
    directory.mkdir()
    one = Fleet(plan, directory)
    try:
        yield one
    finally:
        one.stop()


@dataclass(frozen=True)
class Change:
    """One change, in seconds since it was asked for; the answer came after `answered`."""

    answered: float
    median: float
    last: float
    last_real: float | None
    plane_cpu: float
    simulator_cpu: float
    other_share: float

    @property
    def after_answer(self):
        return max(self.last, self.last_real or 0.0) - self.answered


def changes(plan, directory, kind):
    """`kind`: `change_one` or `change_all`. The changes, and the most memory that the control plane took meanwhile."""
    with fleet(plan, directory) as all_of_it:
        getattr(all_of_it, kind)(0)
        all_of_it.simulated.wait_in_force(all_of_it.plane.revision)
        all_of_it.plane.program.forget_peak()
        done = []
        for number in range(plan.rounds):
            time.sleep(random.uniform(*GAP_SECONDS))
            done.append(_change(all_of_it, kind, number + 1))
            say(f"{kind}, round {number + 1} of {plan.rounds}: {done[-1].last:.3f} s")
        return done, all_of_it.plane.program.peak_kib()


def _change(all_of_it, kind, number):
    plane, simulated = all_of_it.plane, all_of_it.simulated
    cpu, simulator_cpu, machine = plane.program.cpu_time(), simulated.cpu_time(), MachineTime.now()
    real_cpu = sum(one.program.cpu_time().total_us for one in all_of_it.real)
    asked_us, answered_us = getattr(all_of_it, kind)(number)
    said = simulated.wait_in_force(plane.revision)
    real_us = [one.in_force_us(plane.revision) for one in all_of_it.real]
    cpu, simulator_cpu = plane.program.cpu_time().since(cpu), simulated.cpu_time().since(simulator_cpu)
    real_cpu = sum(one.program.cpu_time().total_us for one in all_of_it.real) - real_cpu
    other, _ = machine.shares(cpu.total_us + simulator_cpu.total_us + real_cpu)
    return Change(
        answered=(answered_us - asked_us) / 1e6,
        median=(said["median_us"] - asked_us) / 1e6,
        last=(said["last_us"] - asked_us) / 1e6,
        last_real=(max(real_us) - asked_us) / 1e6 if real_us else None,
        plane_cpu=cpu.total_us / 1e6,
        simulator_cpu=simulator_cpu.total_us / 1e6,
        other_share=other,
    )


def changes_table(name, done, peak_kib):
    def row(label, values):
        values = sorted(values)
        p99 = values[min(len(values) - 1, int(0.99 * len(values)))]
        return [label, f"{median(values):.3f}", f"{p99:.3f}", f"{values[-1]:.3f}"]

    rows = [[name, "median", "p99", "most"]]
    rows.append(row("s until the last proxy has it, from the answer", [one.after_answer for one in done]))
    rows.append(row("s until the last proxy has it, from the request", [one.after_answer + one.answered for one in done]))
    rows.append(row("s until half of them have it, from the request", [one.median for one in done]))
    if done[0].last_real is not None:
        rows.append(row("s until the real proxies have it, from the request", [one.last_real for one in done]))
    rows.append(row("s until the answer, from the request", [one.answered for one in done]))
    rows.append(row("CPU s of the control plane", [one.plane_cpu for one in done]))
    rows.append(row("CPU s of the simulator", [one.simulator_cpu for one in done]))
    rows.append(row("share of the machine that others used", [one.other_share for one in done]))
    return f"{aligned(rows)}\nmost memory of the control plane: {peak_kib / 1024:.0f} MiB"


@dataclass(frozen=True)
class Idle:
    """Of the control plane."""

    proxies: int
    seconds: float
    alone_kib: int
    linked_kib: int
    cpu_seconds: float
    other_share: float


def idle(plan, directory, seconds):
    with fleet(plan, directory) as all_of_it:
        say(f"{IDLE_SECONDS} s of rest, then {seconds} s of idle links")
        time.sleep(IDLE_SECONDS)
        program = all_of_it.plane.program
        cpu, simulator_cpu, machine = program.cpu_time(), all_of_it.simulated.cpu_time(), MachineTime.now()
        time.sleep(seconds)
        cpu, simulator_cpu = program.cpu_time().since(cpu), all_of_it.simulated.cpu_time().since(simulator_cpu)
        other, _ = machine.shares(cpu.total_us + simulator_cpu.total_us)
        return Idle(
            proxies=plan.proxies + plan.real,
            seconds=seconds,
            alone_kib=all_of_it.alone_kib,
            linked_kib=program.resident_kib(),
            cpu_seconds=cpu.total_us / 1e6,
            other_share=other,
        )


def idle_table(one):
    each_kib = (one.linked_kib - one.alone_kib) / one.proxies
    rows = [
        ["idle links", f"{one.proxies:,}"],
        ["MiB without links", f"{one.alone_kib / 1024:.1f}"],
        ["MiB with them", f"{one.linked_kib / 1024:.1f}"],
        ["KiB a link", f"{each_kib:.1f}"],
        ["CPU, of one core", f"{one.cpu_seconds / one.seconds:.2%}"],
        ["CPU us a link and second", f"{1e6 * one.cpu_seconds / one.seconds / one.proxies:.1f}"],
        ["share of the machine that others used", f"{one.other_share:.1%}"],
    ]
    return aligned(rows)


@dataclass(frozen=True)
class Return:
    """All links were lost at once; seconds since the control plane answers again."""

    down: float
    linked: float
    newest: float
    dials: int
    failed: int
    most_dials_per_second: float
    plane_cpu: float
    peak_kib: int
    after_kib: int


def returns(plan, directory, down_seconds):
    """The control plane is killed; it starts again, and a rule is changed at once."""
    with fleet(plan, directory) as all_of_it:
        done = []
        for number in range(plan.rounds):
            killed_us = now_us()
            all_of_it.plane.kill()
            time.sleep(down_seconds)
            all_of_it.plane.start()
            ready_us = now_us()
            all_of_it.change_one(number)
            linked = all_of_it.simulated.wait_linked(killed_us)
            newest = all_of_it.simulated.wait_in_force(all_of_it.plane.revision)
            newest_us = max([newest["last_us"], *(one.in_force_us(all_of_it.plane.revision) for one in all_of_it.real)])
            program = all_of_it.plane.program
            cpu, peak_kib = program.cpu_time(), program.peak_kib()
            time.sleep(IDLE_SECONDS)
            bins = linked["bins"]
            done.append(
                Return(
                    down=down_seconds,
                    linked=(linked["at_us"] - ready_us) / 1e6,
                    newest=(newest_us - ready_us) / 1e6,
                    dials=linked["dials"],
                    failed=linked["failed"],
                    most_dials_per_second=max(sum(bins[at : at + 10]) for at in range(len(bins))),
                    plane_cpu=cpu.total_us / 1e6,
                    peak_kib=peak_kib,
                    after_kib=program.resident_kib(),
                )
            )
            say(f"round {number + 1} of {plan.rounds}: all linked after {done[-1].linked:.1f} s")
        return done


def returns_table(proxies, done):
    def row(label, values, shape):
        return [label, shape.format(median(values)), shape.format(min(values)), shape.format(max(values))]

    rows = [
        [f"{proxies:,} links lost", "median", "least", "most"],
        row("s until all are linked again", [one.linked for one in done], "{:.1f}"),
        row("s until all have the newest", [one.newest for one in done], "{:.1f}"),
        row("dials", [one.dials for one in done], "{:,.0f}"),
        row("dials that failed", [one.failed for one in done], "{:,.0f}"),
        row("dials in the worst second", [one.most_dials_per_second for one in done], "{:,.0f}"),
        row("CPU s of the control plane", [one.plane_cpu for one in done], "{:.1f}"),
        row("MiB at most", [one.peak_kib / 1024 for one in done], "{:.0f}"),
        row("MiB after", [one.after_kib / 1024 for one in done], "{:.0f}"),
    ]
    return aligned(rows)


def say(text):
    print(text, file=sys.stderr)
