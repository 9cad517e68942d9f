"""The judge of MCP: which calls of tools would some backend see in a request?

A backend may look up keys without regard for case or for what follows a NUL, may take a key that occurs twice the
first or the last time, may take its message from a form or from the query, or its tool from a header. Whatever one of
them would see counts.
"""

import base64
import binascii
import re
import unicodedata
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .framing import Request
from .lenient_json import Pairs, values
from .texts import texts

CALL = "tools/call"
CALL_NAMES = {"toolscall", "toolcall", "calltool", "callstool", "toolscalltool", "toolsexecute", "invoketool"}
# Methods of which no server makes a call of a tool, whatever they mention.
HARMLESS = re.compile(
    r"(initialize|ping|server/discover|subscriptions/listen|"
    r"(prompts|resources|logging|completion|roots|tasks|notifications|tools/list).*)\Z"
)
# Rust's JSON library takes the text under this key for the whole object.
RESERVED = "$serde_json::private::RawValue"
METHOD_OVERRIDES = ("x-http-method", "x-http-method-override", "x-method-override")
MENTIONS_DEPTH_MAX = 50


@dataclass(frozen=True)
class Seen:
    """A call that some backend sees: of which tool, with which arguments, and how it came to see that."""

    tool: str
    arguments: Any
    how: str

    def argument(self, name: str) -> Iterator[str]:
        """Every text that some backend takes for an argument."""
        arguments = values(self.arguments) if isinstance(self.arguments, str) else [self.arguments]
        for item in (one for some in arguments for one in (some if isinstance(some, list) else [some])):
            for value, _ in looked_up(item, name):
                yield from (str(one) for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def calls_seen(request: Request) -> list[Seen]:
    """Every call that some backend sees in a request."""
    content_types = request.values("content-type")
    bodies = [("", text) for text in texts(request.body, content_types)]
    bodies += [("a form", text) for text in form_texts(request, content_types)]
    bodies += [("the query", text) for text in query_texts(request)]
    seen = [call for origin, text in bodies for value in values(text) for call in calls_in(value, origin)]
    return list(seen) + list(header_calls(request, bodies))


def calls_in(value: Any, how: str) -> Iterator[Seen]:
    """The calls in one value: a message, or an array of them, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from calls_in(item, also(how, "a batch"))
    if isinstance(value, Pairs):
        for key, item in value.pairs:
            if key.isdecimal():
                yield from calls_in(item, also(how, "an object that is an array"))
    for method, how_method in looked_up(value, "method"):
        if not isinstance(method, str):
            continue
        name = until_nul(method)
        if name.strip() == CALL:
            yield from calls_with(value, also(how, how_method))
        elif re.sub("[^a-z]", "", name.casefold()) in CALL_NAMES:
            yield from calls_with(value, also(how, "another spelling of the method"))
        elif not HARMLESS.match(name):
            yield from (Seen(tool, {}, also(how, f"the method {name}")) for tool in mentioned(value))


def calls_with(message: Any, how: str) -> Iterator[Seen]:
    for params, how_params in looked_up(message, "params"):
        # Parameters by position, or as text in the text.
        parameters = params if isinstance(params, list) else values(params) if isinstance(params, str) else [params]
        for item in parameters:
            arguments = [found for found, _ in looked_up(item, "arguments")] or [Pairs([])]
            names = [(item, "")] if isinstance(item, str) else looked_up(item, "name")
            for name, how_name in names:
                if isinstance(name, str):
                    yield from (
                        Seen(as_taken(name), one, also(also(how, how_params), how_name)) for one in arguments
                    )


def as_taken(text: str) -> str:
    """A text as a backend takes it that stops at a NUL and drops what is no character. Any other difference counts."""
    return re.sub("[\ud800-\udfff\ufffe\uffff]", "", until_nul(text))


def mentioned(value: Any, depth: int = 0) -> Iterator[str]:
    """All text in a value."""
    if isinstance(value, str):
        yield as_taken(value)
    elif depth < MENTIONS_DEPTH_MAX:
        items = [item for _, item in value.pairs] if isinstance(value, Pairs) else value
        for item in items:
            yield from mentioned(item, depth + 1)


def looked_up(value: Any, key: str) -> list[tuple[Any, str]]:
    """What backends find under a key: each candidate, and by which habit it is found."""
    if not isinstance(value, Pairs):
        return []
    found = [(item, habit(other, key)) for other, item in value.pairs]
    found = [(item, how) for item, how in found if how is not None]
    inner = [one for other, item in value.pairs if other == RESERVED and isinstance(item, str) for one in values(item)]
    found += [(item, also("a reserved key", how)) for one in inner for item, how in looked_up(one, key)]
    if len(found) < 2:
        return found
    places = ["the first of several keys", *["a key between"] * (len(found) - 2), "the last of several keys"]
    return [(item, also(place, how)) for place, (item, how) in zip(places, found, strict=True)]


def habit(other: str, key: str) -> str | None:
    """By which habit a backend takes one key for another; empty if they are equal, `None` if none does."""
    plain = re.sub("[\ud800-\udfff\ufffd]", "", other)
    habits = {
        "": other,
        "a key in another case": unicodedata.normalize("NFKC", other.casefold()),
        "a key cut at a NUL": until_nul(plain).casefold(),
        "a key with space or unreadable characters dropped": re.sub("[^!-~]", "", plain).casefold(),
    }
    wanted = key.casefold()
    for how, folded in habits.items():
        if folded == (key if how == "" else wanted):
            return how
    return None


def until_nul(text: str) -> str:
    return text.split("\0")[0]


def also(how: str, more: str) -> str:
    return ", ".join(filter(None, (how, more)))


def form_texts(request: Request, content_types: list[str]) -> Iterator[str]:
    """The fields of a form as one JSON object, and each of them by itself."""
    kinds = " ".join(content_types).lower()
    if "form-urlencoded" in kinds:
        yield from as_json(urllib.parse.parse_qsl(request.body.decode("latin-1"), keep_blank_values=True))
    if "multipart/" in kinds:
        part = re.compile(rb"name=\"?([^\";\r\n]*)\"?[^\r\n]*(?:\r?\n[^\r\n]+)*\r?\n\r?\n(.*?)\r?\n--", re.DOTALL)
        fields = [(name.decode("latin-1"), text.decode("latin-1")) for name, text in part.findall(request.body)]
        yield from as_json(fields)


def query_texts(request: Request) -> Iterator[str]:
    """JSON-RPC by the query, as some libraries take it from GET (the `params` plain or in Base64)."""
    query = request.target.partition("?")[2]
    fields = urllib.parse.parse_qsl(query, keep_blank_values=True)
    yield from as_json(fields)
    yield from as_json([(name, unwrapped(value)) for name, value in fields])


def as_json(fields: list[tuple[str, str]]) -> Iterator[str]:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    for _, value in fields:
        yield value
    nested = [(name[len("params[") : -1], value) for name, value in fields if re.match(r"params\[\w+\]\Z", name)]
    members = [f"{quoted(name)}: {value if value[:1] in '{[' and value else quoted(value)}" for name, value in fields]
    if nested:
        members.append('"params": {' + ", ".join(f"{quoted(name)}: {quoted(value)}" for name, value in nested) + "}")
    yield "{" + ", ".join(members) + "}"


def unwrapped(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        return text


def header_calls(request: Request, bodies: list[tuple[str, str]]) -> Iterator[Seen]:
    """The call that a backend sees which routes by `Mcp-Method` and `Mcp-Name` and not by the body."""
    methods = [marked(value) for value in request.values("mcp-method")]
    overrides = [value.upper() for name in METHOD_OVERRIDES for value in request.values(name)]
    is_call = CALL in methods or any(CALL in text.replace("\\/", "/") for _, text in bodies)
    if is_call and ("POST" in overrides or request.method.upper() == "POST"):
        yield from (Seen(marked(value), {}, "the header Mcp-Name") for value in request.values("mcp-name"))


def marked(value: str) -> str:
    """A header's value with its Base64 mark undone, as loosely as it can be."""
    match = re.search(r"=\?base64\?([A-Za-z0-9+/_=-]*)", value, re.IGNORECASE)
    if match is None:
        return value.strip()
    text = match[1].replace("-", "+").replace("_", "/").rstrip("=")
    return unwrapped(text + "=" * (-len(text) % 4))
