"""From an operator's tables to requests: templates, how keys are written, which names travel.

Owns what a template may say, checked when the gateway starts, and how it is filled; pure, nothing is sent here. A key that cannot be written
without meaning something else (a comma among commas, a step up in a path) is not asked for: nobody is known by it. Called by `rest_question`
and `rest_write`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from gateway.errors import ConfigurationError
from gateway.sources.adapters.rest_options import Request, Selection
from gateway.sources.addresses import UnsafeKey, checked_headers, checked_template, fill

__all__ = ["Asked", "Keys", "RequestTemplate", "checked", "fields_of", "writable"]

_SLOT: Final = re.compile(r"\{([a-z]+)\}")
_WORD: Final = re.compile(r"[A-Za-z0-9_.@+-]+")
"""A key that search languages read as one word, and as no operator or quote of theirs."""
_SECRETS: Final = frozenset({"authorization", "cookie"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, ready to be sent. Equal ones have the same answer."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    def with_params(self, *more: tuple[str, str]) -> Asked:
        """The same with these parameters instead of those of their names."""
        names = {name for name, _ in more}
        return replace(self, params=(*((name, value) for name, value in self.params if name not in names), *more))

    def with_header(self, name: str, value: str) -> Asked:
        """The same with one header more."""
        return replace(self, headers=(*self.headers, (name.lower(), value)))


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of one request, and how they are written in it."""

    keys: Sequence[str]
    join: str = "comma"
    prefix: str = ""

    @property
    def texts(self) -> list[str]:
        """As values of a parameter: one, or as many as there are keys."""
        return [self.prefix + key for key in self.keys] if self.join == "repeat" else [self.text]

    @property
    def text(self) -> str:
        """As one text."""
        keys = [self.prefix + key for key in self.keys]
        if self.join == "json":
            return orjson.dumps(keys).decode()
        if self.join == "quoted":
            return ",".join("'" + key.replace("\\", "\\\\").replace("'", "\\'") + "'" for key in keys)
        return (" " if self.join == "space" else ",").join(keys)


def writable(key: str, join: str) -> bool:
    """Whether the key stays one key when it is written like this."""
    if not key or not key.isprintable():
        return False
    return _WORD.fullmatch(key) is not None if join == "space" else join != "comma" or "," not in key


def fields_of(selection: Selection, wanted: frozenset[str] | None, known: frozenset[str] | None) -> list[str] | None:
    """Their names for what is wanted; None: everything they have. `known`: our names that the mapping can fill (None: any)."""
    if wanted is None and known is None and not selection.names:
        return None
    ours = sorted(wanted if wanted is not None else known if known is not None else selection.names)
    return list(dict.fromkeys([*selection.always, *(selection.names.get(name, name) for name in ours if known is None or name in known)]))


def checked(where: str, check: Any, text: Any) -> Any:
    """What `check` makes of `text`; what it refuses is said to stand at `where`."""
    try:
        return check(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error.message}") from error


class RequestTemplate:
    """A request with names in braces, checked. `used`: which of them it uses.

    Raises:
        ConfigurationError: an unknown name, a path that is none, a header that breaks its line; the message begins with `where`.
    """

    def __init__(self, request: Request, where: str, slots: frozenset[str]) -> None:
        self.method: str = request.method
        self._path = request.path
        self._params = dict(request.params)
        self._headers = tuple(checked(f"{where}.headers", checked_headers, request.headers).items())
        self._body = request.body
        self.used: set[str] = set()
        for name in dict(self._headers):
            if name in _SECRETS:
                raise ConfigurationError(f"{where}.headers.{name}: a secret does not stand in the file; name where it is kept, under auth")
        for at, text in _texts({"path": request.path, "params": request.params, "body": request.body}, where):
            for slot in _SLOT.findall(text):
                if slot not in slots:
                    raise ConfigurationError(f"{at}: {{{slot}}} stands for nothing here; there are {_listed(slots)}")
                self.used.add(slot)
        in_path = set(_SLOT.findall(request.path))
        if wrong := in_path & {"fields", "limit", "since", "until", "order", "body", "author"}:
            raise ConfigurationError(f"{where}.path: {_listed(wrong)} is no step of a path")
        checked(f"{where}.path", checked_template, _SLOT.sub("{key}", request.path))
        if request.method == "GET" and request.body is not None:
            raise ConfigurationError(f'{where}.body: a GET has none; set method = "POST"')

    def filled(self, values: Mapping[str, Any], *more: tuple[str, Any]) -> Asked | None:
        """The request, or None: a value cannot be part of its path. `more`: parameters beyond the template's.

        A value under the name `open <slot>` is taken within a text where the slot itself has none.
        """
        try:
            path = "".join(
                fill("/{key}", _text(slot, values))[1:] if is_slot and slot != "keys" else _path_list(values[slot]) if is_slot else slot
                for is_slot, slot in _pieces(self._path)
            )
        except UnsafeKey:
            return None
        params: list[tuple[str, str]] = []
        for name, value in (*((name, _value(text, values)) for name, text in self._params.items()), *more):
            if value is not None:
                params += [(name, one) for one in (value.texts if isinstance(value, Keys) else [_written(value)])]
        body = None if self._body is None else orjson.dumps(_json(self._body, values))
        return Asked(self.method, path, tuple(params), self._headers, body)


def _path_list(keys: Keys) -> str:
    return ",".join(fill("/{key}", key)[1:] for key in keys.keys)


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """(whether it is a name in braces, name or literal text), in order."""
    for number, piece in enumerate(_SLOT.split(text)):
        if piece:
            yield bool(number % 2), piece


def _value(text: str, values: Mapping[str, Any]) -> Any:
    """A lone name: its value, whatever it is; else a text."""
    alone = _SLOT.fullmatch(text)
    if alone:
        return values.get(alone[1])
    return "".join(_text(piece, values) if is_slot else piece for is_slot, piece in _pieces(text))


def _text(slot: str, values: Mapping[str, Any]) -> str:
    value = values.get(slot)
    return _written(values.get(f"open {slot}", "") if value is None else value)


def _written(value: Any) -> str:
    """A value as text."""
    if isinstance(value, Keys):
        return value.text
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _json(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, str):
        value = _value(template, values)
        return list(value.keys) if isinstance(value, Keys) else value
    if isinstance(template, Mapping):
        return {_written(_value(key, values)): _json(one, values) for key, one in template.items() if not _is_left_out(one, values)}
    return [_json(one, values) for one in template] if isinstance(template, list) else template


def _is_left_out(template: Any, values: Mapping[str, Any]) -> bool:
    """Whether it is a lone name that has no value; one whose value is None is a null."""
    alone = _SLOT.fullmatch(template) if isinstance(template, str) else None
    return alone is not None and alone[1] not in values


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every text of a table, keys included, with where it stands."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield f"{where}.{key}", str(key)
            yield from _texts(one, f"{where}.{key}")
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one, where)


def _listed(slots: frozenset[str] | set[str]) -> str:
    return ", ".join(f"{{{slot}}}" for slot in sorted(slots))
