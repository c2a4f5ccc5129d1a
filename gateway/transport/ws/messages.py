"""Client messages of graphql-transport-ws: from a text frame to a typed message, or `BadRequest` with the reason of close code 4400.

Owns the shape of every message a client may send (PROTOCOL.md of enisdenjo/graphql-ws) and the JSON guards: nesting, numbers, encoding.
Must not know what state a socket is in, and never echoes what the client sent. Pure; called by `protocol` alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from gateway.engine.request import LONGEST_DOCUMENT_ID, Request
from gateway.errors import BadRequest

__all__ = ["LONGEST_ID", "MAX_NESTING", "Complete", "ConnectionInit", "Message", "Ping", "Pong", "Subscribe", "parse"]

LONGEST_ID = 256
"""Characters of an operation id; clients make UUIDs or counters."""

MAX_NESTING = 64
"""Levels of objects and lists in one frame. The decoder itself stops at 1 024, but encoders and input coercion recurse and stop sooner."""

_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ConnectionInit:
    """`token` is the bearer token, None when none was sent; `legible` is False when something was sent that is not one bearer token."""

    token: str | None
    legible: bool = True


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered by a pong with the same payload; None: no payload."""

    payload: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Pong:
    """An answer to our ping, or an unsolicited heartbeat."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Any operation, not only a subscription, under an id of the client's choice."""

    id: str
    request: Request


@dataclass(frozen=True, slots=True)
class Complete:
    """The client wants nothing more for this id."""

    id: str


Message: TypeAlias = ConnectionInit | Ping | Pong | Subscribe | Complete


def parse(frame: str) -> Message:
    """The message in a text frame. Raises `BadRequest`, whose text fits a close reason (≤ 123 bytes)."""
    try:
        value = orjson.loads(frame)
    except orjson.JSONDecodeError:  # also: nested deeper than 1 024, numbers beyond a double, lone surrogates
        raise BadRequest("Invalid message: not JSON") from None
    if not isinstance(value, dict):
        raise BadRequest("Invalid message: not a JSON object")
    # Counting brackets is cheap and almost always enough: only a frame with many of them is walked.
    if frame.count("{") + frame.count("[") > MAX_NESTING and _nested_deeper(value, MAX_NESTING):
        raise BadRequest(f"Invalid message: nested deeper than {MAX_NESTING} levels")
    match value.get("type"):
        case "connection_init":
            return _connection_init(_object_or_none(value, "payload") or {})
        case "ping":
            return Ping(_object_or_none(value, "payload"))
        case "pong":
            _object_or_none(value, "payload")
            return Pong()
        case "subscribe":
            return Subscribe(_id(value), _request(value.get("payload")))
        case "complete":
            return Complete(_id(value))
        case str():
            raise BadRequest("Invalid message: unknown type")
        case _:
            raise BadRequest("Invalid message: 'type' must be a string")


def _connection_init(payload: dict[str, Any]) -> ConnectionInit:
    sent = [value for key, value in payload.items() if key.lower() == "authorization" and value is not None]
    if not sent:
        return ConnectionInit(None)
    # Two spellings of the key with two tokens: whichever we took, somebody else may have checked the other.
    found = _BEARER.fullmatch(sent[0]) if len(sent) == 1 and isinstance(sent[0], str) else None
    return ConnectionInit(found[1]) if found else ConnectionInit(None, legible=False)


def _request(payload: object) -> Request:
    if not isinstance(payload, dict):
        raise BadRequest("Invalid message: 'payload' must be an object")
    query = payload.get("query")
    extensions = _object_or_none(payload, "extensions")
    document_id = payload.get("documentId")
    if document_id is not None and not (isinstance(document_id, str) and 0 < len(document_id) <= LONGEST_DOCUMENT_ID):
        raise BadRequest(f"Invalid message: 'documentId' must be a string of 1 to {LONGEST_DOCUMENT_ID} characters")
    if not isinstance(query, str) and (query is not None or (extensions is None and document_id is None)):
        raise BadRequest("Invalid message: 'query' must be a string")
    operation_name = payload.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise BadRequest("Invalid message: 'operationName' must be a string or null")
    return Request(query, _object_or_none(payload, "variables"), operation_name, extensions, document_id)


def _id(value: dict[str, Any]) -> str:
    operation_id = value.get("id")
    if not isinstance(operation_id, str) or not 0 < len(operation_id) <= LONGEST_ID:
        raise BadRequest(f"Invalid message: 'id' must be a string of 1 to {LONGEST_ID} characters")
    return operation_id


def _object_or_none(value: dict[str, Any], key: str) -> dict[str, Any] | None:
    found = value.get(key)
    if found is not None and not isinstance(found, dict):
        raise BadRequest(f"Invalid message: '{key}' must be an object or null")
    return found


def _nested_deeper(value: dict[str, Any], levels: int) -> bool:
    """Whether there are more than `levels` levels of containers; breadth first, because recursion is what it guards against."""
    level: list[dict[str, Any] | list[Any]] = [value]
    for _ in range(levels):
        level = [
            inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer) if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True
