"""Oakgate's proxy in front of one MCP server, under a policy that allows everything."""

import json
import subprocess
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

POLICY = {"format": 1, "org": "acme", "unlisted_tools": "trust", "rules": [{"id": "all", "permission": "allowed"}]}
START_SECONDS = 60
STOP_SECONDS = 20
POLL_SECONDS = 0.02


class Proxy:
    """Runs for as long as the `with` block does; its files are in `folder`, which is made."""

    def __init__(self, oakgate: Path, upstream: str, folder: Path) -> None:
        self.oakgate = oakgate
        self.folder = folder
        self.address = ""
        folder.mkdir(parents=True)
        keys = subprocess.run([oakgate, "keys", "receipts"], check=True, capture_output=True).stdout
        (folder / "receipts.jwks").write_bytes(keys)
        (folder / "policy.yaml").write_text(json.dumps(POLICY))
        (folder / "oakgate.yaml").write_text(json.dumps(settings(upstream)))

    def __enter__(self) -> "Proxy":
        log = self.folder / "log"
        command = [self.oakgate, "proxy", "--config", self.folder / "oakgate.yaml"]
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        deadline = time.monotonic() + START_SECONDS
        while not (address := listening(log)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError(f"the proxy did not start: {log.read_text()}")
            time.sleep(POLL_SECONDS)
        self.address = f"http://{address}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def settings(upstream: str) -> dict[str, object]:
    """Its settings; JSON is YAML."""
    # The server's own name is a name of the proxy too: a client may be carried here without knowing.
    listener = {"name": "agents", "address": "127.0.0.1:0", "auth": "none", "hosts": [urlsplit(upstream).netloc]}
    backend = {"name": "suite", "kind": "mcp", "path": "/mcp", "url": upstream, "authorization": "pass"}
    return {
        "proxy": {
            "name": "gate-1",
            "admin": "127.0.0.1:0",
            "workers": 1,
            "listeners": [listener],
            "backends": [backend],
            "receipts": {"keys_file": "receipts.jwks"},
            "audit": {"directory": "audit"},
            "policy": {"file": "policy.yaml"},
            "drain": {"announce_seconds": 0, "limit_seconds": 5},
        }
    }


def listening(log: Path) -> str | None:
    """The address of the listener, once the log says it."""
    for line in log.read_text().splitlines():
        if line.startswith("{") and '"listening"' in line:
            return json.loads(line)["address"]
    return None


def forwarded(folder: Path) -> Counter[str]:
    """How often each tool was let through, as the audit log of the proxy in `folder` has it."""
    lines = [line for file in sorted((folder / "audit").iterdir()) for line in file.read_text().splitlines()]
    records = [json.loads(line) for line in lines]
    return Counter(record["tool"] for record in records if record["record"] == "intent" and record["forward"])
