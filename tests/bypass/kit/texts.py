"""From the bytes of a body, or of an answer, to every text that some reader would take them for."""

import base64
import codecs
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator

CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
UNPACKED_MAX_BYTES = 16 * 1024 * 1024
UNPACKINGS_MAX = 3
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# JSON in another UTF starts with one of these (RFC 4627, section 3).
ZEROS = ((b"\0\0\0", "utf-32-be"), (b"\0", "utf-16-be"))


def unpacked(body: bytes) -> list[bytes]:
    """A body as it is, and as it is once gzip or deflate is undone, also twice over."""
    bodies = [body]
    for packed in bodies:
        if len(bodies) <= UNPACKINGS_MAX:
            bodies += (once for once in unpacked_once(packed) if once not in bodies)
    return bodies


def unpacked_once(body: bytes) -> Iterator[bytes]:
    for window_bits in (31, 15, -15):
        unpacker = zlib.decompressobj(window_bits)
        try:
            text = unpacker.decompress(body, UNPACKED_MAX_BYTES)
        except zlib.error:
            continue
        # Nearly any bytes are the start of some raw deflate stream.
        if text and (window_bits > 0 or unpacker.eof):
            yield text


def packed(coding: str, body: bytes) -> bytes:
    """What a sender makes of a body: `gzip`, `deflate`, `deflate-raw`, or the name of a character encoding."""
    match coding:
        case "gzip":
            return gzip.compress(body, mtime=0)
        case "deflate":
            return zlib.compress(body)
        case "deflate-raw":
            return zlib.compress(body)[2:-4]
        case "utf-7-full":
            return utf_7(body.decode())
        case _:
            return body.decode("utf-8").encode(coding)


def utf_7(text: str) -> bytes:
    """UTF-7 with all but letters and digits shifted, so that no other reader finds a quote or a brace."""

    def shifted(match: re.Match[str]) -> str:
        return "+" + base64.b64encode(match[0].encode("utf-16-be")).decode().rstrip("=") + "-"

    return re.sub("[^A-Za-z0-9]+", shifted, text).encode()


def texts(body: bytes, content_types: Iterable[str]) -> list[str]:
    """Every text that some reader takes a body for."""
    charsets = [match[1] for value in content_types for match in CHARSET.finditer(value)]
    found = [text for part in unpacked(body) for text in decoded(part, charsets)]
    return list(dict.fromkeys(found))


def decoded(body: bytes, charsets: list[str]) -> Iterator[str]:
    names = list(charsets)
    names += (name for mark, name in BYTE_ORDER_MARKS if body.startswith(mark))
    names += (name for zeros, name in ZEROS if body.startswith(zeros))
    if body[1:2] == b"\0":
        names.append("utf-32-le" if body[1:4] == b"\0\0\0" else "utf-16-le")
    for name in names:
        try:
            yield body.decode(name, "replace")
        except LookupError:
            continue
    # What is no UTF-8 becomes a mark, becomes nothing, or is taken for Latin-1.
    yield body.decode("utf-8", "replace")
    yield body.decode("utf-8", "ignore")
    yield body.decode("latin-1")
    yield overlong(body)


def overlong(body: bytes) -> str:
    """UTF-8 as a decoder reads it that does not ask whether a shorter form was there (CVE-2000-0884)."""

    def character(match: re.Match[bytes]) -> bytes:
        lead, *rest = match[0]
        code = lead & (0x7F >> (len(rest) + 1))
        for byte in rest:
            code = code << 6 | byte & 0x3F
        return chr(min(code, 0x10FFFF)).encode("utf-8", "surrogatepass")

    plain = re.sub(rb"[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf7][\x80-\xbf]{3}", character, body)
    return plain.decode("utf-8", "replace")
