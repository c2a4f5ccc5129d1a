"""Reading what a server sends, bounded in every direction: headers, bytes as sent and as inflated, nesting and number of values.

Owns those bounds; no network here, so that they are proven without one. What breaks a bound is an `Unreadable` whose words are ours: nothing that a
server wrote gets into it. Called by `gateway.sources.http`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

__all__ = ["MAX_HEADERS", "MAX_HEADER_BYTES", "Body", "Unreadable", "parse", "plain_headers", "too_deep"]

MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 32 * 1024
MAX_CONTAINERS: Final = 100_000
"""Objects and lists of one answer: each may cost 200 bytes although it takes two in the text."""
MAX_VALUES: Final = 500_000
"""Commas of one answer."""
_LONG_NUMBER: Final = re.compile(rb"[0-9]{19,}")
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_INTEGER: Final = re.compile(rb"(?<![0-9.eE+])(-?[0-9]{19,})(?![0-9.eE])")
_PIECE: Final = 64 * 1024


class Unreadable(Exception):
    """The answer cannot be used; the message says which bound it broke."""


def plain_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name in lower case; one that stands several times is joined by commas.

    Raises:
        Unreadable: there are too many, or they are too long.
    """
    headers: dict[str, str] = {}
    size = 0
    for number, (name, value) in enumerate(raw, 1):
        size += len(name) + len(value)
        if number > MAX_HEADERS or size > MAX_HEADER_BYTES:
            raise Unreadable(f"more than {MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes of them")
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


class Body:
    """One answer's body while it arrives: inflated if need be, never longer than `limit`, neither as sent nor as inflated."""

    def __init__(self, headers: Mapping[str, str], limit: int) -> None:
        """Refuses what is announced as too large before a byte of it is read.

        Raises:
            Unreadable: it is, or it is encoded in a way that was not asked for.
        """
        self._limit = limit
        self._sent = 0
        self._bytes = bytearray()
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", "x-gzip", ""}:
            raise Unreadable("an encoding that was not asked for")
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS) if "gzip" in encoding else None
        announced = headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced[:20]) > limit:
            raise Unreadable(f"more than {limit} bytes")

    def feed(self, chunk: bytes) -> None:
        """Takes what came.

        Raises:
            Unreadable: it is too much by now, or not compressed as announced.
        """
        self._sent += len(chunk)
        if self._sent > self._limit:
            raise self._too_long()
        if self._inflate is None:
            self._bytes += chunk
            return
        while True:
            try:
                piece = self._inflate.decompress(chunk, _PIECE)
            except zlib.error:
                raise Unreadable("compressed data that is broken") from None
            self._bytes += piece
            if len(self._bytes) > self._limit:
                raise self._too_long()
            if self._inflate.unused_data:
                raise Unreadable("more behind the end of what is compressed")
            chunk = self._inflate.unconsumed_tail
            if not chunk and len(piece) < _PIECE:  # a full piece may have more behind it, though all input is taken
                return

    def whole(self) -> bytearray:
        """All of it.

        Raises:
            Unreadable: what is compressed has no end.
        """
        if self._inflate is not None and self._sent and not self._inflate.eof:
            raise Unreadable("compressed data that ends too early")
        return self._bytes

    def _too_long(self) -> Unreadable:
        return Unreadable(f"more than {self._limit} bytes")


def parse(text: bytes | bytearray, max_depth: int, headers: Mapping[str, str]) -> Any:
    """The JSON value of a body with these headers.

    Raises:
        Unreadable: it is not called JSON in UTF-8, or is not, is nested deeper than `max_depth`, holds more values than an answer may, or an integer
            beyond 64 bits (which would lose its last digits: two people's keys may become one).
    """
    if not _is_called_json(headers.get("content-type", "")):
        raise Unreadable("something that it does not call JSON in UTF-8")
    if text.count(b"{") + text.count(b"[") > MAX_CONTAINERS or text.count(b",") > MAX_VALUES:
        raise Unreadable("more values than an answer may have")
    if _LONG_NUMBER.search(text) and any(_is_too_large(match[1]) for match in _INTEGER.finditer(_STRING.sub(b'""', text))):
        raise Unreadable("an integer beyond 64 bits")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Unreadable("no JSON, or not all of it") from None
    if too_deep(value, max_depth):
        raise Unreadable(f"JSON nested deeper than {max_depth} levels")
    return value


def _is_called_json(content_type: str) -> bool:
    name, _, parameters = content_type.lower().partition(";")
    name = name.strip()
    if name != "application/json" and not (name.startswith("application/") and name.endswith("+json")):
        return False
    charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", parameters)
    return charset is None or charset[1] in {"utf-8", "utf8"}


def _is_too_large(digits: bytes) -> bool:
    return not -(2**63) <= int(digits[:22]) < 2**64  # 22 digits are enough to tell


def too_deep(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested deeper than so many levels; level by level, so that no stack grows with it."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        if not level:
            return False
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
    return bool(level)
