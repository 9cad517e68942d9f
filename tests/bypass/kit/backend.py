"""The kit's backend: an MCP server of every revision, and a REST server, that writes down every byte it receives."""

import json
import re
import secrets
import socket
import threading
from collections.abc import Callable
from typing import Any

from .framing import CHUNK_SIZE

READ_BYTES = 65536
HEAD_MAX_BYTES = 1024 * 1024
REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
TOOLS = [
    {"name": name, "description": f"{name} of the kit", "inputSchema": {"type": "object"}}
    for name in ("open_note", "drop_table", "pay")
]
MODERN = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}

Script = Callable[[str, Any], bytes | None]
"""From a JSON-RPC method (or `GET`) and a message's id to a whole HTTP answer; `None` for the backend's own."""


class Connection:
    """What one connection has brought so far."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.received = bytearray()
        self.answered = 0
        """Where the last whole request ended, as this server reads it."""

    def more(self) -> None:
        arrived = self.stream.recv(READ_BYTES)
        if not arrived:
            raise EOFError
        self.received += arrived

    def request(self) -> tuple[str, str, bytes]:
        """The next request: its method, its head, its body."""
        start = self.answered
        while (end := self.received.find(b"\r\n\r\n", start)) < 0:
            if len(self.received) - start > HEAD_MAX_BYTES:
                raise EOFError
            self.more()
        head = self.received[start:end].decode("latin-1")
        at = end + 4
        coding = re.search(r"\ntransfer-encoding:[^\r\n]*chunked", head, re.IGNORECASE)
        length = re.search(r"\ncontent-length:[ \t]*(\d+)", head, re.IGNORECASE)
        if coding:
            body, at = self.chunks(at)
        else:
            size = int(length[1]) if length else 0
            while len(self.received) < at + size:
                self.more()
            body, at = bytes(self.received[at : at + size]), at + size
        self.answered = at
        return head.split(" ", 1)[0], head, body

    def chunks(self, at: int) -> tuple[bytes, int]:
        body = b""
        while True:
            line, at = self.line(at)
            size = CHUNK_SIZE.match(line)
            if size is None:
                raise EOFError
            length = int(size[1], 16)
            if length == 0:
                while line:
                    line, at = self.line(at)
                return body, at
            while len(self.received) < at + length + 2:
                self.more()
            body += self.received[at : at + length]
            at += length + 2

    def line(self, at: int) -> tuple[bytes, int]:
        while (end := self.received.find(b"\r\n", at)) < 0:
            self.more()
        return bytes(self.received[at:end]), end + 2


class Backend:
    """Listens on a port of the loopback address, or of all, and answers until the program ends."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.listener = socket.create_server(address)
        self.port = self.listener.getsockname()[1]
        self.connections: list[Connection] = []
        self.changing = threading.Lock()
        self.starts: dict[int, int] = {}
        self.script: Script | None = None
        threading.Thread(target=self.accept, daemon=True).start()

    def begin(self, script: Script) -> None:
        """From here on, what arrives belongs to a new case, and is answered by its script."""
        with self.changing:
            self.connections = [connection for connection in self.connections if connection.stream.fileno() >= 0]
        self.starts = {id(connection): connection.answered for connection in self.connections}
        self.script = script

    def end_script(self) -> None:
        """From here on, answers are the backend's own; what arrives still belongs to the case."""
        self.script = None

    def arrived(self) -> list[bytes]:
        """Every byte that has arrived since then, of each connection by itself."""
        slices = [bytes(one.received[self.starts.get(id(one), 0) :]) for one in list(self.connections)]
        return [received for received in slices if received]

    def accept(self) -> None:
        while True:
            connection = Connection(self.listener.accept()[0])
            with self.changing:
                self.connections.append(connection)
            threading.Thread(target=self.attend, args=(connection,), daemon=True).start()

    def attend(self, connection: Connection) -> None:
        with connection.stream:
            try:
                while True:
                    method, head, body = connection.request()
                    connection.stream.sendall(self.answer(method, head, body))
                    if re.match(rf"{method} \S+ HTTP/1\.0", head):
                        return
            except (EOFError, OSError):
                return

    def answer(self, method: str, head: str, body: bytes) -> bytes:
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, list):
            results = [result for one in message if (result := result_of(one)) is not None]
            return http(200, json.dumps(results).encode()) if results else http(202, b"")
        name = message.get("method") if isinstance(message, dict) else method
        ident = message.get("id") if isinstance(message, dict) else 1
        scripted = self.script(str(name), ident) if self.script is not None else None
        if scripted is not None:
            return scripted
        if isinstance(message, dict) and "jsonrpc" in message:
            result = result_of(message)
            headers = {"Mcp-Session-Id": secrets.token_hex(16)} if name == "initialize" else {}
            return http(202, b"") if result is None else http(200, json.dumps(result).encode(), headers)
        if method == "GET" and "text/event-stream" in head:
            return http(405, b"")
        target = head.split(" ")[1] if " " in head else ""
        return http(200, json.dumps({"done": f"{method} {target}"}).encode())


def result_of(message: Any) -> dict[str, Any] | None:
    """The response to one message; `None` for what wants none."""
    if not isinstance(message, dict) or "id" not in message or "method" not in message:
        return None
    method, params = message["method"], message.get("params")
    params = params if isinstance(params, dict) else {}
    result: dict[str, Any] = {"resultType": "complete"}
    if method == "initialize":
        asked = params.get("protocolVersion")
        revision = asked if asked in REVISIONS else REVISIONS[-1]
        server = {"name": "bypass-kit", "version": "1.0.0"}
        result = {"protocolVersion": revision, "capabilities": {"tools": {"listChanged": True}}, "serverInfo": server}
    elif method == "server/discover":
        result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}} | MODERN
    elif method == "tools/list":
        result = {"tools": TOOLS} | MODERN
    elif method == "tools/call":
        text = f"the kit ran {params.get('name')} with {json.dumps(params.get('arguments'))}"
        result = {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": False}
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def http(status: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} Kit", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
