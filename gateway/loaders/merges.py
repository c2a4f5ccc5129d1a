"""The loaders of merges and merge proposals.

Owns which reads of one operation meet in one statement. Must not decide who may see them (`auth.policy` does). Made by
`Loaders.of(MergeLoaders)` for each operation and each live event; called by resolvers.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from gateway.loaders.batch import Loader
from gateway.model.merge import MergeProposal, MergeRecord
from gateway.records import merges as records
from gateway.storage.database import Database

__all__ = ["MergeLoaders"]


class MergeLoaders:
    """Bound to one workspace; lives for one operation or one live event."""

    def __init__(self, database: Database, workspace: UUID) -> None:
        self._database = database
        self._workspace = workspace
        self.record: Loader[UUID, MergeRecord | None] = Loader(self._load_records)
        self.proposal: Loader[UUID, MergeProposal | None] = Loader(self._load_proposals)
        """An open proposal between two living profiles."""
        self.proposals: Loader[UUID, Sequence[MergeProposal]] = Loader(self._load_proposals_of)
        """Of a profile, the likeliest first."""

    async def _load_records(self, ids: Sequence[UUID]) -> Sequence[MergeRecord | None]:
        found = await records.merges_by_id(self._database, self._workspace, ids)
        return [found.get(key) for key in ids]

    async def _load_proposals(self, ids: Sequence[UUID]) -> Sequence[MergeProposal | None]:
        found = await records.proposals_by_id(self._database, self._workspace, ids)
        return [found.get(key) for key in ids]

    async def _load_proposals_of(self, ids: Sequence[UUID]) -> Sequence[Sequence[MergeProposal]]:
        found = await records.proposals_by_profile(self._database, self._workspace, ids)
        return [found.get(key, ()) for key in ids]
