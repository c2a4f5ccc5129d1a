"""Presence: who has a profile open right now, and who is editing it.

Owns the table `presence`, which holds no history: a row belongs to a socket, is renewed by the process that has the socket, and ends with it; the
rows of a process that died expire (retention removes them). Readers of a profile's stream here share one room, brought up to date when the bell
rings and, for what expires, by a poll. Must not enter anything into the change log: presence has no numbers and cannot be resumed. Called by
`commands.presence` and resolvers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import structlog

from gateway.errors import GatewayError
from gateway.live.feed import START_PATIENCE, patiently
from gateway.live.hub import Hub
from gateway.model.actor import Actor, ActorKind
from gateway.model.change import StreamKey, presence_stream
from gateway.storage.database import Database, columns
from gateway.storage.queries import SQL

__all__ = ["LIFETIME", "Presence", "Room", "Viewers"]

LIFETIME = 30.0
"""Seconds a row lives without being renewed."""
_RENEW = 10.0
_POLL = 2.0
_FAREWELL = 2.0
"""Seconds that the last rows of a process that ends may take to go; after that they expire."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Viewers:
    """Who is here, each once, by name; `editing` are those of them who edit."""

    viewers: tuple[Actor, ...] = ()
    editing: tuple[Actor, ...] = ()


@dataclass(slots=True)
class Room:
    """One profile whose stream somebody here reads: its viewers as far as this process knows."""

    now: Viewers = field(default_factory=Viewers)
    readers: int = 0
    unlisten: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class _Row:
    """One session's view of one profile."""

    stream: StreamKey
    session_id: UUID
    actor: Actor
    editing: bool

    @property
    def key(self) -> tuple[UUID, UUID, UUID]:
        """Its primary key."""
        return self.stream.workspace_id, self.stream.stream_id, self.session_id


class Presence:
    """The rooms that are read here, and the rows of this process's sockets."""

    def __init__(self, database: Database, hub: Hub, *, renew: float = _RENEW, poll: float = _POLL, lifetime: float = LIFETIME) -> None:
        """`renew`, `poll` and `lifetime` in seconds."""
        self._database = database
        self._hub = hub
        self._renew = renew
        self._poll = poll
        self._lifetime = lifetime
        self._rooms: dict[StreamKey, Room] = {}
        self._stale: set[StreamKey] = set()
        self._held: dict[UUID, _Row] = {}
        self._gone: list[_Row] = []
        self._turns: dict[UUID, asyncio.Lock] = {}
        self._reading = asyncio.Lock()
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to renew, to let go and to look."""
        self._task = asyncio.create_task(self._run(), name="presence")

    async def stop(self) -> None:
        """Let go of every row of this process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._gone += self._held.values()
        self._held.clear()
        with contextlib.suppress(GatewayError, TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self._let_go()

    async def view(self, stream: StreamKey, session_id: UUID, actor: Actor, *, editing: bool, renewed: bool) -> bool:
        """A session looks at this profile now, and at no other; False when there is no such profile (then all stays as it was).

        `renewed`: this process keeps the row alive until `leave`; else it expires unless this is called again.
        """
        async with self._turns.setdefault(session_id, asyncio.Lock()) if renewed else contextlib.nullcontext():
            before, row = self._held.get(session_id), _Row(stream, session_id, actor, editing)
            if renewed:
                self._held[session_id] = row  # before the row is there: whoever leaves meanwhile takes it away
            changed: list[StreamKey] = []
            try:
                changed = await self._write(row)
            finally:
                if stream not in changed and self._held.get(session_id) is row:
                    self._restore(row, before)
        self._touch(changed)
        return stream in changed

    def leave(self, session_id: UUID) -> None:
        """A session has ended; never blocks. Its row goes in a moment."""
        self._turns.pop(session_id, None)
        row = self._held.pop(session_id, None)
        if row is not None:
            self._gone.append(row)
            self._due.set()

    @asynccontextmanager
    async def room(self, stream: StreamKey) -> AsyncIterator[Room]:
        """The room of a profile; while it is open, each change of its viewers nudges the readers of the profile's stream."""
        room = self._rooms.get(stream)
        if room is None:
            room = self._rooms[stream] = Room()
            room.unlisten = self._hub.listen(presence_stream(stream), partial(self._spoil, stream))
        room.readers += 1
        try:
            await patiently(partial(self._look, [stream]), START_PATIENCE)
            yield room
        finally:
            room.readers -= 1
            if room.readers == 0:
                room.unlisten()
                del self._rooms[stream]

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        next_poll = next_renewal = loop.time()
        failed = False
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(next_poll, next_renewal) - loop.time())):
                    await self._due.wait()
            self._due.clear()
            now = loop.time()
            try:
                await self._let_go()
                if now >= next_renewal:
                    next_renewal = now + self._renew
                    await self._keep()
                stale, self._stale = self._stale, set()
                if now >= next_poll:
                    next_poll = now + self._poll
                    stale = set(self._rooms)
                await self._look(stale)
                failed = False
            except GatewayError as error:
                if not failed:
                    log.warning("presence.failed", code=error.code)
                failed = True
                next_poll = next_renewal = now + min(1.0, self._poll)

    async def _write(self, row: _Row) -> list[StreamKey]:
        """Put the row in, in place of the session's others; the profiles that this concerns."""
        actor = row.actor
        who = actor.id, actor.display_name, actor.kind.value
        found = await self._database.fetch(SQL["view_profile"], *row.key, *who, row.editing, self._lifetime)
        return [StreamKey(row.stream.workspace_id, one["profile_id"]) for one in found]

    def _restore(self, row: _Row, before: _Row | None) -> None:
        """There is no such profile, or nobody knows whether it was written."""
        if before is None:
            del self._held[row.session_id]
        else:
            self._held[row.session_id] = before
        if before is None or before.key != row.key:
            self._gone.append(row)
            self._due.set()

    async def _let_go(self) -> None:
        gone, self._gone = self._gone, []
        gone = [row for row in gone if (held := self._held.get(row.session_id)) is None or held.key != row.key]
        if not gone:
            return
        try:
            await self._database.fetch(SQL["leave_profiles"], *columns([row.key for row in gone]), delivery=True)
        except GatewayError:
            self._gone += gone
            raise
        self._touch([row.stream for row in gone])

    async def _keep(self) -> None:
        held = list(self._held.values())
        if not held:
            return
        rows = [(*row.key, row.actor.id, row.actor.display_name, row.actor.kind.value, row.editing) for row in held]
        await self._database.execute(SQL["renew_presence"], *columns(rows), self._lifetime, delivery=True)
        left = [row for row in held if (now := self._held.get(row.session_id)) is None or now.key != row.key]
        if left:  # while it was renewed: it may have been put in again
            self._gone += left
            self._due.set()

    async def _look(self, streams: Collection[StreamKey]) -> None:
        """Bring rooms up to date, and nudge the readers of those that changed."""
        if not streams:
            return
        async with self._reading:  # an older answer never follows a newer one
            keys = [(stream.workspace_id, stream.stream_id) for stream in streams]
            found: dict[StreamKey, list[tuple[Actor, bool]]] = {stream: [] for stream in streams}
            for row in await self._database.fetch(SQL["viewers"], *columns(keys), delivery=True):
                actor = Actor(row["subject"], row["name"], ActorKind(row["kind"]))
                found[StreamKey(row["workspace_id"], row["profile_id"])].append((actor, row["editing"]))
            for stream, here in found.items():
                room = self._rooms.get(stream)
                now = Viewers(tuple(actor for actor, _ in here), tuple(actor for actor, editing in here if editing))
                if room is not None and room.now != now:
                    room.now = now
                    self._hub.nudge(stream)

    def _touch(self, streams: Iterable[StreamKey]) -> None:
        """Tell every process, and ourselves without the way round, that the viewers of these profiles changed."""
        streams = tuple(streams)
        self._hub.ring(map(presence_stream, streams))
        for stream in streams:
            self._spoil(stream)

    def _spoil(self, stream: StreamKey) -> None:
        if stream in self._rooms:
            self._stale.add(stream)
            self._due.set()
