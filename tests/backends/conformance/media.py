"""The smallest picture and sound there are, and resources that hold what they are given."""

import base64
import struct
import zlib

from mcp_types import AudioContent, EmbeddedResource, ImageContent, TextResourceContents

SAMPLES_PER_SECOND = 8000
SAMPLES = 8


def png() -> bytes:
    """A picture of one red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size_depth_and_colours = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    row = b"\x00\xff\x00\x00"
    parts = chunk(b"IHDR", size_depth_and_colours), chunk(b"IDAT", zlib.compress(row)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def wav() -> bytes:
    """A millisecond of silence: PCM, one channel, eight bits a sample."""
    layout = struct.pack("<HHIIHH", 1, 1, SAMPLES_PER_SECOND, SAMPLES_PER_SECOND, 1, 8)
    silence = b"\x80" * SAMPLES
    chunks = b"fmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", SAMPLES) + silence
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def image() -> ImageContent:
    return ImageContent(type="image", data=base64.b64encode(png()).decode(), mime_type="image/png")


def audio() -> AudioContent:
    return AudioContent(type="audio", data=base64.b64encode(wav()).decode(), mime_type="audio/wav")


def embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))
