"""The kit's client: sends bytes as they are, and keeps every byte of the answer."""

import re
import socket
import time
import zlib
from dataclasses import dataclass, field

from .framing import CHUNK_SIZE

READ_BYTES = 65536
QUIET_SECONDS = 0.1
"""Once an answer is whole, how long more may come where more is possible."""


@dataclass
class Answer:
    """What came back on one connection."""

    received: bytes = b""
    is_closed: bool = False
    is_late: bool = False
    """Nothing came, nor was the connection closed, in time; or the answer did not end."""
    responses: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    """Status, headers (in lower case) and body of each whole response."""

    def text(self) -> str:
        """All that a client could read in it: chunks joined, compression undone, escapes and event lines resolved."""
        bodies = [self.received, *(body for _, _, body in self.responses)]
        plain = [unpacked(body) for body in bodies]
        decoded = [part.decode(name, "replace") for part in plain for name in ("utf-8", "utf-16", "utf-16-be")]
        joined = [re.sub(r"(\r\n|\r|\n)data: ?", "", text) for text in decoded]
        return "\n".join(unescaped(text) for text in decoded + joined)


def unescaped(text: str) -> str:
    return re.sub(r"\\u([0-9A-Fa-f]{4})", lambda code: chr(int(code[1], 16)), text)


def unpacked(body: bytes) -> bytes:
    try:
        return zlib.decompressobj(47).decompress(body)
    except zlib.error:
        return body


def exchange(address: tuple[str, int], parts: list[bytes], limit_seconds: float, is_raw: bool) -> Answer:
    """Sends each part once the part before is answered. After the last answer of raw parts, more may come."""
    answer = Answer()
    deadline = time.monotonic() + limit_seconds
    try:
        with socket.create_connection(address, timeout=limit_seconds) as stream:
            for number, part in enumerate(parts):
                send(stream, part)
                receive(stream, answer, number + 1, deadline)
            while is_raw and not answer.is_closed and not answer.is_late:
                if not receive_once(stream, answer, min(deadline, time.monotonic() + QUIET_SECONDS)):
                    break
    except OSError:
        answer.is_closed = True
    answer.responses = whole_responses(answer)
    return answer


def send(stream: socket.socket, part: bytes) -> None:
    """Sends what the other side takes. One that has closed its end may have answered all the same."""
    try:
        stream.sendall(part)
    except (BrokenPipeError, ConnectionResetError):
        return


def receive(stream: socket.socket, answer: Answer, count: int, deadline: float) -> None:
    """Receives until so many responses are whole, the other side closes, or time is up."""
    while len(whole_responses(answer)) < count and not answer.is_closed:
        if not receive_once(stream, answer, deadline) and not answer.is_closed:
            answer.is_late = True
            return


def receive_once(stream: socket.socket, answer: Answer, deadline: float) -> bool:
    stream.settimeout(max(0.001, deadline - time.monotonic()))
    try:
        received = stream.recv(READ_BYTES)
    except TimeoutError:
        return False
    except OSError:
        received = b""
    answer.received += received
    answer.is_closed = not received
    return bool(received)


def whole_responses(answer: Answer) -> list[tuple[int, dict[str, str], bytes]]:
    """The responses that are complete; interim ones (1xx) do not count."""
    responses = []
    rest = answer.received
    while (found := re.match(rb"HTTP/1\.[01] (\d{3})", rest)) and b"\r\n\r\n" in rest:
        status = int(found[1])
        head, _, rest = rest.partition(b"\r\n\r\n")
        lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        if 100 <= status < 200 and status != 101:
            continue
        body, rest = body_of(status, headers, rest, answer.is_closed)
        if body is None:
            break
        responses.append((status, headers, body))
    return responses


def body_of(status: int, headers: dict[str, str], rest: bytes, is_closed: bool) -> tuple[bytes | None, bytes]:
    if status in (101, 204, 304):
        return b"", rest
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return dechunked(rest, is_closed)
    if "content-length" in headers:
        length = int(headers["content-length"])
        return (rest[:length] if len(rest) >= length else None), rest[length:]
    return (rest if is_closed else None), b""


def dechunked(rest: bytes, is_closed: bool) -> tuple[bytes | None, bytes]:
    body = b""
    while (size := CHUNK_SIZE.match(rest)) and b"\r\n" in rest:
        length = int(size[1], 16)
        rest = rest.partition(b"\r\n")[2]
        if length == 0:
            return body, rest.partition(b"\r\n")[2]
        body, rest = body + rest[:length], rest[length + 2 :]
    # A stream that was cut off: what came before the cut was readable.
    return (body if is_closed else None), b""
