"""Shows that each case can fail: through a gateway without any policy, what it attacks has to get through."""

import json
import re
import socket
import threading
import unicodedata
import urllib.parse
from collections.abc import Callable

from .backend import Backend
from .cases import Case
from .target import Target

READ_BYTES = 65536
WAIT_SECONDS = 0.2
ANY_PORT = ("127.0.0.1", 0)
# Letters of other scripts that look like these.
LOOKALIKES = str.maketrans("асеорхурԁӏ", "aceopxypdl")
NAME = re.compile(rb'("name"\s*:\s*)("(?:[^"\\]|\\.)*")')

Change = Callable[[bytes], bytes]


def self_test(cases: list[Case]) -> int:
    """Exit status 0 if every case got through, and every honest request worked."""
    backend = Backend(ANY_PORT)
    gateways = [gateway(backend, lambda piece: piece), gateway(backend, tidied)]
    blind = []
    for case in cases:
        wanted = "worked" if case.is_control() else "through"
        if not any(target.run(case).verdict.status == wanted for target in gateways):
            blind.append(case.name)
            print(f"BLIND       {case.name}")
    print(f"{len(cases)} cases: {len(cases) - len(blind)} can fail, {len(blind)} can't")
    return 1 if blind else 0


def gateway(backend: Backend, change: Change) -> Target:
    port = pipe(backend.port, change)
    url = f"http://127.0.0.1:{port}"
    return Target(backend, f"{url}/mcp", f"{url}/rest", wait_seconds=WAIT_SECONDS)


def pipe(backend_port: int, change: Change) -> int:
    """A gateway without policy: it passes on what comes, but for the change. Returns its port."""
    listener = socket.create_server(ANY_PORT)

    def accept() -> None:
        while True:
            client, _ = listener.accept()
            upstream = socket.create_connection(("127.0.0.1", backend_port))
            for source, sink, changed in ((client, upstream, change), (upstream, client, bytes)):
                threading.Thread(target=copy, args=(source, sink, changed), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])


def copy(source: socket.socket, sink: socket.socket, change: Change) -> None:
    try:
        while piece := source.recv(READ_BYTES):
            sink.sendall(change(piece))
    except OSError:
        pass
    finally:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def tidied(piece: bytes) -> bytes:
    """A request whose target and tool name are made neat by a gateway that means well, after it decided on them."""
    head, gap, body = piece.partition(b"\r\n\r\n")
    body = NAME.sub(lambda found: found[1] + neat(found[2]), body)
    line, gap_1, head = head.partition(b"\r\n")
    head = urllib.parse.unquote_to_bytes(line) + gap_1 + head
    head = re.sub(rb"(?i)(content-length: )\d+", lambda found: b"%s%d" % (found[1], len(body)), head)
    return head + gap + body


def neat(name: bytes) -> bytes:
    try:
        text = json.loads(name, strict=False)
    except ValueError:
        return name
    text = unicodedata.normalize("NFKC", text.strip()).translate(LOOKALIKES).casefold()
    text = re.sub("%([0-9a-f]{2})", lambda code: chr(int(code[1], 16)), text)
    text = [part for part in re.split(r"[./:\n]", text) if part][-1]
    text = "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Cc", "Mn"))
    return json.dumps(text.strip().strip("\"'").replace("-", "_")).encode()
