"""The judge of REST: which methods on which paths would some backend see in a request?"""

import re
import urllib.parse
from collections.abc import Callable, Iterator

from .calls import METHOD_OVERRIDES
from .framing import Request
from .texts import overlong

PATH_OVERRIDES = ("x-original-url", "x-rewrite-url", "x-forwarded-uri", "x-forwarded-path")
PATHS_MAX = 2000
# Characters that Windows and others take for a slash, a backslash or a dot ("best fit").
LOOKALIKES = str.maketrans("／∕⁄＼﹨．․", "///" + "\\\\" + "..")
# What servers do to a path before they look at it. Every order of them that is found in the wild is covered by doing
# all of them again and again, until nothing new comes.
HABITS: tuple[Callable[[str], str], ...] = (
    urllib.parse.unquote,
    lambda path: overlong(urllib.parse.unquote_to_bytes(path)),
    lambda path: path.replace("\\", "/"),
    lambda path: re.sub("/+", "/", path),
    lambda path: re.sub(r";[^/]*", "", path),
    lambda path: re.sub(r"(^|/)\.(?=/|$)", "", path),
    lambda path: re.sub(r"/(?!\.\.?/)[^/]*/\.\.(?=/|$)", "", path, count=1),
    lambda path: re.sub("[\0-\x20\x7f?#].*", "", path, flags=re.DOTALL),
    lambda path: re.sub("[\t\r\n]", "", path),
    lambda path: path.rstrip("/. "),
    lambda path: re.sub(r"\.(json|xml|html?|do|action)$", "", path),
    lambda path: re.sub(r"^[a-z]+://[^/]*", "", path, flags=re.IGNORECASE),
    str.casefold,
    lambda path: path.translate(LOOKALIKES),
)


def requests_for(request: Request) -> Iterator[tuple[str, str]]:
    """Every method and path that some backend takes a request for."""
    targets = [request.target, *(value for name in PATH_OVERRIDES for value in request.values(name))]
    for method in methods(request):
        for target in targets:
            yield from ((method, path) for path in paths(target))


def methods(request: Request) -> set[str]:
    fields = urllib.parse.parse_qsl(request.target.partition("?")[2])
    kinds = " ".join(request.values("content-type")).lower()
    if "form" in kinds:
        fields += urllib.parse.parse_qsl(request.body.decode("latin-1"))
        fields += re.findall(r'name="?([^"\r\n;]*)"?\r?\n\r?\n([^\r\n]*)', request.body.decode("latin-1"))
    overrides = [value for name in METHOD_OVERRIDES for value in request.values(name)]
    overrides += (value for name, value in fields if name.casefold() in ("_method", "x-http-method-override"))
    return {method.strip().upper() for method in (request.method, *overrides)}


def paths(target: str) -> set[str]:
    found = {target.partition("?")[0], target}
    waiting = list(found)
    while waiting and len(found) < PATHS_MAX:
        path = waiting.pop()
        new = {habit(path) for habit in HABITS} - found
        found |= new
        waiting += new
    return found
