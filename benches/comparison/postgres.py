"""A PostgreSQL of our own: a new data folder, its defaults (so every commit is synced to the disk), on one port."""

import os
import shutil
import subprocess
from pathlib import Path

from .programs import Failed, Program, free_ports

USER = "oakgate"
DATABASE = "postgres"


class Postgres:
    def __init__(self, binaries, directory):
        self.binaries = Path(binaries)
        # It does not run as root. The system's user for it takes its place, and must reach the folder.
        self.runs_as = "postgres" if os.geteuid() == 0 else None
        Path(directory).chmod(0o711)
        data = Path(directory) / "postgres"
        data.mkdir()
        if self.runs_as:
            shutil.chown(data, self.runs_as, self.runs_as)
        initialise = ["initdb", "-D", str(data), "-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C"]
        self._run(initialise, data)
        self.port = free_ports(1)[0]
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
        command = [self.binaries / "postgres", "-D", data, *(part for option in options for part in ("-c", option))]
        self.program = Program("postgres", command, self.port, data, user=self.runs_as)
        self.url = f"postgres://{USER}@127.0.0.1:{self.port}/{DATABASE}"
        synced = self.query("SHOW fsync"), self.query("SHOW synchronous_commit")
        if synced != ("on", "on"):
            raise Failed(f"postgres does not sync what it commits: {synced}")

    def _run(self, command, folder):
        done = subprocess.run(
            [self.binaries / command[0], *command[1:]],
            capture_output=True,
            text=True,
            cwd=folder,
            user=self.runs_as,
            group=self.runs_as,
            extra_groups=[] if self.runs_as else None,
        )
        if done.returncode != 0:
            raise Failed(f"{command[0]}: {done.stderr}")
        return done.stdout.strip()

    def query(self, sql):
        return self._run(["psql", "-X", "-t", "-A", "-d", self.url, "-c", sql], "/")

    def stop(self):
        self.program.stop()
