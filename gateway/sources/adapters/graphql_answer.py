"""What an answer of a GraphQL API says of whom: rows by key, and which keys its errors concern.

Owns the reading of `{data, errors}`; pure, nothing is sent here, and no message of an error is looked at. Called by `graphql`.

* An error whose path leads into a row concerns that row's key: a null there means "failed", not "none", so the key has no answer.
* With any error at all, a key without a row may have failed as well as be unknown: it has no answer either.
* Without errors, a key without a row is unknown; fields that nobody asked for are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import ConfigurationError
from gateway.sources.conversions import UNREADABLE, to_id
from gateway.sources.expressions import Expression

__all__ = ["Answered", "RowPath", "answered"]

Path = tuple[str | int, ...]

_STEP: Final = re.compile(r"([_A-Za-z][_0-9A-Za-z]*)(\[\])?")


class RowPath:
    """Where rows stand in `data`, each with its path, as errors name it.

    Raises:
        ConfigurationError: it is no such path; the message begins with `where`.
    """

    def __init__(self, text: str, where: str) -> None:
        steps = [_STEP.fullmatch(step) for step in text.split(".")]
        if None in steps:
            raise ConfigurationError(f'{where}: {text[:100]!r} is no path of names, such as "people" or "search.edges[].node"')
        self._names = [step[1] for step in steps if step is not None]

    def __call__(self, data: Any) -> list[tuple[Path, Any]]:
        """The rows; a list on the way or at the end is taken apart, and null is none."""
        found: list[tuple[Path, Any]] = [((), data)]
        for name in self._names:
            found = [one for path, value in found if isinstance(value, Mapping) for one in _apart((*path, name), value.get(name))]
        return found


def _apart(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, list):
        yield from (((*path, index), one) for index, one in enumerate(value) if one is not None)
    elif value is not None:
        yield path, value


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer. `rows`: key and row, as they came; `failed`: keys that errors concern; `has_errors`: whether there were any; `stray`: rows
    without a key.
    """

    data: Any
    rows: Sequence[tuple[str, Any]]
    failed: frozenset[str] = frozenset()
    has_errors: bool = False
    stray: int = 0

    def lost(self, keys: Sequence[str]) -> frozenset[str]:
        """Which of the keys that were asked for have no answer."""
        if not self.has_errors:
            return frozenset()
        known = {key for key, _ in self.rows}
        return self.failed | {key for key in keys if key not in known}


def answered(value: Any, rows: RowPath, key: Expression) -> Answered | None:
    """What the body of an answer says; None: it has no data."""
    if not isinstance(value, Mapping) or not isinstance(value.get("data"), Mapping):
        return None
    by_path: dict[Path, str] = {}
    found: list[tuple[str, Any]] = []
    stray = 0
    for path, row in rows(value["data"]):
        name = to_id(key(row))
        if name is UNREADABLE:
            stray += 1
        else:
            by_path[path] = name
            found.append((name, row))
    errors = value.get("errors")
    has_errors = errors is not None and errors != []
    concerned = (_concerned(error, by_path) for error in errors) if isinstance(errors, list) else ()
    return Answered(value["data"], found, frozenset(one for one in concerned if one is not None), has_errors, stray)


def _concerned(error: Any, by_path: Mapping[Path, str]) -> str | None:
    """The key whose row the error's path leads into."""
    path = error.get("path") if isinstance(error, Mapping) else None
    if not isinstance(path, list) or not all(isinstance(step, str | int) for step in path):
        return None
    for length in range(1, len(path) + 1):
        name = by_path.get(tuple(path[:length]))
        if name is not None:
            return name
    return None
