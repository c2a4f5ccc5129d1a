"""Traits and members of many companies in one statement each.

Made per operation by `Loaders.of`; called by resolvers' batch functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from gateway.loaders.batch import Loader
from gateway.records.companies import CompanyFacts, MemberWindow, members_by_company, traits_by_company
from gateway.storage.database import Database

__all__ = ["CompanyLoaders"]


class CompanyLoaders:
    """`facts` by company; `members(window)` the loader of one page of member ids per company."""

    def __init__(self, database: Database, workspace: UUID) -> None:
        self._database = database
        self._workspace = workspace
        self._pages: dict[MemberWindow, Loader[UUID, Sequence[UUID]]] = {}
        self.facts: Loader[UUID, CompanyFacts | None] = Loader(partial(traits_by_company, database, workspace))

    def members(self, window: MemberWindow) -> Loader[UUID, Sequence[UUID]]:
        """The loader of one page of members."""
        loader = self._pages.get(window)
        if loader is None:

            async def load(ids: Sequence[UUID]) -> Sequence[Sequence[UUID] | BaseException]:
                return await members_by_company(self._database, self._workspace, ids, window)

            loader = self._pages[window] = Loader(load)
        return loader
