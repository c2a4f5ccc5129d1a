"""Attributes that are search keys: what profiles say under them is found by its value.

Owns keeping those look-ups equal to what is written, whichever way it came: by an agent, a source, a merge. Wrap the writing in `reindexed`; where
the registry has no such attribute it costs nothing. Called by `profiles`, `tracking` and `merging`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from uuid import UUID

import orjson

from gateway.commands.attributes import sealed_place
from gateway.commands.unit import Unit
from gateway.records.keys import SearchedKeys, attribute_keys
from gateway.storage.database import columns
from gateway.storage.queries import SQL
from gateway.vault import Vault, VaultError

__all__ = ["reindexed"]


@asynccontextmanager
async def reindexed(unit: Unit, vault: Vault | None, profiles: Iterable[UUID], keys: Iterable[str] | None = None) -> AsyncIterator[None]:
    """What is written inside about these profiles' attributes (of `keys`; None: all) is found from then on, what is taken away no more.

    The profiles are locked by the caller, or new.
    """
    known = attribute_keys(unit.configuration)
    wanted = sorted(known if keys is None else known.keys() & {*keys})
    owners = sorted({*profiles})
    if not wanted or not owners:
        yield
        return
    was = await _found_by(unit, vault, owners, wanted)
    yield
    now = await _found_by(unit, vault, owners, wanted)
    gone, new = sorted(was - now), sorted(now - was)
    if gone:
        await unit.connection.execute(SQL["release_owned_lookups"], unit.workspace, *columns(gone))
    if new:
        await unit.fetch("claim_lookups", *columns([(*one, False) for one in new]))


async def _found_by(unit: Unit, vault: Vault | None, profiles: list[UUID], keys: list[str]) -> set[tuple[str, str, UUID]]:
    searched = SearchedKeys(unit.configuration, unit.workspace, None, vault)
    known = attribute_keys(unit.configuration)
    found: set[tuple[str, str, UUID]] = set()
    for row in await unit.fetch("searchable_values", profiles, keys):
        value = row["value"]
        if row["sealed"] is not None:
            if vault is None:
                continue
            try:
                value = orjson.loads(vault.open(unit.workspace, sealed_place(row["key"]), row["sealed"]))
            except VaultError:
                continue  # its secret is gone, and with it the value
        found.update((*way, row["profile_id"]) for way in searched.of_attribute(known[row["key"]], value, newest=True))
    return found
