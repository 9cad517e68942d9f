"""Reads the files of cases. The README says how they are written."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

REPEATED = ("header", "pack", "pack-answer", "forbid", "needs", "arrives", "without")
SINGLE = ("why", "ref", "as", "method", "path", "body", "may")
BLOCKS = ("body", "beside", "send", "answer")


class BadCase(Exception):
    """A file of cases that can't be read."""


@dataclass(frozen=True)
class Case:
    """One case, as its file says it."""

    name: str
    fields: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    send: list[str] = field(default_factory=list)
    """Raw requests, each sent once the one before is answered."""
    answers: dict[str, str] = field(default_factory=dict)
    """What the backend answers, by JSON-RPC method or `GET`."""

    def get(self, key: str, default: str) -> str:
        return self.fields.get(key, default)

    def all(self, key: str) -> list[str]:
        return self.lists.get(key, [])

    def is_control(self) -> bool:
        """Whether it is an honest request, which has to work."""
        return not self.all("forbid")


def load(folder: Path) -> list[Case]:
    """All cases, the controls first. Their names are `FILE/CASE`."""
    files = sorted(folder.glob("*.cases"), key=lambda file: (file.stem != "control", file.stem))
    cases = [case for file in files for case in read(file)]
    names = [case.name for case in cases]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadCase(f"a name twice: {', '.join(sorted(twice))}")
    return cases


def read(file: Path) -> list[Case]:
    """The cases of one file. What stands before the first is the default of all."""
    defaults = Case("")
    cases: list[Case] = []
    block: tuple[str, str] | None = None
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        text = line.strip()
        current = cases[-1] if cases else defaults
        if block is not None and text.startswith("|"):
            append(current, block, line.split("|", 1)[1].removeprefix(" "))
            continue
        block = None
        if not text or text.startswith("#"):
            continue
        key, _, value = text.partition(" ")
        value = value.strip()
        if key == "case":
            cases.append(inherit(defaults, f"{file.stem}/{value}"))
        elif key in BLOCKS and (not value or key == "answer"):
            block = (key, value)
            begin(current, block)
        elif key in SINGLE and value:
            current.fields[key] = value
        elif key in REPEATED and value:
            current.lists.setdefault(key, []).append(value)
        else:
            raise BadCase(f"{file.name}, line {number}: `{text}` is not understood")
    for case in cases:
        if "why" not in case.fields:
            raise BadCase(f"{case.name} does not say why")
    return cases


def inherit(defaults: Case, name: str) -> Case:
    lists = {key: list(values) for key, values in defaults.lists.items()}
    answers = dict(defaults.answers)
    return replace(defaults, name=name, fields=dict(defaults.fields), lists=lists, send=[], answers=answers)


def begin(case: Case, block: tuple[str, str]) -> None:
    key, argument = block
    if key == "send":
        case.send.append("")
    elif key == "answer":
        case.answers[argument] = ""
    else:
        case.fields[key] = ""


def append(case: Case, block: tuple[str, str], line: str) -> None:
    """Adds a line to a block. The lines of a block end with CR LF, but for the last."""
    key, argument = block
    text = line + "\r\n"
    if key == "send":
        case.send[-1] += text
    elif key == "answer":
        case.answers[argument] += text
    else:
        case.fields[key] += text


def block_text(text: str) -> str:
    """A block as it stands in its file: without the last line's end."""
    return text.removesuffix("\r\n")


MARK = re.compile(rb"<<(.+?)>>", re.DOTALL)
HEX = re.compile(r"(?:[0-9a-f]{2} ?)+\Z")
TIMES = re.compile(r"(.+) \* (\d+)\Z", re.DOTALL)
BYTES = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "nul": b"\0", "space": b" ", "tab": b"\t"}


def expand(text: str, words: dict[str, bytes]) -> bytes:
    """A text of a case as bytes: marks are replaced, `<<length>>` is what follows the first empty line."""

    def replaced(match: re.Match[bytes]) -> bytes:
        mark = match[1].decode()
        if times := TIMES.match(mark):
            word = times[1]
            return expand(f"<<{word}>>" if word in BYTES or word in words else word, words) * int(times[2])
        if mark in BYTES:
            return BYTES[mark]
        if mark in words:
            # A word may be made of others.
            return expand(words[mark].decode("latin-1"), words) if b"<<" in words[mark] else words[mark]
        for prefix, form in (("length of ", b"%d"), ("hex of ", b"%x")):
            if mark.startswith(prefix):
                return form % len(expand(f"<<{mark.removeprefix(prefix)}>>", words))
        if HEX.match(mark):
            return bytes.fromhex(mark)
        if mark == "length":
            return match[0]
        raise BadCase(f"`<<{mark}>>` is no mark")

    expanded = MARK.sub(replaced, text.encode())
    body = expanded.partition(b"\r\n\r\n")[2]
    return expanded.replace(b"<<length>>", b"%d" % len(body))
