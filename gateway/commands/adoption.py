"""People whom only a source knows: found by a value that nobody here has, and, if the operator says so (`unknown = "create"`), given a profile.

Owns when that happens and how: once, however many ask at a time, in the source's name, and never for somebody who was erased. The profile holds the
key by which the source knows the person and nothing else: what there is to see, the source says when it is asked. Called by resolvers' look-ups and
by the matching of contacts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

import structlog

from gateway.auth.principal import Principal, Role
from gateway.commands.dependencies import Dependencies
from gateway.commands.differences import reach_differences
from gateway.commands.identifiers import write_identifiers
from gateway.commands.tombstones import Tombstones
from gateway.commands.unit import Receipt, Retry, Unit
from gateway.errors import BadUserInput, GatewayError, Rejected, SourceError
from gateway.identity import ATTRIBUTE, EMAIL, PHONE, normalize
from gateway.model.audit import ChangeAction, FieldChange
from gateway.model.ids import uuid7
from gateway.model.profile import Channel
from gateway.model.source import SourceKind
from gateway.records.keys import SearchedKeys
from gateway.sources.contract import LookupKey, Stale
from gateway.sources.definition import Definition
from gateway.sources.federated import FederatedSource
from gateway.storage.database import columns

__all__ = ["Adoption"]

_MOST: Final = 10
"""People whom one value may bring in; a value that more have says nothing of anybody."""
_PROFILE_ID: Final = "profile_id"
_CHANNELS: Final = {EMAIL: Channel.EMAIL, PHONE: Channel.VOICE}

log = structlog.get_logger()


class Adoption:
    """The people of the sources, as commands and look-ups of this process find them."""

    def __init__(self, bound: Dependencies, tombstones: Tombstones) -> None:
        self._bound = bound
        self._tombstones = tombstones
        self._flights: dict[tuple[UUID, str, LookupKey, str], asyncio.Task[UUID | None]] = {}

    def is_asked(self, workspace_key: str) -> bool:
        """Whether any source in this workspace may know whom a value belongs to."""
        return self.is_on(workspace_key) or any(_finds(one, workspace_key) for one in self._bound.systems)

    def is_on(self, workspace_key: str) -> bool:
        """Whether any source's people are adopted in this workspace."""
        return any(_adopts(one, workspace_key) for one in self._bound.systems)

    async def adopt(self, principal: Principal, keys: Iterable[LookupKey]) -> dict[LookupKey, list[UUID]]:
        """Look in the sources for people who have these values, which nobody here has; the profiles they have from now on, by value.

        A source that does not answer adds nobody, and a database that takes no changes now neither: whoever looks finds nobody, as without it.
        `principal`: who looks, which gives the workspace; the profiles are made in the sources' names.
        """
        wanted = self._told(principal, keys)
        systems = [one for one in self._bound.systems if _adopts(one, principal.workspace_key)] if wanted else []
        told = await asyncio.gather(*(_people(one, principal.workspace_id, wanted) for one in systems))
        found: dict[LookupKey, dict[UUID, None]] = {}
        for system, answers in zip(systems, told, strict=True):
            for key, people in answers.items():
                for name, owners in list(people.items())[:_MOST]:
                    # somebody else may have brought them in since this value was looked up
                    ids: Sequence[UUID | None] = owners or [await self._in_one_flight(system.definition, principal, key, name)]
                    found.setdefault(key, {}).update((one, None) for one in ids if one is not None)
        return {key: list(ids) for key, ids in found.items() if ids}

    async def owners(self, principal: Principal, keys: Iterable[LookupKey]) -> dict[LookupKey, list[UUID]]:
        """Whose these values, which nobody here has, are by what the sources say; people who are adopted for it included."""
        wanted = self._told(principal, keys)
        systems = [one for one in self._bound.systems if _finds(one, principal.workspace_key)] if wanted else []
        told = await asyncio.gather(*(_known(one, principal.workspace_id, wanted) for one in systems))
        found: dict[LookupKey, list[UUID]] = {}
        for answers in told:
            for key, ids in answers.items():
                found[key] = sorted({*found.get(key, ()), *ids})
        adopted = await self.adopt(principal, [key for key in wanted if key not in found])
        return {**found, **adopted}

    def _told(self, principal: Principal, keys: Iterable[LookupKey]) -> list[LookupKey]:
        """The values that a source can be told: of a SENSITIVE one only a hash is here, and attributes are found here alone."""
        sensitive = self._bound.configurations.of(principal.workspace_key).sensitive
        return [key for key in dict.fromkeys(keys) if key.key not in sensitive and not key.key.startswith(ATTRIBUTE)]

    async def _in_one_flight(self, definition: Definition, principal: Principal, key: LookupKey, name: str) -> UUID | None:
        """The same person asked for by the same value is brought in once in this process; other processes wait in the database."""
        about = principal.workspace_id, definition.key, key, name
        task = self._flights.get(about)
        if task is None:
            task = self._flights[about] = asyncio.create_task(self._adopted(definition, principal, key, name), name="adoption")
            task.add_done_callback(lambda _: self._flights.pop(about, None))
        return await asyncio.shield(task)

    async def _adopted(self, definition: Definition, principal: Principal, key: LookupKey, name: str) -> UUID | None:
        """The profile of a person of the source: made now, or a moment ago by somebody else. None: there must be none."""
        bound, source = self._bound, definition.source
        keys = SearchedKeys(bound.configurations.of(principal.workspace_key), principal.workspace_id, bound.region, bound.vault)
        try:
            ways = keys.of_text(definition.keyed_by, name)
        except BadUserInput:
            return None  # a key that is none: 0, null, a phone without a country
        if not ways:
            return None
        as_source = Principal(
            principal.workspace_id, principal.workspace_key, source.key, source.display_name, Role.SERVICE, frozenset(), None, source.key
        )
        found: UUID | None = None

        async def work(unit: Unit) -> Receipt:
            nonlocal found
            found = None
            await unit.fetch("lock_values", [f"{kind} {value}" for kind, value in ways])
            rows = await unit.fetch("active_profiles_by_lookup", *columns(ways), 1)
            if rows:
                found = rows[0]["profile_id"]
            elif not await self._tombstones.among(unit, [key, *(LookupKey(*way) for way in ways)]):
                found = await self.create(unit, definition, ways[0], name)
            return Receipt(found)

        try:
            await bound.writer.run(as_source, work)
        except GatewayError as error:
            log.warning("adoption.failed", source=source.key, error=type(error).__name__)
            return None
        return found

    async def create(self, unit: Unit, definition: Definition, way: tuple[str, str], raw: str) -> UUID:
        """Make the profile of a person whom the source knows by `raw`, found under `way`; to be called behind `lock_values`, if that is nobody's."""
        (kind, value), source = way, definition.key
        profile_id = uuid7()
        await unit.fetch("insert_profiles", [profile_id], ["PROSPECT"], [None], [None], [""])
        if kind in _CHANNELS:
            point = profile_id, uuid7(), _CHANNELS[kind].value, None, raw.strip(), value, None, source
            await unit.fetch("upsert_contact_points", *columns([point]))
            await unit.fetch("claim_lookups", *columns([(kind, value, profile_id, False)]))
            field = "contactPoints"
        else:
            try:
                await write_identifiers(unit, self._bound.vault, profile_id, [(kind, raw, normalize(kind, raw))], "identifiers", source)
            except Rejected:
                raise Retry from None  # somebody else has just got that key: they are found now
            field = "identifiers"
        shown = reach_differences(unit.configuration, (), await unit.fetch("contacts_by_profile", [profile_id]))
        change_id = unit.record(profile_id, ChangeAction.CREATED, FieldChange("lifecycle", None, "PROSPECT"), *shown)
        unit.profile_changed(profile_id, "lifecycle", field, item_id=change_id)
        return profile_id


def _is_there(definition: Definition, workspace_key: str) -> bool:
    return definition.workspaces is None or workspace_key in definition.workspaces


def _finds(system: FederatedSource, workspace_key: str) -> bool:
    return SourceKind.IDENTITY in system.definition.source.kinds and _is_there(system.definition, workspace_key)


def _adopts(system: FederatedSource, workspace_key: str) -> bool:
    definition = system.definition
    known = {SourceKind.IDENTITY, SourceKind.PROFILE} & set(definition.source.kinds)
    return definition.unknown == "create" and definition.keyed_by != _PROFILE_ID and bool(known) and _is_there(definition, workspace_key)


async def _people(system: FederatedSource, workspace: UUID, keys: Sequence[LookupKey]) -> Mapping[LookupKey, Mapping[str, Sequence[UUID]]]:
    """The source's keys of the people who have each value, with the profiles that have those; its own key is a value too."""
    found: dict[LookupKey, Mapping[str, Sequence[UUID]]] = {}
    kinds = system.definition.source.kinds
    try:
        if SourceKind.IDENTITY in kinds:
            answers = await system.people(workspace, keys)
            found = {key: answer for key, answer in zip(keys, answers, strict=True) if not isinstance(answer, SourceError)}
        own = [key.value for key in keys if key.key == system.definition.keyed_by and not found.get(key)]
        if own and SourceKind.PROFILE in kinds:
            known = await system.guard.call(SourceKind.PROFILE, lambda: system.remote.profiles(own, None))
            for value in own:
                if value in known and not isinstance(known[value], SourceError):
                    found[LookupKey(system.definition.keyed_by, value)] = {value: ()}
    except SourceError as error:
        log.info("adoption.source_away", source=system.definition.key, code=error.code)
    return found


async def _known(system: FederatedSource, workspace: UUID, keys: Sequence[LookupKey]) -> Mapping[LookupKey, Sequence[UUID]]:
    try:
        answers = await system.find(workspace, keys)
    except SourceError as error:
        log.info("adoption.source_away", source=system.definition.key, code=error.code)
        return {}
    # what is old is not good enough to say from whom a call is: numbers change hands
    return {key: answer for key, answer in zip(keys, answers, strict=True) if not isinstance(answer, SourceError | Stale) and answer}
