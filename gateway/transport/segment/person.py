"""What an `identify` says of a person: columns of the profile, an e-mail, a phone, and every other trait.

Owns Segment's reserved traits and their spellings. A reserved trait with a value that cannot be one stays a plain trait, with a warning:
nothing a sender says is lost. Called by `event`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final

from gateway.commands.tracking import Person, TraitMeta
from gateway.errors import BadUserInput
from gateway.identity import normalize_email, normalize_phone
from gateway.model.profile import Channel
from gateway.model.trait import TraitKind
from gateway.transport.segment.values import (
    calendar_day,
    epoch_or_iso,
    iso_moment,
    json_object,
    one_of,
    plain_text,
    snake_case,
    web_address,
)
from gateway.transport.segment.wire import Context

__all__ = ["person_of"]

_LONGEST_NAME = 200
_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,4}(?:\.[A-Za-z0-9-]{1,16})?", re.ASCII)
_TIME_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}", re.ASCII)
_LONGEST_TIME_ZONE = 64

Column = str | date | datetime | None


def _name(value: object) -> str | None:
    return plain_text(value, _LONGEST_NAME)


_RESERVED: Final[MappingProxyType[str, tuple[str, Callable[[object], Column]]]] = MappingProxyType(
    {
        "first_name": ("first_name", _name),
        "firstname": ("first_name", _name),
        "last_name": ("last_name", _name),
        "lastname": ("last_name", _name),
        "avatar": ("avatar_url", web_address),
        "birthday": ("birth_date", calendar_day),
        "created_at": ("customer_since", epoch_or_iso),
    }
)
"""Trait key → column of the profile, and how its value is read."""


def person_of(given: object, context: Context | None, region: str | None, warn: Callable[[str], None]) -> Person:
    """The person of an identify's `traits` and `context`; null traits say nothing. `region` is assumed for phones in national format.

    Raises:
        Rejected: `traits` is not a JSON object that can be stored.
    """
    traits = {snake_case(key): value for key, value in json_object(given, "traits").items() if value is not None}
    if traits.pop("", None) is not None:
        warn("traits: a trait without a name is left out.")
    columns: dict[str, Column] = {}
    for key in [key for key in traits if key in _RESERVED]:
        column, read = _RESERVED[key]
        try:
            columns[column] = read(traits[key])
        except ValueError as error:
            warn(f"traits.{key}: {error} It is kept as a plain trait.")
        else:
            del traits[key]
    _split_name(traits, columns)
    raw: dict[str, str] = {}
    email = _contact(traits, "email", Channel.EMAIL, normalize_email, raw, warn)
    phone = _contact(traits, "phone", Channel.VOICE, lambda text: normalize_phone(text, region), raw, warn)
    meta: dict[str, TraitMeta] = {}
    if context is not None:
        _read_context(context, columns, warn)
        meta = _trait_meta(context.trait_meta, traits, warn)
    return Person(columns, email, phone, raw, traits, meta)


def _split_name(traits: dict[str, Any], columns: dict[str, Column]) -> None:
    """A whole name serves where no part of it was given: its last word is the last name."""
    name = traits.get("name")
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        return
    words = name.split()
    first, last = columns.get("first_name"), columns.get("last_name")
    if not first and not last and words:
        columns["first_name"] = " ".join(words[:-1]) or words[0]
        columns["last_name"] = words[-1] if len(words) > 1 else None
    elif words and words != f"{first or ''} {last or ''}".split():
        return  # it says something else than the parts: kept beside them
    del traits["name"]


def _contact(
    traits: dict[str, Any],
    key: str,
    channel: Channel,
    normalize: Callable[[str], str],
    raw: dict[str, str],
    warn: Callable[[str], None],
) -> str | None:
    if key not in traits:
        return None
    try:
        typed = _typed(traits[key])
        normalized = normalize(typed) if typed else None
    except BadUserInput as error:
        warn(f"traits.{key}: {error.message} It is kept as a plain trait.")
        return None
    del traits[key]
    if normalized is not None:
        raw[channel.value] = typed
    return normalized


def _typed(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BadUserInput("A text is expected.")
    return value.strip()


def _read_context(context: Context, columns: dict[str, Column], warn: Callable[[str], None]) -> None:
    for name, column, value, pattern in (
        ("locale", "locale", context.locale, _LOCALE),
        ("timezone", "time_zone", context.timezone, _TIME_ZONE),
    ):
        if value is None or value == "":
            continue
        if isinstance(value, str) and len(value) <= _LONGEST_TIME_ZONE and pattern.fullmatch(value):
            columns[column] = value
        else:
            warn(f"context.{name} is not one; it is left out.")


def _trait_meta(given: object, traits: dict[str, Any], warn: Callable[[str], None]) -> dict[str, TraitMeta]:
    """`context.traitMeta`: per trait of this call its kind, category, confidence, model, computedFrom and expiresAt."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        warn("context.traitMeta is an object of traits; it is left out.")
        return {}
    found: dict[str, TraitMeta] = {}
    for name, said in given.items():
        key = snake_case(name)
        if key not in traits or not isinstance(said, dict):
            warn(f"context.traitMeta.{name[:_LONGEST_NAME]} describes no trait of this call; it is left out.")
            continue
        values: dict[str, Any] = {}
        for part, read in _META.items():
            value = said.get(part)
            try:
                values[part] = None if value is None else read(value)
            except ValueError as error:
                warn(f"context.traitMeta.{key}.{part}: {error} It is left out.")
        found[key] = TraitMeta(
            values.get("kind"),
            *(values.get(part) for part in ("category", "confidence", "model", "computedFrom", "expiresAt")),
        )
    return found


def _kind(value: object) -> TraitKind:
    word = one_of(value, _KINDS)
    if word is None:
        raise ValueError(f"It is one of {', '.join(kind.value for kind in TraitKind)}.")
    return TraitKind(word)


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("A number from 0 to 1 is expected.")
    return float(value)


_KINDS: Final = MappingProxyType({kind.value.lower(): kind.value for kind in TraitKind})
_META: Final[MappingProxyType[str, Callable[[object], Any]]] = MappingProxyType(
    {"kind": _kind, "category": _name, "confidence": _share, "model": _name, "computedFrom": _name, "expiresAt": iso_moment}
)
"""What can be said of a trait, and how each value is read."""
