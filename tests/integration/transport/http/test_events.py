"""Event streams over a real uvicorn: what goes over the wire, how one is resumed, and each way in which one ends."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.auth.session import Departure
from gateway.transport.http.events import COMPLETE, HEARTBEAT

from .conftest import WORKSPACE, StartServer, until

__all__: list[str] = []

EVENTS = "subscription { events(count: 2) { __typename ... on LiveEvent { cursor } ... on Changed { text } } }"
GATED = "subscription ($after: String) { gated(after: $after) { ... on LiveEvent { cursor seq } } }"
END = COMPLETE.decode()


def shown(event: str) -> tuple[str | None, Any]:
    """Id and data of a `next` event."""
    fields = dict(line.split(": ", 1) for line in event.rstrip("\n").split("\n"))
    assert fields["event"] == "next"
    return fields.get("id"), json.loads(fields["data"])


def codes(event: str) -> list[str]:
    """The codes of the errors in a `next` event without data."""
    _, data = shown(event)
    assert set(data) == {"errors"}
    return [error["extensions"]["code"] for error in data["errors"]]


async def test_what_goes_over_the_wire(http_server: StartServer) -> None:
    """Headers, a first comment, one `next` with an id per event, `complete` with an empty data field, and the connection stays."""
    server = await http_server()
    stream = await server.stream(EVENTS, x_request_id="r-1")

    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert {stream.headers[name] for name in ("cache-control", "x-accel-buffering", "x-request-id", "vary")} == {
        "no-store",
        "no",
        "r-1",
        "Accept",
    }
    assert await stream.chunk() == HEARTBEAT
    assert await stream.chunk() == b'id: c0\nevent: next\ndata: {"data":{"events":{"__typename":"Started","cursor":"c0"}}}\n\n'
    assert (
        await stream.chunk() == b'id: c1\nevent: next\ndata: {"data":{"events":{"__typename":"Changed","cursor":"c1","text":"c\\n1"}}}\n\n'
    )
    assert shown(await stream.event())[0] == "c2"
    assert await stream.chunk() == b"event: complete\ndata:\n\n"
    assert await stream.chunk() == b""
    stream.writer.write(b"GET /graphql?query={hello} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer someone\r\n\r\n")
    await stream.begin()
    assert await stream.json() == {"data": {"hello": "Hello you"}}
    await server.quiet()


async def test_get_streams_too(http_server: StartServer) -> None:
    """A browser's EventSource asks by GET."""
    server = await http_server()
    query = "subscription{silent{__typename}}"
    stream = await server.raw(
        f"GET /graphql?query={query} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer someone\r\naccept: text/event-stream\r\n\r\n".encode()
    )

    assert (stream.status, await stream.chunk()) == (200, HEARTBEAT)
    stream.drop()
    await server.quiet()


DOCUMENTS = [
    ("subscription { events { ... on LiveEvent { cursor } } }", "{}"),
    ('subscription { events(after: "c3", prefix: "p") { ... on LiveEvent { cursor } } }', "{}"),
    ("subscription ($a: String) { events(after: $a) { ... on LiveEvent { cursor } } }", '{"a": "c3"}'),
    ("subscription ($a: String) { events(after: $a) { ... on LiveEvent { cursor } } }", "{}"),
    ("subscription { ...F } fragment F on Subscription { events { ...E } } fragment E on LiveEvent { cursor }", "{}"),
    ("subscription { ... on Subscription { ...F } } fragment F on Subscription { e: events { ... on Started { cursor } } }", "{}"),
]


async def test_last_event_id_wins_over_after(http_server: StartServer) -> None:
    """Whatever the document says of `after`, the stream begins behind the id that the client had last."""
    server = await http_server()
    for query, variables in DOCUMENTS * 2:  # a document is kept between requests, and must stay as it is
        stream = await server.stream(query, variables=variables, last_event_id="c7")
        assert shown(await stream.event())[0] == "c7"
        stream.drop()
        stream = await server.stream(query, variables=variables)
        assert shown(await stream.event())[0] == ("c3" if "c3" in query + variables else "c0")
        stream.drop()


async def test_a_last_event_id_that_is_none(http_server: StartServer) -> None:
    """An id that is no cursor is CURSOR_INVALID, told on the stream, which is over then."""
    server = await http_server()
    request = (
        b"POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer someone\r\ncontent-type: application/json\r\naccept: text/event-stream\r\n"
        b"last-event-id: %b\r\ncontent-length: %d\r\n\r\n%b"
    )
    body = json.dumps({"query": GATED}).encode()
    for cursor in ("x", "c", "c7x", '"', "\\", "${after}", "ÿ", "c1" * 300):
        stream = await server.raw(request % (cursor.encode("latin-1"), len(body), body))
        assert codes(await stream.event()) == ["CURSOR_INVALID"]
        assert await stream.rest() == END


async def test_an_empty_last_event_id_is_none(http_server: StartServer) -> None:
    """An empty id is what a client sends that had no event yet."""
    server = await http_server()
    stream = await server.stream(GATED, variables='{"after": "c5"}', last_event_id="")

    assert shown(await stream.event())[0] == "c5"


async def test_ids_are_the_cursors_that_were_asked_for(http_server: StartServer) -> None:
    """An event has an id when it shows its cursor, under whatever name; else it has none."""
    server = await http_server()
    for selection, found in (
        ("__typename", None),
        ("... on LiveEvent { seq }", None),
        ("... on Started { place: cursor }", "c0"),
        ("... on Changed { cursor }", None),
        ("... on Started { after } ... on LiveEvent { seq cursor }", "c0"),
    ):
        stream = await server.stream(f"subscription {{ events {{ {selection} }} }}")
        assert shown(await stream.event())[0] == found


async def test_single_answers_as_events(http_server: StartServer) -> None:
    """Who takes nothing but events gets a query, a mutation and a refused document as one `next` and `complete`."""
    server = await http_server()

    async def body(query: str) -> str:
        answer = await server.stream(query)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        return (await answer.reader.readexactly(int(answer.headers["content-length"]))).decode()

    assert await body("{ hello }") == 'event: next\ndata: {"data":{"hello":"Hello you"}}\n\n' + END
    assert await body("mutation { change }") == 'event: next\ndata: {"data":{"change":1}}\n\n' + END
    for query, code in (("{", "GRAPHQL_PARSE_FAILED"), ("{ nothing }", "GRAPHQL_VALIDATION_FAILED")):
        event, _, end = (await body(query)).partition("event: complete")
        assert (codes(event), end) == ([code], "\ndata:\n\n")


async def test_what_refuses_a_request_has_its_status(http_server: StartServer) -> None:
    """Credentials, limits and what is no request are refused by status, not on a stream."""
    server = await http_server()
    stranger = await server.stream(GATED, who="nobody")
    assert (stranger.status, stranger.headers["content-type"]) == (401, "application/json; charset=utf-8")
    server.world.places = 0
    full = await server.stream(GATED)
    assert (full.status, full.headers["retry-after"]) == (429, "5")
    server.world.places = 1
    first = await server.stream(GATED)
    assert (first.status, (await server.stream(GATED)).status) == (200, 429)
    first.drop()
    await server.quiet()
    assert (await server.stream(GATED)).status == 200


async def test_fault_011_a_subscription_for_who_takes_no_events(http_server: StartServer) -> None:
    """A subscription without text/event-stream in Accept is 400 and says what to do; nothing is opened."""
    server = await http_server()
    for accept in ("application/json", "*/*", "application/graphql-response+json", "multipart/mixed, application/json"):
        answer = await server.post(GATED, accept=accept)
        (error,) = (await answer.json())["errors"]
        assert (answer.status, error["extensions"]) == (400, {"code": "BAD_REQUEST"})
        assert "text/event-stream" in error["message"]
    assert server.world.contexts == []


async def test_heartbeats(http_server: StartServer) -> None:
    """A stream without events sends a comment now and then."""
    server = await http_server(heartbeat=0.02)
    stream = await server.stream("subscription { silent { __typename } }")

    assert [await stream.chunk() for _ in range(4)] == [HEARTBEAT] * 4
    stream.drop()
    await server.quiet()


# How it ends


async def test_the_client_goes_away(http_server: StartServer) -> None:
    """A stream whose client has gone is closed within a second, whether it waits or sends, and leaves nothing behind."""
    server = await http_server()
    for query in (GATED, "subscription { silent { __typename } }"):
        stream = await server.stream(query)
        await until(lambda: server.world.open)
        stream.drop()
        async with asyncio.timeout(1):
            await server.quiet()


async def test_the_client_reads_nothing(http_server: StartServer) -> None:
    """A client that reads nothing is given up after the send timeout; its events wait in the source, not in memory."""
    server = await http_server(send_timeout=0.3)
    stream = await server.stream("subscription { flood { ... on Changed { text } } }", buffer=4096)
    await until(lambda: server.world.pulled)
    await until(lambda: not server.world.open)

    assert server.world.pulled < 300
    stream.drop()
    await server.quiet()


async def test_a_stream_that_is_closing_is_left_to_it(http_server: StartServer) -> None:
    """The clean-up of a stream whose client was given up is not cut short: until it is done, the stream counts as open."""
    server = await http_server(send_timeout=0.2)
    stream = await server.stream("subscription { flood(careful: true) { ... on Changed { text } } }", buffer=4096)
    await until(lambda: server.world.gate._waiters)
    stream.drop()
    await until(lambda: not server.server.server_state.connections)
    assert (server.world.changed, server.world.open, len(server.wiring.connections)) == (0, 1, 1)
    server.world.gate.release()
    await server.quiet()

    assert server.world.changed == 1


async def test_a_slow_client_gets_everything(http_server: StartServer) -> None:
    """A client that reads slowly is waited for, and gets every event once, in order."""
    server = await http_server()
    stream = await server.stream(
        'subscription { events(count: 2000, prefix: "%s") { ... on Changed { cursor text } } }' % ("y" * 1000), buffer=4096
    )
    await until(lambda: server.world.open)
    await asyncio.sleep(0)
    ids = []
    while (event := await stream.event()) != END:
        ids.append(shown(event)[0])

    assert ids == [None, *(f"c{number}" for number in range(1, 2001))]
    await server.quiet()


async def test_a_bug_in_a_stream(http_server: StartServer) -> None:
    """A stream that breaks says so by an error id, and is complete."""
    server = await http_server()
    stream = await server.stream("subscription { bug { ... on Changed { cursor } } }")

    assert shown(await stream.event())[0] == "c1"
    assert codes(broken := await stream.event()) == ["INTERNAL"]
    assert "secret" not in broken
    assert await stream.rest() == END
    await server.quiet()


async def test_revoked_credentials(http_server: StartServer) -> None:
    """A subject that is disconnected hears why, and that it is over; somebody else's stream goes on."""
    server = await http_server()
    mine, other = await server.stream(GATED), await server.stream(GATED, who="brief")
    assert shown(await mine.event())[0] == shown(await other.event())[0] == "c0"
    server.world.gate.release()  # an event is on its way to one of them, and may not arrive any more if it is this one
    server.world.sessions.disconnect(WORKSPACE, "someone", datetime.now(UTC))

    end = await mine.rest()
    assert codes(end.removesuffix(END)) == ["UNAUTHENTICATED"]
    assert "Disconnected by an administrator." in end
    assert len(server.wiring.connections) == 1
    other.drop()
    await server.quiet()


async def test_credentials_that_end(http_server: StartServer) -> None:
    """A stream ends with the token that opened it, with a word of it, when it has not said goodbye before."""
    server = await http_server()
    stream = await server.stream(GATED, who="brief")
    assert shown(await stream.event())[0] == "c0"
    assert codes((await stream.rest()).removesuffix(END)) == ["UNAUTHENTICATED"]
    assert server.world.contexts[0].principal.expired(datetime.now(UTC))
    await server.quiet()


async def test_a_session_belongs_to_the_stream(http_server: StartServer) -> None:
    """A stream has a session, which resolvers see; a query has none."""
    server = await http_server()
    stream = await server.stream(GATED)
    assert shown(await stream.event())[0] == "c0"
    assert await (await server.post("{ hello }")).json() == {"data": {"hello": "Hello you"}}

    of_stream, of_query = server.world.contexts
    assert of_stream.session is not None
    assert of_query.session is None
    closed = asyncio.Event()
    of_stream.session.on_close("test", closed.set)
    stream.drop()
    async with asyncio.timeout(1):
        await closed.wait()


async def test_the_server_goes_away(http_server: StartServer) -> None:
    """Closed for a restart, a response ends without `complete`, so that clients come back; new streams are refused with 503, queries are not."""
    server = await http_server()
    stream = await server.stream(GATED)
    assert shown(await stream.event())[0] == "c0"
    await server.wiring.connections.close_all()

    assert await stream.rest() == ""
    refused = await server.stream(GATED)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert (await server.post("{ hello }")).status == 200
    await server.quiet()


@pytest.mark.parametrize(("reason", "end"), [("DRAINING", "retry: 1500\n\n"), ("TOKEN_EXPIRED", END)])
async def test_a_stream_that_was_told_to_leave(http_server: StartServer, reason: str, end: str) -> None:
    """A stream that says goodbye because the server drains ends without `complete` and says when to come back."""
    server = await http_server()
    stream = await server.stream("subscription { polite { ... on LiveEvent { cursor } } }")
    await until(lambda: server.world.open)
    (served,) = server.wiring.connections._open
    served.leave(Departure(reason, 1500))

    assert shown(await stream.event())[0] == "c1"
    assert await stream.rest() == end
    await server.quiet()
