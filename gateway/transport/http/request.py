"""From an HTTP request to a GraphQL one, or to the reason why it is none.

Owns the guards: method, content type, size while it streams in, encoding, nesting, numbers, names that stand twice. Must not execute anything and
never echoes what was sent. Called by `endpoint`.

**Other pages' requests (CSRF).** A page of another site can make a browser send a GET, or a POST with the content type of a form, without asking
us first. Credentials travel in `Authorization` alone, never in a cookie, and no browser adds that header by itself: such a request is nobody's,
and a page that sets the header makes the browser ask first (CORS). So `Authorization` *is* the header that a GET needs here; the two that Apollo's
clients send instead are taken as well, and lead to 401. The rule is checked although authentication would refuse the same requests, so that it
stands by itself the day there is another credential. A POST is taken as `application/json` only, which forms cannot send.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from gateway.engine.request import LONGEST_DOCUMENT_ID, persisted_hash
from gateway.engine.request import Request as Operation
from gateway.errors import BadRequest, MethodNotAllowed, PayloadTooLarge, UnsupportedMediaType
from gateway.transport.http.negotiation import JSON, media_type

__all__ = ["MAX_BODY", "MAX_NESTING", "METHODS", "Fields", "decoded", "guard", "operation_in", "read_body", "read_operation"]

MAX_BODY: Final = 256 * 1024
"""Bytes of a body, or of a query string."""
MAX_NESTING: Final = 64
"""Levels of objects and lists, as on a WebSocket. The decoder stops at 1 024, but encoders and input coercion recurse and stop sooner."""
METHODS: Final = "GET, POST, OPTIONS"

_ASKS_FIRST: Final = ("authorization", "apollo-require-preflight", "x-apollo-operation-name")
_PARAMETERS: Final = 100
_PLAIN_JSON: Final = [JSON]
"""What almost every request says of itself."""
_FEW: Final = 8
"""Objects and lists up to which it is quicker to count names than to read the text again."""
_MANY: Final = 1_000
"""Objects and lists from which on the collector is felt."""


class Headers(Protocol):
    """Header fields of a request, by their names in lower case."""

    def get(self, name: str, default: str | None = None, /) -> str | None:
        """The first value."""

    def getlist(self, name: str, /) -> Sequence[str]:
        """All values, in order."""

    def __contains__(self, name: Any, /) -> bool:
        """Whether there is one."""


class Fields:
    """Header fields as the server gives them, gone through once: each look-up in a list takes as long as to sort it into a table."""

    __slots__ = ("_values",)

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        """`raw`: names in lower case, and values; in any number and order."""
        self._values: dict[bytes, list[bytes]] = {}
        values = self._values
        for name, value in raw:
            if name in values:
                values[name].append(value)
            else:
                values[name] = [value]

    def get(self, name: str, default: str | None = None, /) -> str | None:
        """The first value."""
        found = self._values.get(name.encode())
        return default if found is None else found[0].decode("latin-1")

    def getlist(self, name: str, /) -> list[str]:
        """All values, in order."""
        return [value.decode("latin-1") for value in self._values.get(name.encode(), ())]

    def __contains__(self, name: str, /) -> bool:
        """Whether there is one."""
        return name.encode() in self._values


def guard(method: str, headers: Headers) -> None:
    """Refuse what needs no credentials and no body to be refused.

    Raises:
        MethodNotAllowed: neither GET nor POST.
        BadRequest: a GET that another site's page could have sent, or one with a body.
        PayloadTooLarge: the body is announced as larger than one may be: it is not read at all.
    """
    if method not in {"GET", "POST"}:
        raise MethodNotAllowed("GraphQL takes GET for queries and POST for everything.", METHODS)
    announced = headers.get("content-length", "0") or ""
    if method == "GET":
        if announced != "0" or "transfer-encoding" in headers:
            raise BadRequest("A GET has no body; send the operation in the query string, or by POST.")
        if not any(headers.get(name) for name in _ASKS_FIRST):
            raise BadRequest(
                "A GET needs the Authorization header (or Apollo-Require-Preflight), so that no other site's page can send it."
            )
    elif announced.isdecimal() and int(announced[:20]) > MAX_BODY:
        raise _too_large(MAX_BODY)


async def read_operation(request: Request, headers: Headers | None = None) -> Operation:
    """The operation in the query string of a GET or the body of a POST. `headers`: the request's, where they were gone through already.

    Raises:
        BadRequest: it is none; `PayloadTooLarge` and `UnsupportedMediaType` among the reasons.
    """
    if request.method == "GET":
        return _from_query(request.scope["query_string"])
    _check_content(Fields(request.scope["headers"]) if headers is None else headers)
    return operation_in(await read_body(request, MAX_BODY))


def operation_in(body: bytes) -> Operation:
    """The operation in the body of a POST, whose headers and length are what they may be.

    Raises:
        BadRequest: it is none.
    """
    return _operation(decoded(body))


async def read_body(request: Request, limit: int) -> bytes:
    """The body, counted while it streams in.

    Raises:
        PayloadTooLarge: more than `limit` bytes came.
        BadRequest: the client went away in the middle.
    """
    receive = request.receive  # `stream` asks the same, at five times the cost: almost every body comes in one piece
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("The request ended before its body did.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body may have {limit} bytes at most.")


def _check_content(headers: Headers) -> None:
    types = headers.getlist("content-type")
    if types != _PLAIN_JSON:
        name, parameters = media_type(types[0] if len(types) == 1 else "")
        if name != JSON or parameters.get("charset", "utf-8") not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType("Send the request as application/json in UTF-8.")
    if any(encoding.strip().lower() not in {"", "identity"} for encoding in headers.getlist("content-encoding")):
        raise UnsupportedMediaType("Compressed requests are not accepted here.")


def _from_query(query_string: bytes) -> Operation:
    if len(query_string) > MAX_BODY:
        raise PayloadTooLarge(f"The query string may have {MAX_BODY} bytes at most; send the operation by POST.")
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_PARAMETERS)
    except ValueError:  # not ASCII, not UTF-8 behind the percent signs, or hundreds of parameters
        raise BadRequest("The query string cannot be read.") from None
    given = dict(pairs)
    if len(given) < len(pairs):
        raise BadRequest("A parameter stands twice in the query string.")
    values: dict[str, Any] = {name: given[name] for name in ("query", "operationName", "documentId") if given.get(name)}
    values |= {name: decoded(given[name].encode()) for name in ("variables", "extensions") if given.get(name)}
    return _operation(values)


def _operation(given: object) -> Operation:
    if isinstance(given, list):
        raise BadRequest("Batches are not accepted: send one operation per request.")
    if not isinstance(given, dict):
        raise BadRequest("The body is not a JSON object with a query in it.")
    get = given.get
    query, variables, name, extensions, document_id = (
        get("query"),
        get("variables"),
        get("operationName"),
        get("extensions"),
        get("documentId"),
    )
    if (
        (variables is not None and not isinstance(variables, dict))
        or (extensions is not None and not isinstance(extensions, dict))
        or (name is not None and not isinstance(name, str))
    ):
        raise BadRequest("variables and extensions are objects, operationName is a string; each may be absent or null.")
    if document_id is not None and not (isinstance(document_id, str) and 0 < len(document_id) <= LONGEST_DOCUMENT_ID):
        raise BadRequest(f"documentId is a string of 1 to {LONGEST_DOCUMENT_ID} characters.")
    is_named = persisted_hash(extensions) is not None or document_id is not None
    if not (isinstance(query, str) and (query.strip() or is_named)) and not (query is None and is_named):
        raise BadRequest("query is a string with a document in it, unless documentId names one.")
    return Operation(query, variables, name, extensions, document_id)


# JSON


def decoded(text: bytes) -> Any:
    """The value, if it is one that every reader of this JSON understands the same way.

    Raises:
        BadRequest: it is none.
    """
    brackets = text.count(b"{") + text.count(b"[")
    if brackets <= _MANY:
        return _decoded(text, brackets)
    with _no_collection():
        return _decoded(text, brackets)


def _decoded(text: bytes, brackets: int) -> Any:
    try:
        value = orjson.loads(text)  # strict: UTF-8 without a mark, no NaN, no number beyond a double, no half surrogates, 1 024 levels
    except orjson.JSONDecodeError:
        raise BadRequest("This is not JSON in UTF-8.") from None
    if brackets > MAX_NESTING and _nested_deeper(text, MAX_NESTING):
        raise BadRequest(f"The JSON is nested deeper than {MAX_NESTING} levels.")
    # A name that stands twice is one value to us and may be the other to a firewall. The second reading costs microseconds where the first does, and
    # has nothing left to stumble over.
    if isinstance(value, dict | list) and not (brackets <= _FEW and _as_many_names_as_colons(text, value)):
        _UNIQUE.decode(text.decode())
    return value


def _as_many_names_as_colons(text: bytes, value: dict[str, Any] | list[Any]) -> bool:
    """Whether each colon of this JSON is inside a text of the value, or behind a name that is there: then no name stands twice. A value that was
    overwritten takes its colons with it, so that there are some left over; False says nothing.
    """
    if b"\\u" in text:  # an escaped colon is none in the text
        return False
    left = text.count(b":")
    waiting: list[Any] = [value]
    for one in waiting:  # grows while it is read
        if one.__class__ is str:
            left -= one.count(":")
        elif one.__class__ is dict:
            left -= len(one)
            for name in one:
                left -= name.count(":")
            waiting += one.values()
        elif one.__class__ is list:
            waiting += one
    return left == 0


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection meanwhile: it would look through the young value again and again, ten times the cost of making it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _nested_deeper(text: bytes, levels: int) -> bool:
    """Whether this JSON has more than `levels` levels. Walking the value would take Python 100 ms for a body of 80 000 lists; this takes 5."""
    brackets = _STRING.sub(b"", text).translate(_ONE_KIND, _NO_BRACKETS)
    for _ in range(levels):
        brackets = brackets.replace(b"[]", b"")  # the innermost ones, of each branch
        if not brackets:
            return False
    return True


def _refuse_twice(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadRequest("A name stands twice in one JSON object.")
    return found


_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_UNIQUE: Final = json.JSONDecoder(object_pairs_hook=_refuse_twice, parse_int=len, parse_float=len)
"""Numbers are not converted: an integer of thousands of digits would be refused for its length, and takes long."""
