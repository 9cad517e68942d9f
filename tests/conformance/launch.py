"""What the suite starts as the client under test: the SDK's client, directly or with a proxy of its own in between.

The suite starts all its scenarios at once. They take turns here, so that none is slow for the others' sake.
"""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxy import Proxy

PYTHON = Path(__file__).resolve().parents[2] / "target/test-tools/py2/bin/python"
CLIENT = Path(__file__).with_name("client.py")
TURNS = 2
TURN_POLL_SECONDS = 0.05
CLIENT_SECONDS = 100
# These compare the resource that a client names to the authorization server with the server's own address. So the
# client calls that address, and is carried to the proxy, as by a sidecar's rules. All others call the proxy's.
CARRIED = ("auth/metadata-default", "auth/metadata-var", "auth/token-endpoint-auth-")


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Waits for one of a few places; a place is free when no living process holds its lock."""
    folder.mkdir(parents=True, exist_ok=True)
    places = [(folder / f"turn-{number}").open("w") for number in range(TURNS)]
    while True:
        for place in places:
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            for other in places:
                if other is not place:
                    other.close()
            yield
            place.close()
            return
        time.sleep(TURN_POLL_SECONDS)


def client(*arguments: str) -> int:
    return subprocess.run([PYTHON, CLIENT, *arguments], timeout=CLIENT_SECONDS).returncode


def through(oakgate: Path, folder: Path, url: str, scenario: str) -> int:
    with Proxy(oakgate, url, folder) as proxy:
        if scenario.startswith(CARRIED):
            return client("--carry-to", proxy.address, url)
        return client(f"{proxy.address}/mcp")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=Path, required=True, help="a folder that all who take turns share")
    parser.add_argument("--oakgate", type=Path, help="the program whose proxy to go through; directly without it")
    parser.add_argument("--proxies", type=Path, help="where the proxy of each scenario has its files")
    parser.add_argument("url")
    options = parser.parse_args()
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    # So that the proxy ends with this program, also when the suite has waited long enough.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with turn(options.turns):
        if options.oakgate is None:
            return client(options.url)
        return through(options.oakgate, options.proxies / scenario, options.url, scenario)


if __name__ == "__main__":
    sys.exit(main())
