"""The native source: the gateway's own Postgres tables, every kind of data.

Owns the way from rows to values. Must not change a row (commands do). Called by loaders through the registry, and by commands to read what
they wrote.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from gateway.errors import SourceError
from gateway.model.activity import (
    ActivityOrigin,
    Direction,
    ExternalActivity,
    Interaction,
    Place,
    Sentiment,
    TimelineFilter,
    TimelineItem,
    TimelineKind,
    TimelinePreset,
    WrapUp,
)
from gateway.model.actor import Actor, ActorKind
from gateway.model.change import Position
from gateway.model.company import Company, CompanyMembership
from gateway.model.ids import uuid7_span
from gateway.model.note import Note
from gateway.model.profile import Channel, ContactPoint, Identifier, Profile, ProfileLifecycle, ProfileStatus
from gateway.model.source import Source, SourceState
from gateway.model.trait import Provenance, TraitFact, TraitKind
from gateway.sources.contract import Contacts, LookupKey, NoteWindow, TimelineWindow
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["NativeSource", "activity_of", "company_of", "note_of", "profile_of"]

_NATIVE_ID = re.compile(r"[0-9a-f]{32}")
_LOWEST = UUID(int=0)
_HIGHEST = UUID(int=2**128 - 1)
_ORIGIN_KINDS = {
    ActivityOrigin.CONTACT_CENTRE: (TimelineKind.INTERACTION,),
    ActivityOrigin.EXTERNAL: (TimelineKind.EXTERNAL, TimelineKind.WEB),
}

Describe = Callable[[str], Source]
"""From the source key in a row to the source: rows of the native tables come from several (agents, the tracking API, imports)."""


class NativeSource:
    """Reads the gateway's own tables, one statement per call however many keys."""

    def __init__(self, database: Database, key: str, describe: Describe) -> None:
        self._database = database
        self._key = key
        self._describe = describe
        self._latency_ms: float | None = None
        self._last_success_at: datetime | None = None

    @property
    def source(self) -> Source:
        """The native source, with the latency of its last answer."""
        return self._describe(self._key).standing(SourceState.OK, self._last_success_at, self._latency_ms)

    async def profiles(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Profile | SourceError | None]:
        """See `contract.ProfileSource`."""
        rows = await self._fetch("profiles_by_id", workspace, ids)
        found = {row["id"]: profile_of(row) for row in rows}
        return [found.get(key) for key in ids]

    async def has_label(self, workspace: UUID, key: str) -> bool:
        """See `contract.ProfileSource`."""
        return bool(await self._fetch("label_of_write_key", workspace, key))

    async def resolve(self, workspace: UUID, keys: Sequence[LookupKey]) -> Sequence[Sequence[UUID] | SourceError]:
        """See `contract.IdentitySource`."""
        rows = await self._fetch("profile_ids_by_lookup", workspace, [key.key for key in keys], [key.value for key in keys])
        found: list[list[UUID]] = [[] for _ in keys]
        for row in rows:
            found[row["n"] - 1].append(row["profile_id"])
        return found

    async def search_names(self, workspace: UUID, words: Sequence[str], after: UUID | None, limit: int) -> Sequence[UUID]:
        """See `contract.IdentitySource`."""
        # name_key begins with a space, so a word begins behind one
        patterns = [f"% {_like(_lower(word))}%" for word in words]
        rows = await self._fetch("profile_ids_by_name", workspace, patterns, after or _LOWEST, limit)
        return [row["id"] for row in rows]

    async def contacts(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Contacts | SourceError]:
        """See `contract.IdentitySource`."""
        points: dict[UUID, list[ContactPoint]] = {}
        identifiers: dict[UUID, list[Identifier]] = {}
        for row in await self._fetch("contacts_by_profile", workspace, ids):
            if row["kind"] == "C":
                points.setdefault(row["profile_id"], []).append(self._contact_point(row))
            else:
                identifiers.setdefault(row["profile_id"], []).append(self._identifier(row))
        return [Contacts(tuple(points.get(key, ())), tuple(identifiers.get(key, ()))) for key in ids]

    async def traits(self, workspace: UUID, ids: Sequence[UUID], keys: Sequence[str] | None) -> Sequence[Sequence[TraitFact] | SourceError]:
        """See `contract.TraitSource`."""
        found: dict[UUID, list[TraitFact]] = {}
        for row in await self._fetch("traits_by_profile", workspace, ids, keys):
            found.setdefault(row["profile_id"], []).append(self._trait(row))
        return [found.get(key, []) for key in ids]

    async def notes(self, workspace: UUID, ids: Sequence[UUID], window: NoteWindow) -> Sequence[Sequence[Note] | SourceError]:
        """See `contract.NoteSource`."""
        source = self.source
        found: dict[UUID, list[Note]] = {}
        for row in await self._fetch("notes_by_profile", workspace, ids, window.before or _HIGHEST, window.limit):
            found.setdefault(row["profile_id"], []).append(note_of(row, source))
        return [found.get(key, []) for key in ids]

    async def note_counts(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[int | SourceError]:
        """See `contract.NoteSource`."""
        found: dict[UUID, int] = {row[0]: row[1] for row in await self._fetch("note_counts", workspace, ids)}
        return [found.get(key, 0) for key in ids]

    async def notes_by_id(self, workspace: UUID, refs: Sequence[tuple[UUID, UUID]]) -> Sequence[Note | SourceError | None]:
        """See `contract.NoteSource`."""
        source = self.source
        rows = await self._fetch("notes_by_id", workspace, [profile for profile, _ in refs], [note for _, note in refs])
        found = {(row["profile_id"], row["id"]): note_of(row, source) for row in rows}
        return [found.get(ref) for ref in refs]

    async def activities(
        self, workspace: UUID, ids: Sequence[UUID], window: TimelineWindow
    ) -> Sequence[Sequence[TimelineItem] | SourceError]:
        """See `contract.ActivitySource`."""
        name = "activities_descending" if window.newest_first else "activities_ascending"
        low, high = _bounds(window)
        rows = await self._fetch(
            name,
            workspace,
            ids,
            *(low.occurred_at, low.source, _native_id(low, _LOWEST)),
            *(high.occurred_at, high.source, _native_id(high, _HIGHEST)),
            window.limit,
            *_filter_columns(window.filter),
        )
        found: dict[UUID, list[TimelineItem]] = {}
        for row in rows:
            found.setdefault(row["profile_id"], []).append(activity_of(row, self._describe(row["source"])))
        return [found.get(key, []) for key in ids]

    async def activities_by_id(self, workspace: UUID, refs: Sequence[tuple[UUID, str]]) -> Sequence[TimelineItem | SourceError | None]:
        """See `contract.ActivitySource`."""
        wanted = [(profile, _uuid_or_none(native)) for profile, native in refs]
        known = [(profile, native, *uuid7_span(native)) for profile, native in wanted if native is not None]
        rows = await self._fetch(
            "activities_by_id",
            workspace,
            [item[0] for item in known],
            [item[1] for item in known],
            [item[2] for item in known],
            [item[3] for item in known],
        )
        found = {(row["profile_id"], row["id"]): activity_of(row, self._describe(row["source"])) for row in rows}
        return [None if native is None else found.get((profile, native)) for profile, native in wanted]

    async def companies(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Company | SourceError | None]:
        """See `contract.CompanySource`."""
        found = {row["id"]: company_of(row) for row in await self._fetch("companies_by_id", workspace, ids)}
        return [found.get(key) for key in ids]

    async def memberships(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Sequence[CompanyMembership] | SourceError]:
        """See `contract.CompanySource`."""
        found: dict[UUID, list[CompanyMembership]] = {}
        for row in await self._fetch("memberships_by_profile", workspace, ids):
            member = CompanyMembership(company_of(row), row["role"], row["is_main"], row["since"])
            found.setdefault(row["profile_id"], []).append(member)
        return [found.get(key, []) for key in ids]

    async def _fetch(self, name: str, *args: object) -> list[asyncpg.Record]:
        started = time.perf_counter()
        rows = await self._database.fetch(SQL[name], *args)
        self._latency_ms = (time.perf_counter() - started) * 1000
        self._last_success_at = datetime.now(UTC)
        return rows

    def _contact_point(self, row: asyncpg.Record) -> ContactPoint:
        return ContactPoint(
            row["profile_id"],
            row["id"],
            Channel(row["type"]),
            row["custom_channel"],
            row["raw"],
            row["normalized"],
            row["label"],
            row["is_primary"],
            row["is_verified"],
            self._describe(row["source"]),
        )

    def _identifier(self, row: asyncpg.Record) -> Identifier:
        return Identifier(
            row["profile_id"],
            row["id"],
            row["type"],
            row["raw"],
            row["normalized"],
            row["is_verified"],
            row["at"],
            self._describe(row["source"]),
        )

    def _trait(self, row: asyncpg.Record) -> TraitFact:
        actor = row["actor_id"] and Actor(row["actor_id"], row["actor_name"], ActorKind(row["actor_kind"]))
        provenance = Provenance(
            self._describe(row["source"]), row["observed_at"], row["computed_from"], row["model"], row["expires_at"], actor or None
        )
        return TraitFact(row["key"], row["value"], TraitKind(row["kind"]), row["category"], row["confidence"], provenance)


def profile_of(row: asyncpg.Record) -> Profile:
    """A row of `profiles_by_id` or `lock_profile` as a profile."""
    (key, version, status, lifecycle, first, middle, last, avatar, locale, zone, birth, since, created, updated, epoch, head) = row
    return Profile(
        key,
        version,
        ProfileStatus(status),
        ProfileLifecycle(lifecycle),
        first,
        middle,
        last,
        avatar,
        locale,
        zone,
        birth,
        since,
        created,
        updated,
        Position(epoch, head),
    )


def note_of(row: asyncpg.Record, source: Source) -> Note:
    """A row of `note` as a note."""
    author = Actor(row["author_id"], row["author_name"], ActorKind(row["author_kind"]))
    return Note(
        row["profile_id"],
        row["id"],
        row["version"],
        row["body"],
        row["is_pinned"],
        author,
        row["created_at"],
        row["updated_at"],
        source,
    )


def company_of(row: asyncpg.Record) -> Company:
    """A row with a company's columns as a company."""
    return Company(row["id"], row["version"], row["name"], row["domain"])


def activity_of(row: asyncpg.Record, source: Source) -> TimelineItem:
    """A row of `activity` as a timeline item."""
    profile_id, occurred_at, _, native_id, kind, type_, channel, direction, account, detail = row
    if kind != "INTERACTION":
        return ExternalActivity(profile_id, native_id.hex, occurred_at, source, TimelineKind(kind), type_, account, detail)
    agent = detail.get("agent")
    wrap_up = detail.get("wrapUp")
    sentiment = detail.get("sentiment")
    return Interaction(
        profile_id,
        native_id.hex,
        occurred_at,
        source,
        account,
        Channel(channel),
        Direction(direction),
        _moment(detail.get("endedAt")),
        detail.get("queue"),
        Actor(agent["id"], agent.get("name") or agent["id"], ActorKind.AGENT) if agent else None,
        detail.get("outcome"),
        detail.get("summary"),
        _wrap_up(wrap_up) if wrap_up else None,
        Sentiment(sentiment) if sentiment else None,
        detail.get("attributes"),
        detail.get("measures"),
        detail.get("recordingUrl"),
        type_,
    )


def _wrap_up(value: dict[str, Any]) -> WrapUp:
    return WrapUp(value.get("notes"), value.get("topic"), value.get("dispositionCode"), _moment(value.get("completedAt")))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _uuid_or_none(text: str) -> UUID | None:
    return UUID(hex=text) if _NATIVE_ID.fullmatch(text) else None


def _native_id(place: Place, otherwise: UUID) -> UUID:
    """The id part of a bound. A place of another source may have an id of another make; there the source's name decides."""
    return _uuid_or_none(place.id) or otherwise


def _bounds(window: TimelineWindow) -> tuple[Place, Place]:
    low, high, chosen = window.lower, window.upper, window.filter
    if chosen.since is not None and chosen.since > low.occurred_at:
        low = Place(chosen.since, "", "")
    if chosen.until is not None and chosen.until <= high.occurred_at:
        high = Place(chosen.until, "", "")
    return low, high


def _filter_columns(chosen: TimelineFilter) -> tuple[object, ...]:
    kinds = set(chosen.kinds) if chosen.kinds is not None else None
    if chosen.origins is not None:
        allowed = {kind for origin in chosen.origins for kind in _ORIGIN_KINDS[origin]}
        kinds = allowed if kinds is None else kinds & allowed
    if chosen.preset is TimelinePreset.NONE and chosen.kinds is None:
        kinds = set()
    return (
        chosen.preset is TimelinePreset.DEFAULT and chosen.kinds is None,
        _names(kinds),
        _names(chosen.channels),
        _names(chosen.directions),
        None if chosen.types is None else list(chosen.types),
        None if chosen.accounts is None else list(chosen.accounts),
    )


def _names(values: Any) -> list[str] | None:
    return None if values is None else [value.value for value in values]


def _lower(word: str) -> str:
    """Lower case one character for one, as Postgres does it in `name_key`: İ is i, and a word's last Σ is σ as any other."""
    return "".join([character.lower()[0] for character in word])


def _like(word: str) -> str:
    return word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
