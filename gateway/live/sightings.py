"""Sightings: asking a source about persons whose pages are open, and entering what is new into their streams, once over all processes.

Owns the row in which all processes compare what they saw (`source_sighting`): whoever sees a difference first enters it, in the transaction that
keeps what was seen; an answer to an earlier question than the one that is kept changes nothing. Must not decide whom to ask about, or when: that is
`live.polling` and `live.healing`, which call it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from gateway.errors import SourceError
from gateway.live.changelog import append
from gateway.live.hub import Hub
from gateway.live.prints import NOTHING, SHOWN_AS, WINDOW, News, Prints, difference, prints_of
from gateway.model.activity import TimelineFilter, TimelinePreset
from gateway.model.change import Change, ChangeKind, StreamKey
from gateway.model.profile import ProfileStatus
from gateway.model.source import Source, SourceKind
from gateway.sources.contract import NoteWindow, Stale, TimelineWindow
from gateway.sources.definition import Definition
from gateway.sources.guard import guarded
from gateway.storage.database import Connection, Database, columns
from gateway.storage.queries import SQL

__all__ = ["MOST_PROFILES", "Elsewhere", "Gap", "Seen", "enter", "look"]

MOST_PROFILES: Final = 100
"""Profiles of one question: what a source is asked at once."""
_ITEMS: Final = TimelineWindow(WINDOW, newest_first=True, filter=TimelineFilter(TimelinePreset.ALL))
_NOTES: Final = NoteWindow(WINDOW)


class Elsewhere(Protocol):
    """A source that lives elsewhere, with the methods of `sources.contract` for the kinds it provides."""

    @property
    def source(self) -> Source:
        """How it presents itself."""

    @property
    def definition(self) -> Definition:
        """What the operator says of it."""

    def outdate(self, workspace: UUID, profile_id: UUID) -> None:
        """Who asks about a person now asks anew."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What an open page misses of one source. `at`: when it missed it last, in seconds of the loop's clock; `items`: some by their ids there."""

    kinds: frozenset[SourceKind]
    at: float
    items: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a source said of persons. `asked`: when it was asked, in seconds of the loop's clock; `prints`: of the kinds that it answered."""

    asked: float
    prints: Mapping[UUID, Prints]
    answered: Mapping[UUID, frozenset[SourceKind]] = field(default_factory=dict)


async def look(source: Elsewhere, workspace: UUID, ids: Sequence[UUID], kinds: frozenset[SourceKind]) -> Seen:
    """What the source holds of these persons now: one question for each kind, all at once. An old answer is none. Never raises for the source."""
    for one in ids:
        source.outdate(workspace, one)
    asked = asyncio.get_running_loop().time()
    wanted = [kind for kind in SHOWN_AS if kind in kinds and kind in source.source.kinds]
    answers = await asyncio.gather(*(guarded(source.source.key, kind, _ask(source, workspace, ids, kind), len(ids)) for kind in wanted))
    prints: dict[UUID, Prints] = {one: {} for one in ids}
    answered: dict[UUID, set[SourceKind]] = {one: set() for one in ids}
    for kind, row in zip(wanted, answers, strict=True):
        for one, answer in zip(ids, row, strict=True):
            if not isinstance(answer, SourceError | Stale):
                prints[one] |= prints_of(kind, answer)
                answered[one].add(kind)
    return Seen(asked, prints, {one: frozenset(kinds_) for one, kinds_ in answered.items() if kinds_})


async def _ask(source: Any, workspace: UUID, ids: Sequence[UUID], kind: SourceKind) -> Sequence[Any]:
    answers: Sequence[Any]
    if kind is SourceKind.PROFILE:
        answers = await source.profile_fields(workspace, ids, None)
    elif kind is SourceKind.TRAITS:
        answers = await source.traits(workspace, ids, None)
    elif kind is SourceKind.NOTES:
        answers = await source.notes(workspace, ids, _NOTES)
    elif kind is SourceKind.COMPANY:
        answers = await source.memberships(workspace, ids)
    else:
        answers = await source.activities(workspace, ids, _ITEMS)
    return answers


async def enter(
    database: Database, hub: Hub, workspace: UUID, source: str, seen: Seen, gaps: Mapping[UUID, Gap] | None = None
) -> Mapping[UUID, News]:
    """Enter what is new since the last look of any process and, for `gaps`, what open pages missed; what was entered of each person.

    A gap is filled once: not when anybody has filled it since the page missed something. Of who is no living profile nothing is kept.

    Raises:
        GatewayError: the database is away or busy; nothing was entered.
    """
    ids = sorted(seen.answered)
    if not ids:
        return {}
    entered: dict[UUID, News] = {}
    changes: list[Change] = []
    async with database.transaction() as connection:
        moment = await _clock(connection)
        held = {
            row["id"] for row in await connection.fetch(SQL["hold_profiles"], workspace, ids) if row["status"] == ProfileStatus.ACTIVE.value
        }
        await connection.execute(SQL["make_sightings"], workspace, ids, source)
        kept = []
        for row in await connection.fetch(SQL["lock_sightings"], workspace, ids, source):
            profile_id = row["profile_id"]
            if profile_id not in held:
                continue
            asked_at, prints = moment(seen.asked), seen.prints[profile_id]
            is_newest = row["asked_at"] is None or row["asked_at"] < asked_at
            news = difference(row["prints"], prints) if is_newest else NOTHING
            gap = (gaps or {}).get(profile_id)
            heals = gap is not None and (row["healed_at"] is None or row["healed_at"] < moment(gap.at))
            if gap is not None and heals:
                news = _filled(news, gap.kinds & seen.answered[profile_id], gap.items, prints)
            is_healed = heals and gap is not None and gap.kinds <= seen.answered[profile_id]
            kept.append((profile_id, asked_at if is_newest else row["asked_at"], row["prints"] | (prints if is_newest else {}), is_healed))
            if not news.is_none:
                entered[profile_id] = news
                changes += _changes(StreamKey(workspace, profile_id), source, news)
        if kept:
            await connection.execute(SQL["keep_sightings"], workspace, source, *columns(kept))
        await append(connection, workspace, changes)
    if entered:
        hub.ring([StreamKey(workspace, profile_id) for profile_id in entered])
    return entered


class _Clock(Protocol):
    def __call__(self, at: float) -> datetime: ...


async def _clock(connection: Connection) -> _Clock:
    """From moments of this process's loop to the database's: clocks of machines differ, and seconds that went by do not."""
    now: datetime = await connection.fetchval(SQL["sighting_moment"])
    here = asyncio.get_running_loop().time()
    return lambda at: now - timedelta(seconds=max(0.0, here - at))


def _filled(news: News, kinds: frozenset[SourceKind], items: frozenset[str], prints: Prints) -> News:
    """The news, and all of these kinds as if it had just appeared: the page has none of it."""
    fields = [name for kind in SHOWN_AS if kind in kinds for name in SHOWN_AS[kind]]
    shown = dict(news.items)
    if SourceKind.ACTIVITY in kinds:
        shown |= dict.fromkeys((*prints["items"], *sorted(items)), True)
    return News(tuple(dict.fromkeys((*news.fields, *fields, "sources"))), tuple(shown.items()), news.removed)


def _changes(stream: StreamKey, source: str, news: News) -> list[Change]:
    """The oldest item first, as things happened."""
    made = [Change(stream, ChangeKind.PROFILE, source, news.fields, entity_source=source)] if news.fields else []
    made += [
        Change(stream, ChangeKind.ACTIVITY, source, entity_source=source, entity_key=key, is_new=is_new)
        for key, is_new in reversed(news.items)
    ]
    return made + [Change(stream, ChangeKind.REMOVED, source, entity_source=source, entity_key=key) for key in news.removed]
