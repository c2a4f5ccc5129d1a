"""Values of attributes: whether one can be of its definition's type, and how it is then stored.

Owns one rule per `AttributeType`. What is stored is accepted again and stored the same. Pure. Called by `commands.attributes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from math import isfinite
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.commands.validation import json_problem, text_problem
from gateway.errors import BadUserInput
from gateway.identity import normalize_email, normalize_phone
from gateway.model.attribute import AttributeDefinition, AttributeType

__all__ = ["MAX_LINE_BYTES", "MAX_TEXT_BYTES", "checked_value"]

MAX_LINE_BYTES: Final = 4 * 1024
"""Bytes of a TEXT."""
MAX_TEXT_BYTES: Final = 16 * 1024
"""Bytes of a LONG_TEXT."""

_LONGEST_URL = 2048
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_BREAK: Final = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROL_OR_BLANK: Final = re.compile(r"[\s\x00-\x1f\x7f]")


def checked_value(definition: AttributeDefinition, value: Any, region: str | None = None) -> Any:
    """The value as it is stored; never None. `region` (ISO 3166) lets phone numbers in national format in.

    Raises:
        BadUserInput: it is not one of the definition's type; the message says what is expected and does not repeat the value.
    """
    wrong = json_problem(value)
    if wrong:
        raise BadUserInput(wrong)
    if definition.type is AttributeType.PHONE:
        return normalize_phone(_text(value, "A phone number in international format is expected, for example +14155550100."), region)
    if definition.type in _CHOICES:
        return _CHOICES[definition.type](value, definition.options or ())
    return _CHECKS[definition.type](value)


def _text(value: Any, expected: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadUserInput(f"{expected} Send null to clear it.")
    return value


def _line(value: Any) -> str:
    expected = "A text of one line is expected."
    text = _text(value, expected).strip()
    wrong = text_problem(text, MAX_LINE_BYTES)
    if wrong or _BREAK.search(text):
        raise BadUserInput(wrong or expected)
    return text


def _long_text(value: Any) -> str:
    text = _text(value, "A text is expected.").strip()
    wrong = text_problem(text, MAX_TEXT_BYTES)
    if wrong:
        raise BadUserInput(wrong)
    return text


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise BadUserInput("A number is expected, for example 12.5.")
    return value


def _money(value: Any) -> Any:
    expected = 'An amount is expected: a number, or {"amount": 12.5, "currency": "EUR"} with the three letters of ISO 4217.'
    amount = value
    if isinstance(value, dict):
        currency = value.get("currency")
        if set(value) != {"amount", "currency"} or not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
            raise BadUserInput(expected)
        amount = value["amount"]
    try:
        _number(amount)
    except BadUserInput:
        raise BadUserInput(expected) from None
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadUserInput("true or false is expected.")
    return value


def _day(value: Any) -> str:
    expected = "A day is expected, written like 2026-01-31."
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise BadUserInput(expected)
    try:
        date.fromisoformat(value)
    except ValueError:
        raise BadUserInput(expected) from None
    return value


def _moment(value: Any) -> str:
    expected = "A date-time with its time zone is expected, written like 2026-01-31T09:30:00Z."
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise BadUserInput(expected)
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise BadUserInput(expected) from None
    return value


def _email(value: Any) -> str:
    return normalize_email(_text(value, "An e-mail address is expected, for example ana@example.com."))


def _url(value: Any) -> str:
    expected = f"A web address is expected, of at most {_LONGEST_URL} characters, for example https://example.com/ana."
    text = _text(value, expected).strip()
    try:
        parts = urlsplit(text)
        fits = len(text) <= _LONGEST_URL and parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or _CONTROL_OR_BLANK.search(text):
        raise BadUserInput(expected)
    return text


def _select(value: Any, options: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in options:
        raise BadUserInput(f"One of these is expected: {', '.join(options)}.")
    return value


def _multi_select(value: Any, options: tuple[str, ...]) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one in options for one in value) or len(set(value)) < len(value):
        raise BadUserInput(f"A list is expected of some of these, each once: {', '.join(options)}.")
    return value


def _json(value: Any) -> Any:
    if value is None:
        raise BadUserInput("A JSON value is expected.")
    return value


_CHECKS: Final[Mapping[AttributeType, Callable[[Any], Any]]] = MappingProxyType(
    {
        AttributeType.TEXT: _line,
        AttributeType.LONG_TEXT: _long_text,
        AttributeType.NUMBER: _number,
        AttributeType.MONEY: _money,
        AttributeType.BOOLEAN: _boolean,
        AttributeType.DATE: _day,
        AttributeType.DATETIME: _moment,
        AttributeType.EMAIL: _email,
        AttributeType.URL: _url,
        AttributeType.JSON: _json,
    }
)
_CHOICES: Final[Mapping[AttributeType, Callable[[Any, tuple[str, ...]], Any]]] = MappingProxyType(
    {AttributeType.SELECT: _select, AttributeType.MULTI_SELECT: _multi_select}
)
