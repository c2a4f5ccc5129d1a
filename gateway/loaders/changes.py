"""The loaders of the history of changes: pages per profile, and single entries.

Owns which reads of one operation meet in one statement. Must not mask a value. Made by `Loaders.of(ChangeLoaders)` for each operation and each
live event; called by resolvers.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from gateway.loaders.batch import Loader
from gateway.model.audit import ChangeRecord
from gateway.records import changes as records
from gateway.storage.database import Database

__all__ = ["ChangeLoaders"]


class ChangeLoaders:
    """Bound to one workspace; lives for one operation or one live event."""

    def __init__(self, database: Database, workspace: UUID) -> None:
        self._database = database
        self._workspace = workspace
        self._pages: dict[tuple[int, UUID | None], Loader[UUID, Sequence[ChangeRecord]]] = {}
        self.change: Loader[tuple[UUID, UUID], ChangeRecord | None] = Loader(self._load)
        """By (profile id, entry id)."""

    def of_profiles(self, limit: int, before: UUID | None = None) -> Loader[UUID, Sequence[ChangeRecord]]:
        """The loader of up to `limit` entries per profile, newest first, below the entry `before`."""
        loader = self._pages.get((limit, before))
        if loader is None:

            async def load(ids: Sequence[UUID]) -> Sequence[Sequence[ChangeRecord]]:
                found = await records.changes_by_profile(self._database, self._workspace, ids, before, limit)
                return [found.get(key, ()) for key in ids]

            loader = self._pages[limit, before] = Loader(load)
        return loader

    async def _load(self, refs: Sequence[tuple[UUID, UUID]]) -> Sequence[ChangeRecord | None]:
        found = await records.changes_by_id(self._database, self._workspace, refs)
        return [found.get(ref) for ref in refs]
