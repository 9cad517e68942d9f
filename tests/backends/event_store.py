"""Events of the streams that a Python SDK server has sent, so that a caller can come back for the rest."""

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import JSONRPCMessage


class MemoryEventStore(EventStore):
    """Keeps every event; its id is its place."""

    def __init__(self) -> None:
        self.events: list[tuple[str, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        self.events.append((stream_id, message))
        return str(len(self.events) - 1)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        if not last_event_id.isdecimal() or int(last_event_id) >= len(self.events):
            return None
        last = int(last_event_id)
        stream_id, _ = self.events[last]
        for place, (other, message) in enumerate(self.events[last + 1 :], last + 1):
            if other == stream_id and message is not None:
                await send_callback(EventMessage(message, str(place)))
        return stream_id
