"""What agents chose for themselves: which attributes they keep in sight, and in which order.

Owns the way from rows to values. Called by loaders and commands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from gateway.model.layout import Preference
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["preference_of", "preferences_by_subject"]


async def preferences_by_subject(database: Database, workspace: UUID, subjects: Sequence[str]) -> Mapping[str, Preference]:
    """The saved preferences among these subjects' ones, by subject."""
    rows = await database.fetch(SQL["preferences_by_subject"], workspace, list(subjects))
    return {row["subject"]: preference_of(row) for row in rows}


def preference_of(row: asyncpg.Record) -> Preference:
    """A row of `preference` as a preference."""
    return Preference(row["version"], tuple(row["visible"]))
