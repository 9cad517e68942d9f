"""The ways to a proxy: HTTP/1.1 and HTTP/2, each with and without TLS; and h2load, the client that speaks them all."""

import re
import resource
import subprocess
from dataclasses import dataclass

from .load import GRACE_SECONDS, Load
from .programs import Failed


@dataclass(frozen=True)
class Way:
    """One protocol on one port."""

    name: str
    port: int
    is_http2: bool
    is_secure: bool

    @property
    def url(self):
        return f"{'https' if self.is_secure else 'http'}://127.0.0.1:{self.port}/mcp"


def ways(http1, http2, secure):
    """All four, the plain one first: the others are compared with it."""
    return [
        Way("HTTP/1.1", http1, False, False),
        Way("HTTP/1.1, TLS", secure, False, True),
        Way("HTTP/2", http2, True, False),
        Way("HTTP/2, TLS", secure, True, True),
    ]


class EveryClient:
    """h2load with one thread, on kept connections, always the same call, one at a time on each."""

    def __init__(self, h2load, body_file, headers):
        self.command = [h2load, "-t1", "-m1", "-d", str(body_file)]
        for name, value in headers.items():
            self.command += ["-H", f"{name.lower()}: {value}"]

    def run(self, name, way, connections, seconds):
        version = [] if way.is_http2 else ["--h1"]
        timing = [f"-c{connections}", f"-D{seconds}s"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*self.command, *version, *timing, way.url],
            capture_output=True,
            text=True,
            timeout=seconds + GRACE_SECONDS,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return _load(done.stdout, name, way, seconds, 1e6 * used)


def _load(text, name, way, seconds, client_us):
    """What h2load counted. It counts calls that are under way at the end as failed: at most one a connection."""
    found = re.search(r"^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx$", text, re.MULTILINE)
    protocol = re.search(r"^Application protocol: (\S+)$", text, re.MULTILINE)
    if not found or int(found[1]) == 0 or any(int(found[place]) for place in (2, 3, 4)):
        raise Failed(f"calls through {name} failed:\n{text}")
    if way.is_secure and (protocol is None or (protocol[1] == "h2") != way.is_http2):
        raise Failed(f"{way.name} was not spoken by {name}:\n{text}")
    return Load(calls=int(found[1]), duration_us=seconds * 1_000_000, p50_us=0, p99_us=0, client_us=client_us)
