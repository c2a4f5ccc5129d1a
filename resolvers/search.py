"""Searching for profiles by keys or by free text: what is asked, and the page that answers.

Owns the limits of a search and the order of its results: exact values first, by score and id; then names as a telephone book has them; and where
there is nothing at all, names spelt alike. Pages go on behind a place in that order. Called by the root field `searchProfiles`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack, unpack
from typing import Final
from uuid import UUID

import strawberry

from gateway.auth.policy import Action, require
from gateway.engine.context import OperationContext
from gateway.errors import BadUserInput, CursorInvalid
from gateway.loaders.ledger import SEARCH
from gateway.model.page import PageArgs
from gateway.model.profile import Profile, ProfileStatus
from gateway.model.search import NAME, FoundProfiles, Match
from gateway.model.source import SourceReport, SourceState, worst_of
from resolvers.finding import Finder, Given
from resolvers.types.enums import BooleanOperator

__all__ = ["MAX_KEYS", "MAX_VALUES", "SearchKeyInput", "search_profiles"]

MAX_KEYS: Final = 5
"""Keys of one search, as in Amazon Connect Customer Profiles."""
MAX_VALUES: Final = 20
_ID = 16


@strawberry.input(description="A key and the values that match it.")
class SearchKeyInput:
    key: str = strawberry.field(description="One of searchKeys, or any identifier type.")
    values: list[str] = strawberry.field(description="1 to 20 values of which any one matches.")


async def search_profiles(
    context: OperationContext,
    keys: Sequence[SearchKeyInput] | None,
    operator: BooleanOperator,
    text: str | None,
    page: PageArgs,
) -> FoundProfiles:
    """A page of profiles.

    Raises:
        Forbidden: without `profile:search` and `profile:read`.
        BadUserInput: neither keys nor text, or too many, or a value that cannot be one of its key.
        CursorInvalid: `after` is no cursor of a search.
    """
    require(context.principal, Action.SEARCH)
    require(context.principal, Action.READ_PROFILE)
    if (text is None) == (not keys):
        raise BadUserInput("Search by keys or by text: give one of them.", argument="keys")
    given = [_given(key, index) for index, key in enumerate(_checked(keys or ()))]
    purpose = b"search" + context.principal.workspace_id.bytes
    after = None if page.after is None else _Behind.read(context.services.sealer.open(purpose, page.after))
    found, more = await _page(Finder(context), given, operator, text, after, page.limit)
    profiles = await context.loaders.profile.load_many([match.profile_id for match in found])
    shown: dict[UUID, tuple[Profile, Match]] = {}
    for profile, match in zip(profiles, found, strict=True):
        if isinstance(profile, Profile) and profile.status is ProfileStatus.ACTIVE:
            shown.setdefault(profile.profile_id, (profile, match))
    source = context.services.registry.profiles.source
    own = SourceReport(source, SourceState.OK, source.last_success_at)
    return FoundProfiles(
        [profile for profile, _ in shown.values()],
        lambda profile: context.services.sealer.seal(purpose, _Behind.of(shown[profile.profile_id][1]).payload()),
        more and bool(shown),
        after is not None,
        len(shown) if after is None and not more else None,
        sources=worst_of((own, *context.ledger.of(SEARCH))),
        matches=tuple(match for _, match in shown.values()),
    )


@dataclass(frozen=True, slots=True)
class _Behind:
    """Where a page ended: at a place among names, or behind a score and an id."""

    place: str | None = None
    order: tuple[float, UUID] = (0.0, UUID(int=0))

    @classmethod
    def of(cls, match: Match) -> _Behind:
        return cls(match.place, _order(match))

    def payload(self) -> bytes:
        return b"M" + pack(">d", self.order[0]) + self.order[1].bytes if self.place is None else b"N" + self.place.encode()

    @classmethod
    def read(cls, payload: bytes) -> _Behind:
        kind, rest = payload[:1], payload[1:]
        if kind == b"N":
            return cls(rest.decode())
        if kind != b"M" or len(rest) != 8 + _ID:
            raise CursorInvalid
        return cls(None, (unpack(">d", rest[:8])[0], UUID(bytes=rest[8:])))


def _order(match: Match) -> tuple[float, UUID]:
    return -match.score, match.profile_id


def _checked(keys: Sequence[SearchKeyInput]) -> Sequence[SearchKeyInput]:
    if len(keys) > MAX_KEYS:
        raise BadUserInput(f"At most {MAX_KEYS} keys in one search.", argument="keys")
    for index, key in enumerate(keys):
        if not 1 <= len(key.values) <= MAX_VALUES:
            raise BadUserInput(f"A key has between 1 and {MAX_VALUES} values.", argument=f"keys.{index}.values")
    return keys


def _given(key: SearchKeyInput, index: int) -> Given:
    return Given(key.key, tuple(key.values), f"keys.{index}")


async def _page(
    finder: Finder, given: Sequence[Given], operator: BooleanOperator, text: str | None, after: _Behind | None, limit: int
) -> tuple[list[Match], bool]:
    """The matches of one page, and whether there are more."""
    if text is not None:
        exact, name = await finder.anything(text), text if text.strip() else None
        if name is not None:
            finder.check_name(name, "text")
    elif len(given) == 1 and given[0].key == NAME and len(given[0].values) == 1:
        exact, name = [], given[0].values[0]
        finder.check_name(name, f"{given[0].argument}.values")
    else:
        exact, name = await finder.combined(given, every=operator is BooleanOperator.AND), None
    exact.sort(key=_order)
    found = [] if after is not None and after.place is not None else _behind(exact, after)
    if name is not None and len(found) <= limit:
        place = None if after is None else after.place
        names = await finder.named(name, place, limit + 1 - len(found), {match.profile_id for match in exact})
        if not names and not exact and place is None:
            names = _behind(await finder.similar(name), after)
        found += names
    return found[:limit], len(found) > limit


def _behind(matches: Sequence[Match], after: _Behind | None) -> list[Match]:
    return [match for match in matches if after is None or _order(match) > after.order]
