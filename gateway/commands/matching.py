"""Who a contact may be from: the operator's match rules, turned into values to look up, and the look-up itself.

Owns which key is tried with which value of a contact, and what counts as a value at all: a withheld number, or a text that cannot be one of its
key, matches nobody. Exact values only, but for `name`, which suggests and never decides. SENSITIVE values are hashed as soon as they come in.
Called by `contacts` and `searching`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from gateway.commands.unit import Unit
from gateway.errors import BadUserInput
from gateway.identity import ATTRIBUTE, PHONE, lookup_key, normalize, normalize_type, searchable
from gateway.model.configuration import Configuration
from gateway.model.contact import Candidate, Contact, MatchState
from gateway.model.ids import parse_id
from gateway.model.profile import Channel
from gateway.records.keys import attribute_keys
from gateway.sources.native_names import NativeNames

__all__ = ["MOST_CANDIDATES", "NAME", "NAME_SCORE", "PROFILE_ID", "Owners", "Rules", "Step", "Value", "find_candidates", "match_of"]

NAME: Final = "name"
PROFILE_ID: Final = "profile_id"
NAME_SCORE: Final = 0.5
"""What a name is worth; an exact value is worth 1."""
MOST_CANDIDATES: Final = 50
"""Profiles that a contact may be from at most; a value that more have says nothing."""
_ATTRIBUTE: Final = "attribute:"
_ADDRESS: Final = "address"
_HASHED: Final = "hashed"
_LONGEST_NAME = 200
_SHORTEST_NAME = 2
_MOST_WORDS = 8
_WITHHELD: Final = frozenset({"266696687", "7378742833", "2562533", "8656696", "86282452253"})
"""What networks send instead of a withheld number: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE as they are typed on a keypad."""


Owners = Mapping[tuple[str, str], Sequence[UUID]]
"""Profiles by (key, value)."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value to look up under `key` as `stored`; `raw` is how it was given, empty where it is SENSITIVE and is never shown again."""

    key: str
    stored: str
    raw: str

    @property
    def shown(self) -> str:
        """What `MatchedKey` may show behind the viewer's mask: nothing of a SENSITIVE value."""
        return self.stored if self.raw else ""


@dataclass(frozen=True, slots=True)
class Step:
    """One key that is tried: any of its values suffices."""

    key: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """The match rules of one workspace. `blinds`: what a SENSITIVE value (key, normalized value) may be kept under; `region`: as in `identity`."""

    configuration: Configuration
    region: str | None
    blinds: Callable[[str, str], Sequence[str]]

    def address(self, channel: Channel, custom_channel: str | None, address: str | None) -> str | None:
        """A contact's address as it is compared, or None: it was withheld, or cannot be one of its channel."""
        values = self._values(lookup_key(channel, custom_channel), address)
        return values[0].stored if values else None

    def kept(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """A contact's attributes as they are stored: of a SENSITIVE one only the hashes by which it is compared."""
        sensitive = self.configuration.sensitive
        return {
            key: {_HASHED: [one.stored for one in self._values(key, value)]} if key in sensitive and value is not None else value
            for key, value in attributes.items()
        }

    def search_key(self, key: str, values: Iterable[str]) -> dict[str, Any]:
        """A caller's own search as it is stored; values that cannot be of the key are left out and match nobody.

        Raises:
            BadUserInput: there can be no such key.
        """
        if key in {NAME, PROFILE_ID}:
            return {"key": key, "values": [value.strip() for value in values]}
        name = key if key in {PHONE, "email"} else normalize_type(key)
        found = [one for value in values for one in self._values(name, value)]
        return {"key": name, "values": [one.stored for one in found]}

    def steps(self, contact: Contact) -> list[Step]:
        """What is tried for a contact, strongest first."""
        own = contact.search_key
        if own is not None:
            shown = own["key"] not in self.configuration.sensitive
            return [Step(own["key"], tuple(Value(own["key"], value, value if shown else "") for value in own["values"]))]
        keys = self.configuration.autopopulate.keys.get(contact.channel, (_ADDRESS,))
        return [self._step(contact, key) for key in keys]

    def _step(self, contact: Contact, rule: str) -> Step:
        name = rule.removeprefix(_ATTRIBUTE)
        key = lookup_key(contact.channel, contact.custom_channel) if name == _ADDRESS else name
        if name != rule:
            return Step(key, self._values(key, (contact.attributes or {}).get(name)))
        return Step(key, self._values(key, contact.display_name if name == NAME else contact.address))

    def _values(self, key: str, given: Any) -> tuple[Value, ...]:
        sensitive = key in self.configuration.sensitive
        if sensitive and isinstance(given, dict):
            return tuple(Value(key, one, "") for one in given.get(_HASHED, ()) if isinstance(one, str))
        if isinstance(given, bool) or not isinstance(given, str | int):
            return ()
        text = str(given)
        if key == NAME:
            return (Value(key, text.strip(), text.strip()),) if text.strip() else ()
        attribute = attribute_keys(self.configuration).get(key)
        if attribute is not None:
            found = searchable(attribute, given, self.region)
            return (
                tuple(Value(key, one, "") for value in found for one in self.blinds(ATTRIBUTE + key, value))
                if sensitive
                else tuple(Value(key, value, text.strip()) for value in found)
            )
        try:
            value = normalize(key, text, self.region)
        except BadUserInput:
            return ()  # nobody has a value that cannot be one
        if key == PHONE and value.removeprefix("+") in _WITHHELD:
            return ()
        return tuple(Value(key, one, "") for one in self.blinds(key, value)) if sensitive else (Value(key, value, text.strip()),)


def match_of(candidates: Sequence[Candidate]) -> MatchState:
    """What so many candidates mean."""
    return (MatchState.NONE, MatchState.ONE, MatchState.MULTIPLE)[min(len(candidates), 2)]


async def find_candidates(unit: Unit, steps: Sequence[Step], elsewhere: Owners = MappingProxyType({})) -> list[Candidate]:
    """Whoever the first key that finds anybody finds, the best first. Exact keys take one statement together, however many.

    `elsewhere`: whose values are by what sources say, for those that nobody here has.
    """
    exact = [one for step in steps if step.key not in {NAME, PROFILE_ID} for one in step.values]
    owners: dict[tuple[str, str], list[UUID]] = {}
    if exact:
        attributes = attribute_keys(unit.configuration)
        keys = [ATTRIBUTE + one.key if one.key in attributes else one.key for one in exact]
        rows = await unit.fetch("active_profiles_by_lookup", keys, [one.stored for one in exact], MOST_CANDIDATES)
        for row in rows:
            one = exact[row["n"] - 1]
            owners.setdefault((one.key, one.stored), []).append(row["profile_id"])
        told = {value: ids for value, ids in elsewhere.items() if value not in owners}
        if told:
            living = {row["id"] for row in await unit.fetch("active_profiles", sorted({one for ids in told.values() for one in ids}))}
            owners.update({value: [one for one in ids if one in living][:MOST_CANDIDATES] for value, ids in told.items()})
    for step in steps:
        if step.key == NAME:
            found, score = await _named(unit, step), NAME_SCORE
        elif step.key == PROFILE_ID:
            found, score = await _identified(unit, step), 1.0
        else:
            found, score = _owned(step, owners), 1.0
        if found:
            return [Candidate(profile, score, tuple(dict.fromkeys(on))) for profile, on in sorted(found.items())[:MOST_CANDIDATES]]
    return []


_Found = dict[UUID, list[tuple[str, str]]]


def _owned(step: Step, owners: Mapping[tuple[str, str], Sequence[UUID]]) -> _Found:
    found: _Found = {}
    for one in step.values:
        for profile in owners.get((one.key, one.stored), ()):
            found.setdefault(profile, []).append((one.key, one.shown))
    return found


async def _named(unit: Unit, step: Step) -> _Found:
    found: _Found = {}
    for one in step.values:
        words = one.stored.split()
        if not _SHORTEST_NAME <= len(one.stored) <= _LONGEST_NAME or len(words) > _MOST_WORDS:
            continue
        names = NativeNames(lambda name, _, *args: unit.fetch(name, *args))
        for hit in await names.beginning(unit.workspace, words, None, MOST_CANDIDATES):
            found.setdefault(hit.profile_id, []).append((NAME, one.stored))
    return found


async def _identified(unit: Unit, step: Step) -> _Found:
    ids: dict[UUID, str] = {}
    for one in step.values:
        try:
            ids[parse_id(one.stored, "prf")[0]] = one.stored
        except BadUserInput:
            continue  # nobody has an id that is none
    return {row["id"]: [(PROFILE_ID, ids[row["id"]])] for row in await unit.fetch("active_profiles", list(ids))} if ids else {}
