"""A backend of plain sockets: writes down every byte it gets, and answers requests as it is told.

Left alone it is an MCP server of either era, with one tool.
"""

import argparse
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from secure import scheme, secure_arguments, secured

FRESHNESS = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
RESULTS = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "raw", "version": "1.0.0"},
    },
    "server/discover": {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}} | FRESHNESS,
    "tools/list": {"tools": [{"name": "raw", "inputSchema": {"type": "object"}}]} | FRESHNESS,
}
CALL_RESULT = {"resultType": "complete", "content": [{"type": "text", "text": "raw"}], "isError": False}
READ_BYTES = 65536
CHUNK_BYTES = 16


class Request:
    """One HTTP/1.1 request: its request line and its body."""

    def __init__(self, line: str, body: bytes) -> None:
        self.line = line
        self.body = body

    def message(self) -> dict[str, Any]:
        """The JSON-RPC message in the body; empty if there is none."""
        try:
            message = json.loads(self.body)
        except ValueError:
            return {}
        return message if isinstance(message, dict) else {}


class Recorded:
    """The receiving side of a connection; what arrives is in the log before anyone looks at it."""

    def __init__(self, connection: socket.socket, log: Path | None) -> None:
        self.connection = connection
        self.log = log
        self.buffer = b""

    def more(self) -> None:
        arrived = self.connection.recv(READ_BYTES)
        if not arrived:
            raise EOFError
        if self.log is not None:
            with self.log.open("ab") as file:
                file.write(arrived)
        self.buffer += arrived

    def until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self.more()
        taken, self.buffer = self.buffer.split(mark, 1)
        return taken

    def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self.more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def request(self) -> Request:
        line, *fields = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return Request(line, b"".join(self.chunks()))
        return Request(line, self.exactly(int(headers.get("content-length", "0"))))

    def chunks(self) -> Iterator[bytes]:
        while size := int(self.until(b"\r\n").split(b";")[0], 16):
            yield self.exactly(size)
            self.exactly(2)
        while self.until(b"\r\n"):
            pass


def answer(request: Request, options: argparse.Namespace) -> tuple[int, bytes]:
    """Status and body: the file as it is, or a JSON-RPC response to the request's own id."""
    if options.body_file is not None:
        return options.status, options.body_file.read_bytes()
    if not request.line.startswith("POST "):
        return 405, b""
    message = request.message()
    method = message.get("method")
    if method is not None and "id" not in message:
        return 202, b""
    scripted = json.loads(options.results.read_text()) if options.results is not None else {}
    result = (RESULTS | scripted).get(method, CALL_RESULT)
    return options.status, json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": result}).encode()


def send_answer(connection: socket.socket, request: Request, options: argparse.Namespace) -> None:
    time.sleep(options.delay_ms / 1000)
    status, body = answer(request, options)
    content_type = options.content_type or ("text/event-stream" if options.sse else "application/json")
    head = f"HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\n"
    head += "".join(f"{header}\r\n" for header in options.header)
    if body and (options.sse or options.chunked):
        connection.sendall((head + "transfer-encoding: chunked\r\n\r\n").encode())
        for part in events(body, options) if options.sse else pieces(body):
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
            if options.half:
                return
        connection.sendall(b"0\r\n\r\n")
    else:
        sent = body[: len(body) // 2] if options.half else body
        connection.sendall((head + f"content-length: {len(body)}\r\n\r\n").encode() + sent)


def events(body: bytes, options: argparse.Namespace) -> Iterator[bytes]:
    """Comments with a pause after each, then the answer as one event."""
    for number in range(options.events):
        yield f": event {number + 1}\n\n".encode()
        time.sleep(options.interval_ms / 1000)
    yield b"event: message\n" + b"".join(b"data: %s\n" % line for line in body.splitlines()) + b"\n"


def pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), CHUNK_BYTES):
        yield body[start : start + CHUNK_BYTES]


def attend(connection: socket.socket, options: argparse.Namespace, plain: argparse.Namespace) -> None:
    """Answers one connection's requests, one after the other, until it ends."""
    context = secured(options)
    if context is not None:
        try:
            connection = context.wrap_socket(connection, server_side=True)
        except OSError:
            return
    recorded = Recorded(connection, options.log)
    # Closing with a linger time of zero sends RST in place of FIN.
    linger = struct.pack("ii", 1, 0)
    requests = 0
    with connection:
        try:
            while True:
                request = recorded.request()
                requests += 1
                if options.only not in (None, request.message().get("method")):
                    send_answer(connection, request, plain)
                elif options.hang:
                    while True:
                        recorded.more()
                elif options.reset or (options.reset_kept and requests > 1):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return
                else:
                    send_answer(connection, request, options)
                    if options.half == "stall":
                        while True:
                            recorded.more()
                    elif options.half == "reset":
                        time.sleep(0.05)
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                        return
                    elif options.half == "close" or options.close_idle:
                        return
        except (EOFError, OSError):
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free port; the ready line names it")
    parser.add_argument("--log", type=Path, help="append every byte received to this file")
    parser.add_argument("--results", type=Path, help="answer by method: a JSON object of JSON-RPC method to result")
    parser.add_argument("--only", metavar="METHOD", help="do what follows to this JSON-RPC method only")
    parser.add_argument("--status", type=int, default=200)
    parser.add_argument("--content-type", help="default: application/json, or text/event-stream with --sse")
    parser.add_argument("--header", action="append", default=[], help="a further line of the answer's head; repeatable")
    parser.add_argument("--body-file", type=Path, help="answer with these bytes, whatever the request")
    parser.add_argument("--sse", action="store_true", help="answer as an event stream, comments before the event")
    parser.add_argument("--events", type=int, default=3, help="comments to send before the answer, with --sse")
    parser.add_argument("--interval-ms", type=int, default=200, help="pause after each comment, with --sse")
    parser.add_argument("--chunked", action="store_true", help="answer in small chunks")
    parser.add_argument("--hang", action="store_true", help="read requests and never answer")
    parser.add_argument("--reset", action="store_true", help="read a request and reset the connection")
    secure_arguments(parser)
    parser.add_argument("--reset-kept", action="store_true", help="reset a connection when a second request comes on it")
    parser.add_argument("--close-idle", action="store_true", help="close each connection after an answer, unannounced")
    parser.add_argument("--half", choices=["close", "reset", "stall"], help="answer with one half, and then do this")
    parser.add_argument("--delay-ms", type=int, default=0, help="pause before each answer")
    options = parser.parse_args()
    plain = parser.parse_args(["--results", str(options.results)] if options.results else [])
    if options.log is not None:
        options.log.touch()
    listener = socket.create_server(("127.0.0.1", options.port))
    print(f"listening on {scheme(options)}://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=attend, args=(connection, options, plain), daemon=True).start()


if __name__ == "__main__":
    main()
