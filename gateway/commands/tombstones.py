"""Tombstones: hashes of what identified somebody who was erased, so that a late event does not bring the person back.

Owns making, finding and lifting them. A tombstone holds no value, cannot be turned back into one, and stays for ever unless an agent makes
a profile with the same value on purpose. Called by `erasure` (lays), `tracking` (asks) and `profiles` (lifts).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from uuid import UUID

from gateway.auth.expiring import ExpiringMap
from gateway.commands.reach import Reach
from gateway.commands.unit import Unit
from gateway.identity import lookup_key
from gateway.sources.contract import LookupKey
from gateway.vault import Vault

__all__ = ["Tombstones", "lift"]

_REMEMBERED = 10_000
_SECONDS = 5.0
"""How long "this workspace has none" is believed; so late, at most, does a process learn of the first one another process laid."""


class Tombstones:
    """The tombstones of every workspace, as this process asks for them: one more statement per batch, and only where there are any."""

    def __init__(self, vault: Vault, clock: Callable[[], float] = time.monotonic) -> None:
        self._vault = vault
        self._present = ExpiringMap[UUID, bool](_REMEMBERED, _SECONDS, clock)

    async def among(self, unit: Unit, keys: Iterable[LookupKey]) -> frozenset[LookupKey]:
        """Which of the (normalized) values belonged to somebody erased. To be asked after the look-up of their owners: what an erasure
        between the two released is then seen here.
        """
        wanted = list(dict.fromkeys(keys))
        if not wanted or not await self._any(unit):
            return frozenset()
        hashes = {digest: key for key in wanted for digest in self._hashes(unit.workspace, key)}
        return frozenset(hashes[row["hash"]] for row in await unit.fetch("tombstones_among", list(hashes)))

    async def lay(self, unit: Unit, keys: Iterable[LookupKey]) -> None:
        """One for each value."""
        hashes = sorted({self._hashes(unit.workspace, key)[0] for key in keys})
        if hashes:
            await unit.fetch("insert_tombstones", hashes)
            self._present.put(unit.workspace, True)

    async def _any(self, unit: Unit) -> bool:
        present = self._present.get(unit.workspace)
        if present is None:
            row = await unit.fetchrow("has_tombstones")
            present = bool(row and row["present"])
            self._present.put(unit.workspace, present)
        return present

    def _hashes(self, workspace: UUID, key: LookupKey) -> list[bytes]:
        return _hashes(self._vault, workspace, key)


async def lift(unit: Unit, vault: Vault, reach: Reach) -> None:
    """Take away the tombstones of what an agent wrote into a profile: the person is back on purpose."""
    keys = [LookupKey(lookup_key(point.channel, point.custom_channel), value) for point, value in reach.points]
    keys += [LookupKey(kind, value) for kind, _, value in reach.identifiers]
    sensitive = unit.configuration.sensitive
    keys += [
        LookupKey(kind, one)
        for kind, _, value in reach.identifiers
        if kind in sensitive
        for one in vault.blinds(unit.workspace, kind, value)
    ]
    if keys:
        await unit.fetch("lift_tombstones", sorted({digest for key in keys for digest in _hashes(vault, unit.workspace, key)}))


def _hashes(vault: Vault, workspace: UUID, key: LookupKey) -> list[bytes]:
    """Under each secret of the server, newest first."""
    return [bytes.fromhex(digest) for digest in vault.blinds(workspace, f"tombstone:{key.key}", key.value)]
