"""Interests, consents and segments as the gateway keeps them, and the catalogue of topics.

Owns the way from rows to values and the windows of their pages. Must not change a row (`commands.insights` does) nor decide how a source is
presented: rows name sources by key. Called by `loaders.insights`, commands and root queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import asyncpg

from gateway.model.insight import Consent, ConsentStatus, Interest, InterestTopic, Segment
from gateway.model.profile import Channel
from gateway.storage.database import Database, columns
from gateway.storage.queries import SQL

__all__ = [
    "MOST_CONSENTS",
    "MOST_SEGMENTS",
    "InterestKey",
    "InterestWindow",
    "TopicWindow",
    "consent_of",
    "consents_by_profile",
    "interest_topics",
    "interests_by_key",
    "interests_by_profile",
    "segments_by_profile",
]

MOST_CONSENTS: Final = 500
MOST_SEGMENTS: Final = 500
"""What is read of one profile at most: both lists come whole."""

InterestKey = tuple[UUID, str, str]
"""Profile, topic and source key."""


@dataclass(frozen=True, slots=True)
class InterestWindow:
    """Up to `limit` interests, strongest first, of one category or all, behind (score, topic, source key) `after`."""

    limit: int
    category: str | None = None
    after: tuple[float, str, str] | None = None


@dataclass(frozen=True, slots=True)
class TopicWindow:
    """Up to `limit` topics by name: those that contain `search` in any case, of one category or all, behind the topic `after`."""

    limit: int
    search: str | None = None
    category: str | None = None
    after: str | None = None


async def interests_by_profile(
    database: Database, workspace: UUID, ids: Sequence[UUID], window: InterestWindow
) -> list[Sequence[Interest] | BaseException]:
    """A page of each profile's interests: by score, the highest first, then by topic and source key."""
    after = window.after or (None, None, None)
    found: dict[UUID, list[Interest]] = {}
    for row in await database.fetch(SQL["interests_by_profile"], workspace, list(ids), window.category, *after, window.limit):
        found.setdefault(row["profile_id"], []).append(_interest_of(row))
    return [found.get(key, []) for key in ids]


async def interests_by_key(database: Database, workspace: UUID, keys: Sequence[InterestKey]) -> list[Interest | BaseException | None]:
    """The interest of each profile in a topic by a source."""
    rows = await database.fetch(SQL["interests_by_key"], workspace, *columns(keys))
    found = {(row["profile_id"], row["topic"], row["source"]): _interest_of(row) for row in rows}
    return [found.get(key) for key in keys]


async def interest_topics(database: Database, workspace: UUID, window: TopicWindow) -> list[InterestTopic]:
    """A page of the catalogue."""
    pattern = None if window.search is None else f"%{_like(window.search)}%"
    rows = await database.fetch(SQL["interest_topics"], workspace, pattern, window.category, window.after, window.limit)
    return [InterestTopic(row["topic"], row["category"]) for row in rows]


async def consents_by_profile(database: Database, workspace: UUID, ids: Sequence[UUID]) -> list[Sequence[Consent] | BaseException]:
    """Each profile's consents as they stand now, by purpose; the one for every channel before those for one."""
    now = datetime.now(UTC)
    found: dict[UUID, list[Consent]] = {}
    for row in await database.fetch(SQL["consents_by_profile"], workspace, list(ids), MOST_CONSENTS):
        found.setdefault(row["profile_id"], []).append(consent_of(row).at(now))
    return [found.get(key, []) for key in ids]


async def segments_by_profile(database: Database, workspace: UUID, ids: Sequence[UUID]) -> list[Sequence[Segment] | BaseException]:
    """The audiences each profile is in, by key."""
    found: dict[UUID, list[Segment]] = {}
    for row in await database.fetch(SQL["segments_by_profile"], workspace, list(ids), MOST_SEGMENTS):
        found.setdefault(row["profile_id"], []).append(Segment(row["key"], row["name"], row["entered_at"]))
    return [found.get(key, []) for key in ids]


def consent_of(row: asyncpg.Record) -> Consent:
    """A row of `consent` as it was said."""
    return Consent(
        row["purpose"],
        Channel(row["channel"]) if row["channel"] else None,
        ConsentStatus(row["status"]),
        row["updated_at"],
        row["expires_at"],
        row["source"],
        row["evidence"],
    )


def _interest_of(row: asyncpg.Record) -> Interest:
    return Interest(
        row["profile_id"],
        row["topic"],
        row["category"],
        row["score"],
        row["first_triggered_at"],
        row["last_triggered_at"],
        row["trigger_count"],
        row["source"],
    )


def _like(text: str) -> str:
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
