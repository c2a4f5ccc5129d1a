"""The native source: the gateway's own Postgres tables, every kind of data.

Owns which statement answers what. Must not change a row (commands do). How rows become values is `native_rows`'; timelines are
`native_timeline`'s. Called by loaders through the registry, and by commands to read what they wrote.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from gateway.errors import SourceError
from gateway.model.activity import Interaction, Message, TimelineItem
from gateway.model.company import Company, CompanyMembership
from gateway.model.ids import make_id
from gateway.model.naming import NameHit
from gateway.model.note import Note
from gateway.model.profile import ContactPoint, Identifier, Profile, ProfileStatus
from gateway.model.source import Source, SourceState
from gateway.model.trait import TraitFact
from gateway.sources.contract import (
    Contacts,
    ConversationKey,
    LookupKey,
    NoteWindow,
    TimelineWindow,
    TranscriptKey,
    TranscriptWindow,
)
from gateway.sources.native_names import NativeNames
from gateway.sources.native_rows import activity_of, company_of, identifier_of, note_of, point_of, profile_of, trait_of
from gateway.sources.native_timeline import Describe, NativeTimeline
from gateway.storage.database import Database
from gateway.storage.queries import ALONE, SQL

__all__ = ["NativeSource", "activity_of", "company_of", "note_of", "profile_of"]

_FIRST_NOTE = (True, UUID(int=2**128 - 1))


class NativeSource:
    """Reads the gateway's own tables, one statement per call however many keys."""

    def __init__(self, database: Database, key: str, describe: Describe) -> None:
        self._database = database
        self._key = key
        self._describe = describe
        self._timeline = NativeTimeline(self._fetch, key, describe)
        self._names = NativeNames(self._fetch)
        self._standing: Source | None = None
        self._latency_ms: float | None = None
        self._last_success_at: datetime | None = None

    @property
    def source(self) -> Source:
        """The native source, with the latency of its last answer."""
        if self._standing is None:
            self._standing = self._describe(self._key).standing(SourceState.OK, self._last_success_at, self._latency_ms)
        return self._standing

    async def profiles(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Profile | SourceError | None]:
        """See `contract.ProfileSource`."""
        rows = await self._fetch("profiles_by_id", workspace, ids)
        found: dict[UUID, Profile] = {row["id"]: profile_of(row) for row in rows}
        merged = [key for key, profile in found.items() if profile.status is ProfileStatus.MERGED]
        if merged:  # ids from before a merge go on working
            for row in await self._fetch("surviving_profiles", workspace, merged):
                found[row["asked"]] = replace(profile_of(row[1:]), redirected_from=make_id("prf", row["asked"]))
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

    async def resolve_among(
        self, workspace: UUID, keys: Sequence[LookupKey], ids: Sequence[UUID]
    ) -> Sequence[Sequence[UUID] | SourceError]:
        """See `contract.IdentitySource`."""
        asked = [key.key for key in keys], [key.value for key in keys]
        found: list[list[UUID]] = [[] for _ in keys]
        for row in await self._fetch("profile_ids_by_lookup_among", workspace, *asked, list(ids)):
            found[row["n"] - 1].append(row["profile_id"])
        return found

    async def search_names(self, workspace: UUID, words: Sequence[str], after: str | None, limit: int) -> Sequence[NameHit]:
        """See `contract.IdentitySource`."""
        return await self._names.beginning(workspace, words, after, limit)

    async def similar_names(self, workspace: UUID, words: Sequence[str], limit: int) -> Sequence[NameHit]:
        """See `contract.IdentitySource`."""
        return await self._names.similar(workspace, words, limit)

    async def contacts(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Contacts | SourceError]:
        """See `contract.IdentitySource`."""
        points: dict[UUID, list[ContactPoint]] = {}
        identifiers: dict[UUID, list[Identifier]] = {}
        for row in await self._fetch("contacts_by_profile", workspace, ids):
            if row["kind"] == "C":
                points.setdefault(row["profile_id"], []).append(point_of(row, self._describe(row["source"])))
            else:
                identifiers.setdefault(row["profile_id"], []).append(identifier_of(row, self._describe(row["source"])))
        return [Contacts(tuple(points.get(key, ())), tuple(identifiers.get(key, ()))) for key in ids]

    async def traits(self, workspace: UUID, ids: Sequence[UUID], keys: Sequence[str] | None) -> Sequence[Sequence[TraitFact] | SourceError]:
        """See `contract.TraitSource`."""
        describe = self._describe
        found: dict[UUID, list[TraitFact]] = {key: [] for key in ids}
        for row in await self._fetch("traits_by_profile", workspace, ids, keys):
            found[row[0]].append(trait_of(row, describe(row[2])))
        return [found[key] for key in ids]

    async def notes(self, workspace: UUID, ids: Sequence[UUID], window: NoteWindow) -> Sequence[Sequence[Note] | SourceError]:
        """See `contract.NoteSource`."""
        source = self.source
        found: dict[UUID, list[Note]] = {}
        for row in await self._fetch("notes_by_profile", workspace, ids, *(window.before or _FIRST_NOTE), window.limit):
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
        return await self._timeline.activities(workspace, ids, window)

    async def activities_by_id(self, workspace: UUID, refs: Sequence[tuple[UUID, str]]) -> Sequence[TimelineItem | SourceError | None]:
        """See `contract.ActivitySource`."""
        return await self._timeline.activities_by_id(workspace, refs)

    async def transcripts(
        self, workspace: UUID, keys: Sequence[TranscriptKey], window: TranscriptWindow
    ) -> Sequence[Sequence[Message] | SourceError]:
        """See `contract.ActivitySource`."""
        return await self._timeline.transcripts(workspace, keys, window)

    async def conversations(self, workspace: UUID, keys: Sequence[ConversationKey]) -> Sequence[Interaction | SourceError | None]:
        """See `contract.ActivitySource`."""
        return await self._timeline.conversations(workspace, keys)

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

    async def _fetch(self, name: str, workspace: UUID, asked: Any, *args: object) -> list[asyncpg.Record]:
        """The rows of a statement; `asked`: its batch, in most of them."""
        started = time.perf_counter()
        alone = ALONE.get(name)
        rows = await self._database.fetch(alone if alone is not None and len(asked) == 1 else SQL[name], workspace, asked, *args)
        self._latency_ms = (time.perf_counter() - started) * 1000
        self._last_success_at = datetime.now(UTC)
        self._standing = None
        return rows
