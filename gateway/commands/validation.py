"""Checks on what a client wants to store: text, JSON, sizes.

Owns the limits of stored values and the problems that name them. Pure. Called by commands and by `transport.tracking`.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, Final

import orjson

from gateway.errors import BadUserInput, Problem, Rejected

__all__ = ["MAX_JSON_BYTES", "MAX_KEY", "Problems", "escapes_nul", "json_element", "json_problem", "text_problem"]

MAX_JSON_BYTES = 32 * 1024
"""Bytes of one JSON value as stored."""
_MAX_DEPTH = 16
_MAX_KEYS = 200
MAX_KEY = 128
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Problems:
    """Collects what is wrong, so that a client hears of all of it at once."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, code: str, message: str, *path: str | int, existing: object | None = None) -> None:
        """One problem, at a path from `input` downwards."""
        self.found.append(Problem(code, message, ("input", *map(str, path)), existing=existing))

    def attempt(self, check: Any, *args: Any, path: tuple[str | int, ...]) -> Any:
        """The check's answer, or None after noting why it raised BadUserInput."""
        try:
            return check(*args)
        except BadUserInput as error:
            self.add("INVALID", error.message, *path)
            return None

    def text(self, value: str | None, longest: int, *path: str | int) -> str | None:
        """The value without surrounding blanks; empty becomes None."""
        if value is None:
            return None
        wrong = text_problem(value, longest)
        if wrong:
            self.add("INVALID", wrong, *path)
            return None
        return value.strip() or None

    def json(self, value: Any, *path: str | int) -> None:
        """Note why a JSON value cannot be stored."""
        wrong = json_problem(value)
        if wrong:
            self.add("INVALID", wrong, *path)

    def refuse(self) -> None:
        """Raise Rejected when anything was found."""
        if self.found:
            raise Rejected(*self.found)


def text_problem(value: str, longest: int) -> str | None:
    """Why a text cannot be stored: NUL, half a surrogate pair, or more than `longest` UTF-8 bytes."""
    if "\x00" in value:
        return "The text contains a NUL character."
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "The text contains half of a surrogate pair."
    return f"The text is longer than {longest} bytes." if size > longest else None


def json_problem(value: Any) -> str | None:
    """Why a JSON value cannot be stored: too large, too deep, too many keys, NUL, a number Postgres or JSON cannot hold."""
    try:
        encoded = orjson.dumps(value)
    except (TypeError, ValueError):
        return "The value is not valid JSON (a number out of range, or half of a surrogate pair)."
    if len(encoded) > MAX_JSON_BYTES:
        return f"The value is larger than {MAX_JSON_BYTES} bytes."
    if escapes_nul(encoded):
        return "The value contains a NUL character."
    return _shape_problem(value, 1)


def escapes_nul(encoded: bytes) -> bool:
    """Whether JSON text holds a NUL character; a backslash that is itself escaped before `u0000` makes none."""
    return b"\\u0000" in encoded and _NUL.search(encoded) is not None


def json_element(value: Any) -> Any:
    """A JSON value as an element of a `jsonb[]` parameter: asyncpg takes a bare list for one more dimension of the array."""
    return orjson.Fragment(orjson.dumps(value)) if isinstance(value, list) else value


def _shape_problem(value: Any, depth: int) -> str | None:
    if depth > _MAX_DEPTH:
        return f"The value is nested deeper than {_MAX_DEPTH} levels."
    if isinstance(value, dict):
        if len(value) > _MAX_KEYS:
            return f"An object in the value has more than {_MAX_KEYS} keys."
        if any(len(key) > MAX_KEY for key in value):
            return f"A key in the value is longer than {MAX_KEY} characters."
        children: Any = value.values()
    elif isinstance(value, list):
        children = value
    elif isinstance(value, float) and not isfinite(value):
        return "The value has a number out of range."  # the encoder would make null of it
    else:
        return None
    for child in children:
        wrong = _shape_problem(child, depth + 1)
        if wrong:
            return wrong
    return None
