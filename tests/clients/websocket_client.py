"""Opens a WebSocket, runs the steps given as a JSON array, and prints a line of JSON for each."""

import argparse
import asyncio
import json
import random
import time
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

MESSAGE_MAX_BYTES = 8 * 1024 * 1024


def emit(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def shown(message: str | bytes) -> dict[str, Any]:
    """Text as it is, bytes in hex, what is large by its size and whether each byte is the one that was sent."""
    if isinstance(message, bytes) and len(message) > 100:
        return {"bytes": len(message), "intact": message == large(len(message))}
    return {"text": message} if isinstance(message, str) else {"hex": message.hex()}


def large(size: int) -> bytes:
    """The same bytes each time, which no compression makes fewer."""
    return random.Random(size).randbytes(size)


async def run_step(connection: ClientConnection, step: dict[str, Any]) -> dict[str, Any]:
    if "send_text" in step:
        await connection.send(step["send_text"])
        return shown(await connection.recv())
    if "send_hex" in step:
        await connection.send(bytes.fromhex(step["send_hex"]))
        return shown(await connection.recv())
    if "send_large" in step:
        # What comes back is read while the rest still goes out.
        sending = asyncio.create_task(connection.send(large(step["send_large"])))
        line = shown(await connection.recv())
        await sending
        return line
    if "pause_ms" in step:
        await asyncio.sleep(step["pause_ms"] / 1000)
        return {"paused": True}
    if step == {"ping": True}:
        return {"pong": await (await connection.ping()) >= 0}
    if step == {"close": True}:
        await connection.close()
        return closed(connection)
    if step == {"wait": True}:
        started = time.monotonic()
        await connection.wait_closed()
        return closed(connection) | {"after_ms": round((time.monotonic() - started) * 1000)}
    raise ValueError(f"unknown step {step}")


def closed(connection: ClientConnection) -> dict[str, Any]:
    return {"closed": connection.close_code, "reason": connection.close_reason}


async def main(options: argparse.Namespace) -> None:
    headers = {} if options.key is None else {"X-API-Key": options.key}
    try:
        connection = await connect(
            options.url,
            additional_headers=headers,
            origin=options.origin,
            subprotocols=["chat"],  # type: ignore[list-item]
            max_size=MESSAGE_MAX_BYTES,
            open_timeout=None,
            ping_interval=None,
            proxy=None,
        )
    except InvalidStatus as refused:
        response = refused.response
        emit({"refused": response.status_code, "body": (response.body or b"").decode()})
        return
    emit({"opened": True, "subprotocol": connection.subprotocol, "call": connection.response.headers["oakgate-call"]})
    for step in json.loads(options.steps):
        try:
            emit(await run_step(connection, step))
        except ConnectionClosed:
            emit(closed(connection))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", help="sent as X-API-Key")
    parser.add_argument("--origin", help="sent as Origin")
    parser.add_argument("--steps", default="[]", help="a JSON array")
    asyncio.run(main(parser.parse_args()))
