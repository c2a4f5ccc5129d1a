"""The bell of one process, and of tests that put several into one.

Owns nothing but a list of who listens: what is rung is heard at once, by the ringing bell too. Made by `live.bus` and `live.bells`.
"""

from __future__ import annotations

from typing import Any

from gateway.live.bell import Bell

__all__ = ["MemoryBell"]


class MemoryBell(Bell):
    """Rings every connected bell of the same room."""

    def __init__(self, room: set[MemoryBell] | None = None) -> None:
        """`room`: who hears each other; None: nobody else."""
        super().__init__()
        self._room: set[MemoryBell] = set() if room is None else room

    async def publish(self, channel: str, message: Any) -> None:
        """Tell everybody in the room."""
        for bell in self._room:
            bell.heard.put(message)

    async def _open(self) -> None:
        self._room.add(self)

    async def _close(self) -> None:
        self._room.discard(self)
