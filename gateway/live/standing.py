"""How the profile behind a stream stands: alive, merged into another, or erased.

Owns that one read, for readers who come when it has happened already. Must not decide what they are shown. Called by resolvers' subscriptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from gateway.model.change import StreamKey
from gateway.model.profile import ProfileStatus
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["Standing", "standing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """`is_told`: the log says so behind the position asked for; `merge_id`: the merge that took the profile away, if it is still known."""

    status: ProfileStatus
    merge_id: UUID | None
    is_told: bool


async def standing(database: Database, stream: StreamKey, seq: int) -> Standing | None:
    """How a profile stands, and whether its stream tells of that behind `seq`; None when there never was such a stream."""
    row = await database.fetchrow(SQL["profile_standing"], stream.workspace_id, stream.stream_id, seq, delivery=True)
    return None if row is None else Standing(ProfileStatus(row["status"]), row["merge_id"], row["is_told"])
