"""What the Python clients share: the command line, the steps on standard input, and a line of JSON for each.

A client gives its SDK as a `Session`; whatever the SDK raises is told as data, under the name of where it came from.
"""

import argparse
import asyncio
import json
import sys
import time
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from pydantic import BaseModel

Line = dict[str, Any]
Describe = Callable[[Exception], Line]
"""Tells what an exception of the SDK was: `protocol_error`, `http_error` or `client_error`."""


class OnProgress(Protocol):
    async def __call__(self, progress: float, total: float | None, message: str | None) -> None: ...


class Session(Protocol):
    """One MCP session, on one of the SDKs."""

    negotiated: str

    async def list_tools(self) -> list[tuple[str, str | None]]:
        """Names and descriptions."""
        ...

    async def call_tool(
        self, name: str, arguments: Line, timeout_seconds: float | None, on_progress: OnProgress
    ) -> BaseModel: ...


def options(modes: list[str]) -> argparse.Namespace:
    """The command line every client takes; the first mode is the default."""
    parser = argparse.ArgumentParser(description="Runs the steps on standard input, a JSON array, in one MCP session.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", help="sent as X-API-Key")
    parser.add_argument("--bearer", help="sent as Authorization: Bearer")
    parser.add_argument("--mode", choices=modes, default=modes[0])
    return parser.parse_args()


def headers(given: argparse.Namespace) -> dict[str, str]:
    """The caller's credentials, as headers of every request."""
    credentials = {}
    if given.key is not None:
        credentials["X-API-Key"] = given.key
    if given.bearer is not None:
        credentials["Authorization"] = f"Bearer {given.bearer}"
    return credentials


def emit(line: Line) -> None:
    print(json.dumps(line), flush=True)


def main(client: Callable[[list[Line]], Coroutine[Any, Any, None]], describe: Describe) -> None:
    """Runs a whole client; a session that can't be opened, or ends early, is the last line and exit status 2."""
    steps = json.load(sys.stdin)
    try:
        asyncio.run(client(steps))
    except Exception as error:
        emit(describe(innermost(error)))
        traceback.print_exc()
        sys.exit(2)


def innermost(error: Exception) -> Exception:
    """The first plain exception in nested groups of them."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


async def run(session: Session, steps: list[Line], describe: Describe) -> None:
    """Runs every step in order."""
    emit({"negotiated": session.negotiated})
    for step in steps:
        emit(await run_step(session, step, describe))


async def run_step(session: Session, step: Line, describe: Describe) -> Line:
    if step["do"] == "list":
        try:
            tools = await session.list_tools()
            return {"tools": [name for name, _ in tools], "descriptions": dict(tools)}
        except Exception as error:
            return describe(error)
    if step["do"] == "call":
        return await run_call(session, step, describe)
    if step["do"] == "call_parallel":
        return {"results": await asyncio.gather(*(run_call(session, call, describe) for call in step["calls"]))}
    raise ValueError(f"unknown step `{step['do']}`")


async def run_call(session: Session, call: Line, describe: Describe) -> Line:
    messages: list[str | None] = []
    progress_ms: list[int] = []
    started = time.monotonic()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        messages.append(message)
        progress_ms.append(milliseconds_since(started))

    tool, arguments = call["tool"], call.get("arguments", {})
    timeout_seconds = call["timeout_ms"] / 1000 if "timeout_ms" in call else None
    try:
        result = await session.call_tool(tool, arguments, timeout_seconds, on_progress)
        line = result_line(result.model_dump(by_alias=True, mode="json"))
    except Exception as error:
        line = describe(error)
    return line | {"progress": messages, "progress_ms": progress_ms, "elapsed_ms": milliseconds_since(started)}


def result_line(result: Line) -> Line:
    """A tool result, from its form on the wire."""
    return {
        "is_error": result.get("isError") or False,
        "text": "\n".join(block["text"] for block in result["content"] if block["type"] == "text"),
        "structured": result.get("structuredContent"),
        "meta": result.get("_meta"),
    }


def client_error(error: Exception) -> Line:
    """An exception that is neither a JSON-RPC error nor an HTTP status: a broken connection, a bad result, …"""
    return {"client_error": {"kind": type(error).__name__, "message": str(error)}}


def milliseconds_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
