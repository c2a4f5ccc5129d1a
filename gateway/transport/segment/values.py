"""Single values as senders write them: moments, days, texts, addresses, trait keys.

Owns what is understood and what is refused, one function per kind; every refusal is a ValueError whose text says what is wrong and never
repeats the value (it may be personal data). Called by the other modules of this package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.commands.activities import moment_problem
from gateway.commands.validation import json_problem
from gateway.errors import Problem, Rejected

__all__ = [
    "calendar_day",
    "check_moment",
    "epoch_or_iso",
    "host_name",
    "iso_moment",
    "json_object",
    "one_of",
    "plain_text",
    "snake_case",
    "web_address",
]

_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII | re.IGNORECASE
)
_EPOCH: Final = re.compile(r"\d{9,13}", re.ASCII)
_MILLISECONDS_FROM = 100_000_000_000
"""Numbers from here on are milliseconds: as seconds they would lie beyond the year 5000, as milliseconds smaller ones in early 1973."""
_OLDEST_BIRTH = 1850
_LONGEST_ADDRESS = 2048
_HOST: Final = re.compile(r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", re.ASCII)
_WORD_BORDER: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\s-]+")


def iso_moment(value: object) -> datetime:
    """ISO 8601 with seconds' fractions and a zone as far as given; without a zone it is UTC. The answer is in UTC."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("A moment is written in ISO 8601, for example 2026-01-31T09:30:00Z.")
    try:
        moment = datetime.fromisoformat(value.upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("There is no such moment.") from None


def check_moment(moment: datetime) -> datetime:
    """The moment, if something can have happened then."""
    wrong = moment_problem(moment)
    if wrong:
        raise ValueError(wrong)
    return moment


def epoch_or_iso(value: object) -> datetime:
    """ISO 8601, or seconds or milliseconds since 1970 as a number or in digits."""
    if isinstance(value, str) and _EPOCH.fullmatch(value):
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return check_moment(datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS_FROM else value, UTC))
        except (OSError, OverflowError):
            raise ValueError("There is no such moment.") from None
    return check_moment(iso_moment(value))


def calendar_day(value: object) -> date:
    """The day somebody was born: ISO 8601, a time of day behind it is ignored."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("A day is written in ISO 8601, for example 1985-04-12.")
    day = date.fromisoformat(value[:10])
    if day.year < _OLDEST_BIRTH or day > datetime.now(UTC).date():
        raise ValueError("Nobody alive was born that day.")
    return day


def plain_text(value: object, longest: int) -> str | None:
    """A text without surrounding blanks, at most `longest` characters; a blank one is None."""
    if not isinstance(value, str):
        raise ValueError("A text is expected.")  # noqa: TRY004  # every refusal of a value is a ValueError
    text = value.strip()
    if len(text) > longest:
        raise ValueError(f"The text is longer than {longest} characters.")
    return text or None


def web_address(value: object) -> str | None:
    """An absolute http or https address: nothing else may become a link on a screen."""
    text = plain_text(value, _LONGEST_ADDRESS)
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or any(character.isspace() for character in text):
        raise ValueError("An absolute http or https address is expected.")
    return text


def host_name(value: object) -> str | None:
    """The domain in a website's address or in a bare domain: lower case, ASCII, without `www.`."""
    text = plain_text(value, _LONGEST_ADDRESS)
    if text is None:
        return None
    try:
        host = (urlsplit(text if "://" in text else f"//{text}").hostname or "").encode("idna").decode().lower().removeprefix("www.")
    except ValueError:
        host = ""
    if not _HOST.fullmatch(host):
        raise ValueError("A website or a domain is expected.")
    return host


def one_of(value: object, known: Mapping[str, str]) -> str | None:
    """What a word of a closed set stands for, blanks, case, dashes and underscores apart; None for a word that is not in it."""
    return known.get(re.sub(r"[\s_-]+", "", value).lower()) if isinstance(value, str) else None


def json_object(value: object, name: str) -> dict[str, Any]:
    """A JSON object that can be stored; nothing counts as an empty one.

    Raises:
        Rejected: it is something else, or too deep, or has numbers Postgres or JSON cannot hold.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Rejected(Problem("INVALID", f"{name} is a JSON object.", (name,)))
    wrong = json_problem(value)
    if wrong:
        raise Rejected(Problem("INVALID", f"{name}: {wrong}", (name,)))
    return value


@lru_cache(maxsize=4096)
def snake_case(key: str) -> str:
    """A key as it is stored: `lifetimeValue`, `lifetime-value` and `Lifetime Value` are one trait, `lifetime_value`."""
    return _WORD_BORDER.sub("_", key.strip()).lower()
