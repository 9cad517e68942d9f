"""The gateway under test: how a case is sent to it, and what came of that."""

import contextlib
import json
import socket
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field

from .backend import Backend
from .calls import calls_seen, as_taken
from .cases import Case, block_text, expand
from .client import Answer, exchange
from .framing import requests_seen
from .rest import requests_for
from .texts import packed

PATIENCE_SECONDS = 5.0
WAIT_SECONDS = 1.0
"""For a case that may wait: its request never ends."""
SETTLE_SECONDS = 0.01
HEAD_START_SECONDS = 0.1
MODERN = "2026-07-28"
META = (
    '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
    '"io.modelcontextprotocol/clientCapabilities":{}}'
)
LISTED = ",".join(
    '{"name":"%s","inputSchema":{"type":"object"}}' % name for name in ("open_note", "drop_table", "pay")
)
GOOD = ("stopped", "worked")


@dataclass(frozen=True)
class Verdict:
    """What became of a case: `stopped`, `through` or `broken`, an honest one `worked` or `broken`; and why."""

    status: str
    how: str = ""


@dataclass
class Outcome:
    """Everything about one run of a case."""

    verdict: Verdict
    sent: list[bytes] = field(default_factory=list)
    arrived: list[bytes] = field(default_factory=list)
    answer: Answer = field(default_factory=Answer)


class Target:
    """A gateway, and the backend behind it."""

    def __init__(
        self,
        backend: Backend,
        gateway: str,
        rest: str | None = None,
        headers: list[str] | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        url = urllib.parse.urlsplit(gateway)
        if url.scheme != "http" or url.hostname is None:
            raise ValueError(f"the gateway's address must begin with http:// and name a host: {gateway}")
        self.address = (url.hostname, url.port or 80)
        self.host = url.netloc
        self.path = url.path or "/"
        self.rest = None if rest is None else urllib.parse.urlsplit(rest).path.rstrip("/")
        self.headers = headers or []
        self.backend = backend
        self.sessions: dict[str, list[str]] = {"none": [], MODERN: [f"MCP-Protocol-Version: {MODERN}"]}
        self.probes = 0
        self.wait_seconds = wait_seconds

    def run(self, case: Case) -> Outcome:
        """Runs one case, and an honest call after it."""
        words = self.words(self.session(case.get("as", "2025-11-25")))
        parts = self.parts(case, words)
        self.backend.begin(lambda method, ident: self.script(case, words, method, ident))
        with self.beside(case, words):
            answer = self.exchange(case, parts)
            time.sleep(SETTLE_SECONDS)
        verdict = judge(case, self.backend.arrived(), answer)
        self.backend.end_script()
        works = self.probe()
        # What came late came through all the same.
        arrived = self.backend.arrived()
        if verdict.status in GOOD and (how := got_through(case, arrived, answer)) is not None:
            verdict = Verdict("through", how)
        if verdict.status in GOOD and not works:
            verdict = Verdict("broken", "the honest call after it did not work")
        return Outcome(verdict, parts, arrived, answer)

    def exchange(self, case: Case, parts: list[bytes]) -> Answer:
        limit_seconds = self.wait_seconds if case.get("may", "") == "wait" else PATIENCE_SECONDS
        return exchange(self.address, parts, limit_seconds, bool(case.send))

    @contextlib.contextmanager
    def beside(self, case: Case, words: dict[str, bytes]) -> Iterator[None]:
        """Another request, under way on a connection of its own, where the case has one."""
        request = expand(block_text(case.get("beside", "")), words)
        if not request:
            yield
            return
        with socket.create_connection(self.address) as stream:
            stream.sendall(request)
            time.sleep(HEAD_START_SECONDS)
            yield

    def probe(self) -> bool:
        """Whether an honest call works, and gets the answer to itself and to nothing else."""
        self.probes += 1
        title = f"probe-{self.probes}"
        call = {"name": "open_note", "arguments": {"title": title}}
        message = {"jsonrpc": "2.0", "id": self.probes, "method": "tools/call", "params": call}
        text = self.post(message, self.session("2025-11-25")).text()
        return "the kit ran open_note" in text and f'{title}\\"' in text

    def session(self, revision: str) -> list[str]:
        """The headers of a session at a revision; it is opened once."""
        if revision not in self.sessions:
            params = {
                "protocolVersion": revision,
                "capabilities": {},
                "clientInfo": {"name": "bypass-kit", "version": "1.0.0"},
            }
            message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
            answer = self.post(message, [])
            headers = answer.responses[0][1] if answer.responses else {}
            session = [f"Mcp-Session-Id: {headers['mcp-session-id']}"] if "mcp-session-id" in headers else []
            session += [f"MCP-Protocol-Version: {revision}"] if revision >= "2025-06-18" else []
            self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, session)
            self.sessions[revision] = session
        return self.sessions[revision]

    def post(self, message: dict[str, object], session: list[str]) -> Answer:
        words = self.words(session) | {"message": json.dumps(message).encode()}
        head = "POST <<path>> HTTP/1.1\r\n<<headers>>\r\nContent-Type: application/json\r\n"
        request = expand(head + "Content-Length: <<length>>\r\n\r\n<<message>>", words)
        return exchange(self.address, [request], PATIENCE_SECONDS, is_raw=False)

    def words(self, session: list[str]) -> dict[str, bytes]:
        """What the marks of a case stand for."""

        def message(method: str, params: str, ident: int = 1) -> str:
            return f'{{"jsonrpc":"2.0","id":{ident},"method":"{method}","params":{{{params}}}}}'

        open_note = '"name":"open_note","arguments":{"title":"today"}'
        drop_table = '"name":"drop_table","arguments":{"table":"notes"}'
        credentials = ["Accept: application/json, text/event-stream", *self.headers, *session]
        words = {
            "path": self.path,
            "rest": self.rest or "",
            "host": self.host,
            "credentials": "\r\n".join(credentials),
            "headers": "\r\n".join([f"Host: {self.host}", *credentials]),
            "meta": META,
            "open": message("tools/call", open_note),
            "drop": message("tools/call", drop_table, 2),
            "list": message("tools/list", "", 3),
            "ping": message("ping", "", 4),
            "ping and comma": message("ping", "") + ",",
            "rest of open": message("tools/call", open_note)[len('{"jso') :],
            "pad headers": "\r\nX-Pad: 1",
            "modern open": message("tools/call", f"{META},{open_note}"),
            "modern drop": message("tools/call", f"{META},{drop_table}", 2),
            "modern list": message("tools/list", META, 3),
            "smuggled": "POST <<path>> HTTP/1.1\r\n<<headers>>\r\nContent-Type: application/json\r\n"
            "Content-Length: <<length of drop>>\r\n\r\n<<drop>>",
        }
        return {word: text.encode() for word, text in words.items()}

    def parts(self, case: Case, words: dict[str, bytes]) -> list[bytes]:
        """The bytes of a case, in the pieces in which they are sent."""
        if case.send:
            return [expand(block_text(text), words) for text in case.send]
        body = expand(block_text(case.get("body", "")), words)
        for coding in case.all("pack"):
            body = packed(coding, body)
        without = [name.lower() for name in case.all("without")]
        head = [f"{case.get('method', 'POST')} {case.get('path', '<<path>>')} HTTP/1.1"]
        head += ["Host: <<host>>"] if "host" not in without else []
        head += ["<<credentials>>"]
        head += ["Content-Type: application/json"] if "content-type" not in without and body else []
        head += case.all("header")
        head += [f"Content-Length: {len(body)}"] if body else []
        return [expand("\r\n".join(head) + "\r\n\r\n", words) + body]

    def script(self, case: Case, words: dict[str, bytes], method: str, ident: object) -> bytes | None:
        """The backend's answer, where the case says one."""
        text = case.answers.get(method)
        if text is None:
            return None
        own = {"id": json.dumps(ident).encode()}
        own["listed"] = b'{"jsonrpc":"2.0","id":<<id>>,"result":{"tools":[%s]}}' % LISTED.encode()
        own["tools"] = LISTED.encode()
        whole = b"data: " + expand("<<listed>>", own) + b"\n\n"
        middle = whole.index(b"drop_") + len(b"drop_")
        own["chunk one"], own["chunk two"] = whole[:middle], whole[middle:]
        if not case.all("pack-answer"):
            return expand(block_text(text), words | own)
        head, _, body = block_text(text).partition("\r\n\r\n")
        packed_body = expand(body, words | own)
        for coding in case.all("pack-answer"):
            packed_body = packed(coding, packed_body)
        return expand(head + "\r\n\r\n<<packed>>", words | own | {"packed": packed_body})


def judge(case: Case, arrived: list[bytes], answer: Answer) -> Verdict:
    """Whether anything forbidden happened, and whether what had to happen did."""
    how = got_through(case, arrived, answer)
    if how is not None:
        return Verdict("through", how)
    if answer.is_late and case.get("may", "") != "wait":
        return Verdict("broken", f"no whole answer in {PATIENCE_SECONDS:.0f} s")
    for wanted in case.all("arrives"):
        if next(ways(wanted, arrived, answer), None) is None:
            return Verdict("broken", f"did not reach the backend: {wanted}")
    for wanted in case.all("needs"):
        if wanted not in answer.text():
            return Verdict("broken", f"the answer lacks `{wanted}`")
    return Verdict("worked" if case.is_control() else "stopped")


def got_through(case: Case, arrived: list[bytes], answer: Answer) -> str | None:
    """In which way something forbidden happened; `None` if nothing did."""
    found = (how for forbidden in case.all("forbid") for how in ways(forbidden, arrived, answer))
    how = next(found, None)
    return "as it was sent" if how == "" else how


def ways(what: str, arrived: list[bytes], answer: Answer) -> Iterator[str]:
    """In which ways something happened."""
    requests = [request for stream in arrived for request in requests_seen(stream)]
    kind, _, subject = what.partition(" ")
    if kind == "call":
        tool, _, condition = subject.partition(" ")
        name, _, value = condition.partition("=")
        for call in (call for request in requests for call in calls_seen(request)):
            if call.tool == tool and (not condition or value in map(as_taken, call.argument(name))):
                yield call.how
    elif kind == "request":
        method, _, ending = subject.partition(" ")
        for request in requests:
            yield from (f"{m} {path}" for m, path in requests_for(request) if m == method and path.endswith(ending))
    elif kind == "sent":
        sent = expand(subject, {}).lower()
        yield from ("in what the backend received" for stream in arrived if sent in stream.lower())
    elif kind == "answered":
        yield from ("in what the client received" for text in (answer.text(),) if subject in text)
    else:
        raise ValueError(f"`{what}` is nothing that can happen")

