"""What the database holds when everything has come to rest: the truth that the history is compared with.

Owns the statements that read it, and which entries of the log a subscriber of each kind must have seen. Read-only, past every proxy and cache.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg

from gateway.model.change import ChangeKind
from gateway.storage.database import connect

__all__ = ["must_be_seen", "read_contents"]

_ENTITIES = (
    "SELECT profile_id, id, created_at, body FROM note WHERE workspace_id = $1",
    """SELECT profile_id, id, at, (SELECT f->>'after' FROM jsonb_array_elements(fields) f WHERE f->>'field' = 'firstName' LIMIT 1)
         FROM change WHERE workspace_id = $1""",
    "SELECT profile_id, id, occurred_at, type FROM activity WHERE workspace_id = $1",
    "SELECT coalesce(profile_id, id), id, offered_at, external_id FROM contact WHERE workspace_id = $1",
)
"""Each entity with its profile, the moment it is shown at, and what a writer marked it with."""

_ITEMS = frozenset({ChangeKind.PROFILE, ChangeKind.ACTIVITY, ChangeKind.REMOVED})


async def read_contents(dsn: str, workspace: UUID) -> dict[str, Any]:
    """Heads, log, entities and the marks that writers left on them, as values for JSON.

    `log`: [stream, seq, kind, entity or null, transaction, seconds since 1970]. `marks`: the writer's operation → [[stream, entity]].
    `occurred`: entity → when, by the order in which the gateway shows it.
    """
    connection = await connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            heads = await connection.fetch("SELECT stream_id, head, low FROM stream_head WHERE workspace_id = $1", workspace)
            log = await connection.fetch(
                "SELECT stream_id, seq, kind, entity_id, xid::text, at FROM change_log WHERE workspace_id = $1 ORDER BY stream_id, seq, at",
                workspace,
            )
            entities = await _entities(connection, workspace)
            versions = await connection.fetch("SELECT id, version FROM profile WHERE workspace_id = $1", workspace)
    finally:
        await connection.close()
    marks: dict[str, list[list[str]]] = {}
    for stream, entity, _, mark in entities:
        if mark is not None:
            marks.setdefault(mark, []).append([stream.hex, entity.hex])
    return {
        "heads": {row[0].hex: [row[1], row[2]] for row in heads},
        "log": [[row[0].hex, row[1], row[2], row[3] and row[3].hex, row[4], row[5].timestamp()] for row in log],
        "marks": marks,
        "occurred": {entity.hex: at.timestamp() for _, entity, at, _ in entities},
        "versions": {row[0].hex: row[1] for row in versions},
    }


async def _entities(connection: asyncpg.Connection[Any], workspace: UUID) -> list[Any]:
    rows: list[Any] = []
    for sql in _ENTITIES:
        rows += await connection.fetch(sql, workspace)
    return rows


def must_be_seen(sort: str, kind: int, entity: str | None) -> bool:
    """Whether a subscriber of this sort is shown a log entry of this kind as an event of its own."""
    if sort == "timeline":
        return entity is not None and kind in _ITEMS
    return sort == "desk" and kind == ChangeKind.CONTACT and entity is not None
