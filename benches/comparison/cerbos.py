"""Cerbos under test: its own binary, policies from a folder, over its HTTP API."""

import json
from pathlib import Path

from .programs import Program, free_ports
from .question import cerbos_allows, cerbos_body, cerbos_policies

NAME = "cerbos"
NAME_WITH_AUDIT = "cerbos, audit file"
PACKAGE = "@cerbos/cerbos-linux-x64"
VERSION = "0.55.0"
PATH = "/api/check/resources"


class Cerbos:
    """`audit`: each decision goes to a file, as its file backend writes it: not synced to the disk."""

    allows = staticmethod(cerbos_allows)
    body = staticmethod(cerbos_body)
    path = PATH
    headers = {"Content-Type": "application/json"}

    def __init__(self, binary, tools, directory, audit=False):
        self.name = NAME_WITH_AUDIT if audit else NAME
        folder = Path(directory) / self.name.replace(", ", "-").replace(" ", "-")
        policies = folder / "policies"
        policies.mkdir(parents=True)
        for name, text in cerbos_policies(tools).items():
            (policies / name).write_text(text)
        self.port, grpc = free_ports(2)
        self.audit_file = folder / "audit.log" if audit else None
        config = folder / "cerbos.json"
        config.write_text(json.dumps(self._settings(policies, grpc), indent=2))
        command = [binary, "server", "--log-level=error", f"--config={config}"]
        self.program = Program(self.name, command, self.port, directory)
        self.store = None

    def _settings(self, policies, grpc):
        settings = {
            "server": {"httpListenAddr": f"127.0.0.1:{self.port}", "grpcListenAddr": f"127.0.0.1:{grpc}"},
            "storage": {"driver": "disk", "disk": {"directory": str(policies), "watchForChanges": False}},
            "telemetry": {"disabled": True},
        }
        if self.audit_file:
            settings["audit"] = {
                "enabled": True,
                "accessLogsEnabled": False,
                "decisionLogsEnabled": True,
                "backend": "file",
                "file": {"path": str(self.audit_file)},
            }
        return settings

    def records(self):
        """Decisions in its audit file; None without one."""
        if not self.audit_file:
            return None
        with self.audit_file.open("rb") as lines:
            return sum(1 for _ in lines)

    def stop(self):
        self.program.stop()
