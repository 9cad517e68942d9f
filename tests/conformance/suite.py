"""The official conformance suite, as a program: what it asks for, how it is run, and what it found."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
NODE = REPOSITORY / "target/test-tools/node"
SUITE = [str(NODE / "bin/node"), str(NODE / "node_modules/@modelcontextprotocol/conformance/dist/index.js")]
# Clients wait for each other, so that a small machine runs a few at a time: this is for all of them.
CLIENT_TIMEOUT_MS = 600_000
RUN_SECONDS = 900
# What a result counts as, the worst first, where a check was made more than once.
RANKS = ["FAILURE", "WARNING", "SUCCESS", "SKIPPED"]


@dataclass(frozen=True)
class Check:
    """One thing that the suite looked at, however often it did."""

    status: str
    details: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What became of one scenario: its checks by id and name, and what the client under test said."""

    checks: dict[tuple[str, str], Check]
    output: str

    def passed(self) -> int:
        return sum(check.status == "SUCCESS" for check in self.checks.values())

    def judged(self) -> int:
        return sum(check.status != "SKIPPED" for check in self.checks.values())


def required(revision: str, side: str) -> dict[str, bool]:
    """The scenarios of a requirement set that are about servers or clients, and whether each is scored."""
    listed = subprocess.run([*SUITE, "list", "--requirements", revision], check=True, capture_output=True, text=True)
    scored, unscored = listed.stdout.split("never scored:")
    section = re.split(r"^(\w+) scenarios .*$", scored, flags=re.MULTILINE)
    names = re.findall(r"^ +- (\S+)$", section[section.index(side.capitalize()) + 1], flags=re.MULTILINE)
    others = re.findall(rf"^ +- (\S+) \[{side}\]$", unscored, flags=re.MULTILINE)
    return dict.fromkeys(names, True) | dict.fromkeys(others, False)


def of_server(url: str, revision: str, folder: Path) -> dict[str, Result]:
    return run(["server", "--url", url, "--requirements", revision], folder)


def of_client(command: str, revision: str, folder: Path, scenario: str | None = None) -> dict[str, Result]:
    """All scenarios of a set, side by side; or one alone."""
    alone = ["--scenario", scenario or "", "--spec-version", revision, "--force"]
    which = ["--requirements", revision] if scenario is None else alone
    return run(["client", "--command", command, "--timeout", str(CLIENT_TIMEOUT_MS), *which], folder)


def run(arguments: list[str], folder: Path) -> dict[str, Result]:
    """What it found, by scenario. Its exit status says only whether all went well, which is not the question here."""
    done = subprocess.run([*SUITE, *arguments, "-o", str(folder)], capture_output=True, text=True, timeout=RUN_SECONDS)
    found = {scenario(file.parent, folder): result(file) for file in folder.rglob("checks.json")}
    if not found:
        raise RuntimeError(f"the suite found nothing: {done.stdout}{done.stderr}")
    return found


def scenario(results: Path, folder: Path) -> str:
    """The scenario's name, of a folder that is named for it and for the time."""
    name = re.sub(r"-\d{4}-\d\d-\d\dT[\d-]+Z$", "", str(results.relative_to(folder)))
    return name.removeprefix("server-")


def result(file: Path) -> Result:
    seen: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for check in json.loads(file.read_text()):
        if check["status"] != "INFO":
            seen.setdefault((check["id"], check["name"]), []).append(check)
    output = file.with_name("stdout.txt")
    said = output.read_text() if output.exists() else ""
    return Result({key: summed_up(checks) for key, checks in seen.items()}, said)


def summed_up(checks: list[dict[str, Any]]) -> Check:
    statuses = {check["status"] for check in checks}
    worst = next(status for status in RANKS if status in statuses)
    return Check(worst, tuple(sorted({stable(json.dumps(check.get("details"), sort_keys=True)) for check in checks})))


def stable(text: str) -> str:
    """A text without what differs from run to run: addresses, times, ids and tokens."""
    text = re.sub(r"(localhost|127\.0\.0\.1):\d+", "HOST", text)
    text = re.sub(r"(?=[\w.-]*[0-9A-Z])[\w.-]{32,}", "OPAQUE", text)
    text = re.sub(r'\d{10,}|(?<="actualDelayMs": )\d+', "TIME", text)
    return re.sub(r'(?<=[iI]d": ")\d+|(?<=IdUsed": ")\d+', "NUMBER", text)
