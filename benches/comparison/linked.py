"""A control plane with proxies linked to it: real ones, and any number of simulated ones in one process."""

import json
import queue
import subprocess
import threading
import time
from datetime import datetime
from pathlib import Path

from .programs import CpuTime, Failed, Program, free_ports, printed_by
from .request import request

ORG = "acme"
READY_SECONDS_MAX = 60
# For a policy that is large, or links that are very many.
ANSWER_SECONDS_MAX = 60
EVENT_SECONDS_MAX = 180


class LinkedPlane:
    """`oakgate control-plane` on SQLite, and what is asked of its API."""

    def __init__(self, binary, directory, policy):
        self.binary = binary
        self.directory = Path(directory) / "control-plane"
        self.directory.mkdir()
        self.port = free_ports(1)[0]
        (self.directory / "receipts.jwks").write_text(printed_by(binary, "keys", "receipts"))
        self.policy_key = printed_by(binary, "keys", "policy", self.directory / "policy-key").split()[-1]
        settings = {
            "address": f"127.0.0.1:{self.port}",
            "store": f"sqlite://{self.directory / 'oakgate.db'}",
            "receipts": {"keys_file": "receipts.jwks"},
            "policy_key_file": "policy-key",
        }
        self.config = self.directory / "settings.json"
        self.config.write_text(json.dumps({"control_plane": settings}, indent=2))
        self.key = printed_by(binary, "orgs", "add", ORG, "--config", self.config).strip()
        self.revision = 0
        self.start()
        try:
            self.put_policy(policy)
        except BaseException:
            self.stop()
            raise

    def start(self):
        command = [self.binary, "control-plane", "--config", self.config]
        self.program = Program("control-plane", command, self.port, self.directory)
        wait_until_ready(self.program, self.port)

    def kill(self):
        self.program.process.kill()
        self.program.process.wait()

    def put_policy(self, document):
        """Times before and after, in microseconds since 1970."""
        return self._write("PUT", "/v1/policy", document, {"If-Match": f'"{self.revision}"'})[0]

    def put_rule(self, rule):
        return self._write("PUT", f"/v1/rules/{rule['id']}", rule)[0]

    def add_proxy(self, name):
        """Its relay token."""
        return self._write("POST", "/v1/proxies", {"id": name})[1]["key"]

    def _write(self, method, path, document, headers=None):
        fields = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"} | (headers or {})
        body = json.dumps(document, separators=(",", ":"))
        asked_us = now_us()
        answer = request(self.port, method, path, body, fields, ANSWER_SECONDS_MAX)
        answered_us = now_us()
        if answer.status not in (200, 201):
            raise Failed(f"{method} {path}: {answer.status} {answer.body[:500]!r}")
        if method == "PUT":
            before, self.revision = self.revision, int(answer.headers["etag"].strip('"'))
            if self.revision == before:
                raise Failed(f"{method} {path} changed nothing")
        return (asked_us, answered_us), json.loads(answer.body)

    def stop(self):
        self.program.stop()


class SimulatedProxies:
    """As many as there are tokens."""

    def __init__(self, binary, plane, tokens, light):
        command = [binary]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events = {"linked": queue.SimpleQueue(), "in_force": queue.SimpleQueue()}
        threading.Thread(target=self._read, daemon=True).start()
        task = {
            "address": f"127.0.0.1:{plane.port}",
            "policy_key": plane.policy_key,
            "org": ORG,
            "tokens": tokens,
            "light": light,
        }
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            for name, events in self.events.items():
                if said["event"] in (name, "refused"):
                    events.put(said)
        for events in self.events.values():
            events.put({"event": "ended"})

    def wait_linked(self, since_us=0):
        """Until all are linked; what is said of it."""
        return self._wait("linked", lambda said: said["at_us"] >= since_us)

    def wait_in_force(self, revision):
        """Until all have this policy in force; what is said of it."""
        return self._wait("in_force", lambda said: said["revision"] == revision)

    def _wait(self, name, is_it):
        deadline = time.monotonic() + EVENT_SECONDS_MAX
        while True:
            try:
                said = self.events[name].get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failed(f"the simulated proxies do not say {name} within {EVENT_SECONDS_MAX} s") from None
            if said["event"] != name:
                raise Failed(f"the simulated proxies say {said}")
            if is_it(said):
                return said

    def cpu_time(self):
        return CpuTime.of([self.process.pid])

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class RealProxy:
    """`oakgate proxy` with a link. It says in its log when something is in force."""

    def __init__(self, binary, plane, name, directory):
        self.directory = Path(directory) / name
        self.directory.mkdir()
        port, admin_port, backend_port = free_ports(3)
        settings = {
            "name": name,
            "admin": f"127.0.0.1:{admin_port}",
            "workers": 1,
            "listeners": [{"name": "agents", "address": f"127.0.0.1:{port}", "auth": "api-key"}],
            "backends": [
                {"name": "tools", "kind": "mcp", "path": "/mcp", "url": f"http://127.0.0.1:{backend_port}/mcp"}
            ],
            "control_plane": link_settings(plane, name, self.directory),
            "audit": {"directory": "audit"},
            "drain": {"announce_seconds": 0, "limit_seconds": 5},
        }
        config = self.directory / "settings.json"
        config.write_text(json.dumps({"proxy": settings}, indent=2))
        command = [binary, "--log-format", "json", "proxy", "--config", config]
        self.program = Program(name, command, port, self.directory, admin_port)
        self._log = self.program.log.open()
        self._in_force_us = {}
        try:
            wait_until_ready(self.program, admin_port)
        except BaseException:
            self.stop()
            raise

    def in_force_us(self, revision):
        """When this revision of the policy was in force."""
        deadline = time.monotonic() + EVENT_SECONDS_MAX
        while revision not in self._in_force_us:
            place = self._log.tell()
            line = self._log.readline()
            if not line.endswith("\n"):
                if time.monotonic() > deadline:
                    raise Failed(f"{self.program.name} does not say that revision {revision} is in force")
                self._log.seek(place)
                time.sleep(0.01)
            elif '"policy"' in line and "is in force" in line:
                said = json.loads(line)
                at = datetime.fromisoformat(said["timestamp"])
                self._in_force_us[said["revision"]] = round(1e6 * at.timestamp())
        return self._in_force_us[revision]

    def stop(self):
        self._log.close()
        self.program.stop()


def link_settings(plane, name, directory):
    """What a proxy's settings say of its link. Its token is made, and written beside them."""
    (Path(directory) / "relay-token").write_text(plane.add_proxy(name))
    (Path(directory) / "policy-keys").write_text(plane.policy_key)
    return {
        "url": f"ws://127.0.0.1:{plane.port}/v1/sync",
        "relay_token_file": "relay-token",
        "policy_key_file": "policy-keys",
        "org": ORG,
        "state_directory": "state",
    }


def wait_until_ready(program, port):
    deadline = time.monotonic() + READY_SECONDS_MAX
    while request(port, "GET", "/readyz").status != 200:
        if time.monotonic() > deadline:
            raise Failed(f"{program.name} is not ready after {READY_SECONDS_MAX} s:\n{program.log_tail()}")
        time.sleep(0.02)


def now_us():
    return time.time_ns() // 1000
