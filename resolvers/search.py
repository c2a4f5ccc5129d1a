"""Searching for profiles by keys or by free text.

Owns which keys there are and how their matches combine. Exact values only, but for names, which match by the beginnings of their words.
Called by the root fields `searchProfiles` and `searchKeys`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import strawberry

from gateway.auth.policy import Action, mask_of, require
from gateway.engine.context import OperationContext
from gateway.errors import BadUserInput
from gateway.identity import EMAIL, PHONE, normalize, normalize_type
from gateway.model.ids import parse_id
from gateway.model.page import PageArgs
from gateway.model.profile import MaskState, MatchedKey, Profile
from gateway.model.search import FoundProfiles, Match
from gateway.model.source import SourceReport, SourceState
from gateway.sources.contract import LookupKey
from resolvers.pages import open_uuid, seal_uuid
from resolvers.types.contact_point import masked
from resolvers.types.enums import AttributeType, BooleanOperator, Sensitivity

__all__ = ["MAX_KEYS", "SEARCH_KEYS", "SearchKeyInput", "SearchKeyValue", "search_profiles"]

MAX_KEYS = 5
"""Keys of one search, as in Amazon Connect Customer Profiles."""
_MAX_VALUES = 20
_LONGEST_TEXT = 200
_NAME_SCORE = 0.5
_CANDIDATES = 1000
"""Profiles considered per key; a name that more have is too common to be combined with another key."""


@strawberry.input(description="A key and the values that match it.")
class SearchKeyInput:
    key: str = strawberry.field(description="One of searchKeys, or any identifier type.")
    values: list[str] = strawberry.field(description="Values of which any one matches.")


@dataclass(frozen=True, slots=True)
class SearchKeyValue:
    """A key that can be searched."""

    key: str
    display_name: str
    type: AttributeType
    sensitivity: Sensitivity
    exact_only: bool
    priority: int


SEARCH_KEYS = (
    SearchKeyValue(PHONE, "Phone", AttributeType.PHONE, Sensitivity.PERSONAL, exact_only=True, priority=1),
    SearchKeyValue("name", "Name", AttributeType.TEXT, Sensitivity.PERSONAL, exact_only=False, priority=2),
    SearchKeyValue(EMAIL, "E-mail", AttributeType.EMAIL, Sensitivity.PERSONAL, exact_only=True, priority=3),
    SearchKeyValue("account_id", "Account number", AttributeType.TEXT, Sensitivity.INTERNAL, exact_only=True, priority=4),
    SearchKeyValue("user_id", "User id", AttributeType.TEXT, Sensitivity.INTERNAL, exact_only=True, priority=5),
    SearchKeyValue("profile_id", "Profile id", AttributeType.TEXT, Sensitivity.INTERNAL, exact_only=True, priority=6),
)


async def search_profiles(
    context: OperationContext,
    keys: Sequence[SearchKeyInput] | None,
    operator: BooleanOperator,
    text: str | None,
    page: PageArgs,
) -> FoundProfiles:
    """A page of profiles, by id.

    Raises:
        Forbidden: without `profile:search` and `profile:read`.
        BadUserInput: neither keys nor text, or too many, or a value that cannot be one of its key.
    """
    require(context.principal, Action.SEARCH)
    require(context.principal, Action.READ_PROFILE)
    if (text is None) == (not keys):
        raise BadUserInput("Search by keys or by text: give one of them.", argument="keys")
    if keys and len(keys) > MAX_KEYS:
        raise BadUserInput(f"At most {MAX_KEYS} keys in one search.", argument="keys")
    purpose = b"search" + context.principal.workspace_id.bytes
    after = open_uuid(context.services.sealer, purpose, page.after)
    matches = await _by_text(context, text, after, page) if text is not None else await _by_keys(context, keys or (), operator, after, page)
    ordered = sorted((match for match in matches if after is None or match.profile_id > after), key=lambda match: match.profile_id)
    profiles = await context.loaders.profile.load_many([match.profile_id for match in ordered[: page.limit + 1]])
    shown = [(profile, match) for profile, match in zip(profiles, ordered, strict=False) if isinstance(profile, Profile)]
    source = context.services.registry.profiles.source
    return FoundProfiles(
        [profile for profile, _ in shown[: page.limit]],
        lambda profile: seal_uuid(context.services.sealer, purpose, profile.profile_id),
        len(shown) > page.limit,
        after is not None,
        sources=(SourceReport(source, SourceState.OK, source.last_success_at),),
        matches=tuple(match for _, match in shown[: page.limit]),
    )


async def _by_keys(
    context: OperationContext, keys: Sequence[SearchKeyInput], operator: BooleanOperator, after: UUID | None, page: PageArgs
) -> list[Match]:
    alone = len(keys) == 1
    found = [
        await _one_key(context, key, index, after if alone else None, page.limit + 1 if alone else _CANDIDATES)
        for index, key in enumerate(keys)
    ]
    ids = set(found[0]).intersection(*found[1:]) if operator is BooleanOperator.AND else set().union(*found)
    matches = []
    for profile_id in ids:
        hits = [hits[profile_id] for hits in found if profile_id in hits]
        score = sum(hit.score for hit in hits) / len(keys)
        matches.append(Match(profile_id, tuple(key for hit in hits for key in hit.matched_on), score))
    return matches


async def _one_key(context: OperationContext, given: SearchKeyInput, index: int, after: UUID | None, limit: int) -> dict[UUID, Match]:
    if not 1 <= len(given.values) <= _MAX_VALUES:
        raise BadUserInput(f"A key has between 1 and {_MAX_VALUES} values.", argument=f"keys.{index}.values")
    if given.key == "name":
        found: dict[UUID, Match] = {}
        for value in given.values:
            found.update(await _named(context, value, f"keys.{index}.values", after, limit))
        return found
    if given.key == "profile_id":
        ids = [parse_id(value, "prf", f"keys.{index}.values")[0] for value in given.values]
        there = await context.loaders.profile.load_many(ids)  # an id of nobody must not take a place on the page
        return {
            one.profile_id: Match(one.profile_id, (MatchedKey("profile_id", one.id),), 1.0) for one in there if isinstance(one, Profile)
        }
    try:
        key = given.key if given.key in (PHONE, EMAIL) else normalize_type(given.key)
        values = [normalize(key, value, context.services.default_region) for value in given.values]
    except BadUserInput as error:
        raise BadUserInput(error.message, argument=f"keys.{index}") from None
    return await _looked_up(context, [LookupKey(key, value) for value in values])


async def _looked_up(context: OperationContext, keys: Sequence[LookupKey]) -> dict[UUID, Match]:
    clear = mask_of(context.principal) is MaskState.CLEAR
    found: dict[UUID, Match] = {}
    for key, ids in zip(keys, await context.loaders.lookup.load_many(keys), strict=True):
        if isinstance(ids, BaseException):
            raise ids
        shown = MatchedKey(key.key, key.value if clear else masked(key.key, key.value))
        found.update({one: Match(one, (shown,), 1.0) for one in ids})
    return found


async def _named(context: OperationContext, value: str, argument: str, after: UUID | None, limit: int) -> dict[UUID, Match]:
    if not value.strip() or len(value) > _LONGEST_TEXT or "\x00" in value:
        raise BadUserInput(f"A name to search for has between 1 and {_LONGEST_TEXT} characters.", argument=argument)
    ids = await context.loaders.search_names(value.lower().split(), after, limit)
    return {one: Match(one, (MatchedKey("name", value.strip()),), _NAME_SCORE) for one in ids}


async def _by_text(context: OperationContext, text: str, after: UUID | None, page: PageArgs) -> list[Match]:
    """Free text is tried as everything it may be: a phone, an e-mail, a key of another system, a name."""
    candidates: dict[UUID, Match] = {}
    if text.strip():
        candidates |= await _named(context, text, "text", after, page.limit + 1)
    exact: list[LookupKey] = []
    for key in (PHONE, EMAIL, "account_id", "user_id"):
        try:
            exact.append(LookupKey(key, normalize(key, text, context.services.default_region)))
        except BadUserInput:
            continue  # it cannot be one of those
    candidates |= await _looked_up(context, exact)
    return list(candidates.values())
