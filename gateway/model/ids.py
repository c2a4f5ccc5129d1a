"""Identifiers: UUIDv7 for rows, opaque prefixed ids for clients.

Owns how ids are made and read. A client's id carries everything a lookup needs (the profile first, so that a lookup can be routed to the
shard that holds it); clients treat it as opaque. Called by model classes (`.id`) and by everything that takes an id from outside.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from gateway.errors import BadUserInput

__all__ = ["PREFIXES", "make_id", "parse_id", "uuid7", "uuid7_span"]

PREFIXES: Final = {
    "prf": ("Profile", 1),
    "note": ("Note", 2),
    "cpt": ("ContactPoint", 2),
    "idn": ("Identifier", 2),
    "com": ("Company", 1),
    "con": ("Contact", 1),
    "chg": ("Change", 2),
    "mrg": ("MergeRecord", 1),
    "mpr": ("MergeProposal", 1),
    "job": ("privacy job", 1),
}
"""prefix → (GraphQL type, how many UUIDs follow). Timeline items, sources, attribute definitions and layouts have ids of their own."""

_HEX = 32
_RANDOM_BITS = 22
_COUNTER_MASK = (1 << 52) - 1
_LOW_62 = (1 << 62) - 1
_DIGITS = frozenset("0123456789abcdef")
"""What `UUID.hex` is written in; `UUID(hex=…)` itself would take `0x`, underscores and braces too."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LATEST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND - 1


def uuid7(at: datetime | None = None) -> UUID:
    """A time-ordered UUID (RFC 9562, version 7) of the moment `at`, default now.

    Behind the millisecond stand 52 bits of a counter and 22 random ones. The counter follows the microseconds and never repeats within a process
    (RFC 9562, 6.2), so what happened in one millisecond is kept in the order in which it arrived.
    The standard library has one from Python 3.14 on, without that order for a given moment.
    """
    millis = time.time_ns() // 1_000_000 if at is None else (at - _EPOCH) // _MILLISECOND
    tail = (_arrivals.next() & _COUNTER_MASK) << _RANDOM_BITS | int.from_bytes(os.urandom(3)) >> 2
    return UUID(int=(millis & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (tail >> 62) << 64 | 0b10 << 62 | tail & _LOW_62)


class _Arrivals:
    """Microseconds since 1970, counted on where the clock stands still or goes back."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return self._last


_arrivals = _Arrivals()


def uuid7_span(value: UUID) -> tuple[datetime, datetime]:
    """The millisecond a UUIDv7 was made for, as a half-open interval: lets a lookup by id skip every partition but one.

    Any UUID has one; what claims to be from after the year 9999, where a datetime ends, is put at its end, where nothing is.
    """
    start = _EPOCH + min(value.int >> 80, _LATEST) * _MILLISECOND
    return start, start + _MILLISECOND


def make_id(prefix: str, *parts: UUID) -> str:
    """The client's id of an entity, e.g. `prf_0198c1…`."""
    return f"{prefix}_{''.join([part.hex for part in parts])}"


def parse_id(text: str, prefix: str, argument: str = "id") -> tuple[UUID, ...]:
    """The UUIDs in a client's id of the wanted kind.

    Raises:
        BadUserInput: the id is malformed or of another type. (A well-formed id of nothing is not an error: it finds nothing.)
    """
    kind, count = PREFIXES[prefix]
    head, _, tail = text.partition("_")
    if head == prefix and len(tail) == _HEX * count and _DIGITS.issuperset(tail):
        return tuple(UUID(hex=tail[i : i + _HEX]) for i in range(0, len(tail), _HEX))
    raise BadUserInput(f"{argument} is not the id of a {kind}; ids are opaque, pass them on as they were given.", argument=argument)
