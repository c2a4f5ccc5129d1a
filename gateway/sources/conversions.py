"""From JSON as other systems write it to values of the gateway: texts, times, dates, numbers, truth, plain JSON.

Owns what counts as such a value and how long it may be. Pure; every function answers the value, or `UNREADABLE` for what is none, and never raises.
Called by `mapping`; adapters of systems with types of their own use it for what they hold as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from math import isfinite
from typing import Any, Final, TypeVar

__all__ = [
    "LONGEST_BODY",
    "LONGEST_ID",
    "LONGEST_TEXT",
    "UNREADABLE",
    "to_body",
    "to_date",
    "to_enum",
    "to_id",
    "to_json",
    "to_number",
    "to_share",
    "to_text",
    "to_time",
    "to_truth",
]

LONGEST_ID: Final = 200
LONGEST_TEXT: Final = 1_000
LONGEST_BODY: Final = 100_000
"""Characters. A longer id or text is no value; a longer body is cut."""

_DEEPEST: Final = 64
_LARGEST: Final = 2**63 - 1
"""What JSON libraries write as a whole number."""

E = TypeVar("E", bound=Enum)


class _Unreadable(Enum):
    UNREADABLE = "UNREADABLE"


UNREADABLE: Final = _Unreadable.UNREADABLE
"""There is something, and it is no value of the wanted type."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM: Final = 10**11  # as seconds that would be the year 5138
_MICROSECONDS_FROM: Final = 10**14


def _plain(value: Any) -> str | None:
    """Text of a string or number, trimmed; None: it is neither, or no Unicode (half a surrogate pair would break the whole answer)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        text = str(value).strip()
        text.encode()
    except ValueError:  # also a number with more digits than Python writes
        return None
    return text


def to_text(value: Any) -> Any:
    """A short text; numbers are written. Empty: None."""
    text = _plain(value)
    return UNREADABLE if text is None or len(text) > LONGEST_TEXT else text or None


def to_body(value: Any) -> Any:
    """A long text, cut at `LONGEST_BODY`; empty: None."""
    text = _plain(value)
    if text is None:
        return UNREADABLE
    return (text if len(text) <= LONGEST_BODY else text[: LONGEST_BODY - 1] + "…") or None


def to_id(value: Any) -> Any:
    """A system's own id: a text or a whole number, 1 to `LONGEST_ID` characters, none of them a control character."""
    text = None if isinstance(value, float) and not value.is_integer() else _plain(int(value) if isinstance(value, float) else value)
    return text if text and len(text) <= LONGEST_ID and text.isprintable() else UNREADABLE


def to_time(value: Any) -> Any:
    """An aware moment in UTC: ISO 8601 (without a zone: UTC), or seconds, milliseconds or microseconds since 1970, also as digits."""
    try:
        if isinstance(value, str):
            text = value.strip()
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                return _since_epoch(Decimal(text))
            return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _since_epoch(Decimal(str(value)))
    except (ArithmeticError, ValueError):  # InvalidOperation, OverflowError; a number with too many digits
        pass
    return UNREADABLE


def _since_epoch(number: Decimal) -> Any:
    if not number.is_finite() or abs(number) > _LARGEST:
        return UNREADABLE
    scale = 1 if abs(number) < _MILLISECONDS_FROM else 1_000 if abs(number) < _MICROSECONDS_FROM else 1_000_000
    return _EPOCH + timedelta(microseconds=int(number * (1_000_000 // scale)))


def to_date(value: Any) -> Any:
    """A calendar day: ISO 8601, or the day in UTC of anything `to_time` reads."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip()[:10])
        except ValueError:
            pass
    moment = to_time(value)
    return moment.date() if isinstance(moment, datetime) else UNREADABLE


def to_number(value: Any) -> Any:
    """A finite number, whole where it is; texts are read as decimals ("12.50")."""
    text = _plain(value)
    if text is None:
        return UNREADABLE
    try:
        number = Decimal(text)
        if not number.is_finite() or abs(number) > _LARGEST:
            return UNREADABLE
        return int(number) if number == number.to_integral_value() else float(number)
    except (InvalidOperation, ArithmeticError, ValueError):
        return UNREADABLE


def to_share(value: Any) -> Any:
    """A number from 0 to 1."""
    number = to_number(value)
    return float(number) if number is not UNREADABLE and 0 <= number <= 1 else UNREADABLE


def to_truth(value: Any) -> Any:
    """Yes or no: a JSON boolean, 0, 1, or such a word."""
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    return value if isinstance(value, bool) else known.get((_plain(value) or "").lower(), UNREADABLE)


def to_enum(kind: type[E], value: Any) -> Any:
    """The member of that name, in any case."""
    text = _plain(value)
    return UNREADABLE if text is None else kind.__members__.get(text.upper().replace("-", "_").replace(" ", "_"), UNREADABLE)


def to_json(value: Any, depth: int = 0) -> Any:
    """The same JSON value, when it can be written again: finite numbers of 64 bits, Unicode, texts as keys, not too deep."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return UNREADABLE if _plain(value) is None else value
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST else UNREADABLE
    if isinstance(value, float):
        return value if isfinite(value) else UNREADABLE
    if depth >= _DEEPEST:
        return UNREADABLE
    if isinstance(value, list):
        items = [to_json(one, depth + 1) for one in value]
        return UNREADABLE if UNREADABLE in items else items
    if isinstance(value, Mapping):
        entries = {key: to_json(one, depth + 1) for key, one in value.items()}
        return UNREADABLE if any(one is UNREADABLE or _plain(key) is None for key, one in entries.items()) else entries
    return UNREADABLE
