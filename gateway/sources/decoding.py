"""Tables of a TOML file against the structs they should be: everything that is wrong, each with its path, in words that say what to write.

Owns the walk through a table and its type side by side, and on which line of the file a key stands. Must not know what a table means, and never
repeats a value, which may be a secret in the wrong place. Called by `configuration`.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from gateway.sources.definition import Secret

__all__ = ["KeyPath", "Wrong", "line_of", "lines_of", "secrets_in", "wrongs"]

KeyPath = tuple[str, ...]
Wrong = tuple[KeyPath, str]
"""Where, and what is wrong there."""

_KEPT_ELSEWHERE: Final = 'a secret does not stand in the file: write { env = "NAME" } or { file = "path" }'
_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_HEADER: Final = re.compile(rf"\s*\[\[?\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]")
_ASSIGNED: Final = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")


def wrongs(value: Any, kind: Any, at: KeyPath = ()) -> Iterator[Wrong]:
    """What keeps `value`, as TOML gives it, from being of the type `kind`; nothing when it is."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        yield from _inside(value, kind, at) or [(at, _told(error, kind))]


def _inside(value: Any, kind: Any, at: KeyPath) -> list[Wrong]:
    """What is wrong further in; empty when it is this very value."""
    for one in _alternatives(kind):
        origin, arguments = get_origin(one), get_args(one)
        if isinstance(one, type) and issubclass(one, msgspec.Struct) and isinstance(value, dict):
            return list(_in_struct(value, one, at))
        if origin in {dict, Mapping} and isinstance(value, dict):
            return [wrong for key, inner in value.items() for wrong in wrongs(inner, arguments[1], (*at, str(key)))]
        if origin in {list, tuple, Sequence, frozenset, set} and isinstance(value, list) and arguments:
            return [wrong for index, inner in enumerate(value) for wrong in wrongs(inner, arguments[0], (*at, str(index)))]
    return []


def _in_struct(table: dict[str, Any], struct: type[msgspec.Struct], at: KeyPath) -> Iterator[Wrong]:
    fields = {one.encode_name: one for one in msgspec.structs.fields(struct)}
    for key in table:
        if key not in fields:
            close = get_close_matches(key, fields, 1)
            meant = f"did you mean {close[0]}? There are" if close else "there are"
            yield (*at, key), f"is not known; {meant} {', '.join(fields)}"
    for key, one in fields.items():
        if key in table:
            yield from wrongs(table[key], one.type, (*at, key))
        elif one.required:
            yield (*at, key), "is missing"


def _told(error: msgspec.ValidationError, kind: Any) -> str:
    if any(one is Secret for one in _alternatives(kind)):
        return _KEPT_ELSEWHERE
    for one in _alternatives(kind):
        choices = _choices(one)
        if choices:
            return f"is one of {', '.join(choices)}"
    return str(error).partition(" - at ")[0][:1].lower() + str(error).partition(" - at ")[0][1:]


def _choices(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return [repr(one) if not isinstance(one, str) else one for one in get_args(kind)]
    members = getattr(kind, "__members__", None)
    return [str(one.value) for one in members.values()] if members else []


def _alternatives(kind: Any) -> Iterator[Any]:
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif origin in {Union, types.UnionType}:
        for one in get_args(kind):
            yield from _alternatives(one)
    elif kind is not type(None):
        yield kind


def secrets_in(value: Any, at: KeyPath = ()) -> Iterator[tuple[KeyPath, Secret]]:
    """Every secret that decoded options name, with its path."""
    if isinstance(value, Secret):
        yield at, value
    elif isinstance(value, msgspec.Struct):
        for one in msgspec.structs.fields(type(value)):
            yield from secrets_in(getattr(value, one.name), (*at, one.encode_name))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from secrets_in(inner, (*at, str(key)))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from secrets_in(inner, (*at, str(index)))


def lines_of(text: str) -> dict[KeyPath, int]:
    """The line of each table and key of a TOML file that stands at a line's beginning."""
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    quoted = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not quoted:
            if (header := _HEADER.match(line)) is not None:
                table = _parts(header[1])
                for end in range(1, len(table) + 1):
                    found.setdefault(table[:end], number)
            elif (assigned := _ASSIGNED.match(line)) is not None:
                found.setdefault((*table, *_parts(assigned[1])), number)
        for quotes in ('"""', "'''"):  # a text of several lines hides what looks like a table in it
            if quoted in {"", quotes} and line.count(quotes) % 2:
                quoted = "" if quoted else quotes
    return found


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int | None:
    """The line of the innermost part of a path that has one."""
    named = tuple(part for part in path if not part.isdecimal())
    return next((lines[named[:end]] for end in range(len(named), 0, -1) if named[:end] in lines), None)


def _parts(dotted: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in re.findall(_KEY, dotted))
