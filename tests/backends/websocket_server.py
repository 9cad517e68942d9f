"""A WebSocket backend: `/echo` sends back what comes, `/leave` says goodbye with a code, `/refuse` does not open."""

import argparse
import asyncio
import socket

from secure import scheme, secured
from serving import CallLog, arguments
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

MESSAGE_MAX_BYTES = 8 * 1024 * 1024
LEAVING_CODE = 4001


async def main(options: argparse.Namespace) -> None:
    log = CallLog(options.log)

    async def arrive(connection: ServerConnection, request: Request) -> Response | None:
        headers = {name.lower(): ", ".join(request.headers.get_all(name)) for name in request.headers}
        log.write({"path": request.path, "headers": headers})
        return connection.respond(403, "not here\n") if request.path.startswith("/refuse") else None

    async def attend(connection: ServerConnection) -> None:
        assert connection.request is not None
        if connection.request.path.startswith("/leave"):
            await connection.recv()
            await connection.close(LEAVING_CODE, "goodbye")
        async for message in connection:
            await connection.send(message)

    listener = socket.create_server(("127.0.0.1", options.port))
    # No pings of its own: what moves is what the test makes move.
    async with serve(
        attend,
        sock=listener,
        ssl=secured(options),
        process_request=arrive,
        max_size=MESSAGE_MAX_BYTES,
        ping_interval=None,
        subprotocols=["chat"],  # type: ignore[list-item]
    ):
        print(f"listening on {scheme(options)}://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main(arguments(__doc__).parse_args()))
