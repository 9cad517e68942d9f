"""A backend of plain sockets that speaks HTTP/2 from the first byte on (RFC 9113), frame by frame, and breaks off or talks
nonsense as it is told.

Left alone it answers every JSON-RPC request with a tool result. Its log has a line for each whole request that reached it.
"""

import argparse
import json
import socket
import struct
import threading
import time
from pathlib import Path

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
ACK, END_STREAM, END_HEADERS = 1, 1, 4
MAX_CONCURRENT_STREAMS = 3
NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM = 0, 2, 7
STATUS_200 = b"\x88"
RESULT = {"resultType": "complete", "content": [{"type": "text", "text": "raw"}], "isError": False}
MISBEHAVIOUR = (
    "bad-field",  # a header of HTTP/1.1 in the answer
    "bad-frame",  # the body before the head
    "bad-length",  # a body longer than its `content-length`
    "big-head",  # an answer's head of two megabytes
    "goaway-after",  # an answer, and no further request on this connection
    "goaway-before",  # no answer: the request was not looked at
    "refuse",  # no answer: the stream was not looked at
    "reset",  # half of an answer
)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def field(name: str, value: str) -> bytes:
    """A header that HPACK neither indexes nor compresses (RFC 7541, section 6.2.2)."""
    return b"\x00" + b"".join(bytes([len(text)]) + text.encode() for text in (name, value))


class Connection:
    def __init__(self, connection: socket.socket, number: int, options: argparse.Namespace) -> None:
        self.connection = connection
        self.number = number
        self.options = options
        self.bodies: dict[int, bytes] = {}
        self.open = 0
        self.sending = threading.Lock()

    def send(self, *frames: bytes) -> None:
        with self.sending:
            self.connection.sendall(b"".join(frames))

    def exactly(self, count: int) -> bytes:
        taken = b""
        while len(taken) < count:
            more = self.connection.recv(count - len(taken))
            if not more:
                raise EOFError
            taken += more
        return taken

    def attend(self) -> None:
        try:
            if self.exactly(len(PREFACE)) != PREFACE:
                return
            limit = struct.pack(">HI", MAX_CONCURRENT_STREAMS, self.options.streams)
            self.send(frame(SETTINGS, 0, 0, limit))
            while True:
                self.frame()
        except (EOFError, OSError):
            return
        finally:
            self.connection.close()

    def frame(self) -> None:
        head = self.exactly(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = int.from_bytes(head[5:], "big")
        payload = self.exactly(length)
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == HEADERS:
            self.bodies[stream] = b""
            self.open += 1
        elif kind == DATA:
            self.bodies[stream] += payload
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            threading.Thread(target=self.request, args=(stream, self.bodies.pop(stream)), daemon=True).start()

    def request(self, stream: int, body: bytes) -> None:
        line = {"connection": self.number, "stream": stream, "open": self.open, "body": body.decode()}
        with self.options.log.open("a") as log:
            log.write(json.dumps(line) + "\n")
        time.sleep(self.options.delay_ms / 1000)
        try:
            self.answer(stream, body)
        except OSError:
            return
        finally:
            self.open -= 1

    def answer(self, stream: int, body: bytes) -> None:
        answer = json.dumps({"jsonrpc": "2.0", "id": json.loads(body).get("id"), "result": RESULT}).encode()
        what = self.options.misbehave
        fields = field("content-type", "application/json")
        data = frame(DATA, END_STREAM, stream, answer)
        if what == "bad-field":
            fields += field("connection", "close")
        elif what == "bad-length":
            fields += field("content-length", "5")
        head = frame(HEADERS, END_HEADERS, stream, STATUS_200 + fields)
        if what == "bad-frame":
            self.send(data, head)
        elif what == "big-head":
            more = [frame(CONTINUATION, 0, stream, field("x-more", "a" * 120) * 128) for _ in range(128)]
            self.send(
                frame(HEADERS, 0, stream, STATUS_200 + fields), *more, frame(CONTINUATION, END_HEADERS, stream), data
            )
        elif what == "goaway-after":
            self.send(head, data, frame(GOAWAY, 0, 0, struct.pack(">II", stream, NO_ERROR)))
        elif what == "goaway-before":
            self.send(frame(GOAWAY, 0, 0, struct.pack(">II", 0, NO_ERROR)))
        elif what == "refuse":
            self.send(frame(RST_STREAM, 0, stream, struct.pack(">I", REFUSED_STREAM)))
        elif what == "reset":
            half = frame(DATA, 0, stream, answer[: len(answer) // 2])
            self.send(head, half, frame(RST_STREAM, 0, stream, struct.pack(">I", INTERNAL_ERROR)))
        else:
            self.send(head, data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free port; the ready line names it")
    parser.add_argument("--log", type=Path, required=True, help="append a line of JSON for each request")
    parser.add_argument("--misbehave", choices=MISBEHAVIOUR)
    parser.add_argument("--streams", type=int, default=100, help="most streams at once")
    parser.add_argument("--delay-ms", type=int, default=0, help="pause before each answer")
    options = parser.parse_args()
    options.log.touch()
    listener = socket.create_server(("127.0.0.1", options.port))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    number = 0
    while True:
        connection, _ = listener.accept()
        number += 1
        threading.Thread(target=Connection(connection, number, options).attend, daemon=True).start()


if __name__ == "__main__":
    main()
