"""From an HTTP request to an operation: guards before the body, the size while it comes, and JSON that everybody reads the same way."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message

from gateway.engine.request import Request as Operation
from gateway.errors import BadRequest, GatewayError, MethodNotAllowed, PayloadTooLarge, UnsupportedMediaType
from gateway.transport.http.request import MAX_BODY, MAX_NESTING, guard, read_operation

__all__: list[str] = []

QUERY = "{ viewer { scopes } }"
JSON = {"content-type": "application/json"}


class Body:
    """A body that comes in chunks; `asked`: how many were taken."""

    def __init__(self, *chunks: bytes | None) -> None:
        """None: the client goes away."""
        self._chunks = chunks
        self.asked = 0

    async def receive(self) -> Message:
        """The next chunk."""
        chunk = self._chunks[self.asked]
        self.asked += 1
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": self.asked < len(self._chunks)}


async def posted(*chunks: bytes | None, headers: dict[str, str] = JSON) -> Operation:
    """The operation of a POST."""
    raw = Headers(headers).raw
    return await read_operation(Request({"type": "http", "method": "POST", "headers": raw}, Body(*chunks).receive))


async def got(query_string: str) -> Operation:
    """The operation of a GET."""
    return await read_operation(Request({"type": "http", "method": "GET", "headers": [], "query_string": query_string.encode()}))


# Before the body


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "TRACE", "QUERY", "get"])
def test_methods(method: str) -> None:
    """Neither GET nor POST is not allowed, and told what is."""
    with pytest.raises(MethodNotAllowed) as refused:
        guard(method, Headers({"authorization": "Bearer x"}))
    assert refused.value.allowed == "GET, POST, OPTIONS"


@pytest.mark.parametrize("header", ["authorization", "apollo-require-preflight", "x-apollo-operation-name"])
def test_a_get_that_made_a_browser_ask_first(header: str) -> None:
    """Each of the headers that no page can send unasked lets a GET in; an empty one does not."""
    guard("GET", Headers({header: "x"}))
    with pytest.raises(BadRequest, match="no other site's page"):
        guard("GET", Headers({header: ""}))


@pytest.mark.parametrize("headers", [{}, {"cookie": "a=b"}, {"accept": "application/json"}, {"content-type": "text/plain"}])
def test_a_get_that_any_page_can_send(headers: dict[str, str]) -> None:
    """Headers that a page may set without asking do not."""
    with pytest.raises(BadRequest, match="no other site's page"):
        guard("GET", Headers(headers))


@pytest.mark.parametrize("headers", [{"content-length": "1"}, {"transfer-encoding": "chunked"}])
def test_a_get_with_a_body(headers: dict[str, str]) -> None:
    """A GET has no body."""
    guard("GET", Headers({"authorization": "x", "content-length": "0"}))
    with pytest.raises(BadRequest, match="no body"):
        guard("GET", Headers({"authorization": "x", **headers}))


def test_an_announced_size() -> None:
    """A body that is announced as too large is refused before a byte of it was read."""
    guard("POST", Headers({"content-length": str(MAX_BODY)}))
    for size in (MAX_BODY + 1, 10**18, 10**5000):
        with pytest.raises(PayloadTooLarge):
            guard("POST", Headers({"content-length": "9" * 5000 if size == 10**5000 else str(size)}))


# The body


async def test_size_while_it_comes() -> None:
    """262 144 bytes are read; with one more nothing that follows is taken."""
    whole = json.dumps({"query": QUERY}).encode().ljust(MAX_BODY)

    assert (await posted(whole[:1000], whole[1000:])).query == QUERY
    body = Body(*[b" " * 65_536] * 4, b" ", *[b" " * 65_536] * 100)
    with pytest.raises(PayloadTooLarge):
        await read_operation(Request({"type": "http", "method": "POST", "headers": Headers(JSON).raw}, body.receive))
    assert body.asked == 5


async def test_half_a_body() -> None:
    """A client that goes away in the middle sent no request."""
    with pytest.raises(BadRequest, match="ended before"):
        await posted(b'{"query"', None)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/graphql"},
        {"content-type": "application/graphql-response+json"},
        {"content-type": "application/json, text/plain"},
        {"content-type": "application/json; charset=utf-16"},
        {**JSON, "content-encoding": "gzip"},
        {**JSON, "content-encoding": "identity, br"},
        {**JSON, "content-encoding": "zstd"},
    ],
    ids=str,
)
async def test_types_and_encodings(headers: dict[str, str]) -> None:
    """Anything but plain application/json in UTF-8 is refused without a look at the body."""
    with pytest.raises(UnsupportedMediaType):
        await posted(headers=headers)


async def test_two_content_types() -> None:
    """A content type that stands twice is none."""
    raw = [(b"content-type", b"application/json"), (b"content-type", b"text/plain")]
    with pytest.raises(UnsupportedMediaType):
        await read_operation(Request({"type": "http", "method": "POST", "headers": raw}))


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON;charset=UTF-8", 'application/json; charset="utf-8"'])
async def test_types_that_are_fine(kind: str) -> None:
    """However application/json is written."""
    headers = {"content-type": kind, "content-encoding": "identity"}
    operation = await posted(
        json.dumps({"query": QUERY, "variables": {"a": 1}, "operationName": "A", "extensions": {}}).encode(), headers=headers
    )

    assert operation == Operation(QUERY, {"a": 1}, "A", {})


# JSON


@pytest.mark.parametrize(
    "twice",
    [
        '{"query": "{ a }", "query": "{ b }"}',
        '{"query": "{ a }", "\\u0071uery": "{ b }"}',
        '{"query": "{ a }", "variables": {"x": {"y": [{"z": 1, "z": 1}]}}}',
        '{"query": "{ a }", "extensions": {"a": null, "a": null}}',
        '{"query": "{ a }", "other": 1, "other": 2}',
    ],
)
async def test_fault_005_a_name_that_stands_twice(twice: str) -> None:
    """The same name twice in one object, however written and however deep, is refused: others could take the other value."""
    with pytest.raises(BadRequest, match="twice"):
        await posted(twice.encode())


async def test_a_name_in_two_objects() -> None:
    """The same name in different objects is what objects are for."""
    body = '{"query": "{ a(x: \\":\\") }", "variables": {"query": 1, "list": [{"a": 1}, {"a": 2}]}}'

    assert (await posted(body.encode())).variables == {"query": 1, "list": [{"a": 1}, {"a": 2}]}


async def test_nesting() -> None:
    """64 levels are read, 65 are not, of lists and of objects."""

    def body(levels: int, opening: str, closing: str) -> bytes:
        inside = levels - 2  # the request and its variables
        return f'{{"query": "{{ a }}", "variables": {{"x": {opening * inside}1{closing * inside}}}}}'.encode()

    for opening, closing in (("[", "]"), ('{"a":', "}")):
        assert (await posted(body(MAX_NESTING, opening, closing))).variables
        with pytest.raises(BadRequest, match="nested deeper"):
            await posted(body(MAX_NESTING + 1, opening, closing))


async def test_fault_003_deep_json_costs_nothing() -> None:
    """100 000 levels are refused within milliseconds, also below the decoder's own limit and in a body that is wide as well."""
    wide = b'{"query": "{ a }", "variables": {"x": [' + b"[[[[1]]]]," * 20_000 + b"[]]}}"
    for body in (
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 52_000,
        b"[" * 1_000 + b"]" * 1_000,
        b'[{"a":' * 500 + b"1" + b"}]" * 500,
        wide,
    ):
        best = []
        for _ in range(5):
            started = time.thread_time()  # of this thread: a machine that is busy with something else proves nothing
            if body is wide:
                assert (await posted(body)).variables
            else:
                with pytest.raises(BadRequest):
                    await posted(body)
            best.append(time.thread_time() - started)
        assert min(best) < 0.05


async def test_fault_004_numbers_that_are_none() -> None:
    """NaN, Infinity, 1e400 and an integer of 5 000 digits are refused; thirty digits and a small fraction are numbers."""
    for number in ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 5000, "01", "+1", "0x1", "1_000"):
        with pytest.raises(BadRequest):
            await posted(f'{{"query": "{{ a }}", "variables": {{"x": {number}}}}}'.encode())
    operation = await posted(('{"query": "{ a }", "variables": {"x": ' + "9" * 30 + ', "y": 1e-400}}').encode())
    assert operation.variables == {"x": 1e30, "y": 0.0}


SHAPES: list[Any] = [
    *(5, "x", None, [], [1], [{"query": QUERY}], [{"query": QUERY}] * 11, True, {}),
    *({"query": bad} for bad in (None, 5, ["{ a }"], {"a": 1}, False, "", " \n")),
    *({"query": QUERY, name: bad} for name in ("variables", "extensions") for bad in ([], "{}", 5, False)),
    *({"query": QUERY, "operationName": bad} for bad in ({}, [], 5, False)),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
async def test_shapes(shape: Any) -> None:
    """JSON that is no request is refused."""
    with pytest.raises(BadRequest):
        await posted(json.dumps(shape).encode())


async def test_fault_012_batches_say_that_they_are_off() -> None:
    """A list of requests is told to come one by one, whatever is in it and however long it is."""
    for batch in ([{"query": QUERY}], [{"query": QUERY}] * 11, [{"query": QUERY}] * 5_000, [1] * 10_000, []):
        with pytest.raises(BadRequest, match="one operation per request"):
            await posted(json.dumps(batch).encode())


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
@example({'"': ":", "\\": '\\":'})
async def test_any_variables_arrive(variables: dict[str, Any]) -> None:
    """Whatever a client encodes comes out as it went in."""
    body = json.dumps({"query": QUERY, "variables": variables})

    assert (await posted(body.encode())).variables == orjson.loads(json.dumps(variables))


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\u0aeE+-.19 \n\x00query', max_size=60).map(str.encode))
async def test_any_bytes_are_an_operation_or_a_bad_request(body: bytes) -> None:
    """Nothing that a body holds raises anything else."""
    for tried in (body, b'{"query": "{ a }", "variables": {"x": ' + body + b"}}"):
        with suppress(BadRequest):
            assert isinstance(await posted(tried), Operation)


# The query string


async def test_get_parameters() -> None:
    """All four parameters of a GET, JSON where they are objects; blank ones are absent, unknown ones are nobody's."""
    asked = {"query": QUERY, "variables": '{"a": "ü"}', "operationName": "A", "extensions": '{"b": 1}', "other": "x"}

    assert await got(urlencode(asked)) == Operation(QUERY, {"a": "ü"}, "A", {"b": 1})
    assert await got(f"query={quote(QUERY)}&variables=&operationName=&extensions=") == Operation(QUERY)


@pytest.mark.parametrize(
    "query_string",
    [
        "",
        "query=",
        "variables={}",
        "query=a&query=b",
        "query=a&variables=x",
        "query=a&variables=[]",
        "query=a&variables={%22a%22:1,%22a%22:2}",
        "query=a&variables=" + "[" * 1000,
        "query=%ff",
        "query=%c3%28",
        "query=a&variables=NaN",
        "&".join(f"a{number}=1" for number in range(200)),
    ],
    ids=lambda text: text[:40],
)
async def test_get_parameters_that_are_none(query_string: str) -> None:
    """What cannot be read, or stands twice, is refused."""
    with pytest.raises(BadRequest):
        await got(query_string)


async def test_a_long_query_string() -> None:
    """A query string is as long as a body at most."""
    with pytest.raises(PayloadTooLarge):
        await got("query=" + "a" * MAX_BODY)


@given(st.text(alphabet='qvoe=&%+[]{}"1ü\x00', max_size=40).map(lambda text: "query=a&" + text))
async def test_any_query_string_is_an_operation_or_refused(query_string: str) -> None:
    """Nothing that a query string holds raises anything else."""
    with suppress(GatewayError):
        assert isinstance(await got(query_string), Operation)


# Documents by name

HASHED = {"persistedQuery": {"version": 1, "sha256Hash": "0f" * 32}}


@pytest.mark.parametrize("query", [None, "", " "], ids=repr)
async def test_a_document_by_name(query: str | None) -> None:
    """With `documentId`, of up to 256 characters, or the hash of Apollo's protocol, a query is not needed, by POST and by GET."""
    for named in ({"documentId": "d" * 256}, {"extensions": HASHED}):
        operation = await posted(json.dumps({"query": query, **named}).encode())
        assert (operation.query, operation.document_id, operation.extensions) == (query, named.get("documentId"), named.get("extensions"))
        by_get = {name: value if isinstance(value, str) else json.dumps(value) for name, value in named.items()}
        assert await got(urlencode(by_get)) == Operation(None, extensions=named.get("extensions"), document_id=named.get("documentId"))


async def test_a_document_by_name_and_text() -> None:
    """Whether both are one document is not for the transport to say."""
    assert await posted(json.dumps({"query": QUERY, "documentId": "d"}).encode()) == Operation(QUERY, document_id="d")


@pytest.mark.parametrize(
    "named",
    [
        {"documentId": ""},
        {"documentId": "d" * 257},
        {"documentId": 5},
        {"documentId": ["d"]},
        {"documentId": True},
        {"documentId": "d", "query": 5},
        {"extensions": HASHED, "query": []},
        {"extensions": {"persistedQuery": {}}},
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "0f" * 32}}, "query": QUERY},
        {"extensions": {"persistedQuery": None}},
        {"documentId": None},
    ],
    ids=lambda named: str(named)[:50],
)
async def test_a_name_that_is_none(named: dict[str, Any]) -> None:
    """What names no document, or is of another shape, is no request."""
    with pytest.raises(BadRequest):
        await posted(json.dumps(named).encode())
