"""Timelines of the native tables: activities, notes and changes as one list, and the messages of a conversation.

Owns what a timeline filter means in SQL, and that a table is read only when the filter can show what it holds. Must not change a row. Called by
`native`, which hands in how to ask the database.
"""

from __future__ import annotations

import asyncio
import heapq
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

import asyncpg

from gateway.model.activity import (
    ChangeItem,
    Interaction,
    Message,
    NoteItem,
    Place,
    TimelineFilter,
    TimelineItem,
    TimelineKind,
    place_of,
)
from gateway.model.audit import change_of
from gateway.model.folding import like_pattern
from gateway.model.ids import uuid7_span
from gateway.model.source import Source
from gateway.sources.contract import ConversationKey, TimelineWindow, TranscriptKey, TranscriptWindow
from gateway.sources.native_rows import activity_of, note_of

__all__ = ["Describe", "Fetch", "NativeTimeline"]

_NATIVE_ID: Final = re.compile(r"[0-9a-f]{32}")
_LOWEST: Final = UUID(int=0)
_HIGHEST: Final = UUID(int=2**128 - 1)

Describe = Callable[[str], Source]
"""From the source key in a row to the source: rows of the native tables come from several (agents, the tracking API, imports)."""
Fetch = Callable[..., Awaitable[list[asyncpg.Record]]]
"""Rows of a named statement."""


class NativeTimeline:
    """Reads activities, notes and changes, one statement per table and call however many keys."""

    def __init__(self, fetch: Fetch, key: str, describe: Describe) -> None:
        self._fetch = fetch
        self._key = key
        self._describe = describe

    async def activities(self, workspace: UUID, ids: Sequence[UUID], window: TimelineWindow) -> Sequence[Sequence[TimelineItem]]:
        """See `contract.ActivitySource`."""
        reads = [self._of_activity(workspace, ids, window)]
        if window.filter.shows_kind(TimelineKind.NOTE):
            reads.append(self._of_notes(workspace, ids, window))
        if window.filter.shows_kind(TimelineKind.CHANGE):
            reads.append(self._of_changes(workspace, ids, window))
        found: dict[UUID, list[list[TimelineItem]]] = {}
        for items in await asyncio.gather(*reads) if len(reads) > 1 else [await reads[0]]:
            for profile_id, one in _by_profile(items, ids).items():
                found.setdefault(profile_id, []).append(one)
        return [_first(found.get(key, ()), window) for key in ids]

    async def activities_by_id(self, workspace: UUID, refs: Sequence[tuple[UUID, str]]) -> Sequence[TimelineItem | None]:
        """See `contract.ActivitySource`. What is no activity may be a note or a change: those tables are asked for the rest only."""
        wanted = [(profile, _uuid_or_none(native)) for profile, native in refs]
        known = list(dict.fromkeys((profile, native) for profile, native in wanted if native is not None))
        spans = [uuid7_span(native) for _, native in known]
        keys = [profile for profile, _ in known], [native for _, native in known]
        rows = await self._fetch("activities_by_id", workspace, *keys, [span[0] for span in spans], [span[1] for span in spans])
        found: dict[tuple[UUID, UUID], TimelineItem] = {(row["profile_id"], row["id"]): self._activity(row) for row in rows}
        rest = [ref for ref in known if ref not in found]
        if rest:
            keys = [profile for profile, _ in rest], [native for _, native in rest]
            notes, changes = await asyncio.gather(
                self._fetch("notes_by_id", workspace, *keys), self._fetch("changes_by_id", workspace, *keys)
            )
            found |= {(row["profile_id"], row["id"]): self._note(row) for row in notes}
            found |= {(row["profile_id"], row["id"]): self._change(row) for row in changes}
        return [None if native is None else found.get((profile, native)) for profile, native in wanted]

    async def transcripts(self, workspace: UUID, keys: Sequence[TranscriptKey], window: TranscriptWindow) -> Sequence[Sequence[Message]]:
        """See `contract.ActivitySource`."""
        after = window.after
        rows = await self._fetch(
            "messages_by_conversation",
            workspace,
            [key.profile_id for key in keys],
            [key.interaction for key in keys],
            [key.conversation for key in keys],
            [key.since for key in keys],
            [key.until for key in keys],
            *(after.occurred_at, after.source, _native_id(after, _LOWEST)),
            window.limit,
        )
        found: list[list[Message]] = [[] for _ in keys]
        for row in rows:
            item = self._activity(row[1:])
            assert isinstance(item, Message)
            found[row["n"] - 1].append(item)
        return found

    async def conversations(self, workspace: UUID, keys: Sequence[ConversationKey]) -> Sequence[Interaction | None]:
        """See `contract.ActivitySource`."""
        rows = await self._fetch(
            "interactions_by_conversation",
            workspace,
            [key.profile_id for key in keys],
            [key.conversation for key in keys],
            [key.at for key in keys],
            [key.since for key in keys],
            [key.until for key in keys],
        )
        found: list[Interaction | None] = [None] * len(keys)
        for row in rows:
            item = self._activity(row[1:])
            assert isinstance(item, Interaction)
            found[row["n"] - 1] = item
        return found

    async def _of_activity(self, workspace: UUID, ids: Sequence[UUID], window: TimelineWindow) -> list[TimelineItem]:
        chosen = window.filter
        kinds = [kind for kind in chosen.shown_kinds if kind not in _OWN_TABLES]
        if not kinds:
            return []
        kept = [chosen.retained_since(kind) for kind in kinds]
        name = "activities_descending" if window.newest_first else "activities_ascending"
        is_plain = _is_plain(chosen) and len(set(kept)) == 1
        columns = (_plain_columns if is_plain else _filter_columns)(chosen, kinds)
        rows = await self._fetch(f"plain_{name}" if is_plain else name, workspace, ids, *_bounds(window, kept), window.limit, *columns)
        describe = self._describe
        return [activity_of(row, describe(row[2])) for row in rows]

    async def _of_notes(self, workspace: UUID, ids: Sequence[UUID], window: TimelineWindow) -> list[TimelineItem]:
        name = "note_items_descending" if window.newest_first else "note_items_ascending"
        rows = await self._fetch(name, workspace, ids, *_bounds(window, [None]), window.limit, *self._own(window.filter, TimelineKind.NOTE))
        return [self._note(row) for row in rows]

    async def _of_changes(self, workspace: UUID, ids: Sequence[UUID], window: TimelineWindow) -> list[TimelineItem]:
        name = "change_items_descending" if window.newest_first else "change_items_ascending"
        rows = await self._fetch(
            name, workspace, ids, *_bounds(window, [None]), window.limit, *self._own(window.filter, TimelineKind.CHANGE)
        )
        return [self._change(row) for row in rows]

    def _own(self, chosen: TimelineFilter, kind: TimelineKind) -> tuple[object, ...]:
        return self._key, _listed(chosen.agent_ids), _pattern(chosen.search), chosen.retained_since(kind)

    def _activity(self, row: Any) -> TimelineItem:
        return activity_of(row, self._describe(row[2]))

    def _note(self, row: asyncpg.Record) -> NoteItem:
        return NoteItem(note_of(row, self._describe(self._key)))

    def _change(self, row: asyncpg.Record) -> ChangeItem:
        return ChangeItem(change_of(dict(row)), self._describe(self._key))


_OWN_TABLES: Final = frozenset({TimelineKind.NOTE, TimelineKind.CHANGE})


def _by_profile(items: list[TimelineItem], ids: Sequence[UUID]) -> dict[UUID, list[TimelineItem]]:
    if len(ids) == 1:
        return {ids[0]: items} if items else {}
    lists: dict[UUID, list[TimelineItem]] = {}
    for item in items:
        lists.setdefault(item.profile_id, []).append(item)
    return lists


def _first(lists: Sequence[list[TimelineItem]], window: TimelineWindow) -> list[TimelineItem]:
    if len(lists) == 1:  # each statement has the window's order and limit
        return lists[0]
    return list(islice(heapq.merge(*lists, key=_order, reverse=window.newest_first), window.limit))


def _order(item: TimelineItem) -> tuple[datetime, str, str]:
    return place_of(item).key


def _uuid_or_none(text: str) -> UUID | None:
    return UUID(hex=text) if _NATIVE_ID.fullmatch(text) else None


def _native_id(place: Place, otherwise: UUID) -> UUID:
    """The id part of a bound. A place of another source may have an id of another make; there the source's name decides."""
    return _uuid_or_none(place.id) or otherwise


def _bounds(window: TimelineWindow, kept: Sequence[datetime | None]) -> tuple[object, ...]:
    """The two places between which to read; `kept`: since when each of the kinds is kept, so that no month is opened for nothing."""
    low, high, chosen = window.lower, window.upper, window.filter
    known = [moment for moment in kept if moment is not None]
    if known and len(known) == len(kept) and min(known) > low.occurred_at:
        low = Place(min(known), "", "")
    if chosen.since is not None and chosen.since > low.occurred_at:
        low = Place(chosen.since, "", "")
    if chosen.until is not None and chosen.until <= high.occurred_at:
        high = Place(chosen.until, "", "")
    return low.occurred_at, low.source, _native_id(low, _LOWEST), high.occurred_at, high.source, _native_id(high, _HIGHEST)


def _is_plain(chosen: TimelineFilter) -> bool:
    """Whether kinds alone decide what is shown between the two places, once the bounds are drawn."""
    lists = chosen.channels, chosen.directions, chosen.types, chosen.accounts, chosen.agent_ids, chosen.queues
    return chosen.search is None and not chosen.attributes and all(one is None for one in lists)


def _plain_columns(chosen: TimelineFilter, kinds: Sequence[TimelineKind]) -> tuple[object, ...]:
    return chosen.is_usual, _names(kinds), _listed(chosen.external_types) if chosen.is_usual else None


def _filter_columns(chosen: TimelineFilter, kinds: Sequence[TimelineKind]) -> tuple[object, ...]:
    retained = [(kind.value, moment) for kind, moment in chosen.retained if kind in kinds]
    return (
        chosen.is_usual,
        _names(kinds),
        _names(chosen.channels),
        _names(chosen.directions),
        _listed(chosen.types),
        _listed(chosen.accounts),
        _listed(chosen.agent_ids),
        _listed(chosen.queues),
        dict(chosen.attributes) or None,
        _pattern(chosen.search),
        _listed(chosen.external_types) if chosen.is_usual else None,
        [kind for kind, _ in retained],
        [moment for _, moment in retained],
    )


def _names(values: Any) -> list[str] | None:
    return None if values is None else [value.value for value in values]


def _listed(values: Sequence[str] | None) -> list[str] | None:
    return None if values is None else list(values)


def _pattern(text: str | None) -> str | None:
    return None if text is None else f"%{like_pattern(text)}%"
