"""Between the gateway's ids and the keys by which systems elsewhere know people.

Owns which keys a profile has and whose a key is, gathered so that everybody who asks in one turn of the loop is answered by one statement. Must not
call a source. Called by `federated`, and by `live` for what a webhook names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from gateway.errors import BadUserInput, ConfigurationError
from gateway.identity import EMAIL, PHONE, normalize, normalize_type
from gateway.model.attribute import AttributeDefinition, Sensitivity
from gateway.model.ids import parse_id
from gateway.storage.database import Database, columns
from gateway.storage.queries import SQL

__all__ = ["PROFILE_ID", "KeyMap", "check_key"]

PROFILE_ID = "profile_id"
"""Of a system that knows people by the gateway's own ids; a key is then the client's id, `prf_…`."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def check_key(keyed_by: str, attributes: Mapping[str, AttributeDefinition] | None = None) -> None:
    """Refuse what people cannot be known by elsewhere; `attributes`: a workspace's, by key.

    Raises:
        ConfigurationError: it is no identifier type, or a SENSITIVE one, whose values leave the gateway for nobody.
    """
    if keyed_by in {EMAIL, PHONE, PROFILE_ID}:
        return
    try:
        written = normalize_type(keyed_by)
    except BadUserInput as error:
        raise ConfigurationError(f"keyed_by = {keyed_by!r}: {error.message}") from None
    if written != keyed_by:
        raise ConfigurationError(f"keyed_by = {keyed_by!r} is written {written!r}.")
    definition = (attributes or {}).get(keyed_by)
    if definition is not None and definition.sensitivity is Sensitivity.SENSITIVE:
        raise ConfigurationError(
            f"keyed_by = {keyed_by!r}: the attribute is SENSITIVE, its values are kept sealed and are not sent to a source."
        )


class KeyMap:
    """`keyed_by`: an identifier type, `email`, `phone` or `profile_id`. What is sealed is no key: nobody is found by it, and it is told to nobody."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys = _Turns(self._read_keys)
        self._owners = _Turns(self._read_owners)

    async def keys_of(self, workspace: UUID, keyed_by: str, ids: Sequence[UUID]) -> list[tuple[str, ...]]:
        """The keys of each profile, 20 at most, the primary one or the oldest first; none of one that is not a living profile of the workspace."""
        return await self._keys.ask(workspace, [(keyed_by, one) for one in ids])

    async def owners_of(self, workspace: UUID, keyed_by: str, keys: Sequence[str]) -> list[UUID | None]:
        """The living profile that each key belongs to, after merges the survivor; of several that share it, the oldest. None: nobody's."""
        return [owners[0] if owners else None for owners in await self.all_owners_of(workspace, keyed_by, keys)]

    async def all_owners_of(self, workspace: UUID, keyed_by: str, keys: Sequence[str]) -> list[tuple[UUID, ...]]:
        """Every living profile that each key belongs to, ascending, 100 at most: families share a phone."""
        return await self._owners.ask(workspace, [(keyed_by, one) for one in keys])

    async def _read_keys(self, workspace: UUID, asked: Sequence[tuple[str, UUID]]) -> list[tuple[str, ...]]:
        found: list[dict[str, None]] = [{} for _ in asked]
        for row in await self._database.fetch(SQL["keys_by_profile"], workspace, *columns(asked)):
            found[row["n"] - 1][row["value"]] = None
        return [tuple(keys) for keys in found]

    async def _read_owners(self, workspace: UUID, asked: Sequence[tuple[str, str]]) -> list[tuple[UUID, ...]]:
        found: list[list[UUID]] = [[] for _ in asked]
        for row in await self._database.fetch(SQL["owners_by_key"], workspace, *columns([_sought(*one) for one in asked])):
            found[row["n"] - 1].append(row["id"])
        return [tuple(owners) for owners in found]


def _sought(keyed_by: str, key: str) -> tuple[str, str | None, UUID | None]:
    """A key as it is looked up: its kind, and its value or the profile itself; neither when nobody can have it."""
    try:
        if keyed_by == PROFILE_ID:
            return keyed_by, None, parse_id(key, "prf")[0]
        return keyed_by, normalize(keyed_by, key), None
    except BadUserInput:
        return keyed_by, None, None


class _Turn(Generic[K, V]):
    """What is asked in one turn of the loop."""

    __slots__ = ("answer", "keys", "task", "waiting")

    def __init__(self, answer: asyncio.Future[dict[K, V]]) -> None:
        self.answer = answer
        self.keys: dict[K, None] = {}
        self.task: asyncio.Task[None] | None = None
        self.waiting = 0


class _Turns(Generic[K, V]):
    """Asks once for everything that is wanted in one turn of the loop in one workspace."""

    def __init__(self, read: Callable[[UUID, Sequence[K]], Awaitable[Sequence[V]]]) -> None:
        self._read = read
        self._open: dict[UUID, _Turn[K, V]] = {}

    async def ask(self, workspace: UUID, keys: Sequence[K]) -> list[V]:
        """The answer for each key; whoever is the last to wait and goes away ends the statement."""
        if not keys:
            return []
        turn = self._open.get(workspace)
        if turn is None:
            loop = asyncio.get_running_loop()
            turn = self._open[workspace] = _Turn(loop.create_future())
            loop.call_soon(self._begin, workspace)
        turn.keys.update(dict.fromkeys(keys))
        turn.waiting += 1
        try:
            found = await asyncio.shield(turn.answer)
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                if self._open.get(workspace) is turn:  # nobody can join it any more
                    del self._open[workspace]
                turn.answer.cancel()
                if turn.task is not None:
                    turn.task.cancel()
        return [found[key] for key in keys]

    def _begin(self, workspace: UUID) -> None:
        turn = self._open.pop(workspace, None)
        if turn is not None:
            turn.task = asyncio.create_task(self._answer(workspace, turn))

    async def _answer(self, workspace: UUID, turn: _Turn[K, V]) -> None:
        keys = tuple(turn.keys)
        try:
            found = dict(zip(keys, await self._read(workspace, keys), strict=True))
        except Exception as error:  # noqa: BLE001  # it is raised where it was asked for
            if not turn.answer.done():
                turn.answer.set_exception(error)
        else:
            if not turn.answer.done():
                turn.answer.set_result(found)
