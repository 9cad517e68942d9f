"""Memory of connections that are kept and silent: many of them, each after one call."""

import resource
import socket
import ssl
import struct
import time
from dataclasses import dataclass

from .programs import Failed

# A source address has fewer than 30,000 ports, and a proxy may limit what one address has open.
PER_ADDRESS = 2000
SETTLE_SECONDS = 3
# Longer than allocators keep what became free.
CLOSED_SECONDS = 25
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
SETTING_INITIAL_WINDOW = 4


@dataclass(frozen=True)
class Idle:
    """What a program holds for each connection, in KiB: of resident memory, and what of it stays after they closed."""

    name: str
    connections: int
    kib_each: float
    kib_each_left: float


def measure(contestant, count, body, headers):
    """Opens them, makes one call on each, and looks at the program's memory before, with them, and after."""
    program, way = contestant.program, contestant.target
    before = program.resident_kib()
    connections = []
    try:
        for number in range(count):
            connections.append(_connection(way, number))
            _call(connections[-1], way, body, headers)
        time.sleep(SETTLE_SECONDS)
        held = program.resident_kib()
        # A call on the oldest: they are open, and not just forgotten.
        _call(connections[0], way, body, headers, stream=3)
    finally:
        for one in connections:
            one.close()
    time.sleep(CLOSED_SECONDS)
    left = program.resident_kib()
    return Idle(contestant.name, count, (held - before) / count, (left - before) / count)


def allow_files(count):
    """Lets this process, and what it starts, open so many files."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < count:
        raise Failed(f"at most {hard} open files are allowed, and {count} are needed: raise `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def _connection(way, number):
    source = f"127.0.0.{2 + number // PER_ADDRESS}"
    plain = socket.create_connection(("127.0.0.1", way.port), timeout=30, source_address=(source, 0))
    if not way.is_secure:
        connection = plain
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2" if way.is_http2 else "http/1.1"])
        connection = context.wrap_socket(plain)
    if way.is_http2:
        connection.sendall(PREFACE + _frame(SETTINGS, 0, 0, struct.pack(">HI", SETTING_INITIAL_WINDOW, 1 << 20)))
    return connection


def _call(connection, way, body, headers, stream=1):
    status = (_call_http2 if way.is_http2 else _call_http1)(connection, way, body, headers, stream)
    if status != b"200":
        raise Failed(f"a call over {way.name} was answered with {status}")


def _call_http1(connection, way, body, headers, _stream):
    lines = [f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{way.port}\r\nContent-Length: {len(body)}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    connection.sendall("".join(lines).encode() + b"\r\n" + body)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _received(connection)
    head, _, rest = answer.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(rest) < length:
        rest += _received(connection)
    return head.split(b" ")[1]


def _call_http2(connection, way, body, headers, stream):
    scheme = "https" if way.is_secure else "http"
    fields = {":method": "POST", ":scheme": scheme, ":path": "/mcp", ":authority": f"127.0.0.1:{way.port}"}
    fields |= {name.lower(): value for name, value in headers.items()}
    block = b"".join(_literal(name.encode(), value.encode()) for name, value in fields.items())
    connection.sendall(_frame(HEADERS, END_HEADERS, stream, block) + _frame(DATA, END_STREAM, stream, body))
    status, received = None, b""
    while True:
        while len(received) < 9:
            received += _received(connection)
        length, kind, flags = int.from_bytes(received[:3], "big"), received[3], received[4]
        while len(received) < 9 + length:
            received += _received(connection)
        payload, received = received[9 : 9 + length], received[9 + length :]
        if kind == SETTINGS and not flags & ACK:
            connection.sendall(_frame(SETTINGS, ACK, 0, b""))
        if kind == HEADERS:
            # `:status: 200` is entry 8 of HPACK's static table (RFC 7541, appendix A).
            status = b"200" if payload[:1] == b"\x88" else payload[:8]
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            return status


def _literal(name, value):
    """A header field that no table remembers, without Huffman (RFC 7541, section 6.2.2)."""
    return b"\x00" + _length(name) + name + _length(value) + value


def _length(text):
    """An integer with a prefix of seven bits (RFC 7541, section 5.1)."""
    if len(text) < 127:
        return bytes([len(text)])
    rest, parts = len(text) - 127, bytearray([127])
    while rest >= 128:
        parts.append(rest % 128 + 128)
        rest //= 128
    return bytes([*parts, rest])


def _frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _received(connection):
    data = connection.recv(65536)
    if not data:
        raise Failed("a connection was closed")
    return data
