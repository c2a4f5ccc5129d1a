"""Which media type answers a request: `Accept` in, a choice out.

Owns the reading of `Accept` (weights, wildcards, order) and the order of our own taste. Pure. Called by `endpoint`, once per request.

A single answer is JSON wherever the client takes JSON: urql names `text/event-stream` in every request and must not get one for a query. An
event stream answers subscriptions, and only where it was asked for by name: whoever takes anything (`*/*`) does not expect an answer without end.
Nothing accepted, or anything, is `application/json`, as the GraphQL over HTTP audit has it; clients that know the newer type name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

__all__ = ["EVENTS", "JSON", "RESPONSE", "Accepted", "media_type", "negotiate"]

JSON: Final = "application/json"
RESPONSE: Final = "application/graphql-response+json"
EVENTS: Final = "text/event-stream"

_UTF_8: Final = frozenset({"utf-8", "utf8"})
_EXACT: Final = 2
_KEPT: Final = 256
_LONGEST_KEPT: Final = 256
"""Clients of one kind all send the same few characters; longer ones are worked out each time, so that what is kept stays small."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a client takes. `answer`: the media type of a single answer, None: no JSON; `events`: an event stream, asked for by name."""

    answer: str | None
    events: bool


@dataclass(frozen=True, slots=True)
class _Range:
    type: str
    weight: float
    place: int

    def exactness(self, media: str) -> int | None:
        """2: this very type, 1: all of its kind, 0: anything; None: not this one."""
        if self.type == media:
            return _EXACT
        if self.type == f"{media.partition('/')[0]}/*":
            return 1
        return 0 if self.type == "*/*" else None


def negotiate(accept: Sequence[str]) -> Accepted:
    """From all `Accept` headers of a request to what it takes. What cannot be read is passed over.

    Of two types with the same weight the one that was named wins over one that a wildcard lets in, then the one that was named first.
    """
    text = ",".join(accept)
    return _known(text) if len(text) <= _LONGEST_KEPT else _negotiate(text)


def _negotiate(accept: str) -> Accepted:
    ranges = [found for place, part in enumerate(accept.split(",")) if (found := _range(part, place)) is not None]
    if not ranges and not accept.strip(" \t,"):
        return Accepted(JSON, events=False)
    best = max((JSON, RESPONSE), key=lambda media: _taste(ranges, media))
    weight, exactness, _ = _taste(ranges, EVENTS)
    return Accepted(best if _taste(ranges, best)[0] > 0 else None, events=weight > 0 and exactness > 0)


_known = lru_cache(_KEPT)(_negotiate)


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """A media type in lower case and its parameters; a comma or semicolon inside a quoted parameter is not looked for: none of ours has one."""
    name, *given = header.split(";")
    parameters = {}
    for parameter in given:
        key, _, value = parameter.partition("=")
        parameters[key.strip().lower()] = value.strip().strip('"').lower()
    return name.strip().lower(), parameters


def _range(text: str, place: int) -> _Range | None:
    name, parameters = media_type(text)
    kind, slash, sub = name.partition("/")
    if name == "*":  # what Java sends
        name = "*/*"
    elif not (kind and slash and sub) or parameters.get("charset", "utf-8") not in _UTF_8:
        return None
    try:
        weight = float(parameters.get("q", "1"))
    except ValueError:
        return None
    return _Range(name, min(weight, 1.0), place) if weight >= 0 else None


def _taste(ranges: Sequence[_Range], media: str) -> tuple[float, int, int]:
    """Weight, exactness and (negative) place of the range that decides for a media type: the most exact one, and of those the heaviest."""
    found = ((exactness, one.weight, -one.place) for one in ranges if (exactness := one.exactness(media)) is not None)
    exactness, weight, place = max(found, default=(-1, 0.0, 0))
    return weight, exactness, place
