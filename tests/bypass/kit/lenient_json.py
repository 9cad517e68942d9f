"""JSON as lenient readers take it: comments, commas too many, single quotes, several values in a row, raw line ends.

Objects keep every pair, also those with a key that was there before.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
SKIPPED = re.compile(r"(?:[\s\x00-\x1f,;\ufeff]|//[^\n\r]*|#[^\n\r]*|/\*.*?(?:\*/|\Z))*", re.DOTALL)
BARE = re.compile(r"[^\s\x00-\x1f,:=\[\]{}\"'/]+|.", re.DOTALL)
CODE = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")
SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]")
HIJACKING_PREFIX = re.compile(r"\A\)\]\}',?")
DEPTH_MAX = 20_000


@dataclass(frozen=True)
class Pairs:
    """An object: all its pairs, in order."""

    pairs: list[tuple[str, Any]]


class Text(str):
    """A string that stood in quotes; a bare word is a plain `str`."""


class Reader:
    """Reads one text, and never gives up before its end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def values(self) -> Iterator[Any]:
        """All values in a row, whatever stands between them."""
        while self.skip():
            yield self.value(0)

    def skip(self) -> bool:
        """Skips what carries no meaning; whether anything is left."""
        match = SKIPPED.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.at < len(self.text)

    def value(self, depth: int) -> Any:
        if not self.skip():
            return ""
        character = self.text[self.at]
        if character in "\"'":
            return self.string(character)
        if character == "{" and depth < DEPTH_MAX:
            return self.object(depth)
        if character == "[" and depth < DEPTH_MAX:
            return self.array(depth)
        match = BARE.match(self.text, self.at)
        self.at = match.end() if match else len(self.text)
        return match[0] if match else ""

    def object(self, depth: int) -> Pairs:
        self.at += 1
        pairs = []
        while self.skip() and not self.closes("}"):
            key = self.value(depth + 1)
            if self.skip() and self.text[self.at] in ":=":
                self.at += 1
                value = "" if self.skip() and self.text[self.at] == "}" else self.value(depth + 1)
                if isinstance(key, str):
                    pairs.append((str(key), value))
        return Pairs(pairs)

    def array(self, depth: int) -> list[Any]:
        self.at += 1
        items = []
        while self.skip() and not self.closes("]"):
            items.append(self.value(depth + 1))
        return items

    def closes(self, bracket: str) -> bool:
        if self.text[self.at] != bracket:
            return False
        self.at += 1
        return True

    def string(self, quote: str) -> Text:
        self.at += 1
        parts = []
        while self.at < len(self.text) and (character := self.text[self.at]) != quote:
            if character == "\\":
                parts.append(self.escape())
            else:
                parts.append(character)
                self.at += 1
        self.at += 1
        # Two escapes may make one character; half of one stays as it is.
        return Text(SURROGATES.sub(joined, "".join(parts)))

    def escape(self) -> str:
        code = CODE.match(self.text, self.at)
        if code:
            self.at = code.end()
            return chr(min(int(code[1] or code[2] or code[3], 16), 0x10FFFF))
        character = self.text[self.at + 1 : self.at + 2]
        self.at += 2
        return ESCAPES.get(character, character)


def joined(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")


def values(text: str) -> list[Any]:
    """All values that a lenient reader finds in a text."""
    return list(Reader(HIJACKING_PREFIX.sub("", text)).values())
