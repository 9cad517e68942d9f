"""The client: wrk, one thread, on kept connections; here always the same call."""

import json
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .programs import Failed

# What wrk may take longer than it was told to.
GRACE_SECONDS = 30

SCRIPT = """
local body = io.open("{body}", "rb"):read("*a")
wrk.method = "POST"
wrk.body = body
{headers}
"""

# What every script ends with: a line of JSON, last of all.
DONE = """
function done(summary, latency, requests)
  local errors = summary.errors
  local socket_errors = errors.connect + errors.read + errors.write + errors.timeout
  local said = '\\n{"calls":%d,"duration_us":%d,"not_2xx":%d,"socket_errors":%d,"p50_us":%d,"p99_us":%d}\\n'
  io.write(said:format(summary.requests, summary.duration, errors.status, socket_errors,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Load:
    """What came back in one round."""

    calls: int
    duration_us: int
    p50_us: int
    p99_us: int
    client_us: float


class Client:
    def __init__(self, wrk, body_file, headers, directory):
        self.wrk = wrk
        self.script = Path(directory) / "call.lua"
        self.script.write_text(SCRIPT.format(body=body_file, headers=header_lines(headers)) + DONE)

    def run(self, name, port, connections, seconds):
        return run_wrk(self.wrk, self.script, name, f"http://127.0.0.1:{port}/mcp", connections, seconds)


def header_lines(headers):
    """Headers of every request, as Lua."""
    return "\n".join(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items())


def run_wrk(wrk, script, name, url, connections, seconds):
    """One round; every answer must be a good one. `name`: whom to blame."""
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE_SECONDS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        raise Failed(f"wrk against {name} ended with status {done.returncode}: {done.stderr}")
    said = json.loads(lines[-1])
    if said["calls"] == 0 or said.pop("not_2xx") + said.pop("socket_errors") > 0:
        raise Failed(f"calls through {name} failed:\n{done.stdout}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Load(**said, client_us=1e6 * used)
