"""What of an event may be kept: nothing that must not be stored, nothing another source alone writes, SENSITIVE values only sealed.

Owns the order of those rules for the tracking API; the rules themselves are `commands.denied`'s and the registry's. Called by `transport.tracking`,
once per event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from gateway.commands.attributes import canonical, sealed_place
from gateway.commands.denied import DENIED, denied
from gateway.commands.identifiers import sealed_identifier
from gateway.commands.tracking import Event, Person
from gateway.errors import Problem
from gateway.model.configuration import Configuration
from gateway.sources.contract import LookupKey
from gateway.vault import Vault

__all__ = ["Screen"]


class Screen:
    """The rules of one workspace for one source. Without a vault SENSITIVE values are left out."""

    def __init__(self, configuration: Configuration, vault: Vault | None, workspace: UUID, source: str) -> None:
        self._configuration = configuration
        self._vault = vault
        self._workspace = workspace
        self._source = source

    def check(self, event: Event, warn: Callable[[str], None]) -> Event | Problem:
        """The event as it may be kept, or why it is refused whole; `warn` is told what was left out."""
        for name, value in _parts(event):
            message = denied(self._configuration, value)
            if message is not None:
                return Problem(DENIED, f"{name}: {message}", (name,))
        identified = self._identified(event, warn)
        if isinstance(identified, Problem):
            return identified
        event = identified
        if event.person is not None:
            event = replace(event, person=self._person(event.person, warn))
        group = event.group
        if group is not None and self._configuration.sensitive.intersection(group.traits):
            event = replace(event, group=replace(group, traits=self._open(group.traits, warn)))
        return event

    def _identified(self, event: Event, warn: Callable[[str], None]) -> Event | Problem:
        """The event with hashes in place of SENSITIVE identifiers."""
        sensitive = self._configuration.sensitive
        if not any(key.key in sensitive for key in (*event.keys, *event.linked)):
            return event
        hashed: dict[LookupKey, list[LookupKey]] = {}
        for key in (*event.keys, *event.linked):
            if key.key in sensitive:
                blinds = [] if self._vault is None else self._vault.blinds(self._workspace, key.key, key.value)
                hashed[key] = [LookupKey(key.key, blind) for blind in blinds]
        if not all(hashed.values()):
            warn(f"{', '.join(sorted({key.key for key in hashed}))}: sensitive identifiers are not taken here. They are left out.")
        keys = tuple(hashed.get(key, [key])[0] for key in event.keys if hashed.get(key, [key]))
        if not keys:
            return Problem("REQUIRED", "An event needs a userId or an anonymousId.")
        secrets = {
            hashed[key][0]: sealed_identifier(self._vault, self._workspace, event.raw_keys.get(key, key.value))
            for key in event.keys
            if self._vault is not None and key in hashed
        }
        return replace(
            event,
            keys=keys,
            raw_keys={key: raw for key, raw in event.raw_keys.items() if key not in hashed},
            secrets=secrets,
            older={ways[0]: tuple(ways[1:]) for key, ways in hashed.items() if key in event.keys and ways[1:]},
            linked=tuple(one for key in event.linked for one in hashed.get(key, [key])),
        )

    def _person(self, person: Person, warn: Callable[[str], None]) -> Person:
        traits, sealed = {}, {}
        for key, value in person.traits.items():
            definition = self._configuration.by_key.get(key)
            if definition is not None and definition.managed_by not in {None, self._source}:
                warn(f"traits.{key}: only {definition.managed_by} writes it. It is left out.")
            elif key not in self._configuration.sensitive:
                traits[key] = value
            elif self._vault is not None:
                sealed[key] = self._vault.seal(self._workspace, sealed_place(key), canonical(value).decode())
            else:
                warn(f"traits.{key}: sensitive values are not taken here. It is left out.")
        return person if len(traits) == len(person.traits) else replace(person, traits=traits, sealed=sealed)

    def _open(self, traits: Mapping[str, Any], warn: Callable[[str], None]) -> dict[str, Any]:
        for key in sorted(self._configuration.sensitive.intersection(traits)):
            warn(f"traits.{key}: sensitive values are not kept of a company. It is left out.")
        return {key: value for key, value in traits.items() if key not in self._configuration.sensitive}


def _parts(event: Event) -> Iterator[tuple[str, Any]]:
    """What a sender wrote, under the names senders know. Phones and e-mails were read as such already."""
    yield "userId", [key.value for key in event.keys]
    if event.person is not None:
        columns = event.person.columns
        yield "traits", [columns.get("first_name"), columns.get("last_name"), columns.get("avatar_url"), dict(event.person.traits)]
    if event.group is not None:
        yield "traits", [event.group.name, event.group.natural_key, dict(event.group.traits)]
    if event.activity is not None:
        yield "event", [event.activity.type, event.activity.account]
        yield "properties", dict(event.activity.detail)
