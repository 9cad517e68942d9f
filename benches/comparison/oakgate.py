"""Oakgate under test, with everything on; and the proof that it enforced, before, during and after the load."""

import base64
import hashlib
import hmac
import json
import re
import time
from pathlib import Path

from . import policy
from .backend import ANSWER, PROBE_HEADER
from .programs import Failed, Program, free_ports, printed_by
from .request import request

NAME = "oakgate"
BACKEND = "tools"
KEY_ID = "agent-1"
READY_SECONDS_MAX = 60


class Oakgate:
    def __init__(self, path, backend, rules, directory, certificate=None):
        self.backend = backend
        self.certificate = certificate
        self.directory = Path(directory) / NAME
        self.directory.mkdir()
        self.rules = rules
        self.port, self.secure_port, self.admin_port = free_ports(3)
        self.key = printed_by(path, "keys", "new", "--kind", "agent", "--id", KEY_ID).splitlines()[0]
        config = self._write_files(printed_by(path, "keys", "receipts"))
        self.program = Program(NAME, [path, "proxy", "--config", config], self.port, directory, self.admin_port)
        try:
            self._wait_until_ready()
        except BaseException:
            self.program.stop()
            raise

    def _write_files(self, receipt_keys):
        sha256 = hashlib.sha256(self.key.encode()).hexdigest()
        files = {
            "keys.yaml": json.dumps([{"id": KEY_ID, "kind": "agent", "tenant": policy.TEAM, "sha256": sha256}]),
            "receipts.jwks": receipt_keys,
            "policy.json": json.dumps(policy.policy(self.rules)),
            "settings.json": json.dumps({"proxy": self._settings()}, indent=2),
        }
        for name, text in files.items():
            (self.directory / name).write_text(text)
        self.receipt_key = _decoded(json.loads(receipt_keys)["keys"][0]["k"])
        return self.directory / "settings.json"

    def _settings(self):
        return {
            "name": "gate-1",
            "admin": f"127.0.0.1:{self.admin_port}",
            "workers": 1,
            "listeners": self._listeners(),
            "backends": [
                {
                    "name": BACKEND,
                    "kind": "mcp",
                    "path": "/mcp",
                    "url": f"http://127.0.0.1:{self.backend.stamped_port}/mcp",
                    "resource": {"argument": "/space"},
                    "method": {"argument": "/mode"},
                }
            ],
            "keys_file": "keys.yaml",
            "receipts": {"keys_file": "receipts.jwks"},
            "audit": {"directory": "audit"},
            "policy": {"file": "policy.json"},
            # A long run leaves many records, and none may be refused for want of room; idle connections stay.
            "limits": {"max_audit_bytes": 1 << 40, "keep_alive_seconds": 3600, "http2_ping_seconds": 3600},
            "drain": {"announce_seconds": 0, "limit_seconds": 5},
        }

    def _listeners(self):
        listeners = [{"name": "agents", "address": f"127.0.0.1:{self.port}", "auth": "api-key"}]
        if self.certificate:
            tls = {"cert_file": str(self.certificate.chain), "key_file": str(self.certificate.key)}
            secure = {"name": "secure", "address": f"127.0.0.1:{self.secure_port}", "auth": "api-key", "tls": tls}
            listeners.append(secure)
        return listeners

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_SECONDS_MAX
        while request(self.admin_port, "GET", "/readyz").status != 200:
            if time.monotonic() > deadline:
                raise Failed(f"oakgate is not ready after {READY_SECONDS_MAX} s:\n{self.program.log_tail()}")
            time.sleep(0.05)
        in_force = json.loads(request(self.admin_port, "GET", "/policy").body)
        _check(in_force["rules"] == self.rules, f"the policy in force has {in_force['rules']} rules, not {self.rules}")

    def check_enforces(self, body, headers):
        """One call that must pass, with a genuine receipt; one that policy disables; one without a key."""
        path = "/mcp"
        passed = request(self.port, "POST", path, body, {**headers, PROBE_HEADER: "1"})
        _check(passed.status == 200 and passed.body == ANSWER.encode(), f"the call did not pass: {passed}")
        self._check_receipt(self.backend.last_receipt(), body)
        before = self.backend.calls()
        disabled = body.replace(b'"space-0"', b'"space-1"')
        answer = request(self.port, "POST", path, disabled, headers)
        _check(b"denied" in answer.body, f"a call that policy disables was not refused: {answer}")
        keyless = {name: value for name, value in headers.items() if name != "X-API-Key"}
        answer = request(self.port, "POST", path, body, keyless)
        _check(answer.status == 401, f"a call without a key was not refused: {answer}")
        answer = request(self.port, "POST", path, body.replace(b'"id":7', b'"id":7,"id":8'), headers)
        _check(answer.status == 400, f"a body with a key twice was not refused: {answer}")
        _check(self.backend.calls() == before, "a refused call reached the backend")

    def _check_receipt(self, token, body):
        signed, _, signature = token.rpartition(".")
        expected = hmac.digest(self.receipt_key, signed.encode(), "sha256")
        _check(hmac.compare_digest(_decoded(signature), expected), f"not signed with the key: {token}")
        claims = json.loads(_decoded(signed.partition(".")[2]))
        digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")
        expected = {
            "aud": BACKEND,
            "sub": KEY_ID,
            "tenant": policy.TEAM,
            "verdict": "allowed",
            "level": policy.LAST_LEVEL,
            "rule": policy.LAST_RULE,
            "body_sha256": digest,
        }
        found = {name: claims.get(name) for name in expected}
        _check(found == expected, f"the receipt says {found}, not {expected}")

    def counts(self):
        """What it has counted so far: calls allowed, all calls, receipts, audit records, refusals."""
        text = request(self.admin_port, "GET", "/metrics").body.decode()

        def total(name, label=""):
            values = re.findall(rf"^oakgate_{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE)
            return int(sum(float(value) for labels, value in values if label in labels))

        return {
            "allowed": total("calls_total", 'verdict="allowed"'),
            "calls": total("calls_total"),
            "receipts": total("receipts_total"),
            "intents": total("audit_records_total", 'record="intent"'),
            "outcomes": total("audit_records_total", 'record="outcome"'),
            "refused": total("refusals_total"),
            "dropped": total("audit_dropped_total"),
        }

    def check_counts(self, before, after, calls, connections):
        """Every call of a round was decided, stamped and recorded; those cut off at its end were not counted by wrk."""
        gained = {name: after[name] - before[name] for name in after}
        for name in ("allowed", "calls", "receipts", "intents", "outcomes"):
            found = gained[name]
            _check(calls <= found <= calls + connections, f"{calls} calls came back, and {name} rose by {found}")
        for name in ("refused", "dropped"):
            _check(gained[name] == 0, f"{name} rose by {gained[name]}")

    def check_records(self):
        """What it says that it recorded is on the disk. A call whose caller left meanwhile may be there uncounted."""
        counted = self.counts()
        found = {"intents": 0, "outcomes": 0}
        for file in (self.directory / "audit").iterdir():
            with file.open("rb") as lines:
                for line in lines:
                    found["intents"] += line.startswith(b'{"record":"intent"')
                    found["outcomes"] += line.startswith(b'{"record":"outcome"')
        most = counted["calls"] + counted["refused"]
        _check(
            counted["intents"] <= found["intents"] <= most and counted["outcomes"] <= found["outcomes"] <= most,
            f"it counted {counted}, and on the disk are {found}",
        )
        return found


def _decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _check(holds, message):
    if not holds:
        raise Failed(f"the gate did not enforce: {message}")
