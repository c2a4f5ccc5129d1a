"""The framing of event streams: one event, one line of data, no matter what is in it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.transport.http.events import COMPLETE, HEARTBEAT, Timing, next_event, single

__all__: list[str] = []


def read(stream: bytes) -> list[dict[str, str]]:
    """What the specification of Server-Sent Events makes of it: a block per event, a field per line."""
    text = stream.decode().replace("\r\n", "\n").replace("\r", "\n")
    blocks = [block for block in text.split("\n\n") if not block.startswith(":")]
    return [{line.partition(":")[0]: line.partition(":")[2].removeprefix(" ") for line in block.split("\n")} for block in blocks if block]


def test_fields() -> None:
    """An event has its kind, its data, and an id where there is a cursor."""
    assert next_event({"data": {"a": 1}}) == b'event: next\ndata: {"data":{"a":1}}\n\n'
    assert next_event({"data": {"a": 1}}, "c1") == b'id: c1\nevent: next\ndata: {"data":{"a":1}}\n\n'
    assert (HEARTBEAT, COMPLETE) == (b":\n\n", b"event: complete\ndata:\n\n")


@given(st.recursive(st.none() | st.text() | st.integers(-100, 100), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_whatever_is_in_it(value: Any) -> None:
    """Line breaks, colons and empty strings within values break nothing."""
    stream = HEARTBEAT + next_event({"data": value}, "c1") + HEARTBEAT + COMPLETE
    shown, complete = read(stream)

    assert (json.loads(shown["data"]), shown["event"], shown["id"]) == ({"data": value}, "next", "c1")
    assert complete == {"event": "complete", "data": ""}


def test_single() -> None:
    """A single answer is one event and the end, and has a length."""
    made = single({"data": {}})

    assert bytes(made.body) == b'event: next\ndata: {"data":{}}\n\nevent: complete\ndata:\n\n'
    assert (made.status_code, made.headers["content-type"], made.headers["content-length"]) == (
        200,
        "text/event-stream; charset=utf-8",
        "54",
    )


def test_times() -> None:
    """A comment every 12 seconds; 10 seconds to take an event."""
    assert Timing() == Timing(heartbeat=12.0, send_timeout=10.0)
