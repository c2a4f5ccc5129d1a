"""Subscribers: they query, subscribe behind the cursor, and come and go as agents' browsers do.

Each keeps one *lineage* of cursors: a snapshot, then events, over as many sockets and replicas as it takes. It leaves at random, reads slowly,
lets its token expire or refreshes it, comes back to another replica with its cursor, begins anew, or begins at the oldest cursor it ever
had. It believes nothing: what it sees is written into the history, the judge compares.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.model.ids import parse_id
from gateway.model.item import parse_item_id
from tests.checker.client import GONE, Refused, Socket
from tests.checker.cluster import Replica
from tests.checker.world import World

__all__ = ["DESK", "STATE", "TIMELINE", "Subscriber"]

TIMELINE, STATE, DESK = "timeline", "state", "desk"

_PLACE = (
    "__typename ... on LiveEvent { seq cursor at } ... on StreamReady { resumed } "
    "... on StreamGap { reason } ... on StreamGoAway { departure: reason }"
)
_EVENTS = {
    TIMELINE: "subscription($id: ID!, $after: StreamCursor) { timelineEvents(profileId: $id, after: $after, filter: {preset: ALL}) { "
    + _PLACE
    + " ... on TimelineItemUpserted { item { id } } ... on TimelineItemRemoved { itemId } } }",
    STATE: "subscription($id: ID!, $after: StreamCursor) { profileEvents(profileId: $id, after: $after) { "
    + _PLACE
    + " ... on ProfileUpdated { profile { version firstName } } } }",
    DESK: "subscription($after: StreamCursor) { contactEvents(after: $after) { " + _PLACE + " ... on ContactChanged { contact { id } } } }",
}
_PAGE = 100
_SNAPSHOTS = {
    TIMELINE: "query($id: ID!, $before: String) { profile(by: {id: $id}) { version streamCursor "
    "timeline(last: 100, before: $before, filter: {preset: ALL}) { streamCursor nodes { id } pageInfo { hasPreviousPage startCursor } } } }",
    STATE: "query($id: ID!) { profile(by: {id: $id}) { version firstName streamCursor } }",
    DESK: "query { viewer { streamCursor contacts(states: [OFFERED, CONNECTED, WRAP_UP, CLOSED]) { id } } }",
}
_MOST_PAGES = 30


class Subscriber:
    """One client that watches one stream."""

    def __init__(self, world: World, number: int, sort: str, target: UUID | str) -> None:
        """`target`: a profile, or the subject whose desk it is."""
        self.world = world
        self.sort = sort
        self.subject = str(target) if sort == DESK else f"watcher-{number}"
        self.name = f"{sort}-{number}"
        self.stream = world.desk(self.subject) if isinstance(target, str) else world.profile_stream(target)
        self.rng = world.random(self.name)
        self.slow = self.rng.random() < 0.15
        self.brief = self.rng.random() < 0.2  # its tokens live for seconds
        self.seq = -1
        """The number it has; everything up to here was seen or fetched."""
        self.connected = False
        self.revoked_until = 0.0
        """Seconds of the wall clock up to which it goes on with the token that was taken back."""
        self._variables = {} if sort == DESK else {"id": world.profile_id(self.stream.stream_id)}
        self._cursor: str | None = None
        self._first: str | None = None
        self._lineage = 0
        self._token = ""
        self._token_ends = 0.0
        self._ready_at = 0.0

    async def run(self) -> None:
        """Watch until the run ends."""
        pause = 0.05
        while not self.world.ended.is_set():
            replica = self.world.replica(self.rng)
            address = replica.address(proxied=self.rng.random() < 0.3)
            try:
                if self._cursor is None:
                    await self._snapshot("start")
                self._renew()
                async with Socket.open(address, self._token) as socket:
                    self.connected = True
                    pause = 0.05
                    await self._watch(socket, replica)
            except Refused as refused:
                self._say("refused", codes=refused.codes)
                if "CURSOR_INVALID" in refused.codes:
                    self._begin_anew(None)
            except GONE as error:
                closed = getattr(error, "rcvd", None)
                self._say("disconnect", why=type(error).__name__, code=closed and closed.code, reason=closed and closed.reason)
            finally:
                self.connected = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause * self.rng.uniform(0.5, 1.5)):
                    await self.world.ended.wait()
            pause = min(pause * 2, 1.0)

    async def _watch(self, socket: Socket, replica: Replica) -> None:
        world, rng = self.world, self.rng
        leave_at = time.time() + rng.expovariate(1 / world.stay)
        refreshes = rng.random() < 0.5
        self._say("subscribe", after=None if self._cursor is None else self.seq, replica=replica.name)
        await socket.subscribe(_EVENTS[self.sort], after=self._cursor, **self._variables)
        while not world.ended.is_set():
            now = time.time()
            if not world.settled.is_set():
                if now > leave_at:
                    self._leave()
                    return
                if self.slow and rng.random() < 0.3:
                    await asyncio.sleep(rng.uniform(0, 0.4))
            if refreshes and now > self._token_ends - 1.5 and self._renew(at=self._token_ends - 1.5):
                await socket.refresh(self._token)
            event = await socket.next(0.5)
            if event is not None and not await self._take(event):
                return

    def _leave(self) -> None:
        """Hang up, and perhaps forget."""
        luck = self.rng.random()
        self._say("disconnect", why="leaves", code=None)
        if luck < 0.1:
            self._begin_anew(None)
        elif luck < 0.15 and self._first is not None:
            self._begin_anew(self._first)

    def _begin_anew(self, cursor: str | None) -> None:
        self._lineage += 1
        self._cursor = cursor
        self.seq = -1 if cursor is None else self.world.cursors.seq(self.stream, cursor)
        if cursor is not None:
            self._say("snapshot", why="oldest", seq=self.seq, items=[], oldest=None, whole=False)

    async def _take(self, event: dict[str, Any]) -> bool:
        """Write an event down; False: the stream has ended."""
        kind, seq = event["__typename"], event["seq"]
        match kind:
            case "StreamReady":
                self._ready_at = time.time()
                self._say("ready", seq=seq, resumed=event["resumed"])
            case "StreamGap":
                self._say("gap", seq=seq, reason=event["reason"])
                if event["reason"] == "PERMISSION_CHANGED":
                    return False
                await self._snapshot("gap")
            case "StreamGoAway":
                self._say("goaway", seq=seq, reason=event["departure"])
                self._cursor, self.seq = event["cursor"], max(self.seq, seq)
                return False
            case "TimelineItemUpserted" | "TimelineItemRemoved" | "ProfileUpdated" | "ContactChanged":
                at = datetime.fromisoformat(event["at"]).timestamp()
                seen = {"version": event["profile"]["version"]} if kind == "ProfileUpdated" else {"entity": _entity(event)}
                self._say("recv", seq=seq, event=kind, at=at, lag=time.time() - at, live=at >= self._ready_at, slow=self.slow, **seen)
            case _:
                self._say("other", seq=seq, event=kind)
        self._cursor, self.seq = event["cursor"], seq
        if self._first is None:
            self._first = event["cursor"]
        return True

    # Querying

    async def _snapshot(self, why: str) -> None:
        """What the screen shows, by query, and the cursor that belongs to it; asked until there is an answer."""
        while True:
            replica = self.world.replica(self.rng)
            asked, asked_at = time.monotonic_ns(), time.time()
            self._renew()
            try:
                shown = await self._read(replica.address(), 1 if why == "start" else _MOST_PAGES)
            except (Refused, OSError):
                if self.world.ended.is_set():
                    raise
                await asyncio.sleep(self.rng.uniform(0.05, 0.3))
                continue
            cursor = shown.pop("cursor")
            seq = self.world.cursors.seq(self.stream, cursor)
            self._say("snapshot", why=why, seq=seq, asked=asked, asked_at=asked_at, replica=replica.name, **shown)
            if why == "start":
                self._cursor, self.seq = cursor, seq
            return

    async def _read(self, address: str, pages: int) -> dict[str, Any]:
        document = _SNAPSHOTS[self.sort]
        answer = await self.world.web.ask(address, self._token, document, **self._variables)
        if self.sort == STATE:
            return {"cursor": answer["streamCursor"], "version": answer["version"], "items": [], "oldest": None, "whole": False}
        if self.sort == DESK:
            items = [parse_id(contact["id"], "con")[0].hex for contact in answer["contacts"]]
            return {"cursor": answer["streamCursor"], "items": items, "oldest": items[-1] if items else None, "whole": len(items) < _PAGE}
        page = answer["timeline"]
        cursor, items = self.rng.choice((page, answer))["streamCursor"], _items(page)
        for _ in range(pages - 1):
            if not page["pageInfo"]["hasPreviousPage"]:
                break
            older = await self.world.web.ask(address, self._token, document, before=page["pageInfo"]["startCursor"], **self._variables)
            page = older["timeline"]
            items = _items(page) + items
        return {"cursor": cursor, "items": items, "oldest": items[0] if items else None, "whole": not page["pageInfo"]["hasPreviousPage"]}

    # Credentials

    def _renew(self, at: float | None = None) -> bool:
        """Take a fresh token when the one there is ends by then; False: it is good for longer, or we are to go on with it."""
        now = time.time()
        if now < self.revoked_until:
            return False
        if self.revoked_until:
            self._say("reinstated", subject=self.subject)
            self.revoked_until = 0.0
        elif now < (self._token_ends - 0.2 if at is None else at):
            return False
        seconds = self.rng.uniform(3, 7) if self.brief and not self.world.settled.is_set() else 3600.0
        self._token, self._token_ends = self.world.credentials.token(self.subject, seconds=seconds), now + int(seconds)
        return True

    def _say(self, kind: str, /, **values: Any) -> None:
        self.world.history.add(self.name, kind, stream=self.stream.stream_id.hex, sort=self.sort, lineage=self._lineage, **values)


def _items(page: dict[str, Any]) -> list[str]:
    return [parse_item_id(node["id"])[2] for node in page["nodes"]]


def _entity(event: dict[str, Any]) -> str:
    if event["__typename"] == "ContactChanged":
        return parse_id(event["contact"]["id"], "con")[0].hex
    return parse_item_id(event["itemId"] if "itemId" in event else event["item"]["id"])[2]
