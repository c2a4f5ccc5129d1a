"""Six bugs that lose, double or delay events, each of which has been made somewhere: the checker must find every one of them.

Owns how each is put into a gateway, and in which small run it shows. An *edit* changes one place of a module's text as it is imported (`launch`);
what takes more replaces functions. Nothing here is imported by the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

__all__ = ["BUGS", "Bug", "Edit", "append_of", "late_cursor", "prepare"]

Append = Callable[..., Awaitable[Any]]
_INSERT = """INSERT INTO change_log (workspace_id, stream_id, seq, kind, entity_id, entity_source, is_new, fields, actor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"""
_HEAD = """INSERT INTO stream_head AS s (workspace_id, stream_id, head) VALUES ($1, $2, $3)
ON CONFLICT (workspace_id, stream_id) DO UPDATE SET head = s.head + excluded.head RETURNING incarnated(epoch, (SELECT incarnation())), head"""

_EPOCH = "SELECT incarnated(epoch, (SELECT incarnation())) FROM stream_head WHERE workspace_id = $1 AND stream_id = $2"


@dataclass(frozen=True)
class Edit:
    """Replace `before`, which must be there exactly once, in the text of a module."""

    module: str
    before: str
    after: str


@dataclass(frozen=True)
class Bug:
    """One bug. `expects`: the invariants of which one at least must be found broken; `plan`: what a run that shows it is like."""

    sentence: str
    expects: tuple[str, ...]
    edits: tuple[Edit, ...] = ()
    install: Callable[[], None] = lambda: None
    append: Callable[[str], Append] | None = None
    """From the address of the database to what appends to the log instead."""
    prepare: str = ""
    """A statement that the database needs before."""
    plan: dict[str, Any] = field(default_factory=dict)


def append_of(bug: str | None, dsn: Callable[[], str]) -> Append | None:
    """What a writer appends with instead of the gateway's own; None: nothing else."""
    made = None if bug is None else BUGS[bug].append
    return None if made is None else made(dsn())


async def prepare(bug: str, dsn: str) -> None:
    """Give the database what the bug needs."""
    if BUGS[bug].prepare:
        connection = await asyncpg.connect(dsn)
        await connection.execute(BUGS[bug].prepare)
        await connection.close()


def _appended(make: Callable[[str], Append]) -> Callable[[], None]:
    """Put another `append` into the gateway, before any command imports it."""

    def install() -> None:
        from gateway.live import changelog

        changelog.append = make(os.environ["GATEWAY_DATABASE_URL"])  # type: ignore[assignment]

    return install


# id > last_seen: the number comes from a sequence, early, and whoever commits late is behind those who have read on


def _from_a_sequence(_: str) -> Append:
    async def append(connection: Any, workspace: UUID, changes: Sequence[Any]) -> dict[UUID, Any]:
        from gateway.model.change import Position

        positions = {}
        for change in changes:
            stream = change.stream.stream_id
            seq = await connection.fetchval("SELECT nextval('checker_changes')")
            epoch = await connection.fetchval(_EPOCH, workspace, stream)
            if epoch is None:
                epoch = (await connection.fetchrow(_HEAD, workspace, stream, 0))[0]
            await connection.execute(_INSERT, workspace, stream, seq, *_columns(change))
            positions[stream] = Position(epoch, seq)
        return positions

    return append


def _read_by_last_seen() -> None:
    _appended(_from_a_sequence)()
    from gateway.live import tail
    from gateway.storage.queries import SQL

    async def after(self: Any, position: Any) -> Any:
        return await self._reads.read(self.stream, position.seq, tail.BATCH)

    tail.Tail.after, tail.Tail.stands_at = after, lambda *_: True  # type: ignore[method-assign]
    newest = "coalesce((SELECT max(seq) FROM change_log WHERE workspace_id = s.workspace_id AND stream_id = s.stream_id), 0) AS head"
    for name in ("stream_heads", "read_changes", "read_changes_of_streams"):
        assert SQL[name].count("s.head") == 1
        SQL[name] = SQL[name].replace("s.head", newest)


# The head moves outside the transaction that writes the entry


def _head_outside(dsn: str) -> Append:
    kept: list[Any] = []

    async def number(workspace: UUID, stream: UUID) -> Any:
        if not kept:
            kept.append(await asyncpg.create_pool(dsn, min_size=1, max_size=4))
        return await kept[0].fetchrow(_HEAD, workspace, stream, 1)

    async def append(connection: Any, workspace: UUID, changes: Sequence[Any]) -> dict[UUID, Any]:
        from gateway.model.change import Position

        positions = {}
        for change in changes:
            stream = change.stream.stream_id
            epoch, seq = await number(workspace, stream)
            await connection.execute(_INSERT, workspace, stream, seq, *_columns(change))
            positions[stream] = Position(epoch, seq)
        return positions

    return append


def _columns(change: Any) -> tuple[Any, ...]:
    return int(change.kind), change.entity_id, change.entity_source, change.is_new, list(change.fields), change.actor_id


# The bell carries what changed, and readers believe it

_written: ContextVar[list[Any] | None] = ContextVar("written", default=None)
_PAYLOADS = "checker_payloads"


def _believe_the_bell() -> None:
    from gateway.live import changelog, hub, tail
    from gateway.model.change import ChangeKind, Entry, Position, StreamKey

    append, start, ring = changelog.append, hub.Hub.start, hub.Hub.ring
    tasks: set[Any] = set()

    async def appending(connection: Any, workspace: UUID, changes: Sequence[Any]) -> Any:
        positions = await append(connection, workspace, changes)
        left = {stream: sum(change.stream.stream_id == stream for change in changes) for stream in positions}
        payloads = []
        for change in changes:
            stream = change.stream.stream_id
            left[stream] -= 1
            seq = positions[stream].seq - left[stream]
            entity = change.entity_id and change.entity_id.hex
            rest = int(change.kind), change.actor_id, list(change.fields), entity, change.entity_source, change.is_new
            payloads.append(json.dumps([workspace.hex, stream.hex, seq, datetime.now(UTC).isoformat(), *rest]))
        _written.set(payloads)
        return positions

    def ringing(self: Any, streams: Any) -> None:
        ring(self, streams)
        payloads = _written.get() or []
        _written.set(None)
        task = asyncio.ensure_future(_publish(self, payloads))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def starting(self: Any) -> None:
        await start(self)
        task = asyncio.ensure_future(_listen(self, heard))
        tasks.add(task)

    def heard(self: Any, message: str) -> None:
        workspace, stream, seq, at, kind, actor, fields, entity, source, is_new = json.loads(message)
        found = self._tails.get(StreamKey(UUID(workspace), UUID(stream)))
        if found is not None:
            item = None if entity is None else UUID(entity)
            found._entries.append(Entry(seq, ChangeKind(kind), datetime.fromisoformat(at), actor, tuple(fields), item, source, is_new))
            found.wake()

    async def after(self: Any, position: Any) -> Any:
        if not self._entries:
            return await self._reads.read(self.stream, position.seq, tail.BATCH)
        entries = [entry for entry in self._entries if entry.seq > position.seq]
        return changelog.Stretch(changelog.Head(Position(position.epoch, entries[-1].seq if entries else position.seq), 0), entries)

    async def standing(self: Any) -> None:
        found = await self._reads.read(self.stream, None, 1)
        self.newest, self._answered = found and found.head, self._asked

    changelog.append = appending
    hub.Hub.ring, hub.Hub.start = ringing, starting  # type: ignore[method-assign]
    tail.Tail.after, tail.Tail._read_on, tail.Tail.stands_at = after, standing, lambda *_: True  # type: ignore[method-assign]


async def _publish(hub: Any, payloads: list[str]) -> None:
    for payload in payloads:
        with contextlib.suppress(Exception):
            await hub._database.execute("SELECT pg_notify($1, $2)", _PAYLOADS, payload)


async def _listen(hub: Any, heard: Callable[[Any, str], None]) -> None:
    while True:
        with contextlib.suppress(Exception):
            connection, gone = await asyncpg.connect(hub._database.dsn), asyncio.Event()
            connection.add_termination_listener(lambda _, gone=gone: gone.set())
            await connection.add_listener(_PAYLOADS, lambda _c, _p, _n, message: heard(hub, message))
            await gone.wait()
        await asyncio.sleep(0.1)


# The cursor is read after the data it is to stand for


async def late_cursor(profile: Any, context: Any) -> str:
    """The position of a moment after the data was read, in a transaction of its own."""
    from gateway.live.changelog import heads
    from gateway.model.change import StreamKey

    await asyncio.sleep(0.1)  # what a second query may cost in a busy process
    stream = StreamKey(context.principal.workspace_id, profile.profile_id)
    found = await heads(context.services.database, [stream])
    return str(context.services.hub.cursors.encode(stream, found[stream].position))


_HOLES_PASS = Edit("gateway.live.feed", "if entry.seq != seq + 1 + index:", "if False:")
_SMALL: dict[str, Any] = {
    "seconds": 4.0,
    "bus": "postgres",
    "faults": (),
    "replicas": 2,
    "profiles": 4,
    "subscribers": 30,
    "rate": 6.0,
    "patience": 6.0,
    "calm": 0.0,
    "stay": 6.0,
}

BUGS: dict[str, Bug] = {
    "last-seen": Bug(
        "readers ask for id > last_seen, and ids are given out before the commit",
        ("I3",),
        edits=(_HOLES_PASS,),
        install=_read_by_last_seen,
        append=_from_a_sequence,
        prepare="CREATE SEQUENCE checker_changes",
        plan={**_SMALL, "subscribers": 16, "api_writers": 3, "overlapping_writers": 8, "rate": 4.0, "profiles": 3},
    ),
    "bell-after-read": Bug(
        "the bell is taken after the read: what happens in between is slept through",
        ("I10",),
        edits=(
            Edit("gateway.live.feed", "woken = alarm.take()", "woken = True"),
            Edit("gateway.live.feed", "await alarm.wait()", "await (await asyncio.sleep(0.05), alarm.take(), alarm)[2].wait()"),  # busy
            # two more nets that are spread below it: a reader that sees what another one's question found, and one that is woken by it
            Edit("gateway.live.feed", "if tail.stands_at(position):", "if True:"),
            Edit("gateway.live.tail", "if known is not None and self.newest != known:", "if self._scout is asyncio.current_task():"),
        ),
        plan={**_SMALL, "poll": 60.0, "overlapping_writers": 0, "api_writers": 10, "rate": 8.0},
    ),
    "payload-in-bell": Bug(
        "the bell carries what changed, and readers show that instead of reading the log",
        ("I3",),
        edits=(_HOLES_PASS,),
        install=_believe_the_bell,
        plan={
            **_SMALL,
            "overlapping_writers": 0,
            "api_writers": 8,
            "faults": ("bells-lost", "database-cut", "backend-terminate"),
            "pause": (0.5, 1.0),
        },
    ),
    "off-by-one": Bug(
        "a resumed stream begins one behind its cursor",
        ("I3",),
        edits=(
            Edit(
                "gateway.live.feed",
                "Ready(wanted, datetime.now(UTC), resumed=True)",
                "Ready(Position(wanted.epoch, min(wanted.seq + 1, head.position.seq)), datetime.now(UTC), resumed=True)",
            ),
        ),
        plan=_SMALL,
    ),
    "head-outside": Bug(
        "the head moves in a transaction of its own: what is rolled back leaves a hole",
        ("I2",),
        install=_appended(_head_outside),
        append=_head_outside,
        plan=_SMALL,
    ),
    "two-snapshots": Bug(
        "the cursor is read after the data that it stands for",
        ("I3",),
        edits=(
            Edit(
                "resolvers.types.profile",
                "    def stream_cursor(self, info: Info) -> StreamCursor:\n        return StreamCursor(stream_cursor(self, info))",
                "    async def stream_cursor(self, info: Info) -> StreamCursor:\n        from tests.checker.bugs import late_cursor\n\n"
                "        return StreamCursor(await late_cursor(self, info.context))",
            ),
        ),
        plan={**_SMALL, "profiles": 3},
    ),
}
"""name → bug."""
