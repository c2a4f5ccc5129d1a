"""Interests, consents and segments of many profiles in one statement each.

Made per operation by `Loaders.of`; called by resolvers' batch functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from gateway.loaders.batch import Loader
from gateway.model.insight import Consent, Interest, Segment
from gateway.records.insights import (
    InterestKey,
    InterestWindow,
    consents_by_profile,
    interests_by_key,
    interests_by_profile,
    segments_by_profile,
)
from gateway.storage.database import Database

__all__ = ["InsightLoaders"]


class InsightLoaders:
    """`consents` and `segments` by profile; `interest` by (profile, topic, source key), None where it is not known (any more)."""

    def __init__(self, database: Database, workspace: UUID) -> None:
        self._database = database
        self._workspace = workspace
        self._pages: dict[InterestWindow, Loader[UUID, Sequence[Interest]]] = {}
        self.consents: Loader[UUID, Sequence[Consent]] = Loader(partial(consents_by_profile, database, workspace))
        self.segments: Loader[UUID, Sequence[Segment]] = Loader(partial(segments_by_profile, database, workspace))
        self.interest: Loader[InterestKey, Interest | None] = Loader(partial(interests_by_key, database, workspace))

    def interests(self, window: InterestWindow) -> Loader[UUID, Sequence[Interest]]:
        """The loader of one page of interests per profile."""
        loader = self._pages.get(window)
        if loader is None:

            async def load(ids: Sequence[UUID]) -> Sequence[Sequence[Interest] | BaseException]:
                return await interests_by_profile(self._database, self._workspace, ids, window)

            loader = self._pages[window] = Loader(load)
        return loader
