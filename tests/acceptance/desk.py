"""An agent's desk, from outside: one WebSocket with as many subscriptions as the screen needs, each read event by event.

Speaks graphql-transport-ws by hand, so that nothing of a client library hides what the gateway sends. Used by the acceptance tests.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.running import Gateway

__all__ = ["Desk"]

SECONDS = 15.0
"""Deadline of every wait."""

CONTACTS = """subscription($after: StreamCursor) { contactEvents(after: $after) { __typename ... on LiveEvent { seq cursor }
  ... on ContactChanged { contact { id state match address agent { id }
    candidates { score matchedOn { key displayValue } profile { id displayName } }
    association { automatic verifiedKeys profile { id displayName } } profile { id displayName } } } } }"""
PROFILE = """subscription($id: ID!, $after: StreamCursor) { profileEvents(profileId: $id, after: $after) { __typename ... on LiveEvent { seq }
  ... on ProfileUpdated { changedFields profile { id displayName status mainCompany { name } } }
  ... on ProfileMerged { merge { id mergedIds } profile { id } } ... on ProfileErased { profileId }
  ... on ViewersChanged { viewers { id } editing { id } } } }"""
TIMELINE = """subscription($id: ID!, $after: StreamCursor, $filter: TimelineFilter) {
  timelineEvents(profileId: $id, after: $after, filter: $filter) { __typename ... on LiveEvent { seq }
  ... on TimelineItemUpserted { isNew item { __typename id title icon origin
    ... on NoteItem { note { body author { displayName } } } ... on ExternalActivity { type details { label value } }
    ... on Interaction { summary queue durationSeconds agent { displayName } wrapUp { notes topic dispositionCode } } } }
  ... on TimelineItemRemoved { itemId } ... on ProfileMerged { profile { id } } } }"""


class Desk:
    """A connected agent. Use it as an async context manager."""

    def __init__(self, gateway: Gateway, token: str) -> None:
        self.gateway = gateway
        self.token = token
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._events: dict[str, asyncio.Queue[dict[str, Any]]] = defaultdict(asyncio.Queue)
        self._numbers = 0

    async def __aenter__(self) -> Self:
        """Connect and introduce oneself."""
        self._socket = await connect(self.gateway.websocket_url, subprotocols=["graphql-transport-ws"])  # type: ignore[list-item]
        await self._socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {self.token}"}}))
        assert json.loads(await self._socket.recv())["type"] == "connection_ack"
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Hang up."""
        assert self._socket is not None
        assert self._reader is not None
        await self._socket.close()
        await self._reader

    async def watch(self, document: str, **variables: Any) -> str:
        """Subscribe; the name of the subscription, once its StreamReady is there."""
        name = await self.send(document, **variables)
        ready = await self.event(name)
        assert ready["__typename"] == "StreamReady", ready
        return name

    async def ask(self, document: str, **variables: Any) -> Any:
        """The answer to a query or a mutation on this socket: its only root field."""
        return await self.event(await self.send(document, **variables))

    async def send(self, document: str, **variables: Any) -> str:
        """Start an operation; its name."""
        assert self._socket is not None
        self._numbers += 1
        name = str(self._numbers)
        payload = {"query": document, "variables": variables}
        await self._socket.send(json.dumps({"type": "subscribe", "id": name, "payload": payload}))
        return name

    async def event(self, name: str) -> dict[str, Any]:
        """The next event of a subscription; `{"complete": True}` at its end."""
        async with asyncio.timeout(SECONDS):
            return await self._events[name].get()

    async def until(self, name: str, kind: str, **shown: Any) -> dict[str, Any]:
        """The first event from here on that is of this type and shows these values."""
        async with asyncio.timeout(SECONDS):
            while True:
                event = await self._events[name].get()
                assert not event.get("complete"), "the stream ended"
                if event.get("__typename") == kind and shown.items() <= event.items():
                    return event

    async def contact(self, name: str, **shown: Any) -> dict[str, Any]:
        """The contact of the first ContactChanged from here on that shows these values."""
        async with asyncio.timeout(SECONDS):
            while True:
                event = await self._events[name].get()
                contact = event.get("contact", {})
                if shown.items() <= contact.items():
                    return dict(contact)

    async def _read(self) -> None:
        assert self._socket is not None
        try:
            async for text in self._socket:
                message = json.loads(text)
                match message["type"]:
                    case "ping":
                        await self._socket.send(json.dumps({"type": "pong"}))
                    case "next":
                        payload = message["payload"]
                        assert "errors" not in payload, payload
                        (value,) = payload["data"].values()
                        self._events[message["id"]].put_nowait(value if isinstance(value, dict) else {"value": value})
                    case "complete":
                        self._events[message["id"]].put_nowait({"complete": True})
                    case "error":
                        self._events[message["id"]].put_nowait({"errors": message["payload"]})
        except ConnectionClosed:
            pass
