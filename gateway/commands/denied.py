"""What must not enter: payment card numbers, and whatever else an operator forbids by a pattern.

Owns the recognition of card numbers and the one refusal (SENSITIVE_DATA_REJECTED) that names the field and never repeats the value. Pure. Must
not change a text: it is taken whole or refused. Called by every command that stores text or JSON, and by `transport.tracking` per item.

A card number has 13 to 19 digits, alone or with single spaces or dashes between them, begins like a card of a known network and passes its check
digit (Luhn). Numbers that only look like one pass: a phone number with its `+`, an article number (EAN-13), an IBAN, digits inside a longer word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Final

from gateway.errors import Problem, Rejected
from gateway.model.configuration import Configuration

__all__ = ["DENIED", "denied", "denied_problem", "refuse_denied"]

DENIED: Final = "SENSITIVE_DATA_REJECTED"
"""The code of the refusal."""

_CARD: Final = "card"
_CARD_MESSAGE: Final = "This holds what looks like a payment card number. Card numbers must not be stored here: leave it out."
_PATTERN_MESSAGE: Final = (
    "This holds something that must not be stored here by a rule of your workspace (deny.patterns, number {}): leave it out."
)

_FEWEST, _MOST = 13, 19
_LONGEST_PHONE = 15
"""Digits of a number in E.164."""
_EAN = 13

_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_ENOUGH: Final = re.compile(r"\d(?:\D?\d){12}")
"""Cheaper than what follows, and rarely found."""
_RUN: Final = re.compile(r"(?<![^\W_])(?<![A-Z]{2}\d\d[ -])(\+?)(\d+(?:[ \-\u2010-\u2015]\d+)*)(?![^\W_])")
"""Digits with single blanks or dashes between them, not part of a word, not behind the head of an IBAN."""

_NETWORKS: Final = (
    (re.compile(r"4"), frozenset({13, 16, 18, 19})),  # Visa
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), frozenset({16})),  # Mastercard
    (re.compile(r"3[47]"), frozenset({15})),  # American Express
    (re.compile(r"36|3[89]|30[0-5]|3095"), frozenset({14})),  # Diners Club
    (re.compile(r"6011|64[4-9]|65|62|81"), frozenset({16, 17, 18, 19})),  # Discover, UnionPay
    (re.compile(r"35(?:2[89]|[3-8])"), frozenset({16, 17, 18, 19})),  # JCB
    (re.compile(r"220[0-4]"), frozenset({16, 17, 18, 19})),  # Mir
    (re.compile(r"50(?:18|20|38)|5893|6304|6759|676[1-3]"), frozenset(range(_FEWEST, _MOST + 1))),  # Maestro
)
_SHAPES: Final = frozenset(
    {(4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4), (4, 3, 3, 3), (8, 8), *((n,) for n in range(_FEWEST, _MOST + 1))}
)
"""How cards are grouped in print: so they are found beside other numbers (a date, a check code)."""
_FIRST: Final = frozenset(shape[0] for shape in _SHAPES)


def refuse_denied(configuration: Configuration, value: Any, *path: str) -> None:
    """Nothing when the value (a text, or JSON) may be stored.

    Raises:
        Rejected: SENSITIVE_DATA_REJECTED at `path`, as it stands in `userErrors`.
    """
    problem = denied_problem(configuration, value, *path)
    if problem is not None:
        raise Rejected(problem)


def denied_problem(configuration: Configuration, value: Any, *path: str) -> Problem | None:
    """The refusal as a problem at `path`, for commands that gather all of them."""
    message = denied(configuration, value)
    return None if message is None else Problem(DENIED, message, path or None)


def denied(configuration: Configuration, value: Any) -> str | None:
    """Why a value must not be stored: texts, numbers and keys anywhere in it are looked at. The answer repeats nothing of it."""
    cards = _CARD in configuration.deny
    if not cards and not configuration.deny_patterns:
        return None
    for text in _texts(value):
        if cards and _has_card(text):
            return _CARD_MESSAGE
        for number, pattern in enumerate(configuration.deny_patterns, 1):
            if pattern.search(text):
                return _PATTERN_MESSAGE.format(number)
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        yield str(value)
    elif isinstance(value, float):
        if value.is_integer():  # 4111111111111111.0 is the same number
            yield str(int(value))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _has_card(text: str) -> bool:
    plain = text if text.isascii() else _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    if _ENOUGH.search(plain) is None:
        return False
    for run in _RUN.finditer(plain):
        groups = ["".join(str(int(digit)) for digit in group) for group in re.findall(r"\d+", run[2])]
        whole = "".join(groups)
        if len(whole) < _FEWEST or (run[1] and len(whole) <= _LONGEST_PHONE):
            continue
        if _is_card(whole) or any(map(_is_card, _grouped(groups))):
            return True
    return False


def _grouped(groups: list[str]) -> Iterator[str]:
    """Neighbouring groups that are written as a card is."""
    lengths = tuple(map(len, groups))
    for start, length in enumerate(lengths):
        if length in _FIRST:
            for end in range(start + 1, min(start + 5, len(groups)) + 1):
                if lengths[start:end] in _SHAPES:
                    yield "".join(groups[start:end])


def _is_card(digits: str) -> bool:
    length = len(digits)
    return (
        any(length in lengths and prefix.match(digits) for prefix, lengths in _NETWORKS)
        and _luhn(digits)
        and not (length == _EAN and _is_article_number(digits))
    )


def _luhn(digits: str) -> bool:
    total = sum(int(digit) for digit in digits[-1::-2])
    total += sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return total % 10 == 0


def _is_article_number(digits: str) -> bool:
    return sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits)) % 10 == 0
