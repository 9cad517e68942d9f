"""`oakgate control-plane` under test, on SQLite or PostgreSQL; and the proof that it did what it says on every check."""

import base64
import hashlib
import hmac
import json
import sqlite3
import time
from pathlib import Path

from .programs import Failed, Program, free_ports, printed_by
from .question import oakgate_allows, oakgate_body, oakgate_policy
from .request import request

ORG = "acme"
PATH = "/v1/permissions/check"
READY_SECONDS_MAX = 60
COUNT_CHECKS = f"SELECT count(*) FROM activity WHERE org = '{ORG}' AND action = 'permission.check'"


class ControlPlane:
    """`postgres`: where it keeps everything; a file of SQLite's without it."""

    allows = staticmethod(oakgate_allows)
    body = staticmethod(oakgate_body)
    path = PATH

    def __init__(self, binary, tools, directory, postgres=None):
        self.name = "oakgate, PostgreSQL" if postgres else "oakgate, SQLite"
        self.binary = binary
        self.postgres = postgres
        self.store = postgres.program if postgres else None
        self.directory = Path(directory) / self.name.replace(", ", "-")
        self.directory.mkdir()
        self.port = free_ports(1)[0]
        config = self._write_files()
        management = printed_by(binary, "orgs", "add", ORG, "--config", config).strip()
        command = [binary, "control-plane", "--config", config]
        self.program = Program(self.name, command, self.port, directory)
        try:
            self._wait_until_ready()
            self._write(management, "PUT", "/v1/policy", oakgate_policy(tools))
            runtime = {"id": "agent-1", "tier": "standard", "may_name_tenant": True}
            key = self._write(management, "POST", "/v1/keys", runtime)["key"]
        except BaseException:
            self.program.stop()
            raise
        self.headers = _fields(key)

    def _write_files(self):
        receipt_keys = printed_by(self.binary, "keys", "receipts")
        self.receipt_key = _decoded(json.loads(receipt_keys)["keys"][0]["k"])
        settings = {
            "address": f"127.0.0.1:{self.port}",
            "store": self.postgres.url if self.postgres else f"sqlite://{self.directory / 'oakgate.db'}",
            "receipts": {"keys_file": "receipts.jwks"},
        }
        (self.directory / "receipts.jwks").write_text(receipt_keys)
        config = self.directory / "settings.json"
        config.write_text(json.dumps({"control_plane": settings}, indent=2))
        return config

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_SECONDS_MAX
        while request(self.port, "GET", "/readyz").status != 200:
            if time.monotonic() > deadline:
                raise Failed(f"{self.name} is not ready after {READY_SECONDS_MAX} s:\n{self.program.log_tail()}")
            time.sleep(0.05)

    def _write(self, management, method, path, document):
        """What the host's own operator does first: the policy, and a key that may ask for every team."""
        headers = _fields(management) | ({"If-Match": '"0"'} if method == "PUT" else {})
        answer = request(self.port, method, path, json.dumps(document), headers)
        _check(answer.status in (200, 201), f"{method} {path}: {answer}")
        return json.loads(answer.body)

    def check_enforces(self, query):
        """Without its key it says nothing; the receipt of one answer is genuine, and of that question."""
        keyless = {"Content-Type": "application/json"}
        answer = request(self.port, "POST", PATH, oakgate_body(query), keyless)
        _check(answer.status == 401, f"a check without a key was answered: {answer}")
        answer = json.loads(request(self.port, "POST", PATH, oakgate_body(query), self.headers).body)
        signed, _, signature = answer["receipt"].rpartition(".")
        genuine = hmac.compare_digest(_decoded(signature), hmac.digest(self.receipt_key, signed.encode(), hashlib.sha256))
        _check(genuine, f"not signed with the key: {answer}")
        claims = json.loads(_decoded(signed.partition(".")[2]))
        expected = {
            "org": ORG,
            "tool": query.tool,
            "tenant": query.team,
            "resource": query.space,
            "method": query.method,
            "verdict": answer["permission"],
        }
        found = {name: claims.get(name) for name in expected}
        _check(found == expected, f"the receipt says {found}, not {expected}")

    def records(self):
        """Checks recorded in its database, as another program reads it there."""
        if self.postgres:
            return int(self.postgres.query(COUNT_CHECKS))
        database = sqlite3.connect(f"file:{self.directory / 'oakgate.db'}?mode=ro", uri=True)
        try:
            return database.execute(COUNT_CHECKS).fetchone()[0]
        finally:
            database.close()

    def stop(self):
        self.program.stop()


def _fields(key):
    return {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}


def _decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _check(holds, message):
    if not holds:
        raise Failed(f"the control plane did not do its work: {message}")
