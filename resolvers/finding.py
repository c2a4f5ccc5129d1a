"""What finds a profile: exact values under their keys, the beginnings of names, names spelt alike, and how several keys combine.

Owns the matches and what is shown of the value that matched, behind the viewer's mask; a SENSITIVE value is masked for everybody. Must not decide
who may search. Called by `search`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from gateway.auth.policy import mask_of, mask_text
from gateway.engine.context import OperationContext
from gateway.errors import BadUserInput
from gateway.identity import EMAIL, PHONE
from gateway.model.attribute import AttributeType, Sensitivity
from gateway.model.ids import parse_id
from gateway.model.naming import NameHit, fits, words_of
from gateway.model.profile import MaskState, MatchedKey, Profile
from gateway.model.search import NAME, PROFILE_ID, Match
from gateway.records.keys import attribute_keys
from gateway.sources.contract import MOST_OWNERS, LookupKey
from resolvers.adopting import owners_of
from resolvers.types.contact_point import masked

__all__ = ["Finder", "Given"]

_LONGEST_TEXT: Final = 200
_CANDIDATES: Final = 1000
"""Profiles considered per name; one that more have is too common to be combined with another key by OR."""
_MOST_SIMILAR: Final = 100
_CATEGORIES: Final = frozenset({AttributeType.SELECT, AttributeType.MULTI_SELECT, AttributeType.BOOLEAN})
"""Attributes whose values many profiles share: free text does not mean them."""

_MASKS: Final = {AttributeType.PHONE: PHONE, AttributeType.EMAIL: EMAIL}
"""Types of attributes whose values are masked as those of another key."""

_Hits = dict[UUID, Match]


@dataclass(frozen=True, slots=True)
class Given:
    """A key and values that were asked for; `argument` names it in errors."""

    key: str
    values: tuple[str, ...]
    argument: str


@dataclass(frozen=True, slots=True)
class _Value:
    """A value under every look-up key it may be kept under, and what is shown of it."""

    keys: tuple[LookupKey, ...]
    shown: MatchedKey


class Finder:
    """Bound to one operation."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context
        self._clear = mask_of(context.principal) is MaskState.CLEAR

    def check_name(self, name: str, argument: str) -> None:
        """Nothing, if it can be a name.

        Raises:
            BadUserInput: it cannot.
        """
        if not name.strip() or len(name) > _LONGEST_TEXT or any("\ud800" <= one <= "\udfff" or one == "\x00" for one in name):
            raise BadUserInput(f"A name to search for has between 1 and {_LONGEST_TEXT} characters.", argument=argument)

    async def named(self, name: str, place: str | None, limit: int, without: Collection[UUID] = ()) -> list[Match]:
        """Up to `limit` profiles whose names begin so, behind a place, without these profiles."""
        found: list[Match] = []
        while len(found) < limit:
            hits = await self._context.loaders.search_names(words_of(name), place, limit)
            found += [_match(name, hit) for hit in hits if hit.profile_id not in without]
            if len(hits) < limit:
                break
            place = hits[-1].place
        return found[:limit]

    async def similar(self, name: str) -> list[Match]:
        """Profiles whose names are spelt nearly so, the best first."""
        hits = await self._context.loaders.similar_names(words_of(name), _MOST_SIMILAR)
        return [replace(_match(name, hit), place=None) for hit in hits]

    async def anything(self, text: str) -> list[Match]:
        """Free text as every key it may be a value of; what it cannot be it is not."""
        values = []
        categories = {key for key, one in attribute_keys(self._context.configuration).items() if one.type in _CATEGORIES}
        defined = [one.key for one in self._context.configuration.attributes if one.is_identifier or one.is_search_key]
        for key in dict.fromkeys((PHONE, EMAIL, *defined)):
            if key not in categories:
                try:
                    values.append(self._value(key, text))
                except BadUserInput:
                    continue
        found: _Hits = {}
        for hits in await self._looked_up(values):
            found = {**hits, **found}
        return list(found.values())

    async def combined(self, given: Sequence[Given], *, every: bool) -> list[Match]:
        """Profiles that match every key, or any; the score is the mean over the keys."""
        exact = {index: await self._exact(one) for index, one in enumerate(given) if one.key != NAME}
        if every and exact:
            await self._complete(given, exact)
            ids = set.intersection(*(set(hits) for hits in exact.values()))
            found = {**exact, **await self._names_of(given, ids)}
        else:
            found = {**exact, **{index: await self._names(one) for index, one in enumerate(given) if one.key == NAME}}
        sets = [set(hits) for hits in found.values()]
        matches = []
        for profile_id in set.intersection(*sets) if every else set.union(*sets):
            hits = [found[index][profile_id] for index in range(len(given)) if profile_id in found[index]]
            matched = tuple(dict.fromkeys(key for hit in hits for key in hit.matched_on))
            matches.append(Match(profile_id, matched, sum(hit.score for hit in hits) / len(given)))
        return matches

    async def _exact(self, given: Given) -> _Hits:
        if given.key == PROFILE_ID:
            ids = [parse_id(value, "prf", f"{given.argument}.values")[0] for value in given.values]
            there = await self._context.loaders.profile.load_many(ids)  # an id of nobody must not take a place on the page
            living = [one for one in there if isinstance(one, Profile)]
            return {one.profile_id: Match(one.profile_id, (MatchedKey(PROFILE_ID, one.id),), 1.0) for one in living}
        found: _Hits = {}
        for hits in await self._looked_up(self._values(given)):
            found.update(hits)
        return found

    def _values(self, given: Given) -> list[_Value]:
        try:
            return [self._value(given.key, value) for value in given.values]
        except BadUserInput as error:
            raise BadUserInput(error.message, argument=given.argument) from None

    def _value(self, key: str, text: str) -> _Value:
        keys = tuple(LookupKey(*one) for one in self._context.keys.of_text(key, text))
        name = key if not keys or key in attribute_keys(self._context.configuration) else keys[0].key
        definition = self._context.configuration.by_key.get(name)
        if definition is not None and definition.sensitivity is Sensitivity.SENSITIVE:
            return _Value(keys, MatchedKey(name, mask_text(text.strip())))
        value = keys[0].value
        personal = definition is None or definition.is_identifier or definition.sensitivity is Sensitivity.PERSONAL
        if personal and not self._clear:
            value = masked(_MASKS.get(definition.type, name) if definition is not None else name, value)
        return _Value(keys, MatchedKey(name, value))

    async def _looked_up(self, values: Sequence[_Value]) -> list[_Hits]:
        """Whom each value finds; all values in one look-up."""
        answers = await owners_of(self._context, [key for value in values for key in value.keys])
        found: list[_Hits] = []
        for value in values:
            hits: _Hits = {}
            for key in value.keys:
                ids = answers[key]
                if isinstance(ids, BaseException):
                    raise ids
                hits.update((one, Match(one, (value.shown,), 1.0)) for one in ids)
            found.append(hits)
        return found

    async def _complete(self, given: Sequence[Given], exact: dict[int, _Hits]) -> None:
        """A value that too many profiles have was not looked up to its end: ask about those that the other keys found."""
        cut = [index for index, hits in exact.items() if len(hits) >= MOST_OWNERS and given[index].key != PROFILE_ID]
        whole = [set(hits) for index, hits in exact.items() if index not in cut]
        if not cut or not whole:
            return
        wanted = sorted(set.intersection(*whole))
        for index in cut:
            values = self._values(given[index])
            keys = [key for value in values for key in value.keys]
            answers = dict(zip(keys, await self._context.loaders.owners_among(keys, wanted), strict=True))
            exact[index] = {one: Match(one, (value.shown,), 1.0) for value in values for key in value.keys for one in answers[key]}

    async def _names(self, given: Given) -> _Hits:
        found: _Hits = {}
        for value in given.values:
            self.check_name(value, f"{given.argument}.values")
            hits = await self.named(value, None, _CANDIDATES) or await self.similar(value)
            found = {**{hit.profile_id: replace(hit, place=None) for hit in hits}, **found}
        return found

    async def _names_of(self, given: Sequence[Given], ids: Collection[UUID]) -> Mapping[int, _Hits]:
        """Of profiles that other keys found, those whose names fit, however common a name is."""
        names = {index: one for index, one in enumerate(given) if one.key == NAME}
        for one in names.values():
            for value in one.values:
                self.check_name(value, f"{one.argument}.values")
        if not names:
            return {}
        profiles = [one for one in await self._context.loaders.profile.load_many(sorted(ids)) if isinstance(one, Profile)]
        found: dict[int, _Hits] = {}
        for index, one in names.items():
            hits: _Hits = {}
            for profile in profiles:
                full = f"{profile.first_name or ''} {profile.last_name or ''}"
                worth = max((fits(words_of(value), words_of(full)), value) for value in one.values)
                if worth[0] > 0:
                    hits[profile.profile_id] = Match(profile.profile_id, (MatchedKey(NAME, worth[1].strip()),), worth[0])
            found[index] = hits
        return found


def _match(name: str, hit: NameHit) -> Match:
    return Match(hit.profile_id, (MatchedKey(NAME, name.strip()),), hit.score, hit.place)
