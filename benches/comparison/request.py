"""Single requests, for what is checked before and after the load."""

import http.client
from dataclasses import dataclass
from pathlib import Path

# The call that is measured.
CALL = Path(__file__).resolve().parents[1] / "call.json"


@dataclass(frozen=True)
class Answer:
    status: int
    # By their names in lower case.
    headers: dict
    body: bytes


def request(port, method, path, body=None, headers=None, timeout=10):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def call_headers(key):
    """The headers of the call, as an MCP client sends them."""
    return {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-06-18",
        "Mcp-Session-Id": "0f8b1c52-6b0f-4d5e-9b5e-2f1f6f2f7a11",
        "X-API-Key": key,
    }
