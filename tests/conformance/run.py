"""Runs the official conformance suite twice, directly and through the proxy, and fails where that makes any difference.

`server`: the suite's client on the fixture server. `client`: an SDK's client on the suite's mock servers. Compared
are the checks by name, their results and details; what the client under test saw; and the calls that were made with
those in the proxy's audit log, so that a proxy which lets nothing through can't pass. `write` runs all and writes the
page.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import suite
from compare import Difference, differences, table
from launch import PYTHON
from proxy import Proxy, forwarded
from report import Run, page, stale
from suite import REPOSITORY, Result

REVISIONS = ["2025-11-25", "2026-07-28"]
SIDES = ["server", "client"]
PAGE = REPOSITORY / "docs/conformance.md"
FIXTURE = REPOSITORY / "tests/backends/conformance_server.py"
LAUNCH = Path(__file__).with_name("launch.py")
Found = dict[str, Result]
# Clients' scenarios that measure time.
TIMED = {"sse-retry"}


@contextmanager
def fixture(log: Path) -> Iterator[str]:
    """A fixture server that writes down the calls that reach it; its URL."""
    command = [PYTHON, FIXTURE, "--log", log]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().removeprefix("listening on ").strip()
        finally:
            server.kill()


def run_server(revision: str, oakgate: Path, folder: Path) -> tuple[Found, Found, list[Difference]]:
    """The suite on a fixture server, and on another behind the proxy, at the same time."""
    logs = folder / "direct.log", folder / "through.log"
    with fixture(logs[0]) as near, fixture(logs[1]) as far, Proxy(oakgate, far, folder / "proxy") as proxy:
        with ThreadPoolExecutor() as pool:
            direct = pool.submit(suite.of_server, near, revision, folder / "direct")
            through = pool.submit(suite.of_server, f"{proxy.address}/mcp", revision, folder / "through")
        found = direct.result(), through.result()
    ran, ran_through = map(calls, logs)
    # Of calls that are malformed in ways that are the server's to judge, the audit log has more than the server ran.
    audited = forwarded(folder / "proxy")
    ran_of_audited = Counter({tool: min(count, ran_through[tool]) for tool, count in audited.items()})
    return *found, [
        *differences(*found),
        *counted("calls that the server ran", ran, ran_through),
        *counted("calls that the server ran, and those of them in the audit log", ran_through, ran_of_audited),
    ]


def calls(log: Path) -> Counter[str]:
    return Counter(json.loads(line)["tool"] for line in log.read_text().splitlines())


def counted(what: str, one: Counter[str], other: Counter[str]) -> list[Difference]:
    """A difference for each tool that was not called as often."""
    tools = sorted(tool for tool in one.keys() | other.keys() if one[tool] != other[tool])
    return [Difference("all scenarios", f"{what}: {tool}", str(one[tool]), str(other[tool])) for tool in tools]


def run_client(revision: str, oakgate: Path, folder: Path) -> tuple[Found, Found, list[Difference]]:
    """The suite's mock servers for a client, and for one behind the proxy, at the same time."""
    commands = launch(folder), launch(folder, "--oakgate", oakgate, "--proxies", folder / "proxies")
    with ThreadPoolExecutor() as pool:
        direct = pool.submit(suite.of_client, commands[0], revision, folder / "direct")
        through = pool.submit(suite.of_client, commands[1], revision, folder / "through")
    found = direct.result(), through.result()
    for scenario in TIMED & {difference.scenario for difference in differences(*found)}:
        # A busy machine is not a difference: once more, alone.
        alone = folder / "alone"
        again = launch(folder, "--oakgate", oakgate, "--proxies", alone / "proxies")
        found[0].update(suite.of_client(commands[0], revision, alone / scenario / "direct", scenario))
        found[1].update(suite.of_client(again, revision, alone / scenario / "through", scenario))
    return *found, differences(*found) + unaudited(found[1], [folder / "alone/proxies", folder / "proxies"])


def launch(folder: Path, *options: str | Path) -> str:
    return shlex.join(map(str, [PYTHON, LAUNCH, "--turns", folder / "turns", *options]))


def unaudited(through: Found, proxies: list[Path]) -> list[Difference]:
    """The scenarios in which the tools that the client called are not those in the audit log of its proxy."""
    found = []
    for scenario, result in through.items():
        lines = [json.loads(line) for line in result.output.splitlines()]
        called = sorted({line["called"] for line in lines if "called" in line})
        folder = next(folder / scenario for folder in proxies if (folder / scenario).exists())
        audited = sorted(forwarded(folder))
        if called != audited:
            found.append(Difference(scenario, "tools called, and the audit log", str(called), str(audited)))
    return found


def run(side: str, revision: str, oakgate: Path) -> tuple[Run, list[Difference]]:
    with tempfile.TemporaryDirectory() as folder:
        both = {"server": run_server, "client": run_client}[side](revision, oakgate, Path(folder))
    return Run(side, revision, suite.required(revision, side), both[0], both[1]), both[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=[*SIDES, "write"])
    parser.add_argument("--requirements", choices=REVISIONS, help="one set of them; both without it")
    parser.add_argument("--oakgate", type=Path, default=REPOSITORY / "target/debug/oakgate")
    options = parser.parse_args()
    sides = SIDES if options.what == "write" else [options.what]
    revisions = [options.requirements] if options.requirements else REVISIONS
    runs, found = [], []
    for revision in revisions:
        for side in sides:
            done, different = run(side, revision, options.oakgate.resolve())
            runs.append(done)
            found += different
    if found:
        print(f"through the proxy it is not the same:\n{table(found)}")
        return 1
    if options.what == "write":
        PAGE.write_text(page(runs))
    elif rows := stale(PAGE.read_text(), runs):
        print("docs/conformance.md does not say what was found; `make conformance` writes it:", *rows, sep="\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
