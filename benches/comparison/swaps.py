"""Calls through a proxy under load, with and without its policy being replaced all the while; in turns."""

import json
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from . import policy
from .backend import Backend
from .linked import LinkedPlane, link_settings
from .load import Client
from .oakgate import Oakgate
from .programs import Failed
from .report import aligned, noise
from .request import CALL, call_headers, request
from .rounds import Contest, Contestant, Turn

IN_FORCE_SECONDS_MAX = 60
PERMISSIONS = ["requires_approval", "disabled"]


class FollowingOakgate(Oakgate):
    """Its policy comes over a link."""

    def __init__(self, path, backend, plane, rules, directory):
        self.plane = plane
        super().__init__(path, backend, rules, directory)

    def _settings(self):
        settings = super()._settings()
        del settings["policy"]
        return settings | {"control_plane": link_settings(self.plane, settings["name"], self.directory)}


class FileSwaps:
    """Writes the policy's file anew. The two texts that take turns differ in one rule."""

    def __init__(self, oakgate, rules):
        self.oakgate = oakgate
        document = policy.policy(rules)
        self._texts = []
        for permission in PERMISSIONS:
            document["rules"][0]["permission"] = permission
            self._texts.append(json.dumps(document))
        self._number = 0

    def swap(self):
        before = in_force(self.oakgate)["sha256"]
        new = self.oakgate.directory / "policy.new"
        new.write_text(self._texts[self._number % 2])
        self._number += 1
        new.rename(self.oakgate.directory / "policy.json")
        wait_for(self.oakgate, lambda now: now["sha256"] != before)


class LinkSwaps:
    """Changes one rule at the control plane."""

    def __init__(self, oakgate, rules):
        self.oakgate = oakgate
        self._rule = policy.policy(rules)["rules"][0]
        self._number = 0

    def swap(self):
        plane = self.oakgate.plane
        plane.put_rule(self._rule | {"permission": PERMISSIONS[self._number % 2]})
        self._number += 1
        wait_for(self.oakgate, lambda now: now["revision"] == plane.revision)


def in_force(oakgate):
    return json.loads(request(oakgate.admin_port, "GET", "/policy").body)


def wait_for(oakgate, holds):
    deadline = time.monotonic() + IN_FORCE_SECONDS_MAX
    while not holds(in_force(oakgate)):
        if time.monotonic() > deadline:
            raise Failed(f"a policy is not in force after {IN_FORCE_SECONDS_MAX} s")
        time.sleep(0.02)


@dataclass(frozen=True)
class SwapTurn(Turn):
    """A turn, and how many policies were put in force in it."""

    swaps: int = 0


class SwappingClient:
    """The client of calls. In the turns of a contestant with swaps, one follows the other after a pause."""

    def __init__(self, client, pause_seconds):
        self.client = client
        self.pause_seconds = pause_seconds
        self.swaps = 0

    def run(self, name, target, connections, seconds):
        port, swaps = target
        with ExitStack() as stack:
            self.swaps = 0
            if swaps:
                stack.enter_context(self._swapping(swaps))
            return self.client.run(name, port, connections, seconds)

    def _swapping(self, swaps):
        stop, failed = threading.Event(), []

        def work():
            try:
                while not stop.is_set():
                    swaps.swap()
                    self.swaps += 1
                    stop.wait(self.pause_seconds)
            except Failed as error:
                failed.append(error)

        thread = threading.Thread(target=work)
        stack = ExitStack()

        @stack.callback
        def end():
            stop.set()
            thread.join()
            if failed:
                raise failed[0]

        thread.start()
        return stack


class SwapContest(Contest):
    def turn(self, contestant, connections, number, seconds):
        turn = super().turn(contestant, connections, number, seconds)
        return SwapTurn(**asdict(turn) | {"swaps": self.client.swaps})


def measure(paths, rules, rounds, chosen, directory):
    """Turns with the policy from a file, then with it from a control plane; each with swaps and without."""
    turns = []
    for source in ("file", "link"):
        folder = Path(directory) / source
        folder.mkdir(parents=True)
        with ExitStack() as stack:
            backend = Backend(paths["nginx"], folder)
            stack.callback(backend.program.stop)
            oakgate, swaps = _start(source, paths["oakgate"], backend, rules, folder, stack)
            headers = call_headers(oakgate.key)
            oakgate.check_enforces(CALL.read_bytes(), headers)
            client = SwappingClient(Client(paths["wrk"], CALL, headers, folder), chosen.pause_seconds)
            contestants = [
                Contestant(f"{source}, at rest", oakgate.program, (oakgate.port, None)),
                Contestant(f"{source}, swaps", oakgate.program, (oakgate.port, swaps)),
            ]
            contest = SwapContest(contestants, client, backend, oakgate)
            turns += contest.measure([chosen.connections], rounds, chosen.seconds)
            oakgate.check_records()
    return turns


def _start(source, path, backend, rules, folder, stack):
    if source == "file":
        oakgate = Oakgate(path, backend, rules, folder)
        stack.callback(oakgate.program.stop)
        return oakgate, FileSwaps(oakgate, rules)
    plane = LinkedPlane(path, folder, policy.policy(rules))
    stack.callback(plane.stop)
    oakgate = FollowingOakgate(path, backend, plane, rules, folder)
    stack.callback(oakgate.program.stop)
    return oakgate, LinkSwaps(oakgate, rules)


def table(turns):
    rows = [["calls while a policy is replaced", "p50 ms", "p99 ms", "x at rest", "calls/s", "swaps a turn"]]
    for name in dict.fromkeys(turn.name for turn in turns):
        own = [turn for turn in turns if turn.name == name]
        rest = {turn.round: turn.p99_us for turn in turns if turn.name == f"{name.partition(', ')[0]}, at rest"}
        ratios = [turn.p99_us / rest[turn.round] for turn in own]
        rows.append(
            [
                name,
                f"{median(turn.p50_us for turn in own) / 1e3:.2f}",
                f"{median(turn.p99_us for turn in own) / 1e3:.2f}",
                f"{median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]",
                f"{median(turn.calls / turn.seconds for turn in own):,.0f}",
                f"{median(turn.swaps for turn in own):.1f}",
            ]
        )
    return f"{aligned(rows)}\n{noise(turns)}"
