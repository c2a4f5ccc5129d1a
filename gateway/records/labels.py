"""The labels of write keys: names of sources that only one workspace has.

Owns that one read. Called by `resolvers.feed`.
"""

from __future__ import annotations

from uuid import UUID

from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["write_key_labels"]


async def write_key_labels(database: Database, workspace: UUID) -> list[str]:
    """The source keys that the workspace's write keys name, revoked ones too: what they sent is still theirs."""
    return [row["source"] for row in await database.fetch(SQL["labels_of_write_keys"], workspace)]
