"""Text as it is searched: without regard to case, as Postgres' `lower` sees it.

Owns the one way to fold case in Python that gives what the database gives, and the pattern of a text for `LIKE`. Pure. Called by sources and
by the meaning of a timeline filter.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

__all__ = ["folded", "like_pattern", "texts_of"]


def folded(text: str) -> str:
    """Lower case one character for one, as Postgres does it: İ is i, and a word's last Σ is σ as any other."""
    return "".join([character.lower()[0] for character in text])


def like_pattern(text: str) -> str:
    """A text to be looked for with `LIKE`, itself without wildcards."""
    return folded(text).replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def texts_of(value: Any) -> Iterator[str]:
    """Every string and number in a JSON value, at any depth, written as Postgres writes it; keys, booleans and nulls say nothing."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bool):
        return
    elif isinstance(value, int):
        yield str(value)
    elif isinstance(value, float):
        yield format(Decimal(repr(value)), "f")
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts_of(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts_of(one)
