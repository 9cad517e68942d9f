"""What the HTTP backends share: the command line, the ready line, and a log of the calls that reached them."""

import argparse
import json
import socket
from pathlib import Path
from typing import Any, cast

import uvicorn
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from secure import scheme, secure_arguments, secured
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser with the options every backend takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=0, help="0: any free port; the ready line names it")
    parser.add_argument("--log", type=Path, help="append a line of JSON for each call that arrives")
    secure_arguments(parser)
    return parser


def serve(app: ASGIApp, options: argparse.Namespace, path: str) -> None:
    """Serves where the command line says until the process is ended."""
    listener = socket.create_server((options.host, options.port))
    ready = f"listening on {scheme(options)}://{options.host}:{listener.getsockname()[1]}{path}"
    context = secured(options)
    factory = None if context is None else lambda _config, _default: context
    config = uvicorn.Config(app, log_level="warning", ssl_context_factory=factory)
    AnnouncedServer(config, ready).run(sockets=[listener])


class AnnouncedServer(uvicorn.Server):
    """Prints the ready line once the application has started."""

    def __init__(self, config: uvicorn.Config, ready: str) -> None:
        super().__init__(config)
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self.ready, flush=True)


class CallLog:
    """A file of JSON lines; nothing is written without a path."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is not None:
            path.touch()

    def write(self, line: dict[str, Any]) -> None:
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")

    async def middleware(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Middleware of an MCP server: writes each `tools/call` as it came, before it runs."""
        if ctx.method == "tools/call":
            params, request = ctx.params or {}, cast(Request, ctx.request)
            self.write(
                {
                    "tool": params.get("name"),
                    "arguments": params.get("arguments"),
                    "headers": all_headers(request.headers),
                }
            )
        return await call_next(ctx)


class HttpLog:
    """An application, with a line in a log for each HTTP request: method, names of MCP's own headers, status."""

    def __init__(self, app: ASGIApp, log: CallLog) -> None:
        self.app = app
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        names = sorted({name.decode() for name, _ in scope["headers"] if name.startswith((b"mcp-", b"last-event-id"))})

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.log.write({"http": scope["method"], "status": message["status"], "headers": names})
            await send(message)

        return await self.app(scope, receive, sent)


def all_headers(headers: Headers) -> dict[str, str]:
    """Every header, its name in lower case; one that came twice has its values joined by a comma."""
    return {name: ", ".join(headers.getlist(name)) for name in headers}
