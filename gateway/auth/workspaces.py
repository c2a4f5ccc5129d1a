"""Workspaces: from the key a token names to the id everything is stored under.

Owns the table `workspace`. Must not take a workspace from anywhere but a verified credential or an operator's command.
Called by `gate`, and by the commands that make a workspace (`demo`, `serve --dev`, `seed`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from uuid import UUID

from gateway.auth.expiring import ExpiringMap
from gateway.errors import BadUserInput, Unauthenticated
from gateway.model.ids import uuid7
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["Workspaces"]

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REMEMBERED = 10_000
_KNOWN_SECONDS = 60.0
_UNKNOWN_SECONDS = 5.0


class Workspaces:
    """Looks workspaces up, remembering the known ones for a minute and the unknown ones for five seconds."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._known = ExpiringMap[str, UUID](_REMEMBERED, _KNOWN_SECONDS, clock)
        self._unknown = ExpiringMap[str, bool](_REMEMBERED, _UNKNOWN_SECONDS, clock)

    def remembered(self, key: str) -> UUID | None:
        """The id of a workspace that was looked up in the last minute."""
        return self._known.get(key)

    async def by_key(self, key: str) -> UUID:
        """The id of a workspace.

        Raises:
            Unauthenticated: there is none of this key: a credential for it is worth nothing here.
        """
        remembered = self.remembered(key)
        if remembered is not None:
            return remembered
        if not self._unknown.get(key) and _KEY.fullmatch(key):
            found: UUID | None = await self._database.fetchval(SQL["workspace_by_key"], key)
            if found is not None:
                self._known.put(key, found)
                return found
            self._unknown.put(key, True)
        raise Unauthenticated("The token is not valid: its workspace is unknown here.")

    async def ensure(self, key: str, name: str) -> UUID:
        """The id of a workspace, made under this name if there is none; the name of one that exists is kept.

        Raises:
            BadUserInput: the key cannot be one (up to 64 letters, digits, dots, dashes and underscores).
        """
        if not _KEY.fullmatch(key):
            raise BadUserInput("A workspace's key has up to 64 letters, digits, dots, dashes and underscores.", argument="workspace")
        found: UUID | None = None
        while found is None:  # nothing comes back when another process made it in the very same moment: then the next look finds it
            found = await self._database.fetchval(SQL["ensure_workspace"], uuid7(), key, name)
        self._known.put(key, found)
        return found
