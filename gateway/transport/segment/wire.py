"""The body of a request: which items it has, and how one item reads.

Owns the shapes of Segment's bodies and the isolation of a broken item from its neighbours. Must not interpret an item: that is `event`.
The fast way never looks into an item; a body with an item that is not JSON at all (NaN, half a surrogate pair, bottomless nesting) is
cut at its brackets, so that only that item is lost. Called by `transport.tracking`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gateway.commands.validation import escapes_nul
from gateway.errors import BadRequest, PayloadTooLarge

__all__ = ["MAX_BATCH_EVENTS", "Batch", "Context", "Item", "label_of", "read_batch", "read_item", "read_single"]

MAX_BATCH_EVENTS = 2500


@dataclass(frozen=True, slots=True)
class Batch:
    """The raw items of a body in order, and what it says besides: `sent_at` and `write_key` are unchecked."""

    items: Sequence[bytes]
    sent_at: Any
    write_key: str | None


class Context(msgspec.Struct, rename="camel"):
    """The parts of `context` that mean something here; everything else is skipped unread."""

    external_ids: Any = None
    locale: Any = None
    timezone: Any = None
    page: Any = None
    account: Any = None
    trait_meta: Any = None


class Item(msgspec.Struct, rename="camel"):
    """One call as it was sent. Types are checked where a value is used, so that a refusal can name the value and the message."""

    type: Any = None
    message_id: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    previous_id: Any = None
    group_id: Any = None
    event: Any = None
    name: Any = None
    category: Any = None
    traits: Any = None
    properties: Any = None
    context: Context | None = None
    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None


class _Envelope(msgspec.Struct, rename="camel"):
    batch: list[msgspec.Raw]
    sent_at: Any = None
    write_key: Any = None


class _Single(msgspec.Struct, rename="camel"):
    sent_at: Any = None
    write_key: Any = None


class _Label(msgspec.Struct, rename="camel"):
    message_id: Any = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_SINGLE: Final = msgspec.json.Decoder(_Single)
_ITEM: Final = msgspec.json.Decoder(Item)
_LABEL: Final = msgspec.json.Decoder(_Label)

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|"|[\[{]+|[\]}]+|,', re.DOTALL)
_COLON: Final = re.compile(rb"\s*:\s*")
_QUOTE, _COMMA = b'",'
_OPENING: Final = frozenset(b"[{")
_IN_BATCH = 2
"""Brackets that are open around an item: the body's and the list's."""


def read_batch(body: bytes) -> Batch:
    """The items of `{"batch": […]}`.

    Raises:
        BadRequest: it is not such an object.
        PayloadTooLarge: it has more than `MAX_BATCH_EVENTS` items.
    """
    try:
        envelope = _ENVELOPE.decode(body)
        _check_count(envelope.batch)
        items = [bytes(item) for item in envelope.batch]
    except msgspec.ValidationError as error:
        raise BadRequest('The body is a JSON object with a list of events: {"batch": […]}.') from error
    except (ValueError, RecursionError) as error:
        rest, items = _cut(body)
        try:
            envelope = _ENVELOPE.decode(rest)
        except (ValueError, RecursionError):
            raise BadRequest("The body is not JSON.") from error
        if envelope.batch:  # two lists of this name
            raise BadRequest("The body is not JSON.") from error
    return Batch(items, envelope.sent_at, _text_or_none(envelope.write_key))


def read_single(body: bytes) -> Batch:
    """The body of a single call as a batch of one.

    Raises:
        BadRequest: it is not a JSON object.
    """
    try:
        single = _SINGLE.decode(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is a JSON object: one event.") from error
    return Batch((body,), single.sent_at, _text_or_none(single.write_key))


def read_item(raw: bytes) -> Item:
    """One item, every text in it free of NUL and of half surrogate pairs, every number finite.

    Raises:
        ValueError: it is none; the message says why without repeating a value.
    """
    if escapes_nul(raw):
        raise ValueError("The event contains a NUL character.")
    try:
        return _ITEM.decode(raw)
    except UnicodeDecodeError:
        raise ValueError("The event is not UTF-8.") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"The event cannot be read: {error}.") from None
    except RecursionError:
        raise ValueError("The event is nested too deep.") from None


def label_of(raw: bytes) -> Any:
    """The message id of an item that was refused unread, if it can be had."""
    try:
        return _LABEL.decode(raw).message_id
    except (ValueError, RecursionError):
        return None


def _check_count(items: Sequence[object]) -> None:
    if len(items) > MAX_BATCH_EVENTS:
        raise PayloadTooLarge(f"A batch has at most {MAX_BATCH_EVENTS} events.")


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _cut(body: bytes) -> tuple[bytes, list[bytes]]:
    """The body with an empty list in place of its batch, and the items that stood there, found by brackets, quotes and commas alone."""
    depth, key, opened, begin = 0, b"", -1, 0
    key_end = 0
    items: list[bytes] = []
    for match in _TOKEN.finditer(body):
        token = match[0]
        kind = token[0]
        if kind == _QUOTE:
            if len(token) == 1:  # never closed; to look for more would take forever
                break
            if depth == 1:
                key, key_end = token, match.end()
        elif kind == _COMMA:
            if opened >= 0 and depth == _IN_BATCH:
                items.append(body[begin : match.start()])
                _check_count(items)
                begin = match.end()
        elif kind in _OPENING:
            if depth == 1 and key == b'"batch"' and token[:1] == b"[" and _COLON.fullmatch(body, key_end, match.start()):
                opened, begin = match.start(), match.start() + 1
            depth += len(token)
        else:
            closing = match.start() + depth - _IN_BATCH
            depth -= len(token)
            if opened >= 0 and depth < _IN_BATCH:
                last = body[begin:closing]
                if items or last.strip():
                    items.append(last)
                    _check_count(items)
                return body[:opened] + b"[]" + body[closing + 1 :], items
    return body, items
