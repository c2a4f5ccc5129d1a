"""What is on file of a person under one key, in clear: to compare it with an answer, or to reveal it.

Owns the way from a key to the values that are kept under it, sealed ones opened. Must not decide who may know them, and nothing here may be
logged: callers compare, or record who was shown what, before a value leaves them. Called by `commands.verification`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

import asyncpg
import orjson

from gateway.errors import BadUserInput
from gateway.identity import EMAIL, PHONE, RESERVED_TYPES, lookup_key, normalize, normalize_identifier, normalize_type, searchable
from gateway.model.attribute import AttributeDefinition
from gateway.model.configuration import Configuration
from gateway.model.profile import Channel
from gateway.vault import Vault, VaultError

__all__ = ["Filed", "Files", "Kept"]

Fetch = Callable[..., Awaitable[Sequence[asyncpg.Record]]]
"""Rows of a named statement; its first parameter, the workspace, is given already."""

_NAMES: Final = {"firstName": "first_name", "middleName": "middle_name", "lastName": "last_name"}
_BIRTH: Final = "birthDate"
_SPELLINGS: Final = {"birth_date": _BIRTH, **{column: name for name, column in _NAMES.items()}}
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CHANNELS: Final = {channel.value.lower(): channel for channel in Channel if channel is not Channel.CUSTOM}
_CUSTOM: Final = "custom:"


@dataclass(frozen=True, slots=True)
class Kept:
    """A value: as it was typed, and as it is compared (in several ways, for a list)."""

    shown: str
    compared: tuple[str, ...]
    row: asyncpg.Record | None = None
    """For an attribute: what its source says."""


@dataclass(frozen=True, slots=True)
class Filed:
    """What is on file: `name` as the audit has it (the key, if it means anything), and the values, those to be shown first first.

    `read`: an answer as it is compared with them; BadUserInput where it can be no answer to this.
    """

    name: str
    values: tuple[Kept, ...]
    read: Callable[[str], str]


class Files:
    """Reads within the transaction of whoever asks. `region`: for phone numbers in national format."""

    def __init__(self, fetch: Fetch, vault: Vault, configuration: Configuration, workspace: UUID, region: str | None) -> None:
        self._fetch = fetch
        self._vault = vault
        self._configuration = configuration
        self._workspace = workspace
        self._region = region

    async def under(self, profile_id: UUID, key: str) -> Filed:
        """What a profile has under the key: the values of a contact point's channel, an identifier, a part of the name, an attribute."""
        name = _SPELLINGS.get(key, key)
        if name in _NAMES or name == _BIRTH:
            return Filed(name, await self._of_person(profile_id, name), _day if name == _BIRTH else _folded)
        point = self._point(key)
        if point is not None:
            return Filed(key, await self._points(profile_id, key), lambda answer: normalize(point, answer, self._region))
        kind = self._identifier(key)
        if kind is not None:
            return Filed(kind, await self._identifiers(profile_id, kind), normalize_identifier)
        definition = self._configuration.definition(key)
        values = await self._traits(profile_id, definition)
        if not values and key not in self._configuration.by_key:
            kind = _type(key)  # a type of identifier that nobody defined
            identifiers = await self._identifiers(profile_id, kind) if kind is not None else ()
            if kind is not None and identifiers:
                return Filed(kind, identifiers, normalize_identifier)
            key = ""
        return Filed(key, values, lambda answer: self._of_attribute(definition, answer))

    def _of_attribute(self, definition: AttributeDefinition, answer: str) -> str:
        found = searchable(definition, answer.strip(), self._region)
        if not found:
            raise BadUserInput("This can be no value of this attribute.")
        return found[0]

    def _point(self, key: str) -> str | None:
        """The look-up key of contact points, where the key names them."""
        if key in {PHONE, EMAIL} or (key.startswith(_CUSTOM) and len(key) > len(_CUSTOM)):
            return key
        channel = _CHANNELS.get(key.lower())
        return None if channel is None else lookup_key(channel)

    def _identifier(self, key: str) -> str | None:
        kind = _type(key)
        definition = None if kind is None else self._configuration.by_key.get(kind)
        return kind if definition is not None and definition.is_identifier else None

    async def _of_person(self, profile_id: UUID, name: str) -> tuple[Kept, ...]:
        for row in await self._fetch("name_and_birth", profile_id):
            if name == _BIRTH:
                birth: date | None = row["birth_date"]
                return () if birth is None else (Kept(birth.isoformat(), (birth.isoformat(),)),)
            text = row[_NAMES[name]]
            return (Kept(text, (_folded(text),)),) if text else ()
        return ()

    async def _points(self, profile_id: UUID, key: str) -> tuple[Kept, ...]:
        found = []
        for row in await self._fetch("points_on_file", profile_id):
            channel = Channel(row["channel"])
            if key in {lookup_key(channel, row["custom_channel"]), channel.value.lower()} or _CHANNELS.get(key.lower()) is channel:
                found.append(Kept(row["raw"], (row["normalized"],)))
        return tuple(found)

    async def _identifiers(self, profile_id: UUID, kind: str) -> tuple[Kept, ...]:
        found = []
        for row in await self._fetch("identifiers_on_file", profile_id, kind):
            if row["sealed"] is None:
                found.append(Kept(row["raw"], (row["normalized"],)))
                continue
            raw = self._opened(f"identifier:{row['id'].hex}", row["sealed"])
            if raw is not None:
                found.append(Kept(raw, (normalize_identifier(raw),)))
        return tuple(found)

    async def _traits(self, profile_id: UUID, definition: AttributeDefinition) -> tuple[Kept, ...]:
        found = []
        for row in await self._fetch("traits_on_file", profile_id, definition.key):
            value = row["value"]
            if row["sealed"] is not None:
                text = self._opened(f"trait:{definition.key}", row["sealed"])
                if text is None:
                    continue
                value = orjson.loads(text)
            shown = definition.display(value)
            if shown is not None:
                compared = value["amount"] if isinstance(value, dict) and "amount" in value else value
                found.append(Kept(shown, searchable(definition, compared, self._region), row))
        return tuple(found)

    def _opened(self, place: str, sealed: bytes) -> str | None:
        try:
            return self._vault.open(self._workspace, place, sealed)
        except VaultError:
            return None  # its secret is gone, and with it the value


def _type(key: str) -> str | None:
    try:
        return normalize_type(key) if key not in RESERVED_TYPES else None
    except BadUserInput:
        return None


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _day(text: str) -> str:
    wrong = BadUserInput("A day is expected, written like 1985-02-17.")
    given = unicodedata.normalize("NFKC", text).strip()
    if not _DAY.fullmatch(given):
        raise wrong
    try:
        return date.fromisoformat(given).isoformat()
    except ValueError:
        raise wrong from None
