"""Which bell a setting names.

Owns the choice among the backends of `live.bus`. Called by `app`.
"""

from __future__ import annotations

from collections.abc import Callable

from broadcaster import BroadcastBackend

from gateway.live.bell_postgres import PostgresBell
from gateway.storage.database import Database

__all__ = ["bell_for"]


def bell_for(setting: str, database: Database) -> Callable[[], BroadcastBackend] | None:
    """What makes the backend that GATEWAY_BUS names, anew after each failure; None: in this process only."""
    if setting == "memory":
        return None
    return lambda: PostgresBell(database)
