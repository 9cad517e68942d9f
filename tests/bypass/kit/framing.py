"""HTTP/1.1 as servers really read it: one stream of bytes, and every list of requests that some server would see in it.

Where a stream is in order, all framings see the same requests.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

LINE_ENDS = {"strict": rb"\r\n", "lf": rb"\r?\n", "cr": rb"(?>\r\n|\r|\n)"}
REQUEST_LINE = re.compile(rb"[ \t]*([!-~]+)[ \t]+(\S[^\r\n]*?)(?:[ \t]+HTTP/\d(?:\.\d)?[ \t]*)?")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CHUNK_SIZE = re.compile(rb"[ \t]*(?:0[xX])?([0-9A-Fa-f]+)")


@dataclass(frozen=True)
class Request:
    """One request as some server sees it. Bytes of the head are read as Latin-1."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """All values of a header; `_` counts as `-`, as it does for CGI and WSGI."""
        return [value for other, value in self.headers if other.lower().replace("_", "-") == name]


@dataclass(frozen=True)
class Framing:
    """How one kind of server finds the ends of heads and bodies."""

    length: str
    """`te`: chunks before a length; `cl`: a length before chunks; `none`: it takes the body for the next request."""
    which: int
    """The first (0) or the last (-1) of several lengths."""
    line_end: str
    is_loose: bool
    """Whether obfuscated header names and codings count, and folded lines are joined."""

    def requests(self, stream: bytes) -> Iterator[Request]:
        """The requests in a stream, up to where this server would give up."""
        while (stream := stream.lstrip(b"\r\n")) and (line := REQUEST_LINE.match(stream)):
            head, stream = self.split(stream)
            lines = re.split(LINE_ENDS[self.line_end], head)
            line = REQUEST_LINE.fullmatch(lines[0])
            if line is None:
                return
            headers = tuple(self.headers(lines[1:]))
            body, trailers, stream = self.body(headers, stream)
            if self.is_loose:
                headers += tuple(self.headers(re.split(LINE_ENDS[self.line_end], trailers)))
            yield Request(line[1].decode("latin-1"), line[2].decode("latin-1"), headers, body)

    def split(self, stream: bytes) -> tuple[bytes, bytes]:
        parts = re.split(rb"(?:%s){2}" % (b"(?:" + LINE_ENDS[self.line_end] + b")"), stream, maxsplit=1)
        return parts[0], parts[1] if len(parts) == 2 else b""

    def headers(self, lines: list[bytes]) -> Iterator[tuple[str, str]]:
        unfolded: list[str] = []
        for line in (line.decode("latin-1") for line in lines):
            if self.is_loose and line[:1] in (" ", "\t") and unfolded:
                unfolded[-1] += " " + line.strip()
            else:
                unfolded.append(line)
        for line in unfolded:
            name, colon, value = line.partition(":")
            if self.is_loose:
                name = re.sub(r"[^!-~]", "", name)
            if colon and TOKEN.fullmatch(name):
                yield name, value.strip(" \t" if not self.is_loose else None)

    def body(self, headers: tuple[tuple[str, str], ...], stream: bytes) -> tuple[bytes, bytes, bytes]:
        """The body, its trailers, and what comes after."""
        codings = [value for name, value in headers if self.is_header(name, "transfer-encoding")]
        lengths = [value for name, value in headers if self.is_header(name, "content-length")]
        lengths = [length for value in lengths for length in value.split(",")]
        is_chunked = any(self.is_chunked(coding) for coding in codings)
        match = re.search(r"\d+", lengths[self.which]) if lengths else None
        if self.length == "none" or (match is None and not is_chunked):
            return b"", b"", stream
        if is_chunked and (self.length == "te" or match is None):
            return self.chunks(stream)
        length = int(match[0]) if match else 0
        return stream[:length], b"", stream[length:]

    def is_header(self, name: str, wanted: str) -> bool:
        name = name.lower()
        return name == wanted or (self.is_loose and name.replace("_", "-") == wanted)

    def is_chunked(self, coding: str) -> bool:
        coding = coding.lower()
        return "chunked" in coding if self.is_loose else coding.split(",")[-1].strip() == "chunked"

    def chunks(self, stream: bytes) -> tuple[bytes, bytes, bytes]:
        end = LINE_ENDS[self.line_end]
        body = b""
        while True:
            line, *rest = re.split(end, stream, maxsplit=1)
            size = CHUNK_SIZE.match(line)
            if size is None or not rest:
                return body, b"", b""
            length = int(size[1], 16)
            if length == 0:
                # Trailers, up to an empty line.
                trailers, *after = re.split(rb"(?:^|%s)(?:%s)" % (end, end), rest[0], maxsplit=1)
                return body, trailers, after[0] if after else b""
            body += rest[0][:length]
            stream = re.sub(rb"\A(?:%s)" % end, b"", rest[0][length:], count=1)


FRAMINGS = [
    Framing(length, which, line_end, is_loose)
    for length, which, line_end, is_loose in itertools.product(
        ("te", "cl", "none"), (0, -1), LINE_ENDS, (False, True)
    )
]


def requests_seen(stream: bytes) -> list[Request]:
    """Every request that some framing finds in a stream, each once."""
    return list(dict.fromkeys(request for framing in FRAMINGS for request in framing.requests(stream)))
