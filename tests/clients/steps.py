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
from types import ModuleType
from typing import Any, Protocol

from pydantic import BaseModel

Line = dict[str, Any]
WAIT_SECONDS = 10
"""Longest that a notification is waited for."""
PAGES_MAX = 100
Describe = Callable[[Exception], Line]
"""Tells what an exception of the SDK was: `protocol_error`, `http_error` or `client_error`."""


class OnProgress(Protocol):
    async def __call__(self, progress: float, total: float | None, message: str | None) -> None: ...


class Host:
    """What the client's own side does: answers what servers ask, as the steps say, and keeps what they notify."""

    def __init__(self, steps: list[Line]) -> None:
        self.answers: Line = {}
        self.asked: list[Line] = []
        self.notified: list[Line] = []
        self.arrived = asyncio.Event()
        self.can_answer = any("answers" in step for step in steps)
        """Whether elicitation, sampling and roots are declared."""

    def answer(self, method: str, params: BaseModel | None) -> Line:
        asked = {} if params is None else wire(params)
        asked.pop("_meta", None)
        self.asked.append({"method": method, "params": asked})
        return self.answers[method]

    def notify(self, notification: Line) -> None:
        if notification["method"] not in ("notifications/progress", "notifications/cancelled"):
            self.notified.append({"method": notification["method"], "params": notification.get("params")})
            self.arrived.set()

    async def wait_for(self, method: str) -> Line:
        """The first notification of a method that was not told yet."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                for notification in self.notified:
                    if notification["method"] == method:
                        self.notified.remove(notification)
                        return notification
                self.arrived.clear()
                await self.arrived.wait()


def callbacks(host: Host, types: ModuleType) -> dict[str, Any]:
    """What an SDK is given to answer a server with; `types` are the SDK's own."""

    async def elicit(_context: object, params: BaseModel) -> BaseModel:
        return types.ElicitResult.model_validate(host.answer("elicitation/create", params))

    async def sample(_context: object, params: BaseModel) -> BaseModel:
        return types.CreateMessageResult.model_validate(host.answer("sampling/createMessage", params))

    async def list_roots(_context: object) -> BaseModel:
        return types.ListRootsResult.model_validate(host.answer("roots/list", None))

    async def on_message(message: object) -> None:
        if isinstance(message, BaseModel):
            host.notify(wire(message))

    answering = {"elicitation_callback": elicit, "sampling_callback": sample, "list_roots_callback": list_roots}
    return {"message_handler": on_message} | (answering if host.can_answer else {})


class Session(Protocol):
    """One MCP session, on one of the SDKs."""

    negotiated: str
    host: Host

    async def list_tools(self) -> list[tuple[str, str | None]]:
        """Names and descriptions."""
        ...

    async def call_tool(
        self, name: str, arguments: Line, timeout_seconds: float | None, on_progress: OnProgress
    ) -> BaseModel: ...

    async def request(self, method: str, params: Line) -> Line: ...

    async def listen(self, notifications: Line) -> Line: ...


def options(modes: list[str]) -> argparse.Namespace:
    """The command line every client takes; the first mode is the default."""
    parser = argparse.ArgumentParser(description="Runs the steps on standard input, a JSON array, in one MCP session.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", help="sent as X-API-Key")
    parser.add_argument("--bearer", help="sent as Authorization: Bearer")
    parser.add_argument("--mode", choices=modes, default=modes[0])
    parser.add_argument("--transport", choices=["http", "sse"], default="http", help="sse: HTTP+SSE of 2024-11-05")
    parser.add_argument("--http2", action="store_true", help="HTTP/2 with prior knowledge (py1_client.py only)")
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
    session.host.answers |= step.get("answers", {})
    if step["do"] == "call":
        return await run_call(session, step, describe)
    if step["do"] == "call_parallel":
        return {"results": await asyncio.gather(*(run_call(session, call, describe) for call in step["calls"]))}
    try:
        return await run_other(session, step)
    except Exception as error:
        return describe(error)


async def run_other(session: Session, step: Line) -> Line:
    match step["do"]:
        case "list":
            tools = await session.list_tools()
            return {"tools": [name for name, _ in tools], "descriptions": dict(tools)}
        case "pages":
            return {"pages": await pages(session, step["method"])}
        case "request":
            return {"result": await session.request(step["method"], step.get("params", {}))}
        case "listen":
            return {"acknowledged": await session.listen(step["notifications"])}
        case "wait_for":
            return {"notification": await session.host.wait_for(step["notification"])}
        case unknown:
            raise ValueError(f"unknown step `{unknown}`")


async def pages(session: Session, method: str) -> list[list[str]]:
    """The names in each page of a list."""
    pages: list[list[str]] = []
    cursor: Line = {}
    while len(pages) < PAGES_MAX:
        page = await session.request(method, cursor)
        items = next(value for value in page.values() if isinstance(value, list))
        pages.append([item["name"] for item in items])
        if not page.get("nextCursor"):
            break
        cursor = {"cursor": page["nextCursor"]}
    return pages


async def run_call(session: Session, call: Line, describe: Describe) -> Line:
    messages: list[str | None] = []
    progress_ms: list[int] = []
    started = time.monotonic()
    session.host.asked.clear()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        messages.append(message)
        progress_ms.append(milliseconds_since(started))

    tool, arguments = call["tool"], call.get("arguments", {})
    timeout_seconds = call["timeout_ms"] / 1000 if "timeout_ms" in call else None
    try:
        result = await session.call_tool(tool, arguments, timeout_seconds, on_progress)
        line = result_line(wire(result))
    except Exception as error:
        line = describe(error)
    asked = {"asked": list(session.host.asked)} if session.host.can_answer else {}
    times = {"progress_ms": progress_ms, "elapsed_ms": milliseconds_since(started)}
    return line | {"progress": messages} | asked | times


def wire(model: BaseModel) -> Line:
    """A model in its form on the wire."""
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


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
