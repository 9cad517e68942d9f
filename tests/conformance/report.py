"""The page that shows what the suite found, directly beside through the proxy."""

import json
from dataclasses import dataclass

from launch import CARRIED
from suite import REPOSITORY, Result

SUITE = "@modelcontextprotocol/conformance"
VERSION = json.loads((REPOSITORY / "tests/requirements/package.json").read_text())["dependencies"][SUITE]
HEAD = f"""\
# Conformance

The official conformance suite, `{SUITE}` {VERSION}, run directly and through the proxy, for the \
requirement sets of both eras. Oakgate is neither server nor client, so what counts is that it makes no difference: \
every check comes out the same, with the same details, and what a client sees is the same.

`make test` runs it, or alone `cargo test -p oakgate --test e2e -- conformance`. `make conformance` runs it and \
writes this page.

* Servers are tested on a fixture with the Python SDK 2.x (`tests/backends/conformance_server.py`), clients with a \
program on the same SDK (`tests/conformance/client.py`).
* The proxy has a listener with `auth: none`, a backend with `authorization: pass` and a policy that allows \
everything. What the server ran is in its audit log.
* The fixture offers no tasks, so most checks of `tasks-*` fail, both ways.
* Where the proxy itself refuses what the server would refuse too (a foreign `Host`, headers that contradict the \
body), the check is the same, but the words are the proxy's.
* † These compare the resource that a client names to the authorization server with the server's own address. So the \
client calls that address, and its connections are carried to the proxy, as by a sidecar's rules. At an address of \
the proxy's own a client names that one: the check `resource-parameter-matches-prm` fails there, and all others are \
the same.

A number is the checks that passed, of those that were judged. Scenarios in *italics* are run and not scored.
"""


@dataclass(frozen=True)
class Run:
    """Both runs of one requirement set on one side."""

    side: str
    revision: str
    required: dict[str, bool]
    direct: dict[str, Result]
    through: dict[str, Result]


def page(runs: list[Run]) -> str:
    return HEAD + "".join(section(run) for run in runs)


def section(run: Run) -> str:
    scored = [scenario for scenario, scored in run.required.items() if scored]
    clean = [
        sum(result[scenario].passed() == result[scenario].judged() for scenario in scored)
        for result in (run.direct, run.through)
    ]
    return "\n".join(
        [
            f"\n## {run.revision}: {run.side}s",
            f"\nScored scenarios passed, of {len(scored)}: {clean[0]} directly, {clean[1]} through the proxy.\n",
            "| scenario | direct | through |",
            "|---|---|---|",
            *rows(run),
            "",
        ]
    )


def rows(run: Run) -> list[str]:
    return [row(scenario, scored, run) for scenario, scored in run.required.items()]


def row(scenario: str, scored: bool, run: Run) -> str:
    name = f"`{scenario}`" if scored else f"*`{scenario}`*"
    carried = " †" if run.side == "client" and scenario.startswith(CARRIED) else ""
    numbers = [f"{result[scenario].passed()}/{result[scenario].judged()}" for result in (run.direct, run.through)]
    return f"| {name}{carried} | {numbers[0]} | {numbers[1]} |"


def stale(text: str, runs: list[Run]) -> list[str]:
    """The sections' rows that the page lacks."""
    written = text.splitlines()
    return [line for run in runs for line in section(run).splitlines() if line and line not in written]
