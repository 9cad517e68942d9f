"""A program under test: started, ready, its CPU time and memory read from /proc, stopped."""

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 10


class Failed(Exception):
    """The comparison cannot go on, or what it measured is not what it says."""


@dataclass(frozen=True)
class CpuTime:
    """CPU time of a process, all its threads and children, in microseconds."""

    user_us: float
    system_us: float

    @classmethod
    def of(cls, pids):
        ticks = [0, 0]
        for pid in pids:
            # The name in brackets may hold blanks; what follows it starts at field 3. utime and stime are 14 and 15.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks[0] += int(fields[11])
            ticks[1] += int(fields[12])
        return cls(*(1e6 * count / TICKS_PER_SECOND for count in ticks))

    def since(self, earlier):
        return CpuTime(self.user_us - earlier.user_us, self.system_us - earlier.system_us)

    @property
    def total_us(self):
        return self.user_us + self.system_us


class Program:
    """One running program. It takes calls on `port`, and is up once `ready_port` (or that) accepts connections.

    `user`: who runs it; whoever runs this if there is none.
    """

    def __init__(self, name, command, port, directory, ready_port=None, user=None):
        self.name = name
        self.port = port
        self.log = Path(directory) / f"{name.replace(' ', '-')}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )
        try:
            self._wait_for_port(ready_port or port)
        except BaseException:
            self.stop()
            raise

    def _wait_for_port(self, port):
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended with status {self.process.returncode}:\n{self.log_tail()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise Failed(f"{self.name} does not listen after {START_SECONDS_MAX} s:\n{self.log_tail()}")

    def log_tail(self):
        return self.log.read_text(errors="replace")[-2000:]

    def pids(self):
        """The process and its direct children (nginx: a master and its worker)."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def cpu_time(self):
        return CpuTime.of(self.pids())

    def resident_kib(self):
        """VmRSS of its largest process: a master and its worker share most of theirs."""
        return max(_status_kib(pid, "VmRSS") for pid in self.pids())

    def forget_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak_kib(self):
        """The most that was resident since the peak was last forgotten."""
        return _status_kib(self.process.pid, "VmHWM")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def _status_kib(pid, name):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise Failed(f"process {pid} has no {name}")


def free_ports(count):
    """Ports that nothing listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def printed_by(*command):
    """What a program that has to succeed prints."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


def version_of(command):
    """The first line that names a version; programs differ in where they print it."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if lines else "unknown"
