"""Facts about the shape of client messages: what is one, what is not, and that nothing but BadRequest comes of it."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.request import Request
from gateway.errors import BadRequest
from gateway.transport.ws.messages import LONGEST_ID, MAX_NESTING, Complete, ConnectionInit, Ping, Pong, Subscribe, parse

__all__: list[str] = []


def subscribe(**payload: Any) -> str:
    """A subscribe frame with this payload."""
    return json.dumps({"id": "1", "type": "subscribe", "payload": payload})


def nested(levels: int) -> str:
    """A ping whose frame has so many levels of objects: the frame and its payload are the first two."""
    return '{"type":"ping","payload":' + '{"a":' * (levels - 2) + "{}" + "}" * (levels - 1)


class TestShapes:
    """What is a message."""

    @pytest.mark.parametrize("payload", ["", ',"payload":null', ',"payload":{}', ',"payload":{"locale":"en"}'])
    def test_init_without_credentials(self, payload: str) -> None:
        """`connection_init` may have no payload, null, or an object without credentials."""
        assert parse(f'{{"type":"connection_init"{payload}}}') == ConnectionInit(None)

    @pytest.mark.parametrize("key", ["Authorization", "authorization", "AUTHORIZATION"])
    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
    def test_bearer_token(self, key: str, scheme: str) -> None:
        """The token is found whatever the case of its key and scheme."""
        assert parse(json.dumps({"type": "connection_init", "payload": {key: f"{scheme} a.b.c"}})) == ConnectionInit("a.b.c")

    @pytest.mark.parametrize(
        "payload",
        [
            {"Authorization": 5},
            {"Authorization": ["Bearer a"]},
            {"Authorization": ""},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer "},
            {"Authorization": "Basic dTpw"},
            {"Authorization": "Bearer a b"},
            {"Authorization": "xBearer a"},
            {"Authorization": "Bearer a", "authorization": "Bearer b"},
        ],
        ids=str,
    )
    def test_illegible_credentials(self, payload: dict[str, Any]) -> None:
        """Credentials that are not exactly one bearer token are never taken for no credentials."""
        assert parse(json.dumps({"type": "connection_init", "payload": payload})) == ConnectionInit(None, legible=False)

    def test_ping_and_pong(self) -> None:
        """Pings keep their payload, pongs are just pongs; both may go without."""
        assert parse('{"type":"ping"}') == Ping(None)
        assert parse('{"type":"ping","payload":null}') == Ping(None)
        assert parse('{"type":"ping","payload":{"at":1}}') == Ping({"at": 1})
        assert parse('{"type":"pong","payload":{"at":1}}') == Pong()

    def test_subscribe(self) -> None:
        """A subscribe carries the whole request, `extensions` included; members we do not know are ignored."""
        frame = subscribe(query="{a}", variables={"x": 1}, operationName="N", extensions={"e": 2}, more=3)

        assert parse(frame) == Subscribe("1", Request("{a}", {"x": 1}, "N", {"e": 2}))

    def test_subscribe_with_nulls(self) -> None:
        """Everything but the query may be null."""
        assert parse(subscribe(query="{a}", variables=None, operationName=None, extensions=None)) == Subscribe("1", Request("{a}"))

    def test_subscribe_without_query(self) -> None:
        """The query may be left to `extensions`."""
        assert parse(subscribe(extensions={})) == Subscribe("1", Request(None, extensions={}))
        assert parse(subscribe(query=None, extensions={})) == Subscribe("1", Request(None, extensions={}))

    @pytest.mark.parametrize("payload", [{}, {"query": None}, {"query": ""}, {"query": "{a}"}], ids=str)
    def test_subscribe_by_document_id(self, payload: dict[str, Any]) -> None:
        """The query may be left to `documentId`, of up to 256 characters; whether both may be there is not for the shape to say."""
        query = payload.get("query")
        assert parse(subscribe(**payload, documentId="d" * 256)) == Subscribe("1", Request(query, document_id="d" * 256))
        assert parse(subscribe(query="{a}", documentId=None)) == Subscribe("1", Request("{a}"))

    @pytest.mark.parametrize("name", ["", "d" * 257, 5, True, [], {}], ids=lambda value: str(value)[:5])
    def test_a_document_id_that_is_none(self, name: Any) -> None:
        """Anything else is no message, whatever stands beside it."""
        for payload in ({}, {"query": "{a}"}, {"extensions": {}}):
            with pytest.raises(BadRequest, match="documentId"):
                parse(subscribe(**payload, documentId=name))

    def test_complete(self) -> None:
        """A complete is an id."""
        assert parse('{"id":"é","type":"complete"}') == Complete("é")

    def test_longest_id(self) -> None:
        """An id has up to 256 characters."""
        assert parse(json.dumps({"id": "é" * LONGEST_ID, "type": "complete"})) == Complete("é" * LONGEST_ID)
        with pytest.raises(BadRequest):
            parse(json.dumps({"id": "é" * (LONGEST_ID + 1), "type": "complete"}))


class TestRefusals:
    """What is not a message."""

    @pytest.mark.parametrize(
        "frame",
        [
            "",
            "hello",
            "{",
            "[]",
            '"x"',
            "null",
            "1",
            "{}",
            "NaN",
            '{"type":null}',
            '{"type":["ping"]}',
            '{"type":"start"}',
            '{"type":"next","id":"1","payload":{}}',
            '{"type":"connection_ack"}',
            '{"type":"' + "x" * 1_000_000 + '"}',
            '{"type":"connection_init","payload":[]}',
            '{"type":"connection_init","payload":"Bearer a"}',
            '{"type":"ping","payload":[]}',
            '{"type":"pong","payload":1}',
            '{"type":"complete"}',
            '{"type":"complete","id":7}',
            '{"type":"complete","id":""}',
            '{"type":"subscribe","payload":{"query":"{a}"}}',
            '{"type":"subscribe","id":["1"],"payload":{"query":"{a}"}}',
            '{"type":"subscribe","id":"1"}',
            '{"type":"subscribe","id":"1","payload":null}',
            '{"type":"subscribe","id":"1","payload":[]}',
            '{"type":"subscribe","id":"1","payload":{}}',
            '{"type":"subscribe","id":"1","payload":{"query":5}}',
            '{"type":"subscribe","id":"1","payload":{"query":5,"extensions":{}}}',
            '{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}',
            '{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":"{}"}}',
            '{"type":"subscribe","id":"1","payload":{"query":"{a}","operationName":5}}',
            '{"type":"subscribe","id":"1","payload":{"query":"{a}","extensions":[]}}',
        ],
        ids=lambda frame: frame[:60],
    )
    def test_fault_049_050_051_malformed(self, frame: str) -> None:
        """A frame of the wrong shape is refused with a reason that fits a close frame and echoes nothing long."""
        with pytest.raises(BadRequest) as refused:
            parse(frame)
        assert 0 < len(refused.value.message.encode()) <= 123

    @pytest.mark.parametrize(
        "frame",
        [
            "[" * 100_000,
            "[" * 100_000 + "]" * 100_000,
            '{"a":' * 100_000,
            nested(1_000),
            '{"type":"ping","payload":{"n":' + "9" * 5_000 + "}}",
            '{"type":"ping","payload":{"n":1e400}}',
            '{"type":"ping","payload":{"s":"\\ud800"}}',
            '{"type":"ping","payload":{"s":"\ud800"}}',
        ],
        ids=["open", "lists", "objects", "thousand", "big-int", "infinity", "escaped-surrogate", "surrogate"],
    )
    def test_fault_049_json_bombs(self, frame: str) -> None:
        """Deep nesting, numbers beyond a double and lone surrogates are refused, not crashed on."""
        with pytest.raises(BadRequest):
            parse(frame)

    def test_nesting_boundary(self) -> None:
        """64 levels pass, 65 do not, and brackets inside a string are not levels."""
        assert isinstance(parse(nested(MAX_NESTING)), Ping)
        with pytest.raises(BadRequest):
            parse(nested(MAX_NESTING + 1))
        assert isinstance(parse(subscribe(query="{a" * 500 + "}" * 500)), Subscribe)

    @given(
        st.text() | st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
    )
    def test_only_bad_request(self, content: Any) -> None:
        """Whatever text or JSON arrives, it is a message or BadRequest."""
        frame = content if isinstance(content, str) else json.dumps(content)
        with contextlib.suppress(BadRequest):
            parse(frame)
